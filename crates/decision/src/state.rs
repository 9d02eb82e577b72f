//! What decisions keep per customer. Rules and actions are named, not numbered: a rulebook may change.

use crate::ActionId;
use crate::contacts::{Contacts, Reservation};
use crate::life::Stage;
use crate::pending::Waiting;
use crate::timeline::Timeline;
use compact_str::CompactString;
use cxwatch_engine::{EventRef, ask_for};
use cxwatch_event::messages::{CauseReason, SuppressionReason};
use cxwatch_event::{Micro, Millis};
use cxwatch_rulebook::{Class, Level};
use serde::{Deserialize, Serialize};

/// What is kept of one customer. Most have a past and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomerState {
    pub(crate) timeline: Timeline,
    pub(crate) desktop: Option<Box<Desktop>>,
}

/// What is on the table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Desktop {
    /// What detections spoke of.
    pub(crate) episodes: Vec<Episode>,
    /// In the order of their first request.
    pub(crate) actions: Vec<Live>,
    /// By detection, as they came.
    pub(crate) pending: Vec<Waiting>,
    pub(crate) cooldowns: Vec<Cooldown>,
    pub(crate) contacts: Contacts,
    pub(crate) refusals: Vec<Refusal>,
    /// The last decisions, oldest first.
    pub(crate) recent: Vec<Recent>,
    /// How often each detection has proposed, one late horizon long.
    pub(crate) proposed: Vec<Proposed>,
    /// The number of the next episode.
    pub(crate) next_episode: u32,
}

/// A problem: a rule, and what it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    /// Within the customer.
    pub(crate) number: u32,
    pub(crate) rule: CompactString,
    pub(crate) key: CompactString,
    /// What it was about when it was first found: its actions' ids come from it.
    pub(crate) root: EventRef,
    /// What it is about now: found again in the step of its retraction, it may begin elsewhere.
    pub(crate) about: EventRef,
    /// The times of the detections that stand.
    pub(crate) warning: Option<Millis>,
    pub(crate) breach: Option<Millis>,
    /// The need to act is over.
    pub(crate) resolved: bool,
    /// The sides of the experiment that it counts for.
    pub(crate) treated: Option<Side>,
    pub(crate) held_out: Option<Side>,
    /// It has been held out, whatever it counts for now: remembered like an action.
    pub(crate) is_held_out: bool,
    pub(crate) forget_at: Millis,
}

/// A detection that was acted on, or held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Side {
    /// The detection's time.
    pub(crate) time: Millis,
    /// Until when an event shows that the customer was saved.
    pub(crate) until: Millis,
    pub(crate) saved: bool,
}

/// An action whose life is not over, or that may still come back under its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) id: ActionId,
    pub(crate) episode: u32,
    pub(crate) rule: CompactString,
    pub(crate) key: CompactString,
    pub(crate) about: EventRef,
    pub(crate) action: CompactString,
    pub(crate) class: Class,
    pub(crate) channel: CompactString,
    pub(crate) by: CompactString,
    /// The furthest it has come: a breach comes before a warning.
    pub(crate) level: Level,
    pub(crate) stage: Stage,
    pub(crate) revision: u32,
    /// That of its request.
    pub(crate) priority: Micro,
    pub(crate) severity: u8,
    pub(crate) sentence: CompactString,
    pub(crate) expires: Millis,
    /// When somebody should have accepted it, until then.
    pub(crate) accept_by: Option<Millis>,
    /// Nobody did.
    pub(crate) urgent: bool,
    /// Its contact has been counted.
    pub(crate) spent: bool,
    /// Until when its revisions are remembered: its problem may be found again.
    pub(crate) forget_at: Millis,
}

/// A detection of the rule and key won.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cooldown {
    pub(crate) rule: CompactString,
    pub(crate) key: CompactString,
    /// The detection's time.
    pub(crate) time: Millis,
    /// A hash of what the episode was about.
    pub(crate) problem: u64,
    pub(crate) until: Millis,
    pub(crate) forget_at: Millis,
}

/// An action was declined or rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) action: CompactString,
    pub(crate) time: Millis,
    pub(crate) forget_at: Millis,
}

/// A detection that has proposed: a problem, a level and a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proposed {
    /// A hash of it.
    what: u64,
    times: u32,
    forget_at: Millis,
}

/// One of the last decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// When it was taken.
    pub instant: Millis,
    /// The rule.
    pub rule: CompactString,
    /// The action.
    pub action: CompactString,
    /// What was decided.
    pub what: Noted,
}

/// A decision in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Noted {
    /// It was asked for.
    Requested,
    /// It goes on, or has ended; why.
    Changed(CauseReason),
    /// It waits; for what.
    Pending(SuppressionReason),
    /// It led to nothing; why.
    Suppressed(SuppressionReason),
}

/// So many decisions are remembered.
const RECENT_MAX: usize = 8;

impl CustomerState {
    pub(crate) fn desktop_mut(&mut self) -> Option<&mut Desktop> {
        self.desktop.as_deref_mut()
    }

    /// Lets go of what is empty.
    pub(crate) fn clear(&mut self) {
        if self.desktop.as_ref().is_some_and(|d| d.is_idle() && d.recent.is_empty()) {
            self.desktop = None;
        }
    }
}

