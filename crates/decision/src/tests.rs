//! `docs/decisions.md`, as sentences.

mod alternatives;
mod ends;
mod outcomes;
mod waiting;
mod words;

use crate::testing::{action, book, detection, rule};
use crate::{CustomerState, Decider, DeciderSettings, Decision, Published, WallClock};
use cxwatch_engine::{Desk, Detection, Effect, Ended, Moment};
use cxwatch_event::{Micro, Profile};
use cxwatch_rulebook::{Action, Class, Level, RuleIx, Rulebook};

/// One customer's desk.
struct Desktop {
    book: Rulebook,
    decider: Decider,
    state: CustomerState,
    profile: Profile,
}

fn settings(act_from: i64, wall: WallClock) -> DeciderSettings {
    DeciderSettings { act_from, remember_ms: 500, partitions: 1, wall }
}

impl Desktop {
    /// Rule `r` proposes all of these.
    fn of(actions: Vec<Action>) -> Self {
        let all: Vec<u16> = (0..actions.len() as u16).collect();
        let book = book(actions, vec![rule("r", &all)]);
        Desktop {
            book,
            decider: Decider::new(settings(0, WallClock::None)),
            state: CustomerState::default(),
            profile: Profile::default(),
        }
    }

    /// Rule `r` proposes `a`, which is no offer.
    fn calm() -> Self {
        Desktop::of(vec![action("a", Class::Raise)])
    }

    /// Rules `r` and `s` propose the offers `a` and `b`.
    fn two_rules() -> Self {
        let mut desk = Desktop::of(vec![offer("a", 1_000_000), offer("b", 1_000_000)]);
        desk.book.rules = vec![rule("r", &[0]), rule("s", &[1])];
        desk
    }

    fn act<R>(
        &mut self,
        at: i64,
        step: impl FnOnce(&mut Decider, &Moment<'_>, &mut CustomerState) -> R,
    ) -> R {
        let moment = Moment { book: &self.book, customer: "c1", profile: &self.profile, instant: at };
        step(&mut self.decider, &moment, &mut self.state)
    }

    fn take(&mut self, detection: Detection, at: i64) -> &mut Self {
        let effect = Effect::Detected(Box::new(detection));
        self.act(at, |decider, moment, state| decider.take(moment, state, &effect));
        self
    }

    fn detect(&mut self, level: Level, about: &str, time: i64) -> &mut Self {
        self.take(Detection { level, ..detection(about, 0, time) }, time)
    }

    /// A breach of the rule with that number.
    fn breach(&mut self, rule: u16, about: &str, time: i64) -> &mut Self {
        self.take(detection(about, rule, time), time)
    }

    fn end(&mut self, level: Level, about: &str, at: i64, effect: fn(Box<Ended>) -> Effect) -> &mut Self {
        let about = crate::testing::about(about);
        let ended = Ended {
            id: 1,
            rule: RuleIx(0),
            level,
            customer: "c1".into(),
            key: "k".into(),
            time: 0,
            about,
            by: None,
        };
        let effect = effect(Box::new(ended));
        self.act(at, |decider, moment, state| decider.take(moment, state, &effect));
        self
    }

    fn retract(&mut self, about: &str, at: i64) -> &mut Self {
        self.end(Level::Breach, about, at, Effect::Retracted)
    }

    fn resolve(&mut self, about: &str, at: i64) -> &mut Self {
        self.end(Level::Breach, about, at, Effect::Resolved)
    }

    fn wake(&mut self, at: i64) -> &mut Self {
        self.act(at, |decider, moment, state| decider.wake(moment, state));
        self
    }

    /// Wakes it whenever it wants, up to an instant.
    fn pass(&mut self, until: i64) -> &mut Self {
        while let Some(at) = self.decider.next(&self.state).filter(|at| *at <= until) {
            self.wake(at);
            assert!(self.decider.next(&self.state) > Some(at) || self.decider.next(&self.state).is_none());
        }
        self
    }

    /// Ends the step, and takes what has been decided. The books balance.
    fn taken(&mut self) -> Vec<Decision> {
        self.decider.settled();
        assert!(self.decider.tally().balances(), "{:?}", self.decider.tally());
        self.decider.take_decisions()
    }

    /// `action what revision (cause)`, or `action reason`, in order.
    fn decided(&mut self) -> Vec<String> {
        let text = |d: &Decision| match d {
            Decision::Action(a) => {
                let what = match a.change {
                    Published::Requested => "requested",
                    Published::Updated => "updated",
                    Published::Revoked => "revoked",
                    Published::Expired => "expired",
                };
                let cause = a.cause.map(|cause| format!(" {cause:?}").to_lowercase()).unwrap_or_default();
                format!("{} {what} {}{cause}", a.action, a.revision)
            }
            Decision::Suppressed(s) => format!("{} {}", s.action, s.reason.name()),
        };
        self.taken().iter().map(text).collect()
    }
}

fn offer(id: &str, propensity: Micro) -> Action {
    Action { propensity, ..action(id, Class::Offer) }
}

#[test]
fn a_warning_and_its_breach_are_one_action_with_two_revisions() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100);
    assert_eq!(desk.decided(), ["a requested 0", "a updated 1 breached"]);
}

