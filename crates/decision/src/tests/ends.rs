//! What ends detections, and with them actions.

use super::*;
use crate::RuleTally;
use cxwatch_rulebook::{ActionField, Cond, Op};

#[test]
fn what_is_resolved_is_revoked_once_whatever_had_been_detected() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100);
    desk.end(Level::Warning, "e1", 120, Effect::Resolved).end(Level::Breach, "e1", 120, Effect::Resolved);
    assert_eq!(desk.decided(), ["a requested 0", "a updated 1 breached", "a revoked 2 resolved"]);
}

#[test]
fn a_retracted_breach_leaves_the_warning_standing() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100);
    desk.end(Level::Breach, "e1", 110, Effect::Retracted);
    assert_eq!(desk.decided(), ["a requested 0", "a updated 1 breached"]);
    desk.end(Level::Warning, "e1", 110, Effect::Retracted);
    assert_eq!(desk.decided(), ["a revoked 2 retracted"]);
}

#[test]
fn retracted_and_found_again_in_one_step_is_one_update_under_the_first_id() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100);
    let first = desk.taken();
    desk.retract("e1", 110).breach(0, "e0", 110);
    let then = desk.taken();
    let [Decision::Action(first)] = &first[..] else { panic!("{first:?}") };
    let [Decision::Action(then)] = &then[..] else { panic!("{then:?}") };
    assert_eq!((then.change, then.revision, then.id), (Published::Updated, 1, first.id));
    // From then on it is the action of that problem.
    desk.resolve("e0", 120);
    assert_eq!(desk.decided(), ["a revoked 2 resolved"]);
}

#[test]
fn found_again_in_one_step_everything_is_as_it_was() {
    let mut desk = Desktop::of(vec![offer("a", 1_000_000)]);
    desk.book.rules[0].cooldown_ms = Some(1_000);
    desk.breach(0, "e1", 100).retract("e1", 110).breach(0, "e1", 110).breach(0, "e2", 120);
    assert_eq!(desk.decided(), ["a requested 0", "a updated 1 changed", "a cooldown"]);
    let (_, tally) = desk.decider.tally().rules().next().expect("rule r");
    assert_eq!(tally.treated.episodes, 1);
}

#[test]
fn what_a_further_detection_proposes_again_in_that_step_is_as_it_was() {
    let mut desk = Desktop::of(vec![action("a", Class::Raise)]);
    desk.book.actions[0].when = Cond::Test(ActionField::Severity, Op::AtLeast(40_000_000));
    let found = |level, severity| Detection { level, severity, ..detection("e1", 0, 100) };
    desk.take(found(Level::Warning, 20), 100).take(found(Level::Breach, 40), 100);
    assert_eq!(desk.decided(), ["a not_eligible", "a requested 0"]);
    desk.end(Level::Warning, "e1", 110, Effect::Retracted).retract("e1", 110);
    desk.take(found(Level::Warning, 20), 110).take(found(Level::Breach, 60), 110);
    assert_eq!(desk.decided(), ["a not_eligible", "a updated 1 changed"]);
}

#[test]
fn what_the_wall_clock_stands_against_is_as_it_was_and_not_updated() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100);
    assert_eq!(desk.decided(), ["a requested 0"]);
    desk.decider.set_wall(WallClock::At(9_000));
    desk.retract("e1", 110).breach(0, "e1", 110);
    assert_eq!(desk.decided(), ["a expired"]);
    desk.resolve("e1", 120);
    assert_eq!(desk.decided(), ["a revoked 1 resolved"]);
}

#[test]
fn a_problem_remembered_by_itself_is_not_taken_for_the_one_retracted() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Warning, "e1", 100).detect(Level::Warning, "e2", 101);
    assert_eq!(desk.decided(), ["a requested 0", "a requested 0"]);
    desk.end(Level::Warning, "e1", 110, Effect::Retracted).detect(Level::Breach, "e2", 110);
    assert_eq!(desk.decided(), ["a revoked 1 retracted", "a updated 1 breached"]);
}

#[test]
fn of_two_retracted_in_one_step_the_own_one_is_found_again_or_else_the_last() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100).breach(0, "e2", 101);
    desk.decided();
    desk.retract("e1", 110).retract("e2", 110).breach(0, "e1", 110);
    assert_eq!(desk.decided(), ["a revoked 1 retracted", "a updated 1 changed"]);
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100).breach(0, "e2", 101);
    let second = desk.taken()[1].clone();
    desk.retract("e1", 110).retract("e2", 110).breach(0, "e3", 110);
    let decided = desk.taken();
    let (Decision::Action(second), Decision::Action(updated)) = (&second, &decided[1]) else {
        panic!("{decided:?}")
    };
    assert_eq!((updated.change, updated.id), (Published::Updated, second.id));
}

