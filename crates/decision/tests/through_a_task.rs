//! Decisions inside a task: woken in time, and going on from a snapshot as if nothing had been.

use cxwatch_decision::{
    Decider, DeciderHead, DeciderSettings, Decision, Message, Messages, Published, WallClock,
};
use cxwatch_engine::{Blindness, FOREVER, Head, Judge, NEVER, Settings, Task};
use cxwatch_event::{Decoder, Millis, RawRecord, Record, rfc3339};
use cxwatch_rulebook::{FeedIx, Rulebook};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Every kind of thing that decisions keep: actions, what waits, cool-downs, contacts, refusals, both arms, a timeline.
const RULES: &str = r#"
rulebook: shop
version: 1
policy:
  quiet_hours: { from: "21:00", until: "08:00", channels: [ sms ] }
  caps: [ { channel: sms, at_most: 2, within: 1h } ]
  declined_for: 1d
  timeline: 5
rules:
  - id: calls
    kind: absence
    per: data.contact_id
    start: contact.queued
    stop: contact.answered
    within: 60s
    warn_at: 50%
    cooldown: 30m
    success: { event: order.placed, within: 2h }
    actions: [ chat, text, write ]
  - id: refused
    kind: match
    event: payment.failed
    holdout: 50%
    success: { event: order.placed, within: 2h }
    actions: [ write ]
actions:
  chat: { class: reply, channel: chat, queue: care, purpose: service, ttl: 1h, accept_within: 5m }
  text: { class: reply, channel: sms, queue: care, purpose: service, ttl: 12h }
  write: { class: offer, channel: email, queue: care, purpose: service, ttl: 2h }
"#;

fn book() -> Arc<Rulebook> {
    match cxwatch_rulebook::compile(RULES, "shop.yaml") {
        Ok((book, _)) => Arc::new(book),
        Err(problems) => panic!("{problems:?}"),
    }
}

fn decider() -> Decider {
    Decider::new(DeciderSettings {
        act_from: NEVER,
        remember_ms: 600_000,
        partitions: 1,
        wall: WallClock::None,
    })
}

fn task() -> Task<Decider> {
    let book = book();
    let settings = Settings::new(book.feeds.len());
    Task::new(book, settings, decider(), 1)
}

fn at(clock: &str) -> Millis {
    rfc3339::parse(&format!("2026-01-05T{clock}:00Z")).expect("a time of day")
}

fn read(task: &mut Task<Decider>, kind: &str, customer: &str, clock: &str, data: &str) {
    let book = Arc::clone(task.book());
    let feed = book.catalogue.spec(book.catalogue.id(kind).expect("a type")).feed.clone().expect("a feed");
    let decoder = Decoder::new(Arc::clone(&book.catalogue), book.interest.clone());
    let ix = book.feed_named(&feed).expect("a feed of the rulebook");
    let value = format!(
        r#"{{"specversion":"1.0","id":"{kind}-{clock}","source":"/s","type":"{kind}","subject":"{customer}","time":"2026-01-05T{clock}:00Z","data":{data}}}"#
    );
    let mut record = Record::default();
    let raw = RawRecord {
        feed: &feed,
        key: Some(customer.as_bytes()),
        value: Some(value.as_bytes()),
        headers: &[],
    };
    decoder.decode(&raw, &mut record).expect("a right event");
    let offset = task.position(ix);
    task.read(ix, offset, FOREVER, &mut record, Judge::Wall(FOREVER));
}

fn pass(task: &mut Task<Decider>, clock: &str) {
    for feed in 0..task.book().feeds.len() as u8 {
        let delay = task.settings().feeds[usize::from(feed)].max_delay_ms;
        task.proof(FeedIx(feed), at(clock) + delay);
    }
    while task.advance(FOREVER, usize::MAX) {}
}

fn queued(task: &mut Task<Decider>, customer: &str, clock: &str) {
    let data = format!(r#"{{"contact_id":"of-{customer}","channel":"voice"}}"#);
    read(task, "contact.queued", customer, clock, &data);
    pass(task, clock);
}

fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let bytes = postcard::to_allocvec(value).expect("it can be written");
    postcard::from_bytes(&bytes).expect("it can be read")
}

/// The task that a restart finds: what is in memory goes through bytes.
fn restored(task: &mut Task<Decider>) -> Task<Decider> {
    let head: Head = again(&task.begin_snapshot());
    let of_decisions: DeciderHead = again(task.desk().head());
    while !task.write_untouched(1_000) {}
    let pieces = task.take_pieces();
    task.end_snapshot();
    let mut desk = decider();
    desk.set_head(of_decisions);
    let pieces = pieces.iter().map(|p| &p.bytes[..]);
    let book = Arc::clone(task.book());
    Task::from_snapshot(book, task.settings().clone(), desk, 2, &head, pieces).expect("its own snapshot")
}

