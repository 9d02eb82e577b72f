//! The lives that `cxwatch generate --profile weeks` makes up, what must come of them under the starter rulebook, and how
//! what was found is held against that.

use cxwatch::generate::{Expectation, FEEDS_OF_WEEKS, Weeks};
use cxwatch_event::{Decoder, Millis, RawRecord, Record};
use cxwatch_rulebook::{Level, Rulebook};
use cxwatch_tests::naive::{self, Occurrence};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Monday, 2026-01-05.
pub(crate) const START: Millis = 1_767_571_200_000;
/// After the last deadline of the last story.
pub(crate) const OVER: Millis = START + 60 * 86_400_000;
pub(crate) const RULES: &str = "rulebook: acme\nversion: 1\nextends: starter\n";

/// Rule, level, customer, key, time.
pub(crate) type Row = (String, String, String, String, Millis);

/// docs/accuracy.md, which tells the counts.
pub(crate) fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/accuracy.md");
    std::fs::read_to_string(page).expect("the page is there")
}

/// All events, written to one file per feed; by customer, as the evaluator takes them.
pub(crate) fn told(
    weeks: &mut Weeks,
    book: &Rulebook,
    dir: &Path,
) -> (Vec<PathBuf>, BTreeMap<String, Vec<Occurrence>>) {
    let decoder = Decoder::new(book.catalogue.clone(), book.interest.clone());
    let mut lines: Vec<Vec<u8>> = vec![Vec::new(); FEEDS_OF_WEEKS.len()];
    let mut by_customer = BTreeMap::<String, Vec<Occurrence>>::new();
    let mut offset = 0;
    loop {
        let arrival = weeks.next();
        if arrival.json.is_empty() {
            break;
        }
        // Services whose rulebook does not read it have no such feed.
        let name = FEEDS_OF_WEEKS[arrival.feed];
        let Some(feed) = book.feed_named(name) else { continue };
        lines[arrival.feed].extend(arrival.json.iter().chain(b"\n"));
        let key = Some(arrival.customer.as_bytes());
        let raw = RawRecord { feed: name, key, value: Some(arrival.json), headers: &[] };
        let mut record = Record::default();
        decoder.decode(&raw, &mut record).expect("what is made up is valid");
        for event in record.events {
            by_customer.entry(event.customer.to_string()).or_default().push(Occurrence {
                feed,
                offset,
                event,
            });
        }
        offset += 1;
    }
    let files =
        FEEDS_OF_WEEKS.iter().zip(lines).filter(|(_, lines)| !lines.is_empty()).map(|(feed, lines)| {
            let path = dir.join(format!("{feed}.jsonl"));
            std::fs::write(&path, lines).expect("written");
            path
        });
    (files.collect(), by_customer)
}

/// What the evaluator finds that reads the meanings off the page.
pub(crate) fn evaluated(book: &Rulebook, by_customer: &BTreeMap<String, Vec<Occurrence>>) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for events in by_customer.values() {
        for found in naive::evaluate(book, events, 120_000, OVER) {
            let level = if found.level == Level::Breach { "breach" } else { "warning" };
            rows.insert((
                book.rule(found.rule).id.to_string(),
                level.to_owned(),
                found.customer.to_string(),
                found.key.to_string(),
                found.time,
            ));
        }
    }
    rows
}

/// Of one rule.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) must_come: usize,
    pub(crate) came: usize,
    pub(crate) must_not: usize,
    pub(crate) did_not: usize,
    pub(crate) unplanned: usize,
}

/// Expectations held against what was found, by rule.
pub(crate) fn counted(expectations: &[Expectation], found: &BTreeSet<Row>) -> BTreeMap<&'static str, Count> {
    let mut counts = BTreeMap::<&str, Count>::new();
    let mut planned = BTreeSet::new();
    let breaches: BTreeSet<_> = found
        .iter()
        .filter(|row| row.1 == "breach")
        .map(|(r, _, c, k, t)| (r.clone(), c.clone(), k.clone(), *t))
        .collect();
    for expected in expectations {
        let count = counts.entry(expected.rule).or_default();
        let row = |time| (expected.rule.to_owned(), expected.customer.clone(), expected.key.clone(), time);
        if expected.comes {
            count.must_come += 1;
            count.came += usize::from(breaches.contains(&row(expected.deadline)));
            planned.insert(row(expected.deadline));
        } else {
            count.must_not += 1;
            let came = breaches.range(row(expected.from)..=row(expected.deadline)).next().is_some();
            count.did_not += usize::from(!came);
        }
    }
    for row in breaches.difference(&planned) {
        if let Some((_, count)) = counts.iter_mut().find(|(rule, _)| **rule == row.0) {
            count.unplanned += 1;
        }
    }
    counts
}

/// The table of docs/accuracy.md.
pub(crate) fn table(counts: &BTreeMap<&str, Count>) -> String {
    let mut text = String::from(
        "| rule | must come | came | must not | did not | unplanned, right |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let mut all = Count::default();
    for (rule, c) in counts {
        text += &format!(
            "| {rule} | {} | {} | {} | {} | {} |\n",
            c.must_come, c.came, c.must_not, c.did_not, c.unplanned
        );
        all.must_come += c.must_come;
        all.came += c.came;
        all.must_not += c.must_not;
        all.did_not += c.did_not;
        all.unplanned += c.unplanned;
    }
    text += &format!(
        "| all | {} | {} | {} | {} | {} |\n",
        all.must_come, all.came, all.must_not, all.did_not, all.unplanned
    );
    text
}
