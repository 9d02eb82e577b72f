//! Candidates that wait.

use super::*;
use cxwatch_event::{MICRO, Value};
use cxwatch_rulebook::QuietHours;

const HOUR: i64 = 3_600_000;

/// Quiet on voice from midnight to one o'clock.
fn night(actions: Vec<Action>) -> Desktop {
    let mut desk = Desktop::of(actions);
    desk.book.actions.iter_mut().for_each(|a| a.ttl_ms = 2 * HOUR);
    desk.book.policy.quiet_hours = Some(QuietHours { from: 0, until: 60, channels: vec!["voice".into()] });
    desk
}

fn mail(id: &str, propensity: Micro) -> Action {
    Action { channel: "email".into(), ..offer(id, propensity) }
}

#[test]
fn a_deferred_candidate_is_decided_when_its_obstacle_ends() {
    let mut desk = night(vec![offer("x", MICRO)]);
    desk.breach(0, "e1", 100);
    assert_eq!(desk.decided(), Vec::<String>::new());
    let pending = desk.state.explain(&desk.book, 100).pending;
    assert_eq!(pending.iter().map(|p| p.until).collect::<Vec<_>>(), [HOUR]);
    assert_eq!(desk.decider.next(&desk.state), Some(HOUR));
    desk.wake(HOUR);
    assert_eq!(desk.decided(), ["x requested 0"]);
}

#[test]
fn offers_that_wait_are_replaced_where_another_is_taken_or_held_out() {
    let mut desk = night(vec![offer("x", MICRO), mail("m", 1)]);
    desk.breach(0, "e1", 100);
    assert_eq!(desk.decided(), ["m requested 0", "x replaced"]);
    let mut desk = night(vec![offer("x", MICRO), mail("m", 1)]);
    desk.book.policy.holdout = MICRO;
    desk.breach(0, "e1", 100);
    assert_eq!(desk.decided(), ["m holdout", "x replaced"]);
}

#[test]
fn offers_that_wait_go_on_waiting_where_no_other_is_taken() {
    let mut desk = night(vec![offer("x", MICRO), mail("m", 1)]);
    desk.book.actions[1].purpose = "marketing".into();
    desk.breach(0, "e1", 100);
    assert_eq!(desk.decided(), ["m consent"]);
    desk.wake(HOUR);
    assert_eq!(desk.decided(), ["x requested 0"]);
}

#[test]
fn what_waited_together_is_decided_together() {
    let mut desk = night(vec![offer("x", 1), offer("y", MICRO), action("reply", Class::Reply)]);
    desk.breach(0, "e1", 100).wake(HOUR);
    assert_eq!(desk.decided(), ["reply requested 0", "x lower_priority", "y requested 0"]);
}

#[test]
fn it_is_decided_again_with_what_is_known_then_from_consent_on() {
    let mut desk = night(vec![offer("x", MICRO)]);
    desk.breach(0, "e1", 100);
    desk.book.actions[0].when = cxwatch_rulebook::Cond::Not(Box::new(cxwatch_rulebook::Cond::True));
    crate::testing::know(&mut desk.profile, &desk.book, "time_zone", Value::Text("Etc/GMT+1".into()));
    // It is midnight now where the customer has moved.
    desk.wake(HOUR);
    assert_eq!(desk.decided(), Vec::<String>::new());
    assert_eq!(desk.decider.next(&desk.state), Some(2 * HOUR));
    crate::testing::know(&mut desk.profile, &desk.book, "consent.voice.service", Value::Bool(false));
    desk.wake(2 * HOUR);
    assert_eq!(desk.decided(), ["x consent"]);
}

#[test]
fn what_waits_ends_with_its_detection() {
    for (effect, reason) in
        [(Effect::Resolved as fn(Box<Ended>) -> Effect, "x resolved"), (Effect::Retracted, "x retracted")]
    {
        let mut desk = night(vec![offer("x", MICRO)]);
        desk.breach(0, "e1", 100).end(Level::Breach, "e1", 110, effect);
        assert_eq!(desk.decided(), [reason]);
        desk.pass(10 * HOUR);
        assert!(desk.decider.is_idle(&desk.state));
    }
}

#[test]
fn what_waits_ends_with_its_life_its_rule_and_its_breach() {
    let mut desk = night(vec![offer("x", MICRO)]);
    desk.book.actions[0].ttl_ms = 1_000;
    desk.breach(0, "e1", 100).wake(1_100);
    assert_eq!(desk.decided(), ["x expired"]);

    let mut desk = night(vec![offer("x", MICRO)]);
    desk.breach(0, "e1", 100);
    desk.act(200, |decider, moment, state| decider.rule_removed(moment, state, "r"));
    assert_eq!(desk.decided(), ["x not_eligible"]);

    let mut desk = night(vec![offer("x", MICRO)]);
    desk.detect(Level::Warning, "e1", 100).detect(Level::Breach, "e1", 200);
    assert_eq!(desk.decided(), ["x replaced"]);
    desk.wake(HOUR);
    assert_eq!(desk.decided(), ["x requested 0"]);
}

#[test]
fn a_retracted_warning_ends_only_what_waits_of_it() {
    let mut desk = night(vec![offer("x", MICRO)]);
    desk.detect(Level::Warning, "e1", 100).detect(Level::Breach, "e1", 200);
    desk.end(Level::Warning, "e1", 300, Effect::Retracted);
    assert_eq!(desk.decided(), ["x replaced"]);
    desk.end(Level::Breach, "e1", 300, Effect::Retracted);
    assert_eq!(desk.decided(), ["x retracted"]);
}
