//! What the tasks of a replay say, kept in order until it is written.

use compact_str::CompactString;
use cxwatch_decision::explanation::Told;
use cxwatch_decision::{CustomerState, Decider, DeciderSettings, Decision, WallClock};
use cxwatch_engine::{Desk, Effect, EventRef, Moment, NEVER, Note, Received};
use cxwatch_event::Millis;
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
    /// The customer whose story is kept.
    watched: Option<CompactString>,
    story: Vec<(Millis, Told)>,
    /// The customer's events that were dropped as duplicates.
    repeated: Vec<EventRef>,
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
        Ledger {
            effects: Vec::new(),
            decider: Decider::new(settings),
            watched: None,
            story: Vec::new(),
            repeated: Vec::new(),
        }
    }

    /// Keeps everything that is told of this customer.
    pub fn watching(self, customer: Option<CompactString>) -> Self {
        Ledger { watched: customer, ..self }
    }

    /// Takes what was told of the customer, in order: at one instant the decisions come last.
    pub fn take_story(&mut self) -> Vec<(Millis, Told)> {
        let mut story = std::mem::take(&mut self.story);
        story.sort_by_key(|(instant, told)| (*instant, matches!(told, Told::Decision(_))));
        story
    }

    /// Takes the customer's events that were dropped as duplicates, in order.
    pub fn take_repeated(&mut self) -> Vec<EventRef> {
        std::mem::take(&mut self.repeated)
    }

    /// What decisions are taken by.
    pub fn decider(&self) -> &Decider {
        &self.decider
    }

    fn is_watched(&self, customer: &str) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched == customer)
    }

    /// Takes what has been said since the last call: by instants; at one instant first the effects, then the decisions.
    /// To be called between instants.
    pub fn take_said(&mut self, out: &mut Vec<(Millis, Said)>) {
        let mut effects = self.effects.drain(..).peekable();
        for decision in self.decider.take_decisions() {
            let instant = instant_of(&decision);
            if self.watched.as_deref() == Some(customer_of(&decision)) {
                self.story.push((instant, Told::Decision(decision.clone())));
            }
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

fn customer_of(decision: &Decision) -> &str {
    match decision {
        Decision::Action(action) => &action.customer,
        Decision::Suppressed(suppressed) => &suppressed.detection.customer,
    }
}

impl Desk for Ledger {
    type State = CustomerState;

    fn take(&mut self, moment: &Moment<'_>, state: &mut CustomerState, effect: &Effect) {
        if self.is_watched(moment.customer) {
            self.story.push((moment.instant, Told::Effect(effect.clone())));
        }
        self.effects.push((moment.instant, effect.clone()));
        self.decider.take(moment, state, effect);
    }

    fn saw(&mut self, moment: &Moment<'_>, state: &mut CustomerState, received: Received<'_>) {
        self.decider.saw(moment, state, received);
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

    fn watched(&self) -> Option<&str> {
        self.watched.as_deref()
    }

    fn note(&mut self, moment: &Moment<'_>, _: &mut CustomerState, note: &Note) {
        self.story.push((moment.instant, Told::Note(note.clone())));
    }

    fn repeated(&mut self, _: &Moment<'_>, event: &EventRef) {
        self.repeated.push(event.clone());
    }

    fn warm(&self, state: &CustomerState) {
        self.decider.warm(state);
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
