//! Made-up events go into topics, and a replay of the topics is a replay of the files.

use cxwatch_kafka::mock::MockCluster;
use std::path::Path;
use std::process::{Command, Output};

const FEEDS: [&str; 4] = ["contact-center", "social", "transaction", "web"];
const RULES: &str = include_str!("../../rulebooks/demo.yaml");

fn cxwatch(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cxwatch"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let ran = cxwatch(folder, arguments);
    let said = String::from_utf8(ran.stderr).expect("UTF-8");
    assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {said}");
    String::from_utf8(ran.stdout).expect("UTF-8")
}

fn fails(folder: &Path, arguments: &[&str]) -> String {
    let ran = cxwatch(folder, arguments);
    assert_eq!(ran.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(ran.stderr).expect("UTF-8")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.yaml"), RULES).expect("written");
    folder
}

/// What was found, without the order that tasks have among each other.
fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_replay_of_topics_finds_what_a_replay_of_the_files_finds() {
    let folder = folder();
    let at = folder.path();
    let cluster = MockCluster::new(1).expect("a mock cluster");
    FEEDS.iter().for_each(|feed| cluster.create_topic(feed, 3).expect("a topic"));
    let brokers = cluster.bootstrap();
    succeeds(at, &["generate", "--events", "6000", "--out", "day"]);
    succeeds(at, &["generate", "--events", "6000", "--to-kafka", &brokers, "--speed", "max"]);
    let csv = ["replay", "--rulebook", "rules.yaml", "--quiet", "--format", "csv"];
    let files = FEEDS.map(|feed| format!("day/{feed}.jsonl"));
    let of_files = |tasks: &str| {
        let files = files.iter().map(String::as_str);
        succeeds(at, &csv.into_iter().chain(["--partitions", tasks]).chain(files).collect::<Vec<_>>())
    };
    let of_topics = |more: &[&str]| {
        let arguments = csv.into_iter().chain(["--from-kafka", &brokers]).chain(more.iter().copied());
        succeeds(at, &arguments.collect::<Vec<_>>())
    };
    let expected = of_files("3");
    assert!(expected.lines().count() > 100, "the day has things to find: {expected}");
    assert_eq!(sorted(&of_topics(&[])), sorted(&expected), "each partition a task");
    assert_eq!(of_topics(&["--partitions", "1"]), of_files("1"), "all customers in one task");
}

#[test]
fn topics_with_different_numbers_of_partitions_are_named() {
    let folder = folder();
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let brokers = cluster.bootstrap();
    FEEDS[1..].iter().for_each(|feed| cluster.create_topic(feed, 1).expect("a topic"));
    cluster.create_topic(FEEDS[0], 2).expect("a topic");
    let replay = ["replay", "--rulebook", "rules.yaml", "--from-kafka"];
    let uneven = fails(folder.path(), &[&replay[..], &[&brokers]].concat());
    assert!(uneven.contains("contact-center has 2, social has 1"), "{uneven}");
    assert!(uneven.contains("--partitions N"), "{uneven}");
}

const NOBODY: &str = "127.0.0.1:1";

#[test]
fn a_replay_says_where_nobody_answers() {
    let folder = folder();
    let said = fails(folder.path(), &["replay", "--rulebook", "rules.yaml", "--from-kafka", NOBODY]);
    assert!(said.contains("no answer from the brokers at 127.0.0.1:1"), "{said}");
}

#[test]
fn a_generator_says_where_nobody_answers() {
    let folder = folder();
    let said = fails(folder.path(), &["generate", "--to-kafka", NOBODY]);
    assert!(said.contains("no answer from the brokers at 127.0.0.1:1"), "{said}");
}

#[test]
fn what_is_about_a_cluster_needs_one() {
    let folder = folder();
    let wrong = |arguments: &[&str]| {
        let ran = cxwatch(folder.path(), arguments);
        (ran.status.code(), String::from_utf8(ran.stderr).expect("UTF-8"))
    };
    let (code, said) = wrong(&["replay", "-r", "rules.yaml", "--kafka-property", "a=b", "x.jsonl"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("name its brokers with --from-kafka"), "{said}");
    let (code, said) = wrong(&["replay", "-r", "rules.yaml", "--from-kafka", "localhost:1", "x.jsonl"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = wrong(&["generate", "--kafka-property", "a=b"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("name its brokers with --to-kafka"), "{said}");
}

/// Whoever gives an order to the service, or looks where it stands, is not told once more what its start has said.
#[test]
fn orders_to_the_service_repeat_no_warnings() {
    let folder = folder();
    let at = folder.path();
    let rules = "rulebook: t\nversion: 1\ncalendars: { idle: { zone: UTC, open: { mon-sun: \"08:00-20:00\" } } }\n\
                 rules: [ { id: a, kind: match, event: payment.failed, actions: call } ]\n\
                 actions: { call: { class: offer, purpose: service, channel: voice, queue: q, ttl: 1h } }\n";
    std::fs::write(at.join("offers.yaml"), rules).expect("written");
    let cluster = MockCluster::new(1).expect("a mock cluster");
    cluster.create_topic("cx.control.v1", 1).expect("a topic");
    let settings = format!(
        "application_id: orders\nrulebook: offers.yaml\nkafka:\n  bootstrap: \"{}\"\n  properties: {{ sasl.password: secret }}\n",
        cluster.bootstrap()
    );
    std::fs::write(at.join("cxwatch.yaml"), settings).expect("written");
    let said = |arguments: &[&str]| {
        let ran = cxwatch(at, arguments);
        (ran.status.code(), String::from_utf8(ran.stderr).expect("UTF-8"))
    };
    let (_, check) = said(&["run", "--check"]);
    for warning in ["is a secret in a file", "uses the calendar `idle`", "reads the feed customers"] {
        assert!(check.contains(warning), "{warning}: {check}");
    }
    for order in ["pause", "resume"] {
        assert_eq!(said(&[order, "--rule", "a"]), (Some(0), String::new()), "{order}");
    }
    let (_, reset) = said(&["reset"]);
    assert!(!reset.contains("warning"), "{reset}");
    // What is wrong with the settings is said all the same.
    std::fs::write(at.join("cxwatch.yaml"), "rulebook: offers.yaml\n").expect("written");
    let (code, wrong) = said(&["pause"]);
    assert!(code == Some(2) && wrong.contains("`kafka.bootstrap` is not set"), "{wrong}");
}
