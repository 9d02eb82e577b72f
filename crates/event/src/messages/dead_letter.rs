//! `cx.dead-letters.v1`: records and events that were refused, with their reason.

use super::{CloudEvent, Rfc3339};
use crate::{RawRecord, Rejection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A record, or one event of it, that was refused. Its `time` is the record's own timestamp.
pub type DeadLetterMessage = CloudEvent<DeadLetterKind, DeadLetterData>;

/// The type of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeadLetterKind {
    /// It was refused.
    #[serde(rename = "record.rejected")]
    Rejected,
}

/// What a dead letter says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterData {
    /// The feed it came in on.
    pub feed: String,
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// Which event of the record, from 0. Absent: the whole record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<u32>,
    /// Why, of the closed list.
    pub reason: crate::Reason,
    /// Where: a JSON pointer, a column, a header or a byte.
    pub place: String,
    /// What was expected there.
    pub expected: String,
    /// The record's key. Absent: none, or left out by setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key_base64: Option<String>,
    /// The record's value. Absent: none, or left out by setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "text"))]
    pub value_base64: Option<String>,
    /// How many bytes the value has, left out or not.
    pub value_bytes: u64,
    /// The record's headers.
    #[serde(default)]
    pub headers: Vec<DeadLetterHeader>,
}

/// A header of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    #[schemars(extend("x-personal" = "text"))]
    pub value_base64: String,
}

impl DeadLetterData {
    /// What is to be said of a record refused. `with_content`: with its key and value, not only its headers.
    pub fn of(
        raw: &RawRecord,
        at: (i32, i64),
        sub: Option<u32>,
        why: &Rejection,
        with_content: bool,
    ) -> Self {
        let content = |bytes: Option<&[u8]>| bytes.filter(|_| with_content).map(base64);
        DeadLetterData {
            feed: raw.feed.into(),
            partition: at.0,
            offset: at.1,
            sub,
            reason: why.reason,
            place: why.place.clone(),
            expected: why.expected.clone(),
            key_base64: content(raw.key),
            value_base64: content(raw.value),
            value_bytes: raw.value.map_or(0, <[u8]>::len) as u64,
            headers: (raw.headers.iter())
                .map(|(name, value)| DeadLetterHeader { name: (*name).into(), value_base64: base64(value) })
                .collect(),
        }
    }
}

impl DeadLetterMessage {
    /// The dead letter with this content. Two of the same record are one message: its `id` is its place.
    pub fn rejected(source: String, recorded: Rfc3339, data: DeadLetterData) -> Self {
        let sub = data.sub.map_or(String::new(), |sub| format!("-{sub}"));
        let id = format!("{}-{}-{}{sub}", data.feed, data.partition, data.offset);
        CloudEvent::new(DeadLetterKind::Rejected, id, source, recorded, data)
    }
}

/// RFC 4648, section 4, with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let sextet = (word >> (18 - 6 * i) & 0x3f) as usize;
            text.push(if i <= chunk.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    text
}
