//! The rulebook: YAML, checked, compiled once into what the engine runs.
//!
//! Two halves meet in [`compiled`]: on one side the reader, which turns YAML into compiled rules or into a list of
//! all its problems, each with its place; on the other the engine (and the naive evaluator of its tests), which
//! knows rules only in compiled form. This crate is pure: no clock, no I/O.

#![forbid(unsafe_code)]

pub mod calendar;
mod canon;
mod compile;
pub mod compiled;
pub mod diff;
mod extends;
pub mod mapping;
pub mod policy;
pub mod schema;
pub mod yaml;

pub use calendar::Calendar;
pub use compile::{compile, compile_with};
pub use compiled::*;
pub use diff::diff;
pub use extends::{Beside, Compilation, PACK_MARK, PACKS, Source, compile_files};
pub use policy::*;
pub use schema::rulebook_schema;
