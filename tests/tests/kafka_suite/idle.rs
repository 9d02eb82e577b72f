//! Silence on all feeds.

use crate::client::Feeder;
use crate::lives::{RULES, event};
use crate::oracle::Actions;
use crate::stage::{MAX_DELAY_MS, Stage, broker, now, wait_for};
use std::time::Duration;

/// The deadline of `cart-left`.
const WITHIN_MS: i64 = 4_000;
/// For the query of the ends, the commit, and a machine that has other things to do.
const SLACK_MS: i64 = 6_000;

#[test]
fn in_a_cluster_where_nothing_moves_a_deadline_fires_when_due() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new("idle", broker.bootstrap(), RULES);
    stage.make_topics();
    // As often as one likes.
    stage.expect_topics("exists");
    let mut service = stage.start_alone("a");
    let time = now();
    let cart = r#""cart_id":"k1","sku":"s","quantity":2,"unit_price":12.5"#;
    let feeder = Feeder::new(stage.bootstrap());
    feeder.send(&stage.topic("web"), "c1", event(1, "web.cart.item_added", "c1", time, cart).as_bytes());
    feeder.flush();
    let due = time + WITHIN_MS + MAX_DELAY_MS;
    let mut breached = None;
    wait_for("the action", Duration::from_millis((due - time + 20_000) as u64), || {
        let messages = stage.read("actions");
        breached = messages
            .into_iter()
            .find(|kept| String::from_utf8_lossy(&kept.value).contains("\"level\":\"breach\""));
        breached.is_some()
    });
    let came = breached.map(|kept| kept.appended_at).expect("it came");
    assert!(came >= due, "it came {} ms before anybody could know", due - came);
    assert!(came < due + SLACK_MS, "it came {} ms late", came - due);
    let actions = Actions::read(&stage).expect("told as promised");
    assert_eq!((actions.len(), actions.count("action.requested"), actions.count("breached")), (1, 1, 1));
    eprintln!("idle: the action came {} ms after it could be known", came - due);
    service.assert_alive();
    service.stop();
}
