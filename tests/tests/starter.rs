//! The starter rulebook on the lives that `cxwatch generate --profile weeks` makes up: all that must be found is found, at
//! its instant; nothing that must not; and whatever else is found is what the evaluator finds that reads the meanings off
//! the page. With disorder and duplicates in the input.

#[path = "starter/success.rs"]
mod success;
#[path = "starter/weeks.rs"]
mod weeks;

use cxwatch::generate::{Recipe, Weeks};
use cxwatch_event::rfc3339;
use cxwatch_rulebook::Rulebook;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use weeks::{OVER, RULES, Row, START, counted, evaluated, page, table, told};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn cxwatch() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cxwatch-under-test"))
}

fn book() -> Rulebook {
    cxwatch_rulebook::compile(RULES, "rules.yaml").expect("the starter is right").0
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
    let page = page();
    if !page.contains(&table) {
        let _ = writeln!(std::io::stderr(), "{table}");
    }
    assert!(page.contains(&table), "docs/accuracy.md has other counts than\n{table}");
}

#[test]
fn customers_of_every_tier_wait_longer_than_they_are_promised() {
    let weeks = Weeks::new(&Recipe::weeks(START));
    for (rule, promised) in [("voice-wait", &[20, 60, 120][..]), ("chat-wait", &[30, 60])] {
        let came = weeks.expectations().iter().filter(|expected| expected.rule == rule && expected.comes);
        let mut waits = BTreeMap::<i64, usize>::new();
        came.for_each(|expected| *waits.entry((expected.deadline - expected.from) / 1_000).or_default() += 1);
        assert!(waits.keys().eq(promised) && waits.values().all(|count| *count >= 15), "{rule}: {waits:?}");
    }
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
