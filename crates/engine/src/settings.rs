//! The numbers that time and memory are governed by.

use cxwatch_event::Millis;
use serde::{Deserialize, Serialize};

/// Time settings and limits of a task. All durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// By feed, in the order of [`cxwatch_rulebook::Rulebook::feeds`].
    pub feeds: Vec<FeedSettings>,
    /// How far behind its feed's watermark a late event may still lie. The memory reaches that far.
    pub late_horizon_ms: Millis,
    /// How far ahead of the wall clock an event's time may lie.
    pub max_future_ms: Millis,
    /// For how long, in event time, an id is remembered to recognize a duplicate; more than 20 days count as 20.
    pub dedupe_for_ms: Millis,
    /// What memory is bounded by.
    pub limits: Limits,
    /// A known error built in, to show that tests would see it.
    #[cfg(feature = "faults")]
    #[serde(skip)]
    pub fault: Option<crate::Fault>,
}

/// Time settings of one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedSettings {
    /// How far apart two events may arrive in the wrong order.
    pub reorder_ms: Millis,
    /// How long after it happened an event may still arrive; at least `reorder_ms`.
    pub max_delay_ms: Millis,
    /// Whether its silence would be noticed (it has an `expect` or sends heartbeats).
    pub watched: bool,
}

impl Default for FeedSettings {
    /// 1 s and 3 s: an action comes one second after its moment where traffic flows, three where feeds are quiet.
    fn default() -> Self {
        FeedSettings { reorder_ms: 1_000, max_delay_ms: 3_000, watched: false }
    }
}

/// What memory is bounded by. Hitting a bound is counted in [`crate::Counts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Events in the reorder buffer; at the bound the oldest instant is forced out.
    pub buffered_events_max: usize,
    /// Remembered events per rule and customer.
    pub remembered_events_max: usize,
    /// Open episodes per rule and customer.
    pub episodes_max: usize,
    /// Events in one window of a count.
    pub window_events_max: usize,
    /// Ids remembered per customer to recognize duplicates.
    pub dedupe_ids_max: usize,
    /// Customers whose state lies unpacked; that of those to whom nothing has happened for longer takes no more bytes than
    /// it needs. It shows in no result.
    pub unpacked_customers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            buffered_events_max: 1_000_000,
            remembered_events_max: 512,
            episodes_max: 256,
            window_events_max: 1_000,
            dedupe_ids_max: 1_024,
            unpacked_customers_max: 262_144,
        }
    }
}

/// Ids are kept with half of their instants, which repeat after 49 days.
pub(crate) const DEDUPE_MS_MAX: Millis = 20 * 86_400_000;

impl Settings {
    pub(crate) fn dedupe_ms(&self) -> Millis {
        self.dedupe_for_ms.min(DEDUPE_MS_MAX)
    }

    /// The default settings for so many feeds.
    pub fn new(feeds: usize) -> Self {
        Settings {
            feeds: vec![FeedSettings::default(); feeds],
            late_horizon_ms: 600_000,
            max_future_ms: 300_000,
            dedupe_for_ms: 120_000,
            limits: Limits::default(),
            #[cfg(feature = "faults")]
            fault: None,
        }
    }
}
