//! Values that may be tables over a field.

use super::cond::known_word;
use super::scope::{Holds, Scope, Target};
use crate::yaml::{Body, Name, Node, parse_decimal};
use crate::{FieldRef, Table};
use cxwatch_event::Value;

/// A value or table as written.
pub(super) struct Values<'a, T> {
    by: Option<&'a str>,
    cases: Vec<(&'a Name, T)>,
    default: T,
}

impl<'a, T: Copy> Values<'a, T> {
    pub(super) fn plain(value: T) -> Self {
        Values { by: None, cases: Vec::new(), default: value }
    }

    /// Every value that can come out.
    pub(super) fn all(&self) -> impl Iterator<Item = T> {
        self.cases.iter().map(|(_, value)| *value).chain([self.default])
    }

    pub(super) fn map<U>(self, to: impl Fn(T) -> U) -> Values<'a, U> {
        let cases = self.cases.into_iter().map(|(name, value)| (name, to(value))).collect();
        Values { by: self.by, cases, default: to(self.default) }
    }
}

impl Scope<'_> {
    /// A value, or `{ by: field, <value of the field>: value, default: value }`. `judged` are the targets whose
    /// events choose the value.
    pub(super) fn values<'n, T: Copy>(
        &'n self,
        node: &'n Node,
        judged: &[Target],
        read: impl Fn(&'n Node) -> Option<T>,
    ) -> Option<Values<'n, T>> {
        let Body::Map(_) = &node.body else { return read(node).map(Values::plain) };
        let map = self.reader.map(node, "a table")?;
        let by = map.need("by").and_then(|by| self.reader.text(by).map(|text| (by, text)));
        let default = map.need("default").and_then(&read);
        let rest = map.rest();
        if rest.is_empty() {
            self.reader
                .error(node.place, "this table has no case")
                .expected("values of the field in `by`: `{ by: data.channel, voice: 20s, default: 60s }`");
        }
        let sound = by.is_some_and(|(by, text)| self.check_field(text, by.place, judged));
        let cases: Vec<_> = rest.iter().map(|entry| Some((&entry.key, read(&entry.value)?))).collect();
        let cases = cases.into_iter().collect::<Option<Vec<_>>>()?;
        if let (true, Some((by, text))) = (sound, by) {
            for target in judged {
                let Some((_, holds)) = self.field(text, *target) else { continue };
                if holds == Holds::Time {
                    self.reader.error(by.place, format!("`{text}` is a time: no table can list its values"));
                    return None;
                }
                cases.iter().for_each(|(name, _)| self.check_case(name, holds));
            }
        }
        (sound && !rest.is_empty()).then_some(Values {
            by: by.map(|(_, text)| text),
            cases,
            default: default?,
        })
    }

    /// The table for a target's events.
    pub(super) fn table<T: Copy>(&self, values: &Values<'_, T>, target: Target) -> Table<T> {
        let field = values.by.and_then(|by| self.field(by, target));
        let Some((by, holds)) = field else { return Table::plain(values.default) };
        if let FieldRef::Const(value) = &by {
            let found = values
                .cases
                .iter()
                .find(|(name, _)| matches!(value, Value::Text(text) if *text == name.text));
            return Table::plain(found.map_or(values.default, |(_, v)| *v));
        }
        let cases = values.cases.iter().filter_map(|(name, value)| Some((typed(&name.text, holds)?, *value)));
        let mut cases: Vec<_> = cases.collect();
        cases.sort_by(|(a, _), (b, _)| a.cmp(b));
        Table { by, cases, default: values.default }
    }

    fn check_case(&self, name: &Name, holds: Holds<'_>) {
        match (typed(&name.text, holds), holds) {
            (None, _) => {
                let message = format!("`{}` is no value of the field in `by`", name.text);
                self.reader.error(name.place, message).expected(holds.name());
            }
            (Some(_), Holds::Text(one_of)) => {
                known_word(self.reader, &name.text, name.place, one_of);
            }
            _ => {}
        }
    }
}

fn typed(text: &str, holds: Holds<'_>) -> Option<Value> {
    match holds {
        Holds::Text(_) => Some(Value::Text(text.into())),
        Holds::Number | Holds::Integer => parse_decimal(text).map(Value::Number),
        Holds::Bool => text.parse().ok().map(Value::Bool),
        Holds::Time => None,
    }
}
