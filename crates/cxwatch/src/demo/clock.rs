//! A clock that runs faster than the machine's: a day in less than a minute.

use cxwatch_event::Millis;
use cxwatch_runtime::ports::Clock;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Stands still at `from` until [`FastClock::go`]; then `speed` milliseconds pass in one.
#[derive(Debug, Clone)]
pub(crate) struct FastClock {
    from: Millis,
    speed: i64,
    made: Instant,
    went: Arc<OnceLock<Instant>>,
}

impl FastClock {
    /// A clock that has not begun to run.
    pub(crate) fn new(from: Millis, speed: i64) -> Self {
        FastClock { from, speed, made: Instant::now(), went: Arc::default() }
    }

    /// Lets it run.
    pub(crate) fn go(&self) {
        self.went.get_or_init(Instant::now);
    }
}

impl Clock for FastClock {
    fn now(&self) -> Millis {
        let passed = self.went.get().map_or(0, |went| went.elapsed().as_micros() as i64);
        self.from + passed * self.speed / 1_000
    }

    /// How often things are done goes by the machine's clock.
    fn elapsed(&self) -> u64 {
        self.made.elapsed().as_millis() as u64
    }
}
