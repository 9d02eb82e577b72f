//! One example of every message that goes out or comes in: committed for readers, taken by its schema and its type.

// A test reads and writes files: the bans are for the library.
#![allow(clippy::disallowed_methods)]

mod support;

use cxwatch_event::Reason;
use cxwatch_event::messages::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use support::{Schemas, folder};

const NOON: i64 = 1_795_521_600_000;
const ACTION: &str = "0f6a1c5e9b3d47288a51c2e7d4f60b93";
const SOURCE: &str = "/cxwatch/retail-eu";

fn rule(id: &str) -> RuleRef {
    let hash = "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d".into();
    RuleRef { id: id.into(), rulebook: "retail-eu".into(), version: 7, hash }
}

fn about() -> EventKey {
    EventKey { source: "/shop".into(), id: "e-17".into(), sub: 0 }
}

fn evidence(kind: &str, offset: i64, minutes: i64) -> Evidence {
    Evidence {
        feed: "web".into(),
        partition: 3,
        offset,
        sub: 0,
        event_id: format!("e-{offset}"),
        kind: kind.into(),
        time: Rfc3339(NOON + minutes * 60_000),
    }
}

fn clock() -> ClockState {
    let feed = |feed: &str, watermark, health, unwatched| FeedState {
        feed: feed.into(),
        watermark,
        health,
        unwatched,
    };
    let watermark = Rfc3339(NOON + 1_800_250);
    ClockState {
        instant: Rfc3339(NOON + 1_800_000),
        watermark: Some(watermark),
        feeds: vec![
            feed("social", None, Health::Blind, true),
            feed("transaction", Some(watermark), Health::Seeing, false),
            feed("web", Some(watermark), Health::Seeing, false),
        ],
    }
}

fn measures() -> BTreeMap<String, Decimal> {
    BTreeMap::from([("items".into(), Decimal(2_000_000)), ("value".into(), Decimal(39_980_000))])
}

fn score() -> Score {
    let part = Decimal;
    Score {
        priority: part(9_595_200),
        propensity: part(240_000),
        context: part(1_000_000),
        value: part(39_980_000),
        lever: part(1_000_000),
    }
}

fn route() -> Route {
    Route {
        verb: Verb::Offer,
        by: "person".into(),
        purpose: "service".into(),
        channel: "chat".into(),
        queue: "concierge".into(),
        skills: Some("sales,german".into()),
        priority: 640,
        ttl_s: 300,
        partition: 3,
        contact_id: None,
        conversation_id: None,
        session_id: Some("v-1".into()),
        order_id: None,
        cart_id: Some("k-1".into()),
        post_id: None,
        network: None,
        sentence: "left 2 items worth 39.98 behind".into(),
    }
}

fn requested() -> ActionMessage {
    let why = Why {
        rule: rule("cart-abandonment"),
        key: Some("k-1".into()),
        about: about(),
        severity: 40,
        score: Some(score()),
        alternatives: vec![Alternative {
            action: "reminder_email".into(),
            priority: Some(Decimal(4_100_000)),
            reason: SuppressionReason::LowerPriority,
        }],
        evidence: vec![evidence("web.cart.item_added", 17, 0), evidence("web.page.viewed", 18, 1)],
        events: 2,
        measures: measures(),
        value_at_risk: Some(Decimal(39_980_000)),
        arm: Arm::Treated,
        propensity: Decimal(1_000_000),
        clock: clock(),
        timeline: vec![TimelineEntry { time: Rfc3339(NOON), kind: "web.cart.item_added".into() }],
    };
    let data = ActionData {
        action_id: ACTION.into(),
        revision: 0,
        action: "concierge_chat".into(),
        class: "offer".into(),
        level: Level::Breach,
        cause: None,
        route: route(),
        why: Some(why),
    };
    let time = Rfc3339(NOON + 1_800_000);
    ActionMessage {
        subject: Some("c-1".into()),
        expirytime: Some(Rfc3339(time.0 + 300_000)),
        correlationid: Some("v-1".into()),
        causationid: Some("e-17".into()),
        severitynumber: Some(severity_number(40)),
        recordedtime: Some(Rfc3339(time.0 + 1_204)),
        ..CloudEvent::new(ActionKind::Requested, format!("{ACTION}-0"), SOURCE.into(), time, data)
    }
}

fn revoked() -> ActionMessage {
    let cause = Cause {
        reason: CauseReason::Resolved,
        event: Some(Evidence { feed: "transaction".into(), ..evidence("order.placed", 5, 31) }),
        by_action_id: None,
    };
    let message = requested();
    let data = ActionData { revision: 1, cause: Some(cause), why: None, ..message.data };
    ActionMessage { kind: ActionKind::Revoked, id: format!("{ACTION}-1"), data, ..message }
}

fn suppressed() -> SuppressionMessage {
    let data = SuppressionData {
        action_id: ACTION.into(),
        action: "concierge_chat".into(),
        class: "offer".into(),
        reason: SuppressionReason::Cooldown,
        until: Some(Rfc3339(NOON + 86_400_000)),
        by_action_id: None,
        rule: rule("cart-abandonment"),
        level: Level::Breach,
        key: Some("k-1".into()),
        about: about(),
        score: Some(score()),
        arm: None,
    };
    let id = format!("{ACTION}-cooldown");
    SuppressionMessage {
        subject: Some("c-1".into()),
        ..CloudEvent::new(SuppressionKind::Suppressed, id, SOURCE.into(), Rfc3339(NOON), data)
    }
}

