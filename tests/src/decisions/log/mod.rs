//! The log: what has happened, and what the page says to it.

mod again;
mod ends;
mod kept;
mod lines;
mod offers;
mod outcomes;
mod proposals;
mod stages;
mod time;
mod totals;
mod wrong;

pub use wrong::Wrong;

use super::{Line, Told, When};
use compact_str::CompactString;
use cxwatch_decision::ActionId;
use cxwatch_engine::{Detection, Effect, EventRef};
use cxwatch_event::Millis;
use cxwatch_rulebook::{Action, Class, Rulebook};
use kept::{Contact, Cooldown, Episode, Past, Pending, Proposed, Record, Refusal, Retracted, State};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What holds for the whole run.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Detections before this lead to nothing.
    pub act_from: Millis,
    /// For so long after its life an action is known.
    pub late_horizon_ms: Millis,
    /// How many partitions share the brakes.
    pub partitions: u32,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Log {
    book: Arc<Rulebook>,
    terms: Terms,
    wrong: Option<Wrong>,
    /// In the order of their first request.
    records: Vec<Record>,
    episodes: Vec<Episode>,
    cooldowns: Vec<Cooldown>,
    /// By detection, as proposed.
    pending: Vec<Pending>,
    contacts: Vec<Contact>,
    refusals: Vec<Refusal>,
    past: Vec<Past>,
    /// In this step, in order.
    retracted: Vec<Retracted>,
    /// Per request: the rule and the instant.
    requests: Vec<(CompactString, Millis)>,
    paused: BTreeSet<CompactString>,
    all_paused: bool,
    /// How many detections have proposed.
    proposals: u64,
    proposed: Vec<Proposed>,
    /// Per candidate: its rule.
    candidates: Vec<CompactString>,
    unknown_actions: u64,
    /// Everything said, in order; what was taken back within its step is `None`.
    lines: Vec<Option<Line>>,
    /// How many of them have been taken out.
    taken: usize,
    /// What happened that no line shows.
    pub happened: Vec<&'static str>,
}

impl Log {
    /// An empty log.
    pub fn new(book: Arc<Rulebook>, terms: Terms, wrong: Option<Wrong>) -> Self {
        Log {
            book,
            terms,
            wrong,
            records: Vec::new(),
            episodes: Vec::new(),
            cooldowns: Vec::new(),
            pending: Vec::new(),
            contacts: Vec::new(),
            refusals: Vec::new(),
            past: Vec::new(),
            retracted: Vec::new(),
            requests: Vec::new(),
            paused: BTreeSet::new(),
            all_paused: false,
            proposals: 0,
            proposed: Vec::new(),
            candidates: Vec::new(),
            unknown_actions: 0,
            lines: Vec::new(),
            taken: 0,
            happened: Vec::new(),
        }
    }

    /// What has been said.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().flatten()
    }

    /// What has been said since the last call.
    pub fn take_new(&mut self) -> Vec<Line> {
        let from = std::mem::replace(&mut self.taken, self.lines.len());
        self.lines[from..].iter().flatten().cloned().collect()
    }

    /// Takes what the desk is told.
    pub fn take(&mut self, when: When, told: &Told) {
        match told {
            Told::Effect(Effect::Detected(detection)) => self.detected(when, detection),
            Told::Effect(Effect::Retracted(ended)) => self.retracted(when, ended),
            Told::Effect(Effect::Resolved(ended)) => self.resolved(when, ended),
            Told::Saw(event) => self.saw(when, event),
            Told::Succeeded(rule, key, at) => self.succeeded(when, *rule, key.as_deref(), at),
            Told::RuleRemoved(rule) => self.rule_removed(when, rule),
            Told::Wake => self.wake(when),
        }
    }

    /// A step is over.
    pub fn settled(&mut self) {
        self.retracted.clear();
        for record in &mut self.records {
            record.before = None;
        }
    }

    /// An operator pauses a rule or everything, or lets it go on.
    pub fn set_paused(&mut self, rule: Option<&str>, paused: bool) {
        match (rule, paused) {
            (None, _) => self.all_paused = paused,
            (Some(rule), true) => {
                self.paused.insert(rule.into());
            }
            (Some(rule), false) => {
                self.paused.remove(rule);
            }
        }
    }

    /// The actions that outcomes may name, each with its customer and how much there is to say: 2 where somebody has taken
    /// it on, 1 where nobody has, 0 where it is over.
    pub fn known_actions(&self) -> Vec<(CompactString, ActionId, u8)> {
        let open = |state| match state {
            State::Accepted | State::Contacted => 2,
            State::Requested => 1,
            State::Over | State::Done(_) => 0,
        };
        let known = self.records.iter().filter(|r| !r.forgotten);
        known.map(|r| (r.customer.clone(), r.id, open(r.state))).collect()
    }

    fn is_wrong(&self, wrong: Wrong) -> bool {
        self.wrong == Some(wrong)
    }

    fn action(&self, ix: usize) -> &Action {
        &self.book.actions[ix]
    }

    fn rule_of(&self, detection: &Detection) -> &CompactString {
        &self.book.rule(detection.rule).id
    }

    /// The number of the episode that a rule means by an event, if it is remembered.
    fn episode_about(&self, customer: &str, rule: &str, about: &EventRef) -> Option<usize> {
        self.episodes
            .iter()
            .position(|e| !e.forgotten && e.customer == customer && e.rule == rule && e.is_about(about))
    }

    /// The action of this problem, if it is remembered: offers share theirs.
    fn record_of(&self, episode: usize, action: usize) -> Option<usize> {
        let offer = self.action(action).class == Class::Offer;
        self.records.iter().position(|r| {
            let same = if offer { r.is_offer() } else { r.action == action };
            r.episode == episode && !r.forgotten && same
        })
    }

    /// The actions of an episode.
    fn records_of(&self, episode: usize) -> Vec<usize> {
        let is_its = |at: &usize| self.records[*at].episode == episode && !self.records[*at].forgotten;
        (0..self.records.len()).filter(is_its).collect()
    }
}
