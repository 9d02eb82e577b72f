//! Made-up events, the same for the same seed on every machine: for the demo, for tests and for benches.
//!
//! Pure: no clock, no I/O, and whole numbers only, so that no machine rounds otherwise. The random numbers are those of
//! PCG XSL-RR 128/64 (MCG); ranges and Zipf's law are drawn here, since libraries change theirs.

mod day;
mod draw;
mod event;
mod life;
mod story;
mod throughput;
mod trouble;
mod weeks;

pub use day::Day;
pub use throughput::Throughput;
pub use weeks::{Expectation, FEEDS_OF_WEEKS, Weeks};

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

    /// Weeks of some customers, of whom each has a trouble of their own.
    pub fn weeks(start: Millis) -> Self {
        Recipe { customers: 1_050, disorder_ms: 800, duplicates_permille: 20, ..Recipe::day(start) }
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
    /// Which of the generator's feeds ([`Generator::feeds`]).
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
    /// Lives of customers, with what must come of them. It ends.
    Weeks(Box<Weeks>),
}

impl Generator {
    /// The feeds of its events.
    pub fn feeds(&self) -> &'static [&'static str] {
        match self {
            Generator::Day(_) | Generator::Throughput(_) => &FEEDS,
            Generator::Weeks(_) => &FEEDS_OF_WEEKS,
        }
    }

    /// The next event; where there is none any more, one without bytes at the end of time.
    #[allow(clippy::should_implement_trait, reason = "what it lends lives until the next call")]
    pub fn next(&mut self) -> Arrival<'_> {
        match self {
            Generator::Day(day) => day.next(),
            Generator::Throughput(throughput) => throughput.next(),
            Generator::Weeks(weeks) => weeks.next(),
        }
    }
}

#[cfg(test)]
mod tests;
