//! What is said of rulebooks that are wrong.

use cxwatch_rulebook::{Rulebook, compile};
use expect_test::{Expect, expect};

fn problems(source: &str) -> String {
    let problems = match compile(source, "r.yaml") {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    problems.iter().map(|p| format!("{p}\n")).collect()
}

fn check(source: &str, expected: Expect) {
    expected.assert_eq(&problems(source));
}

/// Rules, from line 5 on, in a rulebook with one calendar and one action.
fn check_rules(rules: &str, expected: Expect) {
    check(&framed(rules), expected);
}

fn framed(rules: &str) -> String {
    format!(
        "rulebook: t
version: 1
calendars: {{ desk: {{ zone: UTC, open: {{ mon-fri: \"08:00-18:00\" }} }} }}
actions: {{ call: {{ class: raise, hours: desk }} }}
rules:
{rules}
  - {{ id: uses-call, kind: match, event: web.login.failed, actions: call }}
"
    )
}

#[test]
fn a_good_one_has_no_problems() {
    check_rules("", expect![[""]]);
}

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
        r.yaml:2:8: error: this is not valid YAML: illegal placement of ':' indicator
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
        r.yaml:4:8: error: an alias (`*name`) stands here; expected the value itself
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
fn events_and_patterns() {
    check_rules(
        "  - { id: a, kind: match, event: \"web.x*\" }
  - { id: b, kind: match, event: [ order.place, feed.heartbeat ] }
  - { id: c, kind: match, event: uses-call }
  - { id: d, kind: match, event: rule:uses-cal }
  - { id: e, kind: match, event: rule:uses-call.warning }
  - { id: f, kind: match }
  - { id: g, kind: match, event: }
  - { id: h, kind: match, event: { event: order.placed } }
  - { id: i, kind: match, event: \"wbe.*\" }",
        expect![[r#"
            r.yaml:6:34: error: no event type matches `web.x*`; write `web.*`?
            r.yaml:7:36: error: `order.place` is not an event type; expected an event type of the catalogue or of this rulebook's `types`; write `order.placed`?
            r.yaml:7:49: error: a heartbeat belongs to no customer, so no rule can use it; expected an event type with a customer
            r.yaml:8:34: error: `uses-call` is a rule, not an event type; write `rule:uses-call`?
            r.yaml:9:34: error: there is no rule `uses-cal`; write `rule:uses-call`?
            r.yaml:10:34: error: rule `uses-call` gives no warning; expected `warn_at` in that rule, or its detections; write `rule:uses-call`?
            r.yaml:11:5: error: a rule of kind `match` has no `event`; expected `event: ...` in it
            r.yaml:12:32: error: nothing stands here; expected a value or a list
            r.yaml:13:34: error: a map stands here; expected text
            r.yaml:14:34: error: no event type matches `wbe.*`; write `web.*`?
        "#]],
    );
}

#[test]
fn fields_and_their_types() {
    check_rules(
        "  - { id: a, kind: match, event: order.placed, where: { data.valeu: 3 } }
  - { id: b, kind: match, event: order.placed, where: { value: 3 } }
  - { id: c, kind: match, event: order.placed, where: { data.value: many } }
  - { id: d, kind: match, event: order.placed, where: { data.value: \"3\" } }
  - { id: e, kind: match, event: contact.queued, where: { data.channel: voise } }
  - { id: f, kind: match, event: contact.queued, where: { data.channel: { over: 3 } } }
  - { id: g, kind: match, event: contact.queued, where: { data.priority: { is: 1.5 } } }
  - { id: h, kind: match, event: contact.queued, where: { data.priority: { contains: 1 } } }
  - { id: i, kind: match, event: web.bot.replied, where: { data.understood: \"yes\" } }
  - { id: j, kind: match, event: order.placed, where: { data.promised_at: { over: tomorrow } } }
  - { id: k, kind: match, event: order.placed, where: { customer.tier: gold } }
  - { id: l, kind: match, event: order.placed, where: { data.value: { gte: 3 } } }
  - { id: m, kind: match, event: order.placed, where: { data.value: } }
  - { id: n, kind: match, event: order.placed, where: { data.value: [] } }
  - { id: o, kind: match, event: order.placed, where: { any: [] } }
  - { id: p, kind: match, event: order.placed, where: {} }
  - { id: q, kind: match, event: \"social.*\", where: { data.sentimant: negative } }
  - { id: r, kind: match, event: order.placed, where: { feed: web } }
  - { id: s, kind: match, event: rule:uses-call, where: { measures.value: 3, severity: high } }",
        expect![[r#"
            r.yaml:6:57: error: `order.placed` has no field `data.valeu`; write `data.value`?
            r.yaml:7:57: error: `order.placed` has no field `value`; write `data.value`?
            r.yaml:8:69: error: `many` stands here; expected a number without quotes, at most six digits after the point
            r.yaml:9:69: error: the text "3" stands here; expected a number without quotes, at most six digits after the point; write `3`?
            r.yaml:10:73: error: this field never holds `voise`; expected one of `voice`, `chat`, `email`, `sms`, `messaging`, `social`, `video`, `web`, `app`, `letter`, `branch`, `other`; write `voice`?
            r.yaml:11:75: error: `over` compares by size, but this is text; expected `is`, `is_not`, `in`, `not_in` or `exists`
            r.yaml:12:80: error: this field holds whole numbers only; expected a whole number
            r.yaml:13:76: error: `contains` looks into text, but this is a whole number; expected a field that holds text
            r.yaml:14:77: error: the text "yes" stands here; expected `true` or `false`
            r.yaml:15:83: error: `tomorrow` stands here; expected a time like `2026-12-24T18:00:00Z`
            r.yaml:17:71: error: there is no comparison `gte`; expected one of `is`, `is_not`, `in`, `not_in`, `over`, `at_least`, `under`, `at_most`, `exists`, `starts_with`, `contains`; write `at_least`?
            r.yaml:18:67: error: nothing stands here; expected a value or a list
            r.yaml:19:69: error: this list is empty, so nothing can equal it; expected at least one value
            r.yaml:20:62: error: a list stands here; expected a list of conditions, `- field: value`
            r.yaml:21:55: error: this condition is empty; expected a field and its value
            r.yaml:22:55: error: none of the 4 event types selected here has a field `data.sentimant`; write `data.sentiment`?
            r.yaml:23:55: error: none of the selected events can ever pass this condition; expected a condition that at least one of the event types can meet
            r.yaml:24:59: error: `rule:uses-call` has no field `measures.value`; expected one of `key`, `rule`, `severity`, `type`
            r.yaml:24:88: error: `high` stands here; expected a number without quotes, at most six digits after the point
        "#]],
    );
}

#[test]
fn absences() {
    check_rules(
        "  - { id: a, kind: absence, start: order.placed }
  - { id: b, kind: absence, start: order.placed, within: 1h, deadline: data.promised_at }
  - { id: c, kind: absence, start: order.placed, within: 1h, grace: 5m }
  - { id: d, kind: absence, start: order.placed, deadline: data.value }
  - { id: e, kind: absence, start: order.placed, deadline: data.promised }
  - { id: f, kind: absence, start: order.placed, within: 2bd }
  - { id: g, kind: absence, start: contact.queued, within: 2bd, calendar: desk, pause: contact.pending, resume: contact.reopened }
  - { id: h, kind: absence, start: contact.queued, within: 2h, pause: contact.pending }
  - { id: i, kind: absence, start: contact.queued, within: 2h, warn_at: 100% }
  - { id: j, kind: absence, start: contact.queued, within: 2h, warn_at: 0.5 }
  - { id: k, kind: absence, start: contact.queued, within: 0s, calendar: dsk }
  - { id: l, kind: absence, start: contact.queued, within: -5m, once: yes }
  - { id: m, kind: absence, start: contact.queued, within: 1h30m }
  - { id: n, kind: absence, start: contact.queued, within: { by: data.channel, voise: 1m } }
  - { id: o, kind: absence, start: contact.queued, within: { by: data.chanel, voice: 1m, default: 2m } }
  - { id: p, kind: absence, start: contact.queued, within: { by: customer.tier, gold: 1m, default: 2m } }
  - { id: q, kind: absence, start: contact.queued, within: { by: data.channel, default: 2m } }",
        expect![[r#"
            r.yaml:6:5: error: a rule of kind `absence` has no `within`; expected `within: ...` in it
            r.yaml:7:62: error: `deadline` and `within` exclude each other; expected one of the two
            r.yaml:8:62: error: `grace` without `deadline`; expected `grace` only beside a deadline from data
            r.yaml:9:60: error: `data.value` holds a number; expected a field that holds a time
            r.yaml:10:60: error: `order.placed` has no field `data.promised`; write `data.promised_at`?
            r.yaml:11:58: error: business days (`bd`) need a calendar; expected `calendar: <name>` in this rule
            r.yaml:12:81: error: business days (`bd`) cannot be paused; expected a `within` in hours or minutes
            r.yaml:13:64: error: `pause` without `resume`; expected `resume` too: the events that do the opposite
            r.yaml:14:73: error: `100%` is no share for a warning; expected from `1%` to `99%`
            r.yaml:15:73: error: `0.5` stands here; expected a share like `80%`
            r.yaml:16:60: error: a duration of 0; expected more than 0
            r.yaml:16:74: error: there is no calendar `dsk`; expected a name from `calendars`; write `desk`?
            r.yaml:17:60: error: a duration cannot be negative; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d`, `2w` or `3bd`
            r.yaml:17:71: error: `yes` stands here; expected `true` or `false`
            r.yaml:18:60: error: `1h30m` is not a duration; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d`, `2w` or `3bd`; write `90m`?
            r.yaml:19:60: error: a table has no `default`; expected `default: ...` in it
            r.yaml:19:80: error: this field never holds `voise`; expected one of `voice`, `chat`, `email`, `sms`, `messaging`, `social`, `video`, `web`, `app`, `letter`, `branch`, `other`; write `voice`?
            r.yaml:20:66: error: `contact.queued` has no field `data.chanel`; write `data.channel`?
            r.yaml:22:60: error: this table has no case; expected values of the field in `by`: `{ by: data.channel, voice: 20s, default: 60s }`
        "#]],
    );
}

#[test]
fn counts() {
    check_rules(
        "  - { id: a, kind: count, event: order.placed, at_least: 0, within: 1h }
  - { id: b, kind: count, event: order.placed, at_least: 3 }
  - { id: c, kind: count, event: order.placed, at_least: 3, within: 1h, of_last: 5 }
  - { id: d, kind: count, event: order.placed, at_least: 3, of_last: 2 }
  - { id: e, kind: count, event: order.placed, at_least: 3, within: 2bd, calendar: desk }
  - { id: f, kind: count, event: order.placed, at_least: 2.5, within: 1h, then: stop }
  - { id: g, kind: count, event: order.placed, at_least: 3, within: 1h, distinct: data.skuu }",
        expect![[r#"
            r.yaml:6:58: error: `0` stands here; expected a whole number from 1 to 1000
            r.yaml:7:5: error: a rule of kind `count` has no `within`; expected `within: ...` in it
            r.yaml:8:82: error: `of_last` and `within` exclude each other; expected one of the two
            r.yaml:9:70: error: 3 of the last 2 are never found; expected at least 3
            r.yaml:10:69: error: a window cannot be counted in business days; expected hours, days or weeks
            r.yaml:11:58: error: `2.5` stands here; expected a whole number from 1 to 1000
            r.yaml:11:81: error: `stop` is not possible here; expected one of `clear`, `keep`
            r.yaml:12:83: error: `order.placed` has no field `data.skuu`; expected one of `data.cart_id`, `data.currency`, `data.order_id`, `data.promised_at`, `data.value`, `feed`, `id`, `source`, `time`, `type`
        "#]],
    );
}

#[test]
fn sequences_and_debts() {
    check_rules(
        "  - { id: a, kind: sequence, steps: [ order.placed ], within: 1h }
  - { id: b, kind: sequence, steps: order.placed }
  - { id: c, kind: debt, weights: [ { event: payment.failed, points: 0 } ], half_life: 0s, threshold: 10, rearm_below: 10 }
  - { id: d, kind: debt, weights: [], half_life: 1d, threshold: -1, rearm_below: 5, calendar: desk }
  - { id: e, kind: debt, weights: [ { rule: uses-cal, points: 5 }, { event: payment.failed } ], half_life: 1bd, threshold: 10, rearm_below: 5 }",
        expect![[r#"
            r.yaml:6:37: error: this sequence has one step; expected 2 to 8 steps (for a single event there is the kind `match`)
            r.yaml:7:5: error: a rule of kind `sequence` has no `within`; expected `within: ...` in it
            r.yaml:7:37: error: `order.placed` stands here; expected a list
            r.yaml:7:37: error: this sequence has 0 steps; expected 2 to 8 steps (for a single event there is the kind `match`)
            r.yaml:8:70: error: 0 points change nothing; expected points above or below 0
            r.yaml:8:88: error: a duration of 0; expected more than 0
            r.yaml:8:120: error: `rearm_below` is not below `threshold`; expected less than the smallest `threshold`
            r.yaml:9:35: error: a list stands here; expected a list of weights, `- { event: payment.failed, points: 30 }`
            r.yaml:9:65: error: `-1` is not above 0; expected points above 0
            r.yaml:9:85: error: `calendar` has no meaning here: points decay by wall time
            r.yaml:10:45: error: there is no rule `uses-cal`; write `rule:uses-call`?
            r.yaml:10:68: error: a weight has no `points`; expected `points: ...` in it
            r.yaml:10:108: error: business days (`bd`) are not possible here; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d` or `2w`
        "#]],
    );
}

#[test]
fn what_all_kinds_have() {
    check_rules(
        "  - { id: a, kind: match, event: order.placed, per: data.cart }
  - { id: b, kind: match, event: [ order.placed, payment.failed ], per: data.cart_id }
  - { id: c, kind: match, event: order.placed, per: time }
  - { id: d, kind: match, event: rule:uses-call, per: data.cart_id }
  - { id: e, kind: match, event: order.placed, severity: 101 }
  - { id: f, kind: match, event: order.placed, severity: [ { when: { events: 1 }, is: 5 } ] }
  - { id: g, kind: match, event: order.placed, severity: [ { is: 5 }, { when: { events: 1 }, is: 6 } ] }
  - { id: h, kind: match, event: order.placed, summary: \"worth {valeu\" }
  - { id: i, kind: match, event: order.placed, summary: \"worth {valeu}\", measure: { value: { sum: data.value } } }
  - { id: j, kind: match, event: order.placed, when: { data.value: 3 } }
  - { id: k, kind: match, event: order.placed, measure: { Value: { sum: data.value, max: data.value }, events: { count: false } } }
  - { id: l, kind: match, event: order.placed, measure: { v: { sum: data.order_id }, w: { sum: [ data.value, data.quantity ] } } }
  - { id: m, kind: match, event: order.placed, measure: { v: { sum: data.value, minus: order.cancelled } } }
  - { id: n, kind: absence, start: order.placed, within: 1h, measure: { v: { max: data.value, minus: order.cancelled }, w: { sum: data.value, minus: order.placed } } }
  - { id: o, kind: match, event: order.placed, calendar: desk, actions: [ call, call, cal ] }
  - { id: p, kind: match, event: order.placed, unless_seen: { event: order.placed }, while: { after: order.placed } }
  - { id: p, kind: match, event: order.placed }
  - { id: q, kind: match, event: order.placed, start: order.placed, cooldwn: 7d }
  - { kind: match, event: order.placed }",
        expect![[r#"
            r.yaml:6:53: error: `order.placed` has no field `data.cart`; write `data.cart_id`?
            r.yaml:7:73: warning: `payment.failed` does not carry `data.cart_id`: such an event opens nothing; expected a field that all events carry which can open an episode
            r.yaml:8:53: error: `time` cannot tell episodes apart; expected a field of the event's data, `data.cart_id`; `source`; or `channel`
            r.yaml:9:55: error: none of the rules named here has `per: data.cart_id`; expected the `per` of the rules whose detections this rule is built on, or none
            r.yaml:10:58: error: `101` stands here; expected a whole number from 0 to 100
            r.yaml:11:58: error: no case is left where none of the conditions hold; expected a last case `- is: 40`
            r.yaml:12:71: warning: this case is never reached: one before it has no `when`
            r.yaml:13:57: error: `{` without `}`; expected `{key}` or a measure like `{value}`
            r.yaml:14:57: error: this rule has no measure `valeu`; expected one of `value`, `key`; write `{value}`?
            r.yaml:15:56: error: this rule has no measure `data.value`; expected a measure: `events`; conditions on an event's fields go into `where`
            r.yaml:16:59: error: `Value` is no name; expected a name of lower-case letters, digits and `_` that begins with a letter
            r.yaml:16:59: error: measure `Value` has 2 ways to add up; expected one of `sum`, `count`, `min`, `max`, `last`
            r.yaml:16:104: error: `events` has a meaning of its own; expected a name of lower-case letters, digits and `_` that begins with a letter
            r.yaml:16:121: error: `count: false` counts nothing; expected `count: true`
            r.yaml:17:69: error: `data.order_id` holds text; expected a field that holds a number
            r.yaml:17:110: error: `order.placed` has no field `data.quantity`; expected one of `data.cart_id`, `data.currency`, `data.order_id`, `data.promised_at`, `data.value`, `feed`, `id`, `source`, `time`, `type`
            r.yaml:18:81: error: `minus` in a rule of kind `match`; expected `minus` only in rules of kind `absence`, where an episode adds up over time
            r.yaml:19:95: error: nothing can be subtracted from `max`; expected `minus` only beside `sum` or `count`
            r.yaml:19:143: error: `order.placed` would both add and subtract; expected event types that are not in `start`
            r.yaml:20:48: error: `calendar` has no meaning here: a match has no duration
            r.yaml:20:81: error: action `call` stands here a second time; expected each action once
            r.yaml:20:87: error: there is no action `cal`; expected a name from `actions`; write `call`?
            r.yaml:21:61: error: `unless_seen` has no `within`; expected `within: ...` in it
            r.yaml:21:93: error: `while` has no `until`; expected `until: ...` in it
            r.yaml:22:11: error: there is a rule `p` already, in line 21; expected an id of its own
            r.yaml:23:48: error: a rule of kind `match` has no key `start`; expected one of `about`, `actions`, `brake`, `calendar`, `cooldown`, `event`, `holdout`, `id`, `kind`, `measure`, `mode`, `people_only`, `per`, `rule`, `severity`, `success`, `summary`, `unless_seen`, `when`, `where`, `while`
            r.yaml:23:69: error: a rule of kind `match` has no key `cooldwn`; expected one of `about`, `actions`, `brake`, `calendar`, `cooldown`, `event`, `holdout`, `id`, `kind`, `measure`, `mode`, `people_only`, `per`, `rule`, `severity`, `success`, `summary`, `unless_seen`, `when`, `where`, `while`; write `cooldown`?
            r.yaml:24:5: error: a rule has no `id`; expected `id: ...` in it
        "#]],
    );
}

#[test]
fn circles() {
    check_rules(
        "  - { id: a, kind: match, event: rule:b }
  - { id: b, kind: match, event: order.placed, unless_seen: { event: rule:c, within: 1d } }
  - { id: c, kind: match, event: rule:a }
  - { id: d, kind: match, event: rule:c }
  - { id: e, kind: match, event: rule:e }",
        expect![[r#"
            r.yaml:6:11: error: rules are built on each other in a circle: a -> b -> c -> a; expected one of them without the `rule:` that closes the circle
            r.yaml:10:11: error: rules are built on each other in a circle: e -> e; expected a rule that does not name itself (`cooldown` lets a rule rest after a detection)
        "#]],
    );
}

#[test]
fn calendars_actions_and_types() {
    check(
        r#"rulebook: t
version: 1
types:
  visit: { feed: stores }
  store.visited: { fields: { a: string, b: { type: integer, one_of: [ x ] } } }
  order.placed: { feed: web, fields: { order_id: text } }
  feed.heartbeat: { feed: web }
calendars:
  a: { zone: Europe/Berlim, open: { mon-fri: "08:00-20:00" } }
  b: { zone: UTC, open: { monday: "08:00-20:00", tue: 8-20, wed: "20:00-20:00" } }
  c: { zone: UTC, open: { mon-fri: "08:00-20:00", tue: "09:00-10:00" } }
  d: { zone: UTC, open: { mon: closed } }
  e: { zone: UTC, open: { mon: [ "08:00-12:00", "11:00-13:00" ] }, holidays: [ 24.12.2026, 2026-02-30 ] }
  unused: { zone: UTC, open: { mon-sun: 24h } }
rules:
  - { id: r, kind: match, event: order.placed, actions: [ a, b, c, d ] }
actions:
  a: { class: offer }
  b: { class: offr, by: human }
  c: { class: reply, channel: chat, hours: night, ttl: 0s, propensity: 20 }
  d: { class: raise, value: worth }
  E f: { class: internal, queue: q }
"#,
        expect![[r#"
            r.yaml:4:3: error: `visit` cannot be the name of an event type; expected a name like `store.visit.ended`: words of lower-case letters, digits, `_` and `-`, joined by points
            r.yaml:5:18: error: an event type has no `feed`; expected `feed: ...` in it
            r.yaml:5:33: error: `string` is no type of a field; expected one of `text`, `number`, `integer`, `bool`, `time`; write `text`?
            r.yaml:5:69: error: `one_of` is for fields of type `text`
            r.yaml:6:25: error: `order.placed` is built in and belongs to the feed `transaction`; expected no `feed` here: a type belongs to one feed
            r.yaml:6:40: error: `order.placed` has a field `order_id` already; expected only fields that it does not have
            r.yaml:7:3: error: `feed.heartbeat` cannot be the name of an event type; expected a name like `store.visit.ended`: words of lower-case letters, digits, `_` and `-`, joined by points
            r.yaml:9:3: warning: no rule or action uses the calendar `a`
            r.yaml:9:14: error: the time zone `Europe/Berlim` is unknown; expected a zone of the IANA database like `Europe/Berlin`; write `Europe/Berlin`?
            r.yaml:10:3: warning: no rule or action uses the calendar `b`
            r.yaml:10:27: error: `monday` is no day; expected `mon`, `tue`, ... `sun`, or a range like `mon-fri`; write `mon`?
            r.yaml:10:55: error: `8-20` stands here; expected hours like `"08:00-20:00"`, a list of them, `24h` or `closed`
            r.yaml:10:66: error: the text "20:00-20:00" stands here; expected hours like `"08:00-20:00"`, a list of them, `24h` or `closed`
            r.yaml:11:3: warning: no rule or action uses the calendar `c`
            r.yaml:11:51: error: `tue` names a day for the second time
            r.yaml:12:3: error: calendar `d`: it is never open; expected opening hours that do not overlap, on at least one day
            r.yaml:12:3: warning: no rule or action uses the calendar `d`
            r.yaml:13:3: warning: no rule or action uses the calendar `e`
            r.yaml:13:80: error: `24.12.2026` stands here; expected a day like `2026-12-25`
            r.yaml:13:92: error: `2026-02-30` stands here; expected a day like `2026-12-25`
            r.yaml:14:3: warning: no rule or action uses the calendar `unused`
            r.yaml:18:3: error: action `a` is of class `offer`, but has no `channel`; expected `channel`: a channel
            r.yaml:18:3: error: action `a` is of class `offer`, but has no `purpose`; expected `purpose`: `service` or `marketing`
            r.yaml:18:3: error: action `a` is of class `offer`, but has no `queue`; expected `queue`: the queue of those who do it
            r.yaml:19:15: error: `offr` is not possible here; expected one of `offer`, `reply`, `raise`, `internal`; write `offer`?
            r.yaml:19:25: error: `human` is not possible here; expected one of `person`, `machine`
            r.yaml:20:3: error: action `c` is of class `reply`, but has no `queue`; expected `queue`: the queue of those who answer
            r.yaml:20:44: error: there is no calendar `night`; expected a name from `calendars`
            r.yaml:20:56: error: a life of 0; expected more than 0
            r.yaml:20:72: error: `20` stands here; expected a probability from 0 to 1: `0.2` or `20%`
            r.yaml:21:29: error: no rule that proposes the action `d` has a measure `worth`; expected `events`, `severity`, `customer.<field>`, or a measure of one of these rules: `r`
            r.yaml:22:3: error: `E f` cannot be the name of an action; expected lower-case letters, digits and `-` and `_`, a letter first, at most 80; write `e-f`?
            r.yaml:22:3: warning: no rule uses the action `E f`
        "#]],
    );
}

#[test]
fn what_is_wrong_in_one_place_is_not_missing_in_another() {
    check(
        "rulebook: t
version: 1
calendars: { desk: { zone: Nowhere, open: { mon: 24h } } }
rules:
  - { id: a, kind: absence, start: order.placed, within: 1bd, calendar: desk, actions: call }
  - { id: b, kind: debt, weights: [ { rule: a, points: 1 }, { rule: c, points: 1 } ], half_life: 1d, threshold: 5, rearm_below: 2 }
  - { id: c, kind: matsch, event: order.placed }
actions: { call: { class: none } }
",
        expect![[r#"
            r.yaml:3:28: error: the time zone `Nowhere` is unknown; expected a zone of the IANA database like `Europe/Berlin`
            r.yaml:7:20: error: `matsch` is not possible here; expected one of `match`, `count`, `absence`, `sequence`, `debt`; write `match`?
            r.yaml:8:27: error: `none` is not possible here; expected one of `offer`, `reply`, `raise`, `internal`
        "#]],
    );
}

#[test]
fn a_type_can_have_64_fields_and_no_more() {
    let book = |fields: usize| {
        let fields: String = (0..fields).map(|i| format!("f{i}: text, ")).collect();
        format!(
            "rulebook: t\nversion: 1\ntypes: {{ a.b: {{ feed: a, fields: {{ {fields} }} }} }}\nrules: []\n"
        )
    };
    check(
        &book(64),
        expect![[r#"
        r.yaml:4:8: warning: this rulebook has no rules: it finds nothing; expected at least one rule
    "#]],
    );
    check(
        &book(65),
        expect![[r#"
        r.yaml:3:10: error: `a.b` has 65 fields; expected at most 64
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
fn whatever_is_left_of_a_rulebook_it_is_never_a_panic() {
    let whole = framed(
        "  - id: a
    kind: absence
    per: data.cart_id
    start: { event: web.cart.item_added, where: { data.quantity: { over: 1 } } }
    stop: [order.placed, { event: web.cart.emptied }]
    within: { by: data.sku, x: 5m, default: 1h }
    measure: { value: { sum: [data.quantity, data.unit_price], minus: web.cart.item_removed } }
    severity: [ { when: { value: { over: 500 } }, is: 70 }, { is: 40 } ]
    summary: \"{value} {key}\"",
    );
    let compiled =
        |source: &str| -> Option<Rulebook> { compile(source, "r.yaml").ok().map(|(book, _)| book) };
    assert!(compiled(&whole).is_some());
    let (mut good, mut bad) = (0, 0);
    for at in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
        let without_a_letter = format!("{}{}", &whole[..at], &whole[at + 1..]);
        for source in [&whole[..at], &without_a_letter] {
            match compile(source, "r.yaml") {
                Ok(_) => good += 1,
                Err(problems) => {
                    assert!(cxwatch_rulebook::yaml::has_errors(&problems), "{source}");
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 20 && bad > 200, "{good} {bad}");
}

#[test]
fn decisions() {
    check(
        "rulebook: t
version: 1
customer: { attributes: { plan: text, seats: { type: number, required: true } }, traits: {} }
policy:
  zone: Europe/Berlim
  quiet_hours: { from: \"22:00\", until: \"22:00\" }
  caps:
    - { at_most: 0, within: 1d }
    - { by: bot, at_most: 1 }
    - { at_most: 1, within: 0s }
  brake: 0
  holdout: 60%
  declined_for: 3
  timeline: 51
rules:
  - { id: a, kind: match, event: order.placed, where: { customer.teir: gold }, actions: [ x, y ], brake: 0, holdout: 0.6 }
  - { id: b, kind: match, event: order.placed, where: { customer.plan: pro }, actions: x, success: { event: order.payed, within: 1d } }
  - { id: c, kind: match, event: customer.profile_updated, actions: x, success: { event: rule:b, within: 1d } }
  - { id: d, kind: match, event: order.placed, people_only: true, actions: [ x, y ], mode: shade, success: { event: order.placed } }
  - { id: e, kind: match, event: order.placed, mode: shadow, brake: 5 }
  - { id: f, kind: count, event: order.placed, at_least: { by: customer.tier, gold: 1, default: 2 }, within: 1d, per: customer.tier, when: { customer.lifetime_value: high } }
actions:
  x: { class: offer, purpose: service, channel: voice, queue: q, ttl: 1h, accept_within: 1h, value: [ worth, customer.tier ], when: { evnts: 2 } }
  y: { class: reply, by: machine, channel: fax, context: [ { is: 2 }, { when: { severity: { over: 50 } }, is: 0 } ], exempt: true, value: 0 }
",
        expect![[r#"
            r.yaml:3:46: error: the attribute `seats` is required; expected no `required` here: a profile says what is known
            r.yaml:3:82: error: `customer` has no key `traits`; expected one of `attributes`
            r.yaml:5:9: error: the time zone `Europe/Berlim` is unknown; expected a zone of the IANA database like `Europe/Berlin`; write `Europe/Berlin`?
            r.yaml:6:16: error: quiet hours that begin when they end: nobody would ever be reached, or always; expected `from` and `until` that differ; without `quiet_hours` customers are reached at any time
            r.yaml:8:18: error: a cap of 0 lets nothing pass; expected at least 1 (`mode: shadow` in a rule tries it without acting)
            r.yaml:9:7: error: a cap has no `within`; expected `within: ...` in it
            r.yaml:9:13: error: `bot` is not possible here; expected one of `person`, `machine`
            r.yaml:10:29: error: a duration of 0; expected more than 0
            r.yaml:11:10: error: a brake of 0 lets nothing pass; expected at least 1 (`mode: shadow` in a rule tries it without acting)
            r.yaml:12:12: error: `60%` of the customers would get no help; expected at most `50%`
            r.yaml:13:17: error: `3` has no unit; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d` or `2w`
            r.yaml:14:13: error: `51` stands here; expected a whole number from 0 to 50
            r.yaml:16:57: error: a customer's profile has no field `customer.teir`; write `customer.tier`?
            r.yaml:16:106: error: a brake of 0 lets nothing pass; expected at least 1 (`mode: shadow` in a rule tries it without acting)
            r.yaml:16:118: error: `0.6` of the customers would get no help; expected at most `50%`
            r.yaml:17:57: error: a customer's profile has no field `customer.plan`; write `customer.tier`?
            r.yaml:17:109: error: `order.payed` is not an event type; expected an event type of the catalogue or of this rulebook's `types`; write `order.placed`?
            r.yaml:18:34: error: a profile is no event of a rule; expected `customer.<field>` in a condition: what is known of the customer when an event is judged
            r.yaml:18:81: error: a detection shows no success; expected `event: ...`: what customers do who are satisfied
            r.yaml:19:92: error: `shade` is not possible here; expected one of `live`, `shadow`; write `shadow`?
            r.yaml:19:108: error: `success` has no `within`; expected `within: ...` in it
            r.yaml:20:48: warning: `mode` changes nothing: this rule has no actions
            r.yaml:20:62: warning: `brake` changes nothing: this rule has no actions
            r.yaml:21:119: error: `customer.tier` cannot tell episodes apart; expected a field of the event's data, `data.cart_id`; `source`; or `channel`
            r.yaml:21:167: error: `high` stands here; expected a number without quotes, at most six digits after the point
            r.yaml:23:90: error: `1h` is not within the action's life; expected more than 0, and less than `ttl` (a day if that is not said)
            r.yaml:23:103: error: no rule that proposes the action `x` has a measure `worth`; expected `events`, `severity`, `customer.<field>`, or a measure of one of these rules: `b`
            r.yaml:23:110: error: `customer.tier` holds text; expected a measure, or a field that holds a number
            r.yaml:23:135: error: no rule that proposes the action `x` has a measure `evnts`; write `events`?
            r.yaml:24:71: warning: this case is never reached: one before it has no `when`
            r.yaml:24:111: error: `0` stands here; expected a factor above 0, at most 1000: `1.2`
            r.yaml:24:118: warning: `exempt` changes nothing here: caps are asked of offers only
            r.yaml:24:139: error: `0` stands here; expected a factor above 0, at most 1000: `1.2`
        "#]],
    );
    check(
        "rulebook: t
version: 1
policy: { quiet_hours: { from: \"00:00\", until: \"24:00\" } }
rules: []
",
        expect![[r#"
            r.yaml:3:24: error: quiet hours of a whole day: nobody would ever be reached, or always; expected `from` and `until` that differ; without `quiet_hours` customers are reached at any time
        "#]],
    );
    check(
        "rulebook: t
version: 1
policy: { quiet_hours: { from: \"21:00\", until: \"08:00\", channels: voice } }
rules: [ { id: a, kind: match, event: order.placed, actions: [ call, fax, spam, ping ] } ]
actions:
  call: { class: offer, purpose: service, channel: voice, queue: q, ttl: 1h }
  fax: { class: reply, channel: fax, queue: q }
  spam: { class: offer, by: machine, purpose: marketing, channel: fax }
  ping: { class: offer, by: machine, purpose: marketing, channel: push, ttl: 1h }
",
        expect![[r#"
            r.yaml:6:3: warning: `call` lives shorter than the quiet hours last: what is found when they begin expires before they end; expected a longer `ttl`, or shorter quiet hours on this channel
            r.yaml:7:3: warning: no field of the customer's profile says whether `fax` has consent (service for fax): it is taken as given; expected a channel of the profile's `consent`, or `types: { customer.profile_updated: { fields: { consent.fax.service: bool } } }`
            r.yaml:8:3: warning: no field of the customer's profile says whether `spam` has consent (marketing for fax): it is never proposed; expected a channel of the profile's `consent`, or `types: { customer.profile_updated: { fields: { consent.fax.marketing: bool } } }`
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

#[test]
fn machines_are_kept_from_what_is_for_people() {
    check(
        "rulebook: t
version: 1
rules:
  - { id: a, kind: match, event: web.selfservice.failed, people_only: true, actions: [ call, chat ] }
  - { id: b, kind: match, event: web.selfservice.failed, people_only: false, actions: [ call, chat ] }
actions:
  call: { class: offer, purpose: service, channel: voice, queue: q }
  chat: { class: offer, by: machine, purpose: service, channel: chat }
",
        expect![[r#"
            r.yaml:4:94: error: `people_only`, but the action `chat` is done by a machine; expected an action with `by: person`
        "#]],
    );
}

#[test]
fn a_wrong_kind_hides_nothing_else_of_its_rule() {
    // A word that is nearly right, a key that tells, and nothing to go by.
    check_rules(
        "  - { id: a, kind: absense, start: web.cart.item_added, stop: order.placd, within: soon, once: 1, grase: 1h }
  - { id: b, kind: window, event: payment.failed, at_least: many, within: 1h, actions: [ cal ] }
  - { id: c, kind: pattern, event: payment.failed, when: { worth: 1 }, cooldown: soon, severity: 200, per: cart }
  - { id: d, actions: [ cal ], summary: '{worth}' }",
        expect![[r#"
            r.yaml:6:20: error: `absense` is not possible here; expected one of `match`, `count`, `absence`, `sequence`, `debt`; write `absence`?
            r.yaml:6:63: error: `order.placd` is not an event type; expected an event type of the catalogue or of this rulebook's `types`; write `order.placed`?
            r.yaml:6:84: error: `soon` is not a duration; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d`, `2w` or `3bd`
            r.yaml:6:96: error: `1` stands here; expected `true` or `false`
            r.yaml:6:99: error: a rule of kind `absence` has no key `grase`; expected one of `about`, `actions`, `brake`, `calendar`, `cooldown`, `deadline`, `grace`, `holdout`, `id`, `kind`, `measure`, `mode`, `once`, `pause`, `people_only`, `per`, `refresh`, `resume`, `severity`, `start`, `stop`, `success`, `summary`, `unless_seen`, `warn_at`, `when`, `while`, `within`; write `grace`?
            r.yaml:7:20: error: `window` is not possible here; expected one of `match`, `count`, `absence`, `sequence`, `debt`
            r.yaml:7:61: error: `many` stands here; expected a whole number from 1 to 1000
            r.yaml:7:90: error: there is no action `cal`; expected a name from `actions`; write `call`?
            r.yaml:8:20: error: `pattern` is not possible here; expected one of `match`, `count`, `absence`, `sequence`, `debt`
            r.yaml:8:60: error: this rule has no measure `worth`; expected one of `events`
            r.yaml:8:82: error: `soon` is not a duration; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d` or `2w`
            r.yaml:8:98: error: `200` stands here; expected a whole number from 0 to 100
            r.yaml:8:108: error: `cart` cannot tell episodes apart; expected a field of the event's data, `data.cart_id`; `source`; or `channel`
            r.yaml:9:5: error: a rule has no `kind`; expected `kind: ...` in it
            r.yaml:9:25: error: there is no action `cal`; expected a name from `actions`; write `call`?
            r.yaml:9:41: error: this rule has no measure `worth`; expected one of `key`
        "#]],
    );
}

#[test]
fn a_misspelt_type_hides_nothing_else_of_its_rule() {
    check_rules(
        "  - { id: a, kind: count, event: payment.faild, where: { data.valeu: { over: 5 } }, at_least: 2, within: 1h, per: data.ordr_id }
  - { id: b, kind: absence, start: { event: web.cart.item_add, where: { data.sku: 5 } }, stop: 'wb.*', deadline: data.sku,
      measure: { value: { sum: data.quantiti } } }
  - { id: c, kind: match, event: something.else, where: { data.any: { ovr: 5 } } }",
        expect![[r#"
            r.yaml:6:34: error: `payment.faild` is not an event type; expected an event type of the catalogue or of this rulebook's `types`; write `payment.failed`?
            r.yaml:6:58: error: `payment.failed` has no field `data.valeu`; write `data.value`?
            r.yaml:6:115: error: `payment.failed` has no field `data.ordr_id`; write `data.order_id`?
            r.yaml:7:45: error: `web.cart.item_add` is not an event type; expected an event type of the catalogue or of this rulebook's `types`; write `web.cart.item_added`?
            r.yaml:7:96: error: no event type matches `wb.*`; write `web.*`?
            r.yaml:7:114: error: `data.sku` holds text; expected a field that holds a time
            r.yaml:8:32: error: `web.cart.item_added` has no field `data.quantiti`; write `data.quantity`?
            r.yaml:9:34: error: `something.else` is not an event type; expected an event type of the catalogue or of this rulebook's `types`
        "#]],
    );
}
