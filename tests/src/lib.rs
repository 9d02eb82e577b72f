//! What the tests of the whole rest on: an oracle for the engine, random worlds, and ways to drive them.

pub mod agree;
pub mod drive;
pub mod naive;
pub mod shrink;
pub mod simulation;
pub mod tally;
pub mod world;

/// The seeds that a property test runs: `count` from 1 on, or the one that `CXWATCH_SEED` names.
///
/// # Panics
/// Where `CXWATCH_SEED` is not a number.
pub fn seeds(count: u64) -> std::ops::RangeInclusive<u64> {
    match std::env::var("CXWATCH_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("CXWATCH_SEED is a number");
            seed..=seed
        }
        Err(_) => 1..=count,
    }
}
