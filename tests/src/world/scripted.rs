//! Worlds written down by hand: small cases that were found once and must stay right.

use super::book::{DEADLINE, Draft, KEY, NUMBER, VALUE, catalogue, compile, type_id};
use super::stream::{Bounds, Logged};
use super::{END, TICK, World};
use cxwatch_event::{Event, FieldValue, MICRO, Record, Value};
use cxwatch_rulebook::Rulebook;
use std::sync::Arc;

impl World {
    /// A world of these types (each with its feed), rules and records. A line is a record: `FEED RECORDED_AT: EVENT, ...`
    /// with events `TIME CUSTOMER TYPE [k=..] [n=..] [v=..] [d=..] [id=..]`, all times in ticks; `TIME` alone is an event
    /// that no rule names. Every feed has a reorder of 0 and a delay of 2 ticks, and closes with a heartbeat.
    ///
    /// # Panics
    /// Where a line cannot be read.
    pub fn scripted(types: &[(&'static str, &'static str)], drafts: &[Draft], text: &str) -> Self {
        let book = Arc::new(compile(catalogue(types), drafts));
        let bounds = vec![Bounds { reorder_ms: 0, max_delay_ms: 2 * TICK }; book.feeds.len()];
        let mut log = vec![Vec::new(); book.feeds.len()];
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        for (n, line) in lines.enumerate() {
            let (head, events) = line.split_once(':').expect("a colon behind the record's head");
            let (feed, recorded_at) = head.split_once(' ').expect("a feed and an instant");
            let feed = book.feed_named(feed).expect("a feed of the types");
            log[usize::from(feed.0)]
                .push(Logged { recorded_at: ticks(recorded_at), record: record(&book, n, events) });
        }
        for records in &mut log {
            records.push(Logged::closing(END, 0));
        }
        World {
            seed: 0,
            drafts: drafts.to_vec(),
            feed_of_type: types.to_vec(),
            book,
            bounds,
            start_ms: 0,
            late_horizon_ms: 40 * TICK,
            dedupe_for_ms: 10 * TICK,
            max_future_ms: 1_000 * TICK,
            log,
        }
    }
}

fn ticks(text: &str) -> i64 {
    let ticks: f64 = text.trim().parse().expect("a number of ticks");
    (ticks * TICK as f64) as i64
}

fn record(book: &Rulebook, line: usize, text: &str) -> Record {
    let mut record = Record::default();
    for (sub, event) in text.split(',').enumerate() {
        let mut words = event.split_whitespace();
        let time = ticks(words.next().expect("a time"));
        record.times.push(time);
        let Some(customer) = words.next() else { continue };
        let kind = type_id(book, words.next().expect("a type"));
        let mut id = format!("e{line}-{sub}");
        let mut fields = Vec::new();
        for (name, value) in words.map(|word| word.split_once('=').expect("name=value")) {
            match name {
                "k" => fields.push((KEY, Value::Text(value.into()))),
                "n" => fields.push((NUMBER, Value::Number(value.parse::<i64>().expect("a number") * MICRO))),
                "v" => fields.push((VALUE, Value::Text(value.into()))),
                "d" => fields.push((DEADLINE, Value::Time(ticks(value)))),
                "id" => id = value.into(),
                _ => panic!("no field `{name}`"),
            }
        }
        fields.sort_by_key(|(field, _)| *field);
        let fields = fields.into_iter().map(|(field, value)| FieldValue { field, value }).collect();
        let (customer, id) = (customer.into(), id.into());
        record.events.push(Event { kind, time, sub: sub as u32, customer, id, source: "s".into(), fields });
    }
    record
}
