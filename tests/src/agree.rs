//! Compares what the engine found with what the oracle says.

use crate::drive::{Run, told};
use crate::naive::{self, Detection};
use crate::world::{END, World};
use cxwatch_engine::{Effect, Ended};
use cxwatch_rulebook::{Cond, FeedIx, Kind, MeasureRef, Rule};
use std::fmt::Write as _;

/// Every detection, in the same order, and nothing withdrawn.
///
/// # Errors
/// The first difference, in words.
pub fn identical(world: &World, run: &Run) -> Result<Vec<Detection>, String> {
    let right = naive::evaluate(&world.book, &world.occurrences(&[]), world.dedupe_for_ms, END);
    if !run.refused.is_empty() {
        return Err(format!("refused {:?}", run.refused));
    }
    let mut found = Vec::new();
    for effect in &run.effects {
        match effect {
            Effect::Detected(detection) => found.push(told(detection)),
            Effect::Retracted(ended) => return Err(format!("retracted {ended:?}")),
            Effect::Resolved(_) => {}
        }
    }
    same_list(world, &found, &right, true)?;
    Ok(right)
}

/// Detections fired less detections retracted, in any order.
///
/// # Errors
/// The first difference, in words.
pub fn net_equal(world: &World, run: &Run) -> Result<Vec<Detection>, String> {
    let right = naive::evaluate(&world.book, &world.occurrences(&run.refused), world.dedupe_for_ms, END);
    let mut found: Vec<Detection> = Vec::new();
    for effect in &run.effects {
        match effect {
            Effect::Detected(detection) => found.push(told(detection)),
            Effect::Retracted(ended) => {
                let Some(at) = found.iter().rposition(|d| is_of(ended, d)) else {
                    return Err(format!("retracted what was not detected: {ended:?}"));
                };
                found.remove(at);
            }
            Effect::Resolved(_) => {}
        }
    }
    found.sort();
    let mut sorted = right.clone();
    sorted.sort();
    same_list(world, &found, &sorted, false)?;
    Ok(right)
}

/// What is concluded from silence was concluded in sight of all feeds that could have broken it.
///
/// # Errors
/// The first detection that was not.
pub fn in_sight(world: &World, run: &Run) -> Result<(), String> {
    for effect in &run.effects {
        let Effect::Detected(detection) = effect else { continue };
        let rule = world.book.rule(detection.rule);
        let concludes = matches!(rule.kind, Kind::Absence { .. }) || rule.concludes_from_absence;
        let saw = |feed: FeedIx| {
            let (watermark, blind) = detection.clock.feeds[usize::from(feed.0)];
            !blind && watermark >= detection.time
        };
        if concludes && !rule.needs.iter().all(saw) {
            return Err(format!("concluded without seeing: {detection:?}"));
        }
    }
    Ok(())
}

fn is_of(ended: &Ended, detection: &Detection) -> bool {
    (ended.rule, ended.level, ended.time) == (detection.rule, detection.level, detection.time)
        && (&ended.customer, &ended.key) == (&detection.customer, &detection.key)
        && (&ended.about.id, &ended.about.source) == (&detection.about.id, &detection.about.source)
}

fn same_list(world: &World, found: &[Detection], right: &[Detection], exact: bool) -> Result<(), String> {
    for at in 0..found.len().max(right.len()) {
        let (one, other) = (found.get(at), right.get(at));
        let agree = match (one, other) {
            (Some(one), Some(other)) => agrees(world.book.rule(other.rule), one, other, exact),
            _ => false,
        };
        if !agree {
            return Err(format!("the engine found\n  {one:?}\nwhere the page says\n  {other:?}"));
        }
    }
    Ok(())
}

/// Equal, but for evidence that the engine cuts: the oldest of a window, all but the first and last start of an absence,
/// all but the largest contributions to a debt. Not `exact`: a start that joined late and changes nothing else is no
/// reason to say it all again.
fn agrees(rule: &Rule, found: &Detection, right: &Detection, exact: bool) -> bool {
    let counted = match rule.kind {
        Kind::Debt { .. } => true,
        // A window need not hold more than it takes to fire, where nothing else depends on it.
        Kind::Count { at_least_max, .. } => {
            found.events.min(at_least_max as usize) == right.events.min(at_least_max as usize)
        }
        _ => found.events == right.events || !(exact || counts_events(rule)),
    };
    let bare = |d: &Detection| Detection { events: 0, evidence: Vec::new(), ..d.clone() };
    let known = found.evidence.iter().all(|e| right.evidence.contains(e));
    counted && known && !found.evidence.is_empty() && bare(found) == bare(right)
}

/// Effects, one a line, for people.
pub fn story(world: &World, run: &Run) -> String {
    let mut text = String::new();
    for effect in &run.effects {
        let (what, rule, level, customer, key, time, about, instant) = match effect {
            Effect::Detected(d) => {
                ("detected", d.rule, d.level, &d.customer, &d.key, d.time, &d.about, Some(d.clock.instant))
            }
            Effect::Retracted(e) => {
                ("retracted", e.rule, e.level, &e.customer, &e.key, e.time, &e.about, None)
            }
            Effect::Resolved(e) => ("resolved", e.rule, e.level, &e.customer, &e.key, e.time, &e.about, None),
        };
        let id = &world.book.rule(rule).id;
        let _ = writeln!(
            text,
            "{what} {id} {level:?} {customer} {key} at {time} about {} by {instant:?}",
            about.id
        );
    }
    text
}

/// A world and what happened in it, for people.
pub fn describe(world: &World, steps: &[crate::world::schedule::Step]) -> String {
    let mut text = format!(
        "seed {}; horizon {}, dedupe {}, bounds {:?}\n",
        world.seed, world.late_horizon_ms, world.dedupe_for_ms, world.bounds
    );
    for draft in &world.drafts {
        let _ = writeln!(text, "rule {draft:?}");
    }
    for (feed, records) in world.book.feeds.iter().zip(&world.log) {
        for (offset, logged) in records.iter().enumerate() {
            let _ =
                writeln!(text, "{feed}[{offset}] at {} times {:?}", logged.recorded_at, logged.record.times);
            for event in &logged.record.events {
                let kind = &world.book.catalogue.spec(event.kind).name;
                let fields: Vec<_> = event.fields.iter().map(|f| (f.field.0, &f.value)).collect();
                let _ =
                    writeln!(text, "    {} {} {kind} {} {fields:?}", event.time, event.customer, event.id);
            }
        }
    }
    let _ = writeln!(text, "{steps:?}");
    text
}

fn counts_events(rule: &Rule) -> bool {
    fn reads(cond: &Cond<MeasureRef>) -> bool {
        match cond {
            Cond::True => false,
            Cond::All(all) | Cond::Any(all) => all.iter().any(reads),
            Cond::Not(cond) => reads(cond),
            Cond::Test(measure, _) => *measure == MeasureRef::Events,
        }
    }
    reads(&rule.when) || rule.severity.cases.iter().any(|(cond, _)| reads(cond))
}
