//! Records of Kafka to events: CloudEvents 1.0 in JSON, structured and binary.
//!
//! One pass over the bytes. Every known field of a type is checked, also one that no rule reads; a field that no
//! rule reads costs no allocation, and a type that no rule names gives no event, only its time.
//!
//! What is refused beyond what a JSON Schema can say: a name that the type knows and that stands twice in one
//! object (two quantities have no meaning); a type on a feed that is not its own; a customer that is not the
//! record's key; nesting beyond [`crate::scan::DEPTH_MAX`]; a record beyond the limit on its size.

mod data;
mod envelope;
mod names;
mod nested;

use crate::scan::{Expected, Kind, Scanner};
use crate::{
    Catalogue, Event, Interest, Reason, Record, Rejection, TypeId, TypeInterest, TypeSpec, catalogue::builtin,
};
use compact_str::CompactString;
pub(crate) use data::is_action_id;
use envelope::Envelope;
use names::Names;
use std::sync::Arc;

/// The headers of a record, in their order.
pub type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// A record as it lies in its topic, or a line of a file.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// The feed it came in on.
    pub feed: &'a str,
    /// Its key. `None`: has none to compare the customer with (a line of a file).
    pub key: Option<&'a [u8]>,
    /// Its value. `None`: a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

/// The default limit on a record's value, in bytes: that of a Kafka broker.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// The limit on `id`, `source` and `subject`, in bytes: they are kept in state.
pub const ATTRIBUTE_BYTES_MAX: usize = 1024;

const STRUCTURED: &str = "application/cloudevents+json";

/// Turns records into events.
#[derive(Debug, Clone)]
pub struct Decoder {
    catalogue: Arc<Catalogue>,
    interest: Interest,
    names: Names,
    plans: Vec<Plan>,
    value_bytes_max: usize,
}

/// What is known of a type before a record comes.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Bits by [`crate::FieldIx`].
    required: u64,
    /// Whether an event of it has a customer.
    has_customer: bool,
    /// Whether some of its fields lie in nested objects.
    nested: bool,
}

/// A type of the catalogue as one record needs it.
#[derive(Clone, Copy)]
struct Known<'d> {
    id: TypeId,
    spec: &'d TypeSpec,
    plan: Plan,
    /// `None`: no rule names it, or it is about no customer.
    interest: Option<&'d TypeInterest>,
}

impl Decoder {
    /// A decoder for these types, that extracts what is of interest. A type's fields past the 64th are unknown to
    /// it.
    pub fn new(catalogue: Arc<Catalogue>, interest: Interest) -> Self {
        let plans = catalogue.types().map(|(_, spec)| Plan {
            required: spec
                .fields
                .iter()
                .take(64)
                .enumerate()
                .fold(0, |set, (i, f)| set | u64::from(f.required) << i),
            has_customer: spec.name != builtin::HEARTBEAT,
            nested: spec.fields.iter().any(|f| f.name.contains('.')),
        });
        let plans = plans.collect();
        let names = Names::of(&catalogue);
        Decoder { catalogue, interest, names, plans, value_bytes_max: VALUE_BYTES_MAX }
    }

    /// The same with another limit on a record's value.
    pub fn with_value_bytes_max(self, value_bytes_max: usize) -> Self {
        Decoder { value_bytes_max, ..self }
    }

    /// The catalogue it was made for.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Reads one record into `out`, which is cleared first.
    ///
    /// A heartbeat gives its time and never an event, for it is about no customer. After a rejection `out` is
    /// empty.
    pub fn decode(&self, raw: &RawRecord, out: &mut Record) -> Result<(), Rejection> {
        self.decode_on(raw, Some(raw.feed), out).map(|_| ())
    }

