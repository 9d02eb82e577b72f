//! The desk at which detections become actions.

use crate::brake::Brake;
use crate::decision::{Decision, WallClock};
use crate::ends::Undo;
use crate::paused::Paused;
use crate::stages::Modes;
use crate::state::{CustomerState, Live};
use crate::tally::Tally;
use cxwatch_engine::{Desk, Effect, EventRef, Moment, Received};
use cxwatch_event::Millis;
use cxwatch_rulebook::RuleIx;
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3Default;

/// What a decider is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeciderSettings {
    /// Detections before this instant lead to no action: `act_from` of the first start.
    pub act_from: Millis,
    /// For how long after an action's life it may still come back under its id: the late horizon.
    pub remember_ms: Millis,
    /// Among so many tasks a brake is divided.
    pub partitions: u32,
    /// The wall clock.
    pub wall: WallClock,
}

/// What a decider keeps for the whole task: goes into a snapshot's head.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeciderHead {
    /// Candidates so far: the number of the next.
    pub candidates: u64,
    /// The digest over all decisions.
    pub digest: u64,
    /// Requests of the minute.
    pub brake: Brake,
    /// The books.
    pub tally: Tally,
    /// What is stopped.
    pub paused: Paused,
    /// Outcomes of actions that were not known (any more).
    pub unknown_actions: u64,
}

/// See the crate's description.
#[derive(Debug)]
pub struct Decider {
    pub(crate) settings: DeciderSettings,
    pub(crate) head: DeciderHead,
    /// Decided in this step.
    pub(crate) fresh: Vec<Decision>,
    /// Episodes that were retracted in this step, as they were before.
    pub(crate) undo: Vec<Undo>,
    /// Their actions that were not over, as they were before, as long as nothing else has become of them.
    pub(crate) taken_back: Vec<Live>,
    outbox: Vec<Decision>,
    /// The numbers of the candidates that were found expired.
    expired: Vec<u64>,
    #[cfg(feature = "faults")]
    pub(crate) fault: Option<crate::Fault>,
}

impl Decider {
    /// A decider that has decided nothing.
    pub fn new(settings: DeciderSettings) -> Self {
        Decider {
            settings,
            head: DeciderHead::default(),
            fresh: Vec::new(),
            undo: Vec::new(),
            taken_back: Vec::new(),
            outbox: Vec::new(),
            expired: Vec::new(),
            #[cfg(feature = "faults")]
            fault: None,
        }
    }

    /// What goes into a snapshot's head.
    pub fn head(&self) -> &DeciderHead {
        &self.head
    }

    /// Goes on from a snapshot's head.
    pub fn set_head(&mut self, head: DeciderHead) {
        self.head = head;
        #[cfg(feature = "faults")]
        if self.has(crate::Fault::BrakeForgotten) {
            self.head.brake = Brake::default();
        }
    }

    /// The books: what became of candidates and episodes, by rule.
    pub fn tally(&self) -> &Tally {
        &self.head.tally
    }

    /// The requests of the minute.
    pub fn brake(&self) -> &Brake {
        &self.head.brake
    }

    /// What is stopped.
    pub fn paused(&self) -> &Paused {
        &self.head.paused
    }

    /// Outcomes of actions that were not known (any more).
    pub fn unknown_actions(&self) -> u64 {
        self.head.unknown_actions
    }

    /// Stops the requests of a rule, or all, or lets them go on. An operator's word, so a verdict: a restart has to say it
    /// again at its place, unless a snapshot's head has it.
    pub fn set_paused(&mut self, rule: Option<&str>, paused: bool) {
        self.head.paused.set(rule, paused);
    }

    /// Whether decisions wait to be taken.
    pub fn has_decisions(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Sets the wall clock, or what stands for it.
    pub fn set_wall(&mut self, wall: WallClock) {
        self.settings.wall = wall;
    }

    /// Takes what has been decided since the last call, in order.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.outbox)
    }

