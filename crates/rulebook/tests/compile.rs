//! What rules compile to.

use cxwatch_event::{
    Catalogue, Event, Field, FieldType, FieldValue, MICRO, Privacy, Profile, TypeSpec, UNKNOWN, Value,
};
use cxwatch_rulebook::{
    Cond, DeskUse, Facts, FeedSet, FieldRef, Fold, Guard, Hit, Kind, Level, Op, Outcome, Per, Roles, RuleIx,
    RuleUse, Rulebook, Span, Treatment, compile, compile_with,
};
use expect_test::expect;

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

#[test]
fn an_absence_with_measures() {
    let book = book(RETAIL);
    assert_eq!((book.name.as_str(), book.version), ("retail-eu", 7));
    assert_eq!(book.feeds, ["contact-center", "customers", "outcomes", "social", "transaction", "web"]);
    let ix = book.rule_named("cart-abandonment").expect("a rule");
    let rule = book.rule(ix);
    assert_eq!(
        rule.kind,
        Kind::Absence {
            data_deadline: false,
            grace: Span::Ms(0),
            warn_permille: None,
            once: false,
            stretch_gap_ms: 1_800_000
        }
    );
    let feed = |name: &str| book.feed_named(name).expect("a feed");
    assert_eq!(rule.needs, FeedSet::default().with(feed("web")).with(feed("transaction")));
    assert!(!rule.concludes_from_absence);
    assert_eq!(rule.reach_ms, 1_800_000);
    assert_eq!(rule.cooldown_ms, Some(7 * 86_400_000));
    assert_eq!(
        rule.measures.iter().map(|m| (m.name.as_str(), m.fold)).collect::<Vec<_>>(),
        [("items", Fold::Sum), ("value", Fold::Sum)]
    );
    assert_eq!(rule.severity.cases.len(), 1);
    assert_eq!(
        rule.actions.iter().map(|a| book.actions[usize::from(*a)].id.as_str()).collect::<Vec<_>>(),
        ["concierge_chat", "reminder_email"]
    );

    let item = [("cart_id", text("k")), ("quantity", number(2)), ("unit_price", Value::Number(12_500_000))];
    let added = hit(&book, "cart-abandonment", "web.cart.item_added", &item).expect("a hit");
    assert_eq!(added.roles, Roles::START | Roles::REFRESH);
    assert_eq!(added.key.as_deref(), Some("k"));
    assert_eq!(added.within, Span::Ms(1_800_000));
    assert_eq!(added.deltas.as_slice(), [Some(2 * MICRO), Some(25 * MICRO)]);
    assert_eq!(added.severity, 40);
    let removed = hit(&book, "cart-abandonment", "web.cart.item_removed", &item).expect("a hit");
    assert_eq!(removed.roles, Roles::REFRESH | Roles::MINUS);
    assert_eq!(removed.deltas.as_slice(), [Some(-2 * MICRO), Some(-25 * MICRO)]);
    let viewed = hit(&book, "cart-abandonment", "web.page.viewed", &[]).expect("a hit");
    assert_eq!((viewed.roles, viewed.key), (Roles::REFRESH, None));
    assert_eq!(viewed.deltas.as_slice(), [None, None]);
    let placed = hit(&book, "cart-abandonment", "order.placed", &[("cart_id", text("k"))]).expect("a hit");
    assert_eq!(placed.roles, Roles::STOP);
    assert!(used(&book, "contact.queued", "cart-abandonment").is_none());
}

#[test]
fn an_absence_with_a_table_a_calendar_and_a_warning() {
    let book = book(RETAIL);
    let rule = book.rule(book.rule_named("voice-wait").expect("a rule"));
    assert_eq!(rule.calendar, Some(0));
    let Kind::Absence { warn_permille, stretch_gap_ms, .. } = rule.kind else { panic!("an absence") };
    assert_eq!((warn_permille, stretch_gap_ms), (Some(800), 16_000));
    let queued = |channel: &str, queue: &str| {
        hit(
            &book,
            "voice-wait",
            "contact.queued",
            &[("contact_id", text("7")), ("channel", text(channel)), ("queue", text(queue))],
        )
    };
    assert_eq!(queued("voice", "gold").expect("a hit").within, Span::Ms(20_000));
    assert_eq!(queued("voice", "other").expect("a hit").within, Span::Ms(60_000));
    assert_eq!(queued("chat", "gold"), None);
}

