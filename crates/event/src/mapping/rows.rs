//! Records of a file or topic, one after the other.

use super::cells::{Cells, Row};
use super::emit::emit;
use super::{Column, Csv, Format, Header, Section};
use crate::decode::VALUE_BYTES_MAX;
use crate::{Interest, Reason, Record, Rejection};
use std::io::{self, BufRead, BufReader, Read};

/// What became of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Its number in its file, from 1; of a topic, its offset.
    pub row: u64,
    /// The line it begins on, from 1; of a topic, its offset.
    pub line: u64,
    /// Its events.
    pub record: Record,
    /// What was refused.
    pub rejected: Vec<Refusal>,
    /// Whether the section's `when` left it out.
    pub skipped: bool,
}

/// A refusal of a record or of one of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which event. `None`: the whole record.
    pub sub: Option<u32>,
    /// Why.
    pub rejection: Rejection,
}

/// The records of a file.
pub struct Rows<'s, R: Read> {
    section: &'s Section,
    input: Input<R>,
    rows: u64,
}

enum Input<R: Read> {
    Csv { reader: csv::Reader<R>, record: csv::ByteRecord, at: Vec<usize>, width: Width },
    Json { reader: BufReader<R>, buffer: Vec<u8>, lines: u64 },
}

/// How many cells a row has.
#[derive(Debug, Clone, Copy)]
enum Width {
    Exactly(usize),
    AtLeast(usize),
}

impl Section {
    /// Begins to read a file of records. The names of the columns, where they stand in the first row, are read at
    /// once: a column that the mapping names and the file lacks is a rejection of the whole file.
    pub fn read<R: Read>(&self, from: R) -> io::Result<Result<Rows<'_, R>, Rejection>> {
        let input = match &self.format {
            Format::Json => Input::Json { reader: BufReader::new(from), buffer: Vec::new(), lines: 0 },
            Format::Csv(dialect) => {
                let mut reader = builder(dialect).from_reader(from);
                let mut record = csv::ByteRecord::new();
                let names = match &dialect.header {
                    Header::FirstRow => {
                        read_record(&mut reader, &mut record)?;
                        Some(record.iter().map(header_name).collect::<Vec<_>>())
                    }
                    Header::Names(names) => Some(names.iter().map(|n| n.to_string()).collect()),
                    Header::None => None,
                };
                match self.bind(names.as_deref()) {
                    Ok((at, width)) => Input::Csv { reader, record, at, width },
                    Err(rejection) => return Ok(Err(rejection)),
                }
            }
        };
        Ok(Ok(Rows { section: self, input, rows: 0 }))
    }

    /// Maps one record of a topic, whose offset is its number. Columns need names that stand in the mapping, or
    /// none (see [`Section::reads_single_records`]).
    pub fn map(&self, value: &[u8], offset: u64, interest: &Interest) -> Mapped {
        let mut out = Mapped { row: offset, line: offset, ..Mapped::default() };
        match &self.format {
            Format::Json => json(self, value, interest, &mut out),
            Format::Csv(dialect) => {
                let names: Option<Vec<String>> = match &dialect.header {
                    Header::Names(names) => Some(names.iter().map(|n| n.to_string()).collect()),
                    _ => None,
                };
                match self.bind(names.as_deref()) {
                    Err(rejection) => refuse(&mut out, rejection),
                    Ok((at, width)) => {
                        let mut reader = builder(dialect).from_reader(value);
                        let mut record = csv::ByteRecord::new();
                        if let Ok(true) = read_record(&mut reader, &mut record) {
                            csv_row(self, &record, &at, width, interest, &mut out);
                        } else {
                            refuse(&mut out, malformed("value", "expected a row of CSV"));
                        }
                    }
                }
            }
        }
        out
    }

    /// Where the columns lie.
    fn bind(&self, names: Option<&[String]>) -> Result<(Vec<usize>, Width), Rejection> {
        let mut lacking = Vec::new();
        let mut at = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            match column {
                Column::Name(name) => match names.and_then(|names| names.iter().position(|n| n == name)) {
                    Some(i) => at.push(i),
                    None => lacking.push(format!("{name:?}")),
                },
                Column::Number(number) => at.push(*number),
                Column::Pointer(pointer) => lacking.push(pointer.to_string()),
            }
        }
        if !lacking.is_empty() {
            let there = names.unwrap_or_default().join(", ");
            let expected = format!("expected a column {}; there are: {there}", lacking.join(" and "));
            return Err(Rejection { reason: Reason::MissingField, place: "header".into(), expected });
        }
        let width = match names {
            Some(names) => Width::Exactly(names.len()),
            None => Width::AtLeast(at.iter().max().map_or(1, |i| i + 1)),
        };
        Ok((at, width))
    }
}

