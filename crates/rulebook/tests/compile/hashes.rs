//! What tells two rulebooks apart.

use super::{RETAIL, book};
use cxwatch_event::{Catalogue, Field, FieldType, Privacy, TypeSpec};
use cxwatch_rulebook::{Rulebook, compile_with};
use expect_test::expect;

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
