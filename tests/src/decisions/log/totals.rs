//! What adds up.

use super::super::{Arm, Cause, RuleTotals, Said, Totals};
use super::Log;

impl Log {
    /// What adds up.
    pub fn totals(&self) -> Totals {
        let rules = self.book.rules.iter().map(|rule| (rule.id.clone(), self.totals_of(&rule.id)));
        let rules = rules.filter(|(_, totals)| totals.candidates > 0).collect();
        Totals { unknown_actions: self.unknown_actions, rules }
    }

    fn totals_of(&self, rule: &str) -> RuleTotals {
        let lines = || self.lines().filter(|l| l.rule == rule);
        let took = [Said::Requested, Said::Updated(Cause::Breached), Said::Updated(Cause::Changed)];
        let arm = |arm| {
            let episodes = self.episodes.iter().filter(|e| e.rule == rule);
            let counted: Vec<_> = episodes.filter_map(|e| e.counted.get(&arm)).collect();
            [counted.len() as u64, counted.iter().filter(|c| c.saved).count() as u64]
        };
        let pending = self.pending.iter().filter(|p| self.book.rule(p.detection.rule).id == rule);
        RuleTotals {
            candidates: self.candidates.iter().filter(|of| **of == rule).count() as u64,
            actions: lines().filter(|l| took.contains(&l.said)).count() as u64,
            suppressions: lines().filter(|l| matches!(l.said, Said::Suppressed(_))).count() as u64,
            pending: pending.count() as u64,
            treated: arm(Arm::Treated),
            held_out: arm(Arm::HeldOut),
        }
    }
}
