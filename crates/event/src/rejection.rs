//! Why a record, or one event of it, was refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The closed list of reasons. Their names are label values of metrics and appear in dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The bytes are not what the feed's format says (JSON, CSV row), or not UTF-8, or nested too deep.
    Malformed,
    /// A required attribute or field is missing or null.
    MissingField,
    /// A field has another type than its schema says, or lies outside its range.
    WrongType,
    /// The event's type is not in the catalogue.
    UnknownType,
    /// The event's type belongs to another feed than the one it came in on.
    WrongFeed,
    /// The customer is not the record's key.
    WrongKey,
    /// A time that is no valid instant.
    BadTime,
    /// More than `max_future` ahead of the wall clock.
    TimeInFuture,
    /// Older than `late_horizon` behind its feed's watermark.
    TooLate,
    /// Larger than the limit on records.
    TooLarge,
    /// An outcome that names another partition than the one it came in on: the task that knows its action does not see it.
    WrongPartition,
}

impl Reason {
    /// Every reason, for closed label sets.
    pub const ALL: [Reason; 11] = [
        Reason::Malformed,
        Reason::MissingField,
        Reason::WrongType,
        Reason::UnknownType,
        Reason::WrongFeed,
        Reason::WrongKey,
        Reason::BadTime,
        Reason::TimeInFuture,
        Reason::TooLate,
        Reason::TooLarge,
        Reason::WrongPartition,
    ];

    /// The reason's name in messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::MissingField => "missing_field",
            Reason::WrongType => "wrong_type",
            Reason::UnknownType => "unknown_type",
            Reason::WrongFeed => "wrong_feed",
            Reason::WrongKey => "wrong_key",
            Reason::BadTime => "bad_time",
            Reason::TimeInFuture => "time_in_future",
            Reason::TooLate => "too_late",
            Reason::TooLarge => "too_large",
            Reason::WrongPartition => "wrong_partition",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal: the reason, the place in the input, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Which of the closed list.
    pub reason: Reason,
    /// Where: a JSON pointer (`/data/quantity`), a column, a header, or a byte offset (`byte 17`).
    pub place: String,
    /// What was found and what was expected, without the customer's data.
    pub expected: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.reason, self.place, self.expected)
    }
}