    /// Reads a line of a file that holds events of any feed, in structured mode: each belongs to the home feed of its
    /// type, which is returned. Otherwise as [`Decoder::decode`].
    pub fn decode_at_home(&self, line: &[u8], out: &mut Record) -> Result<TypeId, Rejection> {
        let raw = RawRecord { feed: "", key: None, value: Some(line), headers: &[] };
        self.decode_on(&raw, None, out)
    }

    /// `feed`: the only one on which a type that has a home is accepted.
    #[inline]
    fn decode_on(&self, raw: &RawRecord, feed: Option<&str>, out: &mut Record) -> Result<TypeId, Rejection> {
        out.events.clear();
        out.times.clear();
        let value = raw.value.unwrap_or_default();
        if value.len() > self.value_bytes_max {
            let expected = format!("{} bytes, at most {} allowed", value.len(), self.value_bytes_max);
            return Err(Rejection { reason: Reason::TooLarge, place: "value".into(), expected });
        }
        let text = utf8(value)?;
        let binary = is_binary(raw.headers)?;
        let fate =
            if binary { self.binary(raw, feed, text, out) } else { self.structured(raw, feed, text, out) };
        if fate.is_err() {
            out.events.clear();
        }
        fate
    }

    fn structured(
        &self,
        raw: &RawRecord,
        feed: Option<&str>,
        text: &str,
        out: &mut Record,
    ) -> Result<TypeId, Rejection> {
        let mut scanner = Scanner::new(text);
        if scanner.kind().map_err(|e| malformed(&scanner, e))? != Kind::Object {
            return Err(reject(Reason::Malformed, "byte 0", "expected a CloudEvent: a JSON object"));
        }
        let mut envelope = Envelope::default();
        let mut known = None;
        // Where `data` begins, if it came before `type`.
        let mut data_before_type = None;
        let mut data_seen = false;
        let mut name = scanner.first_name().map_err(|e| malformed(&scanner, e))?;
        while let Some(attribute) = name {
            match &*attribute.text() {
                "data" => {
                    if std::mem::replace(&mut data_seen, true) {
                        return Err(twice("/data"));
                    }
                    match known {
                        Some(known) => data::read(&mut scanner, known, 1, out)?,
                        None => {
                            scanner.kind().map_err(|e| malformed(&scanner, e))?;
                            data_before_type = Some(scanner.pos());
                            scanner.skip(1).map_err(|e| malformed(&scanner, e))?;
                        }
                    }
                }
                attribute => {
                    if envelope.read(&mut scanner, attribute)? {
                        known = self.known(&envelope, feed, out)?;
                    }
                }
            }
            name = scanner.next_name().map_err(|e| malformed(&scanner, e))?;
        }
        scanner.end().map_err(|e| malformed(&scanner, e))?;
        let known = known.ok_or_else(|| missing("/type"))?;
        match data_before_type {
            Some(at) => data::read(&mut scanner.at(at), known, 1, out)?,
            None if !data_seen => data::absent(known)?,
            None => {}
        }
        finish(raw, known, &envelope, out)
    }

    fn binary(
        &self,
        raw: &RawRecord,
        feed: Option<&str>,
        text: &str,
        out: &mut Record,
    ) -> Result<TypeId, Rejection> {
        let mut envelope = Envelope::default();
        for (name, value) in raw.headers {
            if let Some(attribute) = name.strip_prefix("ce_") {
                envelope.header(attribute, value)?;
            }
        }
        let known = self.known(&envelope, feed, out)?.ok_or_else(|| missing("/type"))?;
        if text.is_empty() {
            data::absent(known)?;
        } else {
            let mut scanner = Scanner::new(text);
            data::read(&mut scanner, known, 0, out)?;
            scanner.end().map_err(|e| malformed(&scanner, e))?;
        }
        finish(raw, known, &envelope, out)
    }

