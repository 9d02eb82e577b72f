//! Another mapping between two starts: what was read before keeps its meaning, what comes has the new one.

use crate::client::Feeder;
use crate::oracle::Actions;
use crate::stage::{Stage, broker, now, wait_for};
use std::time::Duration;

/// A customer who is in the queue, and nobody answers.
const RULES: &str = "
rulebook: mapped
version: 1
rules:
  - { id: wait, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, within: 3s, actions: [call] }
actions:
  call: { class: internal, queue: care, ttl: 1d }
";

/// What is in the buffer when the mapping changes happens so much later than it is sent.
const AHEAD_MS: i64 = 6_000;

/// What the letters of the call centre mean.
fn mapping(queued: &str, answered: &str) -> String {
    format!(
        "mapping: calls
feeds:
  - feed: contact-center
    format: csv
    columns: [caller, at, call, state]
    customer: caller
    id: {{ record: row }}
    times: {{ then: {{ column: at, format: unix_ms }} }}
    events:
      - type: {{ of: state, table: {{ {queued}: contact.queued, {answered}: contact.answered }} }}
        time: then
        data: {{ contact_id: call, channel: {{ const: voice }} }}
"
    )
}

#[test]
fn a_record_keeps_the_meaning_that_it_was_read_with() {
    let Some(broker) = broker() else { return };
    let mut stage = Stage::new("mapping", broker.bootstrap(), RULES);
    stage.map("contact-center", &mapping("A", "B"));
    stage.make_topics();
    let mut service = stage.start_alone("a");
    let feeder = Feeder::new(stage.bootstrap());
    let tell = |stage: &Stage, customer: &str, state: &str, at: i64| {
        let row = format!("{customer},{at},call-of-{customer},{state}");
        feeder.send(&stage.topic("contact-center"), customer, row.as_bytes());
        feeder.flush();
    };
    // Two wait by the mapping of today, of whom one is still in the buffer; a third is answered, still in the buffer.
    tell(&stage, "waits", "A", now());
    wait_for("it is read", Duration::from_secs(30), || service.metric("cxwatch_customers") >= 1.0);
    let later = now() + AHEAD_MS;
    tell(&stage, "will-wait", "A", later);
    tell(&stage, "answered", "A", later);
    tell(&stage, "answered", "B", later + 1);
    wait_for("all is read", Duration::from_secs(30), || service.metric("cxwatch_records_total") >= 4.0);
    assert_eq!(service.metric("cxwatch_buffered_events"), 3.0);
    service.stop();

    // Now the letters mean the opposite.
    stage.map("contact-center", &mapping("B", "A"));
    let mut service = stage.start_alone("a");
    assert_eq!(service.metric("cxwatch_restore_alarms_total"), 0.0, "{}", service.last_words());
    let time = now();
    tell(&stage, "waits-by-the-new-one", "B", time);
    tell(&stage, "not-by-the-new-one", "A", time);
    let called = || {
        let mut names: Vec<String> = stage
            .read("actions")
            .iter()
            .map(|kept| String::from_utf8_lossy(&kept.key).into_owned())
            .collect();
        names.sort();
        names
    };
    let right = ["waits", "waits-by-the-new-one", "will-wait"];
    wait_for("all are called", Duration::from_secs(60), || {
        service.assert_alive();
        called().len() >= right.len()
    });
    // And once more from what is committed: over the change, the digest agrees.
    service.kill();
    let mut service = stage.start_alone("a");
    assert_eq!(service.metric("cxwatch_restore_alarms_total"), 0.0, "{}", service.last_words());
    tell(&stage, "last", "B", now());
    wait_for("the last is called", Duration::from_secs(60), || called().iter().any(|name| name == "last"));
    service.stop();
    assert_eq!(called(), ["last", "waits", "waits-by-the-new-one", "will-wait"]);
    Actions::read(&stage).expect("told as promised");
    assert!(stage.read("dead-letters").is_empty());
}
