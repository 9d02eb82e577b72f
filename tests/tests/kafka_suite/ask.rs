//! Questions about customers to processes that share them, and what a replay of the same topics says.

use crate::client::{Feeder, PARTITIONS};
use crate::program::{self, Service};
use crate::stage::{Stage, broker, now, wait_for};
use cxwatch_event::Millis;
use cxwatch_event::partition::murmur2_partition;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const RULES: &str = r#"
rulebook: shop
version: 3
rules:
  - id: cart-left
    kind: absence
    per: data.cart_id
    start: web.cart.item_added
    stop: order.placed
    within: 6h
    measure: { value: { sum: [data.quantity, data.unit_price] } }
    actions: [chat]
  - { id: few-stars, kind: match, event: review.posted, where: { data.stars: { at_most: 2 } }, actions: [answer], cooldown: 7d }
  - { id: failing, kind: count, event: payment.failed, at_least: 3, within: 1d, actions: [chat] }
  - { id: tried, kind: match, event: order.cancelled, mode: shadow, actions: [chat] }
actions:
  chat: { class: internal, queue: concierge, ttl: 1d }
  answer: { class: reply, channel: social, queue: social, ttl: 1d }
"#;

/// A page, and how it was answered.
fn get(url: &str) -> (u16, String) {
    let (address, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(15))).expect("a time-out");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: suite\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, body.to_owned())
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// A customer of each partition.
fn customers() -> Vec<String> {
    let of = |partition: u32| {
        let mut names = (0..).map(|number| format!("c{number}"));
        names
            .find(|name| murmur2_partition(name.as_bytes(), PARTITIONS as u32) == partition)
            .expect("one of many")
    };
    (0..PARTITIONS as u32).map(of).collect()
}

struct Shop<'s> {
    stage: &'s Stage,
    feeder: Feeder,
    number: u64,
    /// No two things happen at one instant.
    clock: Millis,
}

