//! Offers are alternatives, within a detection and for a customer.

use super::*;
use cxwatch_event::MICRO;
use cxwatch_event::messages::SuppressionReason;

#[test]
fn the_best_offer_is_taken_and_says_what_else_there_was() {
    let mut desk =
        Desktop::of(vec![offer("x", 500_000), offer("y", 900_000), offer("z", 900_000), offer("m", MICRO)]);
    desk.book.actions[3].purpose = "marketing".into();
    desk.breach(0, "e1", 100);
    let decisions = desk.taken();
    let Some(Decision::Action(request)) = decisions.last() else { panic!("{decisions:?}") };
    let why = request.why.as_ref().expect("a request says why");
    let losers: Vec<_> = why.alternatives.iter().map(|l| (l.action.as_str(), l.priority, l.reason)).collect();
    assert_eq!(
        losers,
        [
            ("z", Some(900_000), SuppressionReason::LowerPriority),
            ("x", Some(500_000), SuppressionReason::LowerPriority),
            ("m", None, SuppressionReason::Consent),
        ]
    );
    let reasons: Vec<_> = decisions
        .iter()
        .filter_map(|d| match d {
            Decision::Suppressed(s) => Some((s.action.as_str(), s.by_action, s.number)),
            Decision::Action(_) => None,
        })
        .collect();
    let by = Some(request.id);
    assert_eq!(reasons, [("m", None, 3), ("x", by, 0), ("z", by, 2)]);
}

#[test]
fn an_offer_of_another_name_does_not_take_the_place_of_one_of_the_same_problem() {
    let mut desk = Desktop::of(vec![offer("x", 500_000), offer("y", 900_000)]);
    desk.detect(Level::Warning, "e1", 80);
    desk.decided();
    desk.book.actions[0].propensity = MICRO;
    desk.detect(Level::Breach, "e1", 100);
    assert_eq!(desk.decided(), ["x lower_priority", "y updated 1 breached"]);
}

#[test]
fn a_newcomer_replaces_an_offer_that_nobody_has_accepted_where_it_is_a_quarter_better() {
    let mut desk = Desktop::two_rules();
    desk.book.actions[0].propensity = 800_000;
    desk.book.actions[1].propensity = 999_999;
    desk.breach(0, "e1", 100).breach(1, "e2", 110);
    assert_eq!(desk.decided(), ["a requested 0", "b lower_priority"]);
    desk.book.actions[1].propensity = MICRO;
    desk.breach(1, "e3", 120);
    let decisions = desk.taken();
    let [Decision::Action(revoked), Decision::Action(request)] = &decisions[..] else {
        panic!("{decisions:?}")
    };
    assert_eq!(revoked.change, Published::Revoked);
    assert_eq!(revoked.by_action, Some(request.id));
    assert_eq!(revoked.cause, Some(cxwatch_event::messages::CauseReason::Superseded));
    assert_eq!(request.change, Published::Requested);
}

#[test]
fn what_is_over_makes_room() {
    let mut desk = Desktop::two_rules();
    desk.breach(0, "e1", 100).resolve("e1", 110).breach(1, "e2", 120);
    assert_eq!(desk.decided(), ["a requested 0", "a revoked 1 resolved", "b requested 0"]);
}

#[test]
fn the_holdout_is_drawn_on_the_winner_and_nothing_takes_its_place() {
    let mut desk = Desktop::of(vec![offer("x", 500_000), offer("y", 900_000), action("reply", Class::Reply)]);
    desk.book.policy.holdout = MICRO;
    desk.book.rules[0].cooldown_ms = Some(1_000);
    desk.detect(Level::Warning, "e1", 80);
    assert_eq!(desk.decided(), ["reply requested 0", "x lower_priority", "y holdout"]);
    desk.detect(Level::Breach, "e1", 100);
    assert_eq!(desk.decided(), ["reply updated 1 breached", "x holdout", "y holdout"]);
    let tally = *desk.decider.tally().rules().next().expect("rule r").1;
    assert_eq!((tally.treated.episodes, tally.held_out.episodes), (1, 1));
    // Held out or not, it has won.
    desk.breach(0, "e2", 200);
    assert_eq!(desk.decided(), ["reply cooldown", "x cooldown", "y cooldown"]);
}

