//! The five kinds, and rules on rules.

use super::{RETAIL, book, hit, number, rules, text, used};
use cxwatch_event::{MICRO, UNKNOWN, Value};
use cxwatch_rulebook::{Cond, Facts, FeedSet, FieldRef, Fold, Kind, Level, Op, Per, Roles, RuleIx, Span};

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
