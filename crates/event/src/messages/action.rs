//! `cx.actions.v1`: what the routing system is asked to do.

use super::{ClockState, CloudEvent, Decimal, EventKey, Evidence, Level, Rfc3339, RuleRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A message about an action. Its `id` is `<action_id>-<revision>`.
pub type ActionMessage = CloudEvent<ActionKind, ActionData>;

/// The steps of an action's life that are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ActionKind {
    /// Please do it.
    #[serde(rename = "action.requested")]
    Requested,
    /// What was asked has changed.
    #[serde(rename = "action.updated")]
    Updated,
    /// Please do not do it any more.
    #[serde(rename = "action.revoked")]
    Revoked,
    /// Its time is over.
    #[serde(rename = "action.expired")]
    Expired,
}

/// What a message about an action says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionData {
    /// Names the action for life: 128 bits in hexadecimal.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    pub action_id: String,
    /// Counts from 0. A reader applies only a higher revision than it knows.
    pub revision: u32,
    /// The action's name in the rulebook.
    pub action: String,
    /// `reply`, `raise`, `internal` or `offer`.
    pub class: String,
    /// Warning or breach.
    pub level: Level,
    /// Why it was revoked, updated or expired. Absent in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What a router needs.
    pub route: Route,
    /// What people need. Absent where nothing is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// Why a revision followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Which of the closed list.
    pub reason: CauseReason,
    /// The event that decided, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Evidence>,
    /// The action that took over, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_action_id: Option<String>,
}

/// The closed list of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CauseReason {
    /// The need is over.
    Resolved,
    /// The detection was never true.
    Retracted,
    /// A better action took over.
    Superseded,
    /// The rulebook no longer has the rule.
    RuleRemoved,
    /// The customer was erased.
    Erased,
    /// A warning became a breach.
    Breached,
    /// What the detection rests on has changed.
    Changed,
    /// Nobody accepted it in time.
    NotAccepted,
    /// Its time to live is over.
    Expired,
}

/// What a router needs: a flat map of strings and integers, under 2 KB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// What to do.
    pub verb: Verb,
    /// Who acts: `person` or `machine`.
    pub by: String,
    /// `service` or `marketing`.
    pub purpose: String,
    /// Through which channel.
    pub channel: String,
    /// Into which queue.
    pub queue: String,
    /// What the agent must be able to do, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills: Option<String>,
    /// 0 to 1000, higher first.
    #[schemars(range(max = 1000))]
    pub priority: u16,
    /// For how many seconds from `time` on it is wanted.
    pub ttl_s: u32,
    /// The partition to which its outcome is returned.
    pub partition: i32,
    /// The contact it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub contact_id: Option<String>,
    /// The conversation with a bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub conversation_id: Option<String>,
    /// The visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub session_id: Option<String>,
    /// The order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub order_id: Option<String>,
    /// The cart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub cart_id: Option<String>,
    /// The post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub post_id: Option<String>,
    /// The social network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// A sentence for the agent.
    pub sentence: String,
}

/// What a router is asked to do, by the class of the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Approach the customer.
    Offer,
    /// Answer what the customer said.
    Reply,
    /// Change a contact that is already waiting.
    Raise,
    /// Tell staff.
    Notify,
}

/// What people need to understand a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// The rule that spoke.
    pub rule: RuleRef,
    /// The episode's key. Absent where the rule has no `per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: Option<String>,
    /// What it is about.
    pub about: EventKey,
    /// 0 to 100.
    #[schemars(range(max = 100))]
    pub severity: u8,
    /// The parts of the priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// What else could have been done, best first.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// The events it rests on, in order of time.
    pub evidence: Vec<Evidence>,
    /// How many events it rests on, where the evidence was cut.
    pub events: u32,
    /// The rule's measures.
    #[serde(default)]
    pub measures: BTreeMap<String, Decimal>,
    /// The value at stake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_at_risk: Option<Decimal>,
    /// Treated or held out.
    pub arm: Arm,
    /// The chance of being treated, 0 to 1, as drawn.
    pub propensity: Decimal,
    /// What the clock knew.
    pub clock: ClockState,
    /// What the customer did of late: types that the rulebook names, no text.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
}

/// priority = propensity x context x value x lever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// The product.
    pub priority: Decimal,
    /// The chance of success.
    pub propensity: Decimal,
    /// How well it fits now.
    pub context: Decimal,
    /// What is at stake.
    pub value: Decimal,
    /// What the company wants more of.
    pub lever: Decimal,
}

/// An action that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// Its name in the rulebook.
    pub action: String,
    /// Its priority, where it came that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Decimal>,
    /// Why it was not taken.
    pub reason: super::SuppressionReason,
}

/// Which side of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The action is taken.
    Treated,
    /// It is withheld, so that the save rate can be proved.
    Holdout,
}

/// One event of the customer's recent past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEntry {
    /// When it happened.
    pub time: Rfc3339,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
}
