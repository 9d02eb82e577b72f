//! Decisions on topics of the past, with profiles and outcomes among the input: a run that is killed again and again says
//! what one says that nobody disturbs, word for word.

use crate::client::{Feeder, Kept, PARTITIONS};
use crate::program::{self, Service};
use crate::stage::{FEEDS, Stage, broker, wait_for};
use crate::{is_long, seed};
use cxwatch_event::{Millis, rfc3339};
use cxwatch_tests::world::draw::Draw;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The rules of the demo, under a policy that every stage has something to say about.
fn rulebook() -> String {
    let demo = include_str!("../../../crates/cxwatch/rulebooks/demo.yaml");
    let policy = "policy:\n  zone: Europe/Berlin\n  quiet_hours: { from: \"12:00\", until: \"13:00\", channels: [voice] }\n  caps:\n    \
                  - { channel: voice, at_most: 1, within: 7d }\n    - { at_most: 3, within: 7d }\n  brake: 40\n  holdout: 20%\n  declined_for: 2h\n";
    demo.replacen("rules:\n", &format!("{policy}rules:\n"), 1)
}

/// An instant after all deadlines of the day.
const UNTIL: &str = "2026-01-08T00:00:00Z";
const OUTPUTS: [&str; 2] = ["actions", "suppressions"];

#[test]
fn kills_change_no_decision() {
    let Some(broker) = broker() else { return };
    let rules = rulebook();
    let stage = |name| Stage::new(name, broker.bootstrap(), &rules);
    let first = stage("decide");
    first.make_topics();
    let customers = write_day(&first);
    write_profiles(&first, &customers);
    run(&first, 0);
    // What was asked for is answered, and all of it is decided anew, with the answers among the input.
    let sent = write_outcomes(&first);
    let calm = stage("decide-calm").reading("decide");
    calm.make_topics_beside();
    run(&calm, 0);
    let killed = stage("decide-killed").reading("decide");
    killed.make_topics_beside();
    let kills = run(&killed, if is_long() { 12 } else { 3 });
    let (right, said) = (told(&calm), told(&killed));
    for output in OUTPUTS {
        assert_eq!(right[output].len(), said[output].len(), "{output}");
        for (right, said) in right[output].iter().zip(&said[output]) {
            assert_eq!(right, said, "{output}");
        }
    }
    let strays = calm.read("dead-letters");
    assert!(strays.iter().all(|kept| kept.headers.iter().any(|(_, value)| value == b"wrong_partition")));
    let mut seen = BTreeMap::<String, usize>::new();
    for (output, field) in [("actions", "/type"), ("suppressions", "/data/reason")] {
        for (_, message) in &said[output] {
            let what = message.pointer(field).and_then(Value::as_str).unwrap_or("?");
            *seen.entry(what.to_owned()).or_default() += 1;
        }
    }
    eprintln!("decisions: {kills} kills, {sent} outcomes, {} strays; {seen:?}", strays.len());
    for what in ["action.requested", "action.revoked", "action.expired", "holdout", "contact_policy"] {
        assert!(seen.contains_key(what), "no {what} among {seen:?}");
    }
    assert_eq!(strays.len(), sent.div_ceil(20), "every twentieth names another partition");
}

/// An ordinary day in the feeds' topics; its customers.
fn write_day(stage: &Stage) -> BTreeSet<String> {
    let day = stage.path("day");
    let mut generate = program::command(&["generate", "--out"]);
    generate.arg(&day).args(["--events", if is_long() { "40000" } else { "5000" }]);
    program::finish(generate);
    let feeder = Feeder::new(stage.bootstrap());
    let mut customers = BTreeSet::new();
    for feed in FEEDS {
        let text = std::fs::read_to_string(day.join(format!("{feed}.jsonl"))).expect("generated");
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).expect("an event");
            let customer = event["subject"].as_str().expect("every event has a customer");
            feeder.send(&stage.topic(feed), customer, line.as_bytes());
            customers.insert(customer.to_owned());
        }
    }
    feeder.flush();
    customers
}

