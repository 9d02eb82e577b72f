//! What comes back: outcomes, contacts, successes.

use crate::contacts::{Contact, holds, value};
use crate::life::{Input, Stage, step};
use crate::state::{CustomerState, Desktop, Refusal, Side};
use crate::{ActionId, Decider};
use cxwatch_engine::Moment;
use cxwatch_event::{Event, Millis};
use cxwatch_rulebook::{DeskUse, Outcome};

impl Decider {
    /// An event that decisions or the timeline care for.
    pub(crate) fn look_at(&mut self, moment: &Moment<'_>, state: &mut CustomerState, event: &Event) {
        let Moment { book, profile, instant, .. } = *moment;
        if book.actions.is_empty() {
            return;
        }
        let kind = usize::from(event.kind.0);
        if book.policy.timeline > 0 && book.by_type.get(kind).is_some_and(|uses| !uses.is_empty()) {
            let name = &book.catalogue.spec(event.kind).name;
            state.timeline.add(name, event.time, instant, book.policy.timeline);
        }
        match book.desk_uses.get(kind).and_then(Option::as_ref) {
            Some(DeskUse::Contact { when, channel }) if !book.policy.caps.is_empty() => {
                let channel = value(channel, event, profile);
                let channel = channel.as_ref().and_then(|c| c.as_text());
                if let Some(channel) = channel.filter(|_| holds(when, event, profile)) {
                    let desktop = state.desktop.get_or_insert_default();
                    desktop.contacts.add(&book.policy, Contact::seen(event.time, channel.into()), instant);
                    state.clear();
                }
            }
            Some(DeskUse::Outcome { outcome, action_id }) => {
                let id = event.field(*action_id).and_then(|id| id.as_text()).and_then(ActionId::parse);
                let told = id.zip(state.desktop_mut());
                let known = told.is_some_and(|(id, d)| self.told(moment, d, *outcome, id, event.time));
                self.head.unknown_actions += u64::from(!known);
            }
            _ => {}
        }
    }

    /// What the router says became of an action. False: it is not known (any more).
    fn told(
        &mut self,
        moment: &Moment<'_>,
        desktop: &mut Desktop,
        outcome: Outcome,
        id: ActionId,
        time: Millis,
    ) -> bool {
        let Some(live) = desktop.actions.iter_mut().find(|l| l.id == id) else { return false };
        let (stage, _) = step(live.stage, Input::Told(outcome));
        let refused = live.stage != stage && stage == Stage::Refused;
        if live.stage != stage {
            // What the router says stands, whatever becomes of the retraction before it.
            self.taken_back.retain(|before| before.id != id);
        }
        live.stage = stage;
        use Outcome::{Contacted, Failed, Rejected, Saved};
        let policy = &moment.book.policy;
        if matches!(outcome, Contacted | Saved | Failed | Rejected) && !live.spent {
            live.spent = true;
            let contact = Contact { time, channel: live.channel.clone(), by: live.by.clone() };
            desktop.contacts.add(policy, contact, moment.instant);
        }
        let forget_at = time.saturating_add(policy.declined_for_ms);
        if refused && forget_at > moment.instant {
            desktop.refusals.push(Refusal { action: live.action.clone(), time, forget_at });
        }
        let number = live.episode;
        if outcome == Saved
            && let Some(episode) = desktop.episode_mut(number)
            && let Some(side) = episode.treated.as_mut().filter(|side| !side.saved)
        {
            side.saved = true;
            self.head.tally.of(&episode.rule).treated.saved += 1;
        }
        true
    }

    /// An event of a rule's `success`: of this key, or of any where it names none.
    pub(crate) fn has_succeeded(
        &mut self,
        desktop: &mut Desktop,
        rule: &str,
        key: Option<&str>,
        time: Millis,
    ) {
        let is_new = |side: &&mut Side| !side.saved && side.time < time && time <= side.until;
        if desktop.episodes.iter().all(|e| e.rule != rule) {
            // A rule that never proposed anything has no books.
            return;
        }
        let tally = self.head.tally.of(rule);
        for episode in desktop.episodes.iter_mut().filter(|e| e.rule == rule) {
            if key.is_some_and(|key| episode.key != key) {
                continue;
            }
            if let Some(side) = episode.treated.as_mut().filter(is_new) {
                side.saved = true;
                tally.treated.saved += 1;
            }
            if let Some(side) = episode.held_out.as_mut().filter(is_new) {
                side.saved = true;
                tally.held_out.saved += 1;
            }
        }
    }
}
