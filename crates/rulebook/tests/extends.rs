//! Rulebooks that build on others: what is taken over, what is changed, and what is said of mistakes.

use cxwatch_rulebook::{Compilation, Source, compile, compile_files};
use expect_test::{Expect, expect};

/// Compiles the first of these files; the others stand beside it.
fn load(files: &[(&str, &str)]) -> Compilation {
    let beside = |_: &str, name: &str| {
        let found = files.iter().find(|(file, _)| *file == name);
        let source = |(name, text): &(&str, &str)| Source { name: (*name).into(), text: (*text).into() };
        found.map(source).ok_or_else(|| format!("cannot read {name}: no such file"))
    };
    compile_files(files[0].1, files[0].0, &beside)
}

fn problems(files: &[(&str, &str)], expected: Expect) {
    let found = match load(files).result {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    let text: Vec<String> = found.iter().map(|problem| format!("{problem}\n")).collect();
    expected.assert_eq(&text.concat());
}

const BASE: &str = r#"rulebook: base
version: 3
calendars:
  desk: { zone: UTC, open: { mon-fri: "08:00-18:00" } }
rules:
  - id: wait
    kind: absence
    per: data.contact_id
    start: { event: contact.queued, where: { data.channel: voice } }
    stop: { event: [contact.answered, contact.abandoned] }
    within: { by: data.queue, gold: 20s, silver: 60s, default: 120s }
    warn_at: 80%
    calendar: desk
    actions: [raise, tell]
  - id: refused
    kind: count
    event: payment.failed
    at_least: 3
    within: 10m
    measure: { value: { max: data.value }, tries: { count: true } }
    when: { value: { at_least: 5 } }
    summary: "{tries} tries"
    actions: tell
  - id: debt
    kind: debt
    weights:
      - { rule: wait, points: 25 }
      - { event: [rule:refused, shipment.delayed], points: 15 }
    half_life: 14d
    threshold: 60
    rearm_below: 30
    unless_seen: { event: rule:wait, within: 1d }
actions:
  raise: { class: raise, ttl: 10m }
  tell: { class: internal, queue: lead }
"#;

#[test]
fn single_values_are_changed_and_the_rest_is_taken_over() {
    let own = r#"rulebook: shop
version: 1
extends: base.yaml
calendars:
  desk: { zone: Europe/Berlin }
rules:
  - id: wait
    within: { gold: 10s }
    warn_at: ~
  - id: refused
    at_least: 2
    measure: { value: { sum: data.value } }
  - id: own
    kind: match
    event: order.cancelled
    actions: [tell]
actions:
  tell: { queue: night-shift }
"#;
    let loaded = load(&[("shop.yaml", own), ("base.yaml", BASE)]);
    let (book, warnings) = loaded.result.expect("right");
    assert_eq!(warnings, []);
    expect![[r#"
        rulebook: shop                                                          # shop.yaml:1
        version: 1                                                              # shop.yaml:2

        calendars:
          desk:
            zone: Europe/Berlin                                                 # shop.yaml:5
            open: { mon-fri: "08:00-18:00" }                                    # base.yaml:4

        rules:
          - id: wait                                                            # shop.yaml:7
            kind: absence                                                       # base.yaml:7
            per: data.contact_id                                                # base.yaml:8
            start: { event: contact.queued, where: { data.channel: voice } }    # base.yaml:9
            stop: { event: [contact.answered, contact.abandoned] }              # base.yaml:10
            within:
              by: data.queue                                                    # base.yaml:11
              gold: 10s                                                         # shop.yaml:8
              silver: 60s                                                       # base.yaml:11
              default: 120s                                                     # base.yaml:11
            calendar: desk                                                      # base.yaml:13
            actions: [raise, tell]                                              # base.yaml:14
          - id: refused                                                         # shop.yaml:10
            kind: count                                                         # base.yaml:16
            event: payment.failed                                               # base.yaml:17
            at_least: 2                                                         # shop.yaml:11
            within: 10m                                                         # base.yaml:19
            measure:
              value: { sum: data.value }                                        # shop.yaml:12
              tries: { count: true }                                            # base.yaml:20
            when: { value: { at_least: 5 } }                                    # base.yaml:21
            summary: "{tries} tries"                                            # base.yaml:22
            actions: tell                                                       # base.yaml:23
          - id: debt                                                            # base.yaml:24
            kind: debt                                                          # base.yaml:25
            weights: [{ rule: wait, points: 25 }, { event: [rule:refused, shipment.delayed], points: 15 }]  # base.yaml:27
            half_life: 14d                                                      # base.yaml:29
            threshold: 60                                                       # base.yaml:30
            rearm_below: 30                                                     # base.yaml:31
            unless_seen: { event: rule:wait, within: 1d }                       # base.yaml:32
          - id: own                                                             # shop.yaml:13
            kind: match                                                         # shop.yaml:14
            event: order.cancelled                                              # shop.yaml:15
            actions: [tell]                                                     # shop.yaml:16

        actions:
          raise:
            class: raise                                                        # base.yaml:34
            ttl: 10m                                                            # base.yaml:34
          tell:
            class: internal                                                     # base.yaml:35
            queue: night-shift                                                  # shop.yaml:18
    "#]]
    .assert_eq(&loaded.shown);
    for text in [&loaded.shown, &loaded.effective] {
        let (again, _) = compile(text, "effective").expect("right");
        assert_eq!(again.hash, book.hash);
    }
}

#[test]
fn a_disabled_rule_is_left_out_and_what_others_say_of_it() {
    let own = "rulebook: shop\nversion: 1\nextends: base.yaml\nrules:\n  - { id: wait, disabled: true }\n";
    let loaded = load(&[("shop.yaml", own), ("base.yaml", BASE)]);
    let (book, warnings) = loaded.result.expect("right");
    assert_eq!(warnings, []);
    assert_eq!(book.rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["refused", "debt"]);
    assert!(!loaded.effective.contains("wait"), "{}", loaded.effective);
    let own = "rulebook: shop\nversion: 1\nextends: base.yaml\nrules:\n  - { id: wait, disabled: true }\n  - { id: refused, disabled: true }\n  - { id: own, kind: match, event: rule:wait }\n";
    problems(
        &[("shop.yaml", own), ("base.yaml", BASE)],
        expect![[r#"
            shop.yaml:7:36: error: there is no rule `wait`; expected `rule:` and the id of a rule of this rulebook
        "#]],
    );
}

#[test]
fn a_rule_that_is_built_on_a_disabled_one_is_named() {
    let base = "rulebook: b\nversion: 1\nrules:\n  - { id: a, kind: match, event: order.placed }\n  - { id: b, kind: count, event: rule:a, at_least: 2, within: 1d }\n";
    let own = "rulebook: shop\nversion: 1\nextends: ./b.yaml\nrules:\n  - { id: a, disabled: true }\n";
    problems(
        &[("shop.yaml", own), ("./b.yaml", base)],
        expect![[r#"
        shop.yaml:5:14: error: rule `b` is built on `a`, which is disabled here; expected `b` disabled too, or changed
    "#]],
    );
}

#[test]
fn mistakes_are_named_where_they_stand() {
    let own = r#"rulebook: shop
version: 1
extends: base.yaml
rules:
  - id: wiat
    within: 5s
  - id: refused
    within: soon
  - id: refused
    at_least: 4
actions:
  tel: { queue: x }
"#;
    let base = BASE.replace("points: 15", "points: many");
    problems(
        &[("shop.yaml", own), ("base.yaml", &base)],
        expect![[r#"
        shop.yaml:5:9: error: there is no rule `wiat` in base.yaml to change; expected one of `wait`, `refused`, `debt`; or `kind`, for a new one; write `wait`?
        shop.yaml:8:13: error: `soon` is not a duration; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d`, `2w` or `3bd`
        shop.yaml:9:5: error: a rule has no `kind`; expected `kind: ...` in it
        shop.yaml:9:9: error: there is a rule `refused` already, in line 7; expected an id of its own
        shop.yaml:12:3: error: there is no action `tel` in base.yaml to change; expected one of `raise`, `tell`; or `class`, for a new one; write `tell`?
        base.yaml:28:60: error: `many` stands here; expected a number without quotes, at most six digits after the point
    "#]],
    );
}

#[test]
fn what_cannot_be_built_on_is_named() {
    let names = ["startr", "nowhere.yaml", "[starter]", "shop.yaml", "circle.yaml", "broken.yaml"];
    let expected = [
        expect![[r#"
            shop.yaml:3:10: error: there is no pack `startr`; expected `starter`, or a file beside this one: `startr.yaml`; write `starter`?
        "#]],
        expect![[r#"
            shop.yaml:3:10: error: cannot read nowhere.yaml: no such file; expected `starter`, or a file
        "#]],
        expect![[r#"
            shop.yaml:3:10: error: a list stands here; expected text
        "#]],
        expect![[r#"
            shop.yaml:3:10: error: rulebooks build on each other in a circle: `shop.yaml`; expected one of them without `extends`
        "#]],
        expect![[r#"
            circle.yaml:3:10: error: rulebooks build on each other in a circle: `shop.yaml`, `circle.yaml`; expected one of them without `extends`
        "#]],
        expect![[r#"
            broken.yaml:3:8: error: this is not valid YAML: unclosed bracket '['
        "#]],
    ];
    for (name, expected) in names.into_iter().zip(expected) {
        let own = format!("rulebook: shop\nversion: 1\nextends: {name}\n");
        let circle = "rulebook: c\nversion: 1\nextends: shop.yaml\n";
        let broken = "rulebook: c\nversion: 1\nrules: [\n";
        problems(&[("shop.yaml", &own), ("circle.yaml", circle), ("broken.yaml", broken)], expected);
    }
}

#[test]
fn the_starter_is_right_as_it_is() {
    let loaded = load(&[("shop.yaml", "rulebook: shop\nversion: 1\nextends: starter\n")]);
    let (book, warnings) = loaded.result.unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>())
    });
    assert_eq!(warnings, []);
    let (again, warnings) = compile(&loaded.effective, "effective").expect("right");
    assert_eq!((again.hash, warnings), (book.hash, vec![]));
}

#[test]
fn each_rule_of_the_starter_can_be_left_out() {
    let (whole, _) = compile("rulebook: shop\nversion: 1\nextends: starter\n", "shop.yaml").expect("right");
    for rule in &whole.rules {
        let own = format!(
            "rulebook: shop\nversion: 1\nextends: starter\nrules: [{{ id: {}, disabled: true }}]\n",
            rule.id
        );
        match compile(&own, "shop.yaml") {
            Ok((book, warnings)) => assert_eq!((book.rules.len(), warnings), (whole.rules.len() - 1, vec![])),
            Err(problems) => panic!("{}: {}", rule.id, problems[0]),
        }
    }
}
