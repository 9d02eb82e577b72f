//! Topics of the past, read from end to end: what `run --bounded` makes of them is what `replay` makes of the same events in
//! files.

use crate::client::{Feeder, PARTITIONS};
use crate::oracle::{Actions, by_action, difference};
use crate::program::{self, Service};
use crate::stage::{FEEDS, Stage, broker};
use crate::{bank, client};
use crate::{is_left_out, is_long};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The rules of the demo: all kinds, with deadlines of minutes to hours.
const DAY: &str = include_str!("../../../crates/cxwatch/rulebooks/demo.yaml");
/// An instant after all deadlines of the day.
const UNTIL: &str = "2026-01-08T00:00:00Z";

#[test]
fn topics_of_the_past_lead_to_what_a_replay_finds() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new("bounded", broker.bootstrap(), DAY);
    let day = stage.path("day");
    let mut generate = program::command(&["generate", "--out"]);
    generate.arg(&day).args(if is_long() { &[][..] } else { &["--events", "6000"] });
    program::finish(generate);
    let files: Vec<PathBuf> = FEEDS.iter().map(|feed| day.join(format!("{feed}.jsonl"))).collect();
    let told = run_and_compare(&stage, &files, UNTIL);
    assert!(told > if is_long() { 1_000 } else { 50 }, "only {told} actions");
}

#[test]
fn a_year_of_real_calls_leads_to_what_a_replay_finds() {
    if is_left_out("the bank's year of calls") {
        return;
    }
    let (Some(broker), Some(folder)) = (broker(), bank::folder()) else { return };
    let stage = Stage::new("bank", broker.bootstrap(), &bank::rulebook());
    let files = bank::write(&stage, &folder);
    let told = run_and_compare(&stage, &files, bank::UNTIL);
    assert!(told > 5_000, "only {told} actions");
}

/// Writes the files, each named as its feed, to the topics, runs over them, compares. How many actions there are.
pub(crate) fn run_and_compare(stage: &Stage, files: &[PathBuf], until: &str) -> usize {
    stage.make_topics();
    write(stage, files);
    let names: &[&str] = if is_long() { &["a", "b"] } else { &["a"] };
    let mut services: Vec<Service> =
        names.iter().map(|name| stage.start_with(name, &["--bounded", "--until", until])).collect();
    for service in &mut services {
        let status = service.wait(Duration::from_secs(180));
        assert!(status.success(), "it ends with {status}\n{}", service.last_words());
    }
    let mut replay =
        program::command(&["replay", "--quiet", "--only", "actions", "--until", until, "--partitions"]);
    replay.arg(PARTITIONS.to_string()).arg("--rulebook").arg(stage.path("rules.yaml")).args(files);
    let said = program::finish(replay);
    let right = by_action(said.lines());
    let actions = Actions::read(stage).unwrap_or_else(|wrong| panic!("{wrong}"));
    let differs = difference(&actions.all(), &right);
    assert!(differs.is_empty(), "run and replay differ:\n{differs}");
    let put_aside = stage.read("suppressions");
    let put_aside = put_aside.iter().map(|kept| std::str::from_utf8(&kept.value).expect("UTF-8"));
    let differs = difference(&suppressed(put_aside), &suppressed(said.lines()));
    assert!(differs.is_empty(), "run and replay put aside other things:\n{differs}");
    from_kafka(stage, until, &right);
    eprintln!("{}: {} actions, as replay finds them", stage.topic("all"), right.len());
    right.len()
}

/// The suppressions among messages, by their ids, without what tells when they were written.
fn suppressed<'l>(lines: impl Iterator<Item = &'l str>) -> BTreeMap<String, Value> {
    let messages = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let suppressed = messages.filter(|message| message["type"] == "action.suppressed").map(|mut message| {
        message.as_object_mut().expect("an object").remove("recordedtime");
        (message["id"].to_string(), message)
    });
    suppressed.collect()
}

/// A replay of the topics themselves: the same, and no trace of it in the cluster.
fn from_kafka(stage: &Stage, until: &str, right: &BTreeMap<String, Vec<Value>>) {
    let own = stage.topic("all").replace(".all", "");
    let ends = client::Ends::new(stage.bootstrap(), &stage.topic("journal"));
    // Other tests' services come and go meanwhile.
    let groups = || {
        let mut groups = client::groups(stage.bootstrap());
        groups.retain(|name| name.starts_with(&own) || name.starts_with("cxwatch"));
        groups
    };
    let (ends_before, groups_before) = (ends.all(), groups());
    assert!(groups_before.contains(&own), "the service had a group: {groups_before:?}");
    let (config, _) = stage.config("replay");
    let mut replay =
        program::command(&["replay", "--quiet", "--only", "actions", "--until", until, "--config"]);
    replay.arg(config).args(["--from-kafka", stage.bootstrap()]);
    let found = by_action(program::finish(replay).lines());
    let differs = difference(&found, right);
    assert!(differs.is_empty(), "replays of topics and of files differ:\n{differs}");
    assert_eq!((ends.all(), groups()), (ends_before, groups_before), "a replay leaves nothing behind");
}

fn write(stage: &Stage, files: &[PathBuf]) {
    let feeder = Feeder::new(stage.bootstrap());
    for file in files {
        let feed = file.file_stem().and_then(|stem| stem.to_str()).expect("it has the name of its feed");
        for line in read(file).lines() {
            let event: Value = serde_json::from_str(line).expect("an event");
            let customer = event["subject"].as_str().expect("every event has a customer");
            feeder.send(&stage.topic(feed), customer, line.as_bytes());
        }
    }
    feeder.flush();
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
