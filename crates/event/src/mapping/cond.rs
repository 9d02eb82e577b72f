//! Conditions on a record.

use super::Expr;
use super::cells::Row;
use super::number;
use crate::{Micro, Rejection};
use compact_str::CompactString;

/// A condition on a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Cond {
    /// Holds always.
    True,
    /// All hold.
    All(Vec<Cond>),
    /// One holds.
    Any(Vec<Cond>),
    /// It does not hold.
    Not(Box<Cond>),
    /// A comparison. A value that is not there makes every one false but `Exists(false)`.
    Test(Expr, Test),
}

/// A comparison with a value of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal to one of these texts.
    In(Vec<CompactString>),
    /// There, and equal to none of these.
    NotIn(Vec<CompactString>),
    /// There or not.
    Exists(bool),
    /// Begins with.
    StartsWith(CompactString),
    /// Contains.
    Contains(CompactString),
    /// Contains not.
    Lacks(CompactString),
    /// A number more than.
    Over(Micro),
    /// A number at least.
    AtLeast(Micro),
    /// A number less than.
    Under(Micro),
    /// A number at most.
    AtMost(Micro),
}

impl Test {
    /// Whether a value passes. What is no number passes no comparison of numbers.
    pub(super) fn holds(&self, value: Option<&str>, row: &Row) -> bool {
        let Some(text) = value else { return *self == Test::Exists(false) };
        let number = |check: fn(Micro, Micro) -> bool, bound: Micro| {
            number::parse(text, row.section.numbers).is_some_and(|(value, _)| check(value, bound))
        };
        match self {
            Test::In(values) => values.iter().any(|v| v == text),
            Test::NotIn(values) => values.iter().all(|v| v != text),
            Test::Exists(there) => *there,
            Test::StartsWith(start) => text.starts_with(start.as_str()),
            Test::Contains(part) => text.contains(part.as_str()),
            Test::Lacks(part) => !text.contains(part.as_str()),
            Test::Over(bound) => number(|v, b| v > b, *bound),
            Test::AtLeast(bound) => number(|v, b| v >= b, *bound),
            Test::Under(bound) => number(|v, b| v < b, *bound),
            Test::AtMost(bound) => number(|v, b| v <= b, *bound),
        }
    }
}

impl Cond {
    /// Whether it holds for a record.
    pub(super) fn holds(&self, row: &Row) -> Result<bool, Rejection> {
        match self {
            Cond::True => Ok(true),
            Cond::All(all) => {
                for cond in all {
                    if !cond.holds(row)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Cond::Any(any) => {
                for cond in any {
                    if cond.holds(row)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Cond::Not(cond) => Ok(!cond.holds(row)?),
            Cond::Test(expr, test) => Ok(test.holds(expr.eval(row)?.as_deref(), row)),
        }
    }
}
