//! How many requests a minute sees.

use compact_str::CompactString;
use cxwatch_event::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const MINUTE_MS: Millis = 60_000;

/// The requests of the newest minute of event time that had any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Brake {
    minute: i64,
    all: u32,
    by_rule: BTreeMap<CompactString, u32>,
}

impl Brake {
    /// Whether a limit per minute is used up in this task, one of so many.
    pub fn is_used_up(&self, rule: Option<&str>, limit: u32, partitions: u32, instant: Millis) -> bool {
        self.used(rule, instant) >= limit.div_ceil(partitions.max(1))
    }

    /// The requests in the instant's minute, of a rule or overall.
    pub fn used(&self, rule: Option<&str>, instant: Millis) -> u32 {
        if self.minute != instant.div_euclid(MINUTE_MS) {
            return 0;
        }
        rule.map_or(self.all, |rule| self.by_rule.get(rule).copied().unwrap_or(0))
    }

    /// Counts a request.
    pub(crate) fn count(&mut self, rule: &str, instant: Millis) {
        let minute = instant.div_euclid(MINUTE_MS);
        if self.minute != minute {
            *self = Brake { minute, ..Brake::default() };
        }
        self.all += 1;
        *self.by_rule.entry(rule.into()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_divided_by_the_partitions_rounded_up_and_holds_for_a_minute() {
        let mut brake = Brake::default();
        brake.count("a", 60_000);
        assert!(!brake.is_used_up(Some("a"), 5, 3, 119_999));
        brake.count("a", 119_999);
        assert!(brake.is_used_up(Some("a"), 5, 3, 119_999));
        assert!(brake.is_used_up(None, 2, 1, 119_999));
        assert!(!brake.is_used_up(Some("b"), 1, 3, 119_999));
        assert!(!brake.is_used_up(Some("a"), 5, 3, 120_000));
        assert!(brake.is_used_up(Some("a"), 0, 3, 120_000));
    }
}
