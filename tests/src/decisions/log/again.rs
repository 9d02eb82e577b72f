//! What is found again in the step of its retraction never was gone.

use super::super::When;
use super::kept::{Retracted, State};
use super::{Log, Wrong};
use cxwatch_engine::Detection;
use cxwatch_rulebook::Class;

impl Log {
    /// The episode that a detection finds again is what it was: that of the problem found, or, where this is not remembered
    /// by itself, the one of the rule and key that was retracted last.
    pub(super) fn find_again(&mut self, detection: &Detection) {
        if self.is_wrong(Wrong::AgainIsNew) {
            return;
        }
        let rule = self.rule_of(detection).clone();
        let known = self.episode_about(&detection.customer, &rule, &detection.about);
        let is_its = |r: &Retracted| {
            let before = &r.before;
            before.customer == detection.customer && before.rule == rule && before.key == detection.key
        };
        let found = match known {
            Some(episode) => self.retracted.iter().rposition(|r| r.episode == episode && is_its(r)),
            None => self.retracted.iter().rposition(is_its),
        };
        let Some(found) = found else { return };
        if known.is_none() {
            self.happened.push("found again about something else");
        }
        let Retracted { episode, mut before, cooldowns } = self.retracted.remove(found);
        before.now = detection.about.clone();
        before.stands.clear();
        self.episodes[episode] = before;
        for at in cooldowns {
            self.cooldowns[at].taken_back = false;
        }
    }

    /// The actions of the episode that a detection proposes again are what they were. Returns which.
    pub(super) fn restore(&mut self, when: When, detection: &Detection, episode: usize) -> Vec<usize> {
        if self.is_wrong(Wrong::AgainIsNew) {
            return Vec::new();
        }
        let proposed: Vec<usize> =
            self.book.rule(detection.rule).actions.iter().map(|a| usize::from(*a)).collect();
        let mut restored = Vec::new();
        for at in self.records_of(episode) {
            let record = &self.records[at];
            let Some((before, line)) = record.before.clone() else { continue };
            if !proposed.contains(&before.action)
                || !self.holds(when, detection, &self.action(before.action).when)
            {
                continue;
            }
            let reached = record.reached;
            self.take_back_lines(line, at);
            restored.push(before.action);
            self.records[at] = *before;
            self.records[at].reached |= reached;
            self.happened.push("found again in one step");
        }
        restored
    }

    /// What has been said of an action from this line on was not so.
    fn take_back_lines(&mut self, from: usize, at: usize) {
        let id = self.records[at].id;
        for line in &mut self.lines[from..] {
            if line.as_ref().is_some_and(|l| l.id == id && l.is_of_action()) {
                *line = None;
            }
        }
    }

    /// A retraction ends an action's need; found again, it is as it is now.
    pub(super) fn remember_before(&mut self, at: usize, line: usize) {
        let mut before = self.records[at].clone();
        before.before = None;
        self.records[at].before = Some((Box::new(before), line));
    }

    /// Whether an action of an offer's class is proposed.
    pub(super) fn is_offer(&self, action: usize) -> bool {
        self.action(action).class == Class::Offer
    }

    /// What an outcome has changed stays so.
    pub(super) fn stays(&mut self, at: usize, from: State) {
        if self.records[at].state != from {
            self.records[at].before = None;
        }
    }
}
