//! Why did nobody call?

use super::{Scene, WallClock, time};
use expect_test::expect;

const CART: &str = "
rules:
  - id: cart
    kind: absence
    per: data.cart_id
    start: web.cart.item_added
    stop: order.placed
    within: 30m
    measure: { value: { sum: [ data.quantity, data.unit_price ] } }
    when: { value: { at_least: 20 } }
    unless_seen: { event: contact.queued, within: 1d }
    actions: call
    cooldown: 7d
actions:
  call: { class: offer, purpose: service, channel: voice, queue: first, ttl: 1h }
";

const ADDED: &str = "web.cart.item_added e1 cart_id=k1 sku=s quantity=1 currency=EUR";

fn cart(price: u32) -> Scene {
    let mut scene = Scene::new(CART);
    scene.saw(&format!("10:00:00 {ADDED} unit_price={price}"));
    scene
}

#[test]
fn no_event_that_begins_it_has_come() {
    let mut scene = Scene::new(CART);
    scene.until("11:00:00");
    expect![[r#"
        no_event: no web.cart.item_added came for this customer until 2026-11-24T11:00:00Z
          else: web.cart.item_added would have to come
    "#]]
    .assert_eq(&scene.why());
}

#[test]
fn the_deadline_is_not_reached() {
    let mut scene = cart(50);
    scene.until("10:20:00");
    expect![[r#"
        not_yet: the episode of k1, opened by web.cart.item_added e1 (web/0/0) at 2026-11-24T10:00:00Z, is due at 2026-11-24T10:30:00Z; it is 2026-11-24T10:20:00Z now
          else: no order.placed until then
    "#]].assert_eq(&scene.why());
}

#[test]
fn what_was_missing_came() {
    let mut scene = cart(50);
    scene.saw("10:20:00 order.placed o1 order_id=o1 value=50 currency=EUR cart_id=k1").until("11:00:00");
    expect![[r#"
        closed: order.placed o1 (transaction/0/0) came at 2026-11-24T10:20:00Z and closed the episode of k1, opened by web.cart.item_added e1 (web/0/0) at 2026-11-24T10:00:00Z, before it was due at 2026-11-24T10:30:00Z
          else: no order.placed until 2026-11-24T10:30:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_measure_was_under_its_threshold() {
    let mut scene = cart(12);
    scene.until("11:00:00");
    expect![[r#"
        when_failed: the episode of k1 was due at 2026-11-24T10:30:00Z, but its `when` did not hold: value was 12
          else: value must be at least 20
    "#]].assert_eq(&scene.why());
}

#[test]
fn a_guard_stood_against_the_start() {
    let mut scene = Scene::new(CART);
    scene.saw("09:30:00 contact.queued q1 contact_id=a channel=voice queue=first");
    scene.saw(&format!("10:00:00 {ADDED} unit_price=50")).until("11:00:00");
    expect![[r#"
        start_blocked: web.cart.item_added e1 (web/0/0) did not open the episode of k1: a guard stood against it, `unless_seen`: contact.queued was seen at 2026-11-24T09:30:00Z (contact-center/0/0), within 1d before
          else: no contact.queued in the 1d before; this one is forgotten at 2026-11-25T09:30:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn a_guard_stood_against_the_firing() {
    let mut scene = cart(50);
    scene.saw("10:10:00 contact.queued q1 contact_id=a channel=voice queue=first").until("11:00:00");
    expect![[r#"
        firing_blocked: the episode of k1 was due at 2026-11-24T10:30:00Z, but a guard stood against it, `unless_seen`: contact.queued was seen at 2026-11-24T10:10:00Z (contact-center/0/0), within 1d before
          else: no contact.queued in the 1d before; this one is forgotten at 2026-11-25T10:10:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn a_feed_was_blind() {
    let mut scene = cart(50);
    scene.until("10:05:00").blind("transaction").until("10:45:00");
    expect![[r#"
        held: the episode of k1, opened by web.cart.item_added e1 (web/0/0) at 2026-11-24T10:00:00Z, is due since 2026-11-24T10:30:00Z, but nobody can say that no order.placed came: feed transaction is blind (seen up to 2026-11-24T10:05:00Z)
          else: transaction would have to be seen to 2026-11-24T10:30:00Z
    "#]].assert_eq(&scene.why());
    let held = scene.ask(None, true).rules[0].episodes[0].held_by.clone();
    assert_eq!(held, ["transaction"]);
}

#[test]
fn not_enough_events() {
    let mut scene = Scene::new(
        "
rules:
  - { id: failed, kind: count, event: payment.failed, at_least: 3, within: 10m, actions: call }
actions:
  call: { class: internal, queue: team }
",
    );
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:04:00 payment.failed p2 order_id=o1");
    scene.until("11:00:00");
    expect![[r#"
        not_enough: not enough has come: 2 of 3 within 10m, the newest payment.failed p2 (transaction/0/1) at 2026-11-24T10:04:00Z
          else: 1 more within 10m
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_conditions_on_events_did_not_hold() {
    let mut scene = Scene::new(
        "
rules:
  - { id: voice, kind: match, event: contact.queued, where: { data.channel: voice }, actions: call }
actions:
  call: { class: internal, queue: team }
",
    );
    scene.saw("10:00:00 contact.queued q1 contact_id=a channel=chat queue=first").until("11:00:00");
    expect![[r#"
        not_matched: 1 event of the types that the rule names came, but none met its conditions (`where`), the last contact.queued q1 (contact-center/0/0)
          else: contact.queued, as the rule's `where` says
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_start_had_no_key() {
    let mut scene = Scene::new(
        "
types:
  web.step.begun: { feed: web, fields: { flow: text } }
  web.step.done: { feed: web, fields: { flow: text } }
rules:
  - { id: step, kind: absence, per: data.flow, start: web.step.begun, stop: web.step.done, within: 1m, actions: call }
actions:
  call: { class: internal, queue: team }
",
    );
    scene.saw("10:00:00 web.step.begun s1").until("11:00:00");
    expect![[r#"
        no_key: web.step.begun s1 (web/0/0) does not carry the field of `per`, so no episode can be told from another
          else: the event would have to carry it
    "#]].assert_eq(&scene.why());
}

/// One rule on one event; `rule` and `action` are more of each, `rest` more of the rulebook.
fn failed(rule: &str, action: &str, rest: &str) -> String {
    format!(
        "
rules:
  - {{ id: failed, kind: match, event: payment.failed, actions: call{rule} }}
actions:
  call: {{ class: offer, purpose: service, channel: voice, queue: first, ttl: 1h{action} }}
{rest}
"
    )
}

/// What is said after one failed payment.
fn after(source: &str) -> String {
    let mut scene = Scene::new(source);
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    scene.why()
}

#[test]
fn no_consent() {
    let mut scene = Scene::new(&failed("", "", ""));
    scene.saw("09:00:00 customer.profile_updated u1 consent.voice.service=false");
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (consent): the customer has not agreed to be approached by voice for service
          else: the profile would have to say yes to service by voice
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_cool_down() {
    let mut scene = Scene::new(&failed(", cooldown: 7d", "", ""));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:30:00 payment.failed p2 order_id=o1");
    scene.until("10:30:10");
    expect![[r#"
        requested: `call` was requested at 2026-11-24T10:00:00Z (action 351ad96160415ccd9ce266b4c373264b, revision 0)
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:30:00Z, about payment.failed p2 (transaction/0/1), but not asked for (cooldown): the same rule spoke about the same thing not long ago, within its cool-down of 7d
          else: it would have had to be found after the cool-down; the obstacle ends at 2026-12-01T10:00:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn contacted_often_enough() {
    let rest = "policy: { caps: [ { by: person, at_most: 2, within: 7d }, { at_most: 1, within: 7d } ] }";
    let mut scene = Scene::new(&failed("", "", rest));
    scene.saw("09:00:00 campaign.sent m1 channel=email");
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (contact_policy): the customer was contacted often enough: 1 of 1 contacts in 7d
          else: no contacts in 7d before it; the obstacle ends at 2026-12-01T09:00:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn contacted_as_often_as_two_caps_allow() {
    let rest = "policy: { caps: [ { at_most: 2, within: 7d }, { channel: voice, at_most: 1, within: 1d } ] }";
    let mut scene = Scene::new(&failed("", "", rest));
    scene.saw("08:00:00 campaign.sent m1 channel=email").saw("09:00:00 campaign.sent m2 channel=voice");
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (contact_policy): the customer was contacted often enough: 2 of 2 contacts in 7d
          else: at most 1 contacts in 7d before it; the obstacle ends at 2026-12-01T08:00:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn it_was_night() {
    let rest = "policy: { quiet_hours: { from: \"21:00\", until: \"10:30\" } }";
    expect![[r#"
        pending: `call` waits until 2026-11-24T10:30:00Z (quiet_hours): it is night where the customer is
          else: the obstacle would have to end before 2026-11-24T11:00:00Z
    "#]]
    .assert_eq(&after(&failed("", "", rest)));
}

#[test]
fn nobody_was_there() {
    let rest = "calendars: { desk: { zone: UTC, open: { mon-fri: \"12:00-18:00\" } } }";
    let source = failed("", ", hours: desk", rest);
    let mut scene = Scene::new(&source);
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    expect![[r#"
        pending: `call` waits until 2026-11-24T12:00:00Z (closed): nobody is there yet
          else: the obstacle would have to end before 2026-11-24T11:00:00Z
    "#]]
    .assert_eq(&scene.why());
    scene.until("12:30:00");
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (expired): its time was over before it could be asked for
          else: it would have had to be asked for earlier: it lived until 2026-11-24T11:00:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_brake_was_on() {
    let source = failed(", brake: 1, per: data.order_id", "", "");
    let mut scene = Scene::new(&source.replace("class: offer", "class: reply"));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:00:20 payment.failed p2 order_id=o2");
    scene.until("10:00:30");
    expect![[r#"
        requested: `call` was requested at 2026-11-24T10:00:00Z (action a2aa36ec74f0cb6f304af3ea15ad199c, revision 0)
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:20Z, about payment.failed p2 (transaction/0/1), but not asked for (brake): the brake was on: 1 of 1 requests of this rule had been made in this minute
          else: no other request of this rule in that minute; the obstacle ends at 2026-11-24T10:01:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_brake_of_all_rules_was_on() {
    let source =
        failed(", per: data.order_id", "", "policy: { brake: 1 }").replace("class: offer", "class: reply");
    let mut scene = Scene::new(&source);
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:00:20 payment.failed p2 order_id=o2");
    scene.until("10:00:30");
    let said = scene.why();
    let said = said.split_once("suppressed: ").expect("the second is").1;
    expect![[r#"
        `call` was proposed for what was detected as of 2026-11-24T10:00:20Z, about payment.failed p2 (transaction/0/1), but not asked for (brake): the brake was on: 1 of 1 requests of all rules had been made in this minute
          else: no other request of any rule in that minute; the obstacle ends at 2026-11-24T10:01:00Z
    "#]].assert_eq(said);
}

#[test]
fn an_operator_had_paused_it() {
    let mut scene = Scene::new(&failed("", "", ""));
    scene.until("09:00:00").pause(Some("failed"));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (paused): an operator had paused it
          else: somebody would have had to resume it before
        stopped: an operator has stopped the requests of this rule
          else: `cxwatch resume` lets them go on; what was suppressed stays so
    "#]]
    .assert_eq(&scene.why());
}

#[test]
fn the_rule_is_only_tried() {
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (shadow): the rule is only tried (`mode: shadow`)
          else: the rule without `mode: shadow`
    "#]]
    .assert_eq(&after(&failed(", mode: shadow", "", "")));
}

#[test]
fn drawn_to_be_held_out() {
    // Half of all customers are held out: of so many quarters one at least.
    let source = failed(", holdout: 50%", "", "");
    let said = (0..12).find_map(|month| {
        let mut scene = Scene::new(&source);
        let at = format!("20{}-{:02}-01T10:00:0", 27 + month / 4, 1 + 3 * (month % 4));
        scene.saw(&format!("{at}0 payment.failed p1 order_id=o1")).until(&format!("{at}9"));
        Some(scene.why()).filter(|why| why.contains("(holdout)"))
    });
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2027-01-01T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (holdout): the customer was drawn to be held out, so that the save rate can be proved; its priority was 1
          else: nothing; it was the draw
    "#]].assert_eq(&said.expect("one of so many quarters"));
}

#[test]
fn something_better_was_done() {
    let source = failed("", ", value: 10", "").replace("actions: call", "actions: [ call, write ]");
    let source = format!(
        "{source}  write: {{ class: offer, purpose: service, by: machine, channel: email, ttl: 1h }}\n"
    );
    expect![[r#"
        suppressed: `write` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (lower_priority): something better was done, or was there already (`call` of failed, action 351ad96160415ccd9ce266b4c373264b); its priority was 1
          else: a higher priority, or no other offer
        requested: `call` was requested at 2026-11-24T10:00:00Z (action 351ad96160415ccd9ce266b4c373264b, revision 0)
    "#]].assert_eq(&after(&source));
}

#[test]
fn a_lower_action_was_taken_while_it_waited() {
    let source = failed("", ", hours: desk", "").replace("actions: call", "actions: [ call, write ]");
    let source = format!(
        "calendars: {{ desk: {{ zone: UTC, open: {{ mon-fri: \"12:00-18:00\" }} }} }}\n{source}  write: {{ class: offer, purpose: service, by: machine, channel: email, ttl: 1h }}\n"
    );
    expect![[r#"
        requested: `write` was requested at 2026-11-24T10:00:00Z (action 351ad96160415ccd9ce266b4c373264b, revision 0)
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (replaced): another action of the rule was taken while this one waited (`write` of failed, action 351ad96160415ccd9ce266b4c373264b)
          else: it would have had to be possible at once
    "#]].assert_eq(&after(&source));
}

#[test]
fn it_was_declined_before() {
    let mut scene = Scene::new(&failed(", per: data.order_id", "", ""));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:01:00");
    let id = scene.ask(None, true).actions[0].action_id.clone();
    scene.saw(&format!("10:05:00 outcome.declined d1 action_id={id} revision=0 partition=0"));
    scene.saw("10:10:00 payment.failed p2 order_id=o2").until("10:10:10");
    expect![[r#"
        requested: `call` was requested at 2026-11-24T10:00:00Z (action <id>, revision 0)
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:10:00Z, about payment.failed p2 (transaction/0/1), but not asked for (declined): the same action was declined or rejected for this customer not long ago
          else: the refusal would have to be 7d back; the obstacle ends at 2026-12-01T10:05:00Z
    "#]].assert_eq(&scene.why().replace(&id, "<id>"));
}

const LATE: &str = "
calendars: { desk: { zone: UTC, open: { mon-fri: \"12:00-18:00\" } } }
rules:
  - { id: waits, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, within: 1m, actions: call }
actions:
  call: { class: reply, channel: voice, queue: first, hours: desk, ttl: 4h }
";

#[test]
fn the_need_was_over_while_it_waited() {
    let mut scene = Scene::new(LATE);
    scene.saw("10:00:00 contact.queued q1 contact_id=a channel=voice queue=first");
    scene.saw("10:30:00 contact.answered a1 contact_id=a").until("10:31:00");
    expect![[r#"
        resolved: what was detected for a as of 2026-11-24T10:01:00Z stands, but the need to act was ended by contact.answered a1 (contact-center/0/1)
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:01:00Z, about contact.queued q1 (contact-center/0/0), but not asked for (resolved): the need was over before it could be asked for
          else: the need would have had to last
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_detection_was_taken_back_while_it_waited() {
    let mut scene = Scene::new(LATE);
    scene.saw("10:00:00 contact.queued q1 contact_id=a channel=voice queue=first").until("10:05:00");
    scene.late("10:00:30 contact.answered a1 contact_id=a").until("10:06:00");
    expect![[r#"
        retracted: what was detected for a as of 2026-11-24T10:01:00Z was taken back: it never held
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:01:00Z, about contact.queued q1 (contact-center/0/0), but not asked for (retracted): the detection was taken back: it never held
          else: the detection would have had to stand
    "#]].assert_eq(&scene.why());
}

#[test]
fn its_time_was_over() {
    let source = failed("", "", "");
    let mut scene = Scene::acting_from(&source, 0, WallClock::At(time("12:00:00")));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (expired): its time was over before it could be asked for
          else: it would have had to be asked for earlier: it lived until 2026-11-24T11:00:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn older_than_the_service_acts_on() {
    let source = failed("", "", "");
    let mut scene = Scene::acting_from(&source, time("12:00:00"), WallClock::None);
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (warming_up): the detection is older than the service's first start acts on
          else: an earlier `act_from`; the obstacle ends at 2026-11-24T12:00:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_action_s_own_condition_did_not_hold() {
    let source = failed("", ", when: { severity: { over: 90 } }", "");
    expect![[r#"
        suppressed: `call` was proposed for what was detected as of 2026-11-24T10:00:00Z, about payment.failed p1 (transaction/0/0), but not asked for (not_eligible): the action's `when` did not hold, or its rule is gone
          else: the action's `when` would have to hold
    "#]].assert_eq(&after(&source));
}

#[test]
fn without_a_story_the_state_speaks() {
    let mut scene = cart(50);
    scene.until("10:20:00");
    let told = scene.ask(Some("cart"), false).to_string();
    expect![[r#"
        Customer c1, as of 2026-11-24T10:20:00Z, rulebook shop version 3.
        Told from what is remembered; `cxwatch explain` on the topics tells all of it.

        Rule cart
          The episode of k1, opened by web.cart.item_added e1 (web/0/0) at 2026-11-24T10:00:00Z, is due at 2026-11-24T10:30:00Z; it is 2026-11-24T10:20:00Z now.
            For another result: no order.placed until then.

        Seen
          2026-11-24T10:00:00Z  web.cart.item_added
    "#]].assert_eq(&told);
}

#[test]
fn all_of_it_as_text() {
    let mut scene = cart(50);
    scene.saw("10:05:00 web.cart.item_added e2 cart_id=k1 sku=t quantity=1 currency=EUR unit_price=5");
    scene.until("11:00:00");
    let said = scene.ask(None, true);
    let id = said.actions[0].action_id.clone();
    expect![[r#"
        Customer c1, as of 2026-11-24T11:00:00Z, rulebook shop version 3.

        Rule cart
          `call` was requested at 2026-11-24T10:30:00Z (action <id>, revision 0).
          What happened:
            2026-11-24T10:00:00Z  web.cart.item_added e1 (web/0/0) opened the episode of k1; due at 2026-11-24T10:30:00Z
            2026-11-24T10:05:00Z  web.cart.item_added e2 (web/0/1) joined the episode of k1, now of 2 events
            2026-11-24T10:30:00Z  detected for k1 as of 2026-11-24T10:30:00Z, about web.cart.item_added e1 (web/0/0)
            2026-11-24T10:30:00Z  `call` was requested at 2026-11-24T10:30:00Z (action <id>, revision 0)

        Seen
          2026-11-24T10:00:00Z  web.cart.item_added e1 (web/0/0)
          2026-11-24T10:05:00Z  web.cart.item_added e2 (web/0/1)

        Action <id> call for k1 of cart: requested, revision 0, until 2026-11-24T11:30:00Z

        Cool-down of cart for k1 until 2026-12-01T10:30:00Z
    "#]].assert_eq(&said.to_string().replace(&id, "<id>"));
}

/// Their stages let everything pass as yet, so no scene comes to them: the words alone.
#[test]
fn nobody_was_free_or_something_larger_was_broken() {
    use cxwatch_event::messages::SuppressionReason::{Capacity, Incident};
    let mut scene = Scene::new(&failed(", mode: shadow", "", ""));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:00:10");
    let said = [Capacity, Incident].map(|reason| {
        scene.question(None, false, |question| {
            let mut desk = question.desk.clone();
            desk.recent[0].what = crate::Noted::Suppressed(reason);
            super::explain(&super::Question { desk: &desk, ..*question })
        })
    });
    let lines = said.map(|said| {
        let because = &said.rules[0].because[0];
        format!("{}\n  else: {}\n", because.sentence, because.otherwise.clone().unwrap_or_default())
    });
    expect![[r#"
        `call` was proposed at 2026-11-24T10:00:00Z, but not asked for (capacity): nobody was free
          else: somebody would have had to be free
        `call` was proposed at 2026-11-24T10:00:00Z, but not asked for (incident): something larger was broken
          else: the incident would have had to be over
    "#]]
    .assert_eq(&lines.concat());
}
