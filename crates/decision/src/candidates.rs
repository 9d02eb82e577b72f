//! From a detection to its candidates' ends.

use crate::decision::{Grounds, Loser, Suppressed};
use crate::pending::{Kept, Waiting};
use crate::score::Score;
use crate::stages::{self, Against, Answer, Asked, which::Place};
use crate::state::{Desktop, Episode, Noted, Recent};
use crate::timeline::Timeline;
use crate::{ActionId, Decider, Decision};
use cxwatch_engine::{Detection, Moment};
use cxwatch_event::messages::{Arm, SuppressionReason};
use cxwatch_event::{MICRO, Millis};
use cxwatch_rulebook::{Action, Class, Level, Rule};

/// A detection that proposes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) moment: &'a Moment<'a>,
    pub(crate) rule: &'a Rule,
    pub(crate) detection: &'a Detection,
    /// The number of its episode.
    pub(crate) episode: u32,
    /// How often it has proposed before.
    pub(crate) times: u32,
    pub(crate) timeline: &'a Timeline,
}

/// An action that a detection proposes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) action: &'a Action,
    pub(crate) id: ActionId,
    pub(crate) number: u64,
    /// It has waited: the first stage is behind it.
    pub(crate) waited: bool,
}

impl Candidate<'_> {
    pub(crate) fn expires(&self, detection: &Detection) -> Millis {
        detection.time.saturating_add(self.action.ttl_ms)
    }
}

impl<'a> Found<'a> {
    pub(crate) fn asked(&self, desktop: &'a Desktop, candidate: &Candidate<'a>) -> Asked<'a> {
        Asked {
            moment: self.moment,
            rule: self.rule,
            detection: self.detection,
            action: candidate.action,
            id: candidate.id,
            desktop,
            episode: desktop
                .episode(self.episode)
                .expect("an episode stays while its candidates are decided"),
        }
    }

    fn score(&self, candidate: &Candidate<'_>) -> Score {
        self.case().score(candidate.action)
    }

    fn case(&self) -> crate::score::Case<'a> {
        crate::score::Case { rule: self.rule, detection: self.detection, profile: self.moment.profile }
    }

    /// The share that is held out.
    fn share(&self) -> i64 {
        stages::holdout::share(&self.rule.treatment, &self.moment.book.policy)
    }

    pub(crate) fn grounds(&self, candidate: &Candidate<'_>, alternatives: Vec<Loser>) -> Box<Grounds> {
        let is_offer = candidate.action.class == Class::Offer;
        Box::new(Grounds {
            detection: self.detection.clone(),
            score: is_offer.then(|| self.score(candidate)),
            value_at_risk: self.case().value_at_risk(candidate.action),
            alternatives,
            chance: if is_offer { MICRO - self.share() } else { MICRO },
            timeline: self.timeline.shown(self.moment.book, self.moment.instant),
        })
    }
}

impl Decider {
    /// Takes a detection: each action of its rule is a candidate.
    pub(crate) fn detected(
        &mut self,
        moment: &Moment<'_>,
        desktop: &mut Desktop,
        timeline: &Timeline,
        detection: &Detection,
    ) {
        let rule = moment.book.rule(detection.rule);
        if rule.actions.is_empty() {
            return;
        }
        let restored = self.find_again(moment, desktop, rule, detection);
        let episode = self.open_episode(desktop, rule, detection);
        for waiting in desktop.pending.extract_if(.., |w| w.episode == episode).collect::<Vec<_>>() {
            self.end_waiting(moment, desktop, &waiting, Against::of(SuppressionReason::Replaced));
        }
        let (Detection { level, time, .. }, instant) = (detection, moment.instant);
        let times = desktop.propose_again(episode, *level, *time, instant, self.settings.remember_ms);
        let found = Found { moment, rule, detection, episode, times, timeline };
        let actions = rule.actions.iter().map(|ix| &moment.book.actions[usize::from(*ix)]);
        // What goes on comes first, then what stands alone.
        let is_restored =
            |a: &&Action| desktop.actions.iter().any(|l| restored.contains(&l.id) && l.action == a.id);
        let (first, actions): (Vec<&Action>, Vec<&Action>) = actions.partition(is_restored);
        let (offers, others): (Vec<&Action>, Vec<&Action>) =
            actions.into_iter().partition(|a| a.class == Class::Offer);
        for action in first.into_iter().chain(others) {
            let candidate = self.propose(desktop, &found, action);
            self.decide_alone(desktop, &found, candidate);
        }
        let offers: Vec<Candidate<'_>> =
            offers.into_iter().map(|action| self.propose(desktop, &found, action)).collect();
        self.decide_offers(desktop, &found, &offers);
        self.drop_unneeded(desktop, &found);
    }

