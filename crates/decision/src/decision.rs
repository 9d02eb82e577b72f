//! What has been decided.

use crate::score::Score;
use crate::timeline::Past;
use crate::{ActionId, life::Published};
use compact_str::CompactString;
use cxwatch_engine::{Detection, EventRef};
use cxwatch_event::messages::{Arm, CauseReason, SuppressionReason};
use cxwatch_event::{Micro, Millis};
use cxwatch_rulebook::{Class, Level};
use std::collections::BTreeSet;

/// One transition in an action's life. A reader applies only a revision higher than the one it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionChange {
    /// What happened.
    pub change: Published,
    /// Why: of everything but a request.
    pub cause: Option<CauseReason>,
    /// The action.
    pub id: ActionId,
    /// Counts from 0.
    pub revision: u32,
    /// The customer.
    pub customer: CompactString,
    /// The rule's id.
    pub rule: CompactString,
    /// The action's name in the rulebook.
    pub action: CompactString,
    /// Its class.
    pub class: Class,
    /// The episode's key.
    pub key: CompactString,
    /// How far the problem has come.
    pub level: Level,
    /// What the episode is about.
    pub about: EventRef,
    /// When its life is over, in event time.
    pub expires: Millis,
    /// 0 to 1000, for the router.
    pub priority: u16,
    /// A sentence for the agent.
    pub sentence: CompactString,
    /// The event that decided it, where one did.
    pub by: Option<EventRef>,
    /// The action that took over, where one did.
    pub by_action: Option<ActionId>,
    /// The instant of the decision.
    pub instant: Millis,
    /// For a request or update that a detection led to: what it rests on.
    pub why: Option<Box<Grounds>>,
}

impl ActionChange {
    /// For a request or update that a detection led to: the detection.
    pub fn detection(&self) -> Option<&Detection> {
        self.why.as_deref().map(|why| &why.detection)
    }
}

/// What a request or an update rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// The detection.
    pub detection: Detection,
    /// The parts of the priority. Offers only.
    pub score: Option<Score>,
    /// What is at stake, where the action says so.
    pub value_at_risk: Option<Micro>,
    /// What else could have been done, best first.
    pub alternatives: Vec<Loser>,
    /// The chance of being treated, in millionths.
    pub chance: Micro,
    /// What the customer did of late, oldest first.
    pub timeline: Vec<Past>,
}

/// An offer of the same detection that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loser {
    /// Its name in the rulebook.
    pub action: CompactString,
    /// Its priority, where it came that far.
    pub priority: Option<Micro>,
    /// Why it was not taken.
    pub reason: SuppressionReason,
}

/// A candidate that led to no action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// The candidate's number in its task.
    pub number: u64,
    /// How often its detection had proposed before: retracted and found again, it does so once more.
    pub times: u32,
    /// Why.
    pub reason: SuppressionReason,
    /// When the obstacle ends, where that is known.
    pub until: Option<Millis>,
    /// The action that stands in its place, where one does.
    pub by_action: Option<ActionId>,
    /// The limit that was reached, where it was one.
    pub reached: Option<Reached>,
    /// The id that the action would have had.
    pub id: ActionId,
    /// The rule's id.
    pub rule: CompactString,
    /// The action's name in the rulebook.
    pub action: CompactString,
    /// Its class.
    pub class: Class,
    /// The parts of the priority, where it came that far.
    pub score: Option<Score>,
    /// Which side of the experiment, where it was drawn.
    pub arm: Option<Arm>,
    /// The instant of the decision.
    pub instant: Millis,
    /// The detection. Its rule's number is that of the rulebook in force, or none of it if the rule is gone.
    pub detection: Box<Detection>,
}

/// A limit that was reached, and what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Which.
    pub limit: Limit,
    /// So many were counted, in the task that decided.
    pub count: u32,
    /// So many are let through, in a task.
    pub at_most: u32,
}

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A cap on contacts, by its place in the policy.
    Cap(u16),
    /// The rule's brake.
    RuleBrake,
    /// The policy's brake.
    Brake,
}

/// What has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// An action changed.
    Action(Box<ActionChange>),
    /// A candidate led to no action.
    Suppressed(Suppressed),
}

impl Decision {
    /// A number for the digest over all decisions: what was decided, on what.
    pub(crate) fn digest(&self, so_far: u64) -> u64 {
        let (what, why, id, count) = match self {
            Decision::Action(a) => {
                (a.change as u8, a.cause.map_or(0, |c| c as u8 + 1), a.id, a.revision.into())
            }
            Decision::Suppressed(s) => (16, s.reason as u8, s.id, s.number),
        };
        let mut bytes = [0; 34];
        bytes[..8].copy_from_slice(&so_far.to_le_bytes());
        bytes[8..24].copy_from_slice(&id.0);
        bytes[24] = what;
        bytes[25] = why;
        bytes[26..].copy_from_slice(&u64::to_le_bytes(count));
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

/// Whether an action comes too late to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WallClock {
    /// By the wall clock.
    At(Millis),
    /// Never: history has no wall clock.
    None,
    /// By what was found when the candidates, by number, were first looked at.
    Recorded(BTreeSet<u64>),
}
