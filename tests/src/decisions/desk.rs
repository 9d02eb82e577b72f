//! The real desk, played to like the log.

use super::log::Terms;
use super::play::Subject;
use super::{Cause, Line, RuleTotals, Said, Told, Totals, When};
use compact_str::CompactString;
use cxwatch_decision::{
    CustomerState, Decider, DeciderHead, DeciderSettings, Decision, Published, WallClock,
};
use cxwatch_engine::{Desk, Moment};
use cxwatch_event::Millis;
use cxwatch_event::messages::CauseReason;
use cxwatch_rulebook::Rulebook;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A decider with the customers' states beside it, where the engine has them otherwise.
#[derive(Debug)]
pub struct RealDesk {
    book: Arc<Rulebook>,
    settings: DeciderSettings,
    decider: Decider,
    states: BTreeMap<CompactString, CustomerState>,
    /// Whether restores do anything.
    restores: bool,
}

impl RealDesk {
    /// A desk on which nothing lies.
    pub fn new(book: Arc<Rulebook>, terms: &Terms, restores: bool) -> Self {
        let settings = DeciderSettings {
            act_from: terms.act_from,
            remember_ms: terms.late_horizon_ms,
            partitions: terms.partitions,
            wall: WallClock::None,
        };
        RealDesk {
            book,
            decider: Decider::new(settings.clone()),
            settings,
            states: BTreeMap::new(),
            restores,
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
            Told::Saw(event, at) => self.decider.saw(moment, state, event, at),
            Told::Succeeded(rule, key, at) => {
                self.decider.succeeded(moment, state, *rule, key.as_deref(), at)
            }
            Told::RuleRemoved(rule) => self.decider.rule_removed(moment, state, rule),
            Told::Wake => self.decider.wake(moment, state),
        }
        if self.decider.is_idle(state) {
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
        if !self.restores {
            return;
        }
        let head: DeciderHead = again(self.decider.head());
        assert_eq!(head, *self.decider.head(), "a head is what it was");
        let mut decider = Decider::new(self.settings.clone());
        decider.set_head(head);
        assert_eq!(decider.digest(), self.decider.digest());
        self.decider = decider;
        for state in self.states.values_mut() {
            let read: CustomerState = again(state);
            assert_eq!(read, *state, "a state is what it was");
            *state = read;
        }
    }

    fn said(&mut self) -> (Vec<Line>, Totals) {
        let lines = self.decider.take_decisions().into_iter().map(line).collect();
        let rules = self.decider.tally().rules().map(|(rule, tally)| {
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
        (lines, Totals { unknown_actions: self.decider.unknown_actions(), rules: rules.collect() })
    }
}

/// Written and read.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let bytes = postcard::to_allocvec(value).expect("it can be written");
    postcard::from_bytes(&bytes).expect("it can be read")
}

/// A decision as the log has it.
pub fn line(decision: Decision) -> Line {
    match decision {
        Decision::Action(action) => Line {
            instant: action.instant,
            customer: action.customer,
            rule: action.rule,
            id: action.id,
            action: action.action,
            revision: action.revision,
            said: match action.change {
                Published::Requested => Said::Requested,
                Published::Updated => Said::Updated(cause(action.cause)),
                Published::Revoked => Said::Revoked(cause(action.cause)),
                Published::Expired => Said::Expired,
            },
            until: Some(action.expires),
            by: action.by_action,
            priority: None,
        },
        Decision::Suppressed(suppressed) => Line {
            instant: suppressed.instant,
            customer: suppressed.detection.customer.clone(),
            rule: suppressed.rule,
            id: suppressed.id,
            action: suppressed.action,
            revision: 0,
            said: Said::Suppressed(suppressed.reason),
            until: suppressed.until,
            by: suppressed.by_action,
            priority: suppressed.score.map(|score| score.priority),
        },
    }
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
