//! A detection proposes: the stage *alive*, and everything that is no offer.

use super::super::{About, Arm, Cause, Said, When, end_of_life};
use super::kept::{Counted, Episode, Pending, Proposal, Proposed, State};
use super::{Log, Wrong};
use cxwatch_engine::Detection;
use cxwatch_event::Millis;
use cxwatch_event::messages::SuppressionReason as Reason;
use cxwatch_rulebook::{Class, Level, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// What the stages say of a candidate.
pub(super) enum Verdict {
    /// It has ended, for this reason.
    Ended(Reason),
    /// Its problem is an action already.
    Updated,
    /// It waits until then.
    Deferred(Millis),
    /// Nothing against it so far.
    Passed,
}

/// What is decided together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub when: When<'a>,
    pub detection: &'a Detection,
    pub proposal: Proposal,
}

/// A candidate: an action's number, and its place among what the detection proposed.
pub(super) type Candidate = (usize, usize);

impl Log {
    /// A detection proposes every action of its rule.
    pub(super) fn detected(&mut self, when: When, detection: &Detection) {
        let rule = self.book.rule(detection.rule).clone();
        if rule.actions.is_empty() {
            return;
        }
        self.find_again(detection);
        let episode = self.stand(detection);
        let restored = self.restore(when, detection, episode);
        if !self.is_wrong(Wrong::WarningStaysPending) {
            self.end_pending(when, Reason::Replaced, |p| p.proposal.episode == episode);
        }
        let times = self.count_proposal(when, detection, episode);
        self.proposals += 1;
        let case = Case { when, detection, proposal: Proposal { number: self.proposals, episode, times } };
        self.candidates.extend(rule.actions.iter().map(|_| rule.id.clone()));
        // What goes on comes first, then what stands alone, then the offers together.
        let place = |action: &usize| {
            let offer = self.action(*action).class == Class::Offer;
            if restored.contains(action) { 0 } else { 1 + u8::from(offer) }
        };
        let mut order: Vec<usize> = rule.actions.iter().map(|a| usize::from(*a)).collect();
        order.sort_by_key(place);
        let candidates: Vec<Candidate> = order.into_iter().enumerate().map(|(at, a)| (a, at)).collect();
        let (offers, others): (Vec<Candidate>, Vec<Candidate>) = candidates
            .into_iter()
            .partition(|(a, _)| self.action(*a).class == Class::Offer && !restored.contains(a));
        for candidate in others {
            self.alone(case, candidate, true);
        }
        self.together(case, &offers, true);
        self.remember_warning(detection, episode);
    }

    /// The number of a detection's episode, which stands now.
    fn stand(&mut self, detection: &Detection) -> usize {
        let rule = self.rule_of(detection).clone();
        let known = self.episode_about(&detection.customer, &rule, &detection.about);
        let number = known.unwrap_or_else(|| {
            self.episodes.push(Episode {
                customer: detection.customer.clone(),
                rule,
                key: detection.key.clone(),
                first: detection.about.clone(),
                now: detection.about.clone(),
                resolved: false,
                stands: BTreeSet::new(),
                counted: BTreeMap::new(),
                held_out: false,
                latest: None,
                forgotten: false,
            });
            self.episodes.len() - 1
        });
        self.episodes[number].stands.insert(detection.level);
        self.episodes[number].resolved = false;
        number
    }

    /// How often this detection has proposed before.
    fn count_proposal(&mut self, when: When, detection: &Detection, episode: usize) -> u32 {
        let Episode { customer, rule, first, .. } = &self.episodes[episode];
        let what = (customer.clone(), rule.clone(), About::of(first), detection.level, detection.time);
        let until = when.instant.max(detection.time) + self.terms.late_horizon_ms;
        let before = self.proposed.iter().rev().find(|p| p.what == what && p.known_until > when.instant);
        let (times, known_until) = match before {
            Some(before) => (before.times + 1, before.known_until.max(until)),
            None => (0, until),
        };
        self.proposed.push(Proposed { what, times, known_until });
        times
    }

    /// A warning is remembered until its deadline; a breach of which nothing came is not.
    fn remember_warning(&mut self, detection: &Detection, episode: usize) {
        if detection.level == Level::Warning {
            self.keep(episode, detection.deadline);
        }
        if self.episodes[episode].latest.is_none() {
            self.episodes[episode].forgotten = true;
        }
    }

    /// An episode is remembered one late horizon longer than this.
    fn keep(&mut self, episode: usize, until: Millis) {
        let latest = &mut self.episodes[episode].latest;
        *latest = Some(latest.map_or(until, |latest| latest.max(until)));
    }

    /// Something came of a detection that lives until then.
    pub(super) fn keep_life(&mut self, case: Case, until: Millis) {
        self.keep(case.proposal.episode, until.max(case.detection.deadline));
    }

