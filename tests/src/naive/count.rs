//! Enough events in a window.

use super::{Claim, Given, Part};
use cxwatch_event::{MICRO, Micro, Value};
use cxwatch_rulebook::{Kind, Roles};

/// All events of one key since the window was last emptied.
#[derive(Default)]
pub(super) struct Window {
    events: Vec<InWindow>,
}

#[derive(Clone)]
struct InWindow {
    part: Part,
    counts: bool,
    distinct: Option<Value>,
}

impl Window {
    pub(super) fn take(
        &mut self,
        given: &Given,
        key: &str,
        may_fire: impl Fn(&Claim) -> bool,
    ) -> Option<Claim> {
        let Kind::Count { of_last, distinct, keep, .. } = given.rule.kind else {
            unreachable!("a count's window")
        };
        if given.has(Roles::RESET) {
            self.events.clear();
        }
        if given.hit.key.is_none() || !given.has(Roles::EVENT | Roles::COUNTED) {
            return None;
        }
        let counts = given.has(Roles::COUNTED);
        self.events.push(InWindow { part: given.part(), counts, distinct: given.hit.distinct.clone() });
        if !counts {
            return None;
        }
        let within: Vec<InWindow> = match of_last {
            Some(last) => {
                let first = self.events.len().saturating_sub(last as usize);
                self.events[first..].iter().filter(|e| e.counts).cloned().collect()
            }
            None => {
                let is_in = |e: &&InWindow| {
                    e.counts && given.rule.due(given.book, e.part.time, given.hit.within) > given.fact.time
                };
                self.events.iter().filter(is_in).cloned().collect()
            }
        };
        let found = if distinct { distinct_values(&within) } else { within.len() };
        if (found as Micro) * MICRO < given.hit.threshold {
            return None;
        }
        let parts: Vec<Part> = within.into_iter().map(|e| e.part).collect();
        let claim = Some(Claim::completed(given, key, &parts)).filter(may_fire)?;
        if !keep {
            self.events.clear();
        }
        Some(claim)
    }
}

fn distinct_values(events: &[InWindow]) -> usize {
    let mut values: Vec<&Value> = events.iter().filter_map(|e| e.distinct.as_ref()).collect();
    values.sort();
    values.dedup();
    values.len()
}
