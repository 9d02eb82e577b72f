//! Of what stands beside the rules.

use super::check;
use expect_test::expect;

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
            r.yaml:5:69: error: `one_of` is for fields of type `text`; expected the field without it, or `type: text`
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
            r.yaml:11:51: error: `tue` names a day for the second time; expected each day once: `mon-thu` and `fri`
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
            r.yaml:20:72: error: `20` stands here; expected a probability from 0 to 1: `0.2` or `20%`; write `20%`?
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
