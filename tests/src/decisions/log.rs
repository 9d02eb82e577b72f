//! The log: what has happened, and what the page says to it.

use super::{About, Arm, Cause, Line, RuleTotals, Said, Told, Totals, When, end_of_life};
use compact_str::CompactString;
use cxwatch_decision::ActionId;
use cxwatch_engine::{Detection, Effect, Ended, EventRef};
use cxwatch_event::messages::SuppressionReason as Reason;
use cxwatch_event::{Event, Micro, Millis};
use cxwatch_rulebook::{Action, Class, DeskUse, FieldRef, Level, Op, Outcome, RuleIx, Rulebook};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Logs that are known to be wrong: the comparison must catch each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Consent is asked for after the mode.
    ModeBeforeConsent,
    /// Caps are asked for before quiet hours and hours.
    CapsBeforeHours,
    /// Who is held out is drawn before the other offer is looked at.
    HoldoutFirst,
    /// An accepted offer that is revoked goes on counting.
    ReservationKept,
    /// What was held out begins no cool-down.
    HeldOutNotCooling,
    /// A retraction leaves the cool-down.
    CooldownOutlivesRetraction,
    /// A candidate that was deferred is forgotten.
    DeferredForgotten,
    /// What was contacted is revoked.
    RevokedAfterContact,
    /// Each task takes the whole brake.
    BrakeNotDivided,
    /// The first of equals gives way.
    LastOfEquals,
    /// A newcomer need not be a quarter better.
    AnyBetterReplaces,
    /// Retracted and found again is revoked and requested.
    AgainIsNew,
    /// A declined action comes back at once.
    DeclinedForgotten,
    /// Nobody is reminded.
    NeverReminded,
    /// Deferred candidates of a warning outlive its breach.
    WarningStaysPending,
    /// It is night for all customers alike.
    ZoneOfPolicy,
    /// A rule's success saves the treated only.
    SuccessOfTreatedOnly,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Wrong; 17] = [
        Wrong::ModeBeforeConsent,
        Wrong::CapsBeforeHours,
        Wrong::HoldoutFirst,
        Wrong::ReservationKept,
        Wrong::HeldOutNotCooling,
        Wrong::CooldownOutlivesRetraction,
        Wrong::DeferredForgotten,
        Wrong::RevokedAfterContact,
        Wrong::BrakeNotDivided,
        Wrong::LastOfEquals,
        Wrong::AnyBetterReplaces,
        Wrong::AgainIsNew,
        Wrong::DeclinedForgotten,
        Wrong::NeverReminded,
        Wrong::WarningStaysPending,
        Wrong::ZoneOfPolicy,
        Wrong::SuccessOfTreatedOnly,
    ];
}

/// What has become of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Requested,
    Accepted,
    Contacted,
    /// Revoked or expired.
    Over,
    /// Over by this outcome, or by the end of its life after it was contacted.
    Done(Option<Outcome>),
    HeldOut,
}

/// Under which arm something is counted, the time of its detection, and whether it is saved.
pub(super) type Counted = (Arm, Millis, bool);

/// An action, or what was held out instead of one.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub id: ActionId,
    pub customer: CompactString,
    pub rule: CompactString,
    pub key: CompactString,
    /// What its episode was about first.
    pub about: EventRef,
    /// The number of its episode: counted once.
    pub episode: usize,
    pub class: Class,
    pub action: usize,
    pub state: State,
    pub revision: u32,
    pub expires: Millis,
    pub level: Level,
    pub priority: Micro,
    pub requested_at: Millis,
    pub reminded: bool,
    /// The customer was reached since the request.
    pub reached: bool,
    /// The times of the detections with which it won.
    pub wins: Vec<Millis>,
    /// The detection with which it is counted, and whether that is saved. `None`: retracted.
    pub counted: Option<Counted>,
    pub forgotten: bool,
    /// As it was before it was retracted in this step, and whether a line says so.
    pub before: Option<(Box<Record>, Option<usize>)>,
}

impl Record {
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Requested | State::Accepted | State::Contacted)
    }

    pub(super) fn is_offer(&self) -> bool {
        self.class == Class::Offer
    }
}

/// A rule's problem with a customer, as long as it is remembered.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    pub number: usize,
    pub customer: CompactString,
    pub rule: CompactString,
    /// What it was about first.
    pub about: EventRef,
    pub resolved: bool,
    /// The levels whose detections stand.
    pub stands: BTreeSet<Level>,
    /// Until when it is remembered: one late horizon after everything that came of it.
    pub keep_until: Millis,
}

/// Which detection proposed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Proposal {
    /// Its place among the detections.
    pub number: u64,
    /// The number of its episode, as long as that is remembered.
    pub episode: usize,
}