    /// The episode of a detection, which stands now.
    fn open_episode(&self, desktop: &mut Desktop, rule: &Rule, detection: &Detection) -> u32 {
        let at = desktop.episode_about(&rule.id, &detection.about).unwrap_or_else(|| {
            desktop.episodes.push(Episode {
                number: desktop.next_episode,
                rule: rule.id.clone(),
                key: detection.key.clone(),
                root: detection.about.clone(),
                about: detection.about.clone(),
                warning: None,
                breach: None,
                resolved: false,
                treated: None,
                held_out: None,
                is_held_out: false,
                forget_at: Millis::MIN,
            });
            desktop.next_episode += 1;
            desktop.episodes.len() - 1
        });
        let episode = &mut desktop.episodes[at];
        *episode.stands(detection.level) = Some(detection.time);
        episode.resolved = false;
        episode.number
    }

    fn propose<'a>(&mut self, desktop: &Desktop, found: &Found<'a>, action: &'a Action) -> Candidate<'a> {
        let episode = desktop.episode(found.episode).expect("it has just been opened");
        let Moment { book, customer, .. } = *found.moment;
        let number = self.head.candidates;
        self.head.candidates += 1;
        self.head.tally.of(&found.rule.id).candidates += 1;
        let id = ActionId::new(&book.name, &found.rule.id, customer, &episode.root, action);
        Candidate { action, id, number, waited: false }
    }

