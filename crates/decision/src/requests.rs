//! What is asked for, and what becomes of it by itself.

use crate::candidates::{Candidate, Found, recent};
use crate::decision::{ActionChange, Grounds, Loser};
use crate::life::{Input, Published, Stage, step};
use crate::score::Score;
use crate::stages::Against;
use crate::state::{Cooldown, Desktop, Live, Noted, Recent, Side};
use crate::timeline::Timeline;
use crate::{ActionId, Decider, Decision};
use compact_str::CompactString;
use cxwatch_engine::{Detection, EventRef, Moment};
use cxwatch_event::MICRO;
use cxwatch_event::messages::{Arm, CauseReason, SuppressionReason};
use cxwatch_rulebook::{Class, Level, Rulebook};

/// A change of an action, beyond what the action itself tells.
#[derive(Debug, Default)]
pub(crate) struct Told<'a> {
    pub(crate) cause: Option<CauseReason>,
    pub(crate) by: Option<&'a EventRef>,
    pub(crate) by_action: Option<ActionId>,
    pub(crate) why: Option<Box<Grounds>>,
}

impl Told<'_> {
    pub(crate) fn cause(cause: CauseReason) -> Self {
        Told { cause: Some(cause), ..Told::default() }
    }
}

impl Decider {
    /// The candidate has won.
    pub(crate) fn request(
        &mut self,
        desktop: &mut Desktop,
        found: &Found<'_>,
        candidate: &Candidate<'_>,
        score: Option<Score>,
        alternatives: Vec<Loser>,
    ) {
        let (detection, action, instant) = (found.detection, candidate.action, found.moment.instant);
        let expires = candidate.expires(detection);
        let forget_at = expires.max(detection.deadline).saturating_add(self.settings.remember_ms);
        let before = desktop.actions.iter().position(|l| l.id == candidate.id);
        let live = Live {
            id: candidate.id,
            episode: found.episode,
            rule: found.rule.id.clone(),
            key: detection.key.clone(),
            about: detection.about.clone(),
            action: action.id.clone(),
            class: action.class,
            channel: action.channel.clone(),
            by: action.by.clone(),
            level: detection.level,
            stage: Stage::Requested,
            revision: before.map_or(0, |at| desktop.actions[at].revision + 1),
            priority: score.map_or(MICRO, |s| s.priority),
            severity: detection.severity,
            sentence: sentence(found.moment.book, detection),
            expires,
            accept_by: action.accept_within_ms.map(|within| instant.saturating_add(within)),
            urgent: false,
            spent: false,
            forget_at: before.map_or(forget_at, |at| desktop.actions[at].forget_at.max(forget_at)),
        };
        // What is asked for anew cannot be as it was before.
        self.taken_back.retain(|before| before.id != candidate.id);
        self.head.brake.count(&found.rule.id, instant);
        self.head.tally.of(&found.rule.id).actions += 1;
        self.won(desktop, found);
        self.keep_episode(desktop, found, live.forget_at);
        self.count_treated(desktop, found);
        let why = Some(found.grounds(candidate, alternatives));
        self.publish(found.moment, &live, Published::Requested, Told { why, ..Told::default() });
        desktop.remember(recent(found, candidate, Noted::Requested));
        match before {
            Some(at) => desktop.actions[at] = live,
            None => desktop.actions.push(live),
        }
    }

    /// The candidate has won, and is not asked for.
    pub(crate) fn hold_out(
        &mut self,
        desktop: &mut Desktop,
        found: &Found<'_>,
        candidate: &Candidate<'_>,
        score: Score,
    ) {
        self.taken_back.retain(|before| before.id != candidate.id);
        self.count_held_out(desktop, found, candidate);
        let against = Against::of(SuppressionReason::Holdout);
        self.suppress(desktop, found, candidate, against, Some(score), Some(Arm::Holdout));
    }

    /// Counts an episode that is acted on, once; after a retraction it is a new one. True: it was not counted yet.
    fn count_treated(&mut self, desktop: &mut Desktop, found: &Found<'_>) -> bool {
        let side = self.side(found);
        self.keep_episode(desktop, found, side.until.saturating_add(self.settings.remember_ms));
        let episode = desktop.episode_mut(found.episode).expect("it stays while it is decided on");
        let is_new = episode.treated.is_none();
        if is_new {
            episode.treated = Some(side);
            self.head.tally.of(&found.rule.id).treated.add(false);
        }
        is_new
    }

