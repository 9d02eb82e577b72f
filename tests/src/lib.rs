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
