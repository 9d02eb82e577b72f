//! The attributes of a CloudEvent.

use super::{ATTRIBUTE_BYTES_MAX, malformed, missing, reject, twice};
use crate::scan::{Kind, Scanner, Str};
use crate::{Millis, Reason, Rejection, rfc3339};
use std::borrow::Cow;

/// The attributes seen so far.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    specversion: Option<Str<'a>>,
    pub(super) kind: Option<Str<'a>>,
    id: Option<Str<'a>>,
    source: Option<Str<'a>>,
    subject: Option<Str<'a>>,
    time: Option<Str<'a>>,
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
    /// Its number and its place, if the attribute means something to us.
    #[inline]
    fn slot(&mut self, attribute: &str) -> Option<(u8, &mut Option<Str<'a>>)> {
        match attribute {
            "specversion" => Some((0, &mut self.specversion)),
            "type" => Some((1, &mut self.kind)),
            "id" => Some((2, &mut self.id)),
            "source" => Some((3, &mut self.source)),
            "subject" => Some((4, &mut self.subject)),
            "time" => Some((5, &mut self.time)),
            _ => None,
        }
    }

    /// Reads the value of an attribute of a structured event, or steps over it; whether it was there and not null.
    #[inline]
    pub(super) fn read(&mut self, scanner: &mut Scanner<'a>, attribute: &str) -> Result<bool, Rejection> {
        let Some((number, _)) = self.slot(attribute) else {
            return other(scanner, attribute).map(|()| false);
        };
        self.first(number, attribute)?;
        match scanner.kind().map_err(|e| malformed(scanner, e))? {
            Kind::String => {
                let value = scanner.string().map_err(|e| malformed(scanner, e))?;
                if let Some((_, slot)) = self.slot(attribute) {
                    *slot = Some(value);
                }
                Ok(true)
            }
            Kind::Null => scanner.null().map(|()| false).map_err(|e| malformed(scanner, e)),
            _ => Err(reject(Reason::WrongType, format!("/{attribute}"), "expected a string")),
        }
    }

    /// Takes the value of an attribute from a header of a binary event.
    pub(super) fn header(&mut self, attribute: &str, value: &'a [u8]) -> Result<(), Rejection> {
        let Some((number, _)) = self.slot(attribute) else { return Ok(()) };
        self.first(number, attribute)?;
        let value = std::str::from_utf8(value)
            .map_err(|_| reject(Reason::Malformed, format!("header ce_{attribute}"), "expected UTF-8"))?;
        if let Some((_, slot)) = self.slot(attribute) {
            *slot = Some(Str::plain(value));
        }
        Ok(())
    }

    #[inline]
    fn first(&mut self, number: u8, attribute: &str) -> Result<(), Rejection> {
        if self.seen >> number & 1 == 1 {
            return Err(twice(format!("/{attribute}")));
        }
        self.seen |= 1 << number;
        Ok(())
    }

    /// That the attributes are there and right.
    #[inline]
    pub(super) fn identity(&self, has_customer: bool) -> Result<Identity<'a>, Rejection> {
        let version = self.specversion.ok_or_else(|| missing("/specversion"))?;
        if version.text() != "1.0" {
            return Err(reject(Reason::WrongType, "/specversion", "expected \"1.0\""));
        }
        let id = required(self.id, "/id")?;
        let source = required(self.source, "/source")?;
        let customer = if has_customer { required(self.subject, "/subject")? } else { Cow::Borrowed("") };
        let time = self.time.ok_or_else(|| missing("/time"))?;
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
