//! What ends detections, and with them their actions.

use crate::decision::Decision;
use crate::life::Input;
use crate::requests::Told;
use crate::score::Case;
use crate::stages::Against;
use crate::state::{Cooldown, Desktop, Episode, Live};
use crate::{ActionId, Decider};
use compact_str::CompactString;
use cxwatch_engine::{Detection, Ended, Moment};
use cxwatch_event::messages::{CauseReason, SuppressionReason};
use cxwatch_rulebook::Rule;

/// An episode that a retraction took back, as it was before: found again in the same step, it is so again.
#[derive(Debug)]
pub(crate) struct Undo {
    customer: CompactString,
    episode: Episode,
    cooldowns: Vec<Cooldown>,
}

impl Decider {
    /// The need to act is over, at whatever level.
    pub(crate) fn resolved(&mut self, moment: &Moment<'_>, desktop: &mut Desktop, ended: &Ended) {
        let Some(episode) = self.episode_of(moment, desktop, ended) else { return };
        if std::mem::replace(&mut episode.resolved, true) {
            return;
        }
        let number = episode.number;
        self.end_pending(moment, desktop, SuppressionReason::Resolved, |w| w.episode == number);
        let told = Told { by: ended.by.as_ref(), ..Told::cause(CauseReason::Resolved) };
        self.change(moment, desktop, Input::Resolved, told, |l| l.episode == number);
    }

    /// A detection never was true.
    pub(crate) fn retracted(&mut self, moment: &Moment<'_>, desktop: &mut Desktop, ended: &Ended) {
        let Some(episode) = self.episode_of(moment, desktop, ended) else { return };
        let before = episode.clone();
        if episode.stands(ended.level).take().is_none() {
            return;
        }
        let (number, stands) = (episode.number, episode.is_standing());
        self.end_pending(moment, desktop, SuppressionReason::Retracted, |w| {
            w.episode == number && w.found.level == ended.level
        });
        if stands {
            return;
        }
        let lived = |l: &&Live| l.episode == number && !l.stage.is_over();
        let actions: Vec<Live> = desktop.actions.iter().filter(lived).cloned().collect();
        self.taken_back.retain(|before| actions.iter().all(|l| l.id != before.id));
        self.taken_back.extend(actions);
        let problem = before.problem();
        let began = |c: &mut Cooldown| c.rule == before.rule && c.problem == problem;
        let cooldowns = desktop.cooldowns.extract_if(.., began).collect();
        self.uncount(desktop, number);
        let told = Told { by: ended.by.as_ref(), ..Told::cause(CauseReason::Retracted) };
        #[cfg(feature = "faults")]
        let number = if self.has(crate::Fault::RetractionNotRevoked) { u32::MAX } else { number };
        self.change(moment, desktop, Input::Retracted, told, |l| l.episode == number);
        self.undo.push(Undo { customer: moment.customer.into(), episode: before, cooldowns });
    }

    /// What is found again in the step in which it was retracted was never gone: one revision says what became of it.
    /// Says which actions are as they were; one that no detection proposes again stays revoked.
    pub(crate) fn find_again(
        &mut self,
        moment: &Moment<'_>,
        desktop: &mut Desktop,
        rule: &Rule,
        detection: &Detection,
    ) -> Vec<ActionId> {
        self.restore_episode(desktop, rule, detection);
        let Some(at) = desktop.episode_about(&rule.id, &detection.about) else { return Vec::new() };
        let number = desktop.episodes[at].number;
        let case = Case { rule, detection, profile: moment.profile };
        let proposed = rule.actions.iter().map(|ix| &moment.book.actions[usize::from(*ix)]);
        let proposed: Vec<_> = proposed.filter(|action| case.holds(&action.when)).map(|a| &a.id).collect();
        let mut restored = Vec::new();
        for now in desktop.actions.iter_mut().filter(|l| l.episode == number) {
            let again = |l: &Live| l.id == now.id && proposed.contains(&&l.action);
            let Some(at) = self.taken_back.iter().position(again) else { continue };
            let mut before = self.taken_back.remove(at);
            self.fresh.retain(|decision| match decision {
                Decision::Action(a) => a.id != before.id || a.revision <= before.revision,
                Decision::Suppressed(_) => true,
            });
            restored.push(before.id);
            // That somebody was reached meanwhile remains.
            before.spent |= now.spent;
            *now = before;
        }
        restored
    }

