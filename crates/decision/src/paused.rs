//! What an operator has stopped.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// All requests, or those of some rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Paused {
    /// All.
    pub all: bool,
    /// These rules'.
    pub rules: BTreeSet<CompactString>,
}

impl Paused {
    /// Stops a rule's requests or all, or lets them go on. To let all go on leaves single rules stopped.
    pub(crate) fn set(&mut self, rule: Option<&str>, paused: bool) {
        match rule {
            None => self.all = paused,
            Some(rule) if paused => drop(self.rules.insert(rule.into())),
            Some(rule) => drop(self.rules.remove(rule)),
        }
    }

    /// Whether a rule's requests are stopped.
    pub fn stops(&self, rule: &str) -> bool {
        self.all || self.rules.contains(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_or_all() {
        let mut paused = Paused::default();
        paused.set(Some("a"), true);
        assert!(paused.stops("a") && !paused.stops("b"));
        paused.set(None, true);
        assert!(paused.stops("b"));
        paused.set(None, false);
        assert!(paused.stops("a") && !paused.stops("b"));
        paused.set(Some("a"), false);
        assert_eq!(paused, Paused::default());
    }
}
