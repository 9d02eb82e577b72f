//! Guards: conditions on the past that block a start or a firing.

use crate::change::Renumbered;
use crate::explain::{Blocking, Sight};
use crate::place::Pos;
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{Guard, Roles, Rule};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// How many sightings of one guard are kept: a guard asked about the past needs those before it.
const SIGHTINGS_MAX: usize = 8;

/// What a rule's guards have seen of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Guards {
    /// Most rules have no guards.
    #[allow(clippy::box_collection, reason = "one word instead of three in every slot")]
    seen: Option<Box<Vec<Sighting>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sighting {
    guard: u8,
    /// `None`: seen without a key, so it guards all of the customer's.
    key: Option<CompactString>,
    /// In the naive order, the newest last.
    times: SmallVec<[(Pos, bool); 1]>,
}

impl Guards {
    pub(crate) fn is_empty(&self) -> bool {
        self.seen.is_none()
    }

    /// Feeds have other numbers now.
    pub(crate) fn renumber(&mut self, numbers: &Renumbered) {
        let times = self.seen.iter_mut().flat_map(|seen| seen.iter_mut()).flat_map(|s| &mut s.times);
        times.for_each(|(pos, _)| pos.renumber(numbers));
    }

    /// Takes what an event is to the `while` guards (before its own start is judged) or to the others (after).
    pub(crate) fn see(
        &mut self,
        rule: &Rule,
        bits: u32,
        key: Option<&CompactString>,
        pos: Pos,
        while_guards: bool,
    ) {
        for (at, guard) in rule.guards.iter().enumerate() {
            let at = at as u8;
            if matches!(guard, Guard::While) != while_guards {
                continue;
            }
            // An event that is both ends the state.
            for (bit, on) in [(Roles::guard_on(at), true), (Roles::guard_off(at), false)] {
                if bits & bit != 0 {
                    self.note(at, key, pos, on);
                }
            }
        }
    }

    fn note(&mut self, guard: u8, key: Option<&CompactString>, pos: Pos, on: bool) {
        let seen = self.seen.get_or_insert_default();
        let at = seen.iter().position(|s| s.guard == guard && s.key.as_ref() == key).unwrap_or_else(|| {
            seen.push(Sighting { guard, key: key.cloned(), times: SmallVec::new() });
            seen.len() - 1
        });
        let times = &mut seen[at].times;
        let place = times.partition_point(|(p, _)| *p <= pos);
        times.insert(place, (pos, on));
        if times.len() > SIGHTINGS_MAX {
            times.remove(0);
        }
    }

    /// Whether all guards allow a start or firing of this key at `time`.
    pub(crate) fn allow(&self, rule: &Rule, key: &str, time: Millis) -> bool {
        self.blocking(rule, key, time).is_none()
    }

    /// The first guard that stands against a start or firing of this key at `time`.
    pub(crate) fn blocking(&self, rule: &Rule, key: &str, time: Millis) -> Option<Blocking> {
        rule.guards.iter().enumerate().find_map(|(at, guard)| {
            let of_key = self
                .seen
                .iter()
                .flat_map(|seen| seen.iter())
                .filter(|s| usize::from(s.guard) == at && s.key.as_deref().is_none_or(|k| k == key));
            let sightings = of_key.flat_map(|s| s.times.iter()).filter(|(p, _)| p.time <= time);
            let by = match guard {
                Guard::UnlessSeen { within_ms } => {
                    Some(sightings.filter(|(p, _)| p.time > time - within_ms).max_by_key(|(p, _)| *p)?)
                }
                // Of one event that begins and ends the state, the end stands behind.
                Guard::While => match sightings.max_by_key(|(p, _)| *p) {
                    Some((_, true)) => return None,
                    ended => ended,
                },
            };
            Some(Blocking { guard: at as u8, by: by.map(|(pos, on)| Sight::of(*pos, *on)) })
        })
    }

    /// The newest sighting by guard and key.
    pub(crate) fn newest(&self) -> Vec<(u8, Option<CompactString>, Sight)> {
        let all = self.seen.iter().flat_map(|seen| seen.iter());
        all.filter_map(|s| s.times.last().map(|(pos, on)| (s.guard, s.key.clone(), Sight::of(*pos, *on))))
            .collect()
    }

    /// Forgets sightings that no start or firing at or after `cut` can ask about.
    pub(crate) fn forget(&mut self, rule: &Rule, cut: Millis) {
        let Some(seen) = &mut self.seen else { return };
        for sighting in seen.iter_mut() {
            match rule.guards[usize::from(sighting.guard)] {
                Guard::UnlessSeen { within_ms } => sighting.times.retain(|(p, _)| p.time > cut - within_ms),
                Guard::While => {
                    let old = sighting.times.partition_point(|(p, _)| p.time < cut);
                    sighting.times.drain(..old.saturating_sub(1));
                }
            }
        }
        // An old end of a state may be dropped only when no older beginning, of another key or of none, is left behind it.
        let is_over = |s: &Sighting| s.times.iter().all(|(p, on)| !on && p.time < cut);
        let over: u64 = (0..rule.guards.len())
            .filter(|at| seen.iter().filter(|s| usize::from(s.guard) == *at).all(is_over))
            .fold(0, |bits, at| bits | 1 << at);
        seen.retain(|s| !s.times.is_empty() && over >> s.guard & 1 == 0);
        if seen.is_empty() {
            self.seen = None;
        }
    }
}
