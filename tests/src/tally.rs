//! Counts how often each construct of the rulebook came to something.

use crate::world::book::{is_known, is_known_measure, tests};
use cxwatch_engine::Detection;
use cxwatch_rulebook::{Guard, Kind, Level, Roles, Rule, RuleIx, Rulebook};
use std::collections::BTreeMap;

/// By construct: how often.
#[derive(Debug, Default, Clone)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Tally {
    /// Counts all constructs of a rule.
    pub fn count(&mut self, book: &Rulebook, rule: RuleIx, level: Level) {
        for construct in constructs(book, rule, level) {
            self.add(construct, 1);
        }
    }

    /// Counts one thing so many times.
    pub fn add(&mut self, what: &str, times: u64) {
        *self.0.entry(what.into()).or_default() += times;
    }

    /// What came up less often than `least`.
    pub fn rarer_than(&self, least: u64, of: &[&str]) -> Vec<String> {
        let count = |what: &str| self.0.get(what).copied().unwrap_or(0);
        of.iter().filter(|what| count(what) < least).map(|what| format!("{what}: {}", count(what))).collect()
    }
}

/// Whether a detection waited for a feed: it was published after its time.
pub fn was_held(detection: &Detection) -> bool {
    detection.clock.instant > detection.time
}

/// The constructs whose firing a detection shows.
pub fn constructs(book: &Rulebook, ix: RuleIx, level: Level) -> Vec<&'static str> {
    let rule = book.rule(ix);
    let mut all = Vec::new();
    let has = |role: u32| {
        let uses = book.by_type.iter().flatten().chain(book.by_detection.iter().flatten().flatten());
        uses.filter(|u| u.rule == ix).any(|u| u.roles.iter().any(|(bit, _)| bit & role != 0))
    };
    all.extend(kind_constructs(rule, level));
    let roles = [
        (Roles::REFRESH, "refresh"),
        (Roles::STOP, "stop"),
        (Roles::PAUSE, "pause"),
        (Roles::MINUS, "minus"),
        (Roles::RESET, "reset"),
        (Roles::UNLESS, "unless"),
    ];
    all.extend(roles.iter().filter(|(role, _)| has(*role)).map(|(_, name)| *name));
    all.extend(rule.guards.iter().map(|guard| match guard {
        Guard::UnlessSeen { .. } => "unless_seen",
        Guard::While => "while",
    }));
    let rest = [
        (rule.per, "per"),
        (rule.calendar.is_some(), "calendar"),
        (rule.rank > 0, "rule on rules"),
        (rule.rank > 1, "rule on rules on rules"),
        (rule.rank > 0 && rule.kind == Kind::Match, "match on rules"),
        (rule.rank > 0 && matches!(rule.kind, Kind::Absence { .. }), "absence on rules"),
        (rule.when != cxwatch_rulebook::Cond::True, "when"),
        (!rule.severity.cases.is_empty(), "severity"),
        (!rule.measures.is_empty(), "measure"),
    ];
    all.extend(rest.iter().filter(|(is, _)| *is).map(|(_, name)| *name));
    all.extend(profile_constructs(book, ix));
    all
}

/// Where a rule reads the customer's profile.
fn profile_constructs(book: &Rulebook, ix: RuleIx) -> impl Iterator<Item = &'static str> {
    let rule = book.rule(ix);
    let uses = book.by_type.iter().flatten().chain(book.by_detection.iter().flatten().flatten());
    let uses: Vec<_> = uses.filter(|u| u.rule == ix).collect();
    let any =
        |conds: &[(u32, cxwatch_rulebook::Cond<_>)]| conds.iter().any(|(_, cond)| tests(cond, &is_known));
    let reads = [
        (uses.iter().any(|u| any(&u.roles)), "customer in where"),
        (tests(&rule.when, &is_known_measure), "customer in when"),
        (uses.iter().any(|u| is_known(&u.within.by)), "customer in within"),
        (uses.iter().any(|u| is_known(&u.severity.by)), "customer in severity table"),
        (
            rule.severity.cases.iter().any(|(cond, _)| tests(cond, &is_known_measure)),
            "customer in severity case",
        ),
    ];
    reads.into_iter().filter(|(is, _)| *is).map(|(_, name)| name)
}

fn kind_constructs(rule: &Rule, level: Level) -> Vec<&'static str> {
    match &rule.kind {
        Kind::Match => vec!["match"],
        Kind::Count { of_last, distinct, keep, .. } => {
            let window = if of_last.is_some() { "count of_last" } else { "count within" };
            let then = if *keep { "count keep" } else { "count clear" };
            [Some(window), Some(then), distinct.then_some("count distinct")].into_iter().flatten().collect()
        }
        Kind::Absence { .. } if level == Level::Warning => vec!["warning"],
        Kind::Absence { data_deadline, once, .. } => {
            let deadline = if *data_deadline { "absence by data" } else { "absence within" };
            [Some(deadline), once.then_some("once")].into_iter().flatten().collect()
        }
        Kind::Sequence { keep, .. } => vec![if *keep { "sequence keep" } else { "sequence clear" }],
        Kind::Debt { .. } => vec!["debt"],
    }
}
