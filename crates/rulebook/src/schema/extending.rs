//! What a rulebook that builds on another may leave out, and what it may take away.

use serde_json::{Map, Value, json};

/// Keys whose value may be some cases of a table.
const TABLES: [&str; 4] = ["within", "at_least", "threshold", "severity"];

/// Adds the definitions of changes: of a rule, an action and a calendar.
pub(super) fn add(all: &mut Map<String, Value>) {
    let kinds = all["rule"]["oneOf"].as_array().cloned().unwrap_or_default();
    let mut properties = Map::new();
    for kind in &kinds {
        for (key, value) in kind["properties"].as_object().into_iter().flatten() {
            if key != "kind" {
                properties.entry(key.as_str()).or_insert_with(|| change(key, value));
            }
        }
    }
    let about = "Changes of a rule: only what is different. A rule with its `kind` is a whole one.";
    all.insert(
        "rule_change".to_owned(),
        json!({
            "type": "object",
            "description": about,
            "required": ["id"],
            "properties": properties,
            "additionalProperties": false,
        }),
    );
    for name in ["action", "calendar"] {
        let mut changed = all[name].clone();
        if let Some(definition) = changed.as_object_mut() {
            definition.remove("required");
            for (key, value) in definition["properties"].as_object_mut().into_iter().flatten() {
                *value = change(key, value);
            }
        }
        all.insert(format!("{name}_change"), changed);
    }
}

/// A value, or nothing: then the key is taken away.
fn change(key: &str, value: &Value) -> Value {
    match key {
        "id" => value.clone(),
        _ if TABLES.contains(&key) => json!({ "anyOf": [value, { "type": ["object", "null"] }] }),
        _ => json!({ "anyOf": [value, { "type": "null" }] }),
    }
}

/// The sections of a rulebook, whole ones or with changes.
pub(super) fn sections() -> Map<String, Value> {
    let named = |what: &str| json!({ "additionalProperties": { "$ref": format!("#/definitions/{what}") } });
    let rule = json!({ "$ref": "#/definitions/rule" });
    let whole = json!({
        "required": ["rules"],
        "properties": { "rules": { "items": rule }, "actions": named("action"), "calendars": named("calendar") },
    });
    let change = json!({ "$ref": "#/definitions/rule_change" });
    let either = json!({ "if": { "required": ["kind"] }, "then": rule, "else": change });
    let changed = json!({
        "properties": {
            "rules": { "items": either },
            "actions": named("action_change"),
            "calendars": named("calendar_change"),
        },
    });
    let condition = json!({ "required": ["extends"] });
    Map::from_iter(
        [("if", condition), ("then", changed), ("else", whole)].map(|(key, value)| (key.to_owned(), value)),
    )
}
