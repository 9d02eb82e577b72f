//! What the benchmarks share: a deterministic stream of events, the headline rules, the job in its parts, and honest
//! clocks.

#![forbid(unsafe_code)]

pub mod broker;
pub mod clock;
pub mod kafka;
pub mod pipeline;
pub mod stream;

use cxwatch_rulebook::Rulebook;
use std::sync::Arc;

/// The three headline rules: cart abandonment, failed self-service, a wait beyond its service level.
pub const HEADLINE: &str = include_str!("../headline.yaml");

/// The rulebook that comes with cxwatch.
pub const STARTER: &str = include_str!("../../rulebooks/starter.yaml");

/// A compiled rulebook.
pub fn rulebook(source: &str) -> anyhow::Result<Arc<Rulebook>> {
    let compiled = cxwatch_rulebook::compile(source, "rulebook");
    let (book, _) = compiled.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    Ok(Arc::new(book))
}

/// The headline rules, and one whose deadlines lie 30 days ahead and whose types the stream does not have.
pub fn with_waiting_rule() -> String {
    let rule = "  - { id: waiting, kind: absence, start: { event: account.opened }, stop: { event: account.onboarded }, within: 30d }\n";
    HEADLINE.replacen("rules:\n", &format!("rules:\n{rule}"), 1)
}

/// The headline rules, and so many more that name no type of the stream.
pub fn with_idle_rules(idle: usize) -> String {
    let rules: String = (0..idle)
        .map(|n| {
            format!(
                "  - {{ id: idle-{n}, kind: absence, start: {{ event: subscription.cancelled }}, stop: {{ event: account.opened }}, within: 1h }}\n"
            )
        })
        .collect();
    HEADLINE.replacen("rules:\n", &format!("rules:\n{rules}"), 1)
}
