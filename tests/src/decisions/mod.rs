//! A naive log of decisions, written from `docs/decisions.md` alone, random worlds at the desk, and their comparison.
//!
//! The log keeps everything that ever happened in plain lists and looks through all of it for every question: no index, nothing
//! cut short, nothing counted in advance. It is slow and easy to check against the page.

pub mod book;
pub mod desk;
pub mod log;
pub mod play;
pub mod quiet;
pub mod whole;
pub mod world;

use compact_str::CompactString;
use cxwatch_decision::ActionId;
use cxwatch_engine::{Detection, Effect, EventRef};
use cxwatch_event::messages::SuppressionReason;
use cxwatch_event::{Event, Micro, Millis, Profile};
use cxwatch_rulebook::{Level, RuleIx};
use std::collections::BTreeMap;

/// What the desk is told of one customer at one instant.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// An effect.
    Effect(Effect),
    /// An event that decisions read.
    Saw(Event),
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

/// One line of the log: one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The instant of the decision.
    pub instant: Millis,
    /// The customer.
    pub customer: CompactString,
    /// The rule's id.
    pub rule: CompactString,
    /// The episode's key.
    pub key: CompactString,
    /// How far the action has come; of a suppression: the detection's level.
    pub level: Level,
    /// What it is about.
    pub about: About,
    /// The action's id, or the one that it would have had.
    pub id: ActionId,
    /// The action's name.
    pub action: CompactString,
    /// The action's revision; of a suppression: how often its detection had proposed before.
    pub number: u32,
    /// What was decided.
    pub said: Said,
    /// When the action's life is over; of a suppression: when the obstacle is, where that is known.
    pub until: Option<Millis>,
    /// The action that stands in the way, or has taken the place.
    pub by: Option<ActionId>,
    /// The event that ended it.
    pub event: Option<About>,
    /// The parts of the priority, where it was compared.
    pub score: Option<Score>,
    /// Of a suppression: the arm, where it was drawn.
    pub arm: Option<Arm>,
    /// Of an action: its priority for the router.
    pub route_priority: Option<u16>,
    /// What it rests on, where a detection led to it.
    pub why: Option<Box<Why>>,
}

impl Line {
    /// Whether it tells of an action.
    pub fn is_of_action(&self) -> bool {
        !matches!(self.said, Said::Suppressed(_))
    }
}

/// The parts of a priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// The product.
    pub priority: Micro,
    /// The action's propensity.
    pub propensity: Micro,
    /// The factor of the context.
    pub context: Micro,
    /// The product of the value's factors.
    pub value: Micro,
    /// The action's lever.
    pub lever: Micro,
}

/// An offer that was not taken: its name, its priority where it was compared, and why.
pub type Alternative = (CompactString, Option<Micro>, SuppressionReason);

/// What a line rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The detection.
    pub detection: Detection,
    /// What else could have been done.
    pub alternatives: Vec<Alternative>,
    /// What is at stake.
    pub at_risk: Option<Micro>,
    /// The chance of being treated.
    pub chance: Micro,
    /// What the customer did of late: times and types.
    pub timeline: Vec<(Millis, CompactString)>,
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