fn dead_letter() -> DeadLetterHeaders {
    DeadLetterHeaders {
        cxwatch_feed: "transaction".into(),
        cxwatch_partition: "3".into(),
        cxwatch_offset: "42".into(),
        cxwatch_reason: Reason::UnknownType,
        cxwatch_place: "/type".into(),
        cxwatch_expected: "no type order.plaecd in the catalogue".into(),
        cxwatch_sub: None,
    }
}

fn outcome() -> OutcomeMessage {
    let data = OutcomeData {
        action_id: ACTION.into(),
        revision: 0,
        partition: Some(3),
        agent_id: Some("a-9".into()),
        reason: None,
        value: Some(Decimal(39_980_000)),
    };
    OutcomeMessage {
        subject: Some("c-1".into()),
        ..CloudEvent::new(OutcomeKind::Saved, "o-1".into(), "/acd".into(), Rfc3339(NOON + 2_400_000), data)
    }
}

fn detected() -> DetectionMessage {
    let data = DetectionData {
        rule: rule("cart-abandonment"),
        level: Level::Breach,
        key: Some("k-1".into()),
        about: about(),
        deadline: Some(Rfc3339(NOON + 1_800_000)),
        severity: 40,
        measures: measures(),
        summary: Some("left 2 items worth 39.98 behind".into()),
        evidence: vec![evidence("web.cart.item_added", 17, 0)],
        events: 1,
        clock: clock(),
    };
    let time = Rfc3339(NOON + 1_800_000);
    DetectionMessage {
        subject: Some("c-1".into()),
        ..CloudEvent::new(DetectionKind::Detected, "d-1".into(), SOURCE.into(), time, data)
    }
}

/// Out of files that are over.
fn detected_at_the_end() -> DetectionMessage {
    let mut message = detected();
    message.data.clock.watermark = None;
    for feed in &mut message.data.clock.feeds {
        (feed.watermark, feed.health) = (None, Health::Ended);
    }
    message
}

fn retracted() -> EndMessage {
    let data = EndData {
        detection_id: "d-1".into(),
        rule: rule("cart-abandonment"),
        level: Level::Breach,
        key: None,
        about: about(),
        detected_at: Rfc3339(NOON + 1_800_000),
        by: Some(Evidence { feed: "transaction".into(), ..evidence("order.placed", 5, 29) }),
    };
    EndMessage {
        subject: Some("c-1".into()),
        ..CloudEvent::new(EndKind::Retracted, "d-1-retracted".into(), SOURCE.into(), Rfc3339(NOON), data)
    }
}

/// The message goes through its schema, through text and back, and is the committed example.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    schema: &str,
    name: &str,
    message: &T,
) {
    let json = serde_json::to_value(message).expect("JSON");
    assert!(Schemas::builtin().valid_by(&format!("{schema}.json"), &json), "{name}: {json:#}");
    let text = serde_json::to_string_pretty(message).expect("JSON") + "\n";
    assert_eq!(serde_json::from_str::<T>(&text).expect(name), *message);
    let path = folder().join(format!("examples/messages/{name}.json"));
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable checkout");
        fs::write(&path, &text).expect("a writable checkout");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, text,
        "{name} (UPDATE_SCHEMAS=1 cargo test -p cxwatch-event --test messages writes it)"
    );
}

#[test]
fn every_message_is_valid_by_its_schema() {
    check("cx.actions.v1", "action.requested", &requested());
    check("cx.actions.v1", "action.revoked", &revoked());
    check("cx.suppressions.v1", "action.suppressed", &suppressed());
    check("cx.dead-letters.v1", "dead_letter.headers", &dead_letter());
    check("cx.outcomes.v1", "outcome.saved", &outcome());
    check("replay.detection", "rule.detected", &detected());
    check("replay.detection", "rule.detected_at_the_end", &detected_at_the_end());
    check("replay.end", "rule.retracted", &retracted());
}

#[test]
fn a_route_is_a_flat_map_of_strings_and_integers_under_2_kb() {
    let json = serde_json::to_value(route()).expect("JSON");
    assert!(json.to_string().len() < 2_048);
    assert!(json.as_object().expect("a map").values().all(|v| v.is_string() || v.is_u64()), "{json}");
}

/// Type and schema agree on what is no outcome.
#[test]
fn broken_outcomes_are_refused_by_type_and_schema() {
    let good = serde_json::to_value(outcome()).expect("JSON");
    let schemas = Schemas::builtin();
    let changes: [(&str, Value); 8] = [
        ("/specversion", json!("0.3")),
        ("/type", json!("outcome.forgotten")),
        ("/time", json!("yesterday")),
        ("/id", json!(null)),
        ("/data", json!([])),
        ("/data/action_id", json!(7)),
        ("/data/revision", json!(-1)),
        ("/data/value", json!("much")),
    ];
    for (place, value) in changes {
        let mut outcome = good.clone();
        *outcome.pointer_mut(place).expect(place) = value;
        assert!(serde_json::from_value::<OutcomeMessage>(outcome.clone()).is_err(), "{place}");
        assert!(!schemas.valid_by("cx.outcomes.v1.json", &outcome), "{place}");
    }
}
