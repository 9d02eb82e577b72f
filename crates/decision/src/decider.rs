//! The desk at which detections become actions.

use crate::ActionId;
use crate::state::{Cooldown, CustomerState, Desktop, Live};
use compact_str::CompactString;
use cxwatch_engine::{Desk, Detection, Effect, Ended, EventRef, Moment};
use cxwatch_event::Millis;
use cxwatch_event::messages::SuppressionReason;
use cxwatch_rulebook::{Action, Level, Rule, Rulebook};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What happened to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is asked for.
    Requested,
    /// A warning became a breach, or what is known of the problem has changed.
    Updated,
    /// The need to act is over: what was missing has come.
    RevokedResolved,
    /// The problem never was one.
    RevokedRetracted,
    /// Its rule is no longer in the rulebook.
    RevokedRuleRemoved,
    /// Its time to live is over.
    Expired,
}

/// One transition in an action's life. A reader applies only a revision higher than the one it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionChange {
    /// What happened.
    pub change: Change,
    /// The action.
    pub id: ActionId,
    /// Counts from 0.
    pub revision: u32,
    /// The customer.
    pub customer: CompactString,
    /// The rule's id.
    pub rule: CompactString,
    /// The action's name in the rulebook.
    pub action: CompactString,
    /// The episode's key.
    pub key: CompactString,
    /// How far the problem has come.
    pub level: Level,
    /// What the episode is about.
    pub about: EventRef,
    /// When its life is over, in event time.
    pub expires: Millis,
    /// The event that decided it, where one did.
    pub by: Option<EventRef>,
    /// The instant of the decision.
    pub instant: Millis,
    /// For a request or update: the detection.
    pub detection: Option<Box<Detection>>,
}

/// A candidate that led to no action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// Why.
    pub reason: SuppressionReason,
    /// The id that the action would have had.
    pub id: ActionId,
    /// The action's name in the rulebook.
    pub action: CompactString,
    /// The instant of the decision.
    pub instant: Millis,
    /// The detection.
    pub detection: Box<Detection>,
}

/// What has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// An action changed.
    Action(Box<ActionChange>),
    /// A candidate led to no action.
    Suppressed(Suppressed),
}

/// Whether an action comes too late to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WallClock {
    /// By the wall clock.
    At(Millis),
    /// Never: history has no wall clock.
    None,
    /// By what was found when the decisions, by number, were first taken.
    Recorded(BTreeSet<u64>),
}

/// What a decider keeps for the whole task: goes into a snapshot's head.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeciderHead {
    /// Decisions so far.
    pub decisions: u64,
    /// The digest over them.
    pub digest: u64,
}

/// See the crate's description.
#[derive(Debug)]
pub struct Decider {
    /// Detections before this instant lead to no action (`act_from` of the first start).
    act_from: Millis,
    /// For how long after an action's life its revisions are remembered: the late horizon.
    remember_ms: Millis,
    wall: WallClock,
    head: DeciderHead,
    /// Decided in this step.
    fresh: Vec<Decision>,
    outbox: Vec<Decision>,
    /// The numbers of the decisions that were found expired.
    expired: Vec<u64>,
}

impl Decider {
    /// A decider that has decided nothing. `remember_ms` is the late horizon: so long after its life an action may still
    /// come back under its id.
    pub fn new(act_from: Millis, remember_ms: Millis, wall: WallClock) -> Self {
        Decider {
            act_from,
            remember_ms,
            wall,
            head: DeciderHead::default(),
            fresh: Vec::new(),
            outbox: Vec::new(),
            expired: Vec::new(),
        }
    }

    /// One that goes on from a snapshot.
    pub fn from_head(act_from: Millis, remember_ms: Millis, wall: WallClock, head: DeciderHead) -> Self {
        Decider { head, ..Decider::new(act_from, remember_ms, wall) }
    }

    /// What goes into a snapshot's head.
    pub fn head(&self) -> &DeciderHead {
        &self.head
    }

    /// Goes on from a snapshot's head.
    pub fn set_head(&mut self, head: DeciderHead) {
        self.head = head;
    }

    /// Whether decisions wait to be taken.
    pub fn has_decisions(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Sets the wall clock, or what stands for it.
    pub fn set_wall(&mut self, wall: WallClock) {
        self.wall = wall;
    }

    /// Takes what has been decided since the last call, in order.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.outbox)
    }

