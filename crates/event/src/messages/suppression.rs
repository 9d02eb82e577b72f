//! `cx.suppressions.v1`: candidates that led to no action, each with its reason.

use super::{Arm, CloudEvent, EventKey, Level, Rfc3339, RuleRef, Score};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A candidate that led to no action. Its `id` is `<action_id>-<action>-<b or w>-<detection time in ms>-<n>`: which time its
/// detection has proposed it.
pub type SuppressionMessage = CloudEvent<SuppressionKind, SuppressionData>;

/// The type of a suppression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SuppressionKind {
    /// It led to no action.
    #[serde(rename = "action.suppressed")]
    Suppressed,
}

/// What a suppression says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressionData {
    /// The name the action would have had.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    pub action_id: String,
    /// The action's name in the rulebook.
    pub action: String,
    /// `reply`, `raise`, `internal` or `offer`.
    pub class: String,
    /// Why not.
    pub reason: SuppressionReason,
    /// When the obstacle ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Rfc3339>,
    /// The action that stands in its place, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_action_id: Option<String>,
    /// The rule that spoke.
    pub rule: RuleRef,
    /// Warning or breach.
    pub level: Level,
    /// The episode's key. Absent where the rule has no `per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: Option<String>,
    /// What it is about.
    pub about: EventKey,
    /// The parts of its priority, where it came that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// Which side of the experiment, where it was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<Arm>,
}

/// The closed list of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// The customer has not agreed to this channel or purpose.
    Consent,
    /// The same rule and key spoke not long ago.
    Cooldown,
    /// The customer was contacted often enough.
    ContactPolicy,
    /// It is night where the customer is.
    QuietHours,
    /// Nobody is there.
    Closed,
    /// Nobody is free.
    Capacity,
    /// Something larger is broken.
    Incident,
    /// Too many actions per minute.
    Brake,
    /// Somebody stopped it.
    Paused,
    /// The rule is only tried.
    Shadow,
    /// Withheld to prove the save rate.
    Holdout,
    /// Something better was done.
    LowerPriority,
    /// A lower action of the rule was taken while this one was deferred.
    Replaced,
    /// The routing system refused it.
    Declined,
    /// The need is over.
    Resolved,
    /// The detection was never true.
    Retracted,
    /// Its time was over.
    Expired,
    /// Older than the service's first start acts on.
    WarmingUp,
    /// The condition of the action does not hold.
    NotEligible,
}

impl SuppressionReason {
    /// Every reason, for closed label sets.
    pub const ALL: [SuppressionReason; 19] = [
        SuppressionReason::Consent,
        SuppressionReason::Cooldown,
        SuppressionReason::ContactPolicy,
        SuppressionReason::QuietHours,
        SuppressionReason::Closed,
        SuppressionReason::Capacity,
        SuppressionReason::Incident,
        SuppressionReason::Brake,
        SuppressionReason::Paused,
        SuppressionReason::Shadow,
        SuppressionReason::Holdout,
        SuppressionReason::LowerPriority,
        SuppressionReason::Replaced,
        SuppressionReason::Declined,
        SuppressionReason::Resolved,
        SuppressionReason::Retracted,
        SuppressionReason::Expired,
        SuppressionReason::WarmingUp,
        SuppressionReason::NotEligible,
    ];

    /// The reason's name in messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            SuppressionReason::Consent => "consent",
            SuppressionReason::Cooldown => "cooldown",
            SuppressionReason::ContactPolicy => "contact_policy",
            SuppressionReason::QuietHours => "quiet_hours",
            SuppressionReason::Closed => "closed",
            SuppressionReason::Capacity => "capacity",
            SuppressionReason::Incident => "incident",
            SuppressionReason::Brake => "brake",
            SuppressionReason::Paused => "paused",
            SuppressionReason::Shadow => "shadow",
            SuppressionReason::Holdout => "holdout",
            SuppressionReason::LowerPriority => "lower_priority",
            SuppressionReason::Replaced => "replaced",
            SuppressionReason::Declined => "declined",
            SuppressionReason::Resolved => "resolved",
            SuppressionReason::Retracted => "retracted",
            SuppressionReason::Expired => "expired",
            SuppressionReason::WarmingUp => "warming_up",
            SuppressionReason::NotEligible => "not_eligible",
        }
    }
}
