//! `cx.outcomes.v1`, which comes in: what became of an action.

use super::{CloudEvent, Decimal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the routing system says of an action. Its `subject` is the customer, its `time` when it happened.
pub type OutcomeMessage = CloudEvent<OutcomeKind, OutcomeData>;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OutcomeKind {
    /// Somebody will do it.
    #[serde(rename = "outcome.accepted")]
    Accepted,
    /// Nobody will.
    #[serde(rename = "outcome.declined")]
    Declined,
    /// The customer was reached.
    #[serde(rename = "outcome.contacted")]
    Contacted,
    /// The customer is satisfied.
    #[serde(rename = "outcome.saved")]
    Saved,
    /// The customer is not.
    #[serde(rename = "outcome.failed")]
    Failed,
    /// The customer could not be reached.
    #[serde(rename = "outcome.unreachable")]
    Unreachable,
    /// The customer does not want it.
    #[serde(rename = "outcome.rejected")]
    Rejected,
}

/// Which action it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeData {
    /// The action's id, as it was requested.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    pub action_id: String,
    /// The revision that was known.
    pub revision: u32,
    /// The partition that the action came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Who acted, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub agent_id: Option<String>,
    /// Why, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
}