    /// Takes the numbers of the decisions found expired by the wall clock since the last call: verdicts, to be written
    /// with the decisions and given back with [`WallClock::Recorded`].
    pub fn take_expired(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.expired)
    }

    /// A digest over all decisions so far.
    pub fn digest(&self) -> u64 {
        self.head.digest
    }

    fn is_past(&mut self, expires: Millis) -> bool {
        match &self.wall {
            WallClock::At(now) if *now > expires => {
                self.expired.push(self.head.decisions);
                true
            }
            WallClock::Recorded(expired) => expired.contains(&self.head.decisions),
            WallClock::At(_) | WallClock::None => false,
        }
    }

    fn detected(&mut self, book: &Rulebook, state: &mut Desktop, detection: &Detection, instant: Millis) {
        let rule = book.rule(detection.rule);
        let Some(action) = rule.actions.first().map(|a| &book.actions[usize::from(*a)]) else { return };
        let mut id = ActionId::new(&book.name, &rule.id, &detection.customer, &detection.about, action);
        // The same key found again in the step in which it was retracted is the same problem.
        let again = |l: &&Live| {
            l.rule == rule.id && l.key == detection.key && self.retracted_just_now(l.id).is_some()
        };
        if let Some(live) = state.actions.iter().find(again) {
            id = live.id;
        }
        let expires = detection.time.saturating_add(action.ttl_ms);
        let known = state.actions.iter().any(|l| l.id == id);
        if let Some(reason) = self.refuses(state, rule, detection, expires, known) {
            let suppressed = Suppressed {
                reason,
                id,
                action: action.id.clone(),
                instant,
                detection: Box::new(detection.clone()),
            };
            return self.decide(Decision::Suppressed(suppressed));
        }
        self.act(state, rule, action, id, detection, expires, instant);
    }

    /// The stages, in order; the first that is against it names the reason. A problem that already is an action is not
    /// asked about its cool-down again.
    fn refuses(
        &mut self,
        state: &Desktop,
        rule: &Rule,
        detection: &Detection,
        expires: Millis,
        known: bool,
    ) -> Option<SuppressionReason> {
        if self.is_past(expires) {
            return Some(SuppressionReason::Expired);
        }
        if detection.time < self.act_from {
            return Some(SuppressionReason::WarmingUp);
        }
        let cools = |c: &Cooldown| c.rule == rule.id && c.key == detection.key && detection.time < c.until;
        (!known && state.cooldowns.iter().any(cools)).then_some(SuppressionReason::Cooldown)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one decision")]
    fn act(
        &mut self,
        state: &mut Desktop,
        rule: &Rule,
        action: &Action,
        id: ActionId,
        detection: &Detection,
        expires: Millis,
        instant: Millis,
    ) {
        let forget_at = expires.max(detection.deadline).saturating_add(self.remember_ms);
        let change = match state.actions.iter_mut().find(|l| l.id == id) {
            Some(live) => {
                let was_over = live.over.take().is_some();
                let taken_back = self.take_back(id);
                if taken_back {
                    live.revision -= 1;
                }
                live.revision += 1;
                live.expires = live.expires.max(expires);
                live.forget_at = live.forget_at.max(forget_at);
                live.about = detection.about.clone();
                live.level = live.level.min(detection.level);
                *live.stands(detection.level) = true;
                self.change(
                    if taken_back || !was_over { Change::Updated } else { Change::Requested },
                    live,
                    &detection.customer,
                    None,
                    instant,
                )
            }
            None => {
                let mut live = Live {
                    id,
                    rule: rule.id.clone(),
                    action: action.id.clone(),
                    key: detection.key.clone(),
                    about: detection.about.clone(),
                    level: detection.level,
                    revision: 0,
                    expires,
                    warning: false,
                    breach: false,
                    over: None,
                    forget_at,
                };
                *live.stands(detection.level) = true;
                let change = self.change(Change::Requested, &live, &detection.customer, None, instant);
                state.actions.push(live);
                change
            }
        };
        if let Some(cooldown) = rule.cooldown_ms {
            let until = detection.time.saturating_add(cooldown);
            state.cooldowns.retain(|c| c.by != id);
            state.cooldowns.push(Cooldown {
                rule: rule.id.clone(),
                key: detection.key.clone(),
                until,
                by: id,
            });
        }
        let detection = Some(Box::new(detection.clone()));
        self.decide(Decision::Action(Box::new(ActionChange { detection, ..change })));
    }

    /// Where in this step's decisions the action was revoked because its detection never held.
    fn retracted_just_now(&self, id: ActionId) -> Option<usize> {
        self.fresh.iter().position(
            |d| matches!(d, Decision::Action(a) if a.id == id && a.change == Change::RevokedRetracted),
        )
    }

    /// A revocation within the step was no revocation: one revision says what became of it.
    fn take_back(&mut self, id: ActionId) -> bool {
        let revoked = self.retracted_just_now(id);
        if let Some(at) = revoked {
            self.fresh.remove(at);
        }
        revoked.is_some()
    }

    fn change(
        &self,
        change: Change,
        live: &Live,
        customer: &str,
        by: Option<&EventRef>,
        instant: Millis,
    ) -> ActionChange {
        ActionChange {
            change,
            id: live.id,
            revision: live.revision,
            customer: customer.into(),
            rule: live.rule.clone(),
            action: live.action.clone(),
            key: live.key.clone(),
            level: live.level,
            about: live.about.clone(),
            expires: live.expires,
            by: by.cloned(),
            instant,
            detection: None,
        }
    }

    fn ended(
        &mut self,
        book: &Rulebook,
        state: &mut Desktop,
        ended: &Ended,
        change: Change,
        instant: Millis,
    ) {
        let rule = &book.rule(ended.rule).id;
        let is = |l: &Live| l.rule == *rule && l.key == ended.key && is_same(&l.about, &ended.about);
        let Some(at) = state.actions.iter().position(is) else { return };
        let live = &mut state.actions[at];
        *live.stands(ended.level) = false;
        let over = change == Change::RevokedResolved || !(live.warning || live.breach);
        if !over || live.over.is_some() {
            return;
        }
        live.over = Some(instant);
        live.revision += 1;
        let revoked = self.change(change, &state.actions[at], &ended.customer, ended.by.as_ref(), instant);
        if change == Change::RevokedRetracted {
            // Cool-downs follow: what never was does not keep the next one away.
            state.cooldowns.retain(|c| c.by != revoked.id);
        }
        self.decide(Decision::Action(Box::new(revoked)));
    }

    fn decide(&mut self, decision: Decision) {
        self.head.decisions += 1;
        self.fresh.push(decision);
    }

    fn mix_digest(&mut self, decision: &Decision) {
        let (tag, id, revision) = match decision {
            Decision::Action(a) => (a.change as u8, a.id, a.revision),
            Decision::Suppressed(s) => (16 + s.reason as u8, s.id, 0),
        };
        let mut bytes = [0; 29];
        bytes[..8].copy_from_slice(&self.head.digest.to_le_bytes());
        bytes[8..24].copy_from_slice(&id.0);
        bytes[24] = tag;
        bytes[25..].copy_from_slice(&revision.to_le_bytes());
        self.head.digest = xxhash_rust::xxh3::xxh3_64(&bytes);
    }
}

