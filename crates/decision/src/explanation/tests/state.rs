//! What a service can tell, which keeps no story.

use super::{Scene, time};
use crate::explanation::{Basis, explain_past};
use expect_test::expect;

const RULES: &str = "
rules:
  - { id: cart, kind: absence, per: data.cart_id, start: web.cart.item_added, stop: order.placed, within: 30m, unless_seen: { event: contact.queued, within: 1h }, actions: call }
  - { id: failed, kind: count, event: payment.failed, at_least: 3, within: 1h, actions: call }
  - { id: returned, kind: match, per: data.return_id, event: return.requested, actions: write, cooldown: 1d }
  - { id: offer, kind: match, event: review.posted, actions: please }
actions:
  call: { class: reply, channel: voice, queue: first, ttl: 1h }
  write: { class: reply, channel: email, queue: first, ttl: 1h }
  please: { class: offer, purpose: service, channel: voice, queue: first, ttl: 1h }
policy: { caps: [ { by: machine, at_most: 5, within: 7d }, { at_most: 2, within: 7d } ] }
";

const ADDED: &str = "web.cart.item_added e1 cart_id=k1 sku=s quantity=1 currency=EUR unit_price=5";

/// Everything without ids, which are long.
fn told(scene: &Scene) -> String {
    let told = scene.ask(None, false);
    let mut text = told.to_string();
    for (at, action) in told.actions.iter().enumerate() {
        text = text.replace(&action.action_id, &format!("<{at}>"));
    }
    text
}

fn busy() -> Scene {
    let mut scene = Scene::new(RULES);
    scene.saw("08:00:00 campaign.sent m1 channel=email").saw("09:00:00 campaign.sent m2 channel=email");
    scene.saw(&format!("10:00:00 {ADDED}"));
    scene.saw("10:01:00 payment.failed p1 order_id=o1").saw("10:02:00 payment.failed p2 order_id=o1");
    scene.saw("10:03:00 return.requested r1 order_id=o1 return_id=t");
    scene.saw("10:04:00 return.requested r2 order_id=o1 return_id=t");
    scene.saw("10:05:00 review.posted v1 review_id=v stars=2 has_text=true");
    scene.saw("10:06:00 contact.queued q1 contact_id=a channel=voice queue=first");
    scene
}