    /// Counts an episode that is held out, once; after a retraction it is a new one. It is remembered as long as the action
    /// would have been.
    pub(crate) fn count_held_out(
        &mut self,
        desktop: &mut Desktop,
        found: &Found<'_>,
        candidate: &Candidate<'_>,
    ) {
        let side = self.side(found);
        let over = side.until.max(candidate.expires(found.detection));
        self.keep_episode(desktop, found, over.saturating_add(self.settings.remember_ms));
        let episode = desktop.episode_mut(found.episode).expect("it stays while it is decided on");
        episode.is_held_out = true;
        if episode.held_out.is_none() {
            episode.held_out = Some(side);
            self.head.tally.of(&found.rule.id).held_out.add(false);
            self.won(desktop, found);
        }
    }

    /// What wins begins the cool-down of its rule and key.
    fn won(&mut self, desktop: &mut Desktop, found: &Found<'_>) {
        #[cfg(feature = "faults")]
        if self.has(crate::Fault::CooldownForgotten) {
            return;
        }
        let Some(cooldown) = found.rule.cooldown_ms else { return };
        let problem = desktop.episode(found.episode).expect("it stays while it is decided on").problem();
        let (time, key) = (found.detection.time, &found.detection.key);
        let is_same =
            |c: &Cooldown| c.rule == found.rule.id && c.key == *key && c.time == time && c.problem == problem;
        if desktop.cooldowns.iter().any(is_same) {
            return;
        }
        let until = time.saturating_add(cooldown);
        desktop.cooldowns.push(Cooldown {
            rule: found.rule.id.clone(),
            key: key.clone(),
            time,
            problem,
            until,
            forget_at: until.saturating_add(self.settings.remember_ms),
        });
    }

    fn side(&self, found: &Found<'_>) -> Side {
        let time = found.detection.time;
        let within = found.rule.treatment.success_within_ms.unwrap_or(0);
        Side { time, until: time.saturating_add(within), saved: false }
    }

    /// The problem of the candidate is an action already.
    pub(crate) fn update(&mut self, desktop: &mut Desktop, found: &Found<'_>, candidate: &Candidate<'_>) {
        let detection = found.detection;
        let expires = candidate.expires(detection);
        let forget_at = expires.max(detection.deadline).saturating_add(self.settings.remember_ms);
        self.keep_episode(desktop, found, forget_at);
        if self.count_treated(desktop, found) {
            self.won(desktop, found);
        }
        let at = desktop.actions.iter().position(|l| l.id == candidate.id);
        let live = &mut desktop.actions[at.expect("the first stage has just seen it")];
        let (stage, published) = step(live.stage, Input::Found);
        let breached = live.level == Level::Warning && detection.level == Level::Breach;
        live.stage = stage;
        live.revision += 1;
        live.level = live.level.min(detection.level);
        live.about = detection.about.clone();
        live.severity = detection.severity;
        live.sentence = sentence(found.moment.book, detection);
        #[cfg(feature = "faults")]
        let expires = if self.fault == Some(crate::Fault::LifeNotProlonged) { live.expires } else { expires };
        live.expires = live.expires.max(expires);
        live.forget_at = live.forget_at.max(forget_at);
        let cause = if breached { CauseReason::Breached } else { CauseReason::Changed };
        let why = Some(found.grounds(candidate, Vec::new()));
        let live = live.clone();
        self.head.tally.of(&found.rule.id).actions += 1;
        desktop.remember(recent(found, candidate, Noted::Changed(cause)));
        let published = published.expect("what is not over is updated");
        self.publish(found.moment, &live, published, Told { why, ..Told::cause(cause) });
    }

    /// Another action takes its place.
    pub(crate) fn supersede(
        &mut self,
        moment: &Moment<'_>,
        desktop: &mut Desktop,
        id: ActionId,
        by: ActionId,
    ) {
        let told = Told { by_action: Some(by), ..Told::cause(CauseReason::Superseded) };
        self.change(moment, desktop, Input::Superseded, told, |l| l.id == id);
    }

    /// Gives an input to the lives of some actions, and publishes what follows.
    pub(crate) fn change(
        &mut self,
        moment: &Moment<'_>,
        desktop: &mut Desktop,
        input: Input,
        told: Told<'_>,
        which: impl Fn(&Live) -> bool,
    ) {
        let mut changed = Vec::new();
        for live in desktop.actions.iter_mut().filter(|l| which(l)) {
            let (stage, published) = step(live.stage, input);
            live.stage = stage;
            if let Some(published) = published {
                live.urgent |= input == Input::NotAccepted;
                live.revision += 1;
                #[cfg(feature = "faults")]
                if self.has(crate::Fault::RevisionNotRaised) {
                    live.revision -= 1;
                }
                let (cause, by, by_action) = (told.cause, told.by, told.by_action);
                self.publish(moment, live, published, Told { cause, by, by_action, why: None });
                changed.push((live.rule.clone(), live.action.clone()));
            }
        }
        for (rule, action) in changed {
            let what = told.cause.map_or(Noted::Requested, Noted::Changed);
            desktop.remember(Recent { instant: moment.instant, rule, action, what });
        }
    }