#[test]
fn the_decoder_is_asked_for_what_rules_read_and_nothing_else() {
    let book = book(RETAIL);
    let read = |kind: &str| {
        let id = book.catalogue.id(kind).expect("a type");
        let interest = book.interest.of(id)?;
        let fields = book.catalogue.spec(id).fields.iter().enumerate();
        let read = fields.filter(|(i, _)| interest.fields >> i & 1 == 1).map(|(_, f)| f.name.to_string());
        Some(read.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(read("web.cart.item_added").as_deref(), Some("cart_id quantity unit_price"));
    assert_eq!(read("contact.queued").as_deref(), Some("contact_id channel queue"));
    assert_eq!(read("web.page.viewed").as_deref(), Some(""));
    assert_eq!(read("social.mentioned"), None);
}

#[test]
fn a_match() {
    let book = rules(
        "  - id: detractor\n    kind: match\n    event: contact.survey_answered\n    where: { data.survey: nps, data.score: { at_most: 6 } }\n    severity: { by: data.score, 0: 90, default: 60 }\n",
    );
    let rule = book.rule(RuleIx(0));
    assert_eq!((rule.kind.clone(), rule.per), (Kind::Match, false));
    let answered = |score| {
        hit(
            &book,
            "detractor",
            "contact.survey_answered",
            &[("survey", text("nps")), ("score", number(score))],
        )
    };
    let found = answered(3).expect("a hit");
    assert_eq!((found.roles, found.key.as_deref(), found.severity), (Roles::EVENT, Some(""), 60));
    assert_eq!(answered(0).expect("a hit").severity, 90);
    assert_eq!(answered(9), None);
}

#[test]
fn a_count_in_a_duration() {
    let book = rules(
        "  - id: repeat\n    kind: count\n    event: contact.queued\n    at_least: { by: data.channel, email: 5, default: 3 }\n    within: 7d\n    reset: contact.resolved\n    distinct: data.contact_id\n    then: keep\n    measure: { contacts: { count: true }, worst: { max: data.priority } }\n",
    );
    let rule = book.rule(RuleIx(0));
    assert_eq!(rule.kind, Kind::Count { of_last: None, distinct: true, keep: true, at_least_max: 5 });
    assert!(rule.concludes_from_absence);
    assert_eq!(rule.reach_ms, 7 * 86_400_000);
    let fields = [("contact_id", text("7")), ("channel", text("email")), ("priority", number(2))];
    let queued = hit(&book, "repeat", "contact.queued", &fields).expect("a hit");
    assert_eq!(
        (queued.roles, queued.threshold, queued.distinct),
        (Roles::COUNTED, 5 * MICRO, Some(text("7")))
    );
    assert_eq!(queued.deltas.as_slice(), [Some(MICRO), Some(2 * MICRO)]);
    assert_eq!(hit(&book, "repeat", "contact.resolved", &[]).expect("a hit").roles, Roles::RESET);
}

#[test]
fn a_count_among_the_last_events() {
    let book = rules(
        "  - id: bot-lost\n    kind: count\n    per: data.conversation_id\n    event: web.bot.replied\n    where: { data.understood: false }\n    at_least: 2\n    of_last: 3\n",
    );
    assert_eq!(
        book.rule(RuleIx(0)).kind,
        Kind::Count { of_last: Some(3), distinct: false, keep: false, at_least_max: 2 }
    );
    let replied = |understood| {
        let fields = [("conversation_id", text("b")), ("understood", Value::Bool(understood))];
        hit(&book, "bot-lost", "web.bot.replied", &fields).expect("a hit").roles
    };
    assert_eq!(replied(false), Roles::EVENT | Roles::COUNTED);
    assert_eq!(replied(true), Roles::EVENT);
}

#[test]
fn an_absence_with_a_deadline_from_data() {
    let book = rules(
        "  - id: promise\n    kind: absence\n    per: data.order_id\n    start: { event: order.placed, where: { data.promised_at: { exists: true } } }\n    refresh: shipment.delayed\n    stop: [shipment.delivered, order.cancelled]\n    deadline: data.promised_at\n    grace: 1bd\n    calendar: desk\n    once: true\n",
    );
    let rule = book.rule(RuleIx(0));
    assert_eq!(
        rule.kind,
        Kind::Absence {
            data_deadline: true,
            grace: Span::Days(1),
            warn_permille: None,
            once: true,
            stretch_gap_ms: 0
        }
    );
    let placed =
        hit(&book, "promise", "order.placed", &[("order_id", text("o")), ("promised_at", Value::Time(77))]);
    assert_eq!(placed.expect("a hit").deadline, Some(77));
    let delayed = hit(
        &book,
        "promise",
        "shipment.delayed",
        &[("order_id", text("o")), ("promised_at", Value::Time(99))],
    );
    let delayed = delayed.expect("a hit");
    assert_eq!((delayed.roles, delayed.deadline), (Roles::REFRESH, Some(99)));
}

#[test]
fn an_absence_that_pauses() {
    let book = rules(
        "  - id: sla\n    kind: absence\n    per: data.contact_id\n    start: contact.queued\n    stop: contact.resolved\n    pause: contact.pending\n    resume: contact.reopened\n    within: 4h\n    calendar: desk\n",
    );
    let roles = |kind| hit(&book, "sla", kind, &[("contact_id", text("7"))]).expect("a hit").roles;
    assert_eq!(roles("contact.pending"), Roles::PAUSE);
    assert_eq!(roles("contact.reopened"), Roles::RESUME);
}

#[test]
fn a_sequence() {
    let book = rules(
        "  - id: gave-up\n    kind: sequence\n    steps:\n      - { event: web.selfservice.failed, where: { data.flow: address } }\n      - web.help.viewed\n      - [contact.queued, social.messaged]\n    within: 1h\n    unless: web.selfservice.completed\n",
    );
    let rule = book.rule(RuleIx(0));
    assert_eq!(rule.kind, Kind::Sequence { steps: 3, keep: false });
    assert!(rule.concludes_from_absence);
    let roles = |kind, fields: &[_]| hit(&book, "gave-up", kind, fields).map(|h| h.roles);
    assert_eq!(roles("web.selfservice.failed", &[("flow", text("address"))]), Some(Roles::step(0)));
    assert_eq!(roles("web.selfservice.failed", &[("flow", text("other"))]), None);
    assert_eq!(roles("social.messaged", &[]), Some(Roles::step(2)));
    assert_eq!(roles("web.selfservice.completed", &[]), Some(Roles::UNLESS));
}

const DEBT: &str = "  - id: trouble\n    kind: debt\n    weights:\n      - { rule: wait, where: { severity: { at_least: 60 } }, points: 30 }\n      - { rule: wait, points: 20 }\n      - { event: payment.failed, points: 12.5 }\n      - { event: return.refunded, points: -10 }\n    half_life: 7d\n    threshold: 50\n    rearm_below: 20\n    reset: subscription.cancelled\n  - id: wait\n    kind: absence\n    per: data.contact_id\n    start: contact.queued\n    stop: contact.answered\n    within: 60s\n    warn_at: 50%\n    measure: { priority: { last: data.priority } }\n";

#[test]
fn a_debt_on_rules_and_events() {
    let book = rules(DEBT);
    let (wait, trouble) =
        (book.rule_named("wait").expect("a rule"), book.rule_named("trouble").expect("a rule"));
    assert_eq!((wait, trouble), (RuleIx(0), RuleIx(1)));
    assert_eq!((book.rule(wait).rank, book.rule(trouble).rank), (0, 1));
    let rule = book.rule(trouble);
    assert_eq!(rule.kind, Kind::Debt { half_life_ms: 7 * 86_400_000, rearm_below: 20 * MICRO });
    let feed = |name: &str| book.feed_named(name).expect("a feed");
    assert_eq!(rule.needs, FeedSet::default().with(feed("transaction")).with(feed("contact-center")));
    let [on_wait] = book.uses_of_detection(wait, Level::Breach) else { panic!("one rule builds on it") };
    let detected = |severity| {
        let facts = cxwatch_rulebook::DetectionFacts { key: "7", severity, measures: &[None] };
        on_wait.hit(&Facts::Detection(facts), &UNKNOWN).map(|h| (h.roles, h.points))
    };
    assert_eq!(detected(70), Some((Roles::WEIGHT, 30 * MICRO)));
    assert_eq!(detected(40), Some((Roles::WEIGHT, 20 * MICRO)));
    let refunded = hit(&book, "trouble", "return.refunded", &[]).expect("a hit");
    assert_eq!(
        (refunded.roles, refunded.points, refunded.threshold),
        (Roles::WEIGHT, -10 * MICRO, 50 * MICRO)
    );
}

#[test]
fn rules_on_warnings_share_a_key_only_with_the_same_per() {
    let book = rules(&format!(
        "{DEBT}  - id: same\n    kind: match\n    per: data.contact_id\n    event: rule:wait.warning\n    where: {{ measures.priority: {{ over: 3 }} }}\n  - id: none\n    kind: match\n    event: rule:wait.warning\n"
    ));
    let wait = book.rule_named("wait").expect("a rule");
    let uses = book.uses_of_detection(wait, Level::Warning);
    let per: Vec<_> = uses.iter().map(|u| (book.rule(u.rule).id.as_str(), u.per.clone())).collect();
    assert_eq!(per, [("none", Per::Customer), ("same", Per::Field(FieldRef::Key))]);
    assert_eq!(uses[1].roles, [(Roles::EVENT, Cond::Test(FieldRef::Measure(0), Op::Over(3 * MICRO)))]);
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
fn hashes_are_those_of_the_meaning() {
    let same = RETAIL
        .replace(
            "kind: absence\n    per: data.cart_id",
            "per: data.cart_id   # one episode per cart\n    kind: 'absence'",
        )
        .replace("within: 30m", "within: 1800s")
        .replace(
            "stop: { event: [order.placed, web.cart.emptied] }",
            "stop:\n      - web.cart.emptied\n      - event: order.placed",
        );
    let (one, two) = (book(RETAIL), book(&same));
    assert_ne!(RETAIL, same);
    assert_eq!(one.hash, two.hash);
    let prints = |b: &Rulebook| b.rules.iter().map(|r| r.fingerprint).collect::<Vec<_>>();
    assert_eq!(prints(&one), prints(&two));

    let longer = book(&RETAIL.replace("within: 30m", "within: 31m"));
    assert_ne!(one.hash, longer.hash);
    let (a, b) = (prints(&one), prints(&longer));
    let changed: Vec<_> = (0..a.len()).filter(|i| a[*i] != b[*i]).map(|i| one.rules[i].id.as_str()).collect();
    assert_eq!(changed, ["cart-abandonment"]);
    let holiday = book(&RETAIL.replace("2026-12-26", "2026-12-27"));
    let c = prints(&holiday);
    let changed: Vec<_> = (0..a.len()).filter(|i| a[*i] != c[*i]).map(|i| one.rules[i].id.as_str()).collect();
    assert_eq!(changed, ["voice-wait"]);
}

/// Hashes are compared across versions of the program: if they change without a change of meaning, every open episode
/// counts as one of a changed rule, and groups report two rulebooks. Change what is expected here only for a reason.
#[test]
fn hashes_stay_what_they_are() {
    let field = |name: &str, kind| Field {
        name: name.into(),
        kind,
        required: false,
        privacy: Privacy::None,
        one_of: Vec::new(),
        about: "".into(),
    };
    let spec = |name: &str| TypeSpec {
        name: name.into(),
        feed: Some("f".into()),
        fields: vec![field("k", FieldType::Text), field("n", FieldType::Number), field("t", FieldType::Time)],
        about: "".into(),
    };
    let catalogue = Catalogue::of(["f.a", "f.b", "f.c"].map(spec));
    let source = r#"
rulebook: pinned
version: 3
calendars: { desk: { zone: Europe/Berlin, open: { mon-fri: "08:00-20:00" }, holidays: [2026-12-25] } }
rules:
  - id: absence
    kind: absence
    per: data.k
    start: { event: f.a, where: { data.n: { over: 1.5 }, not: { data.k: [x, y] } } }
    stop: f.b
    within: { by: data.k, z: 2bd, default: 3h }
    calendar: desk
    warn_at: 80%
    unless_seen: { event: f.c, within: 1d }
    measure: { v: { sum: [data.n, data.n], minus: f.c } }
    when: { any: [ { v: { at_least: 2 } }, { events: { over: 3 } } ] }
    severity: [ { when: { v: { over: 9 } }, is: 70 }, { is: 40 } ]
    summary: "{v} of {key}"
    actions: act
    cooldown: 7d
  - { id: count, kind: count, event: "f.*", at_least: 3, of_last: 5, distinct: data.k }
  - { id: debt, kind: debt, weights: [ { rule: absence, points: 2 }, { event: f.b, points: -1 } ], half_life: 1d, threshold: 5, rearm_below: 2 }
  - { id: due, kind: absence, start: f.a, stop: f.b, deadline: data.t, grace: 5m }
  - { id: sequence, kind: sequence, steps: [ f.a, rule:absence.warning ], within: 1h, unless: f.c, while: { after: f.a, until: f.b } }
actions: { act: { class: raise, hours: desk } }
"#;
    let book = match compile_with(catalogue, source, "pinned.yaml") {
        Ok((book, _)) => book,
        Err(problems) => panic!("{problems:?}"),
    };
    let hash: String = book.hash.iter().map(|b| format!("{b:02x}")).collect();
    let prints = book.rules.iter().map(|r| format!("{} {:016x}\n", r.id, r.fingerprint));
    expect![[r#"
        6d659ff0adac5ccb1be1dece1e3bdafa
        absence eb62b46571d4c87a
        count 3a4eaa081a8284fe
        due 4cbf62e204c68c68
        debt 2c7958aba52acd38
        sequence 1d9a7005e71a6f1d
    "#]]
    .assert_eq(&format!("{hash}\n{}", prints.collect::<String>()));
}

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