/// Whether two references are to one event. Feeds and types are numbers of a rulebook, which may have changed since.
fn is_same(one: &EventRef, other: &EventRef) -> bool {
    (&one.source, &one.id, one.sub) == (&other.source, &other.id, other.sub)
}

impl Desk for Decider {
    type State = CustomerState;

    fn take(&mut self, moment: &Moment<'_>, state: &mut CustomerState, effect: &Effect) {
        let Moment { book, instant, .. } = *moment;
        match effect {
            Effect::Detected(detection) => {
                self.detected(book, state.get_or_new(), detection, instant);
                state.clear();
            }
            Effect::Retracted(ended) => {
                if let Some(state) = state.get_mut() {
                    self.ended(book, state, ended, Change::RevokedRetracted, instant);
                }
            }
            Effect::Resolved(ended) => {
                if let Some(state) = state.get_mut() {
                    self.ended(book, state, ended, Change::RevokedResolved, instant);
                }
            }
        }
    }

    fn next(&self, state: &CustomerState) -> Option<Millis> {
        let state = state.get()?;
        let actions = state.actions.iter().map(|l| if l.over.is_some() { l.forget_at } else { l.expires });
        actions.chain(state.cooldowns.iter().map(|c| c.until)).min()
    }

    fn wake(&mut self, moment: &Moment<'_>, state: &mut CustomerState) {
        let Moment { customer, instant, .. } = *moment;
        let Some(desktop) = state.get_mut() else { return };
        desktop.cooldowns.retain(|c| c.until > instant);
        for live in desktop.actions.iter_mut().filter(|l| l.over.is_none() && l.expires <= instant) {
            live.over = Some(instant);
            live.revision += 1;
            let expired = self.change(Change::Expired, live, customer, None, instant);
            self.decide(Decision::Action(Box::new(expired)));
        }
        desktop.actions.retain(|l| l.over.is_none() || l.forget_at > instant);
        state.clear();
    }

    fn settled(&mut self) {
        for decision in std::mem::take(&mut self.fresh) {
            self.mix_digest(&decision);
            self.outbox.push(decision);
        }
    }

    fn rule_removed(&mut self, moment: &Moment<'_>, state: &mut CustomerState, rule: &str) {
        let Moment { customer, instant, .. } = *moment;
        let Some(desktop) = state.get_mut() else { return };
        let (gone, kept): (Vec<Live>, Vec<Live>) =
            std::mem::take(&mut desktop.actions).into_iter().partition(|l| l.rule == rule);
        desktop.actions = kept;
        desktop.cooldowns.retain(|c| c.rule != rule);
        for mut live in gone.into_iter().filter(|l| l.over.is_none()) {
            live.revision += 1;
            let revoked = self.change(Change::RevokedRuleRemoved, &live, customer, None, instant);
            self.decide(Decision::Action(Box::new(revoked)));
        }
        state.clear();
    }

    fn is_idle(&self, state: &CustomerState) -> bool {
        state.get().is_none()
    }
}
