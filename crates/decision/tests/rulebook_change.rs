//! What becomes of actions when the rulebook changes under a task.

use cxwatch_decision::{Decider, DeciderSettings, Decision, Message, Messages, Published, WallClock};
use cxwatch_engine::{FOREVER, Judge, NEVER, Settings, Task};
use cxwatch_event::messages::{ActionKind, CauseReason};
use cxwatch_event::number::format_micro;
use cxwatch_event::{Decoder, Millis, RawRecord, Record, rfc3339};
use cxwatch_rulebook::{FeedIx, Rulebook};
use std::sync::Arc;

const CARTS: &str = "
  - id: carts
    kind: absence
    per: data.cart_id
    start: { event: web.cart.item_added }
    stop: { event: web.cart.emptied }
    within: 30m
    severity: 40
    actions: [chat]
    measure:
      value: { sum: data.unit_price }
";

const CALLS: &str = "
  - id: calls
    kind: absence
    per: data.contact_id
    start: { event: contact.queued }
    stop: { event: contact.answered }
    within: 60s
    severity: 40
    actions: [chat]
";

fn book(rules: &[&str]) -> Arc<Rulebook> {
    let actions =
        "actions:\n  chat: { class: reply, channel: chat, queue: care, purpose: service, ttl: 1h }\n";
    let text = format!("rulebook: shop\nversion: 1\nrules:{}\n{actions}", rules.concat());
    match cxwatch_rulebook::compile(&text, "shop.yaml") {
        Ok((book, _)) => Arc::new(book),
        Err(problems) => panic!("{problems:?}"),
    }
}

fn settings(book: &Rulebook) -> Settings {
    Settings::new(book.feeds.len())
}

fn task(book: Arc<Rulebook>) -> Task<Decider> {
    let settings = settings(&book);
    let decider = Decider::new(DeciderSettings {
        act_from: NEVER,
        remember_ms: 600_000,
        partitions: 1,
        wall: WallClock::None,
    });
    Task::new(book, settings, decider, 1)
}

fn at(clock: &str) -> Millis {
    rfc3339::parse(&format!("2026-01-05T{clock}Z")).expect("a time of day")
}

fn read(task: &mut Task<Decider>, feed: &str, kind: &str, clock: &str, data: &str) {
    let book = Arc::clone(task.book());
    let decoder = Decoder::new(Arc::clone(&book.catalogue), book.interest.clone());
    let ix = book.feed_named(feed).expect("a feed of the catalogue");
    let value = format!(
        r#"{{"specversion":"1.0","id":"{kind}-{clock}","source":"/s","type":"{kind}","subject":"c1","time":"2026-01-05T{clock}Z","data":{data}}}"#
    );
    let mut record = Record::default();
    let raw = RawRecord { feed, key: Some(b"c1"), value: Some(value.as_bytes()), headers: &[] };
    decoder.decode(&raw, &mut record).expect("a right event");
    let offset = task.position(ix);
    task.read(ix, offset, FOREVER, &mut record, Judge::Wall(FOREVER));
}

fn pass(task: &mut Task<Decider>, clock: &str) {
    for feed in 0..task.book().feeds.len() as u8 {
        let delay = task.settings().feeds[usize::from(feed)].max_delay_ms;
        task.proof(FeedIx(feed), at(clock) + delay);
    }
    task.advance(FOREVER, usize::MAX);
}

fn changes(decisions: &[Decision]) -> Vec<(Published, &str)> {
    let actions = decisions.iter().filter_map(|decision| match decision {
        Decision::Action(action) => Some(action),
        Decision::Suppressed(_) => None,
    });
    actions.map(|action| (action.change, action.rule.as_str())).collect()
}

#[test]
fn actions_of_a_removed_rule_are_revoked_with_the_change_itself() {
    let mut task = task(book(&[CARTS, CALLS]));
    read(
        &mut task,
        "web",
        "web.cart.item_added",
        "08:00:00",
        r#"{"cart_id":"k","unit_price":5,"sku":"s","quantity":1}"#,
    );
    read(
        &mut task,
        "contact-center",
        "contact.queued",
        "08:20:00",
        r#"{"contact_id":"q","channel":"voice"}"#,
    );
    pass(&mut task, "08:35:00");
    assert_eq!(
        changes(&task.desk_mut().take_decisions()),
        [(Published::Requested, "calls"), (Published::Requested, "carts")]
    );
    let digest = task.desk().digest();
    let after = book(&[CALLS]);
    task.change_rulebook(Arc::clone(&after), settings(&after));
    assert!(task.desk().has_decisions(), "there is something to commit before anything else happens");
    assert_ne!(task.desk().digest(), digest);
    let decisions = task.desk_mut().take_decisions();
    assert_eq!(changes(&decisions), [(Published::Revoked, "carts")]);
    let settings = settings(&after);
    let Message::Action(message) = Messages::new(&after, &settings).decision(0, &decisions[0]) else {
        panic!("an action")
    };
    assert_eq!(message.kind, ActionKind::Revoked);
    assert_eq!(message.data.cause.map(|cause| cause.reason), Some(CauseReason::RuleRemoved));
    assert_eq!(message.data.revision, 1);
}

#[test]
fn open_episodes_outlive_a_change_of_measures_which_keep_their_values_by_name() {
    let mut task = task(book(&[CARTS]));
    read(
        &mut task,
        "web",
        "web.cart.item_added",
        "08:00:00",
        r#"{"cart_id":"k","unit_price":5,"sku":"s","quantity":1}"#,
    );
    pass(&mut task, "08:10:00");
    let after = CARTS
        .replace("measure:\n", "measure:\n      dearest: { max: data.unit_price }\n")
        .replace("30m", "2h");
    let after = book(&[&after]);
    task.change_rulebook(Arc::clone(&after), settings(&after));
    read(
        &mut task,
        "web",
        "web.cart.item_added",
        "08:15:00",
        r#"{"cart_id":"l","unit_price":7,"sku":"s","quantity":1}"#,
    );
    pass(&mut task, "11:00:00");
    let found: Vec<_> = task
        .desk_mut()
        .take_decisions()
        .into_iter()
        .filter_map(|decision| match decision {
            Decision::Action(action) => action.why.map(|why| why.detection),
            Decision::Suppressed(_) => None,
        })
        .map(|d| {
            (d.key.to_string(), d.time, d.measures.iter().map(|m| m.map(format_micro)).collect::<Vec<_>>())
        })
        .collect();
    let names: Vec<_> = after.rules[0].measures.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["dearest", "value"]);
    assert_eq!(
        found,
        [
            ("k".to_owned(), at("08:30:00"), vec![None, Some("5".to_owned())]),
            ("l".to_owned(), at("10:15:00"), vec![Some("7".to_owned()), Some("7".to_owned())]),
        ]
    );
}
