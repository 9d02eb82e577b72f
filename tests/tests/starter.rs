//! The starter rulebook on the lives that `cxwatch generate --profile weeks` makes up: all that must be found is found, at
//! its instant; nothing that must not; and whatever else is found is what the evaluator finds that reads the meanings off
//! the page. With disorder and duplicates in the input.

use cxwatch::generate::{Expectation, FEEDS_OF_WEEKS, Recipe, Weeks};
use cxwatch_event::{Decoder, Millis, RawRecord, Record, rfc3339};
use cxwatch_rulebook::{Level, Rulebook};
use cxwatch_tests::naive::{self, Occurrence};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Monday, 2026-01-05.
const START: Millis = 1_767_571_200_000;
/// After the last deadline of the last story.
const OVER: Millis = START + 60 * 86_400_000;
const RULES: &str = "rulebook: acme\nversion: 1\nextends: starter\n";

/// Rule, level, customer, key, time.
type Row = (String, String, String, String, Millis);

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn cxwatch() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cxwatch-under-test"))
}

fn book() -> Rulebook {
    cxwatch_rulebook::compile(RULES, "rules.yaml").expect("the starter is right").0
}

/// All events, written to one file per feed; by customer, as the evaluator takes them.
fn told(weeks: &mut Weeks, book: &Rulebook, dir: &Path) -> (Vec<PathBuf>, BTreeMap<String, Vec<Occurrence>>) {
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

fn evaluated(book: &Rulebook, by_customer: &BTreeMap<String, Vec<Occurrence>>) -> BTreeSet<Row> {
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

fn replayed(dir: &Path, files: &[PathBuf], more: &[&str]) -> BTreeSet<Row> {
    let rules = dir.join("rules.yaml");
    std::fs::write(&rules, RULES).expect("written");
    let mut command = cxwatch();
    command.args([
        "replay",
        "--quiet",
        "--format",
        "csv",
        "--allow-future",
        "--until",
        &rfc3339::format(OVER),
    ]);
    let output = command.args(more).arg("--rulebook").arg(&rules).args(files).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut rows = BTreeSet::new();
    for row in csv::Reader::from_reader(&output.stdout[..]).records() {
        let row = row.expect("a row");
        if &row[5] == "resolved" {
            continue;
        }
        assert_eq!(&row[5], "detected", "nothing is taken back where nothing is late: {row:?}");
        let time = rfc3339::parse(&row[2]).expect("an instant");
        let new = rows.insert((row[0].into(), row[3].into(), row[4].into(), row[1].into(), time));
        assert!(new, "said twice: {row:?}");
    }
    rows
}

/// Of one rule.
#[derive(Default)]
struct Count {
    must_come: usize,
    came: usize,
    must_not: usize,
    did_not: usize,
    unplanned: usize,
}

fn counted(expectations: &[Expectation], found: &BTreeSet<Row>) -> BTreeMap<&'static str, Count> {
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
fn table(counts: &BTreeMap<&str, Count>) -> String {
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

#[test]
fn all_that_must_be_found_in_made_up_lives_is_found_and_nothing_else() {
    let (book, dir) = (book(), tempfile::tempdir().expect("a folder"));
    let mut weeks = Weeks::new(&Recipe::weeks(START));
    let (files, by_customer) = told(&mut weeks, &book, dir.path());
    let found = replayed(dir.path(), &files, &["--partitions", "4"]);
    let right = evaluated(&book, &by_customer);
    let missing: Vec<_> = right.difference(&found).take(5).collect();
    let extra: Vec<_> = found.difference(&right).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");

    let counts = counted(weeks.expectations(), &found);
    let rules: BTreeSet<&str> = book.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(counts.keys().copied().collect::<BTreeSet<_>>(), rules, "a story for every rule");
    let table = table(&counts);
    for (rule, count) in &counts {
        assert!(count.must_come >= 20 && count.must_not >= 20, "too few stories of {rule}\n{table}");
        assert_eq!((count.came, count.did_not), (count.must_come, count.must_not), "{rule}\n{table}");
    }
    let page = std::fs::read_to_string(root().join("docs/accuracy.md")).expect("the page is there");
    if !page.contains(&table) {
        let _ = writeln!(std::io::stderr(), "{table}");
    }
    assert!(page.contains(&table), "docs/accuracy.md has other counts than\n{table}");
}

#[test]
fn another_seed_is_right_as_well() {
    let (book, dir) = (book(), tempfile::tempdir().expect("a folder"));
    let recipe =
        Recipe { seed: 7, customers: 210, disorder_ms: 0, duplicates_permille: 100, ..Recipe::weeks(START) };
    let mut weeks = Weeks::new(&recipe);
    let (files, by_customer) = told(&mut weeks, &book, dir.path());
    let found = replayed(dir.path(), &files, &[]);
    assert_eq!(found, evaluated(&book, &by_customer));
    for (rule, count) in counted(weeks.expectations(), &found) {
        assert_eq!((count.came, count.did_not), (count.must_come, count.must_not), "{rule}");
    }
}

#[test]
fn the_scenarios_of_the_starter_and_of_a_new_rulebook_are_as_expected() {
    let dir = tempfile::tempdir().expect("a folder");
    let new = dir.path().join("new");
    let run = |arguments: &[&str]| {
        let output = cxwatch().args(arguments).current_dir(dir.path()).output().expect("it runs");
        let (said, errors) = (
            String::from_utf8(output.stdout).expect("text"),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success(), "{arguments:?}\n{said}{errors}");
        said
    };
    let scenarios = root().join("rulebooks/starter.test").display().to_string();
    let said = run(&["rules", "test", &scenarios]);
    assert!(said.contains(" cases as expected, 0 not"), "{said}");

    let said = run(&["init", "new", "--name", "acme"]);
    assert!(said.contains("Next:"), "{said}");
    assert!(run(&["rules", "test", "new/rules.test"]).contains("3 cases as expected, 0 not"));
    let checked = run(&["rules", "check", "--config", "new/cxwatch.yaml", "new/rules.yaml"]);
    assert!(
        checked.starts_with("new/rules.yaml: rulebook acme version 1,") && checked.contains("no problems"),
        "{checked}"
    );
    run(&["run", "--check", "--config", "new/cxwatch.yaml"]);
    let before = std::fs::read(new.join("rules.yaml")).expect("written");
    let again = cxwatch().args(["init", "new"]).current_dir(dir.path()).output().expect("it runs");
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("there already; nothing is written"));
    assert_eq!(std::fs::read(new.join("rules.yaml")).expect("there"), before);

    // What is shown is the same rulebook.
    for plain in [&["rules", "show", "new/rules.yaml"][..], &["rules", "show", "--plain", "new/rules.yaml"]] {
        std::fs::write(dir.path().join("whole.yaml"), run(plain)).expect("written");
        assert_eq!(run(&["rules", "diff", "new/rules.yaml", "whole.yaml"]), "nothing changes\n");
        let hash = |text: &str| text.split([',', ':']).nth(2).map(str::to_owned);
        assert_eq!(hash(&run(&["rules", "check", "whole.yaml"])), hash(&checked));
    }
}
