//! Another rulebook between two starts: what was under way goes on, what was removed is taken back, a feed joins.

use crate::client::Feeder;
use crate::lives::event;
use crate::program;
use crate::stage::{Stage, broker, now, wait_for};
use cxwatch_event::{Millis, rfc3339};
use serde_json::Value;
use std::time::Duration;

/// The deadline of what is open when the rulebook changes: a restart must fit in.
const WITHIN_MS: Millis = 12_000;

const ACTIONS: &str = r#"
actions:
  chat: { class: offer, purpose: service, channel: chat, queue: concierge, ttl: 1d }
  answer: { class: reply, channel: social, queue: social, ttl: 1d }
  call: { class: internal, queue: care, ttl: 1d }
"#;

const BEFORE: &str = r#"
rulebook: changing
version: 1
rules:
  - { id: kept, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, within: 12s, actions: [call] }
  - { id: changed, kind: absence, per: data.cart_id, start: web.cart.item_added, stop: order.placed, within: 12s, actions: [chat] }
  - { id: removed, kind: match, event: review.posted, actions: [answer] }
"#;

/// A feed that sorts before others, so that every number of a feed and many of types are others.
const AFTER: &str = r#"
rulebook: changing
version: 2
types:
  branch.visit.ended: { feed: branch, fields: { mood: text } }
rules:
  - { id: kept, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, within: 12s, actions: [call] }
  - { id: changed, kind: absence, per: data.cart_id, start: web.cart.item_added, stop: order.placed, within: 1s, actions: [chat] }
  - { id: visited, kind: match, event: branch.visit.ended, where: { data.mood: bad }, actions: [call] }
"#;

/// The messages about a customer: type, rule (of a request), cause, and when what it answers happened.
fn told(stage: &Stage, customer: &str) -> Vec<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = stage
        .read("actions")
        .into_iter()
        .map(|kept| serde_json::from_slice::<Value>(&kept.value).expect("an action is JSON"));
    messages
        .filter(|message| message["subject"] == customer)
        .map(|m| {
            let (rule, cause) = (text(&m["data"]["why"]["rule"]["id"]), text(&m["data"]["cause"]["reason"]));
            (text(&m["type"]), rule, cause, text(&m["time"]))
        })
        .collect()
}

fn request(rule: &str, time: Millis) -> (String, String, String, String) {
    ("action.requested".into(), rule.into(), String::new(), rfc3339::format(time))
}

#[test]
fn a_rulebook_with_another_feed_takes_over_what_was_under_way() {
    let Some(broker) = broker() else { return };
    let (before, after) = (format!("{BEFORE}{ACTIONS}"), format!("{AFTER}{ACTIONS}"));
    let mut stage = Stage::new("change", broker.bootstrap(), &before);
    stage.make_topics();
    let mut service = stage.start_alone("a");
    let feeder = Feeder::new(stage.bootstrap());
    let mut number = 0;
    let mut tell = |stage: &Stage, feed: &str, kind: &str, customer: &str, time: Millis, data: &str| {
        number += 1;
        feeder.send(&stage.topic(feed), customer, event(number, kind, customer, time, data).as_bytes());
        feeder.flush();
    };
    let began = now();
    let cart = |cart: &str| format!(r#""cart_id":"{cart}","sku":"s","quantity":1,"unit_price":20"#);
    tell(
        &stage,
        "contact-center",
        "contact.queued",
        "waits",
        began,
        r#""contact_id":"t1","channel":"voice""#,
    );
    tell(&stage, "web", "web.cart.item_added", "shops", began, &cart("k1"));
    tell(&stage, "social", "review.posted", "reviews", began, r#""review_id":"r1","stars":1"#);
    wait_for("the review is acted on", Duration::from_secs(30), || !told(&stage, "reviews").is_empty());
    service.stop();
    assert!(told(&stage, "waits").is_empty() && told(&stage, "shops").is_empty());

    stage.change_rulebook(&after);
    let (config, _) = stage.config("topics");
    let mut create = program::command(&["topics", "create", "--config"]);
    create.arg(&config);
    program::finish(create);
    // Before the task has heard of the feed: within `max_delay` of its instant, so it is seen; an hour earlier, so it is not.
    tell(&stage, "branch", "branch.visit.ended", "visits", began, r#""mood":"bad""#);
    let mut service = stage.start_alone("a");
    let joined = now();
    tell(&stage, "branch", "branch.visit.ended", "visits", joined, r#""mood":"bad""#);
    tell(&stage, "web", "web.cart.item_added", "shops-later", joined, &cart("k2"));
    let expected = [
        ("waits", vec![request("kept", began + WITHIN_MS)]),
        ("shops", vec![request("changed", began + WITHIN_MS)]),
        ("shops-later", vec![request("changed", joined + 1_000)]),
        ("visits", vec![request("visited", began), request("visited", joined)]),
    ];
    wait_for("all is told", Duration::from_secs(60), || {
        service.assert_alive();
        expected.iter().all(|(customer, right)| told(&stage, customer).len() >= right.len())
    });
    for (customer, right) in expected {
        assert_eq!(told(&stage, customer), right, "{customer}");
    }
    let reviews = told(&stage, "reviews");
    assert_eq!(reviews[0], request("removed", began));
    let ends: Vec<(&str, &str)> =
        reviews[1..].iter().map(|(kind, _, cause, _)| (kind.as_str(), cause.as_str())).collect();
    assert_eq!(ends, [("action.revoked", "rule_removed")]);
    // And once more from what is committed: the digest of a restore over the change must agree.
    service.kill();
    let mut service = stage.start_alone("a");
    assert_eq!(service.metric("cxwatch_restore_alarms_total"), 0.0, "{}", service.last_words());
    service.stop();
}
