//! What a new version changes.

use cxwatch_rulebook::{compile, diff};
use expect_test::{Expect, expect};

const OLD: &str = r#"
rulebook: t
version: 1
calendars: { desk: { zone: UTC, open: { mon-fri: "08:00-18:00" } }, shop: { zone: UTC, open: { sat: "08:00-18:00" } } }
types: { shop.visited: { feed: shop, fields: { a: text } } }
rules:
  - id: cart
    kind: absence
    per: data.cart_id
    start: web.cart.item_added
    refresh: "web.*"
    stop: [order.placed, web.cart.emptied]
    within: 30m
    measure: { value: { sum: [data.quantity, data.unit_price], minus: web.cart.item_removed } }
    when: { value: { at_least: 20 } }
    actions: [chat, mail]
  - { id: wait, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, within: 60s, calendar: desk }
  - { id: visit, kind: match, event: shop.visited }
actions:
  chat: { class: offer, purpose: service, channel: chat, queue: q }
  mail: { class: offer, by: machine, purpose: marketing, channel: email }
"#;

fn check(change: &[(&str, &str)], expected: Expect) {
    let mut new = OLD.to_owned();
    for (from, to) in change {
        assert!(new.contains(from), "{from}");
        new = new.replace(from, to);
    }
    let book = |source: &str| match compile(source, "r.yaml") {
        Ok((book, _)) => book,
        Err(problems) => panic!("{problems:?}"),
    };
    let changes = diff(&book(OLD), &book(&new));
    expected.assert_eq(&changes.iter().map(|c| format!("{c}\n")).collect::<String>());
}

#[test]
fn nothing() {
    check(&[("kind: match, event: shop.visited", "event: [ shop.visited ], kind: 'match'")], expect![[""]]);
}

#[test]
fn keys_of_rules() {
    check(
        &[("within: 30m", "within: 45m"), ("version: 1", "version: 2")],
        expect![[r#"
        rulebook t: changed in version
        rule cart: changed in within
    "#]],
    );
    check(
        &[("[order.placed, web.cart.emptied]", "order.placed")],
        expect![[r#"
        rule cart: changed in stop
    "#]],
    );
    check(
        &[("\"web.*\"", "[\"web.*\", contact.queued]")],
        expect![[r#"
        rule cart: changed in refresh
    "#]],
    );
    check(
        &[
            ("minus: web.cart.item_removed", "minus: [web.cart.item_removed, web.cart.emptied]"),
            ("sum: [data.quantity, data.unit_price]", "count: true"),
        ],
        expect![[r#"
            rule cart: changed in measure
        "#]],
    );
    check(
        &[("[chat, mail]", "[mail, chat]"), ("at_least: 20", "at_least: 25")],
        expect![[r#"
        rule cart: changed in actions, when
    "#]],
    );
    check(
        &[("per: data.contact_id, ", ""), ("60s", "{ by: data.queue, gold: 20s, default: 60s }")],
        expect![[r#"
            rule wait: changed in per, within
        "#]],
    );
    check(
        &[("kind: match, event: shop.visited", "kind: count, event: shop.visited, at_least: 2, within: 1h")],
        expect![[r#"
            rule visit: changed in at_least, deadline, distinct, event, kind, of_last, then, where, within
        "#]],
    );
}

#[test]
fn what_comes_and_goes() {
    check(
        &[("id: visit", "id: visited"), ("  mail: { class", "  post: { class"), ("chat, mail", "chat, post")],
        expect![[r#"
            action mail: removed
            action post: added
            rule cart: changed in actions
            rule visit: removed
            rule visited: added
        "#]],
    );
}

#[test]
fn calendars_actions_and_types() {
    check(
        &[
            ("mon-fri: \"08:00-18:00\"", "mon-fri: \"08:00-19:00\""),
            ("fields: { a: text }", "fields: { a: text, b: time }"),
            ("queue: q", "queue: r, ttl: 1h"),
        ],
        expect![[r#"
            type shop.visited: changed in fields
            calendar desk: changed in open
            action chat: changed in queue, ttl
            rule wait: changed in calendar
        "#]],
    );
}

const POLICY: &str = "\npolicy:
  zone: Europe/Berlin
  quiet_hours: { from: \"21:00\", until: \"08:00\", channels: [chat, email] }
  caps: [ { at_most: 3, within: 7d }, { channel: email, at_most: 1, within: 1d } ]
  brake: 50
  holdout: 10%
  declined_for: 7d
  timeline: 5
";

/// What it is to add a policy, or to change this one.
fn check_policy(change: &[(&str, &str)], expected: Expect) {
    let mut new = POLICY.to_owned();
    for (from, to) in change {
        assert!(new.contains(from), "{from}");
        new = new.replace(from, to);
    }
    let book = |policy: &str| match compile(&format!("{OLD}{policy}"), "r.yaml") {
        Ok((book, _)) => book,
        Err(problems) => panic!("{problems:?}"),
    };
    let before = if change.is_empty() { book("") } else { book(POLICY) };
    let changes = diff(&before, &book(&new));
    expected.assert_eq(&changes.iter().map(|c| format!("{c}\n")).collect::<String>());
}

#[test]
fn policies() {
    check_policy(
        &[],
        expect![[r#"
        policy: changed in brake, caps, holdout, quiet_hours, timeline, zone
    "#]],
    );
    check_policy(&[("[chat, email]", "[email, chat]"), ("7d }, {", "1w }, {")], expect![[""]]);
    check_policy(
        &[("21:00", "22:00"), ("Berlin", "Paris")],
        expect![[r#"
        policy: changed in quiet_hours, zone
    "#]],
    );
    check_policy(
        &[("at_most: 3", "at_most: 2"), ("timeline: 5", "timeline: 6")],
        expect![[r#"
        policy: changed in caps, timeline
    "#]],
    );
    check_policy(
        &[("brake: 50", "brake: 51"), ("10%", "5%"), ("declined_for: 7d", "declined_for: 8d")],
        expect![[r#"
            policy: changed in brake, declined_for, holdout
        "#]],
    );
}
