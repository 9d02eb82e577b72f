//! One customer followed through a replay.

use crate::replay::{Job, Ledger, Place, Progress, Rejected, Said, Sink, Tasks};
use anyhow::{Result, bail};
use compact_str::CompactString;
use cxwatch_decision::explanation::{Explanation, Passed, PassedOver, Question, Told, explain};
use cxwatch_decision::{Explained, Paused};
use cxwatch_engine::{EventRef, View};
use cxwatch_event::{Millis, Reason, Record};
use cxwatch_rulebook::{RuleIx, Rulebook};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many similar names are kept and shown.
const NEAR_MAX: usize = 5;

/// Keeps what is needed to explain one customer.
pub(crate) struct Follower {
    book: Arc<Rulebook>,
    customer: CompactString,
    rule: Option<RuleIx>,
    /// Where the customer's events stand, by source, id and sub-index, and by offset.
    places: BTreeMap<(CompactString, CompactString, u32), Vec<String>>,
    /// The customer's events of the record that is being read.
    reading: Vec<EventRef>,
    /// Those that were refused.
    passed_over: Vec<PassedOver>,
    seen: bool,
    /// Customers with similar names.
    near: BTreeSet<CompactString>,
    end: Option<End>,
}

/// What is known when the clock stops.
struct End {
    story: Vec<(Millis, Told)>,
    view: Option<View>,
    desk: Explained,
    paused: Paused,
}

impl Follower {
    pub(crate) fn new(job: &Job<'_>, rule: Option<RuleIx>) -> Self {
        Follower {
            book: Arc::clone(&job.book),
            customer: job.watched.clone().unwrap_or_default(),
            rule,
            places: BTreeMap::new(),
            reading: Vec::new(),
            passed_over: Vec::new(),
            seen: false,
            near: BTreeSet::new(),
            end: None,
        }
    }

    /// Explains, as of the instant at which the clock stopped.
    pub(crate) fn finish(self, at: Millis) -> Result<Explanation> {
        if !self.seen {
            let near = near(&self.customer, self.near.iter().map(CompactString::as_str));
            bail!("no event of the input is about the customer {}{near}", self.customer);
        }
        let end = self.end.expect("a replay that has not failed has come to its end");
        let place = |event: &EventRef| {
            let key = (event.source.clone(), event.id.clone(), event.sub);
            let feed = self.book.feeds.get(usize::from(event.feed)).map_or("?", |feed| feed.as_str());
            self.places
                .get(&key)
                .and_then(|places| places.first())
                .cloned()
                .unwrap_or_else(|| format!("{feed}, record {}", event.offset))
        };
        Ok(explain(&Question {
            book: &self.book,
            customer: &self.customer,
            rule: self.rule,
            at,
            story: Some(&end.story),
            passed_over: &self.passed_over,
            view: end.view.as_ref(),
            desk: &end.desk,
            paused: &end.paused,
            place: &place,
        }))
    }
}

impl Sink for Follower {
    fn said(&mut self, _: usize, _: &Said) -> Result<()> {
        Ok(())
    }

    fn rejected(&mut self, rejected: &Rejected<'_>) -> Result<()> {
        let why = match rejected.rejection.reason {
            Reason::TooLate => Passed::TooLate,
            Reason::TimeInFuture => Passed::TimeInFuture,
            _ => return Ok(()),
        };
        let Rejected { path, line, partition, sub, .. } = *rejected;
        let place = Some(text(&Place { path, line, partition }));
        let refused = self.reading.iter().filter(|event| Some(event.sub) == sub);
        self.passed_over.extend(refused.map(|event| PassedOver {
            event: event.clone(),
            place: place.clone(),
            why,
        }));
        Ok(())
    }

    fn progress(&mut self, _: Progress) {}

    fn reads(&mut self, place: &Place<'_>, record: &Record) {
        self.reading.clear();
        for event in &record.events {
            if event.customer == self.customer {
                self.seen = true;
                let key = (event.source.clone(), event.id.clone(), event.sub);
                self.places.entry(key).or_default().push(text(place));
                self.reading.push(EventRef {
                    feed: self.book.feed_of_type[usize::from(event.kind.0)].map_or(u8::MAX, |feed| feed.0),
                    kind: Some(event.kind.0),
                    sub: event.sub,
                    offset: 0,
                    time: event.time,
                    id: event.id.clone(),
                    source: event.source.clone(),
                    names: None,
                });
            } else if !self.seen && self.near.len() < NEAR_MAX && is_near(&event.customer, &self.customer) {
                self.near.insert(event.customer.clone());
            }
        }
    }

    fn ends(&mut self, tasks: &mut Tasks<Ledger>) {
        let mut end =
            End { story: Vec::new(), view: None, desk: Explained::default(), paused: Paused::default() };
        for task in tasks.tasks() {
            if let Some(view) = task.view(&self.customer) {
                end.view = Some(view);
                end.paused = task.desk().decider().paused().clone();
                if let Some(state) = task.desk_state(&self.customer) {
                    end.desk = state.explain(&self.book, task.instant());
                }
            }
        }
        let mut repeated = Vec::new();
        for desk in tasks.desks() {
            end.story.extend(desk.take_story());
            repeated.extend(desk.take_repeated());
        }
        // The first time it was no duplicate.
        let mut times: BTreeMap<(CompactString, CompactString, u32), usize> = BTreeMap::new();
        for event in repeated {
            let key = (event.source.clone(), event.id.clone(), event.sub);
            let place = self
                .places
                .get(&key)
                .and_then(|places| places.get(times.get(&key).copied().unwrap_or(0) + 1));
            self.passed_over.push(PassedOver { place: place.cloned(), event, why: Passed::Duplicate });
            *times.entry(key).or_default() += 1;
        }
        self.end = Some(end);
    }
}

/// `web.jsonl:12`, or `web/3/1017`.
fn text(place: &Place<'_>) -> String {
    let (path, line) = (place.path.display(), place.line);
    match place.partition {
        Some(partition) => format!("{path}/{partition}/{line}"),
        None => format!("{path}:{line}"),
    }
}

/// `; did you mean a or b?`, or nothing.
pub(crate) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near: Vec<&str> = names.filter(|name| is_near(name, wanted)).take(NEAR_MAX).collect();
    match near.split_last() {
        None => String::new(),
        Some((last, [])) => format!("; did you mean {last}?"),
        Some((last, first)) => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

/// Whether two names differ in so little that one may be meant for the other: case, or up to a third of the letters and
/// no more than two of them.
pub(crate) fn is_near(name: &str, wanted: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) =
        (name.to_lowercase().chars().collect(), wanted.to_lowercase().chars().collect());
    let allowed = 2.min(b.len() / 3);
    a.len().abs_diff(b.len()) <= allowed && distance(&a, &b) <= allowed
}

/// Letters to add, drop or change.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = change.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_where_little_differs() {
        assert!(is_near("cart-abandonment", "cart-abandonmnt"));
        assert!(is_near("C-1001", "c-1001"));
        assert!(is_near("c-1002", "c-1001"));
        assert!(!is_near("c-1002", "d-9001"));
        assert!(!is_near("a", "b"));
        assert_eq!(
            near("voice-wait", ["chat-wait", "voice-waits"].into_iter()),
            "; did you mean voice-waits?"
        );
        assert_eq!(near("x", ["y"].into_iter()), "");
    }
}
