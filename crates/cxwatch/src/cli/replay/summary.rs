//! What a replay tells at its end.

use crate::replay::{Job, Report};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use cxwatch_decision::{Decision, Published};
use cxwatch_engine::{Detection, Ended};
use cxwatch_event::number::format_micro;
use cxwatch_event::{Micro, rfc3339};
use cxwatch_rulebook::{FeedIx, Kind, Level, Rulebook};
use hashbrown::{HashMap, HashSet};
use std::cmp::Reverse;
use std::fmt::Write;

/// What was found, by rule.
pub(crate) struct Found {
    rules: Vec<OfRule>,
    hasher: foldhash::fast::FixedState,
}

struct OfRule {
    /// Whether a value is at stake.
    has_value: bool,
    detections: u64,
    warnings: u64,
    retracted: u64,
    resolved: u64,
    actions: u64,
    revoked: u64,
    suppressed: u64,
    customers: HashSet<u64, foldhash::fast::FixedState>,
    /// The value at stake in breaches that stand, and what each of them put in.
    at_risk: Micro,
    values: HashMap<(u64, u64, i64), Micro, foldhash::fast::FixedState>,
}

impl Found {
    pub(crate) fn new(book: &Rulebook) -> Self {
        let hasher = foldhash::fast::FixedState::with_seed(0);
        let rules = book.rules.iter().map(|rule| OfRule {
            has_value: rule
                .actions
                .first()
                .is_some_and(|a| book.actions[usize::from(*a)].measures().next().is_some()),
            detections: 0,
            warnings: 0,
            retracted: 0,
            resolved: 0,
            actions: 0,
            revoked: 0,
            suppressed: 0,
            customers: HashSet::with_hasher(hasher.clone()),
            at_risk: 0,
            values: HashMap::with_hasher(hasher.clone()),
        });
        Found { rules: rules.collect(), hasher }
    }

    fn hash(&self, customer: &str) -> u64 {
        use std::hash::BuildHasher;
        self.hasher.hash_one(customer)
    }

    pub(crate) fn detected(&mut self, d: &Detection, value_at_risk: Option<Micro>) {
        let customer = self.hash(&d.customer);
        let rule = &mut self.rules[usize::from(d.rule.0)];
        rule.customers.insert(customer);
        if d.level == Level::Warning {
            rule.warnings += 1;
            return;
        }
        rule.detections += 1;
        if let Some(value) = value_at_risk {
            rule.at_risk = rule.at_risk.saturating_add(value);
            rule.values.insert((customer, d.id, d.time), value);
        }
    }

    pub(crate) fn retracted(&mut self, ended: &Ended) {
        let customer = self.hash(&ended.customer);
        let rule = &mut self.rules[usize::from(ended.rule.0)];
        rule.retracted += 1;
        if ended.level == Level::Breach
            && let Some(value) = rule.values.remove(&(customer, ended.id, ended.time))
        {
            rule.at_risk -= value;
        }
    }

    pub(crate) fn decided(&mut self, book: &Rulebook, decision: &Decision) {
        match decision {
            Decision::Suppressed(s) => {
                let Some(ix) = book.rule_named(&s.rule) else { return };
                self.rules[usize::from(ix.0)].suppressed += 1;
            }
            Decision::Action(action) => {
                let Some(ix) = book.rule_named(&action.rule) else { return };
                let rule = &mut self.rules[usize::from(ix.0)];
                match action.change {
                    Published::Requested => rule.actions += 1,
                    Published::Revoked => rule.revoked += 1,
                    Published::Updated | Published::Expired => {}
                }
            }
        }
    }

    pub(crate) fn resolved(&mut self, ended: &Ended) {
        self.rules[usize::from(ended.rule.0)].resolved += 1;
    }
}

/// The summary: what was read, what was refused, what was found, worst first.
pub(crate) fn render(job: &Job<'_>, report: &Report, found: &Found) -> String {
    let mut text = String::new();
    input(&mut text, job, report);
    if job.book.rules.is_empty() {
        return text;
    }
    let mut order: Vec<usize> = (0..found.rules.len()).collect();
    order.sort_by_key(|i| {
        let rule = &found.rules[*i];
        (Reverse(rule.at_risk), Reverse(rule.detections), Reverse(rule.warnings), &job.book.rules[*i].id)
    });
    let mut table = table(&[
        "rule",
        "detections",
        "warnings",
        "retracted",
        "resolved",
        "customers",
        "actions",
        "revoked",
        "suppressed",
        "value at risk",
    ]);
    for i in order {
        let rule = &found.rules[i];
        let at_risk = if rule.has_value { format_micro(rule.at_risk) } else { "-".into() };
        row(
            &mut table,
            &job.book.rules[i].id,
            &[
                rule.detections.to_string(),
                rule.warnings.to_string(),
                rule.retracted.to_string(),
                rule.resolved.to_string(),
                rule.customers.len().to_string(),
                rule.actions.to_string(),
                rule.revoked.to_string(),
                rule.suppressed.to_string(),
                at_risk,
            ],
        );
    }
    writeln!(text, "{table}").expect("a String takes everything");
    silent(&mut text, job, report, found);
    text
}

