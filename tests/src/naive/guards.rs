//! What guards have seen.

use super::Given;
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{Guard, Roles, Rule};

/// All guard events of one rule and customer, in the order in which they were processed.
#[derive(Default)]
pub(super) struct Guarded {
    log: Vec<Seen>,
}

struct Seen {
    guard: u8,
    on: bool,
    /// `None`: it carries no key and counts for all.
    key: Option<CompactString>,
    time: Millis,
}

impl Guarded {
    /// `while` guards know an event before its own start is judged.
    pub(super) fn learn_states(&mut self, given: &Given) {
        self.learn(given, |guard| *guard == Guard::While);
    }

    /// `unless_seen` guards know it afterwards.
    pub(super) fn learn_seen(&mut self, given: &Given) {
        self.learn(given, |guard| matches!(guard, Guard::UnlessSeen { .. }));
    }

    fn learn(&mut self, given: &Given, which: impl Fn(&Guard) -> bool) {
        for (i, _) in (0u8..).zip(&given.rule.guards).filter(|(_, guard)| which(guard)) {
            for (bit, on) in [(Roles::guard_on(i), true), (Roles::guard_off(i), false)] {
                if given.hit.guards & bit != 0 {
                    self.log.push(Seen { guard: i, on, key: given.hit.key.clone(), time: given.fact.time });
                }
            }
        }
    }

    /// Whether all guards of the rule let a start or a firing at `time` pass.
    pub(super) fn allow(&self, rule: &Rule, key: &str, time: Millis) -> bool {
        (0u8..).zip(&rule.guards).all(|(i, guard)| {
            let mut seen =
                self.log.iter().filter(|s| s.guard == i && s.key.as_ref().is_none_or(|k| k == key));
            match guard {
                Guard::UnlessSeen { within_ms } => !seen.any(|s| s.time > time - within_ms && s.time <= time),
                Guard::While => seen.next_back().is_some_and(|s| s.on),
            }
        })
    }
}
