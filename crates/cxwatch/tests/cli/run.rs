//! What `cxwatch run` says before it touches a cluster, and what it says where there is none.

use std::path::Path;
use std::process::{Command, Output};

const RULES: &str = include_str!("../../rulebooks/demo.yaml");

fn cxwatch(settings: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.yaml"), RULES).expect("written");
    std::fs::write(folder.path().join("run.yaml"), settings).expect("written");
    run_in(folder.path(), arguments, variables)
}

fn run_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cxwatch"))
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn a_check_shows_what_holds_where_it_comes_from_and_no_secret() {
    let settings = "rulebook: rules.yaml\nkafka: { bootstrap: \"localhost:9092\" }\n";
    let password = ("CXWATCH_KAFKA__PROPERTIES__SASL_PASSWORD", "s3cret");
    let ran = cxwatch(settings, &["run", "--config", "run.yaml", "--check"], &[password]);
    let shown = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let line =
        |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("kafka.bootstrap: localhost:9092 ").ends_with("# run.yaml:2:21"), "{shown}");
    assert!(line("kafka.properties.sasl.password: *** ").ends_with(&format!("# {}", password.0)), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(text(&ran.stderr).contains("the very first start will ask for `start"), "{}", text(&ran.stderr));
    let whole = format!("{settings}start: {{ read_from: 7d, act_from: now }}\n");
    let ran = cxwatch(&whole, &["run", "--config", "run.yaml", "--check"], &[password]);
    assert!(!text(&ran.stderr).contains("first start"), "{}", text(&ran.stderr));
}

#[test]
fn wrong_settings_are_all_named_and_nothing_runs() {
    let ran = cxwatch(
        "rulebook: rules.yaml\nthreds: 2\nstart: { read_from: 7x }\n",
        &["run", "--config", "run.yaml"],
        &[],
    );
    let said = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    for part in
        ["run.yaml:2:1: error", "write `threads`?", "run.yaml:3:21: error", "`kafka.bootstrap` is not set"]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_feed_that_the_rulebook_does_not_have_is_refused() {
    let settings =
        "rulebook: rules.yaml\nkafka: { bootstrap: \"localhost:9092\" }\nfeeds: { contact-centre: {} }\n";
    let ran = cxwatch(settings, &["run", "--config", "run.yaml", "--check"], &[]);
    let said = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("write `contact-center`?"), "{said}");
}

#[test]
fn what_is_wrong_in_all_files_is_said_at_once() {
    let settings = "threds: 2\nrulebook: away.yaml\nkafka: { bootstrap: \"localhost:9092\" }\n\
                    feeds: { web: { mapping: nowhere.yaml }, social: { mapping: run.yaml } }\n";
    let ran = cxwatch(settings, &["run", "--config", "run.yaml"], &[]);
    let said = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    for part in ["write `threads`?", "cannot read away.yaml", "cannot read nowhere.yaml"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    for place in ["(named at run.yaml:2:11)", "(named at run.yaml:4:26)"] {
        assert!(said.contains(place), "{place} in {said}");
    }
    let fitting = settings.replace("away", "rules").replace("threds", "threads");
    let ran = cxwatch(&fitting, &["run", "--config", "run.yaml"], &[]);
    let said = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    for part in ["cannot read nowhere.yaml", "run.yaml is not a valid mapping"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_calendar_of_a_feed_is_one_of_the_rulebook() {
    let settings = "rulebook: cal.yaml\nkafka: { bootstrap: \"localhost:9092\" }\n\
                    feeds: { web: { expect: 10m, expect_calendar: dask }, customers: {}, outcomes: {} }\n\
                    start: { read_from: 7d, act_from: now }\n";
    let rules = format!(
        "calendars: {{ desk: {{ zone: Europe/Berlin, open: {{ mon-fri: \"08:00-20:00\" }} }} }}\n{RULES}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("cal.yaml"), rules).expect("written");
    let check = |settings: &str| {
        std::fs::write(folder.path().join("run.yaml"), settings).expect("written");
        let ran = run_in(folder.path(), &["run", "--config", "run.yaml", "--check"], &[]);
        (ran.status.code(), text(&ran.stderr))
    };
    let (code, said) = check(settings);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("write `desk`?"), "{said}");
    let (code, said) = check(&settings.replace("dask", "desk"));
    assert_eq!((code, said.as_str()), (Some(0), ""), "and it is not called unused");
    // What the rulebook can do without need not be there, and is told.
    let (code, said) = check(&settings.replace("dask", "desk").replace(", outcomes: {}", ""));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warning: the rulebook reads the feed outcomes"), "{said}");
}

#[test]
fn brokers_that_do_not_answer_are_named_with_what_to_look_at() {
    // Nothing listens on port 1 of this machine.
    let settings =
        "rulebook: rules.yaml\nkafka: { bootstrap: \"127.0.0.1:1\" }\nadmin: { listen: \"127.0.0.1:0\" }\n";
    let ran = cxwatch(settings, &["run", "--config", "run.yaml"], &[]);
    let said = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no broker answers at 127.0.0.1:1") && said.contains("`kafka.bootstrap`"),
        "{said}"
    );
}

#[test]
fn the_end_of_a_bounded_run_must_be_said() {
    let settings = "rulebook: rules.yaml\nkafka: { bootstrap: \"localhost:9092\" }\n";
    let ran = cxwatch(settings, &["run", "--config", "run.yaml", "--bounded"], &[]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran.stderr).contains("--until"), "{}", text(&ran.stderr));
}
