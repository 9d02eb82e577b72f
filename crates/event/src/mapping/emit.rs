//! A record's events.

use super::cells::Row;
use super::plan::{DataType, DataValue, EventPlan, Kind, TypePlan};
use super::rows::{Mapped, Refusal};
use super::{Expr, NumberStyle, number};
use crate::decode::ATTRIBUTE_BYTES_MAX;
use crate::{Event, Field, FieldIx, FieldType, FieldValue, Interest, Reason, Rejection, TypeInterest, Value};
use compact_str::CompactString;

/// What a record becomes.
pub(super) fn emit(row: &Row, interest: &Interest, out: &mut Mapped) {
    match row.section.when.holds(row) {
        Ok(true) => {}
        Ok(false) => {
            out.skipped = true;
            return;
        }
        Err(rejection) => return out.rejected.push(Refusal { sub: None, rejection }),
    }
    for (sub, plan) in (0..).zip(&row.section.events) {
        if let Err(rejection) = event(row, plan, sub, interest, out) {
            out.rejected.push(Refusal { sub: Some(sub), rejection });
        }
    }
}

fn event(
    row: &Row,
    plan: &EventPlan,
    sub: u32,
    interest: &Interest,
    out: &mut Mapped,
) -> Result<(), Rejection> {
    if !plan.when.holds(row)? {
        return Ok(());
    }
    let Some(kind) = kind(row, plan)? else { return Ok(()) };
    let time =
        plan.time.eval(row)?.ok_or_else(|| missing(plan.time.place(row.section), "the event's time"))?;
    let interest = interest.of(kind.id);
    let fields = fields(row, plan, kind, interest)?;
    if !kind.has_customer {
        out.record.times.push(time);
        return Ok(());
    }
    let customer = identity(row, plan.customer.as_ref().unwrap_or(&row.section.customer), "the customer")?;
    let id = identity(row, plan.id.as_ref().unwrap_or(&row.section.id), "the id")?;
    out.record.times.push(time);
    if interest.is_some() {
        let source = row.section.source.clone();
        out.record.events.push(Event { kind: kind.id, time, sub, customer, id, source, fields });
    }
    Ok(())
}

fn kind<'r>(row: &Row<'r>, plan: &'r EventPlan) -> Result<Option<&'r TypePlan>, Rejection> {
    match &plan.kind {
        Kind::One(kind) => Ok(Some(kind)),
        Kind::Table { of, cases, skip_others } => {
            let value = of.eval(row)?;
            let found =
                cases.iter().find(|(case, _)| Some(case.as_str()) == value.as_deref()).map(|(_, kind)| kind);
            if found.is_none() && !skip_others {
                let expected = "expected one of the names in the mapping's table of types";
                let place = of.place(row.section);
                return Err(Rejection { reason: Reason::UnknownType, place, expected: expected.into() });
            }
            Ok(found)
        }
    }
}

fn identity(row: &Row, expr: &Expr, what: &str) -> Result<CompactString, Rejection> {
    let text = expr.eval(row)?.ok_or_else(|| missing(expr.place(row.section), what))?;
    if text.len() > ATTRIBUTE_BYTES_MAX {
        let expected = format!("expected at most {ATTRIBUTE_BYTES_MAX} bytes for {what}");
        return Err(Rejection { reason: Reason::TooLarge, place: expr.place(row.section), expected });
    }
    Ok(text.as_ref().into())
}

/// The fields that rules read, in ascending order. The others are checked all the same.
fn fields(
    row: &Row,
    plan: &EventPlan,
    kind: &TypePlan,
    interest: Option<&TypeInterest>,
) -> Result<Vec<FieldValue>, Rejection> {
    let mut fields = Vec::new();
    for (data, target) in plan.data.iter().zip(&kind.fields) {
        let Some(target) = target else { continue };
        let read = interest.is_some_and(|i| i.reads(target.field));
        let (value, place) = match &data.value {
            DataValue::Time(time) => (time.eval(row)?.map(Value::Time), time.place(row.section)),
            DataValue::Text(expr) => {
                let place = expr.place(row.section);
                let value = match expr.eval(row)? {
                    Some(text) => {
                        let value = convert(&text, target, read, row.section.numbers);
                        Some(value.map_err(|expected| Rejection {
                            reason: Reason::WrongType,
                            place: place.clone(),
                            expected: format!("expected {expected} for {}", data.name),
                        })?)
                    }
                    None => None,
                };
                (value, place)
            }
        };
        match value {
            Some(value) if read => fields.push(FieldValue { field: target.field, value }),
            None if target.required => return Err(missing(place, &data.name)),
            _ => {}
        }
    }
    fields.sort_by_key(|f: &FieldValue| f.field);
    Ok(fields)
}

/// Whether a text that stands in a mapping can be a value of a field.
///
/// # Errors
/// What was expected.
pub fn check(text: &str, field: &Field, numbers: NumberStyle) -> Result<(), String> {
    let target = DataType {
        field: FieldIx(0),
        kind: field.kind,
        required: field.required,
        one_of: field.one_of.clone(),
    };
    convert(text, &target, false, numbers).map(|_| ())
}

/// A text as a value of a field's type.
fn convert(text: &str, target: &DataType, read: bool, numbers: NumberStyle) -> Result<Value, String> {
    Ok(match target.kind {
        FieldType::Text => {
            if !target.one_of.is_empty() && target.one_of.iter().all(|v| v != text) {
                return Err(format!("one of {}", target.one_of.join(", ")));
            }
            // A text that nobody reads is not copied.
            Value::Text(if read { text.into() } else { CompactString::default() })
        }
        FieldType::Number => Value::Number(number::parse(text, numbers).ok_or("a number")?.0),
        FieldType::Integer => match number::parse(text, numbers) {
            Some((number, true)) => Value::Number(number),
            _ => return Err("a whole number".into()),
        },
        FieldType::Bool => Value::Bool(match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => true,
            "false" | "f" | "no" | "n" | "0" => false,
            _ => return Err("true or false (or yes, no, 1, 0)".into()),
        }),
        FieldType::ActionId if !crate::decode::is_action_id(text) => {
            return Err("32 lower-case hexadecimal digits".into());
        }
        FieldType::ActionId => Value::Text(if read { text.into() } else { CompactString::default() }),
        FieldType::Time => {
            let time = crate::rfc3339::parse(text.trim()).ok_or("a time in RFC 3339 (else give `time`)")?;
            Value::Time(time)
        }
    })
}

#[cold]
fn missing(place: String, what: &str) -> Rejection {
    Rejection { reason: Reason::MissingField, place, expected: format!("expected {what}, found nothing") }
}
