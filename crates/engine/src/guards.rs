//! Guards: conditions on the past that block a start or a firing.

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
    /// Newest last, by the order in which they were processed.
    times: SmallVec<[(Millis, bool); 1]>,
}

impl Guards {
    pub(crate) fn is_empty(&self) -> bool {
        self.seen.is_none()
    }

    /// Takes what an event is to the `while` guards (before its own start is judged) or to the others (after).
    pub(crate) fn see(
        &mut self,
        rule: &Rule,
        bits: u32,
        key: Option<&CompactString>,
        time: Millis,
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
                    self.note(at, key, time, on);
                }
            }
        }
    }

    fn note(&mut self, guard: u8, key: Option<&CompactString>, time: Millis, on: bool) {
        let seen = self.seen.get_or_insert_default();
        let at = seen.iter().position(|s| s.guard == guard && s.key.as_ref() == key).unwrap_or_else(|| {
            seen.push(Sighting { guard, key: key.cloned(), times: SmallVec::new() });
            seen.len() - 1
        });
        let times = &mut seen[at].times;
        let place = times.partition_point(|(t, _)| *t <= time);
        times.insert(place, (time, on));
        if times.len() > SIGHTINGS_MAX {
            times.remove(0);
        }
    }

    /// Whether all guards allow a start or firing of this key at `time`.
    pub(crate) fn allow(&self, rule: &Rule, key: &str, time: Millis) -> bool {
        rule.guards.iter().enumerate().all(|(at, guard)| {
            let of_key = self
                .seen
                .iter()
                .flat_map(|seen| seen.iter())
                .filter(|s| usize::from(s.guard) == at && s.key.as_deref().is_none_or(|k| k == key));
            let mut sightings = of_key.flat_map(|s| s.times.iter()).filter(|(t, _)| *t <= time);
            match guard {
                Guard::UnlessSeen { within_ms } => !sightings.any(|(t, _)| *t > time - within_ms),
                // The newest; of two at one instant the one processed later, which ends up behind.
                Guard::While => sightings.max_by_key(|(t, _)| *t).is_some_and(|(_, on)| *on),
            }
        })
    }

    /// Forgets sightings that no start or firing at or after `cut` can ask about.
    pub(crate) fn forget(&mut self, rule: &Rule, cut: Millis) {
        let Some(seen) = &mut self.seen else { return };
        seen.retain_mut(|sighting| match rule.guards[usize::from(sighting.guard)] {
            Guard::UnlessSeen { within_ms } => {
                sighting.times.retain(|(t, _)| *t > cut - within_ms);
                !sighting.times.is_empty()
            }
            Guard::While => {
                let old = sighting.times.partition_point(|(t, _)| *t < cut);
                sighting.times.drain(..old.saturating_sub(1));
                sighting.times.len() > 1 || sighting.times.last().is_some_and(|(t, on)| *on || *t >= cut)
            }
        });
        if seen.is_empty() {
            self.seen = None;
        }
    }
}
