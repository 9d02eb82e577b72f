//! The committed schemas are those that the types give, and whatever the decoder takes or refuses, they do too.

// A test reads and writes files: the bans are for the library.
#![allow(clippy::disallowed_methods)]

mod support;

use cxwatch_event::{Catalogue, Field, FieldType, TypeSpec, schema};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use support::{Schemas, decode, folder, home, names};

#[test]
fn committed_schemas_are_those_of_the_types() {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let mut stale = Vec::new();
    let mut written = BTreeSet::new();
    for (name, schema) in schema::files(&Catalogue::builtin()) {
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        let path = folder().join(&name);
        if update {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a writable checkout");
            fs::write(&path, &text).expect("a writable checkout");
        }
        if fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            stale.push(name.clone());
        }
        written.insert(name);
    }
    let events = names("events").into_iter().map(|name| format!("events/{name}.json"));
    stale.extend(events.filter(|name| !written.contains(name)));
    assert!(
        stale.is_empty(),
        "not what the types give: {stale:?}\nremove what has no type, and write the others again by \
         UPDATE_SCHEMAS=1 cargo test -p cxwatch-event --test schemas"
    );
}

#[test]
fn every_schema_is_draft_07_and_marks_what_is_personal() {
    let mut personal = BTreeMap::<&str, usize>::new();
    for (name, schema) in schema::files(&Catalogue::builtin()) {
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{name}");
        assert!(jsonschema::draft7::meta::is_valid(&schema), "{name}");
        let text = schema.to_string();
        for mark in ["pseudonym", "text"] {
            *personal.entry(mark).or_default() += text.matches(&format!(r#""x-personal":"{mark}""#)).count();
        }
    }
    assert!(personal.values().all(|count| *count > 10), "{personal:?}");
    let catalogue = Catalogue::builtin();
    let search = catalogue.spec(catalogue.id("web.search.performed").expect("built in"));
    assert_eq!(schema::of_type(search)["properties"]["data"]["properties"]["query"]["x-personal"], "text");
}

/// An event with every field of its type.
fn full(spec: &TypeSpec) -> Value {
    let value = |kind| match kind {
        FieldType::Text => json!("x"),
        FieldType::Number => json!(1.25),
        FieldType::Integer => json!(7),
        FieldType::Bool => json!(true),
        FieldType::Time => json!("2026-11-24T12:00:00.5+01:00"),
        FieldType::ActionId => json!("0f6a1c5e9b3d47288a51c2e7d4f60b93"),
    };
    let field = |f: &Field| f.one_of.first().map_or_else(|| value(f.kind), |v| json!(v));
    let mut data = json!({});
    for f in &spec.fields {
        let mut at = &mut data;
        for part in f.name.split('.') {
            at = at.as_object_mut().expect("an object").entry(part).or_insert_with(|| json!({}));
        }
        *at = field(f);
    }
    json!({
        "specversion": "1.0", "id": "e1", "source": "/shop", "type": spec.name, "subject": "c1",
        "time": "2026-11-24T12:00:00Z", "data": data,
    })
}

/// What a value may be changed into, nearly right and quite wrong; `None`: it is left out.
fn instead() -> Vec<Option<Value>> {
    let words = ["", "x", "1.0", "voice", "nps", "agent", "negative"].into_iter();
    let times =
        ["2026-11-24T12:00:00Z", "2026-11-24T12:00:60Z", "2026-02-29T12:00:00Z", "1969-01-01T00:00:00Z"];
    let others =
        [json!(null), json!(0), json!(-1), json!(1.5), json!(3.0), json!(9.2e12), json!(9.3e12), json!(true)];
    let nested = [json!([]), json!({}), json!([{}])];
    words.chain(times).map(|t| json!(t)).chain(others).chain(nested).map(Some).chain([None]).collect()
}

#[test]
fn decoder_and_schema_agree_on_every_field_of_every_type() {
    let (schemas, catalogue) = (Schemas::builtin(), Catalogue::builtin());
    let (mut taken, mut refused) = (0, 0);
    for (_, spec) in catalogue.types() {
        let event = full(spec);
        let attributes = ["specversion", "id", "source", "subject", "time", "data", "data_base64", "other"];
        let mut fields = BTreeSet::from(["/data/other".to_owned(), "/data/consent.email.service".to_owned()]);
        for f in &spec.fields {
            let mut place = "/data".to_owned();
            for part in f.name.split('.') {
                place = format!("{place}/{part}");
                fields.insert(place.clone());
            }
        }
        for place in attributes.map(|a| format!("/{a}")).into_iter().chain(fields) {
            for value in instead() {
                let mut event = event.clone();
                let (parent, name) = place.rsplit_once('/').expect("a pointer");
                let parent = event.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
                match &value {
                    Some(value) => parent.insert(name.into(), value.clone()),
                    None => parent.remove(name),
                };
                let fate = decode(event.to_string().as_bytes(), home(&catalogue, &event), None);
                let valid = schemas.valid(&event);
                assert_eq!(fate.is_ok(), valid, "{}: {place} = {value:?}: {fate:?}", spec.name);
                *if valid { &mut taken } else { &mut refused } += 1;
            }
        }
    }
    assert!(taken > 2_000 && refused > 5_000, "{taken} taken, {refused} refused");
}