impl Shop<'_> {
    fn tell(&mut self, kind: &str, customer: &str, data: &str) {
        self.number += 1;
        self.clock = now().max(self.clock + 1);
        let event = crate::lives::event(self.number, kind, customer, self.clock, data);
        let topic = self.stage.topic(crate::lives::feed_of(kind));
        self.feeder.send(&topic, customer, event.as_bytes());
    }

    /// The day of one customer.
    fn day_of(&mut self, customer: &str) {
        self.tell(
            "web.cart.item_added",
            customer,
            r#""cart_id":"k1","sku":"s","quantity":2,"unit_price":30"#,
        );
        self.tell("web.cart.item_added", customer, r#""cart_id":"k2","sku":"s","quantity":1,"unit_price":9"#);
        self.tell("order.placed", customer, r#""order_id":"o1","value":9,"currency":"EUR","cart_id":"k2""#);
        self.tell("review.posted", customer, r#""review_id":"r1","stars":1"#);
        self.tell("review.posted", customer, r#""review_id":"r2","stars":2"#);
        self.tell("payment.failed", customer, r#""order_id":"o2""#);
        self.tell("payment.failed", customer, r#""order_id":"o2""#);
        self.tell("order.cancelled", customer, r#""order_id":"o1""#);
    }
}

/// What both a live process and a replay know: how every rule stands, and what is on the table.
fn common(explanation: &Value) -> Value {
    let rules = explanation["rules"].as_array().expect("rules");
    let answers = |rule: &Value| {
        let mut answers: Vec<&str> = rule["because"]
            .as_array()
            .expect("answers")
            .iter()
            .filter_map(|because| because["answer"].as_str())
            // A closed episode has left nothing behind that a live process could tell of.
            .filter(|answer| *answer != "closed")
            .collect();
        answers.sort_unstable();
        json!({ "rule": rule["rule"], "answers": answers, "episodes": rule["episodes"] })
    };
    let kinds: Vec<Value> = explanation["seen"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| json!([event["time"], event["type"]]))
        .collect();
    json!({
        "customer": explanation["customer"],
        "rules": rules.iter().map(answers).collect::<Vec<_>>(),
        "seen": kinds,
        "actions": explanation["actions"],
        "pending": explanation["pending"],
        "cooldowns": explanation["cooldowns"],
    })
}

/// A replay of the topics.
fn replayed(stage: &Stage, arguments: &[&str]) -> String {
    let (config, _) = stage.config("explain");
    let mut explain = program::command(&["explain"]);
    explain.args(arguments).arg("--config").arg(config).args(["--from-kafka", stage.bootstrap()]);
    program::finish(explain)
}

#[test]
fn whoever_is_asked_answers_or_says_who_can() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new("ask", broker.bootstrap(), RULES);
    stage.make_topics();
    let mut services = [stage.start_alone("a"), stage.start("b")];
    wait_for("the tasks are shared", Duration::from_secs(60), || {
        let tasks = services.each_ref().map(|service| service.metric("cxwatch_task"));
        tasks.iter().all(|tasks| *tasks > 0.0) && tasks.iter().sum::<f64>() == f64::from(PARTITIONS)
    });
    let mut shop = Shop { stage: &stage, feeder: Feeder::new(stage.bootstrap()), number: 0, clock: 0 };
    let customers = customers();
    customers.iter().for_each(|customer| shop.day_of(customer));
    shop.feeder.flush();

    let mut lives = Vec::new();
    let mut elsewhere = 0;
    for customer in &customers {
        let mut live = None;
        wait_for("the day is over", Duration::from_secs(60), || {
            live = services.iter().find_map(|service| known(service, customer));
            live.as_ref().is_some_and(|live| live["seen"].as_array().is_some_and(|seen| seen.len() == 8))
        });
        let live = live.expect("waited for");
        elsewhere += services.iter().filter(|service| follow(service, customer, &live)).count();
        agree(&stage, customer, &live);
        lives.push(common(&live));
    }
    assert_eq!(elsewhere, customers.len(), "of two processes one has the customer, the other says who");
    wrong_questions(&services[0], &customers);
    let [a, b] = &mut services;
    b.kill();
    for (customer, before) in customers.iter().zip(&lives) {
        let mut after = None;
        wait_for("the other takes over", Duration::from_secs(60), || {
            let (status, body) = get(&a.url(&format!("/api/explain?customer={customer}")));
            // Whoever has died is named until the group has noticed; nobody is ever called unknown.
            assert!([200, 421, 503, 504].contains(&status), "{status}: {body}");
            after = (status == 200).then(|| common(&json_of(&body)));
            after.is_some()
        });
        assert_eq!(after.as_ref(), Some(before), "restored, it tells the same");
    }
    a.stop();
}

/// What a process tells of all rules, if it has the customer.
fn known(service: &Service, customer: &str) -> Option<Value> {
    let (status, body) = get(&service.url(&format!("/api/explain?customer={customer}")));
    (status == 200).then(|| json_of(&body))
}

/// Asks one process about a customer; whether it is another one's, whose address leads to the same answer.
fn follow(service: &Service, customer: &str, live: &Value) -> bool {
    let (status, body) = get(&service.url(&format!("/api/explain?customer={customer}")));
    if status == 200 {
        let (status, text) = get(&service.url(&format!("/api/customers/{customer}?format=text")));
        assert_eq!(status, 200, "{text}");
        assert!(text.starts_with(&format!("Customer {customer}, as of ")), "{text}");
        // Of the others nothing is known.
        assert!(
            text.contains("Rule cart-left\n  The episode of k1, opened by web.cart.item_added"),
            "{text}"
        );
        return false;
    }
    assert_eq!(status, 421, "{body}");
    let refusal = json_of(&body);
    assert_eq!(refusal["error"], "not_owner");
    let url = refusal["url"].as_str().expect("the owner's address");
    assert_ne!(url, service.url(&format!("/api/explain?customer={customer}")));
    let (status, body) = get(url);
    assert_eq!(status, 200, "{body}");
    assert_eq!(common(&json_of(&body)), common(live));
    true
}

/// A replay of the topics says the same, and more.
fn agree(stage: &Stage, customer: &str, live: &Value) {
    let at = live["at"].as_str().expect("an instant");
    let replay = json_of(&replayed(stage, &["--customer", customer, "--at", at, "--json"]));
    assert_eq!((&replay["basis"], &live["basis"]), (&json!("events"), &json!("state")));
    assert_eq!(common(&replay), common(live), "live, and replayed to {at}");
    let because = |rule: &str| -> Vec<(String, String)> {
        let rules = live["rules"].as_array().expect("rules");
        let rule = rules.iter().find(|known| known["rule"] == rule).expect("it is in the rulebook");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let because = rule["because"].as_array().expect("answers").iter();
        because.map(|because| (text(&because["answer"]), text(&because["sentence"]))).collect()
    };
    let answers = |rule| because(rule).into_iter().map(|(answer, _)| answer).collect::<Vec<_>>();
    assert_eq!(answers("cart-left"), ["not_yet"]);
    assert_eq!(answers("few-stars"), ["requested", "suppressed"]);
    assert!(because("few-stars")[1].1.contains("(cooldown)"), "{:?}", because("few-stars"));
    assert_eq!(answers("failing"), ["not_enough"]);
    assert_eq!(answers("tried"), ["suppressed"]);
    assert!(because("tried")[0].1.contains("(shadow)"), "{:?}", because("tried"));
    // The replay follows each event, and names the topic that it stands in.
    let text = replayed(stage, &["--customer", customer, "--rule", "cart-left", "--at", at]);
    let topic = stage.topic("web");
    assert!(text.contains("web.cart.item_added e") && text.contains(&format!("({topic}/")), "{text}");
    assert!(text.contains("closed the episode of k2"), "{text}");
}

fn wrong_questions(service: &Service, customers: &[String]) {
    let refused = |path: &str| {
        let (status, body) = get(&service.url(path));
        let refusal = json_of(&body);
        let text = |name: &str| refusal[name].as_str().unwrap_or_default().to_owned();
        (status, text("error"), text("parameter"), text("detail"))
    };
    let (status, error, parameter, detail) = refused("/api/explain?customer=c1&rule=cart-lost");
    assert_eq!((status, error.as_str(), parameter.as_str()), (400, "bad_parameter", "rule"));
    assert_eq!(detail, "the rulebook has no rule cart-lost; did you mean cart-left?");
    // Somebody of a partition that is the process's own, whom no event was ever about.
    let ours =
        customers.iter().position(|customer| known(service, customer).is_some()).expect("it has tasks");
    let mut strangers = (0..).map(|number| format!("stranger-{number}"));
    let is_ours = |name: &String| murmur2_partition(name.as_bytes(), PARTITIONS as u32) as usize == ours;
    let stranger = strangers.find(is_ours).expect("one of many");
    let (status, error, _, detail) = refused(&format!("/api/customers/{stranger}"));
    assert_eq!((status, error.as_str()), (404, "unknown_customer"), "{detail}");
    assert!(detail.starts_with(&format!("nothing is known of the customer {stranger}")), "{detail}");
    // Time has not come that far; of what has passed it tells what it still knows.
    let ours = &customers[ours];
    let (status, _, parameter, _) = refused(&format!("/api/explain?customer={ours}&at=2099-01-01T00:00:00Z"));
    assert_eq!((status, parameter.as_str()), (400, "at"));
    let (status, body) = get(&service.url(&format!("/api/explain?customer={ours}&at=2020-01-01T00:00:00Z")));
    let past = json_of(&body);
    assert_eq!((status, &past["basis"]), (200, &json!("remembered")), "{body}");
    assert_eq!(past["rules"][0]["because"][0]["answer"], "forgotten");
    assert_eq!((&past["seen"], &past["actions"]), (&json!([]), &json!([])), "{body}");
}
