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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::FeedSettings;
    use cxwatch_event::Catalogue;

    const MAPPING: &str = "\
mapping: calls
feeds:
  - feed: contact-center
    format: csv
    zone: UTC
    columns: [caller, queued_at, waited_s, outcome]
    customer: caller
    id: { record: row }
    times:
      queued: { column: queued_at, format: \"%Y-%m-%dT%H:%M:%SZ\" }
      left: { at: queued, plus: { seconds: waited_s } }
    events:
      - type: contact.queued
        time: queued
        data: { contact_id: caller, channel: { const: voice } }
      - type: contact.abandoned
        when: { outcome: HUNG_UP }
        time: left
        data: { contact_id: caller }
";

    fn read(key: &[u8], value: &[u8], offset: i64) -> Result<Record, Rejection> {
        let (book, _) =
            cxwatch_rulebook::compile(include_str!("../../rulebooks/demo.yaml"), "demo.yaml").expect("ours");
        let catalogue: &Catalogue = &book.catalogue;
        let (mapping, _) =
            cxwatch_rulebook::mapping::read("calls.yaml", MAPPING, catalogue).expect("a right mapping");
        let name = "contact-center".to_owned();
        let settings = FeedSettings::of(&name);
        let feeds = [Feed { name: name.clone(), settings, mapping: Some(Arc::new(mapping)), expect: None }];
        let at = book.feeds.iter().position(|feed| *feed == name).expect("a feed of the catalogue");
        let mut record = Record::default();
        let raw = RawRecord { feed: &name, key: Some(key), value: Some(value), headers: &[] };
        decoders(&feeds, &book)[at](&raw, offset, &mut record)?;
        Ok(record)
    }

    #[test]
    fn a_mapped_record_gives_all_its_events_under_its_offset() {
        let record = read(b"c1", b"c1,2026-11-24T08:00:00Z,75,HUNG_UP", 41).expect("a right row");
        let events: Vec<(&str, i64, u32)> = record
            .events
            .iter()
            .map(|event| (event.id.as_str(), event.time % 86_400_000, event.sub))
            .collect();
        assert_eq!(events, [("41", 28_800_000, 0), ("41", 28_875_000, 1)]);
    }

    #[test]
    fn a_customer_that_is_not_the_key_and_a_broken_row_are_rejected_whole() {
        let wrong = read(b"c2", b"c1,2026-11-24T08:00:00Z,75,HUNG_UP", 0).expect_err("another key");
        assert_eq!(wrong.reason, Reason::WrongKey);
        let broken = read(b"c1", b"c1,2026-11-24T08:00:00Z,soon,HUNG_UP", 0).expect_err("no number");
        assert_ne!(broken.reason, Reason::WrongKey);
    }
}
