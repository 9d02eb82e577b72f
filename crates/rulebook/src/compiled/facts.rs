//! What conditions are judged on.

use super::{Cond, FieldRef, Table};
use cxwatch_event::{Event, MICRO, Micro, Profile, Value};

/// A detection as the rules built on it see it.
#[derive(Debug, Clone, Copy)]
pub struct DetectionFacts<'a> {
    /// Its key; empty where its rule has no `per`.
    pub key: &'a str,
    /// 0 to 100.
    pub severity: u8,
    /// Its rule's measures.
    pub measures: &'a [Option<Micro>],
}

/// What conditions are judged on.
#[derive(Debug, Clone, Copy)]
pub enum Facts<'a> {
    /// An event.
    Event(&'a Event),
    /// A detection.
    Detection(DetectionFacts<'a>),
}

/// Facts with what is known of the customer.
pub(super) struct Known<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) profile: &'a Profile,
}

impl Known<'_> {
    pub(super) fn with<R>(&self, field: &FieldRef, then: impl FnOnce(Option<&Value>) -> R) -> R {
        match (field, self.facts) {
            (FieldRef::Const(value), _) => then(Some(value)),
            (FieldRef::Profile(ix), _) => then(self.profile.field(*ix)),
            (FieldRef::Data(ix), Facts::Event(event)) => then(event.field(*ix)),
            (FieldRef::Id, Facts::Event(event)) => then(Some(&Value::Text(event.id.clone()))),
            (FieldRef::Source, Facts::Event(event)) => then(Some(&Value::Text(event.source.clone()))),
            (FieldRef::Time, Facts::Event(event)) => then(Some(&Value::Time(event.time))),
            (FieldRef::Key, Facts::Detection(d)) if !d.key.is_empty() => {
                then(Some(&Value::Text(d.key.into())))
            }
            (FieldRef::Severity, Facts::Detection(d)) => {
                then(Some(&Value::Number(i64::from(d.severity) * MICRO)))
            }
            (FieldRef::Measure(ix), Facts::Detection(d)) => {
                then(d.measures.get(usize::from(*ix)).copied().flatten().map(Value::Number).as_ref())
            }
            _ => then(None),
        }
    }

    pub(super) fn holds(&self, cond: &Cond<FieldRef>) -> bool {
        cond.holds(&|field, op| self.with(field, |value| op.holds(value)))
    }

    pub(super) fn product(&self, fields: &[FieldRef]) -> Option<Micro> {
        fields.iter().try_fold(MICRO, |product, field| {
            let factor = self.with(field, |v| v.and_then(Value::as_number))?;
            let scaled = i128::from(product) * i128::from(factor) / i128::from(MICRO);
            Micro::try_from(scaled).ok()
        })
    }

    /// The value of a table for these facts.
    pub(super) fn pick<T: Copy>(&self, table: &Table<T>) -> T {
        if table.cases.is_empty() {
            return table.default;
        }
        let chosen = |value: Option<&Value>| {
            value.and_then(|v| table.cases.iter().find(|(case, _)| case == v)).map(|(_, t)| *t)
        };
        self.with(&table.by, chosen).unwrap_or(table.default)
    }
}