#[test]
fn every_action_of_the_rule_is_proposed_what_is_no_offer_first() {
    let mut desk = Desktop::of(vec![
        offer("x", 1),
        action("reply", Class::Reply),
        action("task", Class::Internal),
        offer("y", 1_000_000),
    ]);
    desk.breach(0, "e1", 100);
    assert_eq!(
        desk.decided(),
        ["reply requested 0", "task requested 0", "x lower_priority", "y requested 0"]
    );
}

#[test]
fn a_later_detection_moves_the_end_of_life_to_the_later_of_the_two() {
    let mut desk = Desktop::calm();
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100);
    let [_, Decision::Action(update)] = &desk.taken()[..] else { panic!("a request and an update") };
    assert_eq!(update.expires, 1_100);
}

#[test]
fn nobody_acts_after_the_life_is_over() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100);
    assert_eq!(desk.decider.next(&desk.state), Some(1_100));
    desk.wake(1_100).resolve("e1", 1_200);
    assert_eq!(desk.decided(), ["a requested 0", "a expired 1 expired"]);
    assert_eq!(desk.decider.next(&desk.state), Some(1_600));
    desk.wake(1_600);
    assert!(desk.decider.is_idle(&desk.state));
}

#[test]
fn a_cooldown_keeps_the_next_problem_of_the_key_away_but_not_the_same_one() {
    let mut desk = Desktop::calm();
    desk.book.rules[0].cooldown_ms = Some(1_000);
    desk.detect(Level::Warning, "e1", 80).detect(Level::Breach, "e1", 100).breach(0, "e2", 200);
    desk.breach(0, "e3", 1_080);
    assert_eq!(desk.decided(), ["a requested 0", "a updated 1 breached", "a cooldown", "a requested 0"]);
}

#[test]
fn a_cooldown_is_of_a_rule_and_a_key() {
    let mut desk = Desktop::of(vec![action("a", Class::Raise)]);
    desk.book.rules = vec![rule("r", &[0]), rule("s", &[0])];
    desk.book.rules.iter_mut().for_each(|r| r.cooldown_ms = Some(1_000));
    desk.breach(0, "e1", 100).breach(1, "e2", 110);
    desk.take(Detection { key: "l".into(), ..detection("e3", 0, 120) }, 120);
    assert_eq!(desk.decided(), ["a requested 0", "a requested 0", "a requested 0"]);
}

#[test]
fn history_warms_up_and_what_is_too_old_for_the_wall_clock_is_not_sent() {
    let start = |wall| {
        let mut desk = Desktop::calm();
        desk.decider = Decider::new(settings(50, wall));
        desk
    };
    let mut desk = start(WallClock::At(1_101));
    desk.breach(0, "e1", 100).breach(0, "e2", 49).breach(0, "e3", 101);
    assert_eq!(desk.decided(), ["a expired", "a expired", "a requested 0"]);
    let expired = desk.decider.take_expired();
    assert_eq!(expired, [0, 1]);

    let mut again = start(WallClock::Recorded(expired.into_iter().collect()));
    again.breach(0, "e1", 100).breach(0, "e2", 49).breach(0, "e3", 101);
    assert_eq!(again.decided(), ["a expired", "a expired", "a requested 0"]);
    assert_eq!(again.decider.digest(), desk.decider.digest());
    let mut young = start(WallClock::None);
    young.breach(0, "e2", 49);
    assert_eq!(young.decided(), ["a warming_up"]);
}