fn contacts(task: &Task<Decider>) -> usize {
    let state = task.desk_state("c1");
    state.map_or(0, |state| state.explain(task.book(), task.instant()).contacts.len())
}

#[test]
fn what_is_over_when_it_is_asked_for_ends_before_the_next_record() {
    let book = book();
    let settings = Settings { late_horizon_ms: 6 * 3_600_000, ..Settings::new(book.feeds.len()) };
    let mut task = Task::new(book, settings, decider(), 1);
    pass(&mut task, "09:00");
    // Time goes on without the feed of payments.
    let kind = task.book().catalogue.id("payment.failed").expect("a built-in type");
    let payments = task.book().feed_of_type[usize::from(kind.0)].expect("a feed of the rulebook");
    task.blind(payments, Blindness::Stalled);
    for feed in (0..task.book().feeds.len() as u8).map(FeedIx).filter(|feed| *feed != payments) {
        task.proof(feed, at("12:00"));
    }
    while task.advance(FOREVER, usize::MAX) {}
    read(&mut task, "payment.failed", "c2", "09:30", r#"{"value":5}"#);
    let decided = task.desk_mut().take_decisions().into_iter();
    let changes = decided.filter_map(|d| match d {
        Decision::Action(change) => Some(change.change),
        Decision::Suppressed(_) => None,
    });
    assert_eq!(
        changes.collect::<Vec<_>>(),
        [Published::Requested, Published::Expired],
        "and time need not go on for it"
    );
}

#[test]
fn what_only_the_desk_saw_is_forgotten_in_time() {
    let mut task = task();
    read(&mut task, "campaign.sent", "c1", "09:00", r#"{"channel":"sms","purpose":"marketing"}"#);
    pass(&mut task, "09:59");
    assert_eq!((contacts(&task), task.customers()), (1, 1));
    pass(&mut task, "10:00");
    assert_eq!(contacts(&task), 0);
}

#[test]
fn a_customer_of_whom_nothing_is_left_is_forgotten() {
    let mut task = task();
    // An episode that opens and closes, and what is remembered of it, and at last the timeline.
    queued(&mut task, "c1", "09:00");
    read(&mut task, "contact.answered", "c1", "09:00", r#"{"contact_id":"of-c1"}"#);
    pass(&mut task, "09:30");
    assert_eq!(task.customers(), 1);
    pass(&mut task, "10:30");
    assert_eq!((task.customers(), task.timers()), (0, 0));
}

#[test]
fn what_came_of_an_action_and_what_follows_from_time_alone_reaches_the_books() {
    let mut task = task();
    queued(&mut task, "c1", "09:00");
    pass(&mut task, "09:02");
    read(&mut task, "order.placed", "c1", "09:30", r#"{"order_id":"o","value":5}"#);
    pass(&mut task, "09:31");
    let tally = |task: &Task<Decider>| {
        let rules = task.desk().tally().rules();
        rules.map(|(rule, t)| (rule.to_owned(), t.treated.episodes, t.treated.saved)).collect::<Vec<_>>()
    };
    assert_eq!(tally(&task), [("calls".to_owned(), 1, 1)]);
    let decisions = task.desk_mut().take_decisions();
    let told: Vec<String> = decisions.iter().map(tell).collect();
    assert_eq!(
        told,
        [
            "chat Requested 0",
            "text Requested 0",
            "write Requested 0",
            "chat Updated 1 Breached",
            "text Updated 1 Breached",
            "write Updated 1 Breached",
            "chat Updated 2 NotAccepted",
        ]
    );
}

#[test]
fn a_route_names_what_its_events_name() {
    let mut task = task();
    let data = r#"{"contact_id":"k1","conversation_id":"v1","channel":"voice","queue":"q"}"#;
    read(&mut task, "contact.queued", "c1", "09:00", data);
    pass(&mut task, "09:00");
    // What an open episode is about is known through a restart, too.
    let mut task = restored(&mut task);
    pass(&mut task, "09:02");
    (0..8).for_each(|n| {
        let data = format!(r#"{{"value":5,"order_id":"o{n}"}}"#);
        read(&mut task, "payment.failed", &format!("p{n}"), "09:03", &data);
    });
    pass(&mut task, "09:04");
    let (book, settings) = (Arc::clone(task.book()), task.settings().clone());
    let messages = Messages::new(&book, &settings);
    let mut routes = Vec::new();
    for decision in task.desk_mut().take_decisions() {
        if let Message::Action(action) = messages.decision(0, &decision) {
            let route = action.data.route;
            routes.push((action.subject, route.contact_id, route.conversation_id, route.order_id));
        }
    }
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(routes[0], (some("c1"), some("k1"), some("v1"), None));
    let orders = routes.iter().filter(|(_, _, _, order)| order.is_some());
    let orders: Vec<_> =
        orders.map(|(customer, _, _, order)| (customer.as_deref(), order.as_deref())).collect();
    assert!(!orders.is_empty(), "half of them are held out");
    for (customer, order) in orders {
        assert_eq!(customer.map(|c| c.replace('p', "o")).as_deref(), order);
    }
}

/// The words for all that has been decided.
fn told(task: &mut Task<Decider>) -> Vec<String> {
    task.desk_mut().take_decisions().iter().map(tell).collect()
}

const ALL_RESOLVED: [&str; 3] = ["chat resolved", "text resolved", "write resolved"];

#[test]
fn nobody_is_asked_about_a_start_that_came_in_behind_its_stop() {
    let mut task = task();
    read(&mut task, "contact.answered", "c1", "09:03", r#"{"contact_id":"of-c1"}"#);
    pass(&mut task, "09:04");
    queued(&mut task, "c1", "09:00");
    pass(&mut task, "09:05");
    // The warning and the breach: both were true, and of neither there is anything left to be done.
    assert_eq!(told(&mut task), [ALL_RESOLVED, ALL_RESOLVED].concat());
    // A start after the stop is another problem.
    queued(&mut task, "c1", "09:10");
    pass(&mut task, "09:10");
    read(&mut task, "contact.queued", "c1", "09:06", r#"{"contact_id":"of-c1","channel":"voice"}"#);
    pass(&mut task, "09:11");
    let of_it = told(&mut task);
    assert!(of_it.iter().any(|word| word == "chat Requested 0"), "{of_it:?}");
    assert!(!of_it.iter().any(|word| word.ends_with("resolved")), "{of_it:?}");
}

#[test]
fn nobody_is_asked_about_a_deadline_that_was_held_until_its_stop_came() {
    let mut task = task();
    queued(&mut task, "c1", "09:00");
    let kind = task.book().catalogue.id("contact.queued").expect("a built-in type");
    let contacts = task.book().feed_of_type[usize::from(kind.0)].expect("a feed of the rulebook");
    task.blind(contacts, Blindness::Stalled);
    for feed in (0..task.book().feeds.len() as u8).map(FeedIx).filter(|feed| *feed != contacts) {
        task.proof(feed, at("09:10"));
    }
    while task.advance(FOREVER, usize::MAX) {}
    assert!(told(&mut task).is_empty(), "it is held");
    read(&mut task, "contact.answered", "c1", "09:03", r#"{"contact_id":"of-c1"}"#);
    pass(&mut task, "09:11");
    assert_eq!(told(&mut task), [ALL_RESOLVED, ALL_RESOLVED].concat());
}

fn tell(decision: &Decision) -> String {
    match decision {
        Decision::Action(a) => {
            let cause = a.cause.map(|c| format!(" {c:?}")).unwrap_or_default();
            format!("{} {:?} {}{cause}", a.action, a.change, a.revision)
        }
        Decision::Suppressed(s) => format!("{} {}", s.action, s.reason.name()),
    }
}

#[test]
fn a_task_goes_on_from_a_snapshot_as_if_nothing_had_been() {
    type Step = fn(&mut Task<Decider>);
    let steps: [Step; 9] = [
        |t| read(t, "campaign.sent", "c1", "06:30", r#"{"channel":"sms","purpose":"marketing"}"#),
        |t| queued(t, "c1", "07:00"),
        |t| pass(t, "07:10"),
        |t| (0..8).for_each(|n| read(t, "payment.failed", &format!("p{n}"), "07:15", r#"{"value":5}"#)),
        |t| queued(t, "c1", "07:20"),
        |t| t.desk_mut().set_paused(Some("refused"), true),
        |t| read(t, "payment.failed", "c2", "07:30", r#"{"value":5}"#),
        |t| {
            (0..8).for_each(|n| {
                read(t, "order.placed", &format!("p{n}"), "07:40", r#"{"order_id":"o","value":5}"#)
            })
        },
        |t| pass(t, "23:00"),
    ];
    let run = |restores: &[usize]| {
        let mut task = task();
        let mut told = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            if at > 0 {
                pass(
                    &mut task,
                    ["06:40", "07:01", "07:10", "07:16", "07:21", "07:22", "07:31", "07:41"][at - 1],
                );
            }
            told.extend(task.desk_mut().take_decisions());
            if restores.contains(&at) {
                task = restored(&mut task);
            }
            step(&mut task);
        }
        told.extend(task.desk_mut().take_decisions());
        (told, task.digest(), task.desk().digest(), task.desk().tally().clone())
    };
    let whole = run(&[]);
    let words: std::collections::BTreeSet<String> = whole.0.iter().map(tell).collect();
    for expected in
        ["text Requested 0", "write holdout", "chat cooldown", "chat Expired 3 Expired", "write paused"]
    {
        assert!(words.contains(expected), "{expected}: {words:?}");
    }
    for at in 1..steps.len() {
        assert!(run(&[at]) == whole, "restored before step {at}");
    }
    assert!(run(&[1, 2, 3, 4, 5, 6, 7, 8]) == whole, "restored before every step");
}
