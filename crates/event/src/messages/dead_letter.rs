//! `cx.dead-letters.v1`: records and events that were refused, as they came, with headers that say why.

use crate::Reason;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The headers that a dead letter has besides those of the record. Its key and value are the record's own; both are
/// left out by setting. Numbers are written in decimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterHeaders {
    /// The feed it came in on.
    pub cxwatch_feed: String,
    /// The partition.
    #[schemars(regex(pattern = "^[0-9]+$"))]
    pub cxwatch_partition: String,
    /// The record's offset.
    #[schemars(regex(pattern = "^[0-9]+$"))]
    pub cxwatch_offset: String,
    /// Why, of the closed list.
    pub cxwatch_reason: Reason,
    /// Where: a JSON pointer, a column, a header or a byte.
    pub cxwatch_place: String,
    /// What was expected there.
    #[schemars(extend("x-personal" = "text"))]
    pub cxwatch_expected: String,
    /// Which event of the record, from 0. Absent: the whole record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+$"))]
    pub cxwatch_sub: Option<String>,
}
