//! The books: every candidate ends as an action or a suppression, or is pending.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of one rule's candidates and episodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleTally {
    /// What detections proposed.
    pub candidates: u64,
    /// Candidates that ended as an action: a request, or an update of one that was there.
    pub actions: u64,
    /// Candidates that led to no action.
    pub suppressions: u64,
    /// Candidates that wait.
    pub pending: u64,
    /// Episodes that were acted on.
    pub treated: ArmTally,
    /// Episodes that were held out.
    pub held_out: ArmTally,
}

/// One side of the experiment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArmTally {
    /// Episodes.
    pub episodes: u64,
    /// Of these: the customer was saved.
    pub saved: u64,
}

impl ArmTally {
    pub(crate) fn add(&mut self, saved: bool) {
        self.episodes += 1;
        self.saved += u64::from(saved);
    }

    pub(crate) fn take_back(&mut self, saved: bool) {
        self.episodes = self.episodes.saturating_sub(1);
        self.saved = self.saved.saturating_sub(u64::from(saved));
    }
}

/// By rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    by_rule: BTreeMap<CompactString, RuleTally>,
}

impl Tally {
    /// All rules that ever proposed anything, in the order of their ids.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &RuleTally)> {
        self.by_rule.iter().map(|(rule, tally)| (rule.as_str(), tally))
    }

    /// Whether `candidates = actions + suppressions + pending` holds for every rule.
    pub fn balances(&self) -> bool {
        self.by_rule.values().all(|t| t.candidates == t.actions + t.suppressions + t.pending)
    }

    pub(crate) fn of(&mut self, rule: &str) -> &mut RuleTally {
        if !self.by_rule.contains_key(rule) {
            self.by_rule.insert(rule.into(), RuleTally::default());
        }
        self.by_rule.get_mut(rule).expect("it is there now")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_balance_or_they_do_not() {
        let mut tally = Tally::default();
        *tally.of("a") =
            RuleTally { candidates: 3, actions: 1, suppressions: 1, pending: 1, ..RuleTally::default() };
        assert!(tally.balances());
        tally.of("a").pending = 0;
        assert!(!tally.balances());
    }

    #[test]
    fn an_episode_taken_back_takes_its_success_along() {
        let mut arm = ArmTally::default();
        arm.add(true);
        arm.add(false);
        arm.take_back(true);
        assert_eq!(arm, ArmTally { episodes: 1, saved: 0 });
    }
}
