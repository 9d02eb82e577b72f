//! What the tasks of a replay say, kept in order until it is written.

use cxwatch_decision::{CustomerState, Decider, Decision, WallClock};
use cxwatch_engine::{Desk, Effect, NEVER};
use cxwatch_event::Millis;
use cxwatch_rulebook::Rulebook;

/// One thing that a task says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A detection, or what became of it.
    Effect(Effect),
    /// What was decided on it.
    Decision(Decision),
}

/// The desk of the service, that also keeps every effect with its instant.
#[derive(Debug)]
pub struct Ledger {
    effects: Vec<(Millis, Effect)>,
    decider: Decider,
}

impl Ledger {
    /// A desk without a wall clock: history is decided as if each instant were now.
    pub fn new(late_horizon_ms: Millis) -> Self {
        Ledger { effects: Vec::new(), decider: Decider::new(NEVER, late_horizon_ms, WallClock::None) }
    }

    /// Takes what has been said since the last call: by instants; at one instant first the effects, then the decisions.
    /// To be called between instants.
    pub fn take_said(&mut self, out: &mut Vec<(Millis, Said)>) {
        let mut effects = self.effects.drain(..).peekable();
        for decision in self.decider.take_decisions() {
            let instant = instant_of(&decision);
            while let Some((at, effect)) = effects.next_if(|(at, _)| *at <= instant) {
                out.push((at, Said::Effect(effect)));
            }
            out.push((instant, Said::Decision(decision)));
        }
        out.extend(effects.map(|(at, effect)| (at, Said::Effect(effect))));
    }
}

fn instant_of(decision: &Decision) -> Millis {
    match decision {
        Decision::Action(action) => action.instant,
        Decision::Suppressed(suppressed) => suppressed.instant,
    }
}

impl Desk for Ledger {
    type State = CustomerState;

    fn take(&mut self, book: &Rulebook, state: &mut CustomerState, effect: &Effect, instant: Millis) {
        self.effects.push((instant, effect.clone()));
        self.decider.take(book, state, effect, instant);
    }

    fn next(&self, state: &CustomerState) -> Option<Millis> {
        self.decider.next(state)
    }

    fn wake(&mut self, book: &Rulebook, customer: &str, state: &mut CustomerState, instant: Millis) {
        self.decider.wake(book, customer, state, instant);
    }

    fn settled(&mut self) {
        self.decider.settled();
    }

    fn rule_removed(&mut self, customer: &str, state: &mut CustomerState, rule: &str, instant: Millis) {
        self.decider.rule_removed(customer, state, rule, instant);
    }

    fn is_idle(&self, state: &CustomerState) -> bool {
        self.decider.is_idle(state)
    }
}
