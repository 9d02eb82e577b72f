//! Records that cannot be understood.

use crate::client::Feeder;
use crate::lives::{RULES, event};
use crate::oracle::Actions;
use crate::stage::{Stage, broker, now, wait_for};
use std::collections::BTreeMap;
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;

#[test]
fn bad_records_are_put_aside_with_their_reason_and_the_rest_goes_on() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new("dead", broker.bootstrap(), RULES);
    stage.make_topics();
    let mut service = stage.start_alone("a");
    let (feeder, time) = (Feeder::new(stage.bootstrap()), now());
    let stars = r#""review_id":"r","stars":1"#;
    let good = |number: u64, customer: &str| {
        feeder.send(
            &stage.topic("social"),
            customer,
            event(number, "review.posted", customer, time, stars).as_bytes(),
        );
    };
    let review = |kind: &str, customer: &str, time: i64, data: &str| event(9, kind, customer, time, data);
    let bad: Vec<(&str, &str, String, &str)> = vec![
        ("social", "c1", "{\"specversion\":".into(), "malformed"),
        ("social", "c1", "\u{0}\u{1}".into(), "malformed"),
        ("social", "c2", review("review.posted", "c2", time, "\"stars\":1"), "missing_field"),
        (
            "social",
            "c2",
            review("review.posted", "c2", time, "\"review_id\":\"r\",\"stars\":\"one\""),
            "wrong_type",
        ),
        ("social", "c3", review("review.invented", "c3", time, stars), "unknown_type"),
        ("web", "c3", review("review.posted", "c3", time, stars), "wrong_feed"),
        ("social", "c4", review("review.posted", "c5", time, stars), "wrong_key"),
        ("social", "c5", review("review.posted", "c5", time + HOUR_MS, stars), "time_in_future"),
        ("social", "c6", review("review.posted", "c6", time, stars).replace("T", "-"), "bad_time"),
        // Others of the feed have moved its clock.
        ("social", "c7", review("review.posted", "c7", time - HOUR_MS, stars), "too_late"),
    ];
    (1..=20).for_each(|number| good(number, &format!("good{number}")));
    feeder.flush();
    wait_for("good ones", Duration::from_secs(30), || stage.read("actions").len() == 20);
    for (feed, key, value, _) in &bad {
        feeder.send(&stage.topic(feed), key, value.as_bytes());
    }
    (21..=40).for_each(|number| good(number, &format!("good{number}")));
    feeder.flush();
    wait_for("good ones after bad ones", Duration::from_secs(30), || stage.read("actions").len() == 40);
    wait_for("dead letters", Duration::from_secs(30), || stage.read("dead-letters").len() == bad.len());
    let mut found = BTreeMap::new();
    for kept in stage.read("dead-letters") {
        let headers: BTreeMap<String, String> = kept
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into()))
            .collect();
        let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
        assert_eq!(
            header("cxwatch_partition"),
            kept.partition.to_string(),
            "in its own partition: {headers:?}"
        );
        let bytes = String::from_utf8_lossy(&kept.value).into_owned();
        found.insert((header("cxwatch_feed"), bytes), header("cxwatch_reason"));
    }
    let right = bad
        .iter()
        .map(|(feed, _, value, reason)| (((*feed).to_owned(), value.clone()), (*reason).to_owned()));
    assert_eq!(found, right.collect::<BTreeMap<_, _>>());
    let actions = Actions::read(&stage).expect("told as promised");
    assert_eq!((actions.len(), actions.count("action.requested")), (40, 40));
    service.assert_alive();
    service.stop();
}
