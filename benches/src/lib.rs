//! What the benchmarks share: a deterministic stream of events, the headline rules, and honest clocks.

pub mod clock;
pub mod pipeline;
pub mod stream;

/// The three headline rules: cart abandonment, failed self-service, a wait beyond its service level.
pub const HEADLINE: &str = include_str!("../headline.yaml");
