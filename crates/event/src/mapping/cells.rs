//! A record's cells, whatever they were written in.

use super::{Column, ColumnIx, Section};
use crate::{Reason, Rejection};
use serde_json::Value as Json;
use std::borrow::Cow;

/// A record with its section and its place.
pub(super) struct Row<'r> {
    pub(super) section: &'r Section,
    pub(super) cells: Cells<'r>,
    pub(super) row: u64,
    pub(super) line: u64,
}

/// Where cells are found.
pub(super) enum Cells<'r> {
    Csv {
        record: &'r csv::ByteRecord,
        /// By [`ColumnIx`]: which cell.
        at: &'r [usize],
        latin1: bool,
    },
    Json(&'r Json),
}

impl<'r> Row<'r> {
    /// What stands in a column. `None`: nothing (an empty cell, JSON `null`, or a text that means so).
    pub(super) fn cell(&self, column: ColumnIx) -> Result<Option<Cow<'r, str>>, Rejection> {
        let text = match &self.cells {
            Cells::Csv { record, at, latin1 } => {
                // Rows are checked for their length before.
                let bytes = record.get(at[usize::from(column.0)]).unwrap_or_default();
                if *latin1 {
                    latin1_text(bytes)
                } else {
                    let text = std::str::from_utf8(bytes)
                        .map_err(|_| self.reject(Reason::Malformed, column, "expected UTF-8"))?;
                    Cow::Borrowed(text)
                }
            }
            Cells::Json(json) => {
                let Column::Pointer(pointer) = &self.section.columns[usize::from(column.0)] else {
                    return Ok(None);
                };
                match json.pointer(pointer) {
                    None | Some(Json::Null) => return Ok(None),
                    Some(Json::String(text)) => Cow::Borrowed(text.as_str()),
                    Some(Json::Bool(true)) => Cow::Borrowed("true"),
                    Some(Json::Bool(false)) => Cow::Borrowed("false"),
                    Some(Json::Number(number)) => Cow::Owned(number.to_string()),
                    Some(Json::Array(_) | Json::Object(_)) => {
                        return Err(self.reject(
                            Reason::WrongType,
                            column,
                            "expected a text, number or truth value",
                        ));
                    }
                }
            }
        };
        let nothing = text.is_empty() || self.section.missing.iter().any(|m| m == text.as_ref());
        Ok((!nothing).then_some(text))
    }

    #[cold]
    fn reject(&self, reason: Reason, column: ColumnIx, expected: &str) -> Rejection {
        let place = self.section.columns[usize::from(column.0)].place();
        Rejection { reason, place, expected: expected.into() }
    }
}

fn latin1_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
    }
}
