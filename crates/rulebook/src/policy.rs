//! What decisions are taken by: the actions that rules propose, and the company's policy.

use crate::{Cond, FieldRef};
use compact_str::CompactString;
use cxwatch_event::{FieldIx, Micro, Millis};

/// The class of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Answers something the customer said: every one is owed.
    Reply,
    /// Changes a contact that is already waiting.
    Raise,
    /// A task for staff.
    Internal,
    /// We approach the customer.
    Offer,
}

impl Class {
    /// Whether it reaches the customer, so that consent and quiet hours are asked.
    pub fn reaches_out(self) -> bool {
        matches!(self, Class::Offer | Class::Reply)
    }
}

/// What an action's condition, value or context reads. Measures are named, not numbered: rules share actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionField {
    /// A measure of the rule that proposes it; not there if that rule has none of that name.
    Measure(CompactString),
    /// The number of events in the evidence.
    Events,
    /// The detection's severity.
    Severity,
    /// A field of the customer's profile.
    Profile(FieldIx),
}

/// A factor of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Factor {
    /// A number.
    Number(Micro),
    /// What a measure or the profile says; 1 where that says nothing.
    Field(ActionField),
}

/// An action that rules may propose.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Its name in the rulebook.
    pub id: CompactString,
    /// Its class.
    pub class: Class,
    /// `person` or `machine`.
    pub by: CompactString,
    /// `service` or `marketing`.
    pub purpose: CompactString,
    /// Through which channel.
    pub channel: CompactString,
    /// Into which queue.
    pub queue: CompactString,
    /// What the agent must be able to do.
    pub skills: Vec<CompactString>,
    /// When somebody is there.
    pub hours: Option<u16>,
    /// How long the request lives, from the detection's event time.
    pub ttl_ms: Millis,
    /// After so long without acceptance it is updated.
    pub accept_within_ms: Option<Millis>,
    /// Whether it may be proposed at all.
    pub when: Cond<ActionField>,
    /// The value at stake: the product of these. Empty: 1, and nothing is said of a value at risk.
    pub value: Vec<Factor>,
    /// How well it fits now: the first case that holds, else 1.
    pub context: Vec<(Cond<ActionField>, Micro)>,
    /// The prior chance of success, in millionths.
    pub propensity: Micro,
    /// What the company wants more of, in millionths.
    pub lever: Micro,
    /// Makes good for our own failure: caps do not count.
    pub exempt: bool,
}

impl Action {
    /// The measures that its value is made of.
    pub fn measures(&self) -> impl Iterator<Item = &CompactString> {
        self.value.iter().filter_map(|factor| match factor {
            Factor::Field(ActionField::Measure(name)) => Some(name),
            _ => None,
        })
    }
}

/// When customers are left alone, in minutes after midnight of their own zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    /// From this minute on.
    pub from: u16,
    /// Until before this minute; earlier than `from`: of the next day.
    pub until: u16,
    /// On these channels; empty: on all.
    pub channels: Vec<CompactString>,
}

/// How often customers are approached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// Of contacts through this channel.
    pub channel: Option<CompactString>,
    /// Of contacts by a `person` or a `machine`.
    pub by: Option<CompactString>,
    /// At most so many
    pub at_most: u32,
    /// in so long.
    pub within_ms: Millis,
}

/// What holds for all actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The zone of customers whose profile names none (or one that is unknown).
    pub zone: CompactString,
    /// When customers are left alone.
    pub quiet_hours: Option<QuietHours>,
    /// How often they are approached.
    pub caps: Vec<Cap>,
    /// Requests per minute, overall.
    pub brake: Option<u32>,
    /// The share of winners that are held out where the rule does not say, in millionths.
    pub holdout: Micro,
    /// For how long a declined action stays away.
    pub declined_for_ms: Millis,
    /// How many events of the customer's recent past go with an action.
    pub timeline: u8,
}

impl Default for Policy {
    /// No quiet hours, no caps, no brake, nobody held out; a week after a refusal; ten events.
    fn default() -> Self {
        Policy {
            zone: "UTC".into(),
            quiet_hours: None,
            caps: Vec::new(),
            brake: None,
            holdout: 0,
            declined_for_ms: 7 * 24 * 3_600_000,
            timeline: 10,
        }
    }
}

/// What decisions know of one rule beyond its actions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Treatment {
    /// Only tried: proposes, and is suppressed.
    pub shadow: bool,
    /// Requests per minute.
    pub brake: Option<u32>,
    /// The share of winners that are held out, where it differs from the policy's.
    pub holdout: Option<Micro>,
    /// For how long after a detection an event of its `success` ([`crate::Roles::SUCCESS`]) counts as saved.
    pub success_within_ms: Option<Millis>,
}

/// What an event means to decisions, beside what it means to rules.
#[derive(Debug, Clone, PartialEq)]
pub enum DeskUse {
    /// The customer has been contacted, if the condition holds: through the channel that the field names.
    Contact {
        /// Whether it was we who contacted the customer.
        when: Cond<FieldRef>,
        /// Through which channel.
        channel: FieldRef,
    },
    /// An outcome.
    Outcome {
        /// Which one.
        outcome: Outcome,
        /// The action's id, in hexadecimal.
        action_id: FieldIx,
    },
}

/// What became of an action, as the routing system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Somebody will do it.
    Accepted,
    /// Nobody will.
    Declined,
    /// The customer was reached.
    Contacted,
    /// The customer is satisfied.
    Saved,
    /// The customer is not.
    Failed,
    /// The customer could not be reached.
    Unreachable,
    /// The customer does not want it.
    Rejected,
}
