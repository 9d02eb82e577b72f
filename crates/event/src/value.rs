//! Values of event fields.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Milliseconds: an instant since the Unix epoch (UTC), or a duration. Which of the two, the name says.
pub type Millis = i64;

/// A number in millionths. Money and every other number of an event is held like this, so that sums neither
/// drift nor depend on their order. Range: ±9.2e12; digits past the sixth are rounded half away from zero.
pub type Micro = i64;

/// One, in [`Micro`].
pub const MICRO: Micro = 1_000_000;

/// The value of a field that a rule reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Text, compared byte for byte.
    Text(CompactString),
    /// A number (JSON integer or decimal).
    Number(Micro),
    /// A truth value.
    Bool(bool),
    /// An instant (RFC 3339 in JSON).
    Time(Millis),
}

impl Value {
    /// The text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is a number.
    pub fn as_number(&self) -> Option<Micro> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The instant, if this is one.
    pub fn as_time(&self) -> Option<Millis> {
        match self {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }
}
