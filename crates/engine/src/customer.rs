//! One customer.

use crate::Desk;
use crate::absence::Absence;
use crate::guards::Guards;
use crate::near::ask_for;
use crate::seen::Seen;
use crate::window::Window;
use compact_str::CompactString;
use cxwatch_event::{Millis, Profile, UNKNOWN};
use cxwatch_rulebook::{Kind, Rule, RuleIx};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// No instant: later than any.
pub(crate) const NONE: Millis = Millis::MAX;

/// Everything that is known about one customer: three cache lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[repr(align(64))]
pub(crate) struct Customer<S> {
    /// Written apart, like its timers.
    #[serde(skip)]
    pub(crate) id: CompactString,
    pub(crate) slots: SmallVec<[Slot; 1]>,
    pub(crate) seen: Seen,
    pub(crate) desk: S,
    /// What is known of the customer. Who has a profile is never forgotten.
    #[serde(with = "crate::known")]
    pub(crate) profile: Option<Box<Profile>>,
    /// When the desk's timer goes off.
    #[serde(skip, default = "none")]
    pub(crate) desk_at: Millis,
    /// When memory is next looked through.
    #[serde(skip, default = "none")]
    pub(crate) tidy_at: Millis,
    /// How often it has been looked through since something came.
    #[serde(skip)]
    pub(crate) tidied: u8,
    /// An event has come since the customers were last looked through for who can be packed.
    #[serde(skip)]
    pub(crate) used: bool,
}

/// What one rule knows about one customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) rule: RuleIx16,
    pub(crate) guards: Guards,
    pub(crate) state: State,
    /// The earliest timer in the wheel for this slot.
    #[serde(skip, default = "none")]
    pub(crate) timer_at: Millis,
}

/// A [`RuleIx`] that can be written.
pub(crate) type RuleIx16 = u16;

/// By kind of rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum State {
    Absence(Absence),
    Window(Box<Window>),
}

fn none() -> Millis {
    NONE
}

impl<S: Default> Customer<S> {
    pub(crate) fn new(id: CompactString) -> Self {
        Customer {
            id,
            slots: SmallVec::new(),
            seen: Seen::default(),
            desk: S::default(),
            profile: None,
            desk_at: NONE,
            tidy_at: NONE,
            tidied: 0,
            used: true,
        }
    }
}

impl<S> Customer<S> {
    /// Asks for each of its cache lines.
    pub(crate) fn warm(&self) {
        let Customer { id, slots, seen, desk, desk_at, .. } = self;
        ask_for(id);
        ask_for(slots);
        ask_for(seen);
        ask_for(desk);
        ask_for(desk_at);
    }

    /// Asks for the lists that it has of its own.
    pub(crate) fn warm_lists(&self) {
        self.seen.warm();
        if self.slots.spilled() {
            self.slots.iter().for_each(ask_for);
        }
    }

    /// Whether nothing is left of the customer.
    pub(crate) fn is_over<D: Desk<State = S>>(&self, desk: &D) -> bool {
        self.slots.iter().all(Slot::is_empty)
            && self.seen.is_empty()
            && self.profile.is_none()
            && desk.is_idle(&self.desk)
    }

    /// What is known of the customer.
    pub(crate) fn known(&self) -> &Profile {
        self.profile.as_deref().unwrap_or(&UNKNOWN)
    }

    /// With all its timers still to be set.
    pub(crate) fn without_timers(mut self) -> Self {
        (self.desk_at, self.tidy_at) = (NONE, NONE);
        for slot in &mut self.slots {
            slot.timer_at = NONE;
        }
        self
    }

    pub(crate) fn slot(&mut self, rule: RuleIx) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|s| s.rule == rule.0)
    }

    pub(crate) fn slot_at(&self, rule: RuleIx) -> Option<usize> {
        self.slots.iter().position(|s| s.rule == rule.0)
    }

    pub(crate) fn new_slot(&mut self, ix: RuleIx, rule: &Rule) -> usize {
        let state = match rule.kind {
            Kind::Absence { .. } => State::Absence(Absence::default()),
            _ => State::Window(Box::default()),
        };
        self.slots.push(Slot { rule: ix.0, guards: Guards::default(), state, timer_at: NONE });
        self.slots.len() - 1
    }
}

impl Slot {
    /// Asks for what its rule knows.
    pub(crate) fn warm(&self) {
        match &self.state {
            State::Absence(absence) => absence.warm(),
            State::Window(window) => ask_for(&**window),
        }
    }

    /// The same, where [`Slot::warm`] has led.
    pub(crate) fn warm_memory(&self) {
        if let State::Absence(absence) = &self.state {
            absence.warm_memory();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.guards.is_empty()
            && match &self.state {
                State::Absence(absence) => absence.is_empty(),
                State::Window(window) => window.is_empty(),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::mem::offset_of;

    /// As large as what decisions keep.
    type Known = Customer<[u64; 4]>;

    #[test]
    fn each_of_its_cache_lines_is_asked_for() {
        let asked_for = [
            offset_of!(Known, id),
            offset_of!(Known, slots),
            offset_of!(Known, seen),
            offset_of!(Known, desk),
            offset_of!(Known, desk_at),
        ];
        let lines: BTreeSet<usize> = asked_for.map(|begin| begin / 64).into();
        assert_eq!(lines.len(), size_of::<Known>() / 64);
    }
}
