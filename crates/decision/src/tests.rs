//! The life of an action, as sentences.

use crate::{Change, CustomerState, Decider, Decision, WallClock};
use cxwatch_engine::{Clock, Desk, Detection, Effect, Ended, EventRef, Measures, Moment};
use cxwatch_event::messages::SuppressionReason;
use cxwatch_event::{Catalogue, Interest, MICRO};
use cxwatch_rulebook::{
    Action, Class, Cond, FeedSet, Kind, Level, Policy, Rule, RuleIx, Rulebook, Severity, Treatment,
};
use std::sync::Arc;

fn book(class: Class, cooldown_ms: Option<i64>) -> Rulebook {
    let rule = Rule {
        id: "late-call".into(),
        rank: 0,
        kind: Kind::Match,
        per: true,
        needs: FeedSet(1),
        concludes_from_absence: false,
        calendar: None,
        reach_ms: 0,
        guards: vec![],
        measures: vec![],
        when: Cond::True,
        severity: Severity { cases: vec![] },
        summary: vec![],
        actions: vec![0],
        cooldown_ms,
        treatment: Treatment::default(),
        fingerprint: 1,
    };
    let action = Action {
        id: "raise".into(),
        class,
        by: "person".into(),
        purpose: "service".into(),
        channel: "voice".into(),
        queue: "first".into(),
        skills: vec![],
        hours: None,
        ttl_ms: 1_000,
        accept_within_ms: None,
        when: Cond::True,
        value: vec![],
        context: vec![],
        propensity: MICRO,
        lever: MICRO,
        exempt: false,
    };
    Rulebook {
        name: "test".into(),
        version: 1,
        hash: [0; 16],
        catalogue: Arc::new(Catalogue::of([])),
        feeds: vec!["a".into()],
        feed_of_type: vec![],
        calendars: vec![],
        rules: vec![rule],
        actions: vec![action],
        policy: Policy::default(),
        profile: None,
        desk_uses: vec![],
        interest: Interest::default(),
        by_type: vec![],
        by_detection: vec![[vec![], vec![]]],
    }
}

fn moment(book: &Rulebook, instant: i64) -> Moment<'_> {
    Moment { book, customer: "c1", profile: &cxwatch_event::UNKNOWN, instant }
}

struct Desktop {
    book: Rulebook,
    decider: Decider,
    state: CustomerState,
}

impl Desktop {
    fn new(class: Class, cooldown_ms: Option<i64>, act_from: i64, wall: WallClock) -> Self {
        Desktop {
            book: book(class, cooldown_ms),
            decider: Decider::new(act_from, 500, wall),
            state: CustomerState::default(),
        }
    }

    fn calm() -> Self {
        Desktop::new(Class::Raise, None, 0, WallClock::None)
    }

    fn about(id: &str) -> EventRef {
        EventRef { feed: 0, kind: Some(0), sub: 0, offset: 7, time: 1, id: id.into(), source: "/s".into() }
    }

    fn detect(&mut self, level: Level, about: &str, time: i64) -> &mut Self {
        let detection = Detection {
            id: 1,
            rule: RuleIx(0),
            level,
            customer: "c1".into(),
            key: "k".into(),
            time,
            about: Self::about(about),
            deadline: time,
            evidence: vec![],
            events: 1,
            measures: Measures::new(),
            severity: 50,
            clock: Clock { instant: time, watermark: time, feeds: Default::default() },
        };
        let effect = Effect::Detected(Box::new(detection));
        self.decider.take(&moment(&self.book, time), &mut self.state, &effect);
        self
    }

    fn end(&mut self, level: Level, about: &str, at: i64, effect: fn(Box<Ended>) -> Effect) -> &mut Self {
        let ended = Ended {
            id: 1,
            rule: RuleIx(0),
            level,
            customer: "c1".into(),
            key: "k".into(),
            time: 0,
            about: Self::about(about),
            by: None,
        };
        self.decider.take(&moment(&self.book, at), &mut self.state, &effect(Box::new(ended)));
        self
    }

    fn wake(&mut self, at: i64) -> &mut Self {
        self.decider.wake(&moment(&self.book, at), &mut self.state);
        self
    }

    /// Ends the step, and takes what has been decided.
    fn taken(&mut self) -> Vec<Decision> {
        self.decider.settled();
        self.decider.take_decisions()
    }

    /// `what revision`, in order; a suppression by its reason.
    fn decided(&mut self) -> Vec<String> {
        let decisions = self.taken();
        let text = |d: &Decision| match d {
            Decision::Action(a) => format!("{:?} {}", a.change, a.revision),
            Decision::Suppressed(s) => s.reason.name().to_string(),
        };
        decisions.iter().map(text).collect()
    }
}

#[test]
fn a_warning_and_its_breach_are_one_action_with_two_revisions() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100);
    assert_eq!(desk.decided(), ["Requested 0", "Updated 1"]);
}

#[test]
fn what_is_resolved_is_revoked_once_whatever_had_been_detected() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100);
    desk.end(Level::Warning, "e1", 120, Effect::Resolved).end(Level::Breach, "e1", 120, Effect::Resolved);
    assert_eq!(desk.decided(), ["Requested 0", "Updated 1", "RevokedResolved 2"]);
}

