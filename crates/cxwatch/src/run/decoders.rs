//! What turns a feed's records into events: CloudEvents as they are, everything else by its mapping.

use super::setup::Feed;
use cxwatch_event::mapping::{Refusal, Section};
use cxwatch_event::{Decoder, Event, Interest, RawRecord, Reason, Record, Rejection};
use cxwatch_rulebook::Rulebook;
use cxwatch_runtime::settings::{Decode, cloud_event};
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
                    Arc::new(
                        move |raw: &RawRecord<'_>, _: i64, out: &mut Record, refused: &mut Vec<Refusal>| {
                            cloud_event(&decoder, raw, out, refused);
                        },
                    ) as Decode
                }
                Some(mapping) => {
                    let interest = book.interest.clone();
                    let name = name.clone();
                    Arc::new(
                        move |raw: &RawRecord<'_>,
                              offset: i64,
                              out: &mut Record,
                              refused: &mut Vec<Refusal>| {
                            let section = mapping.sections.iter().find(|section| section.feed == name);
                            let section = section.expect("checked when the settings were read");
                            map(section, &interest, raw, offset, out, refused);
                        },
                    ) as Decode
                }
            }
        })
        .collect()
}

/// Each event of a record has its own verdict: one that is refused leaves the others alone. Where no event's customer is
/// the record's key, all of the record is refused at once.
pub(crate) fn map(
    section: &Section,
    interest: &Interest,
    raw: &RawRecord<'_>,
    offset: i64,
    out: &mut Record,
    refused: &mut Vec<Refusal>,
) {
    let mapped = section.map(raw.value.unwrap_or_default(), offset.unsigned_abs(), interest);
    *out = mapped.record;
    refused.extend(mapped.rejected);
    let key = raw.key.unwrap_or_default();
    let is_strange = |event: &Event| event.customer.as_bytes() != key;
    if !out.events.is_empty() && out.events.iter().all(is_strange) {
        *out = Record::default();
        refused.push(Refusal { sub: None, rejection: wrong_key() });
        return;
    }
    let Record { events, times } = out;
    events.retain(|event| {
        if !is_strange(event) {
            return true;
        }
        // What is refused moves no watermark.
        if let Some(at) = times.iter().position(|time| *time == event.time) {
            times.remove(at);
        }
        refused.push(Refusal { sub: Some(event.sub), rejection: wrong_key() });
        false
    });
}

#[cold]
fn wrong_key() -> Rejection {
    Rejection {
        reason: Reason::WrongKey,
        place: "the customer".to_owned(),
        expected: "expected the record's key".to_owned(),
    }
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

    fn read(key: &[u8], value: &[u8], offset: i64) -> (Record, Vec<(Option<u32>, Reason)>) {
        let (book, _) =
            cxwatch_rulebook::compile(include_str!("../../rulebooks/demo.yaml"), "demo.yaml").expect("ours");
        let catalogue: &Catalogue = &book.catalogue;
        let (mapping, _) =
            cxwatch_rulebook::mapping::read("calls.yaml", MAPPING, catalogue).expect("a right mapping");
        let name = "contact-center".to_owned();
        let settings = FeedSettings::of(&name);
        let feeds = [Feed { name: name.clone(), settings, mapping: Some(Arc::new(mapping)), expect: None }];
        let at = book.feeds.iter().position(|feed| *feed == name).expect("a feed of the catalogue");
        let (mut record, mut refused) = (Record::default(), Vec::new());
        let raw = RawRecord { feed: &name, key: Some(key), value: Some(value), headers: &[] };
        decoders(&feeds, &book)[at](&raw, offset, &mut record, &mut refused);
        (record, refused.into_iter().map(|refusal| (refusal.sub, refusal.rejection.reason)).collect())
    }

    fn events(record: &Record) -> Vec<(&str, i64, u32)> {
        record.events.iter().map(|e| (e.id.as_str(), e.time % 86_400_000, e.sub)).collect()
    }

    #[test]
    fn a_mapped_record_gives_all_its_events_under_its_offset() {
        let (record, refused) = read(b"c1", b"c1,2026-11-24T08:00:00Z,75,HUNG_UP", 41);
        assert_eq!(events(&record), [("41", 28_800_000, 0), ("41", 28_875_000, 1)]);
        assert_eq!(refused, []);
    }

    #[test]
    fn an_event_that_is_refused_leaves_the_others_of_its_record_alone() {
        let (record, refused) = read(b"c1", b"c1,2026-11-24T08:00:00Z,soon,HUNG_UP", 41);
        assert_eq!(events(&record), [("41", 28_800_000, 0)]);
        assert_eq!((record.times.len(), refused), (1, vec![(Some(1), Reason::BadTime)]));
    }

    #[test]
    fn a_customer_that_is_not_the_key_and_a_row_that_says_nothing_are_refused_whole() {
        let wrong = read(b"c2", b"c1,2026-11-24T08:00:00Z,75,HUNG_UP", 0);
        assert_eq!(wrong, (Record::default(), vec![(None, Reason::WrongKey)]));
        let (record, refused) = read(b"c1", b"c1", 0);
        assert_eq!((record, refused.len()), (Record::default(), 1));
        assert_eq!(refused[0].0, None);
    }
}
