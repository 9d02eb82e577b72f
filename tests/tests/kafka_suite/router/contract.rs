//! Everything the service writes is what the AsyncAPI document says, and a CloudEvent to an SDK that is not ours.

use super::tools::{Packages, are_left_out};
use crate::client::Feeder;
use crate::lives::event;
use crate::program;
use crate::stage::{Stage, broker, now, wait_for};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Rules that let every type of message be written within seconds.
const RULES: &str = "
rulebook: contract
version: 3
rules:
  - id: few-stars
    kind: match
    event: review.posted
    where: { data.stars: { at_most: 2 } }
    severity: 30
    summary: is not content
    actions: [answer]
    cooldown: 1h
  - id: voice-wait
    kind: absence
    per: data.contact_id
    start: { event: contact.queued, where: { data.channel: voice } }
    stop: contact.answered
    within: 2s
    warn_at: 50%
    severity: 90
    actions: [raise]
actions:
  answer: { class: reply, by: person, purpose: service, channel: social, queue: social, ttl: 15s }
  raise: { class: raise, by: person, purpose: service, channel: voice, queue: service, skills: [german, calm], ttl: 1d }
";

#[test]
fn the_asyncapi_document_is_one_to_the_asyncapi_projects_parser() {
    if are_left_out("the AsyncAPI document to its project's parser") {
        return;
    }
    let Some(node) = Packages::node() else { return };
    let said = program::finish(node.validate());
    eprintln!("contract: {}", said.trim());
    assert!(said.contains("AsyncAPI 3."), "{said}");
}

#[test]
fn the_routers_own_tests_pass() {
    if are_left_out("the router's own tests") {
        return;
    }
    let Some(python) = Packages::python() else { return };
    program::finish(python.unit_tests("examples/router"));
}

#[test]
fn what_the_service_writes_is_what_the_document_says_to_clients_in_other_languages() {
    if are_left_out("what clients in other languages read") {
        return;
    }
    let Some((python, node)) = Packages::both() else { return };
    let Some(broker) = broker() else { return };
    let stage = Stage::new("contract", broker.bootstrap(), RULES);
    stage.make_topics();
    let mut service = stage.start_alone("a");
    let (feeder, start) = (Feeder::new(stage.bootstrap()), now());
    let send = |feed: &str, number, kind, customer: &str, time, data: &str| {
        feeder.send(&stage.topic(feed), customer, event(number, kind, customer, time, data).as_bytes());
    };
    let stars = r#""review_id":"r","stars":1"#;
    // Two in a row: the second is suppressed by the cool-down. A name that is longer than one block of the key's hash.
    send("social", 1, "review.posted", "customer-ä-1", start, stars);
    send("social", 2, "review.posted", "customer-ä-1", start + 1, stars);
    let call = r#""contact_id":"t1","channel":"voice""#;
    send("contact-center", 3, "contact.queued", "c2", start, call);
    feeder.send(&stage.topic("web"), "c3", b"{\"specversion\":");
    feeder.send(&stage.topic("social"), "c3", event(4, "review.invented", "c3", start, stars).as_bytes());
    feeder.flush();
    let count = |stem: &str, what: &str| {
        let records = stage.read(stem);
        records.iter().filter(|kept| String::from_utf8_lossy(&kept.value).contains(what)).count()
    };
    wait_for("the breach", Duration::from_secs(60), || count("actions", "\"reason\":\"breached\"") == 1);
    send("contact-center", 5, "contact.answered", "c2", now(), call);
    feeder.flush();
    wait_for("the revocation", Duration::from_secs(60), || count("actions", "action.revoked") == 1);
    wait_for("the expiry", Duration::from_secs(60), || count("actions", "action.expired") == 1);
    wait_for("what is put aside", Duration::from_secs(60), || {
        count("suppressions", "cooldown") == 1 && stage.read("dead-letters").len() == 2
    });
    service.stop();
    let records = stage.path("records.jsonl");
    let read = read(&python, &stage, &["actions", "suppressions", "dead-letters"], &records);
    let expected = [
        ("action.expired", 1),
        ("action.requested", 2),
        ("action.revoked", 1),
        ("action.suppressed", 1),
        ("action.updated", 1),
        ("record.rejected", 2),
    ];
    assert_eq!(read, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
    let mut validate = node.validate();
    validate.arg(&records);
    let said = program::finish(validate);
    eprintln!("contract: {}", said.trim().replace('\n', "; "));
    for (kind, count) in expected {
        assert!(
            said.lines().any(|line| line.starts_with(&format!("{count} ")) && line.ends_with(kind)),
            "{said}"
        );
    }
}

/// Lets the CloudEvents SDK read these topics, and writes what it found to a file. How many of each type.
pub(super) fn read(python: &Packages, stage: &Stage, stems: &[&str], to: &Path) -> BTreeMap<String, usize> {
    let mut command = python.run_python("tests/contract/read.py");
    command.args(["--bootstrap", stage.bootstrap(), "--out"]).arg(to);
    for stem in stems {
        command.arg(format!("--{stem}")).arg(stage.topic(stem));
    }
    let said = program::finish(command);
    let counts = said.lines().map(|line| {
        let (count, kind) = line.split_once(' ').expect("a count and a type");
        (kind.to_owned(), count.parse().expect("a count"))
    });
    counts.collect()
}
