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
