//! The messages that go out, and the outcomes that come in, as they stand on the wire.
//!
//! All are CloudEvents 1.0 in structured mode, but for dead letters, which are records as they came. They are plain data: whoever decides fills them in, whoever reads
//! them ignores what they do not know. The JSON Schemas in `schemas/` are generated from these types.

mod action;
mod dead_letter;
mod detection;
mod outcome;
mod shared;
mod suppression;

pub use action::{
    ActionData, ActionKind, ActionMessage, Alternative, Arm, Cause, CauseReason, Route, Score, TimelineEntry,
    Verb, Why,
};
pub use dead_letter::DeadLetterHeaders;
pub use detection::{DetectionData, DetectionKind, DetectionMessage, EndData, EndKind, EndMessage};
pub use outcome::{OutcomeData, OutcomeKind, OutcomeMessage};
pub use shared::{ClockState, Decimal, EventKey, Evidence, FeedState, Health, Level, Rfc3339, RuleRef};
pub use suppression::{SuppressionData, SuppressionKind, SuppressionMessage, SuppressionReason};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The version of CloudEvents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum SpecVersion {
    /// 1.0.
    #[default]
    #[serde(rename = "1.0")]
    V1,
}

/// A CloudEvent of ours: `K` is the closed set of its types, `D` its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent<K, D> {
    /// The version of CloudEvents.
    pub specversion: SpecVersion,
    /// Identifies the message together with `source`.
    #[schemars(length(min = 1))]
    pub id: String,
    /// Who says it: `/cxwatch/<rulebook>`.
    #[schemars(length(min = 1))]
    pub source: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: K,
    /// The customer. Absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub subject: Option<String>,
    /// When what it says holds, in event time.
    pub time: Rfc3339,
    /// The media type of `data`; ours is always [`JSON`].
    #[serde(default = "json")]
    pub datacontenttype: Cow<'static, str>,
    /// When it loses its meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expirytime: Option<Rfc3339>,
    /// The journey that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub correlationid: Option<String>,
    /// The `id` of the event that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub causationid: Option<String>,
    /// The severity on the scale of OpenTelemetry, 1 to 24, from 0 to 100 by [`severity_number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 24))]
    pub severitynumber: Option<u8>,
    /// When it was written, by the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recordedtime: Option<Rfc3339>,
    /// What it says.
    pub data: D,
}

impl<K, D> CloudEvent<K, D> {
    /// A message without extensions and without a customer.
    pub fn new(kind: K, id: String, source: String, time: Rfc3339, data: D) -> Self {
        CloudEvent {
            specversion: SpecVersion::V1,
            id,
            source,
            kind,
            subject: None,
            time,
            datacontenttype: json(),
            expirytime: None,
            correlationid: None,
            causationid: None,
            severitynumber: None,
            recordedtime: None,
            data,
        }
    }
}

/// The media type of `data`.
pub const JSON: &str = "application/json";

fn json() -> Cow<'static, str> {
    JSON.into()
}

/// A severity of 0 to 100 on the scale of OpenTelemetry (1 to 24): up to 24 INFO (9), up to 49 WARN (13), up to 74
/// ERROR (17), from 75 on FATAL (21).
pub fn severity_number(severity: u8) -> u8 {
    match severity {
        0..=24 => 9,
        25..=49 => 13,
        50..=74 => 17,
        _ => 21,
    }
}

#[cfg(test)]
mod tests;