/// Whoever leaves out a feed's files gets absences that never were.
fn silent(text: &mut String, job: &Job<'_>, report: &Report, found: &Found) {
    let empty = |feed: &FeedIx| report.events[usize::from(feed.0)] == 0;
    for (rule, found) in job.book.rules.iter().zip(&found.rules) {
        let concludes = matches!(rule.kind, Kind::Absence { .. }) || rule.concludes_from_absence;
        if !concludes || found.detections + found.warnings == 0 {
            continue;
        }
        let feeds: Vec<&str> = rule
            .needs
            .iter()
            .filter(empty)
            .map(|feed| job.book.feeds[usize::from(feed.0)].as_str())
            .collect();
        if !feeds.is_empty() {
            writeln!(
                text,
                "warning: {} concludes from silence, also in feeds of which the input holds nothing: {}",
                rule.id,
                feeds.join(", ")
            )
            .expect("a String takes everything");
        }
    }
}

fn input(text: &mut String, job: &Job<'_>, report: &Report) {
    let mut say = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    match report.span {
        Some((oldest, newest)) => say(format!(
            "events from {} to {}, clock stopped at {}",
            rfc3339::format(oldest),
            rfc3339::format(newest),
            rfc3339::format(report.until)
        ) + if report.until < oldest { ", before all of them" } else { "" }),
        None => say("no events in the input".into()),
    }
    let feeds = job.book.feeds.iter().zip(report.records.iter().zip(&report.events));
    for (feed, (records, events)) in feeds.filter(|(_, (records, _))| **records > 0) {
        let events = if records == events { String::new() } else { format!(", {events} events") };
        say(format!("  {feed}: {records} records{events}"));
    }
    let counts = &report.counts;
    if counts.duplicates > 0 {
        say(format!("  duplicates dropped: {}", counts.duplicates));
    }
    if counts.late > 0 {
        say(format!("  late, put where they belong: {}", counts.late));
    }
    if counts.forced > 0 {
        say(format!("  instants forced out of a full buffer: {}", counts.forced));
    }
    if counts.bound_hits > 0 {
        say(format!("  times a bound on memory was hit: {}", counts.bound_hits));
    }
    if counts.starts_without_key > 0 {
        say(format!("  starts without the field of `per`, ignored: {}", counts.starts_without_key));
    }
    for (reason, count) in &report.rejected {
        let hint = match reason {
            cxwatch_event::Reason::TooLate if job.files.is_empty() => {
                " (the topics are out of order: a larger --reorder or --late-horizon)"
            }
            cxwatch_event::Reason::TooLate if job.sort_bytes_max.is_none() => {
                " (the input is out of order: --sort, or a larger --late-horizon)"
            }
            cxwatch_event::Reason::Malformed if job.files.is_empty() && report.span.is_none() => {
                " (a feed whose records are no CloudEvents needs a mapping in the settings: --config)"
            }
            cxwatch_event::Reason::Malformed if job.mapping.is_none() && report.span.is_none() => {
                " (what is not a CloudEvent on each line needs a --mapping)"
            }
            cxwatch_event::Reason::TimeInFuture => " (--allow-future takes them as they are)",
            _ => "",
        };
        say(format!("  refused as {reason}: {count}{hint}"));
    }
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let cells = head.iter().enumerate().map(|(i, name)| aligned(name, i));
    table.set_header(cells.collect::<Vec<_>>());
    table
}

fn row(table: &mut Table, name: &str, cells: &[String]) {
    let cells = std::iter::once(name).chain(cells.iter().map(String::as_str));
    table.add_row(cells.enumerate().map(|(i, cell)| aligned(cell, i)).collect::<Vec<_>>());
}

fn aligned(text: &str, column: usize) -> Cell {
    Cell::new(text).set_alignment(if column == 0 { CellAlignment::Left } else { CellAlignment::Right })
}
