//! Whether a feed's settings fit how late and how disordered its events come.

use cxwatch_engine::FeedSettings;
use cxwatch_event::Millis;

/// The arrivals of one feed, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    pub(crate) delays: Vec<Millis>,
    pub(crate) disorders: Vec<Millis>,
    warned_at: Option<Millis>,
}

/// So many arrivals are judged together.
const JUDGED: usize = 2_000;

/// So long is between two warnings about one feed.
const WARN_MS: Millis = 600_000;

impl Arrivals {
    /// When enough have come: the setting that their p99 lies above, and that p99.
    pub(crate) fn judge(&mut self, settings: &FeedSettings, now: Millis) -> Option<(&'static str, Millis)> {
        if self.delays.len() < JUDGED {
            return None;
        }
        let p99 = |mut list: Vec<Millis>| {
            list.sort_unstable();
            list[(list.len() * 99).div_ceil(100) - 1]
        };
        let delay = p99(std::mem::take(&mut self.delays));
        let disorder = p99(std::mem::take(&mut self.disorders));
        if self.warned_at.is_some_and(|at| now - at < WARN_MS) {
            return None;
        }
        let found = match (delay > settings.max_delay_ms, disorder > settings.reorder_ms) {
            (true, _) => Some(("max_delay", delay)),
            (_, true) => Some(("reorder", disorder)),
            _ => None,
        };
        self.warned_at = found.map(|_| now).or(self.warned_at);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_whose_p99_lies_above_its_setting_is_named_once_in_a_while() {
        let settings = FeedSettings { reorder_ms: 1_000, max_delay_ms: 3_000, watched: false };
        let mut arrivals = Arrivals::default();
        let mut judge = |delay: fn(usize) -> Millis, disorder: Millis, now| {
            let mut said = None;
            for n in 0..JUDGED {
                arrivals.delays.push(delay(n));
                arrivals.disorders.push(disorder);
                said = said.or(arrivals.judge(&settings, now));
            }
            said
        };
        assert_eq!(judge(|_| 2_900, 900, 0), None);
        // One in a hundred may be later; two may not.
        assert_eq!(judge(|n| if n % 100 == 0 { 9_000 } else { 1 }, 0, 1), None);
        assert_eq!(judge(|n| if n % 50 == 0 { 9_000 } else { 1 }, 0, 2), Some(("max_delay", 9_000)));
        assert_eq!(judge(|_| 1, 1_500, 3), None);
        assert_eq!(judge(|_| 1, 1_500, 2 + WARN_MS), Some(("reorder", 1_500)));
    }
}
