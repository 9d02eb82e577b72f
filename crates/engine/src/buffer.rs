//! The reorder buffer: events wait here until the task's watermark reaches their place.
//!
//! A calendar queue: a ring of buckets of four milliseconds each covers what traffic needs, so that putting an event in
//! and taking it out costs the same whatever the number of events; what lies beyond the ring - a feed far ahead of the
//! others - waits in a heap.

use crate::customers::IdHash;
use cxwatch_event::{Event, Millis, TypeId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Milliseconds of a bucket, as a shift.
const WIDTH: u32 = 2;
/// Buckets in the ring: 16 seconds, for a backlog is read feed by feed, each up to 10 s ahead of the one that holds the
/// clock.
const RING: usize = 4096;

/// Where an event comes in the order of processing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) at: Millis,
    pub(crate) feed: u8,
    pub(crate) offset: i64,
    pub(crate) sub: u32,
    /// What is to come.
    pub(crate) kind: u16,
}

/// With the place of the event, and its customer's hash: whoever it is about is looked up twice.
type Queued = (Turn, u32, IdHash);

/// Events in the order (place, feed, offset, sub-index).
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Everything in or before the bucket `now`, the first last.
    current: Vec<Queued>,
    now: i64,
    /// Buckets `now + 1` to `now + RING - 1`, in no order within.
    ring: Vec<Vec<Queued>>,
    occupied: [u64; RING / 64],
    /// Empty lists of buckets that have come up, the latest used last: near, while those of the whole ring are not.
    spare: Vec<Vec<Queued>>,
    far: BinaryHeap<Reverse<Queued>>,
    slab: Vec<Option<Event>>,
    free: Vec<u32>,
    len: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer {
            current: Vec::new(),
            now: i64::MIN,
            ring: vec![Vec::new(); RING],
            occupied: [0; RING / 64],
            spare: Vec::new(),
            far: BinaryHeap::new(),
            slab: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl Buffer {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, turn: Turn, customer: IdHash, event: Event) {
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.slab.push(None);
                self.slab.len() as u32 - 1
            }
        };
        self.slab[at as usize] = Some(event);
        if self.len == 0 {
            // Wherever the ring has stopped, it goes on from here.
            self.now = turn.at >> WIDTH;
        }
        self.len += 1;
        let queued = (turn, at, customer);
        let ahead = (turn.at >> WIDTH).saturating_sub(self.now);
        if ahead <= 0 {
            let place = self.current.partition_point(|q| *q > queued);
            self.current.insert(place, queued);
        } else if ahead < RING as i64 {
            let slot = (turn.at >> WIDTH) as usize & (RING - 1);
            let bucket = &mut self.ring[slot];
            if bucket.capacity() == 0 {
                *bucket = self.spare.pop().unwrap_or_default();
            }
            bucket.push(queued);
            self.occupied[slot / 64] |= 1 << (slot % 64);
        } else {
            self.far.push(Reverse(queued));
        }
    }

    /// The place of the first event.
    pub(crate) fn first(&mut self) -> Option<Millis> {
        if self.current.is_empty() && self.len > 0 {
            self.turn();
        }
        self.current.last().map(|(turn, ..)| turn.at)
    }

    /// Takes the first event if its place is at or before `limit`.
    pub(crate) fn pop(&mut self, limit: Millis) -> Option<(Turn, IdHash, Event)> {
        self.first().filter(|at| *at <= limit)?;
        let (turn, at, customer) = self.current.pop()?;
        self.len -= 1;
        self.free.push(at);
        Some((turn, customer, self.slab[at as usize].take().expect("the queue names filled places")))
    }

    /// The bucket that has come up.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// The customers and types in the buckets after this one, until there are `at_least`; the first and the last of these
    /// buckets.
    pub(crate) fn group_after(
        &self,
        bucket: i64,
        at_least: usize,
        mut each: impl FnMut(IdHash, TypeId),
    ) -> Option<(i64, i64)> {
        let first = self.next_occupied(bucket)?;
        let (mut last, mut found) = (first, 0);
        loop {
            let queued = &self.ring[last as usize & (RING - 1)];
            queued.iter().for_each(|(turn, _, customer)| each(*customer, TypeId(turn.kind)));
            found += queued.len();
            match self.next_occupied(last) {
                Some(next) if found < at_least => last = next,
                _ => return Some((first, last)),
            }
        }
    }

    /// All turns, in no order.
    pub(crate) fn turns(&self) -> impl Iterator<Item = Turn> {
        let far = self.far.iter().map(|Reverse(queued)| queued);
        self.current.iter().chain(self.ring.iter().flatten()).chain(far).map(|(turn, ..)| *turn)
    }

    /// Moves on to the next bucket that holds something.
    fn turn(&mut self) {
        let far = self.far.peek().map(|Reverse((turn, ..))| turn.at >> WIDTH);
        let near = self.next_occupied(self.now);
        let Some(next) = near.into_iter().chain(far).min() else { return };
        self.now = next;
        if near == Some(next) {
            let slot = next as usize & (RING - 1);
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            let bucket = std::mem::take(&mut self.ring[slot]);
            let emptied = std::mem::replace(&mut self.current, bucket);
            if emptied.capacity() > 0 {
                self.spare.push(emptied);
            }
        }
        while self.far.peek().is_some_and(|Reverse((turn, ..))| turn.at >> WIDTH <= next) {
            self.current.extend(self.far.pop().map(|Reverse(queued)| queued));
        }
        self.current.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The next bucket of the ring after this one that holds something.
    fn next_occupied(&self, bucket: i64) -> Option<i64> {
        let end = self.now.saturating_add(RING as i64);
        let mut at = bucket.checked_add(1)?;
        while at < end {
            let slot = at as usize & (RING - 1);
            let rest = self.occupied[slot / 64] >> (slot % 64);
            if rest != 0 {
                let found = at + i64::from(rest.trailing_zeros());
                return (found < end).then_some(found);
            }
            at += 64 - (slot % 64) as i64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer() -> IdHash {
        crate::customers::Customers::<()>::new(0).hash("c")
    }

    fn event() -> Event {
        Event {
            kind: TypeId(0),
            time: 0,
            sub: 0,
            customer: "c".into(),
            id: "e".into(),
            source: "/s".into(),
            fields: Default::default(),
        }
    }

    #[test]
    fn events_come_in_the_order_of_their_turns_near_and_far() {
        let mut seed = 11u64;
        let mut next = |bound: i64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as i64 % bound
        };
        let mut buffer = Buffer::default();
        let mut model: Vec<Turn> = Vec::new();
        let (mut now, mut popped) = (1_700_000_000_000i64, 0);
        for offset in 0..20_000 {
            let spread = [3, 500, 9_000, 9_000_000][(offset % 4) as usize];
            let turn = Turn { at: now + next(spread), feed: next(3) as u8, offset, sub: 0, kind: 0 };
            buffer.push(turn, customer(), event());
            model.push(turn);
            now += next(4);
            if offset % 7 == 0 {
                model.sort_unstable();
                let due = model.iter().take_while(|t| t.at <= now).count();
                let expected: Vec<Turn> = model.drain(..due).collect();
                let mut found = Vec::new();
                while let Some((turn, ..)) = buffer.pop(now) {
                    found.push(turn);
                }
                assert_eq!(found, expected);
                popped += found.len();
            }
            assert_eq!(buffer.len(), model.len());
        }
        let mut turns: Vec<Turn> = buffer.turns().collect();
        turns.sort_unstable();
        model.sort_unstable();
        assert_eq!(turns, model);
        assert!(popped > 10_000);
        let rest = std::iter::from_fn(|| buffer.pop(Millis::MAX)).count();
        assert_eq!(rest, model.len());
    }

    #[test]
    fn what_comes_next_is_shown_in_groups_of_whole_buckets() {
        let mut buffer = Buffer::default();
        for at in [0, 1, 400, 401, 402, 900, 60_000] {
            let turn = Turn { at, feed: 0, offset: at, sub: 0, kind: at as u16 };
            buffer.push(turn, customer(), event());
        }
        assert_eq!(buffer.first(), Some(0));
        let group = |after, at_least| {
            let mut kinds = Vec::new();
            let buckets = buffer.group_after(after, at_least, |_, kind| kinds.push(kind.0));
            (buckets, kinds)
        };
        let now = 0;
        // Enough with one bucket; what is beyond the ring is not shown.
        assert_eq!(group(now, 3), (Some((100, 100)), vec![400, 401, 402]));
        assert_eq!(group(now, 4), (Some((100, 225)), vec![400, 401, 402, 900]));
        assert_eq!(group(100, 4), (Some((225, 225)), vec![900]));
        assert_eq!(group(225, 1), (None, vec![]));
    }

    #[test]
    fn an_earlier_event_than_the_bucket_in_turn_still_comes_first() {
        let mut buffer = Buffer::default();
        let turn = |at| Turn { at, feed: 0, offset: at, sub: 0, kind: 0 };
        buffer.push(turn(10_000), customer(), event());
        assert_eq!(buffer.first(), Some(10_000));
        buffer.push(turn(50), customer(), event());
        buffer.push(turn(12_000), customer(), event());
        assert_eq!(buffer.first(), Some(50));
        let order: Vec<Millis> = std::iter::from_fn(|| buffer.pop(Millis::MAX)).map(|(t, ..)| t.at).collect();
        assert_eq!(order, [50, 10_000, 12_000]);
    }
}
