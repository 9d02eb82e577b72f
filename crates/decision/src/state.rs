//! What decisions keep per customer.

use crate::ActionId;
use compact_str::CompactString;
use cxwatch_engine::EventRef;
use cxwatch_event::Millis;
use cxwatch_rulebook::Level;
use serde::{Deserialize, Serialize};

/// A customer's actions and cool-downs. Rules and actions are named, not numbered: a rulebook may change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerState(Option<Box<Desktop>>);

/// Most customers have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Desktop {
    pub(crate) actions: Vec<Live>,
    pub(crate) cooldowns: Vec<Cooldown>,
}

impl CustomerState {
    pub(crate) fn get(&self) -> Option<&Desktop> {
        self.0.as_deref()
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut Desktop> {
        self.0.as_deref_mut()
    }

    pub(crate) fn get_or_new(&mut self) -> &mut Desktop {
        self.0.get_or_insert_default()
    }

    /// Lets go of a desktop on which nothing is left.
    pub(crate) fn clear(&mut self) {
        if self.get().is_some_and(|d| d.actions.is_empty() && d.cooldowns.is_empty()) {
            self.0 = None;
        }
    }
}

/// An action whose life is not over, or that may still come back under its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) id: ActionId,
    pub(crate) rule: CompactString,
    pub(crate) action: CompactString,
    pub(crate) key: CompactString,
    pub(crate) about: EventRef,
    /// The furthest it has come: a breach comes before a warning.
    pub(crate) level: Level,
    pub(crate) revision: u32,
    pub(crate) expires: Millis,
    /// Which of its detections stand: warning, breach.
    pub(crate) warning: bool,
    pub(crate) breach: bool,
    /// When it was revoked or expired.
    pub(crate) over: Option<Millis>,
    /// Until when its revisions are remembered: its problem may be found again.
    pub(crate) forget_at: Millis,
}

impl Live {
    pub(crate) fn stands(&mut self, level: Level) -> &mut bool {
        match level {
            Level::Warning => &mut self.warning,
            Level::Breach => &mut self.breach,
        }
    }
}

/// After a detection that won, the same rule and key propose nothing for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cooldown {
    pub(crate) rule: CompactString,
    pub(crate) key: CompactString,
    pub(crate) until: Millis,
    /// The action that began it.
    pub(crate) by: ActionId,
}
