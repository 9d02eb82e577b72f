//! Which events a rule is asked about, and what the decoder reads of them.

use super::{RETAIL, book, hit, rules, text, used};
use cxwatch_rulebook::{Cond, FeedSet, FieldRef, Guard, Op, Roles, compile};

#[test]
fn conditions_on_what_is_known_beforehand_choose_the_types() {
    let book = rules(
        "  - id: m\n    kind: match\n    event: \"*\"\n    where:\n      any:\n        - { feed: social, type: { starts_with: review. } }\n        - { channel: email, not: { data.reason: { contains: spam } } }\n",
    );
    let roles = |kind: &str| used(&book, kind, "m").map(|u| u.roles[0].1.clone());
    assert_eq!(roles("review.posted"), Some(Cond::True));
    assert_eq!(roles("social.mentioned"), None);
    assert_eq!(roles("web.page.viewed"), None);
    assert_eq!(roles("feed.heartbeat"), None);
    let sent = used(&book, "campaign.sent", "m").expect("it has a channel");
    let channel = book
        .catalogue
        .spec(book.catalogue.id("campaign.sent").expect("a type"))
        .field("channel")
        .expect("a field");
    // It has no reason, so the reason never contains anything.
    assert_eq!(sent.roles[0].1, Cond::Test(FieldRef::Data(channel), Op::In(vec![text("email")])));
}

#[test]
fn a_type_that_is_named_twice_has_its_role_once() {
    let book = rules("  - { id: m, kind: match, event: [ \"web.*\", web.page.viewed ] }\n");
    assert_eq!(used(&book, "web.page.viewed", "m").expect("a use").roles, [(Roles::EVENT, Cond::True)]);
    let book = rules(
        "  - { id: m, kind: absence, start: [ \"web.*\", { event: web.page.viewed }, web.page.viewed ], within: 1h }\n",
    );
    assert_eq!(used(&book, "web.page.viewed", "m").expect("a use").roles, [(Roles::START, Cond::True)]);
}

#[test]
fn guards() {
    let book = rules(
        "  - id: g\n    kind: match\n    event: web.help.viewed\n    unless_seen:\n      - { event: contact.queued, where: { data.channel: [chat, voice] }, within: 1d }\n      - { event: rule:other, within: 2d }\n    while: { after: order.placed, until: [shipment.delivered, order.cancelled] }\n  - id: other\n    kind: match\n    event: web.error.shown\n",
    );
    let rule = book.rule(book.rule_named("g").expect("a rule"));
    let day = 86_400_000;
    assert_eq!(
        rule.guards,
        [Guard::UnlessSeen { within_ms: day }, Guard::UnlessSeen { within_ms: 2 * day }, Guard::While]
    );
    assert!(rule.concludes_from_absence);
    assert_eq!((rule.rank, rule.reach_ms), (1, 2 * day));
    let guards = |kind, fields: &[_]| hit(&book, "g", kind, fields).map(|h| (h.roles, h.guards));
    assert_eq!(guards("contact.queued", &[("channel", text("chat"))]), Some((0, Roles::guard_on(0))));
    assert_eq!(guards("contact.queued", &[("channel", text("email"))]), None);
    assert_eq!(guards("order.placed", &[]), Some((0, Roles::guard_on(2))));
    assert_eq!(guards("shipment.delivered", &[]), Some((0, Roles::guard_off(2))));
    assert_eq!(guards("web.help.viewed", &[]), Some((Roles::EVENT, 0)));
}

#[test]
fn the_decoder_is_asked_for_what_rules_read_and_what_actions_are_about_and_nothing_else() {
    let book = book(RETAIL);
    let read = |kind: &str| {
        let id = book.catalogue.id(kind).expect("a type");
        let interest = book.interest.of(id)?;
        let fields = book.catalogue.spec(id).fields.iter().enumerate();
        let read = fields.filter(|(i, _)| interest.fields >> i & 1 == 1).map(|(_, f)| f.name.to_string());
        Some(read.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(read("web.cart.item_added").as_deref(), Some("cart_id quantity unit_price session_id"));
    assert_eq!(read("contact.queued").as_deref(), Some("contact_id channel queue conversation_id"));
    assert_eq!(read("web.page.viewed").as_deref(), Some(""));
    assert_eq!(read("social.mentioned"), None);
}

#[test]
fn own_types_and_feeds() {
    let book = book(
        r"
rulebook: flights
version: 1
types:
  flight.scheduled: { feed: flights, fields: { flight: { type: text, required: true }, due: time } }
  flight.departed: { feed: flights, fields: { flight: { type: text, required: true, personal: none }, delay_min: integer } }
  contact.queued: { fields: { region: text } }
rules:
  - id: late
    kind: absence
    per: data.flight
    start: flight.scheduled
    stop: flight.departed
    deadline: data.due
    grace: 15m
  - id: far
    kind: match
    event: contact.queued
    where: { data.region: north, data.channel: voice }
",
    );
    assert_eq!(book.feeds, ["contact-center", "flights", "social", "transaction", "web"]);
    let rule = book.rule(book.rule_named("late").expect("a rule"));
    assert_eq!(rule.needs, FeedSet::default().with(book.feed_named("flights").expect("a feed")));
    assert_eq!(rule.reach_ms, 15 * 60_000);
    assert!(
        hit(&book, "far", "contact.queued", &[("region", text("north")), ("channel", text("voice"))])
            .is_some()
    );
}

#[test]
fn feeds_that_nothing_is_read_from_are_none_of_a_rulebook() {
    let rule = "rulebook: t\nversion: 1\nrules: [ { id: a, kind: match, event: \"*\" } ]\n";
    let (book, _) = compile(rule, "r").expect("a good rulebook");
    assert_eq!(book.feeds, ["contact-center", "social", "transaction", "web"]);
    let named = rule.replace("\"*\"", "outcome.declined");
    let (book, _) = compile(&named, "r").expect("a good rulebook");
    assert_eq!(book.feeds, ["contact-center", "outcomes", "social", "transaction", "web"]);
    assert!(book.without("outcomes").is_none());
}
