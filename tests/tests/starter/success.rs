//! What the starter counts as saved: for each of its ways to see success an event that is one, and some that are not.

use crate::weeks::{RULES, START};
use cxwatch_decision::{Decider, DeciderSettings, WallClock};
use cxwatch_engine::{FOREVER, Judge, NEVER, Settings, Task};
use cxwatch_event::{Decoder, Millis, RawRecord, Record, rfc3339};
use cxwatch_rulebook::FeedIx;
use std::collections::BTreeSet;
use std::sync::Arc;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
/// Monday morning, when somebody sits at the desk.
const NINE: Millis = START + 9 * HOUR;

/// When, since nine: which event, with which data.
type Happening = (Millis, &'static str, &'static str);

/// Episodes of the rule that were acted on, and those of them in which the customer was saved.
fn treated_and_saved(rule: &str, happenings: &[Happening]) -> (u64, u64) {
    let (book, _) = cxwatch_rulebook::compile(RULES, "rules.yaml").expect("the starter is right");
    let settings =
        DeciderSettings { act_from: NEVER, remember_ms: 10 * MINUTE, partitions: 1, wall: WallClock::None };
    let feeds = Settings::new(book.feeds.len());
    let mut task = Task::new(Arc::new(book), feeds, Decider::new(settings), 1);
    let book = Arc::clone(task.book());
    let decoder = Decoder::new(book.catalogue.clone(), book.interest.clone());
    for (number, (after, kind, data)) in happenings.iter().enumerate() {
        pass(&mut task, NINE + after - 1);
        let feed = book.catalogue.spec(book.catalogue.id(kind).expect("a type")).feed.clone();
        let feed = feed.expect("a feed");
        let value = format!(
            r#"{{"specversion":"1.0","id":"{number}","source":"/s","type":"{kind}","subject":"c1","time":"{}","data":{data}}}"#,
            rfc3339::format(NINE + after)
        );
        let raw = RawRecord { feed: &feed, key: Some(b"c1"), value: Some(value.as_bytes()), headers: &[] };
        let mut record = Record::default();
        decoder.decode(&raw, &mut record).expect("a right event");
        let ix = book.feed_named(&feed).expect("a feed of the starter");
        let offset = task.position(ix);
        task.read(ix, offset, FOREVER, &mut record, Judge::Wall(FOREVER));
    }
    let last = happenings.last().map_or(0, |(after, ..)| *after);
    pass(&mut task, NINE + last + HOUR);
    let tally = task.desk().tally().rules().find(|(name, _)| *name == rule);
    tally.map_or((0, 0), |(_, tally)| (tally.treated.episodes, tally.treated.saved))
}

/// On all feeds everything up to there has been seen.
fn pass(task: &mut Task<Decider>, time: Millis) {
    for feed in 0..task.book().feeds.len() as u8 {
        let delay = task.settings().feeds[usize::from(feed)].max_delay_ms;
        task.proof(FeedIx(feed), time + delay);
    }
    while task.advance(FOREVER, usize::MAX) {}
}

