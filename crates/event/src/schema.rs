//! The JSON Schemas (draft-07) of everything on the wire, generated from the catalogue and the message types.
//!
//! Draft-07, because AsyncAPI's parser knows no later one. `x-personal` says how personal a value is: `pseudonym`
//! or `text`; without the mark it says nothing about a person.

use crate::decode::ATTRIBUTE_BYTES_MAX;
use crate::messages::{
    ActionMessage, DeadLetterHeaders, DetectionMessage, EndMessage, OutcomeMessage, SuppressionMessage,
};
use crate::{Catalogue, Field, FieldType, Privacy, TypeSpec, builtin, rfc3339};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Draft-07's own name.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Every schema with the name of its file below `schemas/`, in the order of names.
pub fn files(catalogue: &Catalogue) -> Vec<(String, Value)> {
    let events = catalogue.types().map(|(_, spec)| (format!("events/{}.json", spec.name), of_type(spec)));
    let mut files: Vec<_> = events.chain(messages()).collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

fn messages() -> [(String, Value); 6] {
    [
        of_message::<ActionMessage>("cx.actions.v1", "What the routing system is asked to do."),
        of_message::<SuppressionMessage>("cx.suppressions.v1", "A candidate that led to no action."),
        of_message::<DeadLetterHeaders>(
            "cx.dead-letters.v1",
            "The headers of a record, or one event of it, that was refused; key and value are as they came.",
        ),
        of_message::<OutcomeMessage>("cx.outcomes.v1", "What became of an action."),
        of_message::<DetectionMessage>("replay.detection", "A rule holds for a customer."),
        of_message::<EndMessage>("replay.end", "A detection that never held, or whose need to act is over."),
    ]
}

fn of_message<T: JsonSchema>(name: &str, about: &str) -> (String, Value) {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), name.into());
    schema.insert("description".into(), about.into());
    (format!("{name}.json"), schema.to_value())
}

/// The schema of an event of one type, in structured mode.
pub fn of_type(spec: &TypeSpec) -> Value {
    let has_customer = spec.name != builtin::HEARTBEAT;
    let data_required: Vec<&str> =
        spec.fields.iter().filter(|f| f.required).map(|f| f.name.as_str()).collect();
    let mut required = vec!["specversion", "id", "source", "type", "time"];
    required.extend(has_customer.then_some("subject"));
    required.extend((!data_required.is_empty()).then_some("data"));
    let mut fields = Map::new();
    spec.fields.iter().for_each(|field| insert(&mut fields, &field.name, field));
    let mut data = json!({ "type": nullable("object", !data_required.is_empty()), "properties": fields });
    if !data_required.is_empty() {
        data["required"] = json!(data_required);
    }
    let mut schema = json!({
        "$schema": DRAFT,
        "title": spec.name,
        "description": spec.about,
        "type": "object",
        "required": required,
        "properties": {
            "specversion": { "const": "1.0" },
            "id": attribute("Identifies the event together with `source`.", true, Privacy::Pseudonym),
            "source": attribute("Who says it.", true, Privacy::None),
            "type": { "const": spec.name },
            "subject": attribute("The customer; equals the record's key.", has_customer, Privacy::Pseudonym),
            "time": time("When it happened.", true),
            "data": data,
            "data_base64": { "type": "null", "description": "Not read: the data is a JSON object in `data`." },
        },
    });
    if let Some(feed) = &spec.feed {
        schema["x-feed"] = json!(feed);
    }
    schema
}

/// Puts a field where its name leads, through nested objects.
fn insert(properties: &mut Map<String, Value>, name: &str, field: &Field) {
    let Some((object, rest)) = name.split_once('.') else {
        properties.insert(name.into(), of_field(field));
        return;
    };
    let object = properties
        .entry(object)
        .or_insert_with(|| json!({ "type": nullable("object", false), "properties": {} }));
    let inside = object["properties"].as_object_mut().expect("no object is a field too");
    insert(inside, rest, field);
}

fn attribute(about: &str, required: bool, privacy: Privacy) -> Value {
    let mut schema = json!({ "type": nullable("string", required), "description": about });
    if required {
        schema["minLength"] = json!(1);
        schema["maxLength"] = json!(ATTRIBUTE_BYTES_MAX);
    }
    marked(schema, privacy)
}

fn time(about: &str, required: bool) -> Value {
    json!({
        "type": nullable("string", required),
        "format": "date-time",
        "pattern": rfc3339::PATTERN,
        "description": about,
    })
}

fn of_field(field: &Field) -> Value {
    let kind = |name| nullable(name, field.required);
    let schema = match field.kind {
        FieldType::Text => json!({ "type": kind("string"), "description": field.about }),
        FieldType::Number => number(kind("number"), field),
        FieldType::Integer => number(kind("integer"), field),
        FieldType::Bool => json!({ "type": kind("boolean"), "description": field.about }),
        FieldType::Time => time(&field.about, field.required),
        FieldType::ActionId => {
            json!({ "type": kind("string"), "pattern": "^[0-9a-f]{32}$", "description": field.about })
        }
    };
    let mut schema = marked(schema, field.privacy);
    if !field.one_of.is_empty() {
        let null = (!field.required).then_some(Value::Null);
        schema["enum"] = field.one_of.iter().map(|v| json!(v)).chain(null).collect();
    }
    schema
}

fn number(kind: Value, field: &Field) -> Value {
    json!({ "type": kind, "minimum": -9.2e12, "maximum": 9.2e12, "description": field.about })
}

/// `null` stands for absence, so it is allowed where absence is.
fn nullable(kind: &str, required: bool) -> Value {
    if required { json!(kind) } else { json!([kind, "null"]) }
}

fn marked(mut schema: Value, privacy: Privacy) -> Value {
    match privacy {
        Privacy::None => {}
        Privacy::Pseudonym => schema["x-personal"] = json!("pseudonym"),
        Privacy::Text => schema["x-personal"] = json!("text"),
    }
    schema
}