    fn answer<'a>(&mut self, desktop: &Desktop, found: &Found<'a>, candidate: &Candidate<'a>) -> Answer {
        if !candidate.waited {
            let is_past = self.is_past(candidate.number, candidate.expires(found.detection));
            let asked = found.asked(desktop, candidate);
            match stages::alive::answer(&asked, is_past, self.settings.act_from) {
                Answer::Pass => {}
                other => return other,
            }
        }
        stages::ask(&found.asked(desktop, candidate), &self.modes())
    }

    /// Whatever is not an offer is decided on its own.
    pub(crate) fn decide_alone(
        &mut self,
        desktop: &mut Desktop,
        found: &Found<'_>,
        candidate: Candidate<'_>,
    ) {
        match self.answer(desktop, found, &candidate) {
            Answer::Pass => self.request(desktop, found, &candidate, None, Vec::new()),
            Answer::Update => self.update(desktop, found, &candidate),
            Answer::Against(against) => self.suppress(desktop, found, &candidate, against, None, None),
            Answer::Defer { reason, until } => self.wait(desktop, found, &candidate, reason, until),
        }
    }

    /// Offers of one detection are alternatives.
    pub(crate) fn decide_offers(
        &mut self,
        desktop: &mut Desktop,
        found: &Found<'_>,
        offers: &[Candidate<'_>],
    ) {
        let (mut passed, mut deferred, mut losers) = (Vec::new(), Vec::new(), Vec::new());
        for candidate in offers {
            match self.answer(desktop, found, candidate) {
                Answer::Pass => passed.push(*candidate),
                Answer::Update => self.update(desktop, found, candidate),
                Answer::Against(against) => {
                    if against.reason == SuppressionReason::Holdout {
                        self.count_held_out(desktop, found, candidate);
                    }
                    losers.push(loser(candidate, None, against.reason));
                    self.suppress(desktop, found, candidate, against, None, None);
                }
                Answer::Defer { reason, until } => deferred.push((*candidate, reason, until)),
            }
        }
        let scores: Vec<Score> = passed.iter().map(|candidate| found.score(candidate)).collect();
        let Some(best) = stages::which::best(&scores) else {
            return self.wait_all(desktop, found, &deferred);
        };
        let winner = passed[best];
        let place = stages::which::place(desktop, winner.id, &scores[best]);
        #[cfg(feature = "faults")]
        let place = if self.has(crate::Fault::CompetitionIgnored) { Place::Of(Vec::new()) } else { place };
        let displaced = match place {
            Place::Of(displaced) => displaced,
            Place::Taken(against) => {
                for (candidate, score) in passed.iter().zip(&scores) {
                    self.suppress(desktop, found, candidate, against, Some(*score), None);
                }
                return self.wait_all(desktop, found, &deferred);
            }
        };
        let (customer, time) = (found.moment.customer, found.detection.time);
        #[cfg(feature = "faults")]
        let about = &*found.detection.about.id;
        #[cfg(feature = "faults")]
        let customer = if self.has(crate::Fault::HoldoutByEpisode) { about } else { customer };
        let held_out = stages::holdout::is_held_out(customer, &found.rule.id, time, found.share());
        let by = (!held_out).then_some(winner.id);
        for (candidate, score) in passed.iter().zip(&scores).filter(|(c, _)| c.number != winner.number) {
            let reason = SuppressionReason::LowerPriority;
            losers.push(loser(candidate, Some(score.priority), reason));
            let against = Against { by, ..Against::of(reason) };
            self.suppress(desktop, found, candidate, against, Some(*score), None);
        }
        losers.extend(deferred.iter().map(|(c, ..)| loser(c, None, SuppressionReason::Replaced)));
        losers.sort_by_key(|loser| std::cmp::Reverse(loser.priority));
        if held_out {
            self.hold_out(desktop, found, &winner, scores[best]);
        } else {
            displaced.iter().for_each(|other| self.supersede(found.moment, desktop, *other, winner.id));
            self.request(desktop, found, &winner, Some(scores[best]), losers);
        }
        let replaced = Against { by, ..Against::of(SuppressionReason::Replaced) };
        for (candidate, ..) in &deferred {
            self.suppress(desktop, found, candidate, replaced, None, None);
        }
        self.replace_waiting(found, desktop, replaced);
    }

    /// The offers of this detection that still wait had better not.
    fn replace_waiting(&mut self, found: &Found<'_>, desktop: &mut Desktop, replaced: Against) {
        let is_of = |w: &mut Waiting| {
            w.class == Class::Offer
                && (w.episode, w.found.level, w.found.time)
                    == (found.episode, found.detection.level, found.detection.time)
        };
        for waiting in desktop.pending.extract_if(.., is_of).collect::<Vec<_>>() {
            self.end_waiting(found.moment, desktop, &waiting, replaced);
        }
    }

    fn wait_all(
        &mut self,
        desktop: &mut Desktop,
        found: &Found<'_>,
        deferred: &[(Candidate<'_>, SuppressionReason, Millis)],
    ) {
        for (candidate, reason, until) in deferred {
            self.wait(desktop, found, candidate, *reason, *until);
        }
    }

    fn wait(
        &mut self,
        desktop: &mut Desktop,
        found: &Found<'_>,
        candidate: &Candidate<'_>,
        reason: SuppressionReason,
        until: Millis,
    ) {
        self.head.tally.of(&found.rule.id).pending += 1;
        let waiting = Waiting {
            episode: found.episode,
            id: candidate.id,
            number: candidate.number,
            times: found.times,
            action: candidate.action.id.clone(),
            class: candidate.action.class,
            reason,
            until,
            expires: candidate.expires(found.detection),
            found: Kept::of(found.moment.book, found.detection),
        };
        let forget_at = waiting.expires.saturating_add(self.settings.remember_ms);
        self.keep_episode(desktop, found, forget_at);
        #[cfg(feature = "faults")]
        if self.has(crate::Fault::PendingForgotten) {
            return;
        }
        let place = desktop.pending.partition_point(|w| w.number < waiting.number);
        desktop.pending.insert(place, waiting);
        desktop.remember(recent(found, candidate, Noted::Pending(reason)));
    }

    /// A candidate ends without an action.
    pub(crate) fn suppress(
        &mut self,
        desktop: &mut Desktop,
        found: &Found<'_>,
        candidate: &Candidate<'_>,
        against: Against,
        score: Option<Score>,
        arm: Option<Arm>,
    ) {
        self.head.tally.of(&found.rule.id).suppressions += 1;
        desktop.remember(recent(found, candidate, Noted::Suppressed(against.reason)));
        #[cfg(feature = "faults")]
        if self.has(crate::Fault::LoserNotTold) && against.reason == SuppressionReason::LowerPriority {
            return;
        }
        self.fresh.push(Decision::Suppressed(Suppressed {
            number: candidate.number,
            times: found.times,
            reason: against.reason,
            until: against.until,
            by_action: against.by,
            reached: against.reached,
            id: candidate.id,
            rule: found.rule.id.clone(),
            action: candidate.action.id.clone(),
            class: candidate.action.class,
            score,
            arm,
            instant: found.moment.instant,
            detection: Box::new(found.detection.clone()),
        }));
    }

    /// A candidate that has waited ends without having been decided.
    pub(crate) fn end_waiting(
        &mut self,
        moment: &Moment<'_>,
        desktop: &mut Desktop,
        waiting: &Waiting,
        against: Against,
    ) {
        let tally = self.head.tally.of(&waiting.found.rule);
        tally.pending -= 1;
        tally.suppressions += 1;
        desktop.remember(Recent {
            instant: moment.instant,
            rule: waiting.found.rule.clone(),
            action: waiting.action.clone(),
            what: Noted::Suppressed(against.reason),
        });
        self.fresh.push(Decision::Suppressed(Suppressed {
            number: waiting.number,
            times: waiting.times,
            reason: against.reason,
            until: against.until,
            by_action: against.by,
            reached: against.reached,
            id: waiting.id,
            rule: waiting.found.rule.clone(),
            action: waiting.action.clone(),
            class: waiting.class,
            score: None,
            arm: None,
            instant: moment.instant,
            detection: Box::new(waiting.found.detection(moment.book, moment.customer)),
        }));
    }

    /// A warning is remembered until its deadline, for the breach that may follow; an episode of which nothing came is not.
    fn drop_unneeded(&self, desktop: &mut Desktop, found: &Found<'_>) {
        if found.detection.level == Level::Warning {
            self.keep_episode(desktop, found, Millis::MIN);
        }
        desktop.episodes.retain(|e| e.number != found.episode || e.forget_at > Millis::MIN);
    }

    /// Remembers the episode until then at least; a warning until its deadline.
    pub(crate) fn keep_episode(&self, desktop: &mut Desktop, found: &Found<'_>, until: Millis) {
        let deadline = found.detection.deadline.saturating_add(self.settings.remember_ms);
        let episode = desktop.episode_mut(found.episode).expect("it stays while it is decided on");
        episode.forget_at = episode.forget_at.max(until).max(deadline);
    }
}

pub(crate) fn recent(found: &Found<'_>, candidate: &Candidate<'_>, what: Noted) -> Recent {
    Recent {
        instant: found.moment.instant,
        rule: found.rule.id.clone(),
        action: candidate.action.id.clone(),
        what,
    }
}

fn loser(candidate: &Candidate<'_>, priority: Option<i64>, reason: SuppressionReason) -> Loser {
    Loser { action: candidate.action.id.clone(), priority, reason }
}