const CART: Happening =
    (0, "web.cart.item_added", r#"{"cart_id":"k1","sku":"lamp","quantity":1,"unit_price":49.9}"#);
const CALL: Happening = (0, "contact.queued", r#"{"contact_id":"t1","channel":"voice"}"#);
const ANSWER: Happening = (3 * MINUTE, "contact.answered", r#"{"contact_id":"t1"}"#);
const GIVES_UP: Happening = (MINUTE, "contact.abandoned", r#"{"contact_id":"t1"}"#);
const PAYMENTS: [Happening; 3] = [
    (0, "payment.failed", r#"{"order_id":"o1","value":50}"#),
    (MINUTE, "payment.failed", r#"{"order_id":"o1","value":50}"#),
    (2 * MINUTE, "payment.failed", r#"{"order_id":"o1","value":50}"#),
];
const NPS: Happening = (0, "contact.survey_answered", r#"{"survey":"nps","score":3}"#);

#[test]
fn whoever_buys_pays_is_spoken_with_or_content_in_time_counts_as_saved() {
    let order = r#"{"order_id":"o2","cart_id":"k1","value":49.9}"#;
    // The cart is left half an hour after nine.
    let bought = |after| [CART, (after, "order.placed", order)];
    assert_eq!(treated_and_saved("cart-abandonment", &bought(31 * MINUTE)), (1, 1));
    assert_eq!(treated_and_saved("cart-abandonment", &bought(DAY + 30 * MINUTE)), (1, 1));
    assert_eq!(
        treated_and_saved("cart-abandonment", &bought(DAY + 31 * MINUTE)),
        (1, 0),
        "a minute too late"
    );
    let another = [CART, (HOUR, "order.placed", r#"{"order_id":"o2","cart_id":"k2","value":9}"#)];
    assert_eq!(treated_and_saved("cart-abandonment", &another), (1, 0), "another cart");

    let [first, second, third] = PAYMENTS;
    let paid = |after, kind| [first, second, third, (after, kind, r#"{"order_id":"o1","value":50}"#)];
    assert_eq!(treated_and_saved("payment-failed", &paid(HOUR, "payment.succeeded")), (1, 1));
    assert_eq!(treated_and_saved("payment-failed", &paid(2 * DAY, "payment.succeeded")), (1, 0));
    assert_eq!(treated_and_saved("payment-failed", &paid(HOUR, "payment.failed")), (1, 0));

    let surveyed = |after, data| [CALL, ANSWER, (after, "contact.survey_answered", data)];
    let content = r#"{"contact_id":"t1","survey":"csat","score":4}"#;
    assert_eq!(treated_and_saved("voice-wait", &surveyed(HOUR, content)), (1, 1));
    assert_eq!(treated_and_saved("voice-wait", &surveyed(8 * DAY, content)), (1, 0));
    let passable = r#"{"contact_id":"t1","survey":"csat","score":3}"#;
    assert_eq!(treated_and_saved("voice-wait", &surveyed(HOUR, passable)), (1, 0));
    let easy = r#"{"contact_id":"t1","survey":"ces","score":7}"#;
    assert_eq!(treated_and_saved("voice-wait", &surveyed(HOUR, easy)), (1, 0), "another survey");

    let spoken = |after| [CALL, GIVES_UP, (after, "contact.answered", r#"{"contact_id":"t2"}"#)];
    assert_eq!(treated_and_saved("abandoned-not-called-back", &spoken(3 * HOUR)), (1, 1));
    assert_eq!(treated_and_saved("abandoned-not-called-back", &spoken(30 * MINUTE)), (0, 0), "no episode");
    assert_eq!(treated_and_saved("abandoned-not-called-back", &spoken(26 * HOUR)), (1, 0));

    let bought = |after| [NPS, (after, "order.placed", order)];
    assert_eq!(treated_and_saved("nps-detractor", &bought(29 * DAY)), (1, 1));
    assert_eq!(treated_and_saved("nps-detractor", &bought(31 * DAY)), (1, 0));
}

#[test]
fn all_but_three_rules_say_what_success_is() {
    let (book, _) = cxwatch_rulebook::compile(RULES, "rules.yaml").expect("the starter is right");
    let without = book.rules.iter().filter(|rule| rule.treatment.success_within_ms.is_none());
    let without: BTreeSet<_> = without.map(|rule| rule.id.as_str()).collect();
    // Of which no event tells.
    assert_eq!(without, BTreeSet::from(["post-unanswered", "review-unanswered", "slow-pages"]));
}

#[test]
fn whoever_a_machine_has_failed_is_not_sent_to_one() {
    for rule in ["failed-self-service", "bot-not-understood", "handoff-unanswered", "experience-debt"] {
        let with = |action: &str| format!("{RULES}rules:\n  - id: {rule}\n    actions: [{action}]\n");
        let refused = cxwatch_rulebook::compile(&with("cart_reminder"), "rules.yaml");
        let problems = format!("{:?}", refused.expect_err("a machine"));
        assert!(
            problems.contains("`people_only`, but the action `cart_reminder` is done by a machine"),
            "{problems}"
        );
        assert!(
            cxwatch_rulebook::compile(&with("close_the_loop"), "rules.yaml").is_ok(),
            "{rule}: people may"
        );
    }
}
