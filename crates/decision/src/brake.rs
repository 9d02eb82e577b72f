//! How many requests a minute sees.

use crate::Decider;
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::Rulebook;
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
        self.used(rule, instant) >= Brake::share(limit, partitions)
    }

    /// What a limit per minute leaves for this task, one of so many.
    pub(crate) fn share(limit: u32, partitions: u32) -> u32 {
        limit.div_ceil(partitions.max(1))
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

impl Decider {
    /// The brakes that a rulebook has (`None`: of all rules), and whether each is on at an instant.
    pub fn brakes<'a>(
        &'a self,
        book: &'a Rulebook,
        instant: Millis,
    ) -> impl Iterator<Item = (Option<&'a str>, bool)> {
        let of_rules = book.rules.iter().map(|rule| (Some(rule.id.as_str()), rule.treatment.brake));
        let all = of_rules.chain([(None, book.policy.brake)]);
        all.filter_map(move |(rule, limit)| {
            let is_on = self.brake().is_used_up(rule, limit?, self.settings.partitions, instant);
            Some((rule, is_on))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brakes_of_a_rulebook_are_looked_at_one_by_one() {
        let rules = "[ { id: a, kind: match, event: order.placed, brake: 4 }, { id: b, kind: match, event: order.placed } ]";
        let source = format!("rulebook: shop\nversion: 1\npolicy: {{ brake: 6 }}\nrules: {rules}\n");
        let (book, _) = cxwatch_rulebook::compile(&source, "shop.yaml").expect("it is right");
        let wall = crate::WallClock::None;
        let settings = crate::DeciderSettings { act_from: 0, remember_ms: 0, partitions: 2, wall };
        let mut decider = Decider::new(settings);
        let brakes =
            |decider: &Decider, instant| decider.brakes(&book, instant).map(|(_, on)| on).collect::<Vec<_>>();
        decider.head.brake.count("a", 100);
        assert_eq!(brakes(&decider, 100), [false, false]);
        decider.head.brake.count("a", 100);
        assert_eq!(decider.brakes(&book, 100).collect::<Vec<_>>(), [(Some("a"), true), (None, false)]);
        decider.head.brake.count("b", 100);
        assert_eq!(brakes(&decider, 100), [true, true]);
        assert_eq!(brakes(&decider, 60_000), [false, false]);
    }

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