    /// The episode that a detection finds again: its own, or else the rule's and key's that was retracted last, unless what
    /// is found now is remembered by itself.
    fn restore_episode(&mut self, desktop: &mut Desktop, rule: &Rule, detection: &Detection) {
        let is_its = |u: &Undo| {
            u.customer == detection.customer && u.episode.rule == rule.id && u.episode.key == detection.key
        };
        let own = self.undo.iter().rposition(|u| is_its(u) && u.episode.is_about(&detection.about));
        let is_known = desktop.episode_about(&rule.id, &detection.about).is_some();
        let other = || if is_known { None } else { self.undo.iter().rposition(is_its) };
        let Some(at) = own.or_else(other) else { return };
        let Undo { mut episode, cooldowns, .. } = self.undo.remove(at);
        episode.about = detection.about.clone();
        (episode.warning, episode.breach) = (None, None);
        self.count_again(&episode);
        match desktop.episodes.iter_mut().find(|e| e.number == episode.number) {
            Some(now) => *now = episode,
            None => desktop.episodes.push(episode),
        }
        desktop.cooldowns.extend(cooldowns);
    }

    /// The rulebook no longer has the rule, or it has become another kind.
    pub(crate) fn remove_rule(&mut self, moment: &Moment<'_>, desktop: &mut Desktop, rule: &str) {
        self.end_pending(moment, desktop, SuppressionReason::NotEligible, |w| w.found.rule == rule);
        let told = Told::cause(CauseReason::RuleRemoved);
        self.change(moment, desktop, Input::RuleRemoved, told, |l| l.rule == rule);
        desktop.cooldowns.retain(|c| c.rule != rule);
    }

    fn episode_of<'d>(
        &self,
        moment: &Moment<'_>,
        desktop: &'d mut Desktop,
        ended: &Ended,
    ) -> Option<&'d mut Episode> {
        let at = desktop.episode_about(&moment.book.rule(ended.rule).id, &ended.about)?;
        Some(&mut desktop.episodes[at]).filter(|e| e.key == ended.key)
    }

    fn end_pending(
        &mut self,
        moment: &Moment<'_>,
        desktop: &mut Desktop,
        reason: SuppressionReason,
        which: impl Fn(&crate::pending::Waiting) -> bool,
    ) {
        #[cfg(feature = "faults")]
        if self.has(crate::Fault::AliveNotChecked) {
            return;
        }
        for waiting in desktop.pending.extract_if(.., |w| which(w)).collect::<Vec<_>>() {
            self.end_waiting(moment, desktop, &waiting, Against::of(reason));
        }
    }

    /// A retracted episode is not counted; found again, it is a new one.
    fn uncount(&mut self, desktop: &mut Desktop, number: u32) {
        let episode = desktop.episode_mut(number).expect("it has just been found");
        let tally = self.head.tally.of(&episode.rule);
        if let Some(side) = episode.treated.take() {
            tally.treated.take_back(side.saved);
        }
        if let Some(side) = episode.held_out.take() {
            tally.held_out.take_back(side.saved);
        }
    }

    fn count_again(&mut self, episode: &Episode) {
        let tally = self.head.tally.of(&episode.rule);
        if let Some(side) = episode.treated {
            tally.treated.add(side.saved);
        }
        if let Some(side) = episode.held_out {
            tally.held_out.add(side.saved);
        }
    }
}
