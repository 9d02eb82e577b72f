//! What the tasks of a replay say, kept in order until it is written.

use cxwatch_engine::{Desk, Effect};
use cxwatch_event::Millis;
use cxwatch_rulebook::Rulebook;

/// A desk that keeps every effect with its instant.
#[derive(Debug, Default)]
pub struct Ledger {
    said: Vec<(Millis, Effect)>,
}

impl Ledger {
    /// Takes what has been said since the last call, in order.
    pub fn take_said(&mut self) -> Vec<(Millis, Effect)> {
        std::mem::take(&mut self.said)
    }
}

impl Desk for Ledger {
    type State = ();

    fn take(&mut self, _: &Rulebook, _: &mut (), effect: &Effect, instant: Millis) {
        self.said.push((instant, effect.clone()));
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
