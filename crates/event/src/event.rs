//! An event as the rules see it.

use crate::{FieldIx, Millis, TypeId, Value};
use compact_str::CompactString;
use smallvec::SmallVec;

/// One fact about one customer, with the time it happened. Holds only the fields that a rule reads.
///
/// Where it came from (feed, offset) is known to whoever read the record; `sub` is its place among the events
/// of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The type, by its number in the [`crate::Catalogue`].
    pub kind: TypeId,
    /// When it happened.
    pub time: Millis,
    /// Which event of its record this is, from 0.
    pub sub: u32,
    /// The customer: CloudEvents `subject`, equal to the record's key. Never empty: a heartbeat is no
    /// event to a rule.
    pub customer: CompactString,
    /// CloudEvents `id`.
    pub id: CompactString,
    /// CloudEvents `source`.
    pub source: CompactString,
    /// The fields that rules read, in ascending order of their index. A field that the event does not carry, or
    /// carries as `null`, is not in the list.
    pub fields: Vec<FieldValue>,
}

/// A field of an event and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue {
    /// Which field of the event's type.
    pub field: FieldIx,
    /// Its value, of the field's declared type.
    pub value: Value,
}

impl Event {
    /// The value of a field, if the event carries it and a rule reads it.
    pub fn field(&self, field: FieldIx) -> Option<&Value> {
        self.fields.iter().find(|f| f.field == field).map(|f| &f.value)
    }
}

/// What one record of a feed came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The events that a rule names, in ascending order of `sub`.
    pub events: Vec<Event>,
    /// The times of all events of the record that were not rejected - those that no rule names and heartbeats
    /// too: what the feed's watermark is moved by. Empty if nothing moved it.
    pub times: SmallVec<[Millis; 1]>,
}

/// Which types rules name, and which of their fields they read: all that a decoder has to extract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// By [`TypeId`]; `None` for a type that no rule names.
    pub types: Vec<Option<TypeInterest>>,
}

/// The fields of one type that rules read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeInterest {
    /// By [`FieldIx`]: is it read? (At most 64 fields in a type.)
    pub fields: u64,
}

impl Interest {
    /// The interest in a type, if any rule names it.
    pub fn of(&self, kind: TypeId) -> Option<&TypeInterest> {
        self.types.get(usize::from(kind.0)).and_then(Option::as_ref)
    }
}

impl TypeInterest {
    /// Whether a rule reads the field.
    pub fn reads(&self, field: FieldIx) -> bool {
        self.fields >> field.0 & 1 == 1
    }
}
