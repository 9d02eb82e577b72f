//! What a restore costs: many customers in the snapshot, two minutes of input behind it.
//!
//! `CXWATCH_RESTORE_CUSTOMERS` says how many customers (100,000 unless told otherwise; the input behind the snapshot is in
//! proportion: 2,400,000 events for a million). For figures that mean something let `CXWATCH_BIN` name a release build.

use crate::client::{Ends, Feeder};
use crate::is_left_out;
use crate::lives::{event, feed_of};
use crate::stage::{Stage, broker, now, wait_for};
use cxwatch_tests::world::draw::Draw;
use std::time::{Duration, Instant};

/// Deadlines so long that none is met on the way.
const RULES: &str = r#"
rulebook: headlines
version: 1
rules:
  - id: cart-abandonment
    kind: absence
    per: data.cart_id
    start: web.cart.item_added
    refresh: "web.*"
    stop: [order.placed, web.cart.emptied]
    within: 6h
  - { id: failed-self-service, kind: sequence, steps: [web.selfservice.failed, contact.queued], within: 6h }
  - id: voice-wait
    kind: absence
    per: data.contact_id
    start: { event: contact.queued, where: { data.channel: voice } }
    stop: [contact.answered, contact.abandoned]
    within: 6h
"#;

/// How long all of it may be worked at.
const PATIENCE: Duration = Duration::from_secs(400);

#[test]
fn a_restore_reads_the_snapshot_and_what_came_behind_it() {
    if is_left_out("a large restore") {
        return;
    }
    let Some(broker) = broker() else { return };
    let customers =
        std::env::var("CXWATCH_RESTORE_CUSTOMERS").map_or(100_000, |n| n.parse().expect("a number"));
    let mut stage = Stage::new("restore", broker.bootstrap(), RULES).with_one_thread();
    stage.make_topics();
    let mut service = stage.start_alone("a");
    let (feeder, mut draw) = (Feeder::new(stage.bootstrap()), Draw::new(7));
    for number in 0..customers {
        send(&stage, &feeder, number, "web.cart.item_added", &format!("c{number}"), &cart(number));
    }
    feeder.flush();
    wait_for("all customers are known", PATIENCE, || service.metric("cxwatch_customers") >= customers as f64);
    service.stop();
    // A snapshot is spread over half of its interval; there must be time for what is to lie behind it.
    stage.snapshot_every = format!("{}s", (customers / 5_000).max(60));
    let journal = Ends::new(stage.bootstrap(), &stage.topic("journal"));
    let started = journal.starts();
    let mut service = stage.start_alone("a");
    send(&stage, &feeder, customers, "web.cart.item_added", "c0", &cart(customers));
    feeder.flush();
    // What lies before a snapshot is deleted when all of it is written.
    wait_for("a whole snapshot", PATIENCE, || {
        // A slice goes with a commit, and a commit with something to say: some in every partition.
        for number in 0..64 {
            let view = r#""url":"https://shop.example/""#;
            send(&stage, &feeder, now() as u64, "web.page.viewed", &format!("nobody{number}"), view);
        }
        std::thread::sleep(Duration::from_millis(200));
        started.iter().zip(journal.starts()).all(|(before, start)| *before < start)
    });
    let written = service.metric("cxwatch_journal_snapshot_bytes_total");
    let before = service.metrics();
    let behind = customers * 12 / 5;
    for number in 0..behind {
        let customer = draw.index(customers as usize) as u64;
        let (id, name) = (customers * 2 + number, format!("c{customer}"));
        match draw.range(0, 9) {
            0 => send(&stage, &feeder, id, "web.cart.item_added", &name, &cart(id)),
            1 => {
                let contact = format!(r#""contact_id":"t{id}","channel":"voice""#);
                send(&stage, &feeder, id, "contact.queued", &name, &contact);
            }
            _ => {
                let article = draw.range(1, 90_000);
                let view = format!(
                    r#""url":"https://shop.example/garden/article-{article:05}?ref=newsletter","load_ms":120"#
                );
                send(&stage, &feeder, id, "web.page.viewed", &name, &view);
            }
        }
    }
    feeder.flush();
    let read = before.get("cxwatch_records_total").copied().unwrap_or(0.0) + behind as f64;
    wait_for("all of it is read", PATIENCE, || service.metric("cxwatch_records_total") >= read);
    wait_for("and committed", PATIENCE, || service.metric("cxwatch_buffered_events") == 0.0);
    let after = service.metrics();
    let known = service.metric("cxwatch_customers");
    service.kill();
    let began = Instant::now();
    let mut service = stage.start_alone("a");
    let until_at_work = began.elapsed();
    let metrics = service.metrics();
    let grown =
        |name: &str| after.get(name).copied().unwrap_or(0.0) - before.get(name).copied().unwrap_or(0.0);
    eprintln!(
        "restore: {known} customers and {behind} events: {:.1} s of restoring, at work after {until_at_work:.1?}; \
         journal {:.4} bytes per byte of input without the snapshot, which is {written} bytes",
        metrics.get("cxwatch_restore_seconds_sum").copied().unwrap_or(0.0),
        grown("cxwatch_journal_commit_bytes_total") / grown("cxwatch_record_bytes_total"),
    );
    assert_eq!(metrics.get("cxwatch_restore_alarms_total").copied(), Some(0.0));
    assert!(metrics.get("cxwatch_customers").copied() >= Some(customers as f64), "{}", service.last_words());
    service.stop();
}

fn cart(number: u64) -> String {
    format!(
        r#""cart_id":"k{number}","sku":"article-{number}","quantity":2,"unit_price":12.5,"currency":"EUR""#
    )
}

fn send(stage: &Stage, feeder: &Feeder, number: u64, kind: &str, customer: &str, data: &str) {
    let session = if kind.starts_with("web.") {
        r#","session_id":"0123456789abcdef0123456789abcdef","device":"phone-app""#
    } else {
        ""
    };
    let json = event(number, kind, customer, now(), &format!("{data}{session}"));
    feeder.send(&stage.topic(feed_of(kind)), customer, json.as_bytes());
}
