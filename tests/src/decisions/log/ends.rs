//! What ends: by retraction, resolution, or with its rule.

use super::super::{Cause, Said, When};
use super::kept::{Pending, Proposal, Retracted, State};
use super::proposals::Case;
use super::{Log, Wrong};
use cxwatch_engine::{Ended, EventRef};
use cxwatch_event::messages::SuppressionReason as Reason;
use std::sync::Arc;

impl Log {
    /// The episode of an end, if it is remembered.
    fn ended_episode(&self, ended: &Ended) -> Option<usize> {
        let rule = &self.book.rule(ended.rule).id;
        let episode = self.episode_about(&ended.customer, rule, &ended.about)?;
        (self.episodes[episode].key == ended.key).then_some(episode)
    }

    pub(super) fn retracted(&mut self, when: When, ended: &Ended) {
        let Some(number) = self.ended_episode(ended) else { return };
        let before = self.episodes[number].clone();
        if !self.episodes[number].stands.remove(&ended.level) {
            return;
        }
        self.end_pending(when, Reason::Retracted, |p| {
            p.proposal.episode == number && p.detection.level == ended.level
        });
        if !self.episodes[number].stands.is_empty() {
            self.happened.push("retracted while the other level stands");
            return;
        }
        self.episodes[number].counted.clear();
        let cooldowns = self.take_back_cooldowns(number);
        for at in self.records_of(number) {
            if self.records[at].is_live() {
                self.remember_before(at, self.lines.len());
                self.is_over_by(when, at, Cause::Retracted, ended.by.as_ref());
            }
        }
        self.retracted.push(Retracted { episode: number, before, cooldowns });
    }

    /// Takes back the cool-downs that an episode began. Returns which.
    fn take_back_cooldowns(&mut self, episode: usize) -> Vec<usize> {
        if self.is_wrong(Wrong::CooldownOutlivesRetraction) {
            return Vec::new();
        }
        let episode = &self.episodes[episode];
        let first = super::super::About::of(&episode.first);
        let mut taken = Vec::new();
        for (at, cooldown) in self.cooldowns.iter_mut().enumerate() {
            let is_its = cooldown.customer == episode.customer
                && cooldown.rule == episode.rule
                && cooldown.about == first;
            if is_its && !cooldown.taken_back && !cooldown.forgotten {
                cooldown.taken_back = true;
                taken.push(at);
            }
        }
        taken
    }

    pub(super) fn resolved(&mut self, when: When, ended: &Ended) {
        let Some(number) = self.ended_episode(ended) else { return };
        // It is said once, not for the warning and again for the breach.
        if std::mem::replace(&mut self.episodes[number].resolved, true) {
            return;
        }
        self.end_pending(when, Reason::Resolved, |p| p.proposal.episode == number);
        for at in self.records_of(number) {
            self.is_over_by(when, at, Cause::Resolved, ended.by.as_ref());
        }
    }

    /// An action's need is over: what is said of it, if anything.
    pub(super) fn is_over_by(&mut self, when: When, at: usize, cause: Cause, by: Option<&EventRef>) {
        let contacted = self.records[at].state == State::Contacted;
        if !self.records[at].is_live() || contacted && cause == Cause::RuleRemoved {
            return;
        }
        if contacted && !self.is_wrong(Wrong::RevokedAfterContact) {
            self.say(when, at, Said::Updated(cause), by);
        } else {
            let accepted = self.records[at].state == State::Accepted;
            self.records[at].state = State::Over;
            self.happened.extend(accepted.then_some("accepted: revoked"));
            self.say(when, at, Said::Revoked(cause), by);
        }
    }

    pub(super) fn rule_removed(&mut self, when: When, rule: &str) {
        let book = Arc::clone(&self.book);
        self.end_pending(when, Reason::NotEligible, |p| {
            p.detection.customer == *when.customer && book.rule(p.detection.rule).id == rule
        });
        for at in 0..self.records.len() {
            let record = &self.records[at];
            if record.customer == *when.customer && record.rule == rule && !record.forgotten {
                self.is_over_by(when, at, Cause::RuleRemoved, None);
            }
        }
        for cooldown in &mut self.cooldowns {
            cooldown.forgotten |= cooldown.customer == *when.customer && cooldown.rule == rule;
        }
    }

    /// Ends pending candidates.
    pub(super) fn end_pending(&mut self, when: When, reason: Reason, which: impl Fn(&Pending) -> bool) {
        let (ended, kept): (Vec<Pending>, Vec<Pending>) =
            std::mem::take(&mut self.pending).into_iter().partition(which);
        self.pending = kept;
        for pending in ended {
            let proposal: Proposal = pending.proposal;
            let case = Case { when, detection: &pending.detection, proposal };
            self.suppress(case, pending.action, (reason, None, None), None);
        }
    }
}
