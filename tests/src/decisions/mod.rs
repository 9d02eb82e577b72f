//! A naive log of decisions, written from `docs/decisions.md` alone, random worlds at the desk, and their comparison.
//!
//! The log keeps everything that ever happened in plain lists and looks through all of it for every question: no index, nothing
//! cut short, nothing counted in advance. It is slow and easy to check against the page.

pub mod book;
pub mod desk;
pub mod log;
pub mod play;
pub mod quiet;
mod stages;
pub mod world;

use compact_str::CompactString;
use cxwatch_decision::ActionId;
use cxwatch_engine::{Detection, Effect, EventRef};
use cxwatch_event::messages::SuppressionReason;
use cxwatch_event::{Event, Micro, Millis, Profile};
use cxwatch_rulebook::RuleIx;
use std::collections::BTreeMap;

/// What the desk is told of one customer at one instant.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// An effect.
    Effect(Effect),
    /// An event that decisions read.
    Saw(Event, EventRef),
    /// An event of a rule's `success`.
    Succeeded(RuleIx, Option<CompactString>, EventRef),
    /// A rule is gone.
    RuleRemoved(CompactString),
    /// Time has come this far.
    Wake,
}

/// Whom and when it concerns.
#[derive(Debug, Clone, Copy)]
pub struct When<'a> {
    /// The customer.
    pub customer: &'a CompactString,
    /// What is known of the customer at that moment.
    pub profile: &'a Profile,
    /// The instant.
    pub instant: Millis,
    /// What the wall clock shows; `None`: nothing.
    pub wall: Option<Millis>,
}

/// Why an action was updated or revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A warning has become a breach.
    Breached,
    /// It was found again, otherwise.
    Changed,
    /// Nobody accepted it in time.
    NotAccepted,
    /// What was missing has come.
    Resolved,
    /// It never held.
    Retracted,
    /// A better one took its place.
    Superseded,
    /// Its rule is gone.
    RuleRemoved,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Said {
    /// An action was asked for.
    Requested,
    /// What is known of it has changed.
    Updated(Cause),
    /// The need for it is over.
    Revoked(Cause),
    /// Its life is over.
    Expired,
    /// A candidate led to nothing.
    Suppressed(SuppressionReason),
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The instant of the decision.
    pub instant: Millis,
    /// The customer.
    pub customer: CompactString,
    /// The rule's id.
    pub rule: CompactString,
    /// The action's name.
    pub action: CompactString,
    /// Its revision; 0 for a suppression.
    pub revision: u32,
    /// What was decided.
    pub said: Said,
    /// The action's id. All zeroes for a candidate that no action has come of: nobody will ask for it.
    pub id: ActionId,
    /// When the action's life is over; of a suppression: when the obstacle is, where that is known.
    pub until: Option<Millis>,
    /// Of a suppression: the action that stands in the way.
    pub by: Option<ActionId>,
    /// Of a suppression: the priority, where it came so far as to be compared.
    pub priority: Option<Micro>,
}

/// Which side of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arm {
    /// Something was done.
    Treated,
    /// Nothing was done, to compare.
    HeldOut,
}

/// What adds up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Outcomes of actions that nobody knows.
    pub unknown_actions: u64,
    /// By rule.
    pub rules: BTreeMap<CompactString, RuleTotals>,
}

/// What adds up for one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleTotals {
    /// Candidates proposed.
    pub candidates: u64,
    /// Those that became actions, or updates of one.
    pub actions: u64,
    /// Those that led to nothing.
    pub suppressions: u64,
    /// Those that wait.
    pub pending: u64,
    /// Episodes acted on, and those saved. Without those that are none.
    pub treated: [u64; 2],
    /// Episodes held out, and those saved. Without those that are none.
    pub held_out: [u64; 2],
}

impl RuleTotals {
    /// Nothing has vanished.
    pub fn add_up(&self) -> bool {
        self.candidates == self.actions + self.suppressions + self.pending
    }
}

/// The key of an episode: what it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// The event's source.
    pub source: CompactString,
    /// The event's id.
    pub id: CompactString,
    /// Its place in its record.
    pub sub: u32,
}

impl About {
    /// That of an event.
    pub fn of(event: &EventRef) -> Self {
        About { source: event.source.clone(), id: event.id.clone(), sub: event.sub }
    }
}

/// A detection's life by the wall clock and by event time ends here.
pub fn end_of_life(detection: &Detection, ttl_ms: Millis) -> Millis {
    detection.time + ttl_ms
}