/// A candidate that waits.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub detection: Box<Detection>,
    pub action: usize,
    pub proposal: Proposal,
    pub until: Millis,
}

/// A contact with a customer.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    pub customer: CompactString,
    pub channel: Option<CompactString>,
    pub by: CompactString,
    pub time: Millis,
}

/// What holds for the whole run.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Detections before this lead to nothing.
    pub act_from: Millis,
    /// For so long after its life an action is known.
    pub late_horizon_ms: Millis,
    /// How many partitions share the brakes.
    pub partitions: u32,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Log {
    pub(super) book: Arc<Rulebook>,
    pub(super) terms: Terms,
    pub(super) wrong: Option<Wrong>,
    pub(super) records: Vec<Record>,
    pub(super) episodes: Vec<Episode>,
    pub(super) pending: Vec<Pending>,
    pub(super) contacts: Vec<Contact>,
    /// Episodes found again about something else: customer, rule, what they are about now, and what they were first.
    aliases: Vec<(CompactString, CompactString, About, EventRef)>,
    /// Episodes retracted in this step: customer, rule, key, and what they are about.
    retracted: Vec<(CompactString, CompactString, CompactString, EventRef)>,
    /// What was counted until it was retracted in this step.
    uncounted: Vec<(usize, Option<Counted>, Vec<Millis>)>,
    /// Per outcome `declined` or `rejected`: customer, the action's name, time.
    pub(super) refusals: Vec<(CompactString, CompactString, Millis)>,
    /// Per request: the rule and the instant.
    pub(super) requests: Vec<(CompactString, Millis)>,
    pub(super) paused: BTreeSet<CompactString>,
    pub(super) all_paused: bool,
    pub(super) proposals: u64,
    /// Per candidate: its rule.
    candidates: Vec<CompactString>,
    unknown_actions: u64,
    /// Everything said, in order; what was taken back within its step is `None`.
    pub(super) lines: Vec<Option<Line>>,
    /// How many of them have been taken out.
    taken: usize,
    /// What happened that no line shows.
    pub happened: Vec<&'static str>,
}

impl Log {
    /// An empty log.
    pub fn new(book: Arc<Rulebook>, terms: Terms, wrong: Option<Wrong>) -> Self {
        Log {
            book,
            terms,
            wrong,
            records: Vec::new(),
            episodes: Vec::new(),
            pending: Vec::new(),
            contacts: Vec::new(),
            aliases: Vec::new(),
            uncounted: Vec::new(),
            retracted: Vec::new(),
            refusals: Vec::new(),
            requests: Vec::new(),
            paused: BTreeSet::new(),
            all_paused: false,
            proposals: 0,
            candidates: Vec::new(),
            unknown_actions: 0,
            lines: Vec::new(),
            taken: 0,
            happened: Vec::new(),
        }
    }

