//! Why nobody called, by what the kinds of rules and their clocks have to say.

use super::Scene;
use expect_test::expect;

const ACTIONS: &str = "
actions:
  call: { class: internal, queue: team }
";

fn scene(rule: &str) -> Scene {
    Scene::new(&format!("rules:\n  - {{ id: r, {rule}, actions: call }}\n{ACTIONS}"))
}

#[test]
fn the_clock_of_the_episode_stands() {
    let mut scene = scene(
        "kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, pause: contact.held, resume: contact.resumed, within: 10m",
    );
    scene.saw("10:00:00 contact.queued q1 contact_id=a channel=voice queue=first");
    scene.saw("10:04:00 contact.held h1 contact_id=a").until("11:00:00");
    expect![[r#"
        paused: the episode of a, opened by contact.queued q1 (contact-center/0/0) at 2026-11-24T10:00:00Z, has its clock stopped
          else: contact.resumed would have to come
    "#]].assert_eq(&scene.why());
    scene.saw("11:00:00 contact.resumed h2 contact_id=a").until("11:01:00");
    expect![[r#"
        not_yet: the episode of a, opened by contact.queued q1 (contact-center/0/0) at 2026-11-24T10:00:00Z, is due at 2026-11-24T11:06:00Z; it is 2026-11-24T11:01:00Z now
          else: no contact.answered until then
    "#]].assert_eq(&scene.why());
}

#[test]
fn the_key_has_had_its_one_episode() {
    let mut scene = scene(
        "kind: absence, per: data.order_id, start: order.placed, stop: shipment.delivered, within: 1h, once: true",
    );
    scene.saw("10:00:00 order.placed o1 order_id=a value=5 currency=EUR");
    scene.saw("10:30:00 shipment.delivered d1 order_id=a");
    scene.saw("10:40:00 order.placed o2 order_id=a value=5 currency=EUR").until("12:00:00");
    expect![[r#"
        closed: shipment.delivered d1 (transaction/0/1) came at 2026-11-24T10:30:00Z and closed the episode of a, opened by order.placed o1 (transaction/0/0) at 2026-11-24T10:00:00Z, before it was due at 2026-11-24T11:00:00Z
          else: no shipment.delivered until 2026-11-24T11:00:00Z
        once_only: order.placed o2 (transaction/0/2) opened nothing: the episode of a has been there already, and there is only one (`once`)
    "#]].assert_eq(&scene.why());
}

#[test]
fn a_state_that_has_to_hold_did_not() {
    let mut scene =
        scene("kind: match, event: payment.failed, while: { after: order.placed, until: order.cancelled }");
    scene.saw("09:00:00 payment.failed p1 order_id=o1").until("09:30:00");
    expect![[r#"
        firing_blocked: the rule was complete at 2026-11-24T09:00:00Z, but a guard stood against it, `while`: no order.placed had been seen
          else: order.placed before it, and no order.cancelled since
    "#]].assert_eq(&scene.why());
    scene.saw("10:00:00 order.placed o1 order_id=o1 value=5 currency=EUR");
    scene.saw("10:10:00 order.cancelled c1 order_id=o1");
    scene.saw("10:20:00 payment.failed p2 order_id=o1").until("10:30:00");
    expect![[r#"
        firing_blocked: the rule was complete at 2026-11-24T09:00:00Z, but a guard stood against it, `while`: no order.placed had been seen
          else: order.placed before it, and no order.cancelled since
        firing_blocked: the rule was complete at 2026-11-24T10:20:00Z, but a guard stood against it, `while`: the state was over, order.cancelled was seen at 2026-11-24T10:10:00Z (transaction/0/2)
          else: order.placed before it, and no order.cancelled since
    "#]].assert_eq(&scene.why());
}

#[test]
fn too_few_among_the_last() {
    let mut scene = scene(
        "kind: count, event: web.page.viewed, where: { data.load_ms: { over: 2000 } }, of_last: 5, at_least: 2",
    );
    scene.saw("10:00:00 web.page.viewed v1 url=/a load_ms=2500");
    scene.saw("10:01:00 web.page.viewed v2 url=/b load_ms=300").until("10:30:00");
    expect![[r#"
        not_enough: not enough has come: 1 of 2 among the last 5, the newest web.page.viewed v1 (web/0/0) at 2026-11-24T10:00:00Z
          else: 1 more among the last 5
    "#]].assert_eq(&scene.why());
}

#[test]
fn a_window_was_emptied() {
    let mut scene =
        scene("kind: count, event: web.login.failed, reset: web.login.succeeded, at_least: 3, within: 1h");
    scene.saw("10:00:00 web.login.failed f1").saw("10:01:00 web.login.failed f2");
    scene.saw("10:02:00 web.login.succeeded s1").until("10:30:00");
    expect![[r#"
        emptied: web.login.succeeded s1 (web/0/2) came at 2026-11-24T10:02:00Z: what had come before no longer counts
          else: without that event it would have counted on
    "#]].assert_eq(&scene.why());
}

#[test]
fn a_step_of_the_sequence_is_missing() {
    let mut scene = scene(
        "kind: sequence, steps: [ web.selfservice.failed, web.help.viewed, contact.queued ], within: 30m, unless: web.selfservice.completed",
    );
    scene.saw("10:00:00 web.selfservice.failed f1 flow=refund");
    scene.saw("10:05:00 web.help.viewed h1 url=/help").until("10:20:00");
    expect![[r#"
        not_enough: not enough has come: step 2 of 3, begun at 2026-11-24T10:00:00Z, the newest web.help.viewed h1 (web/0/1) at 2026-11-24T10:05:00Z
          else: the remaining 1 within 30m from its beginning
    "#]].assert_eq(&scene.why());
    scene.saw("10:21:00 web.selfservice.completed c1 flow=refund").until("10:30:00");
    expect![[r#"
        emptied: web.selfservice.completed c1 (web/0/2) came at 2026-11-24T10:21:00Z: what had come before no longer counts
          else: without that event it would have counted on
    "#]].assert_eq(&scene.why());
}

#[test]
fn too_few_points_of_debt() {
    let mut scene = scene(
        "kind: debt, weights: [ { event: payment.failed, points: 3 }, { event: shipment.delayed, points: 4 } ], half_life: 14d, threshold: 10, rearm_below: 5",
    );
    scene.saw("10:00:00 payment.failed p1 order_id=o1");
    scene.saw("10:00:01 shipment.delayed s1 order_id=o1").until("11:00:00");
    expect![[r#"
        not_enough: not enough has come: 6.99 of 10 points, the newest shipment.delayed s1 (transaction/0/1) at 2026-11-24T10:00:01Z
          else: 3.01 points more
    "#]].assert_eq(&scene.why());
}

#[test]
fn a_debt_that_has_fired_has_not_been_low_enough_since() {
    let mut scene = scene(
        "kind: debt, weights: [ { event: payment.failed, points: 6 } ], half_life: 14d, threshold: 10, rearm_below: 5",
    );
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:00:01 payment.failed p2 order_id=o1");
    scene.saw("11:00:00 payment.failed p3 order_id=o1").until("11:30:00");
    expect![[r#"
        requested: `call` was requested at 2026-11-24T10:00:01Z (action e3dba49aa14b13ca0589c2aef154303c, revision 0)
        not_enough: not enough has come: 17.97 points; it has fired and has not been low enough since, the newest payment.failed p3 (transaction/0/2) at 2026-11-24T11:00:00Z
          else: fewer points in between, and 10 again
    "#]].assert_eq(&scene.why());
}

#[test]
fn complete_and_nobody_can_say_what_a_guard_would_have_seen() {
    let mut scene =
        scene("kind: match, event: payment.failed, unless_seen: { event: contact.queued, within: 1h }");
    scene.until("09:00:00").blind("contact-center");
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:30:00");
    expect![[r#"
        held: the rule was complete at 2026-11-24T10:00:00Z, but is held: feed contact-center is blind (seen up to 2026-11-24T09:00:00Z)
          else: contact-center would have to be seen to 2026-11-24T10:00:00Z
    "#]].assert_eq(&scene.why());
}

#[test]
fn what_has_been_asked_for_was_taken_back_or_ran_out() {
    let mut scene = Scene::new(
        "
rules:
  - { id: waits, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, within: 1m, actions: call }
actions:
  call: { class: reply, channel: voice, queue: first, ttl: 1h }
",
    );
    scene.saw("10:00:00 contact.queued q1 contact_id=a channel=voice queue=first");
    scene.saw("10:00:00 contact.queued q2 contact_id=b channel=voice queue=first");
    scene.saw("10:05:00 contact.answered a1 contact_id=a").until("12:00:00");
    expect![[r#"
        requested: `call` was requested at 2026-11-24T10:01:00Z (action 168b710e9f516d8efb08d58fa70f5ddf, revision 0)
        requested: `call` was requested at 2026-11-24T10:01:00Z (action f5dc4544e9b87c2aef9b96f4d4098f68, revision 0)
        resolved: what was detected for a as of 2026-11-24T10:01:00Z stands, but the need to act was ended by contact.answered a1 (contact-center/0/2)
        revoked: `call` was revoked at 2026-11-24T10:05:00Z: the need was over, by contact.answered a1 (contact-center/0/2) (action 168b710e9f516d8efb08d58fa70f5ddf, revision 1)
        expired: `call` expired at 2026-11-24T11:01:00Z: nobody had reached the customer (action f5dc4544e9b87c2aef9b96f4d4098f68, revision 1)
    "#]].assert_eq(&scene.why());
}

#[test]
fn a_duplicate_changes_nothing() {
    let mut scene = scene("kind: count, event: payment.failed, at_least: 2, within: 10m");
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:00:00 payment.failed p1 order_id=o1");
    scene.until("10:05:00");
    expect![[r#"
        Customer c1, as of 2026-11-24T10:05:00Z, rulebook shop version 3.

        Rule r
          Not enough has come: 1 of 2 within 10m, the newest payment.failed p1 (transaction/0/0) at 2026-11-24T10:00:00Z.
            For another result: 1 more within 10m.
          What happened:
            2026-11-24T10:00:00Z  payment.failed p1 (transaction/0/0) counts: 1 of 2 within 10m

        Seen
          2026-11-24T10:00:00Z  payment.failed p1 (transaction/0/0)

        Passed over
          2026-11-24T10:00:00Z  payment.failed p1: a duplicate: this id of this source had been seen before; another event needs another id
    "#]].assert_eq(&scene.ask(None, true).to_string());
}
