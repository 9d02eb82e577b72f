//! What is said of a file as a whole.

use super::{check, check_rules, framed};
use expect_test::expect;

#[test]
fn yaml_that_is_treacherous() {
    check(
        "",
        expect![[r#"
        r.yaml:1:1: error: the file is empty; expected a map of keys and values
    "#]],
    );
    check(
        "# nothing\n",
        expect![[r#"
        r.yaml:1:1: error: the file is empty; expected a map of keys and values
    "#]],
    );
    check(
        "- a\n- b\n",
        expect![[r#"
        r.yaml:1:1: error: a list stands here; expected a map: a rulebook has keys and values
    "#]],
    );
    check(
        "rulebook: a\n\tversion: 1\n",
        expect![[r#"
            r.yaml:1:11: error: this is not valid YAML: while scanning a plain scalar, found a tab; expected spaces instead of the tab that indents a line here
        "#]],
    );
    check(
        "rulebook: [a\nversion: 1\n",
        expect![[r#"
            r.yaml:2:8: error: this is not valid YAML: illegal placement of ':' indicator; expected the keys of one map at the same indent: this line begins too far right
        "#]],
    );
    check(
        "rulebook: a\nversion: 1\nrulebook: b\nrules: []\n",
        expect![[r#"
        r.yaml:3:1: error: `rulebook` stands here a second time; expected it once: the first is in line 1
    "#]],
    );
    check(
        "rulebook: &name a\nversion: 1\nrules: []\nabout: *name\n",
        expect![[r#"
            r.yaml:1:17: error: an anchor (`&name`) stands here; expected the value without it
            r.yaml:4:8: error: an alias (`*name`) stands here; expected the value itself; in quotes, if a pattern is meant: `"*.failed"`
        "#]],
    );
    check(
        "rulebook: !!str a\nversion: 1\nrules: []\n",
        expect![[r#"
        r.yaml:1:17: error: a tag (`!name`) stands here; expected the value without it
    "#]],
    );
    check(
        "rulebook: a\nversion: 1\nrules: []\n---\nrulebook: b\n",
        expect![[r#"
        r.yaml:4:1: error: a second document begins here; expected one document per file
    "#]],
    );
    check(
        "%YAML 1.1\n---\nrulebook: a\n",
        expect![[r#"
        r.yaml:1:1: error: this is not valid YAML: YAML directives are disallowed
    "#]],
    );
    check(
        "rulebook: a\nversion: 1\nrules: []\n[x]: y\n",
        expect![[r#"
        r.yaml:4:1: error: this key is not text; expected a plain name before the colon
    "#]],
    );
}

#[test]
fn line_ends_and_marks_of_other_systems_do_no_harm() {
    check(&format!("\u{feff}{}", framed("").replace('\n', "\r\n")), expect![[""]]);
    check(
        &framed("  - { id: ä, kind: match, event: [x, ü.ö] }"),
        expect![[r#"
        r.yaml:6:11: error: `ä` cannot be the name of a rule; expected lower-case letters, digits and `-`, a letter first, at most 80
        r.yaml:6:35: error: `x` is not an event type; expected an event type of the catalogue or of this rulebook's `types`
        r.yaml:6:38: error: `ü.ö` is not an event type; expected an event type of the catalogue or of this rulebook's `types`
    "#]],
    );
}

#[test]
fn nesting_has_an_end() {
    let deep = format!("rulebook: a\nversion: 1\nrules: {}{}\n", "[".repeat(5_000), "]".repeat(5_000));
    check(
        &deep,
        expect![[r#"
        r.yaml:3:72: error: this is not valid YAML: recursion limit exceeded
    "#]],
    );
}

#[test]
fn the_top() {
    check(
        "{}",
        expect![[r#"
        r.yaml:1:1: error: a rulebook has no `rulebook`; expected `rulebook: ...` in it
        r.yaml:1:1: error: a rulebook has no `rules`; expected `rules: ...` in it
        r.yaml:1:1: error: a rulebook has no `version`; expected `version: ...` in it
    "#]],
    );
    check(
        "rulebook: Retail EU\nversion: \"7\"\nrules: []\n",
        expect![[r#"
        r.yaml:1:11: error: `Retail EU` cannot be the name of a rulebook; expected lower-case letters, digits and `-`, a letter first, at most 80; write `retail-eu`?
        r.yaml:2:10: error: the text "7" stands here; expected a whole number from 1 to 4294967295; write `7`?
    "#]],
    );
    check(
        "rulebook: t\nversion: 0\nrule: []\nrules: {}\n",
        expect![[r#"
            r.yaml:2:10: error: `0` stands here; expected a whole number from 1 to 4294967295
            r.yaml:3:1: error: a rulebook has no key `rule`; expected one of `about`, `actions`, `calendars`, `customer`, `policy`, `rulebook`, `rules`, `types`, `version`; write `rules`?
            r.yaml:4:8: error: a map stands here; expected a list
        "#]],
    );
}

#[test]
fn several_at_once_in_the_order_of_the_file() {
    check_rules(
        "  - id: Cart Abandonment
    kind: absense
  - id: b
    kind: absence
    start: web.cart.item_aded
    stopp: order.placed
    within: 30
    actions: [ cal ]
    when: { value: { over: 20 } }",
        expect![[r#"
            r.yaml:6:5: error: a rule of kind `absence` has no `start`; expected `start: ...` in it
            r.yaml:6:5: error: a rule of kind `absence` has no `within`; expected `within: ...` in it
            r.yaml:6:9: error: `Cart Abandonment` cannot be the name of a rule; expected lower-case letters, digits and `-`, a letter first, at most 80; write `cart-abandonment`?
            r.yaml:7:11: error: `absense` is not possible here; expected one of `match`, `count`, `absence`, `sequence`, `debt`; write `absence`?
            r.yaml:10:12: error: `web.cart.item_aded` is not an event type; expected an event type of the catalogue or of this rulebook's `types`; write `web.cart.item_added`?
            r.yaml:11:5: error: a rule of kind `absence` has no key `stopp`; expected one of `about`, `actions`, `brake`, `calendar`, `cooldown`, `deadline`, `grace`, `holdout`, `id`, `kind`, `measure`, `mode`, `once`, `pause`, `people_only`, `per`, `refresh`, `resume`, `severity`, `start`, `stop`, `success`, `summary`, `unless_seen`, `warn_at`, `when`, `while`, `within`; write `stop`?
            r.yaml:12:13: error: `30` has no unit; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d`, `2w` or `3bd`
            r.yaml:13:16: error: there is no action `cal`; expected a name from `actions`; write `call`?
            r.yaml:14:13: error: this rule has no measure `value`; expected one of `events`
        "#]],
    );
}

#[test]
fn more_rules_than_have_numbers() {
    let one = |i: usize| format!("  - {{ id: r{i}, kind: match, event: order.placed }}\n");
    let source = format!("rulebook: t\nversion: 1\nrules:\n{}", (0..65_536).map(one).collect::<String>());
    check(
        &source,
        expect![[r#"
            r.yaml:4:3: error: 65536 rules; expected at most 65534
        "#]],
    );
}

#[test]
fn a_rulebook_without_rules_finds_nothing() {
    check(
        "rulebook: t\nversion: 1\nrules: []\n",
        expect![[r#"
        r.yaml:3:8: warning: this rulebook has no rules: it finds nothing; expected at least one rule
    "#]],
    );
}
