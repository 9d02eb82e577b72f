//! What rules compile to.

mod decisions;
mod events;
mod hashes;
mod kinds;

use cxwatch_event::{Event, FieldValue, MICRO, UNKNOWN, Value};
use cxwatch_rulebook::{Facts, Hit, RuleUse, Rulebook, compile};

const RETAIL: &str = r#"
rulebook: retail-eu
version: 7
calendars:
  desk: { zone: Europe/Berlin, open: { mon-fri: "08:00-20:00", sat: "09:00-14:00" }, holidays: [2026-12-25, 2026-12-26] }
rules:
  - id: cart-abandonment
    kind: absence
    per: data.cart_id
    start: { event: web.cart.item_added }
    refresh: { event: "web.*" }
    stop: { event: [order.placed, web.cart.emptied] }
    within: 30m
    measure:
      items: { sum: data.quantity, minus: web.cart.item_removed }
      value: { sum: [data.quantity, data.unit_price], minus: web.cart.item_removed }
    when: { value: { at_least: 20 } }
    severity: [ { when: { value: { over: 500 } }, is: 70 }, { is: 40 } ]
    summary: "left {items} items worth {value} behind"
    actions: [ concierge_chat, reminder_email ]
    cooldown: 7d
  - id: voice-wait
    kind: absence
    per: data.contact_id
    start: { event: contact.queued, where: { data.channel: voice } }
    stop: { event: [contact.answered, contact.abandoned] }
    within: { by: data.queue, gold: 20s, default: 60s }
    calendar: desk
    warn_at: 80%
    actions: [ raise_priority ]
actions:
  concierge_chat: { class: offer, by: person, purpose: service, channel: chat, queue: concierge, skills: [sales], hours: desk, ttl: 5m, value: value }
  reminder_email: { class: offer, by: machine, purpose: marketing, channel: email, propensity: 5% }
  raise_priority: { class: raise }
"#;

fn book(source: &str) -> Rulebook {
    match compile(source, "book.yaml") {
        Ok((book, _)) => book,
        Err(problems) => panic!("{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>()),
    }
}

/// A rulebook of these rules.
fn rules(rules: &str) -> Rulebook {
    book(&format!(
        "rulebook: t\nversion: 1\ncalendars: {{ desk: {{ zone: UTC, open: {{ mon-fri: \"08:00-18:00\" }} }} }}\nrules:\n{rules}"
    ))
}

fn used<'a>(book: &'a Rulebook, kind: &str, rule: &str) -> Option<&'a RuleUse> {
    let rule = book.rule_named(rule).expect("a rule");
    book.uses(book.catalogue.id(kind).expect("a type")).iter().find(|u| u.rule == rule)
}

fn event(book: &Rulebook, kind: &str, fields: &[(&str, Value)]) -> Event {
    let id = book.catalogue.id(kind).expect("a type");
    let field = |name: &str| book.catalogue.spec(id).field(name).expect("a field");
    let mut fields: Vec<_> =
        fields.iter().map(|(name, value)| FieldValue { field: field(name), value: value.clone() }).collect();
    fields.sort_by_key(|f| f.field);
    Event {
        kind: id,
        time: 1_000,
        sub: 0,
        customer: "c1".into(),
        id: "e1".into(),
        source: "/shop".into(),
        fields,
    }
}

fn hit(book: &Rulebook, rule: &str, kind: &str, fields: &[(&str, Value)]) -> Option<Hit> {
    used(book, kind, rule)?.hit(&Facts::Event(&event(book, kind, fields)), &UNKNOWN)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn number(n: i64) -> Value {
    Value::Number(n * MICRO)
}
