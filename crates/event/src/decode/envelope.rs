//! The attributes of a CloudEvent.

use super::{ATTRIBUTE_BYTES_MAX, malformed, missing, reject, twice};
use crate::scan::{Kind, Scanner, Str};
use crate::{Millis, Reason, Rejection, rfc3339};
use std::borrow::Cow;

const SPECVERSION: usize = 0;
const TYPE: usize = 1;
const ID: usize = 2;
const SOURCE: usize = 3;
const SUBJECT: usize = 4;
const TIME: usize = 5;

/// The number of an attribute that means something to us.
#[inline]
fn number(attribute: &str) -> Option<usize> {
    match attribute {
        "specversion" => Some(SPECVERSION),
        "type" => Some(TYPE),
        "id" => Some(ID),
        "source" => Some(SOURCE),
        "subject" => Some(SUBJECT),
        "time" => Some(TIME),
        _ => None,
    }
}

/// The attributes seen so far.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    values: [Option<Str<'a>>; 6],
    /// A bit per attribute that has been seen, `null` or not.
    seen: u8,
}

/// Who and when.
pub(super) struct Identity<'a> {
    /// Empty for a type without a customer.
    pub(super) customer: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    pub(super) source: Cow<'a, str>,
    pub(super) time: Millis,
}

impl<'a> Envelope<'a> {
    pub(super) fn kind(&self) -> Option<Str<'a>> {
        self.values[TYPE]
    }

    /// Reads the value of an attribute of a structured event, or steps over it; whether it was the type.
    #[inline]
    pub(super) fn read(&mut self, scanner: &mut Scanner<'a>, attribute: &str) -> Result<bool, Rejection> {
        let Some(number) = number(attribute) else {
            return other(scanner, attribute).map(|()| false);
        };
        self.first(number, attribute)?;
        match scanner.kind().map_err(|e| malformed(scanner, e))? {
            Kind::String => {
                self.values[number] = Some(scanner.string().map_err(|e| malformed(scanner, e))?);
                Ok(number == TYPE)
            }
            Kind::Null => scanner.null().map(|()| false).map_err(|e| malformed(scanner, e)),
            _ => Err(reject(Reason::WrongType, format!("/{attribute}"), "expected a string")),
        }
    }

    /// Takes the value of an attribute from a header of a binary event.
    pub(super) fn header(&mut self, attribute: &str, value: &'a [u8]) -> Result<(), Rejection> {
        let Some(number) = number(attribute) else { return Ok(()) };
        self.first(number, attribute)?;
        let value = std::str::from_utf8(value)
            .map_err(|_| reject(Reason::Malformed, format!("header ce_{attribute}"), "expected UTF-8"))?;
        self.values[number] = Some(Str::plain(value));
        Ok(())
    }

    #[inline]
    fn first(&mut self, number: usize, attribute: &str) -> Result<(), Rejection> {
        if self.seen >> number & 1 == 1 {
            return Err(twice(format!("/{attribute}")));
        }
        self.seen |= 1 << number;
        Ok(())
    }

    /// That the attributes are there and right.
    #[inline]
    pub(super) fn identity(&self, has_customer: bool) -> Result<Identity<'a>, Rejection> {
        let version = self.values[SPECVERSION].ok_or_else(|| missing("/specversion"))?;
        if version.text() != "1.0" {
            return Err(reject(Reason::WrongType, "/specversion", "expected \"1.0\""));
        }
        let id = required(self.values[ID], "/id")?;
        let source = required(self.values[SOURCE], "/source")?;
        let customer =
            if has_customer { required(self.values[SUBJECT], "/subject")? } else { Cow::Borrowed("") };
        let time = self.values[TIME].ok_or_else(|| missing("/time"))?;
        let time = rfc3339::parse(&time.text()).ok_or_else(|| {
            reject(Reason::BadTime, "/time", "expected an instant as RFC 3339 says, from 1970 on")
        })?;
        Ok(Identity { customer, id, source, time })
    }
}

#[inline]
fn required<'a>(value: Option<Str<'a>>, place: &str) -> Result<Cow<'a, str>, Rejection> {
    let text = value.ok_or_else(|| missing(place))?.text();
    if text.is_empty() {
        return Err(reject(Reason::MissingField, place, "required, but empty"));
    }
    if text.len() > ATTRIBUTE_BYTES_MAX {
        let expected = format!("expected at most {ATTRIBUTE_BYTES_MAX} bytes");
        return Err(reject(Reason::WrongType, place, expected));
    }
    Ok(text)
}

/// Over an attribute that means nothing to us - unless it holds the data in a form that we do not read.
fn other(scanner: &mut Scanner, attribute: &str) -> Result<(), Rejection> {
    let null = scanner.kind().map_err(|e| malformed(scanner, e))? == Kind::Null;
    if attribute == "data_base64" && !null {
        return Err(reject(
            Reason::WrongType,
            "/data_base64",
            "expected the data as a JSON object in `data`",
        ));
    }
    scanner.skip(1).map_err(|e| malformed(scanner, e))
}
