//! Of slips that people make: each is told once, where it stands, and hides nothing else.

use super::{check, check_rules};
use expect_test::expect;

#[test]
fn a_misspelt_rule_hides_nothing_else_of_its_rule() {
    check_rules(
        "  - { id: near, kind: match, event: rule:uses-cal, where: { severty: { gte: 3 }, measures.value: 3 } }
  - { id: far, kind: match, event: rule:something-else, where: { severity: { above: 3 }, key: { exists: 1 } } }
  - { id: itself, kind: match, event: rule:itsel }
  - { id: warns, kind: absence, start: order.placed, within: 1h, warn_at: 50% }
  - { id: of-warnings, kind: match, event: [ rule:warns.warnings, rule:wanrs.warning, rule:uses-cal.warning ] }
  - { id: all, kind: match, event: \"rule:*\" }",
        expect![[r#"
            r.yaml:6:37: error: there is no rule `uses-cal`; write `rule:uses-call`?
            r.yaml:6:61: error: `rule:uses-call` has no field `severty`; write `severity`?
            r.yaml:6:72: error: there is no comparison `gte`; expected one of `is`, `is_not`, `in`, `not_in`, `over`, `at_least`, `under`, `at_most`, `exists`, `starts_with`, `contains`; write `at_least`?
            r.yaml:6:82: error: `rule:uses-call` has no field `measures.value`; expected one of `key`, `rule`, `severity`, `type`
            r.yaml:7:36: error: there is no rule `something-else`; expected `rule:` and the id of a rule of this rulebook
            r.yaml:7:78: error: there is no comparison `above`; expected one of `is`, `is_not`, `in`, `not_in`, `over`, `at_least`, `under`, `at_most`, `exists`, `starts_with`, `contains`; write `over`?
            r.yaml:7:105: error: `1` stands here; expected `true` or `false`
            r.yaml:8:39: error: there is no rule `itsel`; expected `rule:` and the id of a rule of this rulebook
            r.yaml:10:46: error: there is no rule `warns.warnings`; write `rule:warns.warning`?
            r.yaml:10:67: error: there is no rule `wanrs`; write `rule:warns.warning`?
            r.yaml:10:87: error: there is no rule `uses-cal`; write `rule:uses-call`?
            r.yaml:11:36: error: there is no rule `*`; expected the id of one rule, or a list of them: patterns stand for event types only
        "#]],
    );
}

#[test]
fn comparisons_of_unknown_fields_are_looked_at() {
    check_rules(
        "  - { id: a, kind: match, event: something.else, where: { data.a: { gte: 3 }, data.b: { contians: x }, data.c: [], data.d: } }
  - { id: b, kind: match, event: order.placed, where: { data.valeu: { gte: 3 } } }
  - { id: c, kind: match, event: order.placed, where: { data.value: { over: 9, at_most: 9 }, or: [ { data.value: 3 } ] } }
  - { id: d, kind: match, event: order.placed, when: { vlaue: { over: much } }, measure: { value: { sum: data.value } } }
  - { id: e, kind: match, event: order.placed, where: { any: { data.value: 3 } } }",
        expect![[r#"
            r.yaml:6:34: error: `something.else` is not an event type; expected an event type of the catalogue or of this rulebook's `types`
            r.yaml:6:69: error: there is no comparison `gte`; expected one of `is`, `is_not`, `in`, `not_in`, `over`, `at_least`, `under`, `at_most`, `exists`, `starts_with`, `contains`; write `at_least`?
            r.yaml:6:89: error: there is no comparison `contians`; expected one of `is`, `is_not`, `in`, `not_in`, `over`, `at_least`, `under`, `at_most`, `exists`, `starts_with`, `contains`; write `contains`?
            r.yaml:6:112: error: this list is empty, so nothing can equal it; expected at least one value
            r.yaml:6:122: error: nothing stands here; expected a value or a list
            r.yaml:7:57: error: `order.placed` has no field `data.valeu`; write `data.value`?
            r.yaml:7:71: error: there is no comparison `gte`; expected one of `is`, `is_not`, `in`, `not_in`, `over`, `at_least`, `under`, `at_most`, `exists`, `starts_with`, `contains`; write `at_least`?
            r.yaml:8:69: warning: no value can meet all of these comparisons; expected room between the bounds, or several cases under `any`
            r.yaml:8:94: error: `order.placed` has no field `or`; expected a field, or `all`, `any` or `not`; write `any`?
            r.yaml:9:56: error: this rule has no measure `vlaue`; write `value`?
            r.yaml:9:71: error: `much` stands here; expected a number without quotes, at most six digits after the point
            r.yaml:10:62: error: a map stands here; expected a list of conditions, `- field: value`
        "#]],
    );
}

#[test]
fn a_key_of_another_name_is_not_missing_as_well() {
    check_rules(
        "  - { id: a, kind: absence, event: order.placed, timeout: 1h }
  - { id: b, kind: debt, weight: [ { event: order.placed, point: 5 } ], half_life: 1d, threshold: 10, rearm_below: 5 }
  - { id: c, kind: match, event: order.placed, measure: { value: { smu: data.value }, other: data.value } }
  - { id: d, kind: match, event: order.placed, severity: [ { if: { events: 3 }, is: 6 }, { is: 5 } ] }
  - { id: e, kind: match, event: { event: order.placed, where: { data.value: 3 } } }",
        expect![[r#"
            r.yaml:6:29: error: a rule of kind `absence` has no key `event`; expected one of `about`, `actions`, `brake`, `calendar`, `cooldown`, `deadline`, `grace`, `holdout`, `id`, `kind`, `measure`, `mode`, `once`, `pause`, `people_only`, `per`, `refresh`, `resume`, `severity`, `start`, `stop`, `success`, `summary`, `unless_seen`, `warn_at`, `when`, `while`, `within`; write `start`?
            r.yaml:6:50: error: a rule of kind `absence` has no key `timeout`; expected one of `about`, `actions`, `brake`, `calendar`, `cooldown`, `deadline`, `grace`, `holdout`, `id`, `kind`, `measure`, `mode`, `once`, `pause`, `people_only`, `per`, `refresh`, `resume`, `severity`, `start`, `stop`, `success`, `summary`, `unless_seen`, `warn_at`, `when`, `while`, `within`; write `within`?
            r.yaml:7:26: error: a rule of kind `debt` has no key `weight`; expected one of `about`, `actions`, `brake`, `calendar`, `cooldown`, `half_life`, `holdout`, `id`, `kind`, `measure`, `mode`, `people_only`, `per`, `rearm_below`, `reset`, `severity`, `success`, `summary`, `threshold`, `unless_seen`, `weights`, `when`, `while`; write `weights`?
            r.yaml:8:68: error: a measure has no key `smu`; expected one of `count`, `last`, `max`, `min`, `minus`, `sum`; write `sum`?
            r.yaml:8:94: error: `data.value` stands here; expected a map: how the field is added up; write `{ sum: data.value }`?
            r.yaml:9:62: error: a case has no key `if`; expected one of `is`, `when`; write `when`?
            r.yaml:9:90: warning: this case is never reached: one before it has no `when`
            r.yaml:10:34: error: a map stands here; expected a name or a pattern; `where` goes beside `event`, into the same map
        "#]],
    );
}

#[test]
fn what_can_never_come_to_anything() {
    check_rules(
        "  - { id: a, kind: match, event: [] }
  - { id: b, kind: absence, start: order.placed, stop: [], within: 1h, warn_at: 80 }
  - { id: c, kind: debt, weights: [], half_life: 1d, threshold: 10, rearm_below: 5 }
  - { id: d, kind: debt, weights: [ { event: order.placed, points: -5 } ], half_life: 1d, threshold: 10, rearm_below: 5 }
  - { id: e, kind: sequence, steps: order.placed, within: 1h }
  - { id: f, kind: match, event: order.placed, holdout: 5, actions: call }
  - { id: g, kind: match, event: order.placed, calendar: desk }",
        expect![[r#"
            r.yaml:6:34: error: this list is empty: it selects nothing; expected at least one event type
            r.yaml:7:56: error: this list is empty: it selects nothing; expected at least one event type
            r.yaml:7:81: error: `80` stands here; expected a share like `80%`; write `80%`?
            r.yaml:8:35: error: this list is empty: nothing adds up; expected weights like `- { event: payment.failed, points: 30 }`
            r.yaml:9:35: error: no weight adds points, so the sum never rises; expected at least one with points above 0
            r.yaml:10:37: error: `order.placed` stands here; expected a list
            r.yaml:11:57: error: `5` stands here; expected a probability from 0 to 1: `0.2` or `20%`; write `5%`?
            r.yaml:12:48: error: `calendar` has no meaning here: a match has no duration; expected the rule without it
        "#]],
    );
    check(
        "rulebook: t
version: 1
types: { store.left: { feed: stores, fields: { mood: { type: text, one_of: [] }, minutes: int } } }
policy: { caps: [ { channel: voise, at_most: 1, within: 7d } ], quiet_hours: { from: \"21:00\", until: \"08:00\", channels: [ pager, sms ] } }
calendars: { desk: { zone: UTC, open: { mon-fry: \"08:00-18:00\", sun-mon: closed, tue: \"08:00-09:00\", tue-wed: closed } } }
rules: [ { id: a, kind: match, event: store.left, where: { data.minutes: { under: 5 } }, actions: call } ]
actions: { call: { class: raise, channel: voice, hours: desk } }
",
        expect![[r#"
            r.yaml:3:76: error: this list is empty: the field could hold nothing; expected at least one word
            r.yaml:3:91: error: `int` is no type of a field; expected one of `text`, `number`, `integer`, `bool`, `time`; write `integer`?
            r.yaml:4:30: warning: no action goes through the channel `voise`; expected a channel of `actions`, or of the profile's `consent`; write `voice`?
            r.yaml:4:123: warning: no action goes through the channel `pager`; expected a channel of `actions`, or of the profile's `consent`
            r.yaml:5:41: error: `mon-fry` is no day; expected `mon`, `tue`, ... `sun`, or a range like `mon-fri`; write `mon-fri`?
            r.yaml:5:65: error: `sun-mon` is no day; expected a range forward in a week that begins on Monday: `fri-sun` and `mon`
            r.yaml:5:102: error: `tue-wed` names a day for the second time; expected each day once: `mon-thu` and `fri`
        "#]],
    );
}

#[test]
fn colons_and_stars_that_yaml_reads_otherwise() {
    check(
        "rulebook: t\nversion: 1\nrules:\n  - id: a\n    kind: match\n    summary: waits: long\n",
        expect![[r#"
            r.yaml:6:19: error: this is not valid YAML: mapping values are not allowed in this context; expected quotes around a text that contains `: `
        "#]],
    );
    check(
        "rulebook: t\nversion: 1\nrules:\n  - id: a\n     kind: match\n",
        expect![[r#"
        r.yaml:5:10: error: this is not valid YAML: mapping values are not allowed in this context; expected the keys of one map at the same indent: this line begins too far right
    "#]],
    );
    check(
        "rulebook: t\nversion: 1\nrules: [ { id: a, kind: match, event: *.failed } ]\n",
        expect![[r#"
        r.yaml:3:39: error: an alias (`*name`) stands here; expected the value itself; in quotes, if a pattern is meant: `"*.failed"`
    "#]],
    );
}
