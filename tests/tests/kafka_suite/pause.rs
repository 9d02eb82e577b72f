//! An operator stops requests, while processes are killed.

use crate::client::{Feeder, PARTITIONS};
use crate::program::{self, Service};
use crate::stage::{Stage, broker, now, wait_for};
use serde_json::Value;
use std::time::Duration;

const RULES: &str = "rulebook: pause\nversion: 1\nrules:\n  \
    - { id: few-stars, kind: match, event: review.posted, where: { data.stars: { at_most: 2 } }, actions: [answer] }\n  \
    - { id: no-stars, kind: match, event: review.posted, where: { data.stars: 0 }, actions: [note] }\n\
    actions:\n  answer: { class: reply, channel: social, queue: social, ttl: 1d }\n  note: { class: internal, queue: care, ttl: 1d }\n";

/// Runs a command on the stage's settings; whether it went well, and what it said.
fn order(stage: &Stage, arguments: &[&str]) -> (bool, String) {
    let (config, _) = stage.config("operator");
    let mut command = program::command(arguments);
    let output = command.arg("--config").arg(config).output().expect("the program can be run");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

struct Reviews<'s> {
    stage: &'s Stage,
    feeder: Feeder,
    number: u64,
}

impl Reviews<'_> {
    /// One bad review in every partition; what becomes of each: the actions and suppressions that name it, by rule.
    fn write(&mut self, stars: u32) -> Vec<(String, String)> {
        let mut customers = Vec::new();
        while customers.len() < PARTITIONS as usize {
            self.number += 1;
            let customer = format!("c{}", self.number);
            let partition =
                |key: &str| cxwatch_event::partition::murmur2_partition(key.as_bytes(), PARTITIONS as u32);
            if customers.iter().any(|other: &String| partition(other) == partition(&customer)) {
                continue;
            }
            let data = format!(r#""review_id":"r{}","stars":{stars}"#, self.number);
            let event = crate::lives::event(self.number, "review.posted", &customer, now(), &data);
            self.feeder.send(&self.stage.topic("social"), &customer, event.as_bytes());
            customers.push(customer);
        }
        self.feeder.flush();
        let expected = customers.len() * if stars == 0 { 2 } else { 1 };
        let mut told = Vec::new();
        wait_for("they are answered", Duration::from_secs(60), || {
            told = self.told(&customers);
            told.len() >= expected
        });
        told.sort();
        told.dedup();
        told
    }

    fn told(&self, customers: &[String]) -> Vec<(String, String)> {
        let mut told = Vec::new();
        for (stem, field) in [("actions", "/type"), ("suppressions", "/data/reason")] {
            for kept in self.stage.read(stem) {
                let message: Value = serde_json::from_slice(&kept.value).expect("a message");
                let of =
                    |field: &str| message.pointer(field).and_then(Value::as_str).unwrap_or("?").to_owned();
                if customers.contains(&of("/subject")) {
                    let rule = ["/data/why/rule/id", "/data/rule/id", "/data/rule"].map(of);
                    let rule = rule.into_iter().find(|rule| rule != "?").unwrap_or_default();
                    told.push((rule, of(field)));
                }
            }
        }
        told
    }
}

fn said(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(rule, what)| ((*rule).to_owned(), (*what).to_owned())).collect()
}

#[test]
fn what_is_paused_stays_so_whoever_dies() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new("pause", broker.bootstrap(), RULES).with_static_membership();
    stage.make_topics();
    let mut reviews = Reviews { stage: &stage, feeder: Feeder::new(stage.bootstrap()), number: 0 };
    let mut service = stage.start_alone("a");
    assert_eq!(reviews.write(1), said(&[("few-stars", "action.requested")]));

    let (right, text) = order(&stage, &["pause", "--rule", "few-star"]);
    assert!(!right && text.contains("write `few-stars`?"), "{text}");
    let (right, text) = order(&stage, &["pause", "--rule", "few-stars", "--reason", "a test"]);
    assert!(right && text.contains("paused: few-stars. The order is written"), "{text}");
    let paused = |service: &Service, rule: &str, is: f64| {
        let series = format!("cxwatch_rule_paused{{rule=\"{rule}\"}}");
        wait_for("the order is heard", Duration::from_secs(30), || {
            service.metrics().get(&series).copied() == Some(is)
        });
    };
    paused(&service, "few-stars", 1.0);
    let one = said(&[("few-stars", "paused"), ("no-stars", "action.requested")]);
    assert_eq!(reviews.write(0), one);
    assert!(service.readiness().contains(r#""paused":["few-stars"]"#), "{}", service.readiness());

    service.kill();
    service = stage.start_alone("a");
    assert_eq!(service.metric("cxwatch_restore_alarms_total"), 0.0, "{}", service.last_words());
    assert_eq!(reviews.write(0), one);

    order(&stage, &["pause"]);
    paused(&service, "*", 1.0);
    service.kill();
    let (_, text) = order(&stage, &["resume", "--rule", "few-stars"]);
    assert!(text.contains("all rules are paused as well"), "{text}");
    service = stage.start_alone("a");
    assert_eq!(reviews.write(0), said(&[("few-stars", "paused"), ("no-stars", "paused")]));

    order(&stage, &["resume"]);
    paused(&service, "*", 0.0);
    service.kill();
    service = stage.start_alone("a");
    assert_eq!(
        reviews.write(0),
        said(&[("few-stars", "action.requested"), ("no-stars", "action.requested")])
    );
    assert_eq!(service.metric("cxwatch_restore_alarms_total"), 0.0, "{}", service.last_words());
    // The books go on over all lives: five times four candidates of the one rule, four times four of the other.
    wait_for("the books are shown", Duration::from_secs(30), || {
        let metrics = service.metrics();
        let state = |state: &str| {
            let of = |rule: &str| format!("cxwatch_candidates{{rule=\"{rule}\",state=\"{state}\"}}");
            let counts = ["few-stars", "no-stars"].map(|rule| metrics.get(&of(rule)).copied().unwrap_or(0.0));
            counts.iter().sum::<f64>()
        };
        let sides = (state("proposed"), state("action") + state("suppression") + state("pending"));
        sides == (36.0, 36.0)
    });
    service.stop();
}
