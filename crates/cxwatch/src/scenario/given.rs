//! The events of a case.

use super::words;
use cxwatch_event::{Catalogue, FieldType, Millis, TypeSpec, rfc3339};
use cxwatch_rulebook::yaml::nearest;
use serde_json::{Map, Value, json};

/// What happens in a case, in the order of its lines: that of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// An event.
    Event(Given),
    /// On all feeds everything up to there has been seen.
    Clock(Millis),
}

/// An event as a line says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) line: usize,
    pub(super) time: Millis,
    pub(super) customer: String,
    pub(super) kind: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Given {
    /// The event as JSON. Names are checked here, so that a misspelt one is told; the decoder checks the rest.
    pub(super) fn json(&self, catalogue: &Catalogue, start: Millis) -> Result<String, String> {
        let Some(kind) = catalogue.id(&self.kind) else {
            let known = catalogue.types().map(|(_, spec)| spec.name.as_str());
            return Err(with_nearest(format!("there is no event type `{}`", self.kind), &self.kind, known));
        };
        let spec = catalogue.spec(kind);
        let mut event = json!({
            "specversion": "1.0",
            "id": format!("line-{}", self.line),
            "source": "/scenario",
            "type": self.kind,
            "subject": self.customer,
            "time": rfc3339::format(self.time),
        });
        let mut data = Map::new();
        for (name, text) in &self.fields {
            match name.as_str() {
                "@id" => event["id"] = json!(text),
                "@source" => event["source"] = json!(text),
                name => {
                    let value = value(spec, name, text, start)?;
                    insert(&mut data, name, value);
                }
            }
        }
        event["data"] = Value::Object(data);
        Ok(event.to_string())
    }
}

/// A name with points lies in nested objects.
fn insert(data: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((object, rest)) = name.split_once('.') else {
        data.insert(name.into(), value);
        return;
    };
    let inside = data.entry(object).or_insert_with(|| json!({}));
    insert(inside.as_object_mut().expect("no object is a field too"), rest, value);
}

fn value(spec: &TypeSpec, name: &str, text: &str, start: Millis) -> Result<Value, String> {
    let Some(ix) = spec.field(name) else {
        let known: Vec<_> = spec.fields.iter().map(|f| f.name.as_str()).collect();
        let message = format!("`{}` has no field `{name}`; it has {}", spec.name, known.join(", "));
        return Err(with_nearest(message, name, known));
    };
    let wrong = |what: &str| format!("`{name}` is {what}, found `{text}`");
    match spec.fields[usize::from(ix.0)].kind {
        FieldType::Text | FieldType::ActionId => Ok(text.into()),
        FieldType::Number | FieldType::Integer => {
            serde_json::from_str(text).ok().filter(Value::is_number).ok_or_else(|| wrong("a number"))
        }
        FieldType::Bool => text.parse::<bool>().map(Value::from).map_err(|_| wrong("true or false")),
        FieldType::Time => words::time(text, start).map(|time| rfc3339::format(time).into()),
    }
}

/// A complaint, with the name that was probably meant.
pub(super) fn with_nearest<'a>(
    message: String,
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    match nearest(word, known) {
        Some(name) => format!("{message}; write `{name}`?"),
        None => message,
    }
}