impl<R: Read> Rows<'_, R> {
    /// The next record. `None` at the end; an error where the file cannot be read on.
    pub fn next(&mut self, interest: &Interest) -> io::Result<Option<Mapped>> {
        let mut out = Mapped::default();
        match &mut self.input {
            Input::Csv { reader, record, at, width } => {
                if !read_record(reader, record)? {
                    return Ok(None);
                }
                self.rows += 1;
                out.row = self.rows;
                out.line = first_line(record, reader.position());
                csv_row(self.section, record, at, *width, interest, &mut out);
            }
            Input::Json { reader, buffer, lines } => {
                loop {
                    buffer.clear();
                    if reader.read_until(b'\n', buffer)? == 0 {
                        return Ok(None);
                    }
                    *lines += 1;
                    if !buffer.trim_ascii().is_empty() {
                        break;
                    }
                }
                self.rows += 1;
                out.row = self.rows;
                out.line = *lines;
                json(self.section, buffer.trim_ascii(), interest, &mut out);
            }
        }
        Ok(Some(out))
    }
}

fn builder(dialect: &Csv) -> csv::ReaderBuilder {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(dialect.delimiter);
    builder.quoting(dialect.quote.is_some()).quote(dialect.quote.unwrap_or(b'"'));
    builder.escape(dialect.escape).double_quote(dialect.escape.is_none());
    builder
}

fn read_record<R: Read>(reader: &mut csv::Reader<R>, record: &mut csv::ByteRecord) -> io::Result<bool> {
    reader.read_byte_record(record).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        // Rows may have any length here, and bytes need no encoding: no other error is left.
        other => io::Error::other(format!("{other:?}")),
    })
}

/// The line that a row begins on. The reader's own count begins before the empty lines that it skips.
fn first_line(record: &csv::ByteRecord, after: &csv::Position) -> u64 {
    let before = record.position().map_or(1, csv::Position::line);
    let consumed = after.line() - before;
    if consumed <= 1 {
        return before;
    }
    let inside = record.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
    before + consumed.saturating_sub(inside + 1)
}

fn header_name(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).trim_start_matches('\u{feff}').trim().to_string()
}

fn csv_row(
    section: &Section,
    record: &csv::ByteRecord,
    at: &[usize],
    width: Width,
    interest: &Interest,
    out: &mut Mapped,
) {
    let (found, row) = (record.len(), out.row);
    let wanted = match width {
        Width::Exactly(n) if found != n => Some(n.to_string()),
        Width::AtLeast(n) if found < n => Some(format!("at least {n}")),
        _ => None,
    };
    if let Some(wanted) = wanted {
        return refuse(
            out,
            malformed(format!("row {row}"), format!("expected {wanted} columns, found {found}")),
        );
    }
    if record.as_slice().len() > VALUE_BYTES_MAX {
        let expected = format!(
            "{} bytes, at most {VALUE_BYTES_MAX} allowed; a quote left open?",
            record.as_slice().len()
        );
        return refuse(out, Rejection { reason: Reason::TooLarge, place: format!("row {row}"), expected });
    }
    let latin1 = matches!(&section.format, Format::Csv(Csv { latin1: true, .. }));
    let cells = Cells::Csv { record, at, latin1 };
    emit(&Row { section, cells, row, line: out.line }, interest, out);
}

fn json(section: &Section, value: &[u8], interest: &Interest, out: &mut Mapped) {
    if value.len() > VALUE_BYTES_MAX {
        let expected = format!("{} bytes, at most {VALUE_BYTES_MAX} allowed", value.len());
        return refuse(out, Rejection { reason: Reason::TooLarge, place: "value".into(), expected });
    }
    match serde_json::from_slice::<serde_json::Value>(value) {
        Ok(json) if json.is_object() => {
            let (row, line) = (out.row, out.line);
            emit(&Row { section, cells: Cells::Json(&json), row, line }, interest, out);
        }
        Ok(_) => refuse(out, malformed("byte 0", "expected a JSON object")),
        Err(error) => {
            refuse(out, malformed(format!("byte {}", error.column()), "expected a JSON object on one line"))
        }
    }
}

fn refuse(out: &mut Mapped, rejection: Rejection) {
    out.rejected.push(Refusal { sub: None, rejection });
}

#[cold]
fn malformed(place: impl Into<String>, expected: impl Into<String>) -> Rejection {
    Rejection { reason: Reason::Malformed, place: place.into(), expected: expected.into() }
}