    /// The type that the envelope names, if it does by now. Where a rule names it, `out` gets an event of it, to
    /// be filled where it lies.
    fn known(
        &self,
        envelope: &Envelope,
        feed: Option<&str>,
        out: &mut Record,
    ) -> Result<Option<Known<'_>>, Rejection> {
        let Some(name) = envelope.kind() else { return Ok(None) };
        let name = name.text();
        let Some(id) = self.names.find(&self.catalogue, &name) else {
            return Err(reject(Reason::UnknownType, "/type", unknown_type(&name)));
        };
        let spec = self.catalogue.spec(id);
        if let (Some(home), Some(feed)) = (spec.feed.as_deref(), feed)
            && home != feed
        {
            let expected = format!("{} belongs to the feed {home}, and came in on {feed}", spec.name);
            return Err(reject(Reason::WrongFeed, "/type", expected));
        }
        let plan = self.plans[usize::from(id.0)];
        let interest = self.interest.of(id).filter(|_| plan.has_customer);
        if interest.is_some() {
            out.events.push(Event {
                kind: id,
                time: 0,
                sub: 0,
                customer: CompactString::const_new(""),
                id: CompactString::const_new(""),
                source: CompactString::const_new(""),
                fields: Vec::new(),
            });
        }
        Ok(Some(Known { id, spec, plan, interest }))
    }
}

/// Checks the attributes and puts them where they belong.
fn finish(raw: &RawRecord, known: Known, envelope: &Envelope, out: &mut Record) -> Result<TypeId, Rejection> {
    let identity = envelope.identity(known.plan.has_customer)?;
    if known.plan.has_customer && raw.key.is_some_and(|key| key != identity.customer.as_bytes()) {
        return Err(reject(Reason::WrongKey, "/subject", "expected the record's key"));
    }
    out.times.push(identity.time);
    if let Some(event) = out.events.last_mut() {
        event.time = identity.time;
        event.customer = identity.customer.as_ref().into();
        event.id = identity.id.as_ref().into();
        event.source = identity.source.as_ref().into();
    }
    Ok(known.id)
}

#[inline]
fn utf8(value: &[u8]) -> Result<&str, Rejection> {
    std::str::from_utf8(value)
        .map_err(|e| reject(Reason::Malformed, format!("byte {}", e.valid_up_to()), "expected UTF-8"))
}

/// Whether the attributes are in the headers. The content type decides where it names CloudEvents; else whether
/// there are attributes among the headers.
fn is_binary(headers: Headers) -> Result<bool, Rejection> {
    let content_type =
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type")).map(|(_, v)| *v);
    let media_type = content_type.map(|v| v.split(|b| *b == b';').next().unwrap_or_default().trim_ascii());
    match media_type {
        Some(v) if v.eq_ignore_ascii_case(STRUCTURED.as_bytes()) => Ok(false),
        Some(v) if v.len() >= 23 && v[..23].eq_ignore_ascii_case(&STRUCTURED.as_bytes()[..23]) => {
            Err(reject(Reason::Malformed, "header content-type", format!("expected {STRUCTURED}")))
        }
        _ => Ok(headers.iter().any(|(name, _)| name.starts_with("ce_"))),
    }
}

/// A type's name says nothing about a customer, where it looks like one.
fn unknown_type(name: &str) -> String {
    let harmless = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b".-_".contains(&b));
    if harmless {
        format!("no type {name} in the catalogue")
    } else {
        "expected a type of the catalogue".into()
    }
}

#[cold]
fn reject(reason: Reason, place: impl Into<String>, expected: impl Into<String>) -> Rejection {
    Rejection { reason, place: place.into(), expected: expected.into() }
}

#[cold]
fn missing(place: impl Into<String>) -> Rejection {
    reject(Reason::MissingField, place, "required, but missing or null")
}

#[cold]
fn twice(place: impl Into<String>) -> Rejection {
    reject(Reason::Malformed, place, "stands twice")
}

#[cold]
fn malformed(scanner: &Scanner, expected: Expected) -> Rejection {
    reject(Reason::Malformed, format!("byte {}", scanner.pos()), expected.0)
}

#[cfg(test)]
mod tests;
