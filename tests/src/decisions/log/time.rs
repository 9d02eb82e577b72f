//! What time brings: ends of lives, reminders, decisions that were deferred, oblivion.

use super::super::{Cause, Said, When, end_of_life};
use super::kept::{Episode, Pending, Proposal, Record, State};
use super::proposals::{Candidate, Case};
use super::{Log, Wrong};
use cxwatch_event::Millis;
use cxwatch_event::messages::SuppressionReason as Reason;
use std::collections::BTreeSet;

impl Log {
    /// When something is due for a customer.
    pub fn next(&self, customer: &str) -> Option<Millis> {
        let horizon = self.terms.late_horizon_ms;
        let records = self.records.iter().filter(|r| r.customer == customer && !r.forgotten);
        let records = records.flat_map(|r| match r.is_live() {
            true => [Some(r.expires), self.reminder(r)],
            false => [Some(r.latest + horizon), None],
        });
        let pending = self.pending.iter().filter(|p| p.detection.customer == customer);
        let pending = pending.flat_map(|p| [Some(p.until), Some(self.end_of(p))]);
        let episodes = self.episodes.iter().filter(|e| e.customer == customer && !e.forgotten);
        let episodes = episodes.map(|e| e.latest.map(|latest| latest + horizon));
        let cooldowns = self.cooldowns.iter().filter(|c| c.customer == customer && !c.forgotten);
        let cooldowns = cooldowns.filter(|c| !c.taken_back).map(|c| Some(c.until + horizon));
        records.chain(pending).chain(episodes).chain(cooldowns).flatten().min()
    }

    fn end_of(&self, pending: &Pending) -> Millis {
        end_of_life(&pending.detection, self.action(pending.action).ttl_ms)
    }

    /// When it is to be said that nobody has accepted an action.
    fn reminder(&self, record: &Record) -> Option<Millis> {
        let waits =
            record.state == State::Requested && !record.reminded && !self.is_wrong(Wrong::NeverReminded);
        let within = self.action(record.action).accept_within_ms.filter(|_| waits)?;
        Some(record.requested_at + within)
    }

    pub(super) fn wake(&mut self, when: When) {
        self.end_lives(when);
        self.remind(when);
        self.obstacles_ended(when);
        self.forget(when);
    }

    fn mine(&self, when: When) -> Vec<usize> {
        (0..self.records.len()).filter(|at| self.records[*at].customer == *when.customer).collect()
    }

    fn end_lives(&mut self, when: When) {
        for at in self.mine(when) {
            let record = &mut self.records[at];
            if record.before.as_ref().is_some_and(|(before, _)| before.expires <= when.instant) {
                record.before = None;
            }
            if record.expires > when.instant || !record.is_live() {
                continue;
            }
            if record.state == State::Contacted {
                record.state = State::Done(None);
                self.happened.push("contacted to the end of its life");
            } else {
                let accepted = record.state == State::Accepted;
                record.state = State::Over;
                self.happened.extend(accepted.then_some("accepted: expired"));
                self.say(when, at, Said::Expired, None);
            }
        }
        let over =
            |log: &Log, p: &Pending| p.detection.customer == *when.customer && log.end_of(p) <= when.instant;
        let over: BTreeSet<(u64, usize)> =
            self.pending.iter().filter(|p| over(self, p)).map(|p| (p.proposal.number, p.place)).collect();
        self.end_pending(when, Reason::Expired, |p| over.contains(&(p.proposal.number, p.place)));
    }

    fn remind(&mut self, when: When) {
        for at in self.mine(when) {
            if self.reminder(&self.records[at]).is_some_and(|due| due <= when.instant) {
                self.records[at].reminded = true;
                self.say(when, at, Said::Updated(Cause::NotAccepted), None);
            }
        }
    }

    /// Decides again what was deferred until now, one detection after the other.
    fn obstacles_ended(&mut self, when: When) {
        let is_due = |p: &Pending| p.until <= when.instant && p.detection.customer == *when.customer;
        let due: BTreeSet<Proposal> = self.pending.iter().filter(|p| is_due(p)).map(|p| p.proposal).collect();
        for proposal in due {
            let (again, kept): (Vec<Pending>, Vec<Pending>) = std::mem::take(&mut self.pending)
                .into_iter()
                .partition(|p| p.proposal == proposal && is_due(p));
            self.pending = kept;
            let Some(first) = again.first() else { continue };
            if self.is_wrong(Wrong::DeferredForgotten) {
                continue;
            }
            self.happened.push("decided again");
            let detection = &first.detection.clone();
            let case = Case { when, detection, proposal };
            let again: Vec<Candidate> = again.into_iter().map(|p| (p.action, p.place)).collect();
            let (offers, others): (Vec<Candidate>, Vec<Candidate>) =
                again.into_iter().partition(|(action, _)| self.is_offer(*action));
            for candidate in others {
                self.alone(case, candidate, false);
            }
            self.together(case, &offers, false);
        }
    }

    /// Forgets what has had its time.
    fn forget(&mut self, when: When) {
        let past = |latest: Millis| latest + self.terms.late_horizon_ms <= when.instant;
        for record in self.records.iter_mut().filter(|r| r.customer == *when.customer && !r.is_live()) {
            record.forgotten |= past(record.latest);
        }
        let is_over = |e: &Episode| e.latest.is_some_and(past);
        for episode in self.episodes.iter_mut().filter(|e| e.customer == *when.customer) {
            episode.forgotten |= is_over(episode);
        }
        for cooldown in self.cooldowns.iter_mut().filter(|c| c.customer == *when.customer) {
            cooldown.forgotten |= past(cooldown.until);
        }
    }
}
