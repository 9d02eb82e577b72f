//! What decisions know of a customer, for people.

use crate::contacts::Contact;
use crate::life::Stage;
use crate::state::{CustomerState, Recent};
use crate::timeline::Past;
use crate::{ActionId, Noted};
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_event::messages::SuppressionReason;
use cxwatch_rulebook::Rulebook;

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explained {
    /// In the order of their first request.
    pub actions: Vec<ExplainedAction>,
    /// What waits, in the order in which it was proposed.
    pub pending: Vec<ExplainedCandidate>,
    /// What keeps rules quiet.
    pub cooldowns: Vec<ExplainedCooldown>,
    /// The contacts that caps count, oldest first.
    pub contacts: Vec<Contact>,
    /// Actions that were declined or rejected, and when.
    pub refused: Vec<(CompactString, Millis)>,
    /// The last decisions, oldest first.
    pub recent: Vec<Recent>,
    /// What the customer did of late, oldest first.
    pub timeline: Vec<Past>,
}

/// An action that is alive, or remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedAction {
    /// Its id.
    pub id: ActionId,
    /// The rule.
    pub rule: CompactString,
    /// Its name.
    pub action: CompactString,
    /// The episode's key.
    pub key: CompactString,
    /// Where it is in its life.
    pub stage: Stage,
    /// Its newest revision.
    pub revision: u32,
    /// The end of its life.
    pub expires: Millis,
}

/// A candidate that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedCandidate {
    /// The rule.
    pub rule: CompactString,
    /// The action's name.
    pub action: CompactString,
    /// The episode's key.
    pub key: CompactString,
    /// The time of the detection that proposed it.
    pub detected: Millis,
    /// For what it waits.
    pub reason: SuppressionReason,
    /// Until when.
    pub until: Millis,
    /// The end of its life.
    pub expires: Millis,
}

/// A cool-down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedCooldown {
    /// The rule.
    pub rule: CompactString,
    /// The episode's key.
    pub key: CompactString,
    /// The time of the detection that began it.
    pub since: Millis,
    /// Until when.
    pub until: Millis,
}

impl CustomerState {
    /// What decisions know of the customer at an instant.
    pub fn explain(&self, book: &Rulebook, instant: Millis) -> Explained {
        let timeline = self.timeline.shown(book, instant);
        let Some(desktop) = &self.desktop else { return Explained { timeline, ..Explained::default() } };
        let actions = desktop.actions.iter().map(|l| ExplainedAction {
            id: l.id,
            rule: l.rule.clone(),
            action: l.action.clone(),
            key: l.key.clone(),
            stage: l.stage,
            revision: l.revision,
            expires: l.expires,
        });
        let pending = desktop.pending.iter().map(|w| ExplainedCandidate {
            rule: w.found.rule.clone(),
            action: w.action.clone(),
            key: w.found.key.clone(),
            detected: w.found.time,
            reason: w.reason,
            until: w.until,
            expires: w.expires,
        });
        let cooldowns = desktop.cooldowns.iter().filter(|c| c.until > instant).map(|c| ExplainedCooldown {
            rule: c.rule.clone(),
            key: c.key.clone(),
            since: c.time,
            until: c.until,
        });
        Explained {
            actions: actions.collect(),
            pending: pending.collect(),
            cooldowns: cooldowns.collect(),
            contacts: desktop.contacts.0.iter().map(|(_, contact)| contact.clone()).collect(),
            refused: desktop.refusals.iter().map(|r| (r.action.clone(), r.time)).collect(),
            recent: desktop.recent.clone(),
            timeline,
        }
    }
}

impl Explained {
    /// Leaves what was so at an instant that has passed, as far as it is still known.
    pub(crate) fn remembered_at(mut self, at: Millis) -> Self {
        let requested = |of: &ExplainedAction, recent: &Recent| {
            recent.what == Noted::Requested && (&recent.rule, &recent.action) == (&of.rule, &of.action)
        };
        let recent = std::mem::take(&mut self.recent);
        // When an action was requested is only known from the last decisions.
        self.actions.retain(|action| {
            let mut requests = recent.iter().filter(|r| requested(action, r)).peekable();
            requests.peek().is_none() || requests.any(|r| r.instant <= at)
        });
        self.recent = recent.into_iter().filter(|r| r.instant <= at).collect();
        self.pending.retain(|p| p.detected <= at);
        self.cooldowns.retain(|c| c.since <= at && at < c.until);
        self.contacts.retain(|c| c.time <= at);
        self.refused.retain(|(_, time)| *time <= at);
        self.timeline.retain(|past| past.time <= at);
        self
    }
}
