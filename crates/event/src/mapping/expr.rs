//! Values made of a record's cells.

use super::cells::Row;
use super::{ColumnIx, Section, Test};
use crate::Rejection;
use compact_str::{CompactString, ToCompactString};
use std::borrow::Cow;

/// A text made of a record's cells, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// What stands in a column.
    Column {
        /// Which.
        column: ColumnIx,
        /// More texts that mean that there is nothing.
        missing: Vec<CompactString>,
        /// A value that fails one of these is nothing.
        tests: Vec<Test>,
    },
    /// Always this.
    Const(CompactString),
    /// The record's number in its file, from 1 (header and empty lines do not count); of a topic, its offset.
    Row,
    /// The line of its file that it begins on, from 1; of a topic, its offset.
    Line,
    /// The first that is there.
    First(Vec<Expr>),
    /// All of them in one; nothing, where one is not there.
    Join {
        /// Its parts.
        parts: Vec<Expr>,
        /// What stands between two of them.
        with: CompactString,
    },
    /// By a table.
    Table {
        /// What is looked up.
        of: Box<Expr>,
        /// What for.
        cases: Vec<(CompactString, CompactString)>,
        /// For all others. `None`: nothing.
        other: Option<CompactString>,
    },
}

impl Expr {
    /// A column's value as it stands.
    pub fn column(column: ColumnIx) -> Self {
        Expr::Column { column, missing: Vec::new(), tests: Vec::new() }
    }

    /// Its value for a record.
    pub(super) fn eval<'r>(&'r self, row: &Row<'r>) -> Result<Option<Cow<'r, str>>, Rejection> {
        match self {
            Expr::Column { column, missing, tests } => {
                let Some(text) = row.cell(*column)? else { return Ok(None) };
                let nothing = missing.iter().any(|m| m == text.as_ref())
                    || tests.iter().any(|t| !t.holds(Some(text.as_ref()), row));
                Ok((!nothing).then_some(text))
            }
            Expr::Const(text) => Ok(Some(Cow::Borrowed(text))),
            Expr::Row => Ok(Some(Cow::Owned(row.row.to_compact_string().into_string()))),
            Expr::Line => Ok(Some(Cow::Owned(row.line.to_compact_string().into_string()))),
            Expr::First(exprs) => {
                for expr in exprs {
                    if let Some(text) = expr.eval(row)? {
                        return Ok(Some(text));
                    }
                }
                Ok(None)
            }
            Expr::Join { parts, with } => {
                let mut joined = String::new();
                for (i, part) in parts.iter().enumerate() {
                    let Some(text) = part.eval(row)? else { return Ok(None) };
                    if i > 0 {
                        joined.push_str(with);
                    }
                    joined.push_str(&text);
                }
                Ok(Some(Cow::Owned(joined)))
            }
            Expr::Table { of, cases, other } => {
                let Some(text) = of.eval(row)? else { return Ok(None) };
                let found = cases.iter().find(|(case, _)| case == text.as_ref()).map(|(_, value)| value);
                Ok(found.or(other.as_ref()).map(|v| Cow::Borrowed(v.as_str())))
            }
        }
    }

    /// Where it stands in a record, for a rejection.
    pub(super) fn place(&self, section: &Section) -> String {
        match self {
            Expr::Column { column, .. } => section.columns[usize::from(column.0)].place(),
            Expr::Const(_) => "mapping".into(),
            Expr::Row | Expr::Line => "row".into(),
            Expr::First(exprs) | Expr::Join { parts: exprs, .. } => {
                exprs.first().map_or_else(|| "mapping".into(), |e| e.place(section))
            }
            Expr::Table { of, .. } => of.place(section),
        }
    }
}
