//! Fields that lie in nested objects: a customer's consent and attributes.
//!
//! A way of its own, so that types without such fields do not pay for it.

use super::data::{put, value};
use super::{Known, malformed, reject, twice};
use crate::scan::{Kind, Scanner};
use crate::{FieldIx, FieldValue, Reason, Record, Rejection};

/// Where in the data an object lies.
struct At<'d, 'p> {
    known: Known<'d>,
    /// What the names of its fields begin with: empty, or ending in a point.
    prefix: &'p str,
    depth: u32,
}

/// Reads the fields of an object that lies `depth` objects deep: which of them are there, as bits.
pub(super) fn read(
    scanner: &mut Scanner,
    known: Known,
    depth: u32,
    out: &mut Record,
) -> Result<u64, Rejection> {
    object(scanner, &At { known, prefix: "", depth }, out)
}

fn object(scanner: &mut Scanner, at: &At, out: &mut Record) -> Result<u64, Rejection> {
    let known = at.known;
    // By the first field that a name leads to: the field itself, or the first one inside the object.
    let (mut seen, mut present) = (0u64, 0u64);
    let mut name = scanner.first_name().map_err(|e| malformed(scanner, e))?;
    while let Some(field_name) = name {
        let text = field_name.text();
        let inner = |field: &str| match field.strip_prefix(at.prefix)?.strip_prefix(&*text)? {
            "" => Some(false),
            rest => rest.starts_with('.').then_some(true),
        };
        // A name in the data that has points itself is none of ours.
        let found = known.spec.fields.iter().take(64).enumerate().filter(|_| !text.contains('.'));
        match found.filter_map(|(ix, field)| Some((ix, inner(&field.name)?))).next() {
            None => scanner.skip(at.depth + 1).map_err(|e| malformed(scanner, e))?,
            Some((ix, nested)) => {
                let path = format!("{}{text}", at.prefix);
                if seen >> ix & 1 == 1 {
                    return Err(twice(place(&path)));
                }
                seen |= 1 << ix;
                if nested {
                    present |= inside(scanner, at, &path, out)?;
                } else {
                    let field = &known.spec.fields[ix];
                    let reads = known.interest.is_some_and(|i| i.reads(FieldIx(ix as u8)));
                    if let Some(value) = value(scanner, field, reads)? {
                        present |= 1 << ix;
                        if let (Some(value), Some(event)) = (value, out.events.last_mut()) {
                            put(event, FieldValue { field: FieldIx(ix as u8), value });
                        }
                    }
                }
            }
        }
        name = scanner.next_name().map_err(|e| malformed(scanner, e))?;
    }
    Ok(present)
}

/// An object of fields; `null` stands for one without any.
fn inside(scanner: &mut Scanner, at: &At, path: &str, out: &mut Record) -> Result<u64, Rejection> {
    match scanner.kind().map_err(|e| malformed(scanner, e))? {
        Kind::Object => {
            let inner = At { known: at.known, prefix: &format!("{path}."), depth: at.depth + 1 };
            object(scanner, &inner, out)
        }
        Kind::Null => scanner.null().map(|()| 0).map_err(|e| malformed(scanner, e)),
        _ => Err(reject(Reason::WrongType, place(path), "expected an object")),
    }
}

fn place(path: &str) -> String {
    format!("/data/{}", path.replace('.', "/"))
}