#[test]
fn ids_can_be_computed_again_anywhere() {
    // printf 'test\0late-call\0c1\0/s\0e1\0' '0\0raise\0' | sha256sum, the first half
    let id = |class| {
        let mut desk = Desktop::of(vec![action("raise", class)]);
        desk.book.rules[0].id = "late-call".into();
        desk.breach(0, "e1", 100);
        let [Decision::Action(action)] = &desk.taken()[..] else { panic!("one action") };
        assert_eq!(crate::ActionId::parse(&action.id.to_string()), Some(action.id));
        action.id.to_string()
    };
    assert_eq!(id(Class::Raise), "c3fd05562fab17ae70b1c016690562f2");
    assert_eq!(id(Class::Offer), "8fdfed6e6652c4bcf95a5c6d3229a11d");
}

#[test]
fn a_pause_stops_requests_of_a_rule_or_of_all_and_nothing_else() {
    let mut desk = Desktop::calm();
    desk.breach(0, "e1", 100);
    desk.decider.set_paused(Some("r"), true);
    desk.breach(0, "e2", 110).detect(Level::Breach, "e1", 110).resolve("e1", 120);
    assert_eq!(desk.decided(), ["a requested 0", "a paused", "a updated 1 changed", "a revoked 2 resolved"]);
    desk.decider.set_paused(Some("r"), false);
    desk.decider.set_paused(None, true);
    desk.breach(0, "e3", 130);
    desk.decider.set_paused(None, false);
    desk.breach(0, "e4", 140);
    assert_eq!(desk.decided(), ["a paused", "a requested 0"]);
}

#[test]
fn the_brake_counts_requests_in_the_minute_of_the_instant() {
    let mut desk = Desktop::of(vec![action("a", Class::Raise), action("b", Class::Raise)]);
    desk.book.rules[0].treatment.brake = Some(1);
    desk.breach(0, "e1", 100).breach(0, "e1", 59_999).breach(0, "e2", 60_000);
    assert_eq!(
        desk.decided(),
        ["a requested 0", "b brake", "a updated 1 changed", "b brake", "a requested 0", "b brake"]
    );
}

#[test]
fn what_is_kept_for_the_task_is_in_the_digest_and_survives_a_snapshot() {
    let mut desk = Desktop::calm();
    let before = desk.decider.digest();
    desk.decider.set_paused(Some("r"), true);
    let paused = desk.decider.digest();
    assert_ne!(before, paused);
    desk.breach(0, "e1", 100);
    desk.taken();
    assert_ne!(desk.decider.digest(), paused);
    let mut again = Decider::new(settings(0, WallClock::None));
    again.set_head(desk.decider.head().clone());
    assert_eq!(again.digest(), desk.decider.digest());
    assert!(again.paused().stops("r"));
}

#[test]
fn what_is_known_of_a_customer_can_be_told() {
    let mut desk = Desktop::calm();
    desk.book.rules[0].cooldown_ms = Some(1_000);
    desk.breach(0, "e1", 100).breach(0, "e2", 200);
    let explained = desk.state.explain(&desk.book, 200);
    assert_eq!(explained.actions.len(), 1);
    assert_eq!(explained.actions[0].stage, crate::life::Stage::Requested);
    assert_eq!(explained.cooldowns[0].until, 1_100);
    let recent: Vec<_> = explained.recent.iter().map(|r| (r.instant, r.what)).collect();
    let cooldown = cxwatch_event::messages::SuppressionReason::Cooldown;
    assert_eq!(recent, [(100, crate::Noted::Requested), (200, crate::Noted::Suppressed(cooldown))]);
    for n in 0..20 {
        desk.breach(0, "e2", 300 + n);
    }
    assert_eq!(desk.state.explain(&desk.book, 400).recent.len(), 8);
}
