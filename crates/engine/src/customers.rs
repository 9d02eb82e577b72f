//! The customers of a task.

use crate::absence::Absence;
use crate::guards::Guards;
use crate::seen::Seen;
use crate::window::Window;
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{Kind, Rule, RuleIx};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// No instant: later than any.
pub(crate) const NONE: Millis = Millis::MAX;

/// Everything that is known about one customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Customer<S> {
    pub(crate) id: CompactString,
    pub(crate) slots: SmallVec<[Slot; 1]>,
    pub(crate) seen: Seen,
    pub(crate) desk: S,
    /// When the desk's timer goes off.
    #[serde(skip, default = "none")]
    pub(crate) desk_at: Millis,
    /// When memory is next looked through.
    #[serde(skip, default = "none")]
    pub(crate) tidy_at: Millis,
    /// How often it has been looked through since something came.
    #[serde(skip)]
    pub(crate) tidied: u8,
    /// The newest snapshot that this customer is in, or need not be in.
    #[serde(skip)]
    pub(crate) snapshot: u32,
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

impl<S> Customer<S> {
    /// As it comes out of a snapshot: its timers are still to be set.
    pub(crate) fn forget_timers(&mut self) {
        (self.desk_at, self.tidy_at) = (NONE, NONE);
        for slot in &mut self.slots {
            slot.timer_at = NONE;
        }
    }

    pub(crate) fn slot(&mut self, rule: RuleIx) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|s| s.rule == rule.0)
    }

    pub(crate) fn slot_or_new(&mut self, ix: RuleIx, rule: &Rule) -> usize {
        self.slots.iter().position(|s| s.rule == ix.0).unwrap_or_else(|| {
            let state = match rule.kind {
                Kind::Absence { .. } => State::Absence(Absence::default()),
                _ => State::Window(Box::default()),
            };
            self.slots.push(Slot { rule: ix.0, guards: Guards::default(), state, timer_at: NONE });
            self.slots.len() - 1
        })
    }
}

impl Slot {
    fn warm(&self) -> usize {
        match &self.state {
            State::Absence(absence) => absence.warm(),
            State::Window(window) => usize::from(window.is_empty()),
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

/// A slab of customers, found by id.
#[derive(Debug)]
pub(crate) struct Customers<S> {
    slab: Vec<Option<Box<Customer<S>>>>,
    free: Vec<u32>,
    by_id: HashTable<u32>,
    hasher: foldhash::fast::FixedState,
}

impl<S: Default> Customers<S> {
    /// `seed` spreads foreign ids over the table; it does not show in any result.
    pub(crate) fn new(seed: u64) -> Self {
        Customers {
            slab: Vec::new(),
            free: Vec::new(),
            by_id: HashTable::new(),
            hasher: foldhash::fast::FixedState::with_seed(seed),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        let slab = &self.slab;
        let is = |at: &u32| slab[*at as usize].as_ref().is_some_and(|c| c.id == id);
        self.by_id.find(self.hasher.hash_one(id), is).copied()
    }

    /// Reads what an event of this customer will need first, so that it is near by then. The result means nothing.
    pub(crate) fn warm(&self, id: &str) -> usize {
        let Some(customer) = self.find(id).and_then(|at| self.slab[at as usize].as_deref()) else { return 0 };
        usize::from(customer.seen.is_empty()) + customer.slots.iter().map(Slot::warm).sum::<usize>()
    }

    pub(crate) fn find_or_new(&mut self, id: &CompactString, snapshot: u32) -> u32 {
        if let Some(at) = self.find(id) {
            return at;
        }
        self.insert(Customer {
            id: id.clone(),
            slots: SmallVec::new(),
            seen: Seen::default(),
            desk: S::default(),
            desk_at: NONE,
            tidy_at: NONE,
            tidied: 0,
            snapshot,
        })
    }

    pub(crate) fn insert(&mut self, customer: Customer<S>) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slab.push(None);
            u32::try_from(self.slab.len() - 1).expect("a task has fewer than 2^32 customers")
        });
        let hash = self.hasher.hash_one(customer.id.as_str());
        self.slab[at as usize] = Some(Box::new(customer));
        let (slab, hasher) = (&self.slab, &self.hasher);
        let rehash = |at: &u32| {
            let customer = slab[*at as usize].as_ref().expect("the table names live customers");
            hasher.hash_one(customer.id.as_str())
        };
        self.by_id.insert_unique(hash, at, rehash);
        at
    }

    /// Takes all customers out, in the order of their ids.
    pub(crate) fn take_all(&mut self) -> Vec<Customer<S>> {
        self.by_id.clear();
        self.free.clear();
        let mut all: Vec<_> = std::mem::take(&mut self.slab).into_iter().flatten().map(|c| *c).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    pub(crate) fn remove(&mut self, at: u32) {
        let Some(customer) = self.slab[at as usize].take() else { return };
        if let Ok(entry) = self.by_id.find_entry(self.hasher.hash_one(customer.id.as_str()), |a| *a == at) {
            entry.remove();
        }
        self.free.push(at);
    }

    /// The customer in a place, if there still is one.
    pub(crate) fn at(&mut self, at: u32) -> Option<&mut Customer<S>> {
        self.slab.get_mut(at as usize).and_then(Option::as_deref_mut)
    }

    /// The customer in a place that is known to be taken.
    pub(crate) fn live(&mut self, at: u32) -> &mut Customer<S> {
        self.at(at).expect("the place of a live customer")
    }

    /// How many places there are; some may be empty.
    pub(crate) fn places(&self) -> u32 {
        self.slab.len() as u32
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Customer<S>> {
        self.slab.iter().flatten().map(Box::as_ref)
    }
}
