//! What decisions are taken by, and what is known of customers.

use super::{event, used};
use cxwatch_event::{FieldValue, MICRO, Profile, UNKNOWN, Value};
use cxwatch_rulebook::{Cond, DeskUse, Facts, Outcome, Roles, Treatment, compile};

#[test]
fn decisions_and_profiles() {
    let source = "
rulebook: t
version: 1
customer: { attributes: { seats: number } }
policy: { zone: Europe/Berlin, caps: [ { channel: voice, at_most: 1, within: 7d } ], quiet_hours: { from: \"21:00\", until: \"08:00\" }, brake: 9, holdout: 5%, timeline: 3 }
rules:
  - id: a
    kind: match
    event: order.placed
    where: { customer.tier: gold, data.value: { over: 5 } }
    when: { customer.attributes.seats: { at_least: 3 } }
    actions: call
    mode: shadow
    brake: 2
    holdout: 0.1
    success: { event: web.login.succeeded, within: 1h }
actions:
  call: { class: offer, purpose: service, channel: voice, queue: q, ttl: 1h, accept_within: 10m, when: { customer.lifetime_value: { over: 1 } }, value: [ customer.lifetime_value, 2 ], context: [ { when: { events: 1 }, is: 1.5 } ] }
";
    let (book, _) = compile(source, "r").expect("a good rulebook");
    let profile = book.profile.expect("it is read");
    let spec = book.catalogue.spec(profile).clone();
    let read: Vec<&str> = (0u8..)
        .zip(&spec.fields)
        .filter(|(ix, _)| book.interest.of(profile).expect("read").reads(cxwatch_event::FieldIx(*ix)))
        .map(|(_, f)| f.name.as_str())
        .collect();
    assert_eq!(read, ["tier", "lifetime_value", "time_zone", "consent.voice.service", "attributes.seats"]);
    let rule = book.rule(book.rule_named("a").expect("it is there"));
    // Success is seen on the web, but nothing is concluded from its absence.
    let needs: Vec<&str> = rule.needs.iter().map(|f| book.feeds[usize::from(f.0)].as_str()).collect();
    assert_eq!(needs, ["transaction"]);
    let feeds: Vec<&str> = book.feeds_read().iter().map(|f| book.feeds[usize::from(f.0)].as_str()).collect();
    assert_eq!(feeds, ["contact-center", "customers", "outcomes", "transaction", "web"]);
    let treatment = Treatment {
        shadow: true,
        brake: Some(2),
        holdout: Some(MICRO / 10),
        success_within_ms: Some(3_600_000),
    };
    assert_eq!(rule.treatment, treatment);
    let action = &book.actions[0];
    assert_eq!((action.accept_within_ms, action.value.len(), action.context.len()), (Some(600_000), 2, 1));
    assert_eq!((book.policy.brake, book.policy.holdout, book.policy.timeline), (Some(9), MICRO / 20, 3));
    let kind = |name: &str| book.catalogue.id(name).expect("built in");
    assert!(matches!(
        book.desk_use(kind("outcome.saved")),
        Some(DeskUse::Outcome { outcome: Outcome::Saved, .. })
    ));
    assert!(matches!(book.desk_use(kind("campaign.sent")), Some(DeskUse::Contact { when: Cond::True, .. })));
    let saved = used(&book, "web.login.succeeded", "a").expect("it shows success");
    assert_eq!(saved.roles, [(Roles::SUCCESS, Cond::True)]);

    let gold = Profile {
        as_of: Some(0),
        fields: vec![FieldValue {
            field: spec.field("tier").expect("built in"),
            value: Value::Text("gold".into()),
        }],
    };
    let placed = event(&book, "order.placed", &[("value", Value::Number(6 * MICRO))]);
    let on_placed = used(&book, "order.placed", "a").expect("it starts it");
    assert_eq!(on_placed.hit(&Facts::Event(&placed), &gold).map(|h| h.roles), Some(Roles::EVENT));
    assert_eq!(on_placed.hit(&Facts::Event(&placed), &UNKNOWN), None);

    let without =
        book.without("customers").and_then(|book| book.without("outcomes")).expect("both can be spared");
    assert_eq!(without.feeds, ["contact-center", "social", "transaction", "web"]);
    assert_eq!(without.hash, book.hash);
    let needs = without.rules[0].needs;
    assert_eq!(
        needs.iter().map(|f| without.feeds[usize::from(f.0)].as_str()).collect::<Vec<_>>(),
        ["transaction"]
    );
    assert!(book.without("web").is_none() && without.without("customers").is_none());
}
