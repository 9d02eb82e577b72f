//! The event and action contract of cxwatch: what comes in, what goes out, and why a record is refused.
//!
//! This crate is pure: no clock, no I/O, no randomness. Bad bytes die here with a named reason
//! ([`Rejection`]); everything behind this border works on [`Event`]s whose fields are known to be of their
//! declared types.

#![forbid(unsafe_code)]

pub mod asyncapi;
mod catalogue;
pub mod decode;
mod event;
pub mod mapping;
pub mod messages;
pub mod number;
pub mod partition;
mod profile;
mod rejection;
pub mod rfc3339;
pub mod scan;
pub mod schema;
mod value;

pub use catalogue::builtin;
pub use catalogue::{Catalogue, Field, FieldIx, FieldType, Privacy, TypeId, TypeSpec};
pub use decode::{Decoder, Headers, RawRecord};
pub use event::{Event, FieldValue, Interest, Record, TypeInterest};
pub use profile::{Profile, UNKNOWN};
pub use rejection::{Reason, Rejection};
pub use value::{MICRO, Micro, Millis, Value};
