//! What is known of a customer: kept, read by conditions, never too late, and taken over by a changed rulebook.

use compact_str::CompactString;
use cxwatch_engine::{Effect, FOREVER, Filing, Judge, Settings, Task};
use cxwatch_event::{Event, FieldValue, MICRO, Record, Value};
use cxwatch_rulebook::{Rulebook, compile};
use std::sync::Arc;

const MINUTE: i64 = 60_000;

fn book(rules: &str) -> Arc<Rulebook> {
    let source =
        format!("rulebook: t\nversion: 1\ncustomer: {{ attributes: {{ seats: number }} }}\nrules:\n{rules}");
    Arc::new(compile(&source, "r.yaml").unwrap_or_else(|problems| panic!("{problems:?}")).0)
}

const RULES: &str = "
  - { id: a, kind: match, event: order.placed, where: { customer.tier: gold },
      severity: [ { when: { customer.attributes.seats: { over: 5 } }, is: 90 }, { is: 40 } ] }
";

fn read(task: &mut Task<Filing>, offset: i64, kind: &str, time: i64, fields: &[(&str, Value)]) -> usize {
    let book = Arc::clone(task.book());
    let id = book.catalogue.id(kind).expect("a type");
    let field = |name: &str| book.catalogue.spec(id).field(name).expect("a field");
    let mut fields: Vec<_> =
        fields.iter().map(|(name, value)| FieldValue { field: field(name), value: value.clone() }).collect();
    fields.sort_by_key(|f| f.field);
    let event = Event {
        kind: id,
        time,
        sub: 0,
        customer: "c1".into(),
        id: CompactString::from(format!("{kind}-{offset}")),
        source: "/test".into(),
        fields,
    };
    let mut record = Record { events: vec![event], times: [time].into_iter().collect() };
    let feed = book.feed_of_type[usize::from(id.0)].expect("a feed that is read");
    task.read(feed, offset, FOREVER, &mut record, Judge::Wall(FOREVER)).len()
}

fn advance(task: &mut Task<Filing>, to: i64) {
    for feed in 0..task.book().feeds.len() as u8 {
        task.proof(cxwatch_rulebook::FeedIx(feed), to + 3_000);
    }
    while task.advance(to, usize::MAX) {}
}

fn task(book: Arc<Rulebook>) -> Task<Filing> {
    let settings = Settings::new(book.feeds.len());
    Task::new(book, settings, Filing::default(), 0)
}

/// The severities of what was found since the last call.
fn found(task: &mut Task<Filing>) -> Vec<u8> {
    let effects = std::mem::take(&mut task.desk_mut().effects);
    let severities = effects.iter().filter_map(|effect| match effect {
        Effect::Detected(detection) => Some(detection.severity),
        _ => None,
    });
    severities.collect()
}

fn gold(seats: i64) -> [(&'static str, Value); 2] {
    [("tier", Value::Text("gold".into())), ("attributes.seats", Value::Number(seats * MICRO))]
}

#[test]
fn conditions_read_what_is_known_when_the_event_is_judged() {
    let mut task = task(book(RULES));
    read(&mut task, 0, "order.placed", MINUTE, &[]);
    advance(&mut task, MINUTE);
    assert_eq!(found(&mut task), Vec::<u8>::new(), "nothing is known of the customer");
    read(&mut task, 0, "customer.profile_updated", 2 * MINUTE, &gold(3));
    read(&mut task, 1, "order.placed", 3 * MINUTE, &[]);
    advance(&mut task, 3 * MINUTE);
    assert_eq!(found(&mut task), [40]);
    read(&mut task, 1, "customer.profile_updated", 4 * MINUTE, &gold(9));
    read(&mut task, 2, "order.placed", 5 * MINUTE, &[]);
    advance(&mut task, 5 * MINUTE);
    assert_eq!(found(&mut task), [90]);
}

#[test]
fn no_profile_is_too_late_and_the_newest_wins() {
    let mut task = task(book(RULES));
    advance(&mut task, 100 * MINUTE);
    assert_eq!(read(&mut task, 0, "order.placed", MINUTE, &[]), 1, "an order is too late");
    assert_eq!(read(&mut task, 0, "customer.profile_updated", 50 * MINUTE, &gold(9)), 0);
    assert_eq!(read(&mut task, 1, "customer.profile_updated", MINUTE, &[]), 0, "older: changes nothing");
    read(&mut task, 1, "order.placed", 101 * MINUTE, &[]);
    advance(&mut task, 101 * MINUTE);
    assert_eq!(found(&mut task), [90]);
}

#[test]
fn a_profile_outlives_all_else_restarts_and_changes_of_the_rulebook() {
    let mut first = task(book(RULES));
    read(&mut first, 0, "customer.profile_updated", MINUTE, &gold(9));
    advance(&mut first, 100_000 * MINUTE);
    let head = first.begin_snapshot();
    assert!(first.write_untouched(usize::MAX));
    let pieces = first.take_pieces();
    assert_eq!(pieces.len(), 1, "who has a profile is not forgotten");
    let (book_before, settings) = (Arc::clone(first.book()), first.settings().clone());
    let bytes = pieces.iter().map(|piece| piece.bytes.as_slice());
    let mut task =
        Task::from_snapshot(book_before, settings, Filing::default(), 0, &head, bytes).expect("restored");
    // The numbers of fields move; a field that is read for the first time is not known.
    let changed = RULES.replace("customer.tier: gold", "customer.locale: { exists: false }");
    let changed = book(&changed);
    let settings = Settings::new(changed.feeds.len());
    task.change_rulebook(changed, settings);
    read(&mut task, 0, "order.placed", 100_001 * MINUTE, &[]);
    advance(&mut task, 100_001 * MINUTE);
    assert_eq!(found(&mut task), [90], "the seats are still known");
}
