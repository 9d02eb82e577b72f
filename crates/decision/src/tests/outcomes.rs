//! What comes back.

use super::*;
use crate::ActionId;
use cxwatch_engine::Received;
use cxwatch_event::{Event, FieldIx, FieldValue, MICRO, TypeId, Value};
use cxwatch_rulebook::{Cap, Cond, DeskUse, FeedIx, FieldRef, Outcome};

const DONE: TypeId = TypeId(1);

fn event(time: i64, field: u8, text: &str) -> Event {
    Event {
        kind: DONE,
        time,
        sub: 0,
        customer: "c1".into(),
        id: "o".into(),
        source: "/s".into(),
        fields: vec![FieldValue { field: FieldIx(field), value: Value::Text(text.into()) }],
    }
}

impl Desktop {
    fn saw(&mut self, event: &Event) {
        let received = Received { event, feed: FeedIx(0), offset: 0 };
        self.act(event.time, |decider, moment, state| decider.saw(moment, state, received));
    }

    fn told(&mut self, id: ActionId, outcome: Outcome, time: i64) -> &mut Self {
        self.book.desk_uses = vec![None, Some(DeskUse::Outcome { outcome, action_id: FieldIx(0) })];
        self.saw(&event(time, 0, &id.to_string()));
        self
    }

    fn contacted(&mut self, channel: &str, time: i64) -> &mut Self {
        let channel_of = FieldRef::Data(FieldIx(1));
        self.book.desk_uses = vec![None, Some(DeskUse::Contact { when: Cond::True, channel: channel_of })];
        self.saw(&event(time, 1, channel));
        self
    }

    fn success(&mut self, key: Option<&str>, time: i64) -> &mut Self {
        let mut at = crate::testing::about("s");
        at.time = time;
        self.act(time, |decider, moment, state| decider.succeeded(moment, state, RuleIx(0), key, &at));
        self
    }

    /// The id of the only action.
    fn only(&self) -> ActionId {
        self.state.explain(&self.book, 0).actions[0].id
    }

    fn saved(&self) -> (u64, u64) {
        let tally = self.decider.tally().rules().next().expect("rule r").1;
        (tally.treated.saved, tally.held_out.saved)
    }
}

fn capped() -> Desktop {
    let mut desk = Desktop::two_rules();
    desk.book.policy.caps = vec![Cap { channel: None, by: None, at_most: 1, within_ms: 5_000 }];
    desk
}

#[test]
fn what_the_router_says_is_not_told_to_it_again() {
    for outcome in [Outcome::Accepted, Outcome::Contacted, Outcome::Declined, Outcome::Saved] {
        let mut desk = Desktop::calm();
        desk.breach(0, "e1", 100);
        desk.decided();
        let id = desk.only();
        desk.told(id, outcome, 200);
        assert_eq!(desk.decided(), Vec::<String>::new(), "{outcome:?}");
    }
}

#[test]
fn after_contact_nothing_is_revoked_and_what_is_learned_is_an_update() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100);
    let id = desk.only();
    desk.told(id, Outcome::Contacted, 200).resolve("e1", 300).resolve("e1", 310);
    assert_eq!(desk.decided(), ["a requested 0", "a updated 1 resolved"]);
    desk.retract("e1", 400);
    assert_eq!(desk.decided(), ["a updated 2 retracted"]);
    // Neither a removed rule nor the end of its life is told.
    desk.act(450, |decider, moment, state| decider.rule_removed(moment, state, "r"));
    desk.wake(1_100).breach(0, "e1", 1_200);
    assert_eq!(desk.decided(), ["a cooldown"]);
}

#[test]
fn what_was_declined_or_rejected_stays_so_and_keeps_its_name_away_for_a_while() {
    for outcome in [Outcome::Declined, Outcome::Rejected] {
        let mut desk = Desktop::calm();
        desk.book.policy.declined_for_ms = 1_000;
        desk.breach(0, "e1", 100);
        let id = desk.only();
        desk.told(id, outcome, 200).breach(0, "e1", 300).breach(0, "e2", 1_199).breach(0, "e3", 1_200);
        assert_eq!(desk.decided(), ["a requested 0", "a declined", "a declined", "a requested 0"]);
    }
}

#[test]
fn what_is_over_by_another_outcome_is_not_asked_for_again() {
    for outcome in [Outcome::Saved, Outcome::Failed, Outcome::Unreachable] {
        let mut desk = Desktop::calm();
        desk.breach(0, "e1", 100);
        let id = desk.only();
        desk.told(id, outcome, 200).breach(0, "e1", 300);
        assert_eq!(desk.decided(), ["a requested 0", "a cooldown"], "{outcome:?}");
    }
}

#[test]
fn what_is_accepted_in_time_is_not_said_again() {
    let mut desk = Desktop::calm();
    desk.book.actions[0].accept_within_ms = Some(200);
    desk.breach(0, "e1", 100);
    let id = desk.only();
    desk.told(id, Outcome::Accepted, 299).pass(1_000);
    assert_eq!(desk.decided(), ["a requested 0"]);
}

#[test]
fn an_accepted_offer_is_not_replaced() {
    let mut desk = Desktop::two_rules();
    desk.book.actions[0].propensity = 1;
    desk.breach(0, "e1", 100);
    let id = desk.only();
    desk.told(id, Outcome::Accepted, 110).breach(1, "e2", 120);
    assert_eq!(desk.decided(), ["a requested 0", "b lower_priority"]);
}

