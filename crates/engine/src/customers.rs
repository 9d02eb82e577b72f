//! The customers of a task.
//!
//! A customer is found by a table of (hash, place) pairs, so that neither a search nor the table's growth reads a customer
//! in vain, and lies by value in chunks of places. Who has only looked around - no episode, a stretch of refreshes, an id
//! or two - lies there whole: three neighbouring cache lines and no memory of its own.

use crate::Desk;
use crate::absence::Absence;
use crate::guards::Guards;
use crate::lookahead::Coming;
use crate::seen::Seen;
use crate::window::Window;
use compact_str::CompactString;
use cxwatch_event::{Millis, Profile, UNKNOWN};
use cxwatch_rulebook::{Kind, Rule, RuleIx, Rulebook};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// No instant: later than any.
pub(crate) const NONE: Millis = Millis::MAX;

/// Places in a chunk, as a shift.
const CHUNK: u32 = 8;

/// Everything that is known about one customer: three cache lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[repr(align(64))]
pub(crate) struct Customer<S> {
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
    /// Reads each of its cache lines. The result means nothing.
    fn warm(&self) -> usize {
        self.snapshot as usize ^ usize::from(self.slots.spilled()) ^ self.desk_at as usize
    }

    /// Reads the lists that it has of its own. The result means nothing.
    fn warm_lists(&self) -> usize {
        self.slots.iter().fold(self.seen.warm(), |read, slot| read ^ slot.timer_at as usize)
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
    fn warm(&self) -> usize {
        match &self.state {
            State::Absence(absence) => absence.warm(),
            State::Window(window) => usize::from(window.is_empty()),
        }
    }

    fn warm_memory(&self) -> usize {
        match &self.state {
            State::Absence(absence) => absence.warm_memory(),
            State::Window(_) => 0,
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

/// A customer's id, hashed: as much of it as the table keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdHash(u32);

impl IdHash {
    /// Spread over 64 bits, as the table wants it.
    fn wide(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

#[derive(Debug, Clone, Copy)]
struct Found {
    hash: IdHash,
    at: u32,
}

/// Places of customers, found by id.
#[derive(Debug)]
pub(crate) struct Customers<S> {
    chunks: Vec<Vec<Option<Customer<S>>>>,
    places: u32,
    free: Vec<u32>,
    by_id: HashTable<Found>,
    hasher: foldhash::fast::FixedState,
}

impl<S: Default> Customers<S> {
    /// `seed` spreads foreign ids over the table; it does not show in any result.
    pub(crate) fn new(seed: u64) -> Self {
        Customers {
            chunks: Vec::new(),
            places: 0,
            free: Vec::new(),
            by_id: HashTable::new(),
            hasher: foldhash::fast::FixedState::with_seed(seed),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn hash(&self, id: &str) -> IdHash {
        let hash = self.hasher.hash_one(id);
        IdHash((hash ^ hash >> 32) as u32)
    }

    pub(crate) fn place(&self, at: u32) -> Option<&Customer<S>> {
        self.chunks.get((at >> CHUNK) as usize)?.get((at & ((1 << CHUNK) - 1)) as usize)?.as_ref()
    }

    pub(crate) fn find(&self, hash: IdHash, id: &str) -> Option<u32> {
        let is = |found: &Found| found.hash == hash && self.place(found.at).is_some_and(|c| c.id == id);
        self.by_id.find(hash.wide(), is).map(|found| found.at)
    }

    /// The place of a customer with this hash: most likely the one that is meant.
    pub(crate) fn likely(&self, hash: IdHash) -> Option<u32> {
        self.by_id.find(hash.wide(), |found| found.hash == hash).map(|found| found.at)
    }

    /// Reads what these events will need of their customers, so that it is near by then: step by step, each what the step
    /// before has led to. The result means nothing.
    pub(crate) fn warm<D: Desk<State = S>>(
        &self,
        book: &Rulebook,
        desk: &D,
        coming: &[Coming],
        step: usize,
    ) -> usize {
        let mut read = 0;
        for (at, kind) in coming {
            let Some(customer) = self.place(*at) else { continue };
            let uses = book.uses(*kind);
            let named = |slot: &&Slot| uses.iter().any(|used| used.rule.0 == slot.rule);
            read ^= match step {
                0 => customer.warm(),
                1 => customer.warm_lists() ^ desk.warm(&customer.desk),
                2 => customer.slots.iter().filter(named).fold(0, |read, slot| read ^ slot.warm()),
                _ => customer.slots.iter().filter(named).fold(0, |read, slot| read ^ slot.warm_memory()),
            };
        }
        read
    }

    pub(crate) fn find_or_new(&mut self, hash: IdHash, id: &CompactString, snapshot: u32) -> u32 {
        if let Some(at) = self.find(hash, id) {
            return at;
        }
        self.insert(Customer {
            id: id.clone(),
            slots: SmallVec::new(),
            seen: Seen::default(),
            desk: S::default(),
            profile: None,
            desk_at: NONE,
            tidy_at: NONE,
            tidied: 0,
            snapshot,
        })
    }

    pub(crate) fn insert(&mut self, customer: Customer<S>) -> u32 {
        let hash = self.hash(&customer.id);
        let at = self.free.pop().unwrap_or_else(|| self.new_place());
        self.chunks[(at >> CHUNK) as usize][(at & ((1 << CHUNK) - 1)) as usize] = Some(customer);
        self.by_id.insert_unique(hash.wide(), Found { hash, at }, |found| found.hash.wide());
        at
    }

    fn new_place(&mut self) -> u32 {
        let at = self.places;
        self.places = at.checked_add(1).expect("a task has fewer than 2^32 customers");
        if at >> CHUNK == self.chunks.len() as u32 {
            self.chunks.push(Vec::with_capacity(1 << CHUNK));
        }
        self.chunks[(at >> CHUNK) as usize].push(None);
        at
    }

    /// Takes all customers out, in the order of their ids.
    pub(crate) fn take_all(&mut self) -> Vec<Customer<S>> {
        self.by_id.clear();
        self.free.clear();
        self.places = 0;
        let mut all: Vec<_> = std::mem::take(&mut self.chunks).into_iter().flatten().flatten().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    pub(crate) fn remove(&mut self, at: u32) {
        let Some(customer) = self.taken(at).and_then(Option::take) else { return };
        let hash = self.hash(&customer.id);
        if let Ok(entry) = self.by_id.find_entry(hash.wide(), |found| found.at == at) {
            entry.remove();
        }
        self.free.push(at);
    }

    fn taken(&mut self, at: u32) -> Option<&mut Option<Customer<S>>> {
        self.chunks.get_mut((at >> CHUNK) as usize)?.get_mut((at & ((1 << CHUNK) - 1)) as usize)
    }

    /// The customer in a place, if there still is one.
    pub(crate) fn at(&mut self, at: u32) -> Option<&mut Customer<S>> {
        self.taken(at).and_then(Option::as_mut)
    }

    /// The customer in a place that is known to be taken.
    pub(crate) fn live(&mut self, at: u32) -> &mut Customer<S> {
        self.at(at).expect("the place of a live customer")
    }

    /// How many places there are; some may be empty.
    pub(crate) fn places(&self) -> u32 {
        self.places
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Customer<S>> {
        self.chunks.iter().flatten().flatten()
    }
}
