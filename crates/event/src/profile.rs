//! What is known of a customer.

use crate::{Event, FieldIx, FieldValue, Millis, Value};

/// The fields of the customer's profile that the rulebook names. Of two profiles the one with the newer time wins,
/// whichever comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// When it was so; `None`: nothing has been said.
    pub as_of: Option<Millis>,
    /// In ascending order of the field.
    pub fields: Vec<FieldValue>,
}

/// The profile of a customer of whom nothing is known.
pub static UNKNOWN: Profile = Profile { as_of: None, fields: Vec::new() };

impl Profile {
    /// What it says of a field.
    pub fn field(&self, field: FieldIx) -> Option<&Value> {
        self.fields.iter().find(|f| f.field == field).map(|f| &f.value)
    }

    /// Takes a profile event. False: a newer one is there already.
    pub fn update(&mut self, event: &Event) -> bool {
        if self.as_of.is_some_and(|as_of| as_of > event.time) {
            return false;
        }
        self.as_of = Some(event.time);
        self.fields.clone_from(&event.fields);
        true
    }
}
