//! The JSON Schema of a rulebook, for editors: they complete keys and event types and mark what is misspelt.
//!
//! It says what can stand where, not what fits together: that is the compiler's part.

mod extending;

use crate::yaml::{DURATION_PATTERN, SPAN_PATTERN};
use cxwatch_event::{Catalogue, builtin};
use serde_json::{Map, Value, json};

/// The schema (draft 7).
pub fn rulebook_schema() -> Value {
    let mut schema = strict(
        "A rulebook: what to notice in customers' journeys, and what to do about it.",
        &["rulebook", "version"],
        json!({
            "extends": { "type": "string", "description": "The rulebook that this one builds on: a pack (`starter`), or a file beside it." },
            "rulebook": { "$ref": "#/definitions/id", "description": "Its name; part of every action's id." },
            "version": { "type": "integer", "minimum": 1, "description": "Counted up with every change." },
            "about": { "type": "string" },
            "types": { "type": "object", "description": "Event types of your own.", "additionalProperties": { "$ref": "#/definitions/type" } },
            "customer": { "$ref": "#/definitions/customer" },
            "policy": { "$ref": "#/definitions/policy" },
            "calendars": { "type": "object" },
            "rules": { "type": "array" },
            "actions": { "type": "object" },
        }),
    );
    let top = schema.as_object_mut().expect("built as an object");
    top.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    top.insert("title".to_owned(), json!("cxwatch rulebook"));
    let mut all = definitions();
    extending::add(&mut all);
    top.insert("definitions".to_owned(), Value::Object(all));
    top.extend(extending::sections());
    schema
}

fn definitions() -> Map<String, Value> {
    let mut all = basics();
    all.extend(selecting());
    all.extend(valued());
    let (own_type, customer) = own_fields();
    all.insert("type".to_owned(), own_type);
    all.insert("customer".to_owned(), customer);
    all.insert("policy".to_owned(), policy());
    all.insert("calendar".to_owned(), calendar());
    all.insert("action".to_owned(), action());
    all.insert("rule".to_owned(), rule());
    all
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("written as an object"),
    }
}

