//! Timers: a hierarchical wheel over event time.
//!
//! Eight levels of 64 slots; a slot of level *n* spans 64^*n* ms. Inserting costs the same whatever the number of
//! timers; a timer moves down at most seven times before it is due. A timer names a customer and a rule; whether it
//! is still meant is for its taker to judge, so timers are never taken out.

use cxwatch_event::Millis;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 8;

/// A timer: when, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) time: Millis,
    pub(crate) customer: u32,
    pub(crate) rule: u16,
}

/// All timers of a task.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// No timer in the slots lies before this.
    now: u64,
    slots: Vec<Vec<Timer>>,
    occupied: [u64; LEVELS],
    /// Timers set for an instant that the wheel has already turned past.
    early: BinaryHeap<Reverse<Timer>>,
    len: usize,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Wheel {
            now: 0,
            slots: (0..LEVELS * SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; LEVELS],
            early: BinaryHeap::new(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, timer: Timer) {
        self.len += 1;
        self.place(timer);
    }

    fn place(&mut self, timer: Timer) {
        let time = u64::try_from(timer.time).unwrap_or(0);
        if time < self.now {
            return self.early.push(Reverse(timer));
        }
        let differing = time ^ self.now;
        let level = if differing == 0 { 0 } else { (63 - differing.leading_zeros()) / BITS };
        // Beyond the top level (8,900 years) nothing is ever due.
        let level = (level as usize).min(LEVELS - 1);
        let slot = (time >> (level as u32 * BITS)) as usize & (SLOTS - 1);
        let timers = &mut self.slots[level * SLOTS + slot];
        if timers.len() == timers.capacity() {
            // Millions of timers wait in a slot or two: doubling would keep room for as many again.
            timers.reserve_exact(timers.len() / 8 + 4);
        }
        timers.push(timer);
        self.occupied[level] |= 1 << slot;
    }

    /// The instant of the earliest timer at or before `limit`.
    pub(crate) fn peek(&mut self, limit: Millis) -> Option<Millis> {
        let early = self.early.peek().map(|t| t.0.time).filter(|t| *t <= limit);
        let limit = u64::try_from(limit).ok()?;
        // Nothing in the slots is before `now`, and everything early is.
        early.or_else(|| self.turn(limit).map(|time| time as Millis))
    }

    /// Takes all timers at or before `limit`.
    pub(crate) fn take(&mut self, limit: Millis, into: &mut Vec<Timer>) {
        while let Some(timer) = self.early.peek() {
            if timer.0.time > limit {
                break;
            }
            into.push(self.early.pop().expect("it was just peeked at").0);
            self.len -= 1;
        }
        let Ok(limit) = u64::try_from(limit) else { return };
        while let Some(time) = self.turn(limit) {
            let slot = time as usize & (SLOTS - 1);
            let taken = &mut self.slots[slot];
            self.len -= taken.len();
            into.append(taken);
            self.occupied[0] &= !(1 << slot);
        }
    }

    /// Turns the wheel until its earliest timer lies in the lowest level; that timer's instant if within `limit`.
    fn turn(&mut self, limit: u64) -> Option<u64> {
        loop {
            let (level, slot) = self.first()?;
            let shift = level as u32 * BITS;
            let above = self.now >> shift >> BITS << BITS << shift;
            let start = above | (slot as u64) << shift;
            if start > limit {
                return None;
            }
            if level == 0 {
                return Some(start);
            }
            self.now = self.now.max(start);
            let moved = std::mem::take(&mut self.slots[level * SLOTS + slot]);
            self.occupied[level] &= !(1 << slot);
            for timer in moved {
                self.place(timer);
            }
        }
    }

    /// The lowest level with a timer, and its first slot: in each level only slots at or past `now` are occupied,
    /// and everything in a lower level comes before everything in a higher one.
    fn first(&self) -> Option<(usize, usize)> {
        (0..LEVELS).find(|l| self.occupied[*l] != 0).map(|l| (l, self.occupied[l].trailing_zeros() as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(wheel: &mut Wheel, limit: Millis) -> Vec<Millis> {
        let mut taken = Vec::new();
        while let Some(at) = wheel.peek(limit) {
            let before = taken.len();
            wheel.take(at, &mut taken);
            assert!(taken.len() > before && taken[before..].iter().all(|t| t.time == at));
        }
        taken.iter().map(|t| t.time).collect()
    }

    #[test]
    fn timers_come_in_order_and_none_is_lost() {
        let mut wheel = Wheel::new();
        let mut seed = 7u64;
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as i64
        };
        let (mut now, mut model) = (1_000_000i64, Vec::new());
        let mut seen = Vec::new();
        for round in 0..2_000 {
            for _ in 0..3 {
                let spread = [10, 1_000, 100_000, 50_000_000][(round % 4) as usize];
                let time = now + next() % spread;
                wheel.insert(Timer { time, customer: 0, rule: 0 });
                model.push(time);
            }
            now += next() % 5_000;
            let taken = drain(&mut wheel, now);
            assert!(taken.is_sorted());
            model.sort_unstable();
            let due = model.iter().take_while(|t| **t <= now).count();
            assert_eq!(taken, model.drain(..due).collect::<Vec<_>>());
            seen.extend(taken);
        }
        assert_eq!(wheel.len(), model.len());
        assert!(seen.len() > 1_000);
    }

    #[test]
    fn a_timer_behind_the_wheel_is_still_taken() {
        let mut wheel = Wheel::new();
        wheel.insert(Timer { time: 5_000, customer: 1, rule: 0 });
        assert_eq!(wheel.peek(4_990), None);
        wheel.insert(Timer { time: 3_000, customer: 2, rule: 0 });
        wheel.insert(Timer { time: -5, customer: 3, rule: 0 });
        assert_eq!(drain(&mut wheel, 10_000), [-5, 3_000, 5_000]);
    }
}
