//! Streams at random: what the brokers hold in the end, feed by feed.

use super::book::{DEADLINE, KEY, NUMBER, VALUE, type_id};
use super::draw::Draw;
use super::{TICK, TYPES};
use compact_str::CompactString;
use cxwatch_event::{Event, FieldValue, MICRO, Millis, Record, Value};
use cxwatch_rulebook::{FeedIx, Rulebook};

/// How well producers behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// No event is later than its feed's `max_delay` nor further out of order than its `reorder`.
    Calm,
    /// Some are.
    Wild,
}

/// The times that a stream keeps or breaks.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// As in the feed's settings.
    pub reorder_ms: Millis,
    /// As in the feed's settings.
    pub max_delay_ms: Millis,
}

/// A record of a feed; its offset is its place in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// When it reached the broker.
    pub recorded_at: Millis,
    /// What it came to.
    pub record: Record,
}

impl Logged {
    /// A heartbeat that moves its feed's watermark to `end`.
    pub fn closing(end: Millis, reorder_ms: Millis) -> Self {
        let times = [end + reorder_ms + 1].into_iter().collect();
        Logged { recorded_at: end + reorder_ms, record: Record { events: Vec::new(), times } }
    }
}

/// Draws about so many records within so much time, for every feed of the rulebook.
pub fn draw_log(
    draw: &mut Draw,
    book: &Rulebook,
    bounds: &[Bounds],
    manners: Manners,
    records: usize,
    (start_ms, length_ms): (Millis, Millis),
) -> Vec<Vec<Logged>> {
    let mut raw: Vec<Vec<Logged>> = vec![Vec::new(); book.feeds.len()];
    let customers = draw.range(1, 3);
    let mut ids = 0;
    for _ in 0..records {
        let feed = FeedIx(draw.index(book.feeds.len()) as u8);
        let bounds = bounds[usize::from(feed.0)];
        let kinds: Vec<&str> = TYPES
            .iter()
            .copied()
            .filter(|t| book.feed_of_type[usize::from(type_id(book, t).0)] == Some(feed))
            .collect();
        let time = start_ms + draw.range(0, length_ms / TICK) * TICK;
        let record = if kinds.is_empty() || draw.chance(8) {
            Record { events: Vec::new(), times: [time].into_iter().collect() }
        } else {
            let customer: CompactString = format!("c{}", draw.range(1, customers)).into();
            drawn_record(draw, book, &kinds, &customer, time, manners, &mut ids)
        };
        let newest = record.times.iter().copied().max().expect("a record has a time");
        let delay = match manners {
            Manners::Wild if draw.chance(45) => draw.range(0, 22) * TICK,
            _ => draw.range(0, bounds.max_delay_ms / TICK) * TICK,
        };
        let recorded_at = if manners == Manners::Wild { time } else { newest } + delay;
        if !record.events.is_empty() && draw.chance(10) {
            let again = recorded_at + draw.range(0, 2) * TICK;
            raw[usize::from(feed.0)].push(Logged { recorded_at: again, record: record.clone() });
        }
        raw[usize::from(feed.0)].push(Logged { recorded_at, record });
    }
    let arrived = raw.into_iter().zip(bounds).map(|(mut records, bounds)| {
        records.sort_by_key(|r| r.recorded_at);
        if manners == Manners::Calm { well_behaved(records, *bounds) } else { records }
    });
    arrived.collect()
}

fn drawn_record(
    draw: &mut Draw,
    book: &Rulebook,
    kinds: &[&str],
    customer: &CompactString,
    time: Millis,
    manners: Manners,
    ids: &mut u32,
) -> Record {
    let mut record = Record::default();
    let mut time = time;
    for sub in 0..(if draw.chance(70) { 1 } else { draw.range(2, 3) }) {
        // One phone's clock is fast.
        let shown =
            if manners == Manners::Wild && draw.chance(4) { time + draw.range(13, 17) * TICK } else { time };
        let kind = type_id(book, kinds[draw.index(kinds.len())]);
        // Ids come again, later: not a duplicate once its time is over.
        let reused = manners == Manners::Calm && *ids > 0 && draw.chance(6);
        let id = if reused { draw.range(0, i64::from(*ids) - 1) as u32 } else { *ids };
        *ids += u32::from(!reused);
        record.times.push(shown);
        record.events.push(Event {
            kind,
            time: shown,
            sub: sub as u32,
            customer: customer.clone(),
            id: format!("e{id}").into(),
            source: "s".into(),
            fields: drawn_fields(draw, shown),
        });
        time += draw.range(0, 3) * TICK;
    }
    record
}

fn drawn_fields(draw: &mut Draw, time: Millis) -> Vec<FieldValue> {
    let mut fields = Vec::new();
    if draw.chance(85) {
        fields.push(FieldValue { field: KEY, value: Value::Text((*draw.pick(&["x", "x", "y"])).into()) });
    }
    if draw.chance(80) {
        fields.push(FieldValue { field: NUMBER, value: Value::Number(draw.range(1, 9) * MICRO) });
    }
    if draw.chance(85) {
        fields.push(FieldValue { field: VALUE, value: Value::Text((*draw.pick(&["p", "q"])).into()) });
    }
    if draw.chance(70) {
        fields.push(FieldValue { field: DEADLINE, value: Value::Time(time + draw.range(-2, 8) * TICK) });
    }
    fields
}

/// Leaves out what comes later, or further out of order, than the bounds allow.
pub(crate) fn well_behaved(records: Vec<Logged>, bounds: Bounds) -> Vec<Logged> {
    let mut newest = Millis::MIN / 2;
    let mut kept = Vec::new();
    for logged in records {
        let times = &logged.record.times;
        let (first, last) = (*times.iter().min().expect("a time"), *times.iter().max().expect("a time"));
        if newest - first <= bounds.reorder_ms && logged.recorded_at - first <= bounds.max_delay_ms {
            newest = newest.max(last);
            kept.push(logged);
        }
    }
    kept
}
