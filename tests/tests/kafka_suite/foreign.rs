//! A transaction of somebody else that stays open on a feed: what it hides may be the very event that is missing.

use crate::client::Feeder;
use crate::lives::{RULES, event};
use crate::oracle::Actions;
use crate::stage::{MAX_DELAY_MS, Stage, broker, now, wait_for};
use std::time::Duration;

/// So long after the deadlines nothing may have been said.
const WATCHED_MS: i64 = 3_000;
/// The deadline of `cart-left`.
const WITHIN_MS: i64 = 4_000;

#[test]
fn absences_behind_an_open_transaction_are_held_and_then_settled() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new("foreign", broker.bootstrap(), RULES);
    stage.make_topics();
    let mut service = stage.start_alone("a");
    let (feeder, time) = (Feeder::new(stage.bootstrap()), now());
    let cart = |cart: &str| format!(r#""cart_id":"{cart}","sku":"s","quantity":2,"unit_price":12.5"#);
    let order = |cart: &str| format!(r#""order_id":"o","cart_id":"{cart}""#);
    // In every partition: one customer whose order the transaction hides, and one who has not ordered.
    let customers: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
    let foreign = Feeder::transactional(stage.bootstrap(), "foreign-shop");
    let aborted = Feeder::transactional(stage.bootstrap(), "foreign-shop-that-fails");
    for (number, c) in (0..).zip(&customers) {
        let bought = number % 2 == 0;
        feeder.send(
            &stage.topic("web"),
            c,
            event(number, "web.cart.item_added", c, time, &cart(c)).as_bytes(),
        );
        let sender = if bought { &foreign } else { &aborted };
        sender.send(
            &stage.topic("transaction"),
            c,
            event(100 + number, "order.placed", c, time + 500, &order(c)).as_bytes(),
        );
    }
    for sender in [&feeder, &foreign, &aborted] {
        sender.flush();
    }
    let watched_until = time + WITHIN_MS + MAX_DELAY_MS + WATCHED_MS;
    wait_for("the deadlines", Duration::from_secs(30), || now() >= watched_until);
    let early: Vec<String> = stage
        .read("actions")
        .iter()
        .map(|kept| String::from_utf8_lossy(&kept.value).into_owned())
        .filter(|message| message.contains("cart-left"))
        .collect();
    assert!(early.is_empty(), "concluded without having seen all: {early:?}");
    let delay = service.metrics();
    assert!(delay.get("cxwatch_task").copied() == Some(4.0), "{}", service.readiness());
    foreign.commit();
    aborted.abort();
    let breaches = |stage: &Stage| {
        let messages = stage.read("actions");
        messages
            .iter()
            .filter(|kept| String::from_utf8_lossy(&kept.value).contains("\"level\":\"breach\""))
            .count()
    };
    wait_for("what was held is settled", Duration::from_secs(30), || breaches(&stage) == customers.len() / 2);
    let actions = Actions::read(&stage).expect("told as promised");
    let told = stage.read("actions");
    let mut keys: Vec<String> =
        told.iter().map(|kept| String::from_utf8_lossy(&kept.key).into_owned()).collect();
    keys.sort();
    keys.dedup();
    let mut right: Vec<String> = customers.iter().skip(1).step_by(2).cloned().collect();
    right.sort();
    assert_eq!(keys, right, "those who had not ordered, and nobody else");
    assert_eq!(actions.len(), right.len());
    service.assert_alive();
    service.stop();
}