    /// What has been said.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().flatten()
    }

    /// What has been said since the last call.
    pub fn take_new(&mut self) -> Vec<Line> {
        let from = std::mem::replace(&mut self.taken, self.lines.len());
        self.lines[from..].iter().flatten().cloned().collect()
    }

    /// Takes what the desk is told.
    pub fn take(&mut self, when: When, told: &Told) {
        // What happens at the very instant at which something is forgotten comes before.
        self.forget(when.customer, when.instant - 1);
        match told {
            Told::Effect(Effect::Detected(detection)) => self.detected(when, detection),
            Told::Effect(Effect::Retracted(ended)) => self.retracted(when, ended),
            Told::Effect(Effect::Resolved(ended)) => self.resolved(when, ended),
            Told::Saw(event, _) => self.saw(when, event),
            Told::Succeeded(rule, key, at) => self.succeeded(when, *rule, key.as_deref(), at),
            Told::RuleRemoved(rule) => self.rule_removed(when, rule),
            Told::Wake => self.wake(when),
        }
    }

    /// A step is over.
    pub fn settled(&mut self) {
        self.uncounted.clear();
        self.retracted.clear();
        for record in &mut self.records {
            record.before = None;
        }
    }

    /// An operator pauses a rule or everything, or lets it go on.
    pub fn set_paused(&mut self, rule: Option<&str>, paused: bool) {
        match (rule, paused) {
            (None, _) => self.all_paused = paused,
            (Some(rule), true) => {
                self.paused.insert(rule.into());
            }
            (Some(rule), false) => {
                self.paused.remove(rule);
            }
        }
    }

    /// When something is due for a customer.
    pub fn next(&self, customer: &str) -> Option<Millis> {
        let of_records = self.records.iter().filter(|r| r.customer == customer && !r.forgotten);
        let of_records = of_records.flat_map(|r| {
            let end = r.is_live().then_some(r.expires);
            let forget = Some(r.expires + self.terms.late_horizon_ms).filter(|_| r.state != State::HeldOut);
            [end, forget, self.reminder(r)]
        });
        let of_pending = self.pending.iter().filter(|p| p.detection.customer == customer);
        let of_pending = of_pending.flat_map(|p| [Some(p.until), Some(self.end_of(p))]);
        of_records.chain(of_pending).flatten().min()
    }

    /// What adds up.
    pub fn totals(&self) -> Totals {
        let rules = self.book.rules.iter().map(|rule| (rule.id.clone(), self.totals_of(&rule.id)));
        let rules = rules.filter(|(_, totals)| totals.candidates > 0).collect();
        Totals { unknown_actions: self.unknown_actions, rules }
    }

    fn totals_of(&self, rule: &str) -> RuleTotals {
        let lines = || self.lines.iter().flatten().filter(|l| l.rule == rule);
        let took = [Said::Requested, Said::Updated(Cause::Breached), Said::Updated(Cause::Changed)];
        let arm = |arm| {
            let episodes = self.episodes(rule, arm);
            [episodes.len() as u64, episodes.iter().filter(|saved| **saved).count() as u64]
        };
        RuleTotals {
            candidates: self.candidates.iter().filter(|of| **of == rule).count() as u64,
            actions: lines().filter(|l| took.contains(&l.said)).count() as u64,
            suppressions: lines().filter(|l| matches!(l.said, Said::Suppressed(_))).count() as u64,
            pending: self.pending.iter().filter(|p| self.book.rule(p.detection.rule).id == rule).count()
                as u64,
            treated: arm(Arm::Treated),
            held_out: arm(Arm::HeldOut),
        }
    }

    /// The actions that outcomes may name, each with its customer and how much there is to say: 2 where somebody has taken
    /// it on, 1 where nobody has, 0 where it is over.
    pub fn known_actions(&self) -> Vec<(CompactString, ActionId, u8)> {
        let known = self.records.iter().filter(|r| !r.forgotten && r.state != State::HeldOut);
        let open = |state| match state {
            State::Accepted | State::Contacted => 2,
            State::Requested => 1,
            State::Over | State::Done(_) | State::HeldOut => 0,
        };
        known.map(|r| (r.customer.clone(), r.id, open(r.state))).collect()
    }

    /// The episodes of a rule and arm, those retracted left out: whether they are saved.
    fn episodes(&self, rule: &str, arm: Arm) -> Vec<bool> {
        let mut episodes: BTreeMap<usize, bool> = BTreeMap::new();
        for record in self.records.iter().filter(|r| r.rule == rule) {
            if let Some((_, _, saved)) = record.counted.filter(|(counted, _, _)| *counted == arm) {
                *episodes.entry(record.episode).or_default() |= saved;
            }
        }
        episodes.into_values().collect()
    }

    pub(super) fn action(&self, ix: usize) -> &Action {
        &self.book.actions[ix]
    }

    pub(super) fn end_of(&self, pending: &Pending) -> Millis {
        end_of_life(&pending.detection, self.action(pending.action).ttl_ms)
    }

    /// When it is to be said that nobody has accepted an action.
    fn reminder(&self, record: &Record) -> Option<Millis> {
        let waits =
            record.state == State::Requested && !record.reminded && self.wrong != Some(Wrong::NeverReminded);
        let within = self.action(record.action).accept_within_ms.filter(|_| waits)?;
        Some(record.requested_at + within)
    }

    pub(super) fn say(&mut self, when: When, at: usize, said: Said) {
        self.records[at].revision += 1;
        self.say_now(when, at, said);
    }

    /// Says something of an action in its present revision.
    pub(super) fn say_now(&mut self, when: When, at: usize, said: Said) {
        let record = &self.records[at];
        self.lines.push(Some(Line {
            instant: when.instant,
            customer: record.customer.clone(),
            rule: record.rule.clone(),
            id: record.id,
            action: self.action(record.action).id.clone(),
            revision: record.revision,
            said,
            until: Some(record.expires),
            by: None,
            priority: None,
        }));
    }

    /// A detection proposes every action of its rule.
    fn detected(&mut self, when: When, detection: &Detection) {
        let rule = self.book.rule(detection.rule).id.clone();
        self.find_elsewhere(&rule, detection);
        let about = self.first_about(&rule, &detection.customer, &detection.about);
        let detection = &Detection { about, ..detection.clone() };
        let rule = self.book.rule(detection.rule).clone();
        self.proposals += 1;
        let proposal = Proposal { number: self.proposals, episode: self.stand(detection) };
        self.candidates.extend(rule.actions.iter().map(|_| rule.id.clone()));
        if self.wrong != Some(Wrong::WarningStaysPending) {
            self.end_pending(when, Reason::Replaced, |p| is_same_episode(&p.detection, detection));
        }
        let mut alive = Vec::new();
        for action in rule.actions.iter().map(|a| usize::from(*a)) {
            match self.not_alive(when, detection, action) {
                Some(reason) => self.suppress(when, detection, action, reason),
                None => alive.push(action),
            }
        }
        self.find_again(detection, &alive, proposal.episode);
        let mut offers = Vec::new();
        for action in alive {
            if self.is_known(when, detection, action) {
                continue;
            }
            if self.action(action).class == Class::Offer {
                offers.push(action);
            } else {
                self.decide(when, detection, &[action], proposal);
            }
        }
        self.decide(when, detection, &offers, proposal);
        // Of what nothing came is remembered until the deadline that it warned of.
        let stood = self.episodes.iter().find(|e| e.number == proposal.episode);
        if stood.is_some_and(|e| e.keep_until > Millis::MIN || e.stands.contains(&Level::Warning)) {
            self.keep(proposal.episode, detection.deadline);
        } else {
            self.episodes.retain(|e| e.number != proposal.episode);
        }
    }

    /// The same rule and key found in the step in which its episode was retracted is that episode, whatever it is about.
    fn find_elsewhere(&mut self, rule: &CompactString, detection: &Detection) {
        if self.wrong == Some(Wrong::AgainIsNew) {
            return;
        }
        let customer = &detection.customer;
        let about = About::of(&self.first_about(rule, customer, &detection.about));
        let is = |e: &Episode| e.customer == *customer && e.rule == *rule && About::of(&e.about) == about;
        if self.episodes.iter().any(is) {
            return;
        }
        let again = |(c, r, key, _): &&(CompactString, CompactString, CompactString, EventRef)| {
            c == customer && r == rule && *key == detection.key
        };
        let Some((_, _, _, first)) = self.retracted.iter().find(again).cloned() else { return };
        self.aliases.push((customer.clone(), rule.clone(), about, first));
        self.happened.push("found again about something else");
    }

    /// What an episode was about first.
    fn first_about(&self, rule: &str, customer: &str, about: &EventRef) -> EventRef {
        let known = |first: &EventRef| self.episodes.iter().any(|e| About::of(&e.about) == About::of(first));
        let alias =
            self.aliases.iter().rev().find(|(c, r, a, first)| {
                c == customer && r == rule && *a == About::of(about) && known(first)
            });
        alias.map_or_else(|| about.clone(), |(_, _, _, first)| first.clone())
    }

    /// What was retracted in this step and is proposed again never was retracted.
    fn find_again(&mut self, detection: &Detection, alive: &[usize], episode: usize) {
        if self.wrong == Some(Wrong::AgainIsNew) {
            return;
        }
        let rule = self.book.rule(detection.rule).id.clone();
        for (at, counted, wins) in std::mem::take(&mut self.uncounted) {
            let record = &mut self.records[at];
            if record.episode == episode {
                (record.counted, record.wins) = (counted, wins);
            } else {
                self.uncounted.push((at, counted, wins));
            }
        }
        for at in 0..self.records.len() {
            let record = &self.records[at];
            let here = record.customer == detection.customer
                && record.rule == rule
                && About::of(&record.about) == About::of(&detection.about);
            let proposed = |before: &Record| match before.state {
                State::HeldOut => alive.iter().any(|action| self.action(*action).class == Class::Offer),
                _ => alive.contains(&record.action),
            };
            if !here || !record.before.as_ref().is_some_and(|(before, _)| proposed(before)) {
                continue;
            }
            let (before, line) = self.records[at].before.take().expect("it was retracted in this step");
            self.records[at] = *before;
            if let Some(line) = line {
                self.lines[line] = None;
                self.happened.push("found again in one step");
            }
        }
    }

    /// The number of a detection's episode, which stands now.
    fn stand(&mut self, detection: &Detection) -> usize {
        let rule = self.book.rule(detection.rule).id.clone();
        let about = About::of(&detection.about);
        let is = |e: &&mut Episode| {
            e.customer == detection.customer && e.rule == rule && About::of(&e.about) == about
        };
        if let Some(known) = self.episodes.iter_mut().find(is) {
            known.stands.insert(detection.level);
            known.resolved = false;
            return known.number;
        }
        let number = self.proposals as usize;
        self.episodes.push(Episode {
            number,
            customer: detection.customer.clone(),
            rule,
            about: detection.about.clone(),
            resolved: false,
            stands: BTreeSet::from([detection.level]),
            keep_until: Millis::MIN,
        });
        number
    }

    /// An episode is remembered one late horizon longer than this.
    pub(super) fn keep(&mut self, number: usize, until: Millis) {
        let until = until + self.terms.late_horizon_ms;
        for episode in self.episodes.iter_mut().filter(|e| e.number == number) {
            episode.keep_until = episode.keep_until.max(until);
        }
    }

    /// The stage *alive*, but for problems that are known.
    fn not_alive(&self, when: When, detection: &Detection, action: usize) -> Option<Reason> {
        let proposed = self.action(action);
        if when.wall.is_some_and(|wall| wall > end_of_life(detection, proposed.ttl_ms)) {
            return Some(Reason::Expired);
        }
        if detection.time < self.terms.act_from {
            return Some(Reason::WarmingUp);
        }
        (!self.holds(when, detection, &proposed.when)).then_some(Reason::NotEligible)
    }

    /// Whether a candidate's problem is known; then it is answered.
    fn is_known(&mut self, when: When, detection: &Detection, action: usize) -> bool {
        let Some(at) = self.record_of(detection, action) else { return false };
        let record = &self.records[at];
        let reason = match record.state {
            State::Requested | State::Accepted | State::Contacted if record.action == action => {
                self.update(when, at, detection);
                return true;
            }
            State::Requested | State::Accepted | State::Contacted => Reason::LowerPriority,
            State::HeldOut => {
                self.stands_again(at, detection, action);
                Reason::Holdout
            }
            State::Done(Some(Outcome::Declined | Outcome::Rejected)) => Reason::Declined,
            State::Done(_) => Reason::Cooldown,
            State::Over => return false,
        };
        self.suppress(when, detection, action, reason);
        true
    }

    /// The action of this problem, or what was held out, if it has not been forgotten.
    pub(super) fn record_of(&self, detection: &Detection, action: usize) -> Option<usize> {
        let about = About::of(&detection.about);
        let rule = &self.book.rule(detection.rule).id;
        let offer = self.action(action).class == Class::Offer;
        self.records.iter().position(|r| {
            r.customer == detection.customer
                && r.rule == *rule
                && About::of(&r.about) == about
                && !r.forgotten
                && (r.state != State::HeldOut || self.episodes.iter().any(|e| e.number == r.episode))
                && if offer { r.is_offer() } else { r.action == action }
        })
    }

    fn update(&mut self, when: When, at: usize, detection: &Detection) {
        let record = &mut self.records[at];
        let breached = record.level == Level::Warning && detection.level == Level::Breach;
        record.level = record.level.min(detection.level);
        let ttl_ms = self.book.actions[record.action].ttl_ms;
        record.expires = record.expires.max(end_of_life(detection, ttl_ms));
        let (episode, expires) = (record.episode, record.expires);
        self.keep(episode, expires);
        self.say(when, at, Said::Updated(if breached { Cause::Breached } else { Cause::Changed }));
    }

    /// What was held out is found again.
    fn stands_again(&mut self, at: usize, detection: &Detection, action: usize) {
        let end = end_of_life(detection, self.action(action).ttl_ms);
        let record = &mut self.records[at];
        record.expires = record.expires.max(end);
        if record.counted.is_none() {
            record.counted = Some((Arm::HeldOut, detection.time, false));
            record.wins.push(detection.time);
        }
        let (episode, expires) = (record.episode, record.expires);
        self.keep(episode, expires);
    }

    /// The records of an episode.
    fn of_episode(&self, ended: &Ended) -> Vec<usize> {
        let rule = &self.book.rule(ended.rule).id;
        let about = About::of(&ended.about);
        let is = |r: &Record| {
            r.customer == ended.customer && r.rule == *rule && About::of(&r.about) == about && !r.forgotten
        };
        (0..self.records.len()).filter(|at| is(&self.records[*at])).collect()
    }

    /// An end, with what its episode was about first.
    fn of_first(&self, ended: &Ended) -> Ended {
        let rule = &self.book.rule(ended.rule).id;
        Ended { about: self.first_about(rule, &ended.customer, &ended.about), ..ended.clone() }
    }

    fn retracted(&mut self, when: When, ended: &Ended) {
        let ended = &self.of_first(ended);
        let rule = self.book.rule(ended.rule).id.clone();
        let waited = self.pending.len();
        self.end_pending(when, Reason::Retracted, |p| is_of(p, ended) && p.detection.level == ended.level);
        let mut gone = self.pending.len() < waited;
        let about = About::of(&ended.about);
        let is =
            |e: &&mut Episode| e.customer == ended.customer && e.rule == rule && About::of(&e.about) == about;
        let episode = self.episodes.iter_mut().find(is);
        if let Some(episode) = episode.filter(|e| e.stands.contains(&ended.level)) {
            episode.stands.remove(&ended.level);
            if episode.stands.is_empty() {
                gone = true;
                let number = episode.number;
                self.retract_episode(when, number);
            } else {
                self.happened.push("retracted while the other level stands");
            }
        }
        if gone {
            self.retracted.push((ended.customer.clone(), rule, ended.key.clone(), ended.about.clone()));
        }
    }

    /// An episode of which nothing stands is none.
    fn retract_episode(&mut self, when: When, number: usize) {
        for at in 0..self.records.len() {
            if self.records[at].episode != number {
                continue;
            }
            let before = Box::new(self.records[at].clone());
            let counted = self.records[at].counted.take();
            self.uncounted.push((at, counted, self.records[at].wins.clone()));
            if self.wrong != Some(Wrong::CooldownOutlivesRetraction) {
                self.records[at].wins.clear();
            }
            if !self.records[at].forgotten {
                let said = self.is_over_by(when, at, Cause::Retracted);
                self.records[at].before = Some((before, said.then(|| self.lines.len() - 1)));
            }
        }
    }

    fn resolved(&mut self, when: When, ended: &Ended) {
        let ended = &self.of_first(ended);
        self.end_pending(when, Reason::Resolved, |p| is_of(p, ended));
        let rule = self.book.rule(ended.rule).id.clone();
        let about = About::of(&ended.about);
        let is =
            |e: &&mut Episode| e.customer == ended.customer && e.rule == rule && About::of(&e.about) == about;
        // It is said once, not for the warning and again for the breach.
        let before = self.episodes.iter_mut().find(is).map(|e| std::mem::replace(&mut e.resolved, true));
        if before == Some(true) {
            return;
        }
        for at in self.of_episode(ended) {
            self.is_over_by(when, at, Cause::Resolved);
        }
    }

    /// An action's need is over; whether that is said.
    pub(super) fn is_over_by(&mut self, when: When, at: usize, cause: Cause) -> bool {
        let contacted = self.records[at].state == State::Contacted;
        if !self.records[at].is_live() || contacted && cause == Cause::RuleRemoved {
            return false;
        }
        if contacted && self.wrong != Some(Wrong::RevokedAfterContact) {
            self.say(when, at, Said::Updated(cause));
        } else {
            let accepted = self.records[at].state == State::Accepted;
            self.records[at].state = State::Over;
            self.happened.extend(accepted.then_some("accepted: revoked"));
            self.say(when, at, Said::Revoked(cause));
        }
        true
    }

    fn rule_removed(&mut self, when: When, rule: &str) {
        let book = Arc::clone(&self.book);
        self.end_pending(when, Reason::NotEligible, |p| {
            p.detection.customer == *when.customer && book.rule(p.detection.rule).id == rule
        });
        for at in 0..self.records.len() {
            let record = &self.records[at];
            if record.customer == *when.customer && record.rule == rule {
                self.is_over_by(when, at, Cause::RuleRemoved);
            }
        }
    }

    /// Ends pending candidates.
    fn end_pending(&mut self, when: When, reason: Reason, which: impl Fn(&Pending) -> bool) {
        let (ended, kept) = std::mem::take(&mut self.pending).into_iter().partition(which);
        self.pending = kept;
        let ended: Vec<Pending> = ended;
        for pending in ended {
            self.suppress(when, &pending.detection, pending.action, reason);
        }
    }

    fn wake(&mut self, when: When) {
        let now = when.instant;
        let mine = |log: &Log, at: usize| log.records[at].customer == *when.customer;
        for at in (0..self.records.len()).filter(|at| mine(self, *at)).collect::<Vec<_>>() {
            let record = &mut self.records[at];
            if record.expires > now || !record.is_live() {
                continue;
            }
            if record.state == State::Contacted {
                record.state = State::Done(None);
                self.happened.push("contacted to the end of its life");
            } else {
                let accepted = record.state == State::Accepted;
                record.state = State::Over;
                self.happened.extend(accepted.then_some("accepted: expired"));
                self.say(when, at, Said::Expired);
            }
        }
        let ends: Vec<u64> = self.pending.iter().map(|p| u64::from(self.end_of(p) <= now)).collect();
        let over = std::mem::take(&mut self.pending);
        let mut ended = Vec::new();
        for (pending, end) in over.into_iter().zip(ends) {
            if end == 1 && pending.detection.customer == *when.customer {
                ended.push(pending);
            } else {
                self.pending.push(pending);
            }
        }
        for pending in ended {
            self.suppress(when, &pending.detection, pending.action, Reason::Expired);
        }
        for at in (0..self.records.len()).filter(|at| mine(self, *at)).collect::<Vec<_>>() {
            if self.reminder(&self.records[at]).is_some_and(|due| due <= now) {
                self.records[at].reminded = true;
                self.say(when, at, Said::Updated(Cause::NotAccepted));
            }
        }
        self.obstacles_ended(when);
        self.forget(when.customer, now);
    }

    /// Forgets what has been over for one late horizon.
    fn forget(&mut self, customer: &str, until: Millis) {
        let (records, pending) = (&self.records, &self.pending);
        let open = |e: &Episode| {
            records.iter().any(|r| r.episode == e.number && r.is_live())
                || pending.iter().any(|p| p.proposal.episode == e.number)
        };
        self.episodes.retain(|e| e.customer != customer || e.keep_until > until || open(e));
        for record in self.records.iter_mut().filter(|r| r.customer == customer && !r.is_live()) {
            record.forgotten |= if record.state == State::HeldOut {
                !self.episodes.iter().any(|e| e.number == record.episode)
            } else {
                record.expires + self.terms.late_horizon_ms <= until
            };
        }
    }

    /// Decides again what was deferred until now, one detection after the other.
    fn obstacles_ended(&mut self, when: When) {
        let is_due = |p: &Pending| p.until <= when.instant && p.detection.customer == *when.customer;
        let due: BTreeSet<Proposal> = self.pending.iter().filter(|p| is_due(p)).map(|p| p.proposal).collect();
        for proposal in due {
            let (again, kept): (Vec<Pending>, Vec<Pending>) = std::mem::take(&mut self.pending)
                .into_iter()
                .partition(|p| p.proposal == proposal && is_due(p));
            self.pending = kept;
            let Some(first) = again.first() else { continue };
            if self.wrong == Some(Wrong::DeferredForgotten) {
                continue;
            }
            let detection = first.detection.clone();
            let mut offers = Vec::new();
            for action in again.iter().map(|p| p.action) {
                if self.action(action).class == Class::Offer {
                    offers.push(action);
                } else {
                    self.decide(when, &detection, &[action], proposal);
                }
            }
            self.happened.push("decided again");
            self.decide(when, &detection, &offers, proposal);
        }
    }

    fn saw(&mut self, when: When, event: &Event) {
        let book = Arc::clone(&self.book);
        match &book.desk_uses[usize::from(event.kind.0)] {
            None => {}
            Some(DeskUse::Contact { when: cond, .. }) if !cond.holds(&|field, op| test(event, field, op)) => {
            }
            Some(DeskUse::Contact { channel, .. }) => {
                let channel = match channel {
                    FieldRef::Data(ix) => event.field(*ix).and_then(|v| v.as_text()).map(Into::into),
                    FieldRef::Const(value) => value.as_text().map(Into::into),
                    _ => None,
                };
                self.contacts.push(Contact {
                    customer: when.customer.clone(),
                    channel,
                    by: "machine".into(),
                    time: event.time,
                });
            }
            Some(DeskUse::Outcome { outcome, action_id }) => {
                let named = event.field(*action_id).and_then(|v| v.as_text()).unwrap_or_default();
                let known = self.records.iter().position(|r| {
                    r.customer == *when.customer
                        && r.id.to_string() == named
                        && !r.forgotten
                        && r.state != State::HeldOut
                });
                match known {
                    Some(at) => self.outcome(at, *outcome, event.time),
                    None => {
                        self.unknown_actions += 1;
                        self.happened.push("an outcome nobody knows");
                    }
                }
            }
        }
    }

    fn outcome(&mut self, at: usize, outcome: Outcome, time: Millis) {
        let record = &mut self.records[at];
        let action = &self.book.actions[record.action];
        let reaches =
            matches!(outcome, Outcome::Contacted | Outcome::Saved | Outcome::Failed | Outcome::Rejected);
        if reaches && !record.reached {
            record.reached = true;
            self.contacts.push(Contact {
                customer: record.customer.clone(),
                channel: Some(action.channel.clone()),
                by: action.by.clone(),
                time,
            });
        }
        if outcome == Outcome::Saved
            && let Some(counted) = &mut record.counted
        {
            counted.2 = true;
        }
        let next = match (record.state, outcome) {
            (State::Requested, Outcome::Accepted) => Some(State::Accepted),
            (State::Requested | State::Accepted, Outcome::Contacted) => Some(State::Contacted),
            (State::Accepted, Outcome::Accepted) => None,
            (State::Requested | State::Accepted, over) => Some(State::Done(Some(over))),
            (State::Contacted, Outcome::Accepted | Outcome::Contacted | Outcome::Declined) => None,
            (State::Contacted, over) => Some(State::Done(Some(over))),
            (State::Over | State::Done(_) | State::HeldOut, _) => None,
        };
        let Some(next) = next else {
            self.happened.push("an outcome without an arrow");
            return;
        };
        let from = record.state;
        record.state = next;
        if let State::Done(Some(Outcome::Declined | Outcome::Rejected)) = next {
            self.refusals.push((record.customer.clone(), action.id.clone(), time));
        }
        self.happened.push(arrow(from, outcome));
    }

    /// An event of a rule's `success`: it saves the episodes of both arms.
    fn succeeded(&mut self, when: When, rule: RuleIx, key: Option<&str>, at: &EventRef) {
        let rule = self.book.rule(rule);
        let Some(within) = rule.treatment.success_within_ms else { return };
        for record in self.records.iter_mut() {
            let concerned = record.customer == *when.customer
                && record.rule == rule.id
                && key.is_none_or(|key| record.key == key);
            let Some((arm, detected, saved)) = record.counted.as_mut().filter(|_| concerned) else {
                continue;
            };
            if self.wrong == Some(Wrong::SuccessOfTreatedOnly) && *arm == Arm::HeldOut {
                continue;
            }
            if at.time > *detected && at.time <= *detected + within {
                *saved = true;
                self.happened.push(match arm {
                    Arm::Treated => "a treated episode saved by an event",
                    Arm::HeldOut => "a held-out episode saved by an event",
                });
            }
        }
    }

    /// The id that an action has or would have.
    pub(super) fn id_of(&self, detection: &Detection, action: usize) -> ActionId {
        let rule = &self.book.rule(detection.rule).id;
        let proposed = self.action(action);
        match self.record_of(detection, action) {
            Some(at) => self.records[at].id,
            None => ActionId::new(&self.book.name, rule, &detection.customer, &detection.about, proposed),
        }
    }

    /// Whether a candidate of this problem ever was an action that is known, or waits.
    fn is_named(&self, detection: &Detection, action: usize) -> bool {
        let waits = |p: &Pending| is_same_episode(&p.detection, detection);
        self.record_of(detection, action).is_some() || self.pending.iter().any(waits)
    }

    /// A candidate leads to nothing.
    pub(super) fn suppress(&mut self, when: When, detection: &Detection, action: usize, reason: Reason) {
        self.suppress_by(when, detection, action, reason, None, None, None);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one line")]
    pub(super) fn suppress_by(
        &mut self,
        when: When,
        detection: &Detection,
        action: usize,
        reason: Reason,
        until: Option<Millis>,
        by: Option<ActionId>,
        priority: Option<Micro>,
    ) {
        let rule = &self.book.rule(detection.rule).id;
        let proposed = self.action(action);
        let named = self.is_named(detection, action);
        let id = if named { self.id_of(detection, action) } else { ActionId([0; 16]) };
        self.lines.push(Some(Line {
            instant: when.instant,
            customer: detection.customer.clone(),
            rule: rule.clone(),
            id,
            action: proposed.id.clone(),
            revision: 0,
            said: Said::Suppressed(reason),
            until,
            by,
            priority,
        }));
    }
}

