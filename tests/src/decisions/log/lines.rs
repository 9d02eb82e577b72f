//! What is said.

use super::super::{About, Alternative, Line, Said, Score, When, Why};
use super::Log;
use super::proposals::Case;
use super::stages::Against;
use cxwatch_decision::ActionId;
use cxwatch_engine::EventRef;
use cxwatch_event::{MICRO, Millis};

const HOUR_MS: Millis = 3_600_000;

impl Log {
    /// The id that an action has or would have.
    pub(super) fn id_of(&self, case: Case, action: usize) -> ActionId {
        let detection = case.detection;
        let first = &self.episodes[case.proposal.episode].first;
        let rule = self.rule_of(detection);
        ActionId::new(&self.book.name, rule, &detection.customer, first, self.action(action))
    }

    /// An action's next revision.
    pub(super) fn say(&mut self, when: When, at: usize, said: Said, event: Option<&EventRef>) {
        self.records[at].revision += 1;
        let line = self.line_of(when, at, said);
        self.lines.push(Some(Line { event: event.map(About::of), ..line }));
    }

    /// Something that a detection says of an action, in its present revision.
    pub(super) fn say_why(&mut self, case: Case, at: usize, said: Said, alternatives: Vec<Alternative>) {
        let action = self.records[at].action;
        let line = self.line_of(case.when, at, said);
        let why = Why {
            detection: case.detection.clone(),
            alternatives,
            at_risk: self.at_risk(case, action),
            chance: if self.is_offer(action) { MICRO - self.share(case.detection) } else { MICRO },
            timeline: self.timeline(case.when),
        };
        let score = self.score_of_offer(case, action);
        self.lines.push(Some(Line { score, why: Some(Box::new(why)), ..line }));
    }

    fn line_of(&self, when: When, at: usize, said: Said) -> Line {
        let record = &self.records[at];
        let urgent = if record.reminded { 100 } else { 0 };
        Line {
            instant: when.instant,
            customer: record.customer.clone(),
            rule: record.rule.clone(),
            key: record.key.clone(),
            level: record.level,
            about: About::of(&record.about),
            id: record.id,
            action: self.action(record.action).id.clone(),
            number: record.revision,
            said,
            until: Some(record.expires),
            by: None,
            event: None,
            score: None,
            arm: None,
            route_priority: Some((u16::from(record.severity) * 10 + urgent).min(1_000)),
            why: None,
        }
    }

    /// A candidate leads to nothing.
    pub(super) fn suppress(
        &mut self,
        case: Case,
        action: usize,
        (reason, until, by): Against,
        score: Option<Score>,
    ) {
        let detection = case.detection;
        let why = Why {
            detection: detection.clone(),
            alternatives: Vec::new(),
            at_risk: None,
            chance: MICRO,
            timeline: Vec::new(),
        };
        self.lines.push(Some(Line {
            instant: case.when.instant,
            customer: detection.customer.clone(),
            rule: self.rule_of(detection).clone(),
            key: detection.key.clone(),
            level: detection.level,
            about: About::of(&detection.about),
            id: self.id_of(case, action),
            action: self.action(action).id.clone(),
            number: case.proposal.times,
            said: Said::Suppressed(reason),
            until,
            by,
            event: None,
            score,
            arm: None,
            route_priority: None,
            why: Some(Box::new(why)),
        }));
    }

    /// The newest events of the last hour, oldest first.
    fn timeline(&self, when: When) -> Vec<(Millis, compact_str::CompactString)> {
        let mine = self.past.iter().filter(|p| p.customer == *when.customer);
        let mut recent: Vec<_> = mine.filter(|p| p.time > when.instant - HOUR_MS).collect();
        recent.sort_by_key(|p| p.time);
        let from = recent.len().saturating_sub(usize::from(self.book.policy.timeline));
        recent[from..].iter().map(|p| (p.time, p.kind.clone())).collect()
    }
}