impl Desktop {
    /// Asks for it.
    pub(crate) fn warm(&self) {
        ask_for(&self.episodes);
        ask_for(&self.contacts);
        ask_for(&self.recent);
        ask_for(&self.next_episode);
    }

    /// Whether nothing that matters is left. The last decisions are a memory, and keep nobody.
    pub(crate) fn is_idle(&self) -> bool {
        self.episodes.is_empty()
            && self.actions.is_empty()
            && self.pending.is_empty()
            && self.cooldowns.is_empty()
            && self.contacts.0.is_empty()
            && self.refusals.is_empty()
    }

    /// The episode that a rule means by this event.
    pub(crate) fn episode_about(&self, rule: &str, about: &EventRef) -> Option<usize> {
        self.episodes.iter().position(|e| e.rule == rule && e.is_about(about))
    }

    pub(crate) fn episode(&self, number: u32) -> Option<&Episode> {
        self.episodes.iter().find(|e| e.number == number)
    }

    pub(crate) fn episode_mut(&mut self, number: u32) -> Option<&mut Episode> {
        self.episodes.iter_mut().find(|e| e.number == number)
    }

    pub(crate) fn reservations(&self) -> Vec<Reservation<'_>> {
        let accepted = |l: &&Live| l.class == Class::Offer && l.stage == Stage::Accepted;
        let reserved = self.actions.iter().filter(accepted);
        reserved.map(|l| Reservation { channel: &l.channel, by: &l.by }).collect()
    }

    pub(crate) fn remember(&mut self, recent: Recent) {
        if self.recent.len() == RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(recent);
    }

    /// How often this detection has proposed before: retracted and found again, it does so once more. A memory, like
    /// the last decisions: it keeps nobody.
    pub(crate) fn propose_again(
        &mut self,
        number: u32,
        level: Level,
        time: Millis,
        instant: Millis,
        remember_ms: Millis,
    ) -> u32 {
        let episode = self.episode(number).expect("it has just been opened");
        let level_byte = [level as u8];
        let problem = episode.problem().to_le_bytes();
        let parts: [&[u8]; 4] = [&problem, &level_byte, &time.to_le_bytes(), episode.rule.as_bytes()];
        let what = xxhash_rust::xxh3::xxh3_64(&parts.concat());
        self.proposed.retain(|p| p.forget_at > instant);
        let forget_at = instant.max(time).saturating_add(remember_ms);
        match self.proposed.iter_mut().find(|p| p.what == what) {
            Some(known) => {
                known.times += 1;
                known.forget_at = known.forget_at.max(forget_at);
                known.times
            }
            None => {
                self.proposed.push(Proposed { what, times: 0, forget_at });
                0
            }
        }
    }

    /// When something is to be done or forgotten.
    pub(crate) fn next(&self) -> Option<Millis> {
        let actions = self.actions.iter().map(Live::next);
        let pending = self.pending.iter().map(|w| w.until.min(w.expires));
        let episodes = self.episodes.iter().map(|e| e.forget_at);
        let cooldowns = self.cooldowns.iter().map(|c| c.forget_at);
        let refusals = self.refusals.iter().map(|r| r.forget_at);
        let all = actions.chain(pending).chain(episodes).chain(cooldowns).chain(refusals);
        all.chain(self.contacts.next()).min()
    }

    /// Forgets what has had its time.
    pub(crate) fn forget(&mut self, instant: Millis) {
        self.actions.retain(|l| !l.stage.is_over() || l.forget_at > instant);
        self.episodes.retain(|e| e.forget_at > instant);
        self.cooldowns.retain(|c| c.forget_at > instant);
        self.refusals.retain(|r| r.forget_at > instant);
        self.contacts.forget(instant);
    }
}

impl Episode {
    pub(crate) fn is_about(&self, about: &EventRef) -> bool {
        is_same(&self.about, about) || is_same(&self.root, about)
    }

    pub(crate) fn stands(&mut self, level: Level) -> &mut Option<Millis> {
        match level {
            Level::Warning => &mut self.warning,
            Level::Breach => &mut self.breach,
        }
    }

    /// Whether a detection of it stands.
    pub(crate) fn is_standing(&self) -> bool {
        self.warning.is_some() || self.breach.is_some()
    }

    pub(crate) fn problem(&self) -> u64 {
        let EventRef { source, id, sub, .. } = &self.root;
        let mut bytes = Vec::with_capacity(source.len() + id.len() + 6);
        for part in [source.as_bytes(), id.as_bytes(), &sub.to_le_bytes()] {
            bytes.extend_from_slice(part);
            bytes.push(0);
        }
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

impl Live {
    fn next(&self) -> Millis {
        if self.stage.is_over() {
            return self.forget_at;
        }
        match self.accept_by {
            Some(by) if self.stage == Stage::Requested && !self.urgent => by.min(self.expires),
            _ => self.expires,
        }
    }

    /// For the router.
    pub(crate) fn route_priority(&self) -> u16 {
        let urgent = if self.urgent { 100 } else { 0 };
        (u16::from(self.severity) * 10 + urgent).min(1_000)
    }
}

/// Whether two references are to one event. Feeds and types are numbers of a rulebook, which may have changed since.
fn is_same(one: &EventRef, other: &EventRef) -> bool {
    (&one.source, &one.id, one.sub) == (&other.source, &other.id, other.sub)
}
