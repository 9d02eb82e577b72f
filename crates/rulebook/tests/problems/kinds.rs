//! Of the five kinds, and of what every rule can have.

use super::check_rules;
use expect_test::expect;

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
            r.yaml:15:73: error: `0.5` stands here; expected a share like `80%`; write `50%`?
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
            r.yaml:8:70: error: 0 points change nothing; expected points above or below 0
            r.yaml:8:88: error: a duration of 0; expected more than 0
            r.yaml:8:120: error: `rearm_below` is not below `threshold`; expected less than the smallest `threshold`
            r.yaml:9:35: error: this list is empty: nothing adds up; expected weights like `- { event: payment.failed, points: 30 }`
            r.yaml:9:65: error: `-1` is not above 0; expected points above 0
            r.yaml:9:85: error: `calendar` has no meaning here: points decay by wall time; expected the rule without it
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
            r.yaml:20:48: error: `calendar` has no meaning here: a match has no duration; expected the rule without it
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