    pub(crate) fn publish(&mut self, moment: &Moment<'_>, live: &Live, change: Published, told: Told<'_>) {
        self.fresh.push(Decision::Action(Box::new(ActionChange {
            change,
            cause: told.cause,
            id: live.id,
            revision: live.revision,
            customer: moment.customer.into(),
            rule: live.rule.clone(),
            action: live.action.clone(),
            class: live.class,
            key: live.key.clone(),
            level: live.level,
            about: live.about.clone(),
            expires: live.expires,
            priority: live.route_priority(),
            sentence: live.sentence.clone(),
            by: told.by.cloned(),
            by_action: told.by_action,
            instant: moment.instant,
            why: told.why,
        })));
    }

    /// Ends what has reached the end of its life.
    pub(crate) fn end_lives(&mut self, moment: &Moment<'_>, desktop: &mut Desktop) {
        let instant = moment.instant;
        let is_past =
            |before: &Live| before.expires <= instant && desktop.actions.iter().any(|l| l.id == before.id);
        self.taken_back.retain(|before| !is_past(before));
        #[cfg(feature = "faults")]
        if self.has(crate::Fault::ReservationKept) {
            let over =
                |l: &&Live| l.class == Class::Offer && l.stage == Stage::Accepted && l.expires <= instant;
            for live in desktop.actions.iter().filter(over) {
                let (channel, by) = (live.channel.clone(), live.by.clone());
                let contact = crate::Contact { time: instant, channel, by };
                desktop.contacts.add(&moment.book.policy, contact, instant);
            }
        }
        let told = Told::cause(CauseReason::Expired);
        self.change(moment, desktop, Input::EndOfLife, told, |l| !l.stage.is_over() && l.expires <= instant);
        for waiting in desktop.pending.extract_if(.., |w| w.expires <= instant).collect::<Vec<_>>() {
            self.end_waiting(moment, desktop, &waiting, Against::of(SuppressionReason::Expired));
        }
    }

    /// Says again, with more weight, what nobody has accepted in time.
    pub(crate) fn urge(&mut self, moment: &Moment<'_>, desktop: &mut Desktop) {
        let is_late = |l: &Live| {
            l.stage == Stage::Requested && !l.urgent && l.accept_by.is_some_and(|by| by <= moment.instant)
        };
        let told = Told::cause(CauseReason::NotAccepted);
        self.change(moment, desktop, Input::NotAccepted, told, is_late);
    }

    /// Decides again what has waited for an obstacle that has ended.
    pub(crate) fn decide_pending(&mut self, moment: &Moment<'_>, desktop: &mut Desktop, timeline: &Timeline) {
        let mut due: Vec<_> = desktop.pending.extract_if(.., |w| w.until <= moment.instant).collect();
        while !due.is_empty() {
            let first = due[0].clone();
            let mut together: Vec<_> = due.extract_if(.., |w| w.is_of(&first)).collect();
            let detection = first.found.detection(moment.book, moment.customer);
            let named = |name: &CompactString| moment.book.actions.iter().find(|a| a.id == *name);
            let rule = moment.book.rule_named(&first.found.rule).map(|ix| moment.book.rule(ix));
            let known = |w: &crate::pending::Waiting| rule.is_some() && named(&w.action).is_some();
            for waiting in together.extract_if(.., |w| !known(w)).collect::<Vec<_>>() {
                self.end_waiting(moment, desktop, &waiting, Against::of(SuppressionReason::NotEligible));
            }
            let Some(rule) = rule else { continue };
            let (episode, times) = (first.episode, first.times);
            let found = Found { moment, rule, detection: &detection, episode, times, timeline };
            self.head.tally.of(&rule.id).pending -= together.len() as u64;
            let candidates = together.iter().filter_map(|w| {
                let action = named(&w.action)?;
                Some(Candidate { action, id: w.id, number: w.number, waited: true })
            });
            let (offers, others): (Vec<_>, Vec<_>) = candidates.partition(|c| c.action.class == Class::Offer);
            for candidate in others {
                self.decide_alone(desktop, &found, candidate);
            }
            self.decide_offers(desktop, &found, &offers);
        }
    }
}

/// So much of a rule's sentence goes to the agent.
const SENTENCE_BYTES_MAX: usize = 600;

/// The rule's sentence about a detection.
fn sentence(book: &Rulebook, detection: &Detection) -> CompactString {
    let whole = crate::wire::sentence(book, detection);
    crate::wire::cut(&whole, SENTENCE_BYTES_MAX).into()
}
