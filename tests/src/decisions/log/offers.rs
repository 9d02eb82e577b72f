//! Offers of one detection are decided together: *which one?*, and the holdout. And what wins.

use super::super::{About, Alternative, Arm, Cause, Said, Score, end_of_life};
use super::kept::{Cooldown, Pending, Record, State};
use super::proposals::{Candidate, Case, Verdict};
use super::{Log, Wrong};
use cxwatch_decision::ActionId;
use cxwatch_event::Millis;
use cxwatch_event::messages::SuppressionReason as Reason;
use cxwatch_rulebook::Class;

impl Log {
    /// Decides the offers of one detection.
    pub(super) fn together(&mut self, case: Case, offers: &[Candidate], is_new: bool) {
        let (mut passed, mut deferred, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        for (action, place) in offers {
            match self.ask(case, *action, is_new) {
                Verdict::Ended(reason) => ended.push((*action, reason)),
                Verdict::Updated => {}
                Verdict::Deferred(until) => deferred.push(((*action, *place), until)),
                Verdict::Passed => passed.push(*action),
            }
        }
        match self.winner(case, &passed) {
            Some(winner) => self.decide(case, winner, &passed, &ended, &deferred),
            None => {
                for (candidate, until) in deferred {
                    self.wait(case, candidate, until);
                }
            }
        }
    }

    /// *Which one?* One of the offers for which there is a place, with those that have to make room for it. If there is
    /// none, all of them have lost.
    fn winner(&mut self, case: Case, passed: &[usize]) -> Option<(usize, Vec<usize>)> {
        let priority = |log: &Log, action: usize| log.score(case.when, case.detection, action).priority;
        let highest = passed.iter().map(|a| priority(self, *a)).max()?;
        let mut best = passed.iter().copied().filter(|a| priority(self, *a) == highest);
        let winner = if self.is_wrong(Wrong::LastOfEquals) { best.next_back() } else { best.next() };
        let winner = winner.expect("one has the highest");
        let others: Vec<usize> = (0..self.records.len())
            .filter(|at| {
                let record = &self.records[*at];
                record.customer == *case.when.customer && record.is_offer() && record.is_live()
            })
            .collect();
        if self.is_wrong(Wrong::HoldoutFirst) && self.is_held_out(case.detection) {
            return Some((winner, others));
        }
        let stays = others.iter().find(|at| {
            let other = &self.records[**at];
            let enough = if self.is_wrong(Wrong::AnyBetterReplaces) {
                highest > other.priority
            } else {
                i128::from(highest) * 4 >= i128::from(other.priority) * 5
            };
            other.state != State::Requested || !enough
        });
        let Some(stays) = stays.map(|at| self.records[*at].id) else { return Some((winner, others)) };
        for action in passed {
            let score = self.score(case.when, case.detection, *action);
            self.suppress(case, *action, (Reason::LowerPriority, None, Some(stays)), Some(score));
        }
        None
    }

    /// Takes the winner, or holds it out.
    fn decide(
        &mut self,
        case: Case,
        (winner, others): (usize, Vec<usize>),
        passed: &[usize],
        ended: &[(usize, Reason)],
        deferred: &[(Candidate, Millis)],
    ) {
        let held_out = self.is_held_out(case.detection);
        let id = self.id_of(case, winner);
        let by = if held_out { None } else { Some(id) };
        let mut alternatives: Vec<Alternative> = Vec::new();
        for action in passed.iter().copied().filter(|a| *a != winner) {
            let score = self.score(case.when, case.detection, action);
            let name = self.action(action).id.clone();
            alternatives.push((name, Some(score.priority), Reason::LowerPriority));
            self.suppress(case, action, (Reason::LowerPriority, None, by), Some(score));
        }
        alternatives.sort_by_key(|(_, priority, _)| std::cmp::Reverse(*priority));
        let name = |action: &usize| self.action(*action).id.clone();
        alternatives.extend(ended.iter().map(|(action, reason)| (name(action), None, *reason)));
        alternatives.extend(deferred.iter().map(|((action, _), _)| (name(action), None, Reason::Replaced)));
        if held_out {
            self.hold_out(case, winner);
        } else {
            for at in others {
                self.supersede(case, at, id);
            }
            self.request(case, winner, alternatives);
        }
        for ((action, _), _) in deferred {
            self.happened.push("replaced by another offer");
            self.suppress(case, *action, (Reason::Replaced, None, by), None);
        }
        self.replace_waiting(case, by);
    }

    /// The offers of this detection that still wait.
    fn replace_waiting(&mut self, case: Case, by: Option<ActionId>) {
        let (replaced, kept): (Vec<Pending>, Vec<Pending>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|p| p.proposal == case.proposal && self.action(p.action).class == Class::Offer);
        self.pending = kept;
        for pending in replaced {
            self.happened.push("replaced by another offer");
            self.suppress(case, pending.action, (Reason::Replaced, None, by), None);
        }
    }

    fn supersede(&mut self, case: Case, at: usize, by: ActionId) {
        self.is_over_by(case.when, at, Cause::Superseded, None);
        self.lines.last_mut().and_then(Option::as_mut).expect("it was live").by = Some(by);
    }

    fn hold_out(&mut self, case: Case, action: usize) {
        let score = self.score(case.when, case.detection, action);
        self.keep_life(case, end_of_life(case.detection, self.action(action).ttl_ms));
        self.count(case, Arm::HeldOut);
        self.episodes[case.proposal.episode].held_out = true;
        if let Some(at) = self.record_of(case.proposal.episode, action) {
            self.records[at].before = None;
        }
        self.suppress(case, action, (Reason::Holdout, None, None), Some(score));
        self.lines.last_mut().and_then(Option::as_mut).expect("it has just been said").arm =
            Some(Arm::HeldOut);
    }

    /// A candidate is requested.
    pub(super) fn request(&mut self, case: Case, action: usize, alternatives: Vec<Alternative>) {
        let detection = case.detection;
        let rule = self.rule_of(detection).clone();
        let expires = end_of_life(detection, self.action(action).ttl_ms);
        let before = self.record_of(case.proposal.episode, action);
        let old = before.map(|at| (self.records[at].revision + 1, self.records[at].latest));
        let (revision, latest) = old.unwrap_or((0, Millis::MIN));
        let record = Record {
            id: self.id_of(case, action),
            episode: case.proposal.episode,
            customer: detection.customer.clone(),
            rule: rule.clone(),
            key: detection.key.clone(),
            about: detection.about.clone(),
            class: self.action(action).class,
            action,
            state: State::Requested,
            revision,
            expires,
            latest: latest.max(expires).max(detection.deadline),
            level: detection.level,
            severity: detection.severity,
            priority: self.score(case.when, detection, action).priority,
            requested_at: case.when.instant,
            reminded: false,
            reached: false,
            forgotten: false,
            before: None,
        };
        let at = match before {
            Some(at) => {
                self.happened.push("requested again");
                self.records[at] = record;
                at
            }
            None => {
                self.records.push(record);
                self.records.len() - 1
            }
        };
        self.requests.push((rule, case.when.instant));
        self.keep_life(case, expires);
        if !self.count(case, Arm::Treated) {
            self.cool(case);
        }
        self.say_why(case, at, Said::Requested, alternatives);
    }

    /// What wins begins the cool-down of its rule and key at the detection's time.
    pub(super) fn cool(&mut self, case: Case) {
        let rule = self.book.rule(case.detection.rule);
        let Some(cooldown_ms) = rule.cooldown_ms else { return };
        let episode = &self.episodes[case.proposal.episode];
        self.cooldowns.push(Cooldown {
            customer: episode.customer.clone(),
            rule: rule.id.clone(),
            key: case.detection.key.clone(),
            about: About::of(&episode.first),
            until: case.detection.time + cooldown_ms,
            taken_back: false,
            forgotten: false,
        });
    }

    /// The parts of a candidate's priority.
    pub(super) fn score_of_offer(&self, case: Case, action: usize) -> Option<Score> {
        let offer = self.action(action).class == Class::Offer;
        offer.then(|| self.score(case.when, case.detection, action))
    }
}
