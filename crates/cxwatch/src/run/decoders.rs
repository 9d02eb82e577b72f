//! What turns a feed's records into events: CloudEvents as they are, everything else by its mapping.

use cxwatch_event::mapping::{Mapping, Refusal, Section};
use cxwatch_event::{Decoder, Event, Interest, RawRecord, Reason, Record, Rejection};
use cxwatch_rulebook::Rulebook;
use cxwatch_runtime::journal::FeedTopic;
use cxwatch_runtime::settings::{Decode, cloud_event};
use std::sync::Arc;

/// By feed, what decodes its records under this rulebook: each record by what records of its offset mean.
///
/// # Errors
/// A mapping that does not fit the rulebook, in words.
pub(crate) fn decoders(book: &Rulebook, feeds: &[FeedTopic]) -> Result<Vec<Decode>, String> {
    let cloud = Arc::new(Decoder::new(Arc::clone(&book.catalogue), book.interest.clone()));
    feeds.iter().map(|feed| decoder(book, feed, &cloud)).collect()
}

fn decoder(book: &Rulebook, feed: &FeedTopic, cloud: &Arc<Decoder>) -> Result<Decode, String> {
    let meanings = feed.meanings.iter().map(|meaning| {
        let section = meaning.mapping.as_deref().map(|text| section(book, &feed.feed, text));
        Ok((meaning.from, section.transpose()?))
    });
    let meanings = meanings.collect::<Result<Vec<(i64, Option<Section>)>, String>>()?;
    let (cloud, interest) = (Arc::clone(cloud), book.interest.clone());
    Ok(Arc::new(move |raw: &RawRecord<'_>, offset: i64, out: &mut Record, refused: &mut Vec<Refusal>| {
        let meaning = meanings.iter().rev().find(|(from, _)| *from <= offset).or(meanings.first());
        match meaning.and_then(|(_, section)| section.as_ref()) {
            Some(section) => map(section, &interest, raw, offset, out, refused),
            None => cloud_event(&cloud, raw, out, refused),
        }
    }))
}

/// A mapping as it was written: its entry for a feed.
fn section(book: &Rulebook, feed: &str, text: &str) -> Result<Section, String> {
    let name = format!("the mapping of {feed}");
    let Mapping { sections, .. } = match cxwatch_rulebook::mapping::read(&name, text, &book.catalogue) {
        Ok((mapping, _)) => mapping,
        Err(problems) => {
            return Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        }
    };
    let section = sections.into_iter().find(|section| section.feed == feed);
    section.ok_or_else(|| format!("{name} has no entry for it"))
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
    use compact_str::CompactString;
    use cxwatch_runtime::journal::Meaning;

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
        let name = "contact-center".to_owned();
        let topic = |feed: &CompactString| {
            let mapping = (*feed == name).then(|| MAPPING.to_owned());
            FeedTopic::new(feed, feed, mapping)
        };
        let feeds: Vec<FeedTopic> = book.feeds.iter().map(topic).collect();
        let at = book.feeds.iter().position(|feed| *feed == name).expect("a feed of the catalogue");
        let (mut record, mut refused) = (Record::default(), Vec::new());
        let raw = RawRecord { feed: &name, key: Some(key), value: Some(value), headers: &[] };
        decoders(&book, &feeds).expect("it fits")[at](&raw, offset, &mut record, &mut refused);
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
    fn a_record_is_read_by_what_records_of_its_offset_mean() {
        let (book, _) =
            cxwatch_rulebook::compile(include_str!("../../rulebooks/demo.yaml"), "demo.yaml").expect("ours");
        let others = MAPPING.replace("HUNG_UP", "LEFT");
        let meanings = vec![
            Meaning { from: 0, mapping: Some(MAPPING.to_owned()) },
            Meaning { from: 41, mapping: Some(others) },
            Meaning { from: 43, mapping: None },
        ];
        let feed = FeedTopic { meanings, ..FeedTopic::new("contact-center", "calls", None) };
        let decode = decoders(&book, &[feed]).expect("it fits").remove(0);
        let read = |offset| {
            let (mut record, mut refused) = (Record::default(), Vec::new());
            let (key, value) = (b"c1".as_slice(), b"c1,2026-11-24T08:00:00Z,75,HUNG_UP".as_slice());
            let raw = RawRecord { feed: "contact-center", key: Some(key), value: Some(value), headers: &[] };
            decode(&raw, offset, &mut record, &mut refused);
            (record.events.len(), refused.len())
        };
        assert_eq!([40, 41, 42, 43].map(read), [(2, 0), (1, 0), (1, 0), (0, 1)]);
        let misfit = FeedTopic::new("web", "web", Some(MAPPING.to_owned()));
        let refused = decoders(&book, &[misfit]).err();
        assert_eq!(refused.as_deref(), Some("the mapping of web has no entry for it"));
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
