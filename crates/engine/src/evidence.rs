//! An event that something rests on, as it is remembered.

use crate::EventRef;
use crate::change::Renumbered;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// An [`EventRef`] as bytes: in one piece, shared by all that rests on it, and written as it lies. It is read when
/// something is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence(Arc<[u8]>);

impl Evidence {
    pub(crate) fn of(event: &EventRef) -> Self {
        // Most are short.
        let mut short = [0; 192];
        match postcard::to_slice(event, &mut short) {
            Ok(bytes) => Evidence((&*bytes).into()),
            Err(_) => Evidence(postcard::to_allocvec(event).expect("writing to memory does not fail").into()),
        }
    }

    pub(crate) fn event(&self) -> EventRef {
        postcard::from_bytes(&self.0).expect("evidence is an event")
    }

    /// Feeds and types have other numbers now.
    pub(crate) fn renumber(&mut self, numbers: &Renumbered) {
        let mut event = self.event();
        event.renumber(numbers);
        *self = Evidence::of(&event);
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_bytes(Bytes)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Evidence;

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("an event as bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Evidence, E> {
        Ok(Evidence(bytes.into()))
    }
}