#[test]
fn a_contact_is_reserved_spent_and_given_back() {
    let mut desk = capped();
    desk.breach(0, "e1", 100);
    let id = desk.only();
    desk.told(id, Outcome::Accepted, 110).breach(1, "e2", 120);
    assert_eq!(desk.decided(), ["a requested 0", "b contact_policy"]);
    desk.resolve("e1", 130).breach(1, "e3", 140);
    assert_eq!(desk.decided(), ["a revoked 1 resolved", "b requested 0"]);

    let mut desk = capped();
    desk.breach(0, "e1", 100);
    let id = desk.only();
    desk.told(id, Outcome::Contacted, 110).told(id, Outcome::Saved, 120).breach(1, "e2", 5_109);
    assert_eq!(desk.decided(), ["a requested 0", "b contact_policy"]);
    assert_eq!(desk.state.explain(&desk.book, 120).contacts.len(), 1);
    desk.breach(1, "e3", 5_110);
    assert_eq!(desk.decided(), ["b requested 0"]);
}

#[test]
fn a_contact_that_has_taken_place_is_counted_whatever_the_state_and_once() {
    for outcome in [Outcome::Contacted, Outcome::Saved, Outcome::Failed, Outcome::Rejected] {
        let mut desk = capped();
        desk.breach(0, "e1", 100).resolve("e1", 110);
        let id = desk.only();
        desk.told(id, outcome, 120).told(id, outcome, 130);
        assert_eq!(desk.state.explain(&desk.book, 130).contacts.len(), 1, "{outcome:?}");
    }
    for outcome in [Outcome::Accepted, Outcome::Declined, Outcome::Unreachable] {
        let mut desk = capped();
        desk.breach(0, "e1", 100);
        let id = desk.only();
        desk.told(id, outcome, 120);
        assert_eq!(desk.state.explain(&desk.book, 130).contacts.len(), 0, "{outcome:?}");
    }
}

#[test]
fn contacts_that_feeds_show_count() {
    let mut desk = capped();
    desk.contacted("email", 100).breach(0, "e1", 200);
    assert_eq!(desk.decided(), ["a contact_policy"]);
    desk.pass(5_100);
    assert!(desk.decider.is_idle(&desk.state));
}

#[test]
fn an_outcome_of_an_unknown_action_changes_nothing_and_is_counted() {
    let mut desk = Desktop::calm();
    desk.told(ActionId([7; 16]), Outcome::Saved, 100);
    assert_eq!(desk.decider.unknown_actions(), 1);
    assert!(desk.decider.is_idle(&desk.state));
}

#[test]
fn saved_by_the_routers_word_is_counted_once_also_after_revocation() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100).resolve("e1", 110);
    let id = desk.only();
    desk.told(id, Outcome::Saved, 120).told(id, Outcome::Saved, 130);
    assert_eq!(desk.saved(), (1, 0));
}

#[test]
fn saved_is_what_succeeds_in_time_in_both_arms() {
    for (holdout, expected) in [(0, (1, 0)), (MICRO, (0, 1))] {
        let mut desk = Desktop::of(vec![offer("x", MICRO)]);
        desk.book.policy.holdout = holdout;
        desk.book.rules[0].treatment.success_within_ms = Some(2_000);
        desk.breach(0, "e1", 100).success(Some("k"), 100).success(Some("l"), 200);
        assert_eq!(desk.saved(), (0, 0));
        desk.pass(1_900).success(None, 2_100).success(Some("k"), 2_100);
        assert_eq!(desk.saved(), expected);
    }
    let mut desk = Desktop::calm();
    desk.book.rules[0].treatment.success_within_ms = Some(2_000);
    desk.breach(0, "e1", 100).success(Some("k"), 2_101);
    assert_eq!(desk.saved(), (0, 0));
}

#[test]
fn what_the_router_says_between_retraction_and_finding_again_stands() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100);
    let id = desk.only();
    desk.told(id, Outcome::Contacted, 105);
    assert_eq!(desk.decided(), ["a requested 0"]);
    desk.retract("e1", 110).told(id, Outcome::Failed, 110).breach(0, "e1", 110);
    assert_eq!(desk.decided(), ["a updated 1 retracted", "a cooldown"]);
}

#[test]
fn what_is_contacted_and_found_again_later_counts_again_with_a_cool_down() {
    let mut desk = Desktop::calm();
    desk.book.rules[0].cooldown_ms = Some(1_000);
    desk.breach(0, "e1", 100);
    let id = desk.only();
    desk.told(id, Outcome::Contacted, 105);
    desk.retract("e1", 110);
    assert_eq!(desk.decided(), ["a requested 0", "a updated 1 retracted"]);
    let treated = |desk: &Desktop| desk.decider.tally().rules().next().expect("rule r").1.treated.episodes;
    assert_eq!(treated(&desk), 0);
    desk.breach(0, "e1", 120).breach(0, "e2", 130);
    assert_eq!(desk.decided(), ["a updated 2 changed", "a cooldown"]);
    assert_eq!(treated(&desk), 1);
}

#[test]
fn of_an_episode_that_is_forgotten_nothing_is_saved_retracted_or_resolved() {
    let mut desk = Desktop::calm();
    desk.book.rules[0].treatment.success_within_ms = Some(50);
    desk.breach(0, "e1", 100).pass(1_600);
    assert_eq!(desk.decided(), ["a requested 0", "a expired 1 expired"]);
    desk.success(None, 140);
    desk.retract("e1", 1_700).resolve("e1", 1_700);
    assert_eq!(desk.decided(), [""; 0]);
    let tally = *desk.decider.tally().rules().next().expect("rule r").1;
    assert_eq!((tally.treated.episodes, tally.treated.saved), (1, 0));
}
