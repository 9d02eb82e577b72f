//! What a customer did of late: types and times, eight bytes each.

use compact_str::CompactString;
use cxwatch_engine::ask_for;
use cxwatch_event::Millis;
use cxwatch_rulebook::Rulebook;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// So far back the timeline reaches: longer, and every customer who ever came by would have to be remembered for it.
pub const TIMELINE_MS: Millis = 3_600_000;

/// Times take 42 bits: the years from 1970 to 2109.
const TIME_BITS: u32 = 42;

/// One event of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// When it happened.
    pub time: Millis,
    /// Its type.
    pub kind: CompactString,
}

/// Most customers do no more within an hour: so many lie in the customer itself.
const OWN: usize = 2;

/// A time, and 22 bits of a hash of a type's name: its number changes with the rulebook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp(#[serde(with = "postcard::fixint::le")] u64);

/// The newest events, in ascending order of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timeline(SmallVec<[Stamp; OWN]>);

impl Timeline {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks for the ends of the list of its own.
    pub(crate) fn warm(&self) {
        if self.0.spilled() {
            self.0.first().into_iter().chain(self.0.last()).for_each(ask_for);
        }
    }

    /// Takes an event.
    pub(crate) fn add(&mut self, kind: &str, time: Millis, instant: Millis, at_most: u8) {
        let oldest = instant.saturating_sub(TIMELINE_MS);
        if at_most == 0 || time <= oldest || !(0..1 << TIME_BITS).contains(&time) {
            return;
        }
        let stamp = Stamp((time as u64) << (64 - TIME_BITS) | hash(kind));
        let has_room = self.0.len() < usize::from(at_most) && self.0.len() < self.0.capacity();
        let is_newest = self.0.last().is_none_or(|e| e.time() <= time);
        if has_room && is_newest && self.0.first().is_none_or(|e| e.time() > oldest) {
            return self.0.push(stamp);
        }
        let gone = self.0.iter().take_while(|e| e.time() <= oldest).count();
        self.0.drain(..gone);
        let spare = (self.0.len() + 1).saturating_sub(usize::from(at_most));
        if self.0.partition_point(|e| e.time() <= time) < spare {
            // The newest stay, and this is none of them.
            self.0.drain(..spare - 1);
            return;
        }
        self.0.drain(..spare);
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(4);
        }
        let place = self.0.partition_point(|e| e.time() <= time);
        self.0.insert(place, stamp);
    }

    /// What it shows at an instant, oldest first.
    pub(crate) fn shown(&self, book: &Rulebook, instant: Millis) -> Vec<Past> {
        let oldest = instant.saturating_sub(TIMELINE_MS);
        let recent = self.0.iter().filter(|e| e.time() > oldest);
        recent.map(|e| Past { time: e.time(), kind: name(book, *e) }).collect()
    }

    /// When all of it is out of date.
    pub(crate) fn over_at(&self) -> Option<Millis> {
        self.0.last().map(|newest| newest.time() + TIMELINE_MS)
    }

    /// Forgets everything, if all of it is out of date.
    pub(crate) fn forget(&mut self, instant: Millis) {
        if self.over_at().is_some_and(|over| over <= instant) {
            self.0 = SmallVec::new();
        }
    }
}

impl Stamp {
    fn time(self) -> Millis {
        (self.0 >> (64 - TIME_BITS)) as Millis
    }
}

fn hash(kind: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(kind.as_bytes()) & ((1 << (64 - TIME_BITS)) - 1)
}

fn name(book: &Rulebook, stamp: Stamp) -> CompactString {
    let wanted = stamp.0 & ((1 << (64 - TIME_BITS)) - 1);
    let mut types = book.catalogue.types();
    types.find(|(_, spec)| hash(&spec.name) == wanted).map_or("gone".into(), |(_, spec)| spec.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(timeline: &Timeline) -> Vec<Millis> {
        timeline.0.iter().map(|e| e.time()).collect()
    }

    #[test]
    fn the_newest_are_kept_in_order_of_time() {
        let mut timeline = Timeline::default();
        for time in [10, 30, 20, 40] {
            timeline.add("a", time, 40, 3);
        }
        assert_eq!(times(&timeline), [20, 30, 40]);
        timeline.add("a", 15, 40, 3);
        assert_eq!(times(&timeline), [20, 30, 40]);
        timeline.add("a", 25, 40, 2);
        assert_eq!(times(&timeline), [30, 40]);
    }

    #[test]
    fn what_is_older_than_its_reach_is_neither_taken_nor_kept() {
        let mut timeline = Timeline::default();
        timeline.add("a", 10, 10, 3);
        timeline.add("a", 5, TIMELINE_MS + 5, 3);
        assert_eq!(times(&timeline), [10]);
        timeline.add("a", TIMELINE_MS + 10, TIMELINE_MS + 10, 3);
        assert_eq!(times(&timeline), [TIMELINE_MS + 10]);
        assert_eq!(timeline.over_at(), Some(2 * TIMELINE_MS + 10));
        timeline.forget(2 * TIMELINE_MS + 9);
        assert!(!timeline.is_empty());
        timeline.forget(2 * TIMELINE_MS + 10);
        assert!(timeline.is_empty());
    }

    #[test]
    fn no_two_built_in_types_look_the_same() {
        let catalogue = cxwatch_event::Catalogue::builtin();
        let hashes: std::collections::BTreeSet<u64> = catalogue.types().map(|(_, t)| hash(&t.name)).collect();
        assert_eq!(hashes.len(), catalogue.len());
    }
}
