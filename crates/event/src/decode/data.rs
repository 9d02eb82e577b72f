//! The fields of an event's `data`, checked against its type.

use super::{Known, malformed, missing, reject, twice};
use crate::number::Digits;
use crate::scan::{Kind, Scanner, Str};
use crate::{
    Event, Field, FieldIx, FieldType, FieldValue, Reason, Record, Rejection, TypeSpec, Value, rfc3339,
};

/// Reads an object of fields that lies `depth` objects deep. Those that a rule reads go to
/// the last event of `out`.
pub(super) fn read(
    scanner: &mut Scanner,
    known: Known,
    depth: u32,
    out: &mut Record,
) -> Result<(), Rejection> {
    match scanner.kind().map_err(|e| malformed(scanner, e))? {
        Kind::Object => {}
        Kind::Null => {
            scanner.null().map_err(|e| malformed(scanner, e))?;
            return absent(known);
        }
        _ => return Err(reject(Reason::WrongType, "/data", "expected an object")),
    }
    let present = if known.plan.nested {
        super::nested::read(scanner, known, depth, out)?
    } else {
        flat(scanner, known, depth, out)?
    };
    match known.plan.required & !present {
        0 => Ok(()),
        lacking => Err(missing(place(&known.spec.fields[lacking.trailing_zeros() as usize]))),
    }
}

/// The fields of a type that has no nested ones: which of them are there, as bits.
#[inline]
fn flat(scanner: &mut Scanner, known: Known, depth: u32, out: &mut Record) -> Result<u64, Rejection> {
    let (mut seen, mut present) = (0u64, 0u64);
    // Producers write fields in one order: the next field is mostly the one behind the last.
    let mut hint = 0;
    let mut name = scanner.first_name().map_err(|e| malformed(scanner, e))?;
    while let Some(field_name) = name {
        match find(known.spec, &field_name.text(), hint) {
            Some(ix) => {
                let field = &known.spec.fields[ix];
                if seen >> ix & 1 == 1 {
                    return Err(twice(place(field)));
                }
                seen |= 1 << ix;
                hint = ix + 1;
                let field_ix = FieldIx(ix as u8);
                let reads = known.interest.is_some_and(|i| i.reads(field_ix));
                if let Some(value) = value(scanner, field, reads)? {
                    present |= 1 << ix;
                    if let (Some(value), Some(event)) = (value, out.events.last_mut()) {
                        put(event, FieldValue { field: field_ix, value });
                    }
                }
            }
            None => scanner.skip(depth + 1).map_err(|e| malformed(scanner, e))?,
        }
        name = scanner.next_name().map_err(|e| malformed(scanner, e))?;
    }
    Ok(present)
}

/// An event without data: right where the type requires no field.
pub(super) fn absent(known: Known) -> Result<(), Rejection> {
    if known.plan.required == 0 { Ok(()) } else { Err(missing("/data")) }
}

#[inline]
fn find(spec: &TypeSpec, name: &str, hint: usize) -> Option<usize> {
    let fields = &spec.fields[..spec.fields.len().min(64)];
    let hint = hint.min(fields.len());
    let from = |range: &[Field]| range.iter().position(|f| f.name == name);
    from(&fields[hint..]).map(|i| hint + i).or_else(|| from(&fields[..hint]))
}

/// Keeps the order of indices. Mostly the new one is the last.
#[inline]
pub(super) fn put(event: &mut Event, value: FieldValue) {
    match event.fields.last() {
        Some(last) if last.field > value.field => {
            let at = event.fields.iter().rposition(|f| f.field < value.field).map_or(0, |i| i + 1);
            event.fields.insert(at, value);
        }
        _ => event.fields.push(value),
    }
}

/// Checks a value. `None`: it is null. `Some(None)`: it is right, but nobody reads it.
#[inline]
pub(super) fn value(
    scanner: &mut Scanner,
    field: &Field,
    reads: bool,
) -> Result<Option<Option<Value>>, Rejection> {
    let kind = scanner.kind().map_err(|e| malformed(scanner, e))?;
    let value = match (kind, field.kind) {
        (Kind::Null, _) => {
            scanner.null().map_err(|e| malformed(scanner, e))?;
            return Ok(None);
        }
        (Kind::String, FieldType::Text) => {
            let text = scanner.string().map_err(|e| malformed(scanner, e))?;
            text_value(text, field, reads)?
        }
        (Kind::String, FieldType::Time) => {
            let text = scanner.string().map_err(|e| malformed(scanner, e))?;
            let time = rfc3339::parse(&text.text()).ok_or_else(|| {
                reject(Reason::BadTime, place(field), "expected an instant as RFC 3339 says, from 1970 on")
            })?;
            reads.then_some(Value::Time(time))
        }
        (Kind::String, FieldType::ActionId) => {
            let text = scanner.string().map_err(|e| malformed(scanner, e))?.text();
            if !is_action_id(&text) {
                return Err(wrong_kind(field));
            }
            reads.then(|| Value::Text(text.as_ref().into()))
        }
        (Kind::Number, FieldType::Number | FieldType::Integer) => {
            let digits = scanner.number().map_err(|e| malformed(scanner, e))?;
            reads_number(digits, field, reads)?
        }
        (Kind::Bool, FieldType::Bool) => {
            let truth = scanner.truth().map_err(|e| malformed(scanner, e))?;
            reads.then_some(Value::Bool(truth))
        }
        _ => return Err(wrong_kind(field)),
    };
    Ok(Some(value))
}

#[inline]
fn text_value(text: Str, field: &Field, reads: bool) -> Result<Option<Value>, Rejection> {
    if !reads && field.one_of.is_empty() {
        return Ok(None);
    }
    let text = text.text();
    if !field.one_of.is_empty() && !field.one_of.iter().any(|v| *v == *text) {
        return Err(not_one_of(field));
    }
    Ok(reads.then(|| Value::Text(text.as_ref().into())))
}

#[inline]
fn reads_number(digits: Digits, field: &Field, reads: bool) -> Result<Option<Value>, Rejection> {
    if field.kind == FieldType::Integer && !digits.is_integer() {
        return Err(wrong_kind(field));
    }
    let number = digits.micro().ok_or_else(|| out_of_range(field))?;
    Ok(reads.then_some(Value::Number(number)))
}

/// Whether a text can be the id of an action: 32 lower-case hexadecimal digits.
pub(crate) fn is_action_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cold]
pub(super) fn place(field: &Field) -> String {
    format!("/data/{}", field.name.replace('~', "~0").replace('/', "~1").replace('.', "/"))
}

#[cold]
fn wrong_kind(field: &Field) -> Rejection {
    let expected = match field.kind {
        FieldType::Text => "expected a string",
        FieldType::Number => "expected a number",
        FieldType::Integer => "expected a number without a fraction",
        FieldType::Bool => "expected true or false",
        FieldType::Time => "expected a string that holds an instant",
        FieldType::ActionId => "expected a string of 32 lower-case hexadecimal digits",
    };
    reject(Reason::WrongType, place(field), expected)
}

#[cold]
fn out_of_range(field: &Field) -> Rejection {
    reject(Reason::WrongType, place(field), "expected a number within ±9.2e12")
}

#[cold]
fn not_one_of(field: &Field) -> Rejection {
    reject(Reason::WrongType, place(field), format!("expected one of {}", field.one_of.join(", ")))
}
