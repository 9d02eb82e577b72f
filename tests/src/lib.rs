//! What the tests of the whole rest on: an oracle for the engine, random worlds, and ways to drive them.

#![forbid(unsafe_code)]

pub mod agree;
pub mod decisions;
pub mod drive;
pub mod naive;
pub mod shrink;
pub mod simulation;
pub mod tally;
pub mod world;

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

/// The seeds that a property test runs: `count` from 1 on, or as many as `CXWATCH_WORLDS` says, or the one that
/// `CXWATCH_SEED` names.
///
/// # Panics
/// Where one of the two is not a number.
pub fn seeds(count: u64) -> std::ops::RangeInclusive<u64> {
    let number =
        |name| std::env::var(name).ok().map(|text| text.parse().expect("a number in the environment"));
    match number("CXWATCH_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("CXWATCH_WORLDS").unwrap_or(count),
    }
}

/// What `work` makes of each of the [`seeds`], shared among as many threads as there are cores; in no certain order.
///
/// # Panics
/// As `work` does.
pub fn of_each_seed<T: Send>(count: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let all = seeds(count);
    let (next, last) = (AtomicU64::new(*all.start()), *all.end());
    let share = || -> Vec<T> {
        let drawn = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        drawn.take_while(|seed| *seed <= last).map(&work).collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        let made = shares.into_iter().map(|share| share.join().unwrap_or_else(|panic| resume_unwind(panic)));
        made.flatten().collect()
    })
}
