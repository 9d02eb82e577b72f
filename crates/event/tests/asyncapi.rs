//! The committed AsyncAPI document is the one that the types give, and says what the catalogue and the schemas say.

// A test reads and writes files: the bans are for the library.
#![allow(clippy::disallowed_methods)]

mod support;

use cxwatch_event::{Catalogue, asyncapi, builtin, schema};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use support::folder;

#[test]
fn the_committed_document_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&asyncapi::document(&Catalogue::builtin())).expect("JSON") + "\n";
    let path = folder().join("asyncapi.json");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).expect("a writable checkout");
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        text,
        "UPDATE_SCHEMAS=1 cargo test -p cxwatch-event --test asyncapi writes it"
    );
}

/// All `$ref`s below a value.
fn refs(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| refs(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| refs(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_of_a_topic_is_referred_to() {
    let document = asyncapi::document(&Catalogue::builtin());
    let mut found = BTreeSet::new();
    refs(&document, &mut found);
    let mut files = BTreeSet::new();
    for target in found {
        match target.strip_prefix('#') {
            // Names with a slash would have to be escaped; there are none.
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{target} leads nowhere"),
            None => drop(files.insert(target.trim_start_matches("./").to_owned())),
        }
    }
    let schemas = schema::files(&Catalogue::builtin()).into_iter().map(|(name, _)| name);
    // A schema of outcomes that is told apart by type is not needed as a whole.
    let by_type = files.contains("events/outcome.saved.json");
    let of_topics = schemas.filter(|name| !name.starts_with("replay."));
    let of_topics = of_topics.filter(|name| !(by_type && name == "cx.outcomes.v1.json"));
    assert_eq!(files, of_topics.collect(), "left: referred to, right: schemas of topics");
}

#[test]
fn each_type_is_a_message_of_its_feed_alone() {
    let catalogue = Catalogue::builtin();
    let document = asyncapi::document(&catalogue);
    let mut channels_of = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (channel, content) in document["channels"].as_object().expect("channels") {
        for kind in content["messages"].as_object().expect("messages").keys() {
            channels_of.entry(kind).or_default().insert(channel);
        }
        let does = if content["address"].as_str().is_some_and(|topic| topic.starts_with("cx.a")) {
            "send"
        } else {
            "receive"
        };
        if ["actions", "web"].contains(&channel.as_str()) {
            assert_eq!(document["operations"][format!("{does}.{channel}")]["action"], does);
        }
    }
    for (_, spec) in catalogue.types().filter(|(_, spec)| spec.name != builtin::HEARTBEAT) {
        let home = BTreeSet::from([spec.feed.as_deref().expect("a feed")]);
        assert_eq!(channels_of[spec.name.as_str()], home, "{}", spec.name);
    }
    let feeds = document["channels"].as_object().expect("channels").len() - 4;
    assert!(channels_of[builtin::HEARTBEAT].len() >= feeds - 1);
    assert_eq!(document["channels"]["actions"]["address"], "cx.actions.v1");
    assert_eq!(document["channels"]["outcomes"]["address"], "cx.outcomes.v1");
    let control = &document["channels"]["control"];
    assert_eq!(control["address"], "cx.control.v1");
    assert_eq!(document["operations"]["receive.control"]["action"], "receive");
    let order = &document["components"]["messages"]["requests.paused"]["payload"]["properties"];
    let fields: Vec<&String> = order.as_object().expect("an object's fields").keys().collect();
    // As `cxwatch pause` writes them.
    assert_eq!(fields, ["at", "paused", "reason"]);
    let kinds = document["channels"]["actions"]["messages"].as_object().expect("messages").keys();
    assert_eq!(
        json!(kinds.collect::<Vec<_>>()),
        json!(["action.expired", "action.requested", "action.revoked", "action.updated"])
    );
}