#[test]
fn a_retracted_breach_leaves_the_warning_standing() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100);
    desk.end(Level::Breach, "e1", 110, Effect::Retracted);
    assert_eq!(desk.decided(), ["Requested 0", "Updated 1"]);
    desk.end(Level::Warning, "e1", 110, Effect::Retracted);
    assert_eq!(desk.decided(), ["RevokedRetracted 2"]);
}

#[test]
fn retracted_and_found_again_in_one_step_is_one_update_under_the_first_id() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Breach, "e1", 100);
    let first = desk.taken();
    desk.end(Level::Breach, "e1", 110, Effect::Retracted).detect(Level::Breach, "e0", 110);
    let then = desk.taken();
    let [Decision::Action(first)] = &first[..] else { panic!("{first:?}") };
    let [Decision::Action(then)] = &then[..] else { panic!("{then:?}") };
    assert_eq!((then.change, then.revision, then.id), (Change::Updated, 1, first.id));
}

#[test]
fn found_again_later_continues_the_revisions() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Breach, "e1", 100).end(Level::Breach, "e1", 110, Effect::Retracted);
    assert_eq!(desk.decided(), ["Requested 0", "RevokedRetracted 1"]);
    desk.detect(Level::Breach, "e1", 110);
    assert_eq!(desk.decided(), ["Requested 2"]);
}

#[test]
fn nobody_acts_after_the_life_is_over() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Breach, "e1", 100);
    assert_eq!(desk.decider.next(&desk.state), Some(1_100));
    desk.wake(1_100).end(Level::Breach, "e1", 1_200, Effect::Resolved);
    assert_eq!(desk.decided(), ["Requested 0", "Expired 1"]);
    assert_eq!(desk.decider.next(&desk.state), Some(1_600));
    desk.wake(1_600);
    assert!(desk.decider.is_idle(&desk.state));
}

#[test]
fn a_cooldown_keeps_the_next_problem_of_the_key_away_but_not_the_same_one() {
    let mut desk = Desktop::new(Class::Raise, Some(1_000), 0, WallClock::None);
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100).detect(Level::Breach, "e2", 200);
    desk.detect(Level::Breach, "e3", 1_100);
    assert_eq!(desk.decided(), ["Requested 0", "Updated 1", "cooldown", "Requested 0"]);
}

#[test]
fn a_retracted_detection_takes_its_cooldown_along() {
    let mut desk = Desktop::new(Class::Raise, Some(1_000), 0, WallClock::None);
    desk.detect(Level::Breach, "e1", 100).end(Level::Breach, "e1", 110, Effect::Retracted);
    assert_eq!(desk.decided(), ["Requested 0", "RevokedRetracted 1"]);
    desk.detect(Level::Breach, "e2", 200);
    assert_eq!(desk.decided(), ["Requested 0"]);
}

#[test]
fn history_warms_up_and_what_is_too_old_for_the_wall_clock_is_not_sent() {
    let mut desk = Desktop::new(Class::Raise, None, 50, WallClock::At(1_101));
    desk.detect(Level::Breach, "e1", 100).detect(Level::Breach, "e2", 49).detect(Level::Breach, "e3", 101);
    assert_eq!(desk.decided(), ["expired", "expired", "Requested 0"]);
    let expired = desk.decider.take_expired();
    assert_eq!(expired, [0, 1]);

    let recorded = WallClock::Recorded(expired.into_iter().collect());
    let mut again = Desktop::new(Class::Raise, None, 50, recorded);
    again.detect(Level::Breach, "e1", 100).detect(Level::Breach, "e2", 49).detect(Level::Breach, "e3", 101);
    assert_eq!(again.decided(), ["expired", "expired", "Requested 0"]);
    assert_eq!(again.decider.digest(), desk.decider.digest());
    let mut young = Desktop::new(Class::Raise, None, 50, WallClock::None);
    young.detect(Level::Breach, "e2", 49);
    assert_eq!(young.decided(), [SuppressionReason::WarmingUp.name()]);
}

#[test]
fn a_removed_rule_revokes_what_it_asked_for() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Breach, "e1", 100);
    desk.decider.rule_removed(&moment(&desk.book, 120), &mut desk.state, "late-call");
    assert_eq!(desk.decided(), ["Requested 0", "RevokedRuleRemoved 1"]);
    assert!(desk.decider.is_idle(&desk.state));
}

#[test]
fn ids_can_be_computed_again_anywhere() {
    // printf 'test\0late-call\0c1\0/s\0e1\0' '0\0raise\0' | sha256sum, the first half
    let mut desk = Desktop::calm();
    desk.detect(Level::Breach, "e1", 100);
    let [Decision::Action(action)] = &desk.taken()[..] else { panic!("one action") };
    assert_eq!(action.id.to_string(), "c3fd05562fab17ae70b1c016690562f2");
    let mut offer = Desktop::new(Class::Offer, None, 0, WallClock::None);
    offer.detect(Level::Breach, "e1", 100);
    let [Decision::Action(action)] = &offer.taken()[..] else { panic!("one action") };
    assert_eq!(action.id.to_string(), "8fdfed6e6652c4bcf95a5c6d3229a11d");
}
