//! What takes the engine's effects at once, customer by customer.

use crate::{Effect, EventRef, Note, Received};
use cxwatch_event::{Millis, Profile};
use cxwatch_rulebook::{RuleIx, Rulebook};
use serde::{Serialize, de::DeserializeOwned};

/// What the desk is told with everything: under which rulebook, of whom, and when.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The rulebook in force.
    pub book: &'a Rulebook,
    /// The customer.
    pub customer: &'a str,
    /// What is known of the customer.
    pub profile: &'a Profile,
    /// The instant being processed.
    pub instant: Millis,
}

/// The desk at which effects become decisions. It keeps a state of its own for every customer, which lives, is written
/// and is restored with the engine's, and it may ask to be woken in event time.
///
/// Pure like the engine: the same calls in the same order give the same results.
pub trait Desk {
    /// What it keeps per customer.
    type State: Default + Clone + PartialEq + Serialize + DeserializeOwned;

    /// Takes an effect.
    fn take(&mut self, moment: &Moment<'_>, state: &mut Self::State, effect: &Effect);

    /// An event has been applied that means something to decisions, or whose type a rule names. It comes before its
    /// effects.
    fn saw(&mut self, _: &Moment<'_>, _: &mut Self::State, _: Received<'_>) {}

    /// An event that shows that a rule's customer was saved: of this key, or of any where the event names none.
    fn succeeded(&mut self, _: &Moment<'_>, _: &mut Self::State, _: RuleIx, _: Option<&str>, _: &EventRef) {}

    /// The customer of whom it wants to be told why nothing came of something: with [`Desk::note`]. `None`, as in a
    /// service, costs nothing.
    fn watched(&self) -> Option<&str> {
        None
    }

    /// Something happened to a rule's state of the watched customer, or did not. The effects of the same event come after.
    fn note(&mut self, _: &Moment<'_>, _: &mut Self::State, _: &Note) {}

    /// An event of the watched customer was dropped: its id had been seen.
    fn repeated(&mut self, _: &Moment<'_>, _: &EventRef) {}

    /// Asks for what the customer's next event will need, so that it is near by then: [`crate::ask_for`].
    fn warm(&self, _state: &Self::State) {}

    /// When it wants to be woken for this customer, in event time.
    fn next(&self, state: &Self::State) -> Option<Millis>;

    /// The time it asked for has come.
    fn wake(&mut self, moment: &Moment<'_>, state: &mut Self::State);

    /// A step is over: everything that follows from what was read or reached has come in. What is taken back and found
    /// again within one step is one change.
    fn settled(&mut self) {}

    /// A rule is no longer in the rulebook, or has become another kind: what it proposed ends.
    fn rule_removed(&mut self, moment: &Moment<'_>, state: &mut Self::State, rule: &str);

    /// An operator stops the requests of a rule or of all, or lets them go on.
    fn set_paused(&mut self, _rule: Option<&str>, _paused: bool) {}

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

    fn take(&mut self, _: &Moment<'_>, _: &mut (), effect: &Effect) {
        self.effects.push(effect.clone());
    }

    fn next(&self, _: &()) -> Option<Millis> {
        None
    }

    fn wake(&mut self, _: &Moment<'_>, _: &mut ()) {}

    fn rule_removed(&mut self, _: &Moment<'_>, _: &mut (), _: &str) {}

    fn is_idle(&self, _: &()) -> bool {
        true
    }
}