fn arrow(from: State, outcome: Outcome) -> &'static str {
    match (from, outcome) {
        (State::Requested, Outcome::Accepted) => "requested: accepted",
        (State::Requested, Outcome::Contacted) => "requested: contacted",
        (State::Requested, Outcome::Declined) => "requested: declined",
        (State::Requested, Outcome::Saved) => "requested: saved",
        (State::Requested, Outcome::Failed) => "requested: failed",
        (State::Requested, Outcome::Unreachable) => "requested: unreachable",
        (State::Requested, Outcome::Rejected) => "requested: rejected",
        (State::Accepted, Outcome::Contacted) => "accepted: contacted",
        (State::Accepted, Outcome::Declined) => "accepted: declined",
        (State::Accepted, Outcome::Saved) => "accepted: saved",
        (State::Accepted, Outcome::Failed) => "accepted: failed",
        (State::Accepted, Outcome::Unreachable) => "accepted: unreachable",
        (State::Accepted, Outcome::Rejected) => "accepted: rejected",
        (_, Outcome::Saved) => "contacted: saved",
        (_, Outcome::Failed) => "contacted: failed",
        (_, Outcome::Unreachable) => "contacted: unreachable",
        _ => "contacted: rejected",
    }
}

fn is_same_episode(one: &Detection, other: &Detection) -> bool {
    one.customer == other.customer
        && one.rule == other.rule
        && About::of(&one.about) == About::of(&other.about)
}

fn is_of(pending: &Pending, ended: &Ended) -> bool {
    let detection = &pending.detection;
    detection.customer == ended.customer
        && detection.rule == ended.rule
        && About::of(&detection.about) == About::of(&ended.about)
}

fn test(event: &Event, field: &FieldRef, op: &Op) -> bool {
    match field {
        FieldRef::Data(ix) => op.holds(event.field(*ix)),
        FieldRef::Const(value) => op.holds(Some(value)),
        _ => op.holds(None),
    }
}