#[test]
fn what_was_held_out_is_remembered_as_long_as_the_action_would_have_been() {
    let mut desk = Desktop::of(vec![offer("a", 1_000_000)]);
    desk.book.policy.holdout = 1_000_000;
    desk.breach(0, "e1", 100).pass(1_000).breach(0, "e1", 1_000);
    assert_eq!(desk.decided(), ["a holdout", "a holdout"]);
    desk.book.policy.holdout = 0;
    // Found again, it would have lived until 2000; so it is remembered until 2500.
    desk.pass(2_400).breach(0, "e1", 2_400);
    assert_eq!(desk.decided(), ["a holdout"]);
}

#[test]
fn the_offer_that_a_held_out_winner_would_have_replaced_stays() {
    let mut desk = Desktop::two_rules();
    desk.book.actions[0].propensity = 500_000;
    desk.book.rules[1].treatment.holdout = Some(MICRO);
    desk.breach(0, "e1", 100).breach(1, "e2", 110);
    assert_eq!(desk.decided(), ["a requested 0", "b holdout"]);
    assert_eq!(desk.state.explain(&desk.book, 110).actions.len(), 1);
}

#[test]
fn the_chance_of_being_treated_is_logged() {
    let mut desk = Desktop::of(vec![offer("x", MICRO)]);
    desk.book.policy.holdout = 1;
    desk.breach(0, "e1", 100);
    let [Decision::Action(request)] = &desk.taken()[..] else { panic!("a request") };
    assert_eq!(request.why.as_ref().map(|why| why.chance), Some(MICRO - 1));
}

#[test]
fn a_rule_in_shadow_proposes_and_is_suppressed() {
    let mut desk = Desktop::of(vec![action("a", Class::Raise), offer("x", MICRO)]);
    desk.book.rules[0].treatment.shadow = true;
    desk.breach(0, "e1", 100);
    assert_eq!(desk.decided(), ["a shadow", "x shadow"]);
    assert!(desk.decider.is_idle(&desk.state));
}

#[test]
fn a_newcomer_has_to_displace_all_offers_where_there_are_several() {
    let mut desk = Desktop::of(vec![offer("a", 500_000), offer("b", 800_000), offer("c", 1_000_000)]);
    desk.book.rules = vec![rule("r", &[0]), rule("s", &[1]), rule("t", &[2])];
    // Retracted and found again in one step, `a` is as it was, though `b` has been asked for meanwhile.
    desk.breach(0, "e1", 100).retract("e1", 110).breach(1, "e2", 110).breach(0, "e1", 110);
    assert_eq!(desk.decided(), ["a requested 0", "b requested 0", "a updated 1 changed"]);
    desk.breach(2, "e3", 120);
    assert_eq!(desk.decided(), ["a revoked 2 superseded", "b revoked 1 superseded", "c requested 0"]);
    let mut desk = Desktop::of(vec![offer("a", 500_000), offer("b", 900_000), offer("c", 1_000_000)]);
    desk.book.rules = vec![rule("r", &[0]), rule("s", &[1]), rule("t", &[2])];
    desk.breach(0, "e1", 100).retract("e1", 110).breach(1, "e2", 110).breach(0, "e1", 110);
    desk.decided();
    desk.breach(2, "e3", 120);
    assert_eq!(desk.decided(), ["c lower_priority"]);
}

#[test]
fn nobody_stands_in_the_place_of_what_a_held_out_winner_beat() {
    for (holdout, expected) in [(MICRO, false), (0, true)] {
        let mut desk = Desktop::of(vec![offer("x", 500_000), offer("y", 900_000)]);
        desk.book.policy.holdout = holdout;
        desk.breach(0, "e1", 100);
        let decided = desk.taken();
        let Decision::Suppressed(loser) = &decided[0] else { panic!("{decided:?}") };
        assert_eq!((&*loser.action, loser.by_action.is_some()), ("x", expected));
    }
}
