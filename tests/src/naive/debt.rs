//! Points that decay.

use super::{Claim, Given, Part};
use cxwatch_event::Millis;
use cxwatch_rulebook::{Kind, Roles};

/// One key's debt.
#[derive(Default)]
pub(super) struct Debt {
    /// In millionths, as of `at`.
    sum: f64,
    at: Millis,
    has_fired: bool,
    /// What added to it since it was nothing.
    parts: Vec<Part>,
}

impl Debt {
    pub(super) fn take(
        &mut self,
        given: &Given,
        key: &str,
        may_fire: impl Fn(&Claim) -> bool,
    ) -> Option<Claim> {
        let Kind::Debt { half_life_ms, rearm_below } = given.rule.kind else { unreachable!("a debt") };
        if given.has(Roles::RESET) {
            *self = Debt::default();
        }
        let points = given.hit.points;
        if given.hit.key.is_none() || !given.has(Roles::WEIGHT) || points == 0 {
            return None;
        }
        let passed = given.rule.used(given.book, self.at, given.fact.time);
        let before = self.sum * libm::exp2(-(passed as f64 / half_life_ms as f64));
        let before = if before < 1.0 { 0.0 } else { before };
        if before == 0.0 {
            *self = Debt::default();
        }
        if before < rearm_below as f64 {
            self.has_fired = false;
        }
        self.sum = (before + points as f64).max(0.0);
        self.at = given.fact.time;
        if points < 0 {
            return None;
        }
        self.parts.push(given.part());
        if self.has_fired || self.sum < given.hit.threshold as f64 {
            return None;
        }
        let mut claim = Claim::completed(given, key, &[given.part()]);
        claim.evidence = self.parts.iter().map(|p| p.evidence).collect();
        let claim = Some(claim).filter(may_fire)?;
        self.has_fired = true;
        Some(claim)
    }
}
