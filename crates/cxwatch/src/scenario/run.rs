//! Cases through the engine.

use super::expect::{Line, What};
use super::given::{Given, Step, with_nearest};
use super::{Case, Fault, Scenario, Timing};
use crate::replay::{Ledger, Tasks};
use cxwatch_engine::{FOREVER, NEVER, Settings};
use cxwatch_event::{Decoder, Millis, Record};
use cxwatch_rulebook::Rulebook;
use std::sync::Arc;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// The line on which it begins.
    pub line: usize,
    /// Expected, and not said: line and text.
    pub missing: Vec<(usize, String)>,
    /// Said, and not expected.
    pub extra: Vec<String>,
}

impl CaseReport {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty()
    }
}

/// Runs all cases of a scenario, each on its own.
///
/// # Errors
/// Names that the rulebook does not know, and events that are refused: all of them.
pub fn run(scenario: &Scenario, book: &Arc<Rulebook>) -> Result<Vec<CaseReport>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut reports = Vec::new();
    for case in &scenario.cases {
        faults.extend(case.expected.iter().filter_map(|line| unknown(line, book)));
        match play(case, scenario.timing, book) {
            Ok(said) => reports.push(compare(case, scenario.timing.start, said)),
            Err(more) => faults.extend(more),
        }
    }
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() { Ok(reports) } else { Err(faults) }
}

fn unknown(line: &Line, book: &Rulebook) -> Option<Fault> {
    let (what, known): (&str, Vec<&str>) = if line.what.is_of_action() {
        ("action", book.actions.iter().map(|a| a.id.as_str()).collect())
    } else {
        ("rule", book.rules.iter().map(|r| r.id.as_str()).collect())
    };
    if known.contains(&line.name.as_str()) {
        return None;
    }
    let message = with_nearest(format!("the rulebook has no {what} `{}`", line.name), &line.name, known);
    Some(Fault { line: line.line, message })
}

/// What is said in a case.
fn play(case: &Case, timing: Timing, book: &Arc<Rulebook>) -> Result<Vec<Line>, Vec<Fault>> {
    let mut settings = Settings::new(book.feeds.len());
    settings.late_horizon_ms = timing.late_horizon_ms;
    settings.dedupe_for_ms = timing.dedupe_for_ms;
    for feed in &mut settings.feeds {
        feed.reorder_ms = timing.reorder_ms;
        feed.max_delay_ms = feed.max_delay_ms.max(timing.reorder_ms);
    }
    let mut tasks =
        Tasks::new(Arc::clone(book), &settings, 1, FOREVER, || Ledger::new(timing.late_horizon_ms, 1));
    let decoder = Decoder::new(book.catalogue.clone(), book.interest.clone());
    let mut said = Vec::new();
    let mut faults = Vec::new();
    let mut newest = NEVER;
    for step in &case.steps {
        match step {
            Step::Clock(to) => {
                tasks.proven(*to);
                // What comes late takes its place the instant after.
                newest = newest.max(*to + 1);
            }
            Step::Event(given) => match read(&mut tasks, &decoder, book, given, timing.start) {
                Ok(()) => newest = newest.max(given.time),
                Err(message) => faults.push(Fault { line: given.line, message }),
            },
        }
        tasks.advance(FOREVER);
        tasks.desks().for_each(|desk| desk.take_said(&mut said));
    }
    let expected = case.expected.iter().map(|line| line.time).max().unwrap_or(NEVER);
    tasks.finish(case.until.unwrap_or(newest.max(expected)));
    tasks.desks().for_each(|desk| desk.take_said(&mut said));
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(said.iter().map(|(_, said)| Line::said(book, said)).collect())
}

fn read(
    tasks: &mut Tasks<Ledger>,
    decoder: &Decoder,
    book: &Rulebook,
    given: &Given,
    start: Millis,
) -> Result<(), String> {
    let json = given.json(&book.catalogue, start)?;
    let mut record = Record::default();
    let kind = decoder.decode_at_home(json.as_bytes(), &mut record).map_err(|r| r.to_string())?;
    let feed = book.feed_of_type[usize::from(kind.0)]
        .ok_or("a heartbeat is of no use here; write `clock: TIME` to say that everything has been seen")?;
    match tasks.read(feed, &mut record) {
        [] => Ok(()),
        [refused, ..] => Err(format!("the event is refused: {}", refused.reason)),
    }
}

fn compare(case: &Case, start: Millis, mut said: Vec<Line>) -> CaseReport {
    let speaks_of = |what: What| case.expected.iter().any(|line| line.what.same_group(what));
    said.retain(|line| !line.what.may_be_left_out() || speaks_of(line.what));
    let mut missing = Vec::new();
    for expected in &case.expected {
        match said.iter().position(|line| expected.is_met_by(line)) {
            Some(at) => {
                said.remove(at);
            }
            None => missing.push((expected.line, expected.spell(start))),
        }
    }
    let extra = said.iter().map(|line| line.spell(start)).collect();
    CaseReport { name: case.name.clone(), line: case.line, missing, extra }
}
