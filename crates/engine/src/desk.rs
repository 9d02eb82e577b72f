//! What takes the engine's effects at once, customer by customer.

use crate::Effect;
use cxwatch_event::Millis;
use cxwatch_rulebook::Rulebook;
use serde::{Serialize, de::DeserializeOwned};

/// The desk at which effects become decisions. It keeps a state of its own for every customer, which lives, is written
/// and is restored with the engine's, and it may ask to be woken in event time.
///
/// Pure like the engine: the same calls in the same order give the same results.
pub trait Desk {
    /// What it keeps per customer.
    type State: Default + Clone + PartialEq + Serialize + DeserializeOwned;

    /// Takes an effect.
    fn take(&mut self, book: &Rulebook, state: &mut Self::State, effect: &Effect, instant: Millis);

    /// When it wants to be woken for this customer, in event time.
    fn next(&self, state: &Self::State) -> Option<Millis>;

    /// The time it asked for has come.
    fn wake(&mut self, book: &Rulebook, customer: &str, state: &mut Self::State, instant: Millis);

    /// A step is over: everything that follows from what was read or reached has come in. What is taken back and found
    /// again within one step is one change.
    fn settled(&mut self) {}

    /// A rule is no longer in the rulebook, or has become another kind: what it proposed ends.
    fn rule_removed(&mut self, customer: &str, state: &mut Self::State, rule: &str, instant: Millis);

    /// Whether nothing is kept for this customer.
    fn is_idle(&self, state: &Self::State) -> bool;
}

/// A desk that files all effects in order: for tests, and for whoever wants detections only.
#[derive(Debug, Clone, Default)]
pub struct Filing {
    /// What has come in and has not been taken out.
    pub effects: Vec<Effect>,
}

impl Desk for Filing {
    type State = ();

    fn take(&mut self, _: &Rulebook, _: &mut (), effect: &Effect, _: Millis) {
        self.effects.push(effect.clone());
    }

    fn next(&self, _: &()) -> Option<Millis> {
        None
    }

    fn wake(&mut self, _: &Rulebook, _: &str, _: &mut (), _: Millis) {}

    fn rule_removed(&mut self, _: &str, _: &mut (), _: &str, _: Millis) {}

    fn is_idle(&self, _: &()) -> bool {
        true
    }
}
