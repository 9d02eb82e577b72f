//! Every committed example goes through the decoder and through a JSON Schema validator, and both agree.

// A test reads files: the bans are for the library.
#![allow(clippy::disallowed_methods)]

mod support;

use cxwatch_event::{Catalogue, Reason};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use support::{Schemas, decode, folder, home, names};

/// Where each invalid example is wrong.
const PLACES: &[(&str, &str)] = &[
    ("malformed.empty", "byte 0"),
    ("malformed.truncated", "byte 157"),
    ("malformed.trailing_text", "byte 158"),
    ("malformed.trailing_comma", "byte 157"),
    ("malformed.no_object", "byte 0"),
    ("malformed.csv_row", "byte 0"),
    ("malformed.single_quotes", "byte 1"),
    ("malformed.comment", "byte 0"),
    ("malformed.not_a_number", "byte 166"),
    ("malformed.leading_zero", "byte 166"),
    ("malformed.lone_surrogate", "byte 172"),
    ("malformed.control_character", "byte 153"),
    ("malformed.unknown_escape", "byte 154"),
    ("malformed.byte_order_mark", "byte 0"),
    ("malformed.field_twice", "/data/order_id"),
    ("malformed.attribute_twice", "/id"),
    ("malformed.object_twice", "/data/consent"),
    ("malformed.nested_too_deep", "byte 224"),
    ("missing_field.specversion", "/specversion"),
    ("missing_field.type", "/type"),
    ("missing_field.id", "/id"),
    ("missing_field.id_null", "/id"),
    ("missing_field.id_empty", "/id"),
    ("missing_field.source", "/source"),
    ("missing_field.subject", "/subject"),
    ("missing_field.time", "/time"),
    ("missing_field.data", "/data"),
    ("missing_field.data_null", "/data"),
    ("missing_field.order_id", "/data/order_id"),
    ("missing_field.order_id_null", "/data/order_id"),
    ("missing_field.channel", "/data/channel"),
    ("missing_field.action_id", "/data/action_id"),
    ("missing_field.heartbeat_time", "/time"),
    ("wrong_type.specversion", "/specversion"),
    ("wrong_type.specversion_number", "/specversion"),
    ("wrong_type.subject_number", "/subject"),
    ("wrong_type.source_too_long", "/source"),
    ("wrong_type.time_number", "/time"),
    ("wrong_type.data_array", "/data"),
    ("wrong_type.data_string", "/data"),
    ("wrong_type.data_base64", "/data_base64"),
    ("wrong_type.text_number", "/data/order_id"),
    ("wrong_type.number_text", "/data/value"),
    ("wrong_type.number_too_large", "/data/value"),
    ("wrong_type.integer_fraction", "/data/load_ms"),
    ("wrong_type.bool_text", "/data/on_ad"),
    ("wrong_type.channel", "/data/channel"),
    ("wrong_type.nested_not_object", "/data/consent/email"),
    ("wrong_type.nested_field", "/data/consent/email/service"),
    ("wrong_type.action_id", "/data/action_id"),
    ("wrong_type.time_field_number", "/data/promised_at"),
    ("unknown_type.misspelt", "/type"),
    ("unknown_type.upper_case", "/type"),
    ("wrong_feed.order_on_web", "/type"),
    ("wrong_key.another_customer", "/subject"),
    ("bad_time.no_offset", "/time"),
    ("bad_time.date_only", "/time"),
    ("bad_time.blank_between", "/time"),
    ("bad_time.no_such_day", "/time"),
    ("bad_time.leap_second", "/time"),
    ("bad_time.before_1970", "/time"),
    ("bad_time.field", "/data/promised_at"),
    ("bad_time.field_hour_24", "/data/promised_at"),
    ("too_large.record", "value"),
];

/// What no JSON Schema can say of a single message: the validator takes these.
const BEYOND_JSON_SCHEMA: &[(&str, &str)] = &[
    ("malformed.field_twice", "a parser keeps the last of two"),
    ("malformed.attribute_twice", "a parser keeps the last of two"),
    ("malformed.object_twice", "a parser keeps the last of two"),
    ("malformed.nested_too_deep", "a schema does not count depth"),
    ("wrong_feed.order_on_web", "the feed is not in the message"),
    ("wrong_key.another_customer", "the key is not in the message"),
    ("too_large.record", "a schema does not count bytes"),
];

/// The reasons that a decoder cannot give: they need a clock, or the record's partition.
const BY_OTHERS: [Reason; 3] = [Reason::TimeInFuture, Reason::TooLate, Reason::WrongPartition];

#[test]
fn valid_examples_are_taken_by_both() {
    let (schemas, catalogue) = (Schemas::builtin(), Catalogue::builtin());
    let examples = names("examples/valid");
    assert!(examples.len() >= 20);
    for name in examples {
        let bytes =
            fs::read(folder().join(format!("examples/valid/{name}.json"))).expect("a readable example");
        let event: Value = serde_json::from_slice(&bytes).expect(&name);
        let record = decode(&bytes, home(&catalogue, &event), event["subject"].as_str()).expect(&name);
        assert_eq!(record.times.len(), 1, "{name}");
        assert_eq!(record.events.len(), usize::from(event["type"] != "feed.heartbeat"), "{name}");
        assert!(schemas.valid(&event), "{name}");
    }
}

#[test]
fn invalid_examples_are_refused_by_both() {
    let (schemas, catalogue) = (Schemas::builtin(), Catalogue::builtin());
    let listed: BTreeSet<String> = PLACES.iter().map(|(name, _)| (*name).to_string()).collect();
    assert_eq!(names("examples/invalid"), listed, "every example is listed, and the other way round");
    for (name, place) in PLACES {
        let bytes =
            fs::read(folder().join(format!("examples/invalid/{name}.json"))).expect("a readable example");
        let event = serde_json::from_slice::<Value>(&bytes).ok();
        let feed = match (*name, &event) {
            ("wrong_feed.order_on_web", _) => "web",
            (_, Some(event)) if event.is_object() => home(&catalogue, event),
            _ => "transaction",
        };
        let key = (*name == "wrong_key.another_customer").then_some("c-2");
        let rejection = decode(&bytes, feed, key).expect_err(name);
        let (reason, _) = name.split_once('.').expect("a reason and a name");
        assert_eq!(
            (rejection.reason.name(), rejection.place.as_str()),
            (reason, *place),
            "{name}: {rejection}"
        );
        let beyond = BEYOND_JSON_SCHEMA.iter().any(|(listed, _)| listed == name);
        let valid = event.is_some_and(|event| schemas.valid(&event));
        assert_eq!(valid, beyond, "{name}");
    }
}

#[test]
fn every_reason_of_the_decoder_has_an_example() {
    let shown: BTreeSet<&str> = PLACES.iter().filter_map(|(name, _)| Some(name.split_once('.')?.0)).collect();
    let expected = Reason::ALL.into_iter().filter(|r| !BY_OTHERS.contains(r)).map(Reason::name).collect();
    assert_eq!(shown, expected);
}
