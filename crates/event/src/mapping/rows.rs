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
    input: Input<'s, R>,
    rows: u64,
}

enum Input<'s, R: Read> {
    Csv { reader: csv::Reader<Guarded<R>>, record: csv::ByteRecord, at: Vec<usize>, width: Width },
    CsvLines { lines: Lines<R>, dialect: &'s Csv, at: Vec<usize>, width: Width },
    Json { lines: Lines<R> },
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
        let dialect = match &self.format {
            Format::Json => {
                return Ok(Ok(Rows {
                    section: self,
                    input: Input::Json { lines: Lines::new(from) },
                    rows: 0,
                }));
            }
            Format::Csv(dialect) => dialect,
        };
        let mut record = csv::ByteRecord::new();
        let input = if dialect.one_line {
            let mut lines = Lines::new(from);
            let mut names = dialect.names();
            if let Header::FirstRow = dialect.header {
                lines.next()?;
                parse_line(dialect, &lines.buffer, &mut record)?;
                names = Some(record.iter().map(header_name).collect());
            }
            self.bind(names.as_deref()).map(|(at, width)| Input::CsvLines { lines, dialect, at, width })
        } else {
            let mut reader = builder(dialect).from_reader(Guarded::new(from));
            let mut names = dialect.names();
            if let Header::FirstRow = dialect.header {
                read_record(&mut reader, &mut record)?;
                names = Some(record.iter().map(header_name).collect());
            }
            self.bind(names.as_deref()).map(|(at, width)| Input::Csv { reader, record, at, width })
        };
        Ok(input.map(|input| Rows { section: self, input, rows: 0 }))
    }

    /// Maps one record of a topic, whose offset is its number. Columns need names that stand in the mapping, or
    /// none (see [`Section::reads_single_records`]).
    pub fn map(&self, value: &[u8], offset: u64, interest: &Interest) -> Mapped {
        let mut out = Mapped { row: offset, line: offset, ..Mapped::default() };
        match &self.format {
            Format::Json => json(self, value, interest, &mut out),
            Format::Csv(dialect) => match self.bind(dialect.names().as_deref()) {
                Err(rejection) => refuse(&mut out, rejection),
                Ok((at, width)) => {
                    let mut record = csv::ByteRecord::new();
                    match parse_line(dialect, value, &mut record) {
                        Ok(true) => csv_row(self, &record, &at, width, interest, &mut out),
                        _ => refuse(&mut out, malformed("value", "expected a row of CSV")),
                    }
                }
            },
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
            let columns = if lacking.len() == 1 { "a column" } else { "the columns" };
            let there = self.there(names.unwrap_or_default());
            let expected = format!("expected {columns} {}; {there}", lacking.join(", "));
            return Err(Rejection { reason: Reason::MissingField, place: "header".into(), expected });
        }
        let width = match names {
            Some(names) => Width::Exactly(names.len()),
            None => Width::AtLeast(at.iter().max().map_or(1, |i| i + 1)),
        };
        Ok((at, width))
    }

    /// What is there instead of the columns expected.
    fn there(&self, names: &[String]) -> String {
        if names.is_empty() {
            return "the file is empty".to_owned();
        }
        if names.iter().all(String::is_empty) {
            return "the first row is blank".to_owned();
        }
        let there = format!("there are: {}", shortened(&names.join(", ")));
        let Format::Csv(Csv { delimiter, .. }) = &self.format else { return there };
        let [name] = names else { return there };
        match [",", ";", "|", "\t"]
            .iter()
            .find(|mark| mark.as_bytes() != [*delimiter] && name.contains(**mark))
        {
            Some(&"\t") => format!("{there} (one column; should the mapping say `delimiter: tab`?)"),
            Some(mark) => format!("{there} (one column; should the mapping say `delimiter: {mark:?}`?)"),
            None => there,
        }
    }
}

/// So much of a first row is shown: it may be data that was taken for names.
const SHOWN_CHARS_MAX: usize = 300;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

impl<R: Read> Rows<'_, R> {
    /// The bytes of the record that was read last, without its end; empty where it is too long.
    pub fn raw(&self) -> &[u8] {
        match &self.input {
            Input::Csv { reader, record, .. } => {
                let begin = record.position().map_or(0, csv::Position::byte);
                let mut raw = reader.get_ref().between(begin, reader.position().byte());
                // The line's end before it is counted as its own.
                while let [b'\n' | b'\r', rest @ ..] | [rest @ .., b'\n' | b'\r'] = raw {
                    raw = rest;
                }
                raw
            }
            Input::CsvLines { lines, .. } | Input::Json { lines } => &lines.buffer,
        }
    }

    /// The next record. `None` at the end; an error where the file cannot be read on.
    pub fn next(&mut self, interest: &Interest) -> io::Result<Option<Mapped>> {
        let mut out = Mapped::default();
        match &mut self.input {
            Input::Csv { reader, record, at, width } => {
                let begins = reader.position().clone();
                reader.get_mut().begin_row(begins.byte());
                if !read_record(reader, record)? {
                    return Ok(None);
                }
                self.rows += 1;
                out.row = self.rows;
                let row = reader.get_ref().between(begins.byte(), reader.position().byte());
                out.line = first_line(begins.line(), row);
                csv_row(self.section, record, at, *width, interest, &mut out);
            }
            Input::CsvLines { lines, dialect, at, width } => {
                let Some(whole) = lines.next_full()? else { return Ok(None) };
                self.rows += 1;
                (out.row, out.line) = (self.rows, lines.number);
                let mut record = csv::ByteRecord::new();
                if !whole {
                    refuse(&mut out, too_long());
                } else if parse_line(dialect, &lines.buffer, &mut record)? {
                    csv_row(self.section, &record, at, *width, interest, &mut out);
                }
            }
            Input::Json { lines } => {
                let Some(whole) = lines.next_full()? else { return Ok(None) };
                self.rows += 1;
                (out.row, out.line) = (self.rows, lines.number);
                if whole {
                    json(self.section, lines.buffer.trim_ascii(), interest, &mut out);
                } else {
                    refuse(&mut out, too_long());
                }
            }
        }
        Ok(Some(out))
    }
}

