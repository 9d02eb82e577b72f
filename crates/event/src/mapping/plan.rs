//! What a mapping file says, with all names resolved.

use super::{Cond, Expr, Time};
use crate::{Catalogue, FieldIx, FieldType, TypeId};
use compact_str::CompactString;

/// A mapping: how the records of one company's feeds or files become events.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// Its name.
    pub name: CompactString,
    /// Its sections, in the order of the file.
    pub sections: Vec<Section>,
}

impl Mapping {
    /// The sections that read a file of this name. A file may be read by several, once for each.
    pub fn sections_for<'a>(&'a self, file: &'a str) -> impl Iterator<Item = &'a Section> {
        self.sections.iter().filter(move |s| s.reads(file))
    }

    /// The sections whose events come in on this feed.
    pub fn sections_of<'a>(&'a self, feed: &'a str) -> impl Iterator<Item = &'a Section> {
        self.sections.iter().filter(move |s| s.feed == feed)
    }
}

/// How one kind of records becomes events of one feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The feed of all its events.
    pub feed: CompactString,
    /// Patterns of the names of the files it reads (`*` and `?`). Empty: every file.
    pub files: Vec<CompactString>,
    /// How its records are written.
    pub format: Format,
    /// How its numbers are written.
    pub numbers: NumberStyle,
    /// The columns or pointers that it reads: [`ColumnIx`] indexes this.
    pub columns: Vec<Column>,
    /// Texts that mean that there is nothing.
    pub missing: Vec<CompactString>,
    /// CloudEvents `source` of its events.
    pub source: CompactString,
    /// Records for which it does not hold become nothing.
    pub when: Cond,
    /// The customer of its events.
    pub customer: Expr,
    /// The id of its events.
    pub id: Expr,
    /// The times with a name. Each refers only to those before it.
    pub times: Vec<Time>,
    /// What a record may become.
    pub events: Vec<EventPlan>,
}

impl Section {
    /// Whether it reads a file of this name (the last part of a path).
    pub fn reads(&self, file: &str) -> bool {
        self.files.is_empty() || self.files.iter().any(|pattern| super::glob::matches(pattern, file))
    }

    /// Whether its records can be read one by one, as those of a topic are: not if the columns' names stand in a
    /// file's first line.
    pub fn reads_single_records(&self) -> bool {
        !matches!(&self.format, Format::Csv(Csv { header: Header::FirstRow, .. }))
    }
}

/// How records are written.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Rows of separated values.
    Csv(Csv),
    /// One JSON object a line.
    Json,
}

/// A dialect of CSV.
#[derive(Debug, Clone, PartialEq)]
pub struct Csv {
    /// Between two cells.
    pub delimiter: u8,
    /// Around a cell that holds the delimiter or a line end. `None`: quotes mean nothing.
    pub quote: Option<u8>,
    /// Before a quote inside quotes. `None`: the quote is doubled there.
    pub escape: Option<u8>,
    /// Where the names of the columns are.
    pub header: Header,
    /// Latin-1 instead of UTF-8.
    pub latin1: bool,
    /// A row is a line, whatever its quotes say: one that is left open ends with its line.
    pub one_line: bool,
}

/// Where the names of the columns are.
#[derive(Debug, Clone, PartialEq)]
pub enum Header {
    /// In the first row.
    FirstRow,
    /// The rows have these columns, and no header.
    Names(Vec<CompactString>),
    /// Nowhere: columns are numbers.
    None,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberStyle {
    /// Before the fraction.
    pub point: char,
    /// Between groups of digits.
    pub group: Option<char>,
}

impl Default for NumberStyle {
    fn default() -> Self {
        NumberStyle { point: '.', group: None }
    }
}

/// A column's place in [`Section::columns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnIx(pub u16);

/// Where a value stands in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// In the column of this name; where several have it, in the first.
    Name(CompactString),
    /// In the column of this number, from 0.
    Number(usize),
    /// Where this JSON pointer leads.
    Pointer(CompactString),
}

impl Column {
    /// The place as a rejection names it.
    pub fn place(&self) -> String {
        match self {
            Column::Name(name) => format!("column {name:?}"),
            Column::Number(number) => format!("column {}", number + 1),
            Column::Pointer(pointer) => pointer.to_string(),
        }
    }
}

/// One event that a record may become.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPlan {
    /// Of which type.
    pub kind: Kind,
    /// Whether it happened.
    pub when: Cond,
    /// When it happened.
    pub time: Time,
    /// Its customer, where it is not the section's.
    pub customer: Option<Expr>,
    /// Its id, where it is not the section's.
    pub id: Option<Expr>,
    /// Its data.
    pub data: Vec<Data>,
}

/// The type of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Always this one.
    One(TypePlan),
    /// By a value of the record.
    Table {
        /// The value.
        of: Expr,
        /// The types by the value.
        cases: Vec<(CompactString, TypePlan)>,
        /// Whether a record with another value becomes nothing; else it is rejected.
        skip_others: bool,
    },
}

/// What is known of a type before a record comes.
#[derive(Debug, Clone, PartialEq)]
pub struct TypePlan {
    /// Its number.
    pub id: TypeId,
    /// Whether its events have a customer: all but heartbeats.
    pub has_customer: bool,
    /// By entry of [`EventPlan::data`]: the field of this type that it fills, if the type has it.
    pub fields: Vec<Option<DataType>>,
}

impl TypePlan {
    /// The plan of a type for these data fields.
    pub fn of(catalogue: &Catalogue, id: TypeId, data: &[Data]) -> Self {
        let spec = catalogue.spec(id);
        let fields = data.iter().map(|data| {
            spec.field(&data.name).map(|ix| {
                let field = &spec.fields[usize::from(ix.0)];
                DataType {
                    field: ix,
                    kind: field.kind,
                    required: field.required,
                    one_of: field.one_of.clone(),
                }
            })
        });
        TypePlan {
            id,
            has_customer: spec.name != crate::catalogue::builtin::HEARTBEAT,
            fields: fields.collect(),
        }
    }
}

/// A field of a type, as a mapping fills it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataType {
    /// Its number.
    pub field: FieldIx,
    /// What it may hold.
    pub kind: FieldType,
    /// Whether an event without it is refused.
    pub required: bool,
    /// The only texts allowed. Empty: any.
    pub one_of: Vec<CompactString>,
}

/// A field of an event's data and where its value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// Its name below `data`.
    pub name: CompactString,
    /// Its value.
    pub value: DataValue,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum DataValue {
    /// A text, converted to the field's type.
    Text(Expr),
    /// An instant.
    Time(Box<Time>),
}
