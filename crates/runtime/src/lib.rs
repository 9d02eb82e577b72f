//! The shell's logic behind ports: stream threads, tasks, commits, the journal, restore, dead letters, metrics. No
//! client library, no async: everything that touches the world goes through [`ports`].
//!
//! A [`thread::StreamThread`] owns [`live::Live`] tasks. What they do is sealed into batches, sent in one transaction
//! with the input's offsets and the [`journal`], and kept until that has committed. Recovery is replay: [`thread`] reads
//! the journal's end and the feeds again ([`restore::Alarm`] says what it may find).

#![forbid(unsafe_code)]

mod ahead;
mod arrivals;
mod dead_letter;
mod decider;
pub mod desk;
pub mod journal;
pub mod live;
pub mod metrics;
pub mod partial;
pub mod ports;
mod replay;
pub mod restore;
pub mod settings;
mod strays;
mod tail;
pub mod thread;

#[cfg(feature = "faults")]
mod wrong;
#[cfg(feature = "faults")]
pub use wrong::{VerdictKind, Wrong};
