//! Detections and what becomes of them, as `replay` writes them: one message a line.

use super::{ClockState, CloudEvent, Decimal, EventKey, Evidence, Level, Rfc3339, RuleRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// "Rule R holds for customer C." Its `time` is the event time at which it holds.
pub type DetectionMessage = CloudEvent<DetectionKind, DetectionData>;

/// A detection's end. Its `time` is that of the event that ended it, else that of the detection.
pub type EndMessage = CloudEvent<EndKind, EndData>;

/// The type of a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DetectionKind {
    /// A rule holds.
    #[serde(rename = "rule.detected")]
    Detected,
}

/// The types of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EndKind {
    /// It never held.
    #[serde(rename = "rule.retracted")]
    Retracted,
    /// It held, and the need to act is over.
    #[serde(rename = "rule.resolved")]
    Resolved,
}

/// What a detection says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionData {
    /// The rule.
    pub rule: RuleRef,
    /// Warning or breach.
    pub level: Level,
    /// The episode's key. Absent where the rule has no `per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: Option<String>,
    /// What it is about: the opening event of an absence, the completing event of the other kinds.
    pub about: EventKey,
    /// The deadline that passed, or that a warning warns of. Absent where the rule has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Rfc3339>,
    /// 0 to 100.
    #[schemars(range(max = 100))]
    pub severity: u8,
    /// The rule's measures.
    #[serde(default)]
    pub measures: BTreeMap<String, Decimal>,
    /// A sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The events it rests on, in order of time.
    pub evidence: Vec<Evidence>,
    /// How many events it rests on, where the evidence was cut.
    pub events: u32,
    /// What the clock knew.
    pub clock: ClockState,
}

/// What the end of a detection says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndData {
    /// The `id` of the detection.
    pub detection_id: String,
    /// The rule.
    pub rule: RuleRef,
    /// Warning or breach.
    pub level: Level,
    /// The episode's key. Absent where the rule has no `per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: Option<String>,
    /// What the detection was about.
    pub about: EventKey,
    /// When the detection held.
    pub detected_at: Rfc3339,
    /// The event that ended it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Evidence>,
}
