//! Why did they call twice?

use super::Scene;
use expect_test::expect;

fn rulebook(more: &str) -> String {
    format!(
        "
rules:
  - {{ id: failed, kind: match, per: data.order_id, event: payment.failed, actions: call{more} }}
  - {{ id: returned, kind: match, event: return.requested, actions: write }}
actions:
  call: {{ class: reply, channel: voice, queue: first, ttl: 1h }}
  write: {{ class: reply, channel: email, queue: first, ttl: 1h }}
"
    )
}

#[test]
fn two_different_problems() {
    let mut scene = Scene::new(&rulebook(""));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:10:00 payment.failed p2 order_id=o2");
    scene.until("10:11:00");
    expect![[r#"
        `call` at 2026-11-24T10:10:00Z is about another problem of failed: o2, after o1 at 2026-11-24T10:00:00Z
    "#]]
    .assert_eq(&scene.again());
}

#[test]
fn found_again_after_the_cool_down() {
    let mut scene = Scene::new(&rulebook(", cooldown: 30m"));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:40:00 payment.failed p2 order_id=o1");
    scene.until("10:41:00");
    expect![[r#"
        `call` at 2026-11-24T10:40:00Z: failed found it again, 40m after the one of 2026-11-24T10:00:00Z; its cool-down of 30m was over
    "#]].assert_eq(&scene.again());
}

#[test]
fn found_again_without_a_cool_down() {
    let mut scene = Scene::new(&rulebook(""));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").saw("10:40:00 payment.failed p2 order_id=o1");
    scene.until("10:41:00");
    expect![[r#"
        `call` at 2026-11-24T10:40:00Z: failed found it again, 40m after the one of 2026-11-24T10:00:00Z; the rule has no `cooldown`
    "#]].assert_eq(&scene.again());
}

#[test]
fn another_rule() {
    let mut scene = Scene::new(&rulebook(""));
    scene
        .saw("10:00:00 payment.failed p1 order_id=o1")
        .saw("10:40:00 return.requested r1 order_id=o1 return_id=t");
    scene.until("10:41:00");
    expect![[r#"
        `write` at 2026-11-24T10:40:00Z comes from another rule: returned, after `call` of failed at 2026-11-24T10:00:00Z
    "#]].assert_eq(&scene.again());
}

#[test]
fn a_revision_is_no_second_action() {
    let mut scene = Scene::new(
        "
rules:
  - { id: waits, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, within: 100s, warn_at: 80%, actions: ahead }
actions:
  ahead: { class: raise }
",
    );
    scene.saw("10:00:00 contact.queued q1 contact_id=a channel=voice queue=first").until("10:05:00");
    expect![[r#"
        `ahead` at 2026-11-24T10:01:40Z is a revision of the same action (the warning became a breach), not a second one
    "#]].assert_eq(&scene.again());
    let why = scene.ask(None, true);
    let id = why.actions[0].action_id.clone();
    expect![[r#"
        requested: `ahead` was requested at 2026-11-24T10:01:20Z (action <id>, revision 0)
        updated: `ahead` was updated at 2026-11-24T10:01:40Z: the warning became a breach (action <id>, revision 1; the same action, not a second one)
    "#]].assert_eq(&scene.why().replace(&id, "<id>"));
}

#[test]
fn found_again_after_it_was_taken_back() {
    let mut scene = Scene::new(
        "
rules:
  - { id: waits, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, within: 1m, actions: call }
actions:
  call: { class: reply, channel: voice, queue: first, ttl: 1h }
",
    );
    scene.saw("10:00:00 contact.queued q1 contact_id=a channel=voice queue=first");
    scene.saw("10:05:00 contact.answered a1 contact_id=a");
    scene.saw("10:10:00 contact.queued q2 contact_id=a channel=voice queue=first").until("10:12:00");
    expect![[r#"
        `call` at 2026-11-24T10:11:00Z: waits found it again, 10m after the one of 2026-11-24T10:01:00Z; the rule has no `cooldown`
    "#]].assert_eq(&scene.again());
}

#[test]
fn the_same_action_again_after_late_events() {
    let mut scene = Scene::new(
        "
rules:
  - { id: waits, kind: absence, per: data.contact_id, start: contact.queued, stop: contact.answered, pause: contact.held, resume: contact.resumed, within: 1m, actions: call }
actions:
  call: { class: reply, channel: voice, queue: first, ttl: 1h }
",
    );
    scene.saw("10:00:00 contact.queued q1 contact_id=a channel=voice queue=first").until("10:03:00");
    scene.late("10:00:30 contact.held h1 contact_id=a").until("10:04:00");
    scene.late("10:00:40 contact.resumed h2 contact_id=a").until("10:05:00");
    expect![[r#"
        `call` at 2026-11-24T10:04:00.001Z is the action of 2026-11-24T10:01:00Z again: it had been revoked or had expired, and the problem was found again
    "#]].assert_eq(&scene.again());
    let id = scene.ask(None, true).actions[0].action_id.clone();
    expect![[r#"
        requested: `call` was requested at 2026-11-24T10:01:00Z (action <id>, revision 0)
        retracted: what was detected for a as of 2026-11-24T10:01:00Z was taken back: it never held
        revoked: `call` was revoked at 2026-11-24T10:03:00.001Z: it was never true (action <id>, revision 1)
        requested: `call` was requested at 2026-11-24T10:04:00.001Z (action <id>, revision 2)
    "#]]
    .assert_eq(&scene.why().replace(&id, "<id>"));
}

#[test]
fn two_actions_for_one_problem() {
    let mut scene = Scene::new(&rulebook("").replace("actions: call", "actions: [ call, write ]"));
    scene.saw("10:00:00 payment.failed p1 order_id=o1").until("10:01:00");
    expect![[r#"
        `write` at 2026-11-24T10:00:00Z is another action of failed for the same problem
    "#]]
    .assert_eq(&scene.again());
}
