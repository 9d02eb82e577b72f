//! Worlds made at random: rulebooks in compiled form, streams of records, and schedules of what a task does with them.
//!
//! Everything is drawn from one seed. Times are single milliseconds and durations a handful of them, so that
//! ties, overtakings and deadlines met exactly are common instead of rare.

pub mod book;
pub mod draw;