impl Csv {
    /// The names of the columns that stand in the mapping.
    fn names(&self) -> Option<Vec<String>> {
        match &self.header {
            Header::Names(names) => Some(names.iter().map(|n| n.to_string()).collect()),
            Header::FirstRow | Header::None => None,
        }
    }
}

/// Lines of bounded length.
struct Lines<R> {
    reader: BufReader<R>,
    /// The line, without its end.
    buffer: Vec<u8>,
    /// Its number, from 1.
    number: u64,
}

impl<R: Read> Lines<R> {
    fn new(from: R) -> Self {
        Lines { reader: BufReader::new(from), buffer: Vec::new(), number: 0 }
    }

    /// The next line; `None` at the end. False if it is too long and has been passed over.
    fn next(&mut self) -> io::Result<Option<bool>> {
        self.buffer.clear();
        let limit = VALUE_BYTES_MAX as u64 + 2;
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let whole = self.buffer.ends_with(b"\n") || (self.buffer.len() as u64) < limit;
        if !whole {
            self.reader.skip_until(b'\n')?;
            self.buffer.clear();
        }
        for end in [b'\n', b'\r'] {
            self.buffer.pop_if(|byte| *byte == end);
        }
        Ok(Some(whole))
    }

    /// The next line that is not empty.
    fn next_full(&mut self) -> io::Result<Option<bool>> {
        loop {
            match self.next()? {
                Some(true) if self.buffer.trim_ascii().is_empty() => {}
                line => return Ok(line),
            }
        }
    }
}

/// Bytes of rows that may span lines: a quote that is left open must not read a whole file into one row.
struct Guarded<R> {
    inner: R,
    since_row: u64,
    /// What was handed out from the row's beginning on, and of the rows before it some.
    kept: Vec<u8>,
    /// How many bytes came before these.
    before: u64,
    /// Where the row begins.
    row: u64,
}

impl<R> Guarded<R> {
    fn new(inner: R) -> Self {
        Guarded { inner, since_row: 0, kept: Vec::new(), before: 0, row: 0 }
    }

    fn begin_row(&mut self, row: u64) {
        (self.row, self.since_row) = (row, 0);
    }

    /// The bytes from one place to another, of those that are kept.
    fn between(&self, begin: u64, end: u64) -> &[u8] {
        let at = |place: u64| usize::try_from(place.saturating_sub(self.before)).unwrap_or(usize::MAX);
        self.kept.get(at(begin)..at(end)).unwrap_or_default()
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.since_row > VALUE_BYTES_MAX as u64 + (1 << 16) {
            let what = format!("a row of more than {VALUE_BYTES_MAX} bytes: is a quote left open?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let over = usize::try_from(self.row - self.before).unwrap_or(usize::MAX).min(self.kept.len());
        self.kept.drain(..over);
        self.before += over as u64;
        let count = self.inner.read(into)?;
        self.kept.extend_from_slice(&into[..count]);
        self.since_row += count as u64;
        Ok(count)
    }
}

fn too_long() -> Rejection {
    let expected = format!("more than {VALUE_BYTES_MAX} bytes in a line");
    Rejection { reason: Reason::TooLarge, place: "value".into(), expected }
}

/// Takes one row out of some bytes; false if there is none.
fn parse_line(dialect: &Csv, line: &[u8], record: &mut csv::ByteRecord) -> io::Result<bool> {
    let mut builder = builder(dialect);
    let mut reader = builder.buffer_capacity(line.len().max(1)).from_reader(line);
    read_record(&mut reader, record)
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

/// The line that a row begins on: the reader counts from before the line ends that it skips.
fn first_line(before: u64, row: &[u8]) -> u64 {
    let skipped = row.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    before + skipped.filter(|byte| **byte == b'\n').count() as u64
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
        let lines = record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        let over = match lines {
            0 => String::new(),
            lines => format!(" in {} lines; is a quote left open?", lines + 1),
        };
        let expected = format!("expected {wanted} columns, found {found}{over}");
        return refuse(out, malformed(format!("row {row}"), expected));
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
