//! What the rules are expected to say, and what they said.

use super::words::spell;
use crate::replay::Said;
use cxwatch_decision::{Decision, Published};
use cxwatch_engine::{Detection, Effect, Ended};
use cxwatch_event::Millis;
use cxwatch_event::number::format_micro;
use cxwatch_rulebook::{Level, Rulebook};

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Detected,
    Retracted,
    Resolved,
    Requested,
    Updated,
    Revoked,
    Expired,
    Suppressed,
}

impl What {
    const NAMES: [(What, &'static str); 8] = [
        (What::Detected, "detect"),
        (What::Retracted, "retract"),
        (What::Resolved, "resolve"),
        (What::Requested, "action"),
        (What::Updated, "update"),
        (What::Revoked, "revoke"),
        (What::Expired, "expire"),
        (What::Suppressed, "suppress"),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(what, _)| *what)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(what, _)| *what == self).map_or("", |(_, name)| name)
    }

    /// Detections and retractions must be expected, all of them; of the other kinds a case may say nothing.
    pub(super) fn may_be_left_out(self) -> bool {
        !matches!(self, What::Detected | What::Retracted)
    }

    /// Whether its name is that of an action instead of a rule.
    pub(super) fn is_of_action(self) -> bool {
        self.may_be_left_out() && self != What::Resolved
    }

    /// Of one group either all or none are expected.
    pub(super) fn same_group(self, other: What) -> bool {
        self == other || self.is_of_action() && other.is_of_action()
    }
}

/// One line: what was said of whom, and facts about it. In an expectation only the facts that it names matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it stands; 0: it was not expected but said.
    pub(super) line: usize,
    pub(super) what: What,
    /// Of a detection, its retraction and its resolution: the time at which it holds. Of an action: that of the decision.
    pub(super) time: Millis,
    pub(super) customer: String,
    /// A rule, or an action.
    pub(super) name: String,
    pub(super) level: Level,
    pub(super) facts: Vec<(String, String)>,
}

impl Line {
    /// Whether this expectation is met by what was said.
    pub(super) fn is_met_by(&self, said: &Line) -> bool {
        self.is_about(said) && self.facts.iter().all(|fact| said.facts.contains(fact))
    }

    fn is_about(&self, said: &Line) -> bool {
        let head = |l: &Line| (l.what, l.time, l.level);
        let same = |a: &Line, b: &Line| a.customer == b.customer && a.name == b.name;
        head(self).0 == head(said).0
            && head(self).1 == head(said).1
            && self.level == said.level
            && same(self, said)
    }

    pub(super) fn spell(&self, start: Millis) -> String {
        let mut text = match self.what {
            What::Detected => String::new(),
            what => format!("{} ", what.name()),
        };
        text.push_str(&format!("{} {} {}", spell(self.time, start), self.customer, self.name));
        if self.level == Level::Warning {
            text.push_str(" warning");
        }
        for (name, value) in &self.facts {
            let quote = if value.is_empty() || value.contains(char::is_whitespace) { "\"" } else { "" };
            text.push_str(&format!(" {name}={quote}{value}{quote}"));
        }
        text
    }

    /// What was said, as a line.
    pub(super) fn said(book: &Rulebook, said: &Said) -> Line {
        match said {
            Said::Effect(Effect::Detected(d)) => detected(book, d),
            Said::Effect(Effect::Retracted(e)) => ended(book, What::Retracted, e),
            Said::Effect(Effect::Resolved(e)) => ended(book, What::Resolved, e),
            Said::Decision(decision) => decided(decision),
        }
    }
}

fn key(key: &str) -> Vec<(String, String)> {
    if key.is_empty() { Vec::new() } else { vec![("key".into(), key.into())] }
}

fn detected(book: &Rulebook, d: &Detection) -> Line {
    let rule = book.rule(d.rule);
    let mut facts = key(&d.key);
    facts.push(("severity".into(), d.severity.to_string()));
    facts.push(("events".into(), d.events.to_string()));
    for (measure, value) in rule.measures.iter().zip(&d.measures) {
        facts.extend(value.map(|value| (measure.name.to_string(), format_micro(value))));
    }
    Line {
        line: 0,
        what: What::Detected,
        time: d.time,
        customer: d.customer.to_string(),
        name: rule.id.to_string(),
        level: d.level,
        facts,
    }
}

fn ended(book: &Rulebook, what: What, e: &Ended) -> Line {
    Line {
        line: 0,
        what,
        time: e.time,
        customer: e.customer.to_string(),
        name: book.rule(e.rule).id.to_string(),
        level: e.level,
        facts: key(&e.key),
    }
}

fn decided(decision: &Decision) -> Line {
    match decision {
        Decision::Action(action) => {
            let what = match action.change {
                Published::Requested => What::Requested,
                Published::Updated => What::Updated,
                Published::Expired => What::Expired,
                Published::Revoked => What::Revoked,
            };
            let mut facts = key(&action.key);
            facts.push(("rule".into(), action.rule.to_string()));
            facts.push(("revision".into(), action.revision.to_string()));
            Line {
                line: 0,
                what,
                time: action.instant,
                customer: action.customer.to_string(),
                name: action.action.to_string(),
                level: Level::Breach,
                facts,
            }
        }
        Decision::Suppressed(suppressed) => {
            let mut facts = key(&suppressed.detection.key);
            facts.push(("reason".into(), suppressed.reason.name().to_string()));
            Line {
                line: 0,
                what: What::Suppressed,
                time: suppressed.instant,
                customer: suppressed.detection.customer.to_string(),
                name: suppressed.action.to_string(),
                level: Level::Breach,
                facts,
            }
        }
    }
}
