//! Drawing at random, in whole numbers.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

#[derive(Debug, Clone)]
pub(super) struct Draw(Pcg64Mcg);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        // An MCG's state is odd; the seed is spread over the upper bits, so that near seeds part at once.
        let state = u128::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) | 1;
        let mut draw = Draw(Pcg64Mcg::new(state));
        draw.bits();
        draw
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Below `bound`, which is not 0: the high half of a product (its bias is below bound / 2^64).
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// From `least` to `most`, both possible.
    pub(super) fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least) as u64 + 1) as i64
    }

    /// True in so many of a thousand cases.
    pub(super) fn permille(&mut self, share: u32) -> bool {
        self.below(1000) < u64::from(share)
    }

    pub(super) fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

/// The law of Zipf and Mandelbrot with exponent 1: the n-th is drawn as often as 1/(n + q) says, q being a hundredth
/// of their number. One draw in seven falls on the first hundredth, and no single one becomes a crowd, as the
/// first would by Zipf's own law (q = 0).
#[derive(Debug, Clone)]
pub(super) struct Zipf {
    /// Sums of the weights up to each.
    sums: Vec<u64>,
}

impl Zipf {
    pub(super) fn new(count: u32) -> Self {
        const ONE: u64 = 1 << 32;
        let flat = u64::from(count) / 100;
        let sums = (1..=u64::from(count.max(1))).scan(0u64, |sum, n| {
            *sum += ONE / (n + flat);
            Some(*sum)
        });
        Zipf { sums: sums.collect() }
    }

    /// A number from 0 on, small ones more often.
    pub(super) fn draw(&self, draw: &mut Draw) -> u32 {
        let total = self.sums.last().copied().unwrap_or(1);
        let at = draw.below(total);
        self.sums.partition_point(|sum| *sum <= at) as u32
    }
}