    /// Whatever is not an offer is decided on its own.
    pub(super) fn alone(&mut self, case: Case, candidate: Candidate, is_new: bool) {
        match self.ask(case, candidate.0, is_new) {
            Verdict::Ended(_) | Verdict::Updated => {}
            Verdict::Deferred(until) => self.wait(case, candidate, until),
            Verdict::Passed => self.request(case, candidate.0, Vec::new()),
        }
    }

    /// The stages up to *too often?*
    pub(super) fn ask(&mut self, case: Case, action: usize, is_new: bool) -> Verdict {
        if is_new {
            if let Some(reason) = self.not_alive(case, action) {
                self.suppress(case, action, (reason.0, reason.1, None), None);
                return Verdict::Ended(reason.0);
            }
            if let Some(verdict) = self.known(case, action) {
                return verdict;
            }
        }
        self.ask_stages(case, action)
    }

    pub(super) fn wait(&mut self, case: Case, (action, place): Candidate, until: Millis) {
        self.happened.push("deferred");
        let detection = Box::new(case.detection.clone());
        self.pending.push(Pending { detection, action, proposal: case.proposal, place, until });
        self.pending.sort_by_key(|p| (p.proposal.number, p.place));
        self.keep_life(case, end_of_life(case.detection, self.action(action).ttl_ms));
    }

    /// The stage *alive*, but for problems that are known.
    fn not_alive(&self, case: Case, action: usize) -> Option<(Reason, Option<Millis>)> {
        let Case { when, detection, .. } = case;
        let proposed = self.action(action);
        if when.wall.is_some_and(|wall| wall > end_of_life(detection, proposed.ttl_ms)) {
            return Some((Reason::Expired, None));
        }
        if detection.time < self.terms.act_from {
            return Some((Reason::WarmingUp, Some(self.terms.act_from)));
        }
        if detection.resolved {
            return Some((Reason::Resolved, None));
        }
        (!self.holds(when, detection, &proposed.when)).then_some((Reason::NotEligible, None))
    }

    /// Whether a candidate's problem is known; then it is answered.
    fn known(&mut self, case: Case, action: usize) -> Option<Verdict> {
        let episode = case.proposal.episode;
        let record = self.record_of(episode, action);
        let live = record.filter(|at| self.records[*at].is_live());
        let offer = self.action(action).class == Class::Offer;
        let (reason, by) = match (live, record.map(|at| self.records[at].state)) {
            (Some(at), _) if self.records[at].action == action => {
                self.update(case, at);
                return Some(Verdict::Updated);
            }
            (Some(at), _) => (Reason::LowerPriority, Some(at)),
            (None, _) if offer && self.episodes[episode].held_out => {
                self.held_out_again(case, action);
                (Reason::Holdout, None)
            }
            (None, Some(State::Done(Some(Outcome::Declined | Outcome::Rejected)))) => {
                (Reason::Declined, record)
            }
            (None, Some(State::Done(_))) => (Reason::Cooldown, record),
            (None, _) => return None,
        };
        let by = by.map(|at| self.records[at].id);
        self.suppress(case, action, (reason, None, by), None);
        Some(Verdict::Ended(reason))
    }

    fn update(&mut self, case: Case, at: usize) {
        let detection = case.detection;
        let record = &mut self.records[at];
        let breached = record.level == Level::Warning && detection.level == Level::Breach;
        record.level = record.level.min(detection.level);
        record.about = detection.about.clone();
        record.severity = detection.severity;
        let end = end_of_life(detection, self.book.actions[record.action].ttl_ms);
        record.expires = record.expires.max(end);
        record.latest = record.latest.max(end).max(detection.deadline);
        self.keep_life(case, end);
        self.count(case, Arm::Treated);
        let cause = if breached { Cause::Breached } else { Cause::Changed };
        self.records[at].revision += 1;
        self.say_why(case, at, Said::Updated(cause), Vec::new());
    }

    /// What was held out is found again.
    fn held_out_again(&mut self, case: Case, action: usize) {
        self.keep_life(case, end_of_life(case.detection, self.action(action).ttl_ms));
        self.count(case, Arm::HeldOut);
    }

    /// Counts an episode under an arm, once; with it begins a cool-down. Whether it is new.
    pub(super) fn count(&mut self, case: Case, arm: Arm) -> bool {
        let success = self.book.rule(case.detection.rule).treatment.success_within_ms.unwrap_or(0);
        self.keep_life(case, case.detection.time + success);
        let counted = &mut self.episodes[case.proposal.episode].counted;
        if counted.contains_key(&arm) {
            return false;
        }
        counted.insert(arm, Counted { time: case.detection.time, saved: false });
        if arm == Arm::Treated || !self.is_wrong(Wrong::HeldOutNotCooling) {
            self.cool(case);
        }
        true
    }
}
