//! Conditions, and values chosen by a field.

use compact_str::CompactString;
use cxwatch_event::{FieldIx, Value};

/// A field that a condition reads, resolved for one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldRef {
    /// A field of `data`.
    Data(FieldIx),
    /// Known when compiled: `feed`, `type`, a feed's own `channel`.
    Const(Value),
    /// CloudEvents `id`.
    Id,
    /// CloudEvents `source`.
    Source,
    /// CloudEvents `time`.
    Time,
    /// A detection's key.
    Key,
    /// A detection's severity.
    Severity,
    /// A detection's measure, by its number in the rule detected.
    Measure(u8),
    /// A field of the customer's profile.
    Profile(FieldIx),
    /// This type has no such field.
    Missing,
}

/// A measure that a condition reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureRef {
    /// By number.
    Measure(u8),
    /// The number of events in the evidence.
    Events,
    /// A field of the customer's profile.
    Profile(FieldIx),
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Cond<F> {
    /// Holds always.
    True,
    /// All hold.
    All(Vec<Cond<F>>),
    /// One holds.
    Any(Vec<Cond<F>>),
    /// It does not hold.
    Not(Box<Cond<F>>),
    /// A comparison. A field that is not there makes every comparison false but `Exists(false)`.
    Test(F, Op),
}

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Equal to one of these.
    In(Vec<Value>),
    /// There, and equal to none of these.
    NotIn(Vec<Value>),
    /// More than (numbers and times).
    Over(i64),
    /// At least.
    AtLeast(i64),
    /// Less than.
    Under(i64),
    /// At most.
    AtMost(i64),
    /// There or not.
    Exists(bool),
    /// Text that begins with.
    StartsWith(CompactString),
    /// Text that contains.
    Contains(CompactString),
}

impl Op {
    /// Whether a value passes.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        let ordered = |check: fn(i64, i64) -> bool, bound: i64| match value {
            Some(Value::Number(n)) | Some(Value::Time(n)) => check(*n, bound),
            _ => false,
        };
        match self {
            Op::In(values) => value.is_some_and(|v| values.contains(v)),
            Op::NotIn(values) => value.is_some_and(|v| !values.contains(v)),
            Op::Over(bound) => ordered(|v, b| v > b, *bound),
            Op::AtLeast(bound) => ordered(|v, b| v >= b, *bound),
            Op::Under(bound) => ordered(|v, b| v < b, *bound),
            Op::AtMost(bound) => ordered(|v, b| v <= b, *bound),
            Op::Exists(there) => value.is_some() == *there,
            Op::StartsWith(text) => {
                value.and_then(Value::as_text).is_some_and(|v| v.starts_with(text.as_str()))
            }
            Op::Contains(text) => value.and_then(Value::as_text).is_some_and(|v| v.contains(text.as_str())),
        }
    }
}

impl<F> Cond<F> {
    /// Whether it holds, given the test of one comparison.
    pub fn holds(&self, test: &impl Fn(&F, &Op) -> bool) -> bool {
        match self {
            Cond::True => true,
            Cond::All(all) => all.iter().all(|c| c.holds(test)),
            Cond::Any(any) => any.iter().any(|c| c.holds(test)),
            Cond::Not(c) => !c.holds(test),
            Cond::Test(field, op) => test(field, op),
        }
    }
}

/// A value, or a table of values over a field, with a default.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<T> {
    /// The field that chooses. `Missing` where the value is plain.
    pub by: FieldRef,
    /// Its cases.
    pub cases: Vec<(Value, T)>,
    /// Where no case fits.
    pub default: T,
}

impl<T: Copy> Table<T> {
    /// A plain value.
    pub fn plain(value: T) -> Self {
        Table { by: FieldRef::Missing, cases: Vec::new(), default: value }
    }
}
