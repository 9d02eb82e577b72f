//! The real desk, played to like the log.

use super::log::Terms;
use super::play::Subject;
use super::{About, Arm, Cause, Line, RuleTotals, Said, Score, Told, Totals, When, Why};
use compact_str::CompactString;
use cxwatch_decision::{
    ActionChange, CustomerState, Decider, DeciderHead, DeciderSettings, Decision, Grounds, Published,
    Suppressed, WallClock,
};
use cxwatch_engine::{Desk, Effect, Moment, Received};
use cxwatch_event::messages::{self, CauseReason};
use cxwatch_event::{MICRO, Millis};
use cxwatch_rulebook::Rulebook;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A decider with the customers' states beside it, where the engine has them otherwise.
pub struct RealDesk {
    book: Arc<Rulebook>,
    settings: DeciderSettings,
    decider: Decider,
    states: BTreeMap<CompactString, CustomerState>,
    /// Until when the engine has something of a customer of its own.
    busy: BTreeMap<CompactString, Millis>,
    make: Box<dyn Fn(DeciderSettings) -> Decider>,
}

impl RealDesk {
    /// A desk on which nothing lies. `make` makes its decider.
    pub fn new(
        book: Arc<Rulebook>,
        terms: &Terms,
        make: impl Fn(DeciderSettings) -> Decider + 'static,
    ) -> Self {
        let settings = DeciderSettings {
            act_from: terms.act_from,
            remember_ms: terms.late_horizon_ms,
            partitions: terms.partitions,
            wall: WallClock::None,
        };
        RealDesk {
            book,
            decider: make(settings.clone()),
            make: Box::new(make),
            settings,
            states: BTreeMap::new(),
            busy: BTreeMap::new(),
        }
    }
}

impl Subject for RealDesk {
    fn tell(&mut self, when: When, told: &Told) {
        self.decider.set_wall(when.wall.map_or(WallClock::None, WallClock::At));
        let state = self.states.entry(when.customer.clone()).or_default();
        let When { customer, profile, instant, .. } = when;
        let moment = &Moment { book: &self.book, customer, profile, instant };
        match told {
            Told::Effect(effect) => self.decider.take(moment, state, effect),
            Told::Saw(event) => {
                let feed = self.book.feed_of_type[usize::from(event.kind.0)].expect("a type of a feed");
                self.decider.saw(moment, state, Received { event, feed, offset: 0 });
            }
            Told::Succeeded(rule, key, at) => {
                self.decider.succeeded(moment, state, *rule, key.as_deref(), at)
            }
            Told::RuleRemoved(rule) => self.decider.rule_removed(moment, state, rule),
            Told::Wake => self.decider.wake(moment, state),
        }
        if let Told::Effect(Effect::Detected(detection)) = told {
            let until = instant.max(detection.time) + self.settings.remember_ms;
            let busy = self.busy.entry(customer.clone()).or_insert(until);
            *busy = until.max(*busy);
        }
        if self.decider.is_idle(state) && self.busy.get(customer).is_none_or(|until| *until <= instant) {
            self.states.remove(customer);
        }
    }

    fn next(&self, customer: &str) -> Option<Millis> {
        self.states.get(customer).and_then(|state| self.decider.next(state))
    }

    fn settled(&mut self) {
        self.decider.settled();
    }

    fn set_paused(&mut self, rule: Option<&str>, paused: bool) {
        self.decider.set_paused(rule, paused);
    }

    fn restore(&mut self) {
        let head: DeciderHead = again(self.decider.head());
        assert_eq!(head, *self.decider.head(), "a head is what it was");
        let mut decider = (self.make)(self.settings.clone());
        decider.set_head(head);
        self.decider = decider;
        for state in self.states.values_mut() {
            let read: CustomerState = again(state);
            assert_eq!(read, *state, "a state is what it was");
            *state = read;
        }
    }

    fn said(&mut self) -> (Vec<Line>, Totals) {
        (self.decider.take_decisions().into_iter().map(line).collect(), totals(&self.decider))
    }
}

