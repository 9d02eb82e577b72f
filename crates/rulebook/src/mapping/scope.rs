//! What a section has said before its expressions are read.

use crate::yaml::{Node, Place, Reader};
use cxwatch_event::mapping::{Column, ColumnIx, NumberStyle, Time, Zone};
use std::cell::RefCell;

/// How columns are called in a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns<'s> {
    /// By names that stand in the file.
    InFile,
    /// By these names.
    Named(&'s [String]),
    /// By numbers from 1.
    Numbered,
    /// By JSON pointers.
    Pointers,
}

/// A section's surroundings of an expression. Columns are numbered as they are met.
pub(super) struct Scope<'s> {
    pub(super) reader: &'s Reader,
    pub(super) naming: Columns<'s>,
    pub(super) numbers: NumberStyle,
    pub(super) zone: Option<Zone>,
    pub(super) columns: RefCell<Vec<Column>>,
    pub(super) times: RefCell<Vec<Named>>,
}

/// A time with a name.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) time: Time,
    pub(super) place: Place,
    /// Whether something refers to it.
    pub(super) used: bool,
}

impl Scope<'_> {
    /// The number of a column by the name that a mapping gives it.
    pub(super) fn column(&self, node: &Node) -> Option<ColumnIx> {
        let text = self.reader.text(node)?;
        self.column_named(text, node.place)
    }

    /// The same, where the name is a key.
    pub(super) fn column_named(&self, text: &str, place: Place) -> Option<ColumnIx> {
        let column = match self.naming {
            Columns::Pointers if text.starts_with('/') => Column::Pointer(text.into()),
            Columns::Pointers => {
                let problem = self.reader.error(place, format!("`{text}` is no JSON pointer"));
                problem.expected("a pointer such as `/order/id`").suggest(format!("/{text}"));
                return None;
            }
            Columns::Numbered => match text.parse::<usize>() {
                Ok(number @ 1..=1000) => Column::Number(number - 1),
                _ => {
                    let problem = self.reader.error(place, format!("`{text}` is no column's number"));
                    problem.expected("a number from 1, for the file has no header; or names in `columns`");
                    return None;
                }
            },
            Columns::Named(names) if !names.iter().any(|n| n == text) => {
                let problem = self.reader.error(place, format!("there is no column `{text}`"));
                problem.expected("one of `columns`").nearest(text, names.iter().map(String::as_str));
                return None;
            }
            Columns::InFile | Columns::Named(_) => Column::Name(text.into()),
        };
        let mut columns = self.columns.borrow_mut();
        let ix = columns.iter().position(|c| *c == column).unwrap_or_else(|| {
            columns.push(column);
            columns.len() - 1
        });
        // A mapping file is too short to name more.
        u16::try_from(ix).ok().map(ColumnIx)
    }

    /// The number of a time with a name.
    pub(super) fn time_named(&self, text: &str, place: Place) -> Option<u16> {
        let mut times = self.times.borrow_mut();
        if let Some(ix) = times.iter().position(|t| t.name == text) {
            times[ix].used = true;
            return u16::try_from(ix).ok();
        }
        let problem = self.reader.error(place, format!("there is no time `{text}`"));
        problem
            .expected("the name of an entry of `times` above, or `{ column: ... }`")
            .nearest(text, times.iter().map(|t| t.name.as_str()));
        None
    }
}
