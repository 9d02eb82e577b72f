//! What several messages have in common.

use crate::{MICRO, Micro, Millis, rfc3339};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;

/// An instant, in JSON as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rfc3339(pub Millis);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339::format(self.0))
    }
}

impl<'de> Deserialize<'de> for Rfc3339 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        rfc3339::parse(&text)
            .map(Rfc3339)
            .ok_or_else(|| D::Error::custom("expected an instant as RFC 3339 says"))
    }
}

impl JsonSchema for Rfc3339 {
    fn schema_name() -> Cow<'static, str> {
        "Rfc3339".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "pattern": rfc3339::PATTERN })
    }
}

/// A decimal number in millionths, in JSON as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(pub Micro);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % MICRO == 0 {
            serializer.serialize_i64(self.0 / MICRO)
        } else {
            // Up to 2^53 millionths (9e9) the nearest double prints as the very decimal; beyond, as the nearest.
            serializer.serialize_f64(self.0 as f64 / MICRO as f64)
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micro = (f64::deserialize(deserializer)? * MICRO as f64).round();
        if micro.abs() <= crate::number::MICRO_MAX as f64 {
            Ok(Decimal(micro as Micro))
        } else {
            Err(D::Error::custom("expected a number within ±9.2e12"))
        }
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": -9.2e12, "maximum": 9.2e12 })
    }
}

/// How far a detection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The rule holds.
    Breach,
    /// A share of the time is used up.
    Warning,
}

/// A rule as it was when it spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleRef {
    /// The rule's id.
    pub id: String,
    /// The rulebook's name.
    pub rulebook: String,
    /// The version its author gave the rulebook.
    pub version: u32,
    /// The first 128 bits of SHA-256 over the rulebook's meaning, in hexadecimal.
    pub hash: String,
}

/// An event by its name: what a detection is about, whatever its place in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventKey {
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `id`.
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub id: String,
    /// Which event of its record, from 0.
    pub sub: u32,
}

/// An event on which something rests: enough to find it again, nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The feed it came in on.
    pub feed: String,
    /// The partition.
    pub partition: i32,
    /// The record's offset; in a file, the number of the record.
    pub offset: i64,
    /// Which event of its record, from 0.
    pub sub: u32,
    /// CloudEvents `id`.
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub event_id: String,
    /// The event's type; `rule:<id>` for a detection.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub time: Rfc3339,
}

/// What the clock knew when a decision fell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockState {
    /// The instant processed.
    pub instant: Rfc3339,
    /// Up to here the task believed it had seen everything. Absent: all feeds have been read to their ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Rfc3339>,
    /// The same for every feed.
    pub feeds: Vec<FeedState>,
}

/// One feed as the clock knew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedState {
    /// The feed.
    pub feed: String,
    /// Up to here the feed had been seen. Absent: nothing yet, or it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Rfc3339>,
    /// Whether it could be seen.
    pub health: Health,
    /// Whether nobody watches it: it has neither `expect` nor heartbeats, so that its silence proves nothing.
    pub unwatched: bool,
}

/// Whether a feed can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It gives records or proofs.
    Seeing,
    /// It gives neither.
    Blind,
    /// Of input that ends, such as files: it has been read to its end, or there was none.
    Ended,
}
