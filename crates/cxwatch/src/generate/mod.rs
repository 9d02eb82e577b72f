//! Made-up events, the same for the same seed on every machine: for the demo, for tests and for benches.
//!
//! Pure: no clock, no I/O, and whole numbers only, so that no machine rounds otherwise. The random numbers are those of
//! PCG XSL-RR 128/64 (MCG); ranges and Zipf's law are drawn here, since libraries change theirs.

mod day;
mod draw;
mod event;
mod story;
mod throughput;

pub use day::Day;
pub use throughput::Throughput;

use cxwatch_event::{Millis, builtin};

/// The seed where none is given.
pub const SEED: u64 = 20_261_124;

/// The feeds, in the order of their names.
pub const FEEDS: [&str; 4] = [builtin::CONTACT_CENTER, builtin::SOCIAL, builtin::TRANSACTION, builtin::WEB];

/// What is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Determines everything that is drawn.
    pub seed: u64,
    /// The time of the first event.
    pub start: Millis,
    /// How many customers there are.
    pub customers: u32,
    /// Events per thousand seconds, on average.
    pub per_kilosecond: u64,
    /// By how much two events of a feed may arrive in the wrong order, at most.
    pub disorder_ms: Millis,
    /// Of a thousand events, so many arrive twice.
    pub duplicates_permille: u32,
}

impl Recipe {
    /// A day of a small company: 400 customers, one event in two seconds.
    pub fn day(start: Millis) -> Self {
        Recipe {
            seed: SEED,
            start,
            customers: 400,
            per_kilosecond: 500,
            disorder_ms: 400,
            duplicates_permille: 1,
        }
    }

    /// Traffic for measuring: 100,000 customers, 20,000 events a second.
    pub fn throughput(start: Millis) -> Self {
        Recipe {
            seed: SEED,
            start,
            customers: 100_000,
            per_kilosecond: 20_000_000,
            disorder_ms: 500,
            duplicates_permille: 0,
        }
    }
}

/// An event on its way into its feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// Which of [`FEEDS`].
    pub feed: usize,
    /// When it arrives: never before the one before it.
    pub at: Millis,
    /// The customer: the record's key.
    pub customer: &'a str,
    /// The CloudEvent, structured.
    pub json: &'a [u8],
}

/// A source of events in the order of their arrival.
pub enum Generator {
    /// Stories of customers.
    Day(Box<Day>),
    /// Traffic.
    Throughput(Box<Throughput>),
}

impl Generator {
    /// The next event. There is always one more.
    #[allow(clippy::should_implement_trait, reason = "what it lends lives until the next call")]
    pub fn next(&mut self) -> Arrival<'_> {
        match self {
            Generator::Day(day) => day.next(),
            Generator::Throughput(throughput) => throughput.next(),
        }
    }
}

#[cfg(test)]
mod tests;
