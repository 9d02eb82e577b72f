//! Drawing at random, the same on every machine.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// A source of chance with a seed.
pub struct Draw(Pcg64Mcg);

impl Draw {
    /// The same seed draws the same.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not draw alike: spread them (the constant is 2^64 / golden ratio).
        Draw(Pcg64Mcg::new(u128::from(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 1 | 1))
    }

    /// A number from `from` to `to`, both included.
    pub fn range(&mut self, from: i64, to: i64) -> i64 {
        debug_assert!(from <= to);
        let width = (to - from + 1) as u64;
        from + (self.0.next_u64() % width) as i64
    }

    /// A place in a list of that length.
    pub fn index(&mut self, len: usize) -> usize {
        (self.0.next_u64() % len as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.range(0, 99) < percent
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }
}