fn message(number: usize, kind: &str, customer: &str, time: Millis, data: &Value) -> Vec<u8> {
    let time = rfc3339::format(time);
    let message = json!({
        "specversion": "1.0", "id": format!("{kind}-{number}"), "source": "suite", "type": kind, "subject": customer,
        "time": time, "data": data,
    });
    serde_json::to_vec(&message).expect("written")
}

/// What is known of most customers, long before the day.
fn write_profiles(stage: &Stage, customers: &BTreeSet<String>) {
    let long_ago = rfc3339::parse("2025-12-01T00:00:00Z").expect("an instant");
    let mut draw = Draw::new(seed() + 3);
    let feeder = Feeder::new(stage.bootstrap());
    for (number, customer) in customers.iter().enumerate() {
        if draw.chance(20) {
            continue;
        }
        let consent =
            json!({ "voice": { "service": draw.chance(70) }, "chat": { "service": draw.chance(90) } });
        let zone = *draw.pick(&["Europe/Vienna", "America/New_York"]);
        let profile = json!({ "tier": "gold", "lifetime_value": draw.range(0, 5_000), "time_zone": zone, "consent": consent });
        let written = message(number, "customer.profile_updated", customer, long_ago, &profile);
        feeder.send(&stage.topic("customers"), customer, &written);
    }
    feeder.flush();
}

/// Answers to all that was requested, in the order of their times; every twentieth names another partition. How many.
fn write_outcomes(stage: &Stage) -> usize {
    let mut draw = Draw::new(seed() + 5);
    let mut outcomes = Vec::new();
    for Kept { partition, value, .. } in stage.read("actions") {
        let action: Value = serde_json::from_slice(&value).expect("an action");
        if action["type"] != "action.requested" {
            continue;
        }
        let requested = action["time"].as_str().and_then(rfc3339::parse).expect("an instant");
        let kinds = ["accepted", "declined", "contacted", "saved", "failed", "unreachable", "rejected"];
        for _ in 0..draw.range(1, 2) {
            let time = requested + draw.range(1, 600) * 1_000;
            outcomes.push((time, *draw.pick(&kinds), partition, action.clone()));
        }
    }
    outcomes.sort_by_key(|(time, ..)| *time);
    let feeder = Feeder::new(stage.bootstrap());
    for (number, (time, kind, partition, action)) in outcomes.iter().enumerate() {
        let named = if number % 20 == 0 { (partition + 1) % PARTITIONS } else { *partition };
        let customer = action["subject"].as_str().expect("a customer");
        let data = json!({ "action_id": action["data"]["action_id"], "revision": action["data"]["revision"], "partition": named });
        feeder.send(
            &stage.topic("outcomes"),
            customer,
            &message(number, &format!("outcome.{kind}"), customer, *time, &data),
        );
    }
    feeder.flush();
    outcomes.len()
}

/// Runs over all of it, killed so many times on the way. How often it was.
fn run(stage: &Stage, kills: u32) -> u32 {
    let mut draw = Draw::new(seed() + 7);
    let begin = || stage.start_with("a", &["--bounded", "--until", UNTIL]);
    let mut service: Service = begin();
    let mut killed = 0;
    while killed < kills {
        wait_for("it has work", Duration::from_secs(60), || {
            service.has_ended() || service.metric("cxwatch_task") > 0.0
        });
        std::thread::sleep(Duration::from_millis(draw.range(0, 400) as u64));
        if service.has_ended() {
            break;
        }
        service.kill();
        killed += 1;
        service = begin();
    }
    let status = service.wait(Duration::from_secs(240));
    assert!(status.success(), "it ends with {status}\n{}", service.last_words());
    killed
}

/// What was decided, by topic and in order: partition and message, without what tells when it was written and how the feeds
/// stood then.
fn told(stage: &Stage) -> BTreeMap<&'static str, Vec<(i32, Value)>> {
    let plain = |kept: &Kept| {
        let mut message: Value = serde_json::from_slice(&kept.value).expect("a message");
        message.as_object_mut().expect("an object").remove("recordedtime");
        if let Some(why) = message.pointer_mut("/data/why").and_then(Value::as_object_mut) {
            why.remove("clock");
        }
        (kept.partition, message)
    };
    OUTPUTS.into_iter().map(|output| (output, stage.read(output).iter().map(plain).collect())).collect()
}