#[test]
fn what_the_new_detection_does_not_propose_stays_revoked() {
    let mut desk = Desktop::of(vec![action("a", Class::Raise), action("b", Class::Raise)]);
    desk.breach(0, "e1", 100);
    assert_eq!(desk.decided(), ["a requested 0", "b requested 0"]);
    desk.book.actions[0].when = Cond::Not(Box::new(Cond::True));
    desk.retract("e1", 110).breach(0, "e1", 110);
    assert_eq!(desk.decided(), ["a revoked 1 retracted", "b updated 1 changed", "a not_eligible"]);
}

#[test]
fn found_again_later_continues_the_revisions() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100).retract("e1", 110);
    assert_eq!(desk.decided(), ["a requested 0", "a revoked 1 retracted"]);
    desk.breach(0, "e1", 110);
    assert_eq!(desk.decided(), ["a requested 2"]);
}

#[test]
fn after_expiry_and_after_resolution_the_stages_decide_again_without_a_cool_down() {
    let mut desk = Desktop::calm();
    desk.book.rules[0].cooldown_ms = Some(10_000);
    desk.breach(0, "e1", 100).resolve("e1", 110).breach(0, "e1", 120).pass(1_200).breach(0, "e1", 1_300);
    assert_eq!(
        desk.decided(),
        ["a requested 0", "a revoked 1 resolved", "a requested 2", "a expired 3 expired", "a requested 4"]
    );
}

#[test]
fn a_retracted_detection_takes_its_cooldown_along_and_a_resolved_one_does_not() {
    for (ends, expected) in
        [(Effect::Retracted as fn(Box<Ended>) -> Effect, "a requested 0"), (Effect::Resolved, "a cooldown")]
    {
        let mut desk = Desktop::calm();
        desk.book.rules[0].cooldown_ms = Some(1_000);
        desk.breach(0, "e1", 100).end(Level::Breach, "e1", 110, ends);
        desk.decided();
        desk.breach(0, "e2", 200);
        assert_eq!(desk.decided(), [expected]);
    }
}

#[test]
fn a_retraction_takes_back_every_cool_down_that_the_episode_began() {
    let mut desk = Desktop::calm();
    desk.book.rules[0].cooldown_ms = Some(1_000);
    // Found a second time, it began none; that of the first time is the episode's all the same.
    desk.breach(0, "e1", 100).breach(0, "e1", 120).retract("e1", 130);
    desk.decided();
    desk.breach(0, "e2", 200);
    assert_eq!(desk.decided(), ["a requested 0"]);
}

#[test]
fn a_warning_is_remembered_until_its_deadline_whatever_became_of_it() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100).retract("e1", 110);
    let first = desk.taken();
    desk.decider.set_paused(None, true);
    // Its deadline is far away.
    let warning = Detection {
        level: Level::Warning,
        deadline: 9_000,
        about: crate::testing::about("e2"),
        ..detection("e1", 0, 110)
    };
    desk.breach(0, "e1", 110).retract("e1", 110).take(warning, 110);
    assert_eq!(desk.decided(), ["a paused", "a paused"]);
    desk.decider.set_paused(None, false);
    desk.pass(8_000).breach(0, "e2", 9_000);
    let decided = desk.taken();
    let (Decision::Action(first), [Decision::Action(now)]) = (&first[0], &decided[..]) else {
        panic!("{decided:?}")
    };
    assert_eq!(now.id, first.id, "it is still the episode that was about e1 first");
}

#[test]
fn a_retracted_episode_is_not_counted_and_found_again_it_is_a_new_one() {
    let mut desk = Desktop::calm();
    let tally = |desk: &Desktop| *desk.decider.tally().rules().next().expect("rule r").1;
    desk.breach(0, "e1", 100);
    assert_eq!(tally(&desk).treated.episodes, 1);
    desk.retract("e1", 110);
    desk.decided();
    let expected = RuleTally { candidates: 1, actions: 1, ..RuleTally::default() };
    assert_eq!(tally(&desk), expected);
    desk.breach(0, "e1", 120);
    assert_eq!(tally(&desk).treated.episodes, 1);
}

#[test]
fn a_removed_rule_revokes_what_it_asked_for() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100);
    desk.act(120, |decider, moment, state| decider.rule_removed(moment, state, "r"));
    assert_eq!(desk.decided(), ["a requested 0", "a revoked 1 ruleremoved"]);
    desk.pass(10_000);
    assert!(desk.decider.is_idle(&desk.state));
}

#[test]
fn what_nobody_accepts_in_time_is_said_once_more_with_more_weight() {
    let mut desk = Desktop::calm();
    desk.book.actions[0].accept_within_ms = Some(200);
    desk.breach(0, "e1", 100);
    desk.taken();
    assert_eq!(desk.decider.next(&desk.state), Some(300));
    desk.wake(300);
    let [Decision::Action(update)] = &desk.taken()[..] else { panic!("an update") };
    assert_eq!((update.change, update.revision), (Published::Updated, 1));
    assert_eq!(update.cause, Some(cxwatch_event::messages::CauseReason::NotAccepted));
    assert_eq!(update.priority, 600);
    desk.pass(1_100);
    assert_eq!(desk.decided(), ["a expired 2 expired"]);
}
