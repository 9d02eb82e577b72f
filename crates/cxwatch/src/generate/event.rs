//! Events as JSON.

use cxwatch_event::{Millis, rfc3339};
use std::fmt::Write;

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Without anything that JSON escapes.
    Text(String),
    Whole(i64),
    /// In hundredths.
    Cents(i64),
    Truth(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(whole: i64) -> Self {
        Value::Whole(whole)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Truth(truth)
    }
}

/// The data of an event.
pub(super) type Fields = Vec<(&'static str, Value)>;

const SOURCES: [&str; 5] = ["/acd", "/social", "/orders", "/shop", "/crm"];

/// Writes an event behind what stands in `out`.
pub(super) fn write(
    out: &mut String,
    feed: usize,
    number: u64,
    kind: &str,
    customer: &str,
    time: Millis,
    data: &[(&'static str, Value)],
) {
    let time = rfc3339::format(time);
    let source = SOURCES[feed];
    let mut put = |part: std::fmt::Arguments<'_>| out.write_fmt(part).expect("a String takes everything");
    put(format_args!(
        r#"{{"specversion":"1.0","id":"{number:010}","source":"{source}","type":"{kind}","subject":"{customer}","time":"{time}","datacontenttype":"application/json","data":{{"#
    ));
    for (i, (name, value)) in data.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        put(format_args!(r#"{comma}"{name}":"#));
        match value {
            Value::Text(text) => put(format_args!(r#""{text}""#)),
            Value::Whole(whole) => put(format_args!("{whole}")),
            Value::Cents(cents) => put(format_args!("{}.{:02}", cents / 100, cents % 100)),
            Value::Truth(truth) => put(format_args!("{truth}")),
        }
    }
    put(format_args!("}}}}"));
}
