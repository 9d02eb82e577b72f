//! What the tasks of a replay say, kept in order until it is written.

use cxwatch_decision::{CustomerState, Decider, DeciderSettings, Decision, WallClock};
use cxwatch_engine::{Desk, Effect, EventRef, Moment, NEVER};
use cxwatch_event::{Event, Millis};
use cxwatch_rulebook::RuleIx;

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
    pub fn new(late_horizon_ms: Millis, partitions: u32) -> Self {
        let settings = DeciderSettings {
            act_from: NEVER,
            remember_ms: late_horizon_ms,
            partitions,
            wall: WallClock::None,
        };
        Ledger { effects: Vec::new(), decider: Decider::new(settings) }
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

    fn take(&mut self, moment: &Moment<'_>, state: &mut CustomerState, effect: &Effect) {
        self.effects.push((moment.instant, effect.clone()));
        self.decider.take(moment, state, effect);
    }

    fn saw(&mut self, moment: &Moment<'_>, state: &mut CustomerState, event: &Event, at: &EventRef) {
        self.decider.saw(moment, state, event, at);
    }

    fn succeeded(
        &mut self,
        moment: &Moment<'_>,
        state: &mut CustomerState,
        rule: RuleIx,
        key: Option<&str>,
        at: &EventRef,
    ) {
        self.decider.succeeded(moment, state, rule, key, at);
    }

    fn next(&self, state: &CustomerState) -> Option<Millis> {
        self.decider.next(state)
    }

    fn wake(&mut self, moment: &Moment<'_>, state: &mut CustomerState) {
        self.decider.wake(moment, state);
    }

    fn settled(&mut self) {
        self.decider.settled();
    }

    fn rule_removed(&mut self, moment: &Moment<'_>, state: &mut CustomerState, rule: &str) {
        self.decider.rule_removed(moment, state, rule);
    }

    fn is_idle(&self, state: &CustomerState) -> bool {
        self.decider.is_idle(state)
    }
}
