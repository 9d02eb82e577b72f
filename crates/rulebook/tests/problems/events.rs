//! Of event types, rules and their fields, by name.

use super::check_rules;
use expect_test::expect;

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
  - { id: h, kind: match, event: { event: order.placd, where: { data.valeu: 3 } } }
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
            r.yaml:13:34: error: a map stands here; expected a name or a pattern; `where` goes beside `event`, into the same map
            r.yaml:13:43: error: `order.placd` is not an event type; expected an event type of the catalogue or of this rulebook's `types`; write `order.placed`?
            r.yaml:13:65: error: `order.placed` has no field `data.valeu`; write `data.value`?
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
            r.yaml:20:62: error: this list of conditions is empty; expected at least one, `- field: value`
            r.yaml:21:55: error: this condition is empty; expected a field and its value
            r.yaml:22:55: error: none of the 4 event types selected here has a field `data.sentimant`; write `data.sentiment`?
            r.yaml:23:55: error: none of the selected events can ever pass this condition; expected a condition that at least one of the event types can meet
            r.yaml:24:59: error: `rule:uses-call` has no field `measures.value`; expected one of `key`, `rule`, `severity`, `type`
            r.yaml:24:88: error: `high` stands here; expected a number without quotes, at most six digits after the point
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
            r.yaml:9:71: error: there is no comparison `ovr`; expected one of `is`, `is_not`, `in`, `not_in`, `over`, `at_least`, `under`, `at_most`, `exists`, `starts_with`, `contains`; write `over`?
        "#]],
    );
}
