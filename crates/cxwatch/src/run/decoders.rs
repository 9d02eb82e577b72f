//! What turns a feed's records into events: CloudEvents as they are, everything else by its mapping.

use super::setup::Feed;
use cxwatch_event::mapping::Section;
use cxwatch_event::{Decoder, Interest, RawRecord, Reason, Record, Rejection};
use cxwatch_rulebook::Rulebook;
use cxwatch_runtime::settings::Decode;
use std::sync::Arc;

/// By feed, what decodes its records under this rulebook.
pub(crate) fn decoders(feeds: &[Feed], book: &Rulebook) -> Vec<Decode> {
    let decoder = Arc::new(Decoder::new(Arc::clone(&book.catalogue), book.interest.clone()));
    book.feeds
        .iter()
        .map(|name| {
            let feed = feeds.iter().find(|feed| feed.name == name.as_str());
            match feed.and_then(|feed| feed.mapping.clone()) {
                None => {
                    let decoder = Arc::clone(&decoder);
                    Arc::new(move |raw: &RawRecord<'_>, _: i64, out: &mut Record| decoder.decode(raw, out))
                        as Decode
                }
                Some(mapping) => {
                    let interest = book.interest.clone();
                    let name = name.clone();
                    Arc::new(move |raw: &RawRecord<'_>, offset: i64, out: &mut Record| {
                        let section = mapping.sections.iter().find(|section| section.feed == name);
                        let section = section.expect("checked when the settings were read");
                        map(section, &interest, raw, offset, out)
                    }) as Decode
                }
            }
        })
        .collect()
}

/// A record is taken whole or not at all: where one of its events is refused, the record goes to the dead letters.
pub(crate) fn map(
    section: &Section,
    interest: &Interest,
    raw: &RawRecord<'_>,
    offset: i64,
    out: &mut Record,
) -> Result<(), Rejection> {
    let mapped = section.map(raw.value.unwrap_or_default(), offset.unsigned_abs(), interest);
    *out = Record::default();
    if let Some(refusal) = mapped.rejected.into_iter().next() {
        return Err(refusal.rejection);
    }
    let key = raw.key.unwrap_or_default();
    if mapped.record.events.iter().any(|event| event.customer.as_bytes() != key) {
        return Err(Rejection {
            reason: Reason::WrongKey,
            place: "the customer".to_owned(),
            expected: "expected the record's key".to_owned(),
        });
    }
    *out = mapped.record;
    Ok(())
}