/// What adds up.
pub fn totals(decider: &Decider) -> Totals {
    let rules = decider.tally().rules().map(|(rule, tally)| {
        let arm = |arm: cxwatch_decision::ArmTally| [arm.episodes, arm.saved];
        let totals = RuleTotals {
            candidates: tally.candidates,
            actions: tally.actions,
            suppressions: tally.suppressions,
            pending: tally.pending,
            treated: arm(tally.treated),
            held_out: arm(tally.held_out),
        };
        (rule.into(), totals)
    });
    Totals { unknown_actions: decider.unknown_actions(), rules: rules.collect() }
}

/// Written and read.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let bytes = postcard::to_allocvec(value).expect("it can be written");
    postcard::from_bytes(&bytes).expect("it can be read")
}

/// A decision as the log has it.
pub fn line(decision: Decision) -> Line {
    match decision {
        Decision::Action(action) => of_action(*action),
        Decision::Suppressed(suppressed) => of_suppression(suppressed),
    }
}

fn of_action(action: ActionChange) -> Line {
    let said = match action.change {
        Published::Requested => Said::Requested,
        Published::Updated => Said::Updated(cause(action.cause)),
        Published::Revoked => Said::Revoked(cause(action.cause)),
        Published::Expired => Said::Expired,
    };
    let score = action.why.as_ref().and_then(|why| why.score);
    Line {
        instant: action.instant,
        customer: action.customer,
        rule: action.rule,
        key: action.key,
        level: action.level,
        about: About::of(&action.about),
        id: action.id,
        action: action.action,
        number: action.revision,
        said,
        until: Some(action.expires),
        by: action.by_action,
        event: action.by.as_ref().map(About::of),
        score: score.map(score_of),
        arm: None,
        route_priority: Some(action.priority),
        why: action.why.map(|why| Box::new(why_of(*why))),
    }
}

fn of_suppression(suppressed: Suppressed) -> Line {
    let detection = *suppressed.detection;
    Line {
        instant: suppressed.instant,
        customer: detection.customer.clone(),
        rule: suppressed.rule,
        key: detection.key.clone(),
        level: detection.level,
        about: About::of(&detection.about),
        id: suppressed.id,
        action: suppressed.action,
        number: suppressed.times,
        said: Said::Suppressed(suppressed.reason),
        until: suppressed.until,
        by: suppressed.by_action,
        event: None,
        score: suppressed.score.map(score_of),
        arm: suppressed.arm.map(|arm| match arm {
            messages::Arm::Treated => Arm::Treated,
            messages::Arm::Holdout => Arm::HeldOut,
        }),
        route_priority: None,
        why: Some(Box::new(Why {
            detection,
            alternatives: Vec::new(),
            at_risk: None,
            chance: MICRO,
            timeline: Vec::new(),
        })),
    }
}

fn why_of(why: Grounds) -> Why {
    Why {
        detection: why.detection,
        alternatives: why.alternatives.into_iter().map(|l| (l.action, l.priority, l.reason)).collect(),
        at_risk: why.value_at_risk,
        chance: why.chance,
        timeline: why.timeline.into_iter().map(|past| (past.time, past.kind)).collect(),
    }
}

fn score_of(score: cxwatch_decision::Score) -> Score {
    let cxwatch_decision::Score { priority, propensity, context, value, lever } = score;
    Score { priority, propensity, context, value, lever }
}

fn cause(cause: Option<CauseReason>) -> Cause {
    match cause {
        Some(CauseReason::Breached) => Cause::Breached,
        Some(CauseReason::Changed) => Cause::Changed,
        Some(CauseReason::NotAccepted) => Cause::NotAccepted,
        Some(CauseReason::Resolved) => Cause::Resolved,
        Some(CauseReason::Retracted) => Cause::Retracted,
        Some(CauseReason::Superseded) => Cause::Superseded,
        Some(CauseReason::RuleRemoved) => Cause::RuleRemoved,
        other => panic!("no cause of a decision: {other:?}"),
    }
}