    /// Takes the numbers of the candidates found expired by the wall clock since the last call: verdicts, to be written
    /// with the decisions and given back with [`WallClock::Recorded`].
    pub fn take_expired(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.expired)
    }

    /// A digest over all decisions so far and what is kept for the whole task.
    pub fn digest(&self) -> u64 {
        let mut hasher = Xxh3Default::new();
        let DeciderHead { candidates, digest, brake, tally, paused, unknown_actions } = &self.head;
        (candidates, digest, unknown_actions).hash(&mut hasher);
        (brake, tally, paused).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn modes(&self) -> Modes<'_> {
        Modes { brake: &self.head.brake, paused: &self.head.paused, partitions: self.settings.partitions }
    }

    /// The only look at the wall clock. What it finds is recorded.
    pub(crate) fn is_past(&mut self, number: u64, expires: Millis) -> bool {
        match &self.settings.wall {
            WallClock::At(now) if *now > expires => {
                self.expired.push(number);
                true
            }
            WallClock::Recorded(expired) => expired.contains(&number),
            WallClock::At(_) | WallClock::None => false,
        }
    }
}

impl Desk for Decider {
    type State = CustomerState;

    fn take(&mut self, moment: &Moment<'_>, state: &mut CustomerState, effect: &Effect) {
        match effect {
            Effect::Detected(detection) => {
                let desktop = state.desktop.get_or_insert_default();
                self.detected(moment, desktop, &state.timeline, detection);
                state.clear();
            }
            Effect::Retracted(ended) => {
                if let Some(desktop) = state.desktop_mut() {
                    self.retracted(moment, desktop, ended);
                }
            }
            Effect::Resolved(ended) => {
                if let Some(desktop) = state.desktop_mut() {
                    self.resolved(moment, desktop, ended);
                }
            }
        }
    }

    fn saw(&mut self, moment: &Moment<'_>, state: &mut CustomerState, received: Received<'_>) {
        self.look_at(moment, state, received.event);
    }

    fn succeeded(
        &mut self,
        moment: &Moment<'_>,
        state: &mut CustomerState,
        rule: RuleIx,
        key: Option<&str>,
        at: &EventRef,
    ) {
        if let Some(desktop) = state.desktop_mut() {
            self.has_succeeded(desktop, &moment.book.rule(rule).id, key, at.time);
        }
    }

    fn warm(&self, state: &CustomerState) {
        state.timeline.warm();
        state.desktop.iter().for_each(|desktop| desktop.warm());
    }

    fn next(&self, state: &CustomerState) -> Option<Millis> {
        let desktop = state.desktop.as_ref().and_then(|d| d.next());
        match (desktop, state.timeline.over_at()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn wake(&mut self, moment: &Moment<'_>, state: &mut CustomerState) {
        state.timeline.forget(moment.instant);
        if let Some(desktop) = state.desktop.as_deref_mut() {
            self.end_lives(moment, desktop);
            self.urge(moment, desktop);
            self.decide_pending(moment, desktop, &state.timeline);
            desktop.forget(moment.instant);
        }
        state.clear();
    }

    fn settled(&mut self) {
        #[cfg(feature = "faults")]
        let stays = self.has(crate::Fault::UndoOutlivesStep);
        #[cfg(not(feature = "faults"))]
        let stays = false;
        if !stays {
            self.undo.clear();
            self.taken_back.clear();
        }
        for decision in std::mem::take(&mut self.fresh) {
            self.head.digest = decision.digest(self.head.digest);
            self.outbox.push(decision);
        }
    }

    fn rule_removed(&mut self, moment: &Moment<'_>, state: &mut CustomerState, rule: &str) {
        if let Some(desktop) = state.desktop_mut() {
            self.remove_rule(moment, desktop, rule);
        }
        state.clear();
    }

    fn set_paused(&mut self, rule: Option<&str>, paused: bool) {
        Decider::set_paused(self, rule, paused);
    }

    fn is_idle(&self, state: &CustomerState) -> bool {
        state.timeline.is_empty() && state.desktop.as_ref().is_none_or(|d| d.is_idle())
    }
}