fn strict(about: &str, required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "description": about,
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn one_or_more(item: &str) -> Value {
    json!({ "anyOf": [{ "$ref": item }, { "type": "array", "items": { "$ref": item } }] })
}

fn basics() -> Map<String, Value> {
    object(json!({
        "id": { "type": "string", "pattern": "^[a-z][a-z0-9-]*$", "maxLength": 80 },
        "duration": { "type": "string", "pattern": DURATION_PATTERN, "description": "A number and a unit: ms, s, m, h, d (24 hours) or w." },
        "span": { "type": "string", "pattern": SPAN_PATTERN, "description": "A duration, or business days: 3bd." },
        "share": { "type": "string", "pattern": r"^[0-9]+(\.[0-9])?%$" },
        "holdout": {
            "description": "The share of winners that get nothing, so that the effect can be proved: at most a half.",
            "anyOf": [{ "type": "number", "minimum": 0, "maximum": 0.5 }, { "$ref": "#/definitions/share" }],
        },
        "factor": { "type": "number", "exclusiveMinimum": 0, "maximum": 1000 },
        "words": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
        "scalar": { "type": ["string", "number", "boolean"] },
        "field": {
            "type": "string",
            "description": "A field of the event (data.<name>, channel, feed, type, source, id, time), of a detection (measures.<name>, severity, key, rule) or of the customer (customer.<name>).",
        },
    }))
}

fn selecting() -> Map<String, Value> {
    let catalogue = Catalogue::builtin();
    let names = catalogue.types().map(|(_, t)| t.name.as_str());
    let names: Vec<&str> = names.filter(|n| ![builtin::HEARTBEAT, builtin::PROFILE].contains(n)).collect();
    let name = json!({
        "description": "An event type, a pattern like web.*, or rule:<id> for the detections of a rule.",
        "anyOf": [
            { "enum": names },
            { "type": "string", "pattern": r"^(rule:[a-z][a-z0-9-]*(\.warning)?|[a-z0-9_.*-]*[.*][a-z0-9_.*-]*)$" },
        ],
    });
    let selection = json!({
        "event": one_or_more("#/definitions/event"),
        "rule": { "$ref": "#/definitions/words", "description": "Detections of these rules." },
        "where": { "$ref": "#/definitions/condition" },
    });
    let mut guard = object(selection.clone());
    guard.insert("within".to_owned(), json!({ "$ref": "#/definitions/duration" }));
    let mut weight = object(selection.clone());
    weight.insert("points".to_owned(), json!({ "type": "number" }));
    let mut success = guard.clone();
    success.remove("rule");
    let state = json!({ "after": { "$ref": "#/definitions/selector" }, "until": { "$ref": "#/definitions/selector" } });
    object(json!({
        "event": name,
        "selection": strict("Events, and where.", &[], selection),
        "item": { "anyOf": [{ "$ref": "#/definitions/event" }, { "$ref": "#/definitions/selection" }] },
        "selector": one_or_more("#/definitions/item"),
        "unless_seen": strict("Blocks while such an event was seen within this time before.", &["within"], Value::Object(guard)),
        "success": strict("Shows that the customer was saved, so long after the detection.", &["event", "within"], Value::Object(success)),
        "while": strict("Blocks unless the newest of the two is an `after`.", &["after", "until"], state),
        "weight": strict("Points that an event or a detection adds or removes.", &["points"], Value::Object(weight)),
        "condition": {
            "type": "object",
            "description": "Fields and what they must be; all of them must hold.",
            "minProperties": 1,
            "properties": {
                "all": { "type": "array", "items": { "$ref": "#/definitions/condition" } },
                "any": { "type": "array", "items": { "$ref": "#/definitions/condition" } },
                "not": { "$ref": "#/definitions/condition" },
            },
            "additionalProperties": { "$ref": "#/definitions/comparison" },
        },
        "comparison": {
            "anyOf": [
                { "$ref": "#/definitions/scalar" },
                { "type": "array", "items": { "$ref": "#/definitions/scalar" }, "minItems": 1 },
                strict("Comparisons; all of them must hold.", &[], json!({
                    "is": { "$ref": "#/definitions/scalar" },
                    "is_not": { "$ref": "#/definitions/scalar" },
                    "in": { "type": "array", "items": { "$ref": "#/definitions/scalar" } },
                    "not_in": { "type": "array", "items": { "$ref": "#/definitions/scalar" } },
                    "over": { "type": ["number", "string"] },
                    "at_least": { "type": ["number", "string"] },
                    "under": { "type": ["number", "string"] },
                    "at_most": { "type": ["number", "string"] },
                    "exists": { "type": "boolean" },
                    "starts_with": { "type": "string" },
                    "contains": { "type": "string" },
                })),
            ],
        },
    }))
}

/// Values that may be tables.
fn valued() -> Map<String, Value> {
    let table = |value: Value| {
        json!({
            "anyOf": [value, {
                "type": "object",
                "description": "By the value of a field.",
                "required": ["by", "default"],
                "properties": { "by": { "$ref": "#/definitions/field" }, "default": value },
                "additionalProperties": value,
            }],
        })
    };
    let severity = table(json!({ "type": "integer", "minimum": 0, "maximum": 100 }));
    object(json!({
        "spans": table(json!({ "$ref": "#/definitions/span" })),
        "counts": table(json!({ "type": "integer", "minimum": 1, "maximum": 1000 })),
        "thresholds": table(json!({ "type": "number", "exclusiveMinimum": 0 })),
        "severity": {
            "anyOf": [severity, {
                "type": "array",
                "description": "The first case that holds.",
                "items": strict("A case; the last one has no `when`.", &["is"], json!({
                    "when": { "$ref": "#/definitions/condition" },
                    "is": severity,
                })),
            }],
        },
        "measure": strict("What is added up.", &[], json!({
            "sum": { "$ref": "#/definitions/words", "description": "A field, or a list of fields whose product is added." },
            "count": { "const": true },
            "min": { "$ref": "#/definitions/field" },
            "max": { "$ref": "#/definitions/field" },
            "last": { "$ref": "#/definitions/field" },
            "minus": { "$ref": "#/definitions/selector", "description": "Events that subtract." },
        })),
    }))
}

fn own_fields() -> (Value, Value) {
    let kinds = json!({ "enum": ["text", "number", "integer", "bool", "time"] });
    let field = strict(
        "A field.",
        &["type"],
        json!({
            "type": kinds,
            "required": { "type": "boolean" },
            "personal": { "enum": ["none", "pseudonym", "text"] },
            "one_of": { "type": "array", "items": { "type": "string" } },
            "about": { "type": "string" },
        }),
    );
    let fields = json!({ "type": "object", "additionalProperties": { "anyOf": [kinds, field] } });
    let own_type = strict(
        "An event type of your own, or more fields for a built-in one.",
        &[],
        json!({ "feed": { "type": "string" }, "about": { "type": "string" }, "fields": fields }),
    );
    let customer = strict("What profiles have beyond the usual.", &[], json!({ "attributes": fields }));
    (own_type, customer)
}

fn policy() -> Value {
    let clock = json!({ "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$" });
    let quiet = strict(
        "When customers are left alone, in their own zone.",
        &["from", "until"],
        json!({ "from": clock, "until": clock, "channels": { "$ref": "#/definitions/words" } }),
    );
    let cap = strict(
        "How often customers are approached.",
        &["at_most", "within"],
        json!({
            "channel": { "type": "string" },
            "by": { "enum": ["person", "machine"] },
            "at_most": { "type": "integer", "minimum": 1 },
            "within": { "$ref": "#/definitions/duration" },
        }),
    );
    strict(
        "What holds for all actions.",
        &[],
        json!({
            "zone": { "type": "string", "description": "A zone of the IANA database, of customers whose profile names none." },
            "quiet_hours": quiet,
            "caps": { "type": "array", "items": cap },
            "brake": { "type": "integer", "minimum": 1, "description": "Requests per minute, of all rules." },
            "holdout": { "$ref": "#/definitions/holdout" },
            "declined_for": { "$ref": "#/definitions/duration" },
            "timeline": { "type": "integer", "minimum": 0, "maximum": 50 },
        }),
    )
}

fn calendar() -> Value {
    let day = "(mon|tue|wed|thu|fri|sat|sun)";
    let range = json!({ "type": "string", "pattern": "^[0-9]{2}:[0-9]{2} *- *[0-9]{2}:[0-9]{2}$" });
    let hours = json!({ "anyOf": [{ "enum": ["24h", "closed"] }, range, { "type": "array", "items": range, "minItems": 1 }] });
    let date = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
    strict(
        "Opening hours.",
        &["zone", "open"],
        json!({
            "zone": { "type": "string", "description": "A zone of the IANA database, such as Europe/Berlin." },
            "about": { "type": "string" },
            "open": { "type": "object", "patternProperties": { (format!("^{day}(-{day})?$")): hours }, "additionalProperties": false },
            "holidays": { "type": "array", "items": { "type": "string", "pattern": date } },
            "special": { "type": "object", "patternProperties": { date: hours }, "additionalProperties": false },
        }),
    )
}

fn action() -> Value {
    strict(
        "What a rule may propose.",
        &["class"],
        json!({
            "class": {
                "enum": ["offer", "reply", "raise", "internal"],
                "description": "offer: we approach the customer; reply: the customer said something; raise: a waiting contact gets ahead; internal: a task for staff.",
            },
            "about": { "type": "string" },
            "by": { "enum": ["person", "machine"] },
            "purpose": { "enum": ["service", "marketing"] },
            "channel": { "type": "string" },
            "queue": { "type": "string" },
            "skills": { "$ref": "#/definitions/words" },
            "hours": { "type": "string", "description": "A calendar: when somebody is there." },
            "ttl": { "$ref": "#/definitions/duration" },
            "when": { "$ref": "#/definitions/condition" },
            "context": {
                "description": "How well it fits now: the first case that holds, else 1.",
                "anyOf": [{ "$ref": "#/definitions/factor" }, { "type": "array", "items": strict("A case.", &["is"], json!({
                    "when": { "$ref": "#/definitions/condition" },
                    "is": { "$ref": "#/definitions/factor" },
                })) }],
            },
            "value": {
                "description": "The value at stake: measures, fields of the customer and numbers, multiplied.",
                "anyOf": [{ "type": ["string", "number"] }, { "type": "array", "items": { "type": ["string", "number"] }, "minItems": 1, "maxItems": 8 }],
            },
            "accept_within": { "$ref": "#/definitions/duration" },
            "exempt": { "type": "boolean", "description": "Makes good for our own failure: caps do not count." },
            "propensity": { "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, { "$ref": "#/definitions/share" }] },
            "lever": { "$ref": "#/definitions/factor" },
        }),
    )
}

fn rule() -> Value {
    let common = json!({
        "id": { "$ref": "#/definitions/id" },
        "about": { "type": "string" },
        "per": { "$ref": "#/definitions/field", "description": "One episode per value of this field; else per customer." },
        "unless_seen": one_or_more("#/definitions/unless_seen"),
        "while": one_or_more("#/definitions/while"),
        "measure": { "type": "object", "additionalProperties": { "$ref": "#/definitions/measure" } },
        "when": { "$ref": "#/definitions/condition", "description": "Over measures and `events`." },
        "severity": { "$ref": "#/definitions/severity" },
        "summary": { "type": "string", "description": "A sentence for the agent, with {measure} and {key}." },
        "actions": { "$ref": "#/definitions/words" },
        "cooldown": { "$ref": "#/definitions/duration" },
        "disabled": { "type": "boolean", "description": "Leaves the rule out." },
        "mode": { "enum": ["live", "shadow"] },
        "people_only": { "type": "boolean", "description": "An action by a machine is refused." },
        "brake": { "type": "integer", "minimum": 1, "description": "Requests per minute." },
        "holdout": { "$ref": "#/definitions/holdout" },
        "success": { "$ref": "#/definitions/success" },
    });
    let selector = json!({ "$ref": "#/definitions/selector" });
    let spans = json!({ "$ref": "#/definitions/spans" });
    let then = json!({ "enum": ["clear", "keep"] });
    let calendar = json!({ "type": "string", "description": "Only open time counts." });
    let event = json!({
        "event": one_or_more("#/definitions/event"),
        "rule": { "$ref": "#/definitions/words" },
        "where": { "$ref": "#/definitions/condition" },
    });
    let kind = |name: &str, about: &str, required: &[&str], parts: &[Value]| {
        let mut properties = object(common.clone());
        properties.insert("kind".to_owned(), json!({ "const": name }));
        parts.iter().for_each(|part| properties.extend(object(part.clone())));
        let required: Vec<&str> = ["id", "kind"].iter().chain(required).copied().collect();
        strict(about, &required, Value::Object(properties))
    };
    json!({
        "oneOf": [
            kind("match", "One event.", &[], std::slice::from_ref(&event)),
            kind("count", "Enough events.", &["at_least"], &[event, json!({
                "at_least": { "$ref": "#/definitions/counts" },
                "within": spans,
                "of_last": { "type": "integer", "minimum": 1, "maximum": 1000 },
                "distinct": { "$ref": "#/definitions/field" },
                "reset": selector,
                "then": then,
                "calendar": calendar,
            })]),
            kind("absence", "Something expected did not happen.", &["start"], &[json!({
                "start": selector,
                "refresh": selector,
                "stop": selector,
                "pause": selector,
                "resume": selector,
                "within": spans,
                "deadline": { "$ref": "#/definitions/field" },
                "grace": { "$ref": "#/definitions/span" },
                "warn_at": { "$ref": "#/definitions/share" },
                "once": { "type": "boolean" },
                "calendar": calendar,
            })]),
            kind("sequence", "Events in an order.", &["steps", "within"], &[json!({
                "steps": { "type": "array", "items": selector, "minItems": 2, "maxItems": 8 },
                "within": spans,
                "unless": selector,
                "then": then,
                "calendar": calendar,
            })]),
            kind("debt", "Small disappointments that add up and fade.", &["weights", "half_life", "threshold", "rearm_below"], &[json!({
                "weights": { "type": "array", "items": { "$ref": "#/definitions/weight" }, "minItems": 1 },
                "half_life": { "$ref": "#/definitions/duration" },
                "threshold": { "$ref": "#/definitions/thresholds" },
                "rearm_below": { "type": "number", "exclusiveMinimum": 0 },
                "reset": selector,
            })]),
        ],
    })
}