#[test]
fn what_is_open_and_what_was_decided() {
    let mut scene = busy();
    scene.until("10:20:00");
    expect![[r#"
        Customer c1, as of 2026-11-24T10:20:00Z, rulebook shop version 3.
        Told from what is remembered; `cxwatch explain` on the topics tells all of it.

        Rule cart
          The episode of k1, opened by web.cart.item_added e1 (web/0/0) at 2026-11-24T10:00:00Z, is due at 2026-11-24T10:30:00Z; it is 2026-11-24T10:20:00Z now.
            For another result: no order.placed until then.
          A guard stands against starts and firings, `unless_seen`: contact.queued was seen at 2026-11-24T10:06:00Z (contact-center/0/2), within 1h before.
            For another result: no contact.queued in the 1h before; this one is forgotten at 2026-11-24T11:06:00Z.

        Rule failed
          Not enough has come: 2 of 3 within 1h.
            For another result: 1 more within 1h.

        Rule offer
          `please` was proposed at 2026-11-24T10:05:00Z, but not asked for (contact_policy): the customer was contacted often enough: 2 of 2 contacts in 7d.
            For another result: at most 1 contacts in 7d before it.

        Rule returned
          `write` was requested at 2026-11-24T10:03:00Z.
          `write` was proposed at 2026-11-24T10:04:00Z, but not asked for (cooldown): the same rule spoke about the same thing not long ago, within its cool-down of 1d.
            For another result: it would have had to be found after the cool-down.

        Seen
          2026-11-24T10:00:00Z  web.cart.item_added
          2026-11-24T10:01:00Z  payment.failed
          2026-11-24T10:02:00Z  payment.failed
          2026-11-24T10:03:00Z  return.requested
          2026-11-24T10:04:00Z  return.requested
          2026-11-24T10:05:00Z  review.posted
          2026-11-24T10:06:00Z  contact.queued

        Action <0> write for t of returned: requested, revision 0, until 2026-11-24T11:03:00Z

        Cool-down of returned for t until 2026-11-25T10:03:00Z

        Contacts that caps count
          2026-11-24T08:00:00Z  email by a machine
          2026-11-24T09:00:00Z  email by a machine
    "#]].assert_eq(&told(&scene));
}

#[test]
fn what_waits_for_a_feed_and_what_an_operator_stopped() {
    let mut scene = busy();
    scene.until("10:07:00").blind("transaction").pause(Some("cart")).until("11:00:00");
    let told = scene.ask(Some("cart"), false).to_string();
    expect![[r#"
        Customer c1, as of 2026-11-24T11:00:00Z, rulebook shop version 3.
        Told from what is remembered; `cxwatch explain` on the topics tells all of it.

        Rule cart
          The episode of k1, opened by web.cart.item_added e1 (web/0/0) at 2026-11-24T10:00:00Z, is due since 2026-11-24T10:30:00Z, but nobody can say that no order.placed came: feed transaction is blind (seen up to 2026-11-24T10:07:00Z).
            For another result: transaction would have to be seen to 2026-11-24T10:30:00Z.
          A guard stands against starts and firings, `unless_seen`: contact.queued was seen at 2026-11-24T10:06:00Z (contact-center/0/2), within 1h before.
            For another result: no contact.queued in the 1h before; this one is forgotten at 2026-11-24T11:06:00Z.
          An operator has stopped the requests of this rule.
            For another result: `cxwatch resume` lets them go on; what was suppressed stays so.

        Seen
          2026-11-24T10:01:00Z  payment.failed
          2026-11-24T10:02:00Z  payment.failed
          2026-11-24T10:03:00Z  return.requested
          2026-11-24T10:04:00Z  return.requested
          2026-11-24T10:05:00Z  review.posted
          2026-11-24T10:06:00Z  contact.queued

        Contacts that caps count
          2026-11-24T08:00:00Z  email by a machine
          2026-11-24T09:00:00Z  email by a machine

        Feed transaction is blind.
    "#]].assert_eq(&told);
}

#[test]
fn an_instant_that_has_passed() {
    let mut scene = busy();
    scene.until("10:20:00");
    let past = |at: &str| {
        scene.question(None, false, |question| {
            explain_past(&crate::explanation::Question { at: time(at), ..*question })
        })
    };
    let then = past("10:03:30");
    assert_eq!(then.basis, Basis::Remembered);
    let mut text = then.to_string();
    for (at, action) in then.actions.iter().enumerate() {
        text = text.replace(&action.action_id, &format!("<{at}>"));
    }
    expect![[r#"
        Customer c1, as of 2026-11-24T10:03:30Z, rulebook shop version 3.
        Told from what is still remembered of an instant that has passed; `cxwatch explain --at` on the topics tells all of it.

        Rule cart
          The episode of k1, opened by web.cart.item_added e1 (web/0/0) at 2026-11-24T10:00:00Z, is due at 2026-11-24T10:30:00Z; it is 2026-11-24T10:03:30Z now.
            For another result: no order.placed until then.

        Rule failed
          Nothing is remembered of 2026-11-24T10:03:30Z: what ended since is forgotten.
            For another result: `cxwatch explain --at` on the topics tells what was.

        Rule offer
          Nothing is remembered of 2026-11-24T10:03:30Z: what ended since is forgotten.
            For another result: `cxwatch explain --at` on the topics tells what was.

        Rule returned
          `write` was requested at 2026-11-24T10:03:00Z.

        Seen
          2026-11-24T10:00:00Z  web.cart.item_added
          2026-11-24T10:01:00Z  payment.failed
          2026-11-24T10:02:00Z  payment.failed
          2026-11-24T10:03:00Z  return.requested

        Action <0> write for t of returned: requested, revision 0, until 2026-11-24T11:03:00Z

        Cool-down of returned for t until 2026-11-25T10:03:00Z

        Contacts that caps count
          2026-11-24T08:00:00Z  email by a machine
          2026-11-24T09:00:00Z  email by a machine
    "#]].assert_eq(&text);
    let before = past("07:00:00");
    assert_eq!((before.seen.len(), before.actions.len(), before.contacts.len()), (0, 0, 0));
    expect![[r#"
        Customer c1, as of 2026-11-24T07:00:00Z, rulebook shop version 3.
        Told from what is still remembered of an instant that has passed; `cxwatch explain --at` on the topics tells all of it.

        Rule cart
          Nothing is remembered of 2026-11-24T07:00:00Z: what ended since is forgotten.
            For another result: `cxwatch explain --at` on the topics tells what was.

        Rule failed
          Nothing is remembered of 2026-11-24T07:00:00Z: what ended since is forgotten.
            For another result: `cxwatch explain --at` on the topics tells what was.

        Rule offer
          Nothing is remembered of 2026-11-24T07:00:00Z: what ended since is forgotten.
            For another result: `cxwatch explain --at` on the topics tells what was.

        Rule returned
          Nothing is remembered of 2026-11-24T07:00:00Z: what ended since is forgotten.
            For another result: `cxwatch explain --at` on the topics tells what was.
    "#]].assert_eq(&before.to_string());
}
