//! The reorder buffer: events wait here until the task's watermark reaches their place.
//!
//! A calendar queue: a ring of buckets of four milliseconds each covers what traffic needs, so that putting an event in
//! and taking it out costs the same whatever the number of events; what lies beyond the ring - a feed far ahead of the
//! others - waits in a heap.

use crate::customers::IdHash;
use cxwatch_event::{Event, Millis};
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
    /// A bucket has come up since it was last asked for.
    turned: bool,
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
            turned: false,
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

    /// The customers of the bucket that has come up since the last call, if one has.
    pub(crate) fn come_up(&mut self) -> impl Iterator<Item = IdHash> {
        let current = if std::mem::take(&mut self.turned) { &self.current[..] } else { &[] };
        current.iter().map(|(_, _, customer)| *customer)
    }

    /// All turns, in no order.
    pub(crate) fn turns(&self) -> impl Iterator<Item = Turn> {
        let far = self.far.iter().map(|Reverse(queued)| queued);
        self.current.iter().chain(self.ring.iter().flatten()).chain(far).map(|(turn, ..)| *turn)
    }

    /// Moves on to the next bucket that holds something.
    fn turn(&mut self) {
        let far = self.far.peek().map(|Reverse((turn, ..))| turn.at >> WIDTH);
        let near = self.next_occupied();
        let Some(next) = near.into_iter().chain(far).min() else { return };
        self.now = next;
        self.turned = true;
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

    /// The next bucket of the ring that holds something.
    fn next_occupied(&self) -> Option<i64> {
        let begin = self.now.wrapping_add(1) as usize & (RING - 1);
        let words = RING / 64;
        for step in 0..=words {
            let word = (begin / 64 + step) % words;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (begin % 64);
            } else if step == words {
                bits &= !(u64::MAX << (begin % 64));
            }
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                let ahead = slot.wrapping_sub(begin) & (RING - 1);
                return Some(self.now + 1 + ahead as i64);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxwatch_event::TypeId;

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
            let turn = Turn { at: now + next(spread), feed: next(3) as u8, offset, sub: 0 };
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
    fn an_earlier_event_than_the_bucket_in_turn_still_comes_first() {
        let mut buffer = Buffer::default();
        let turn = |at| Turn { at, feed: 0, offset: at, sub: 0 };
        buffer.push(turn(10_000), customer(), event());
        assert_eq!(buffer.first(), Some(10_000));
        buffer.push(turn(50), customer(), event());
        buffer.push(turn(12_000), customer(), event());
        assert_eq!(buffer.first(), Some(50));
        let order: Vec<Millis> = std::iter::from_fn(|| buffer.pop(Millis::MAX)).map(|(t, ..)| t.at).collect();
        assert_eq!(order, [50, 10_000, 12_000]);
    }
}
