//! The customers of a task.
//!
//! A customer is found by a table of (hash, place) pairs, so that neither a search nor the table's growth reads a customer
//! in vain. Beyond a bound on their number, those to whom nothing has happened for longer than to others lie packed
//! ([`crate::packed`]). Which do shows in no result.

use crate::Desk;
use crate::customer::{Customer, Slot};
use crate::lookahead::{Coming, STEPS};
use crate::near::ask_for;
use crate::packed::{Packed, Packer};
use compact_str::CompactString;
use cxwatch_rulebook::Rulebook;
use hashbrown::HashTable;
use serde::{Serialize, de::DeserializeOwned};
use std::borrow::Cow;
use std::hash::BuildHasher;

/// Items in a chunk, as a shift.
const CHUNK: u32 = 8;

/// Places between two steps of what is asked for ahead of the hand.
const AHEAD: u32 = 16;

/// A list that grows without being moved.
#[derive(Debug)]
struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T> Chunks<T> {
    const fn new() -> Self {
        Chunks { chunks: Vec::new(), len: 0 }
    }

    fn push(&mut self, item: T) -> u32 {
        let at = self.len;
        self.len = at.checked_add(1).expect("a task has fewer than 2^32 customers");
        if at >> CHUNK == self.chunks.len() as u32 {
            self.chunks.push(Vec::with_capacity(1 << CHUNK));
        }
        self.chunks[(at >> CHUNK) as usize].push(item);
        at
    }

    fn get(&self, at: u32) -> Option<&T> {
        self.chunks.get((at >> CHUNK) as usize)?.get((at & ((1 << CHUNK) - 1)) as usize)
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.chunks.get_mut((at >> CHUNK) as usize)?.get_mut((at & ((1 << CHUNK) - 1)) as usize)
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

/// What lies in a place.
#[derive(Debug)]
enum Place<S> {
    Nobody,
    Unpacked(Box<Customer<S>>),
    Packed(Packed),
}

/// Places of customers, found by id.
#[derive(Debug)]
pub(crate) struct Customers<S> {
    places: Chunks<Place<S>>,
    free: Vec<u32>,
    unpacked: usize,
    /// The hand of the clock: the place at which the next is looked for that can be packed.
    hand: u32,
    packer: Packer,
    by_id: HashTable<Found>,
    hasher: foldhash::fast::FixedState,
}

impl<S: Default + Clone + Serialize + DeserializeOwned> Customers<S> {
    /// `seed` spreads foreign ids over the table; it does not show in any result.
    pub(crate) fn new(seed: u64) -> Self {
        Customers {
            places: Chunks::new(),
            free: Vec::new(),
            unpacked: 0,
            hand: 0,
            packer: Packer::default(),
            by_id: HashTable::new(),
            hasher: foldhash::fast::FixedState::with_seed(seed),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many lie unpacked.
    pub(crate) fn unpacked(&self) -> usize {
        self.unpacked
    }

    pub(crate) fn hash(&self, id: &str) -> IdHash {
        let hash = self.hasher.hash_one(id);
        IdHash((hash ^ hash >> 32) as u32)
    }

    /// The id of the customer in a place.
    fn id(&self, at: u32) -> Option<&str> {
        match self.places.get(at)? {
            Place::Nobody => None,
            Place::Unpacked(customer) => Some(customer.id.as_str()),
            Place::Packed(packed) => packed.id(),
        }
    }

    /// What is known of the customer in a place, without unpacking it for good.
    pub(crate) fn look_at(&self, at: u32) -> Option<Cow<'_, Customer<S>>> {
        match self.places.get(at)? {
            Place::Nobody => None,
            Place::Unpacked(customer) => Some(Cow::Borrowed(customer)),
            Place::Packed(packed) => Some(Cow::Owned(unpack(packed))),
        }
    }

    /// What lies in a place, if that is packed.
    pub(crate) fn packed(&self, at: u32) -> Option<&Packed> {
        match self.places.get(at)? {
            Place::Packed(packed) => Some(packed),
            _ => None,
        }
    }

    pub(crate) fn find(&self, hash: IdHash, id: &str) -> Option<u32> {
        let is = |found: &Found| found.hash == hash && self.id(found.at) == Some(id);
        self.by_id.find(hash.wide(), is).map(|found| found.at)
    }

    /// The place of a customer with this hash: most likely the one that is meant.
    pub(crate) fn likely(&self, hash: IdHash) -> Option<u32> {
        self.by_id.find(hash.wide(), |found| found.hash == hash).map(|found| found.at)
    }

    /// Asks for what these events will need of their customers, so that it is near by then: step by step, each what the
    /// step before has led to.
    pub(crate) fn warm<D: Desk<State = S>>(&self, book: &Rulebook, desk: &D, coming: &[Coming], step: usize) {
        for (at, kind) in coming {
            let Some(place) = self.places.get(*at) else { continue };
            let customer = match place {
                _ if step == 0 => {
                    ask_for(place);
                    continue;
                }
                Place::Unpacked(customer) => customer,
                Place::Packed(packed) if step == 1 => {
                    packed.warm();
                    continue;
                }
                _ => continue,
            };
            let uses = book.uses(*kind);
            let named = |slot: &&Slot| uses.iter().any(|used| used.rule.0 == slot.rule);
            match step {
                1 => customer.warm(),
                2 => {
                    customer.warm_lists();
                    desk.warm(&customer.desk);
                }
                3 => customer.slots.iter().filter(named).for_each(Slot::warm),
                _ => customer.slots.iter().filter(named).for_each(Slot::warm_memory),
            }
        }
    }

    /// The place of this customer, and whether it is new.
    pub(crate) fn find_or_new(&mut self, hash: IdHash, id: &CompactString) -> (u32, bool) {
        match self.find(hash, id) {
            Some(at) => {
                self.live(at).used = true;
                (at, false)
            }
            None => (self.insert(Customer::new(id.clone())), true),
        }
    }

    pub(crate) fn insert(&mut self, customer: Customer<S>) -> u32 {
        self.unpacked += 1;
        self.put(self.hash(&customer.id), Place::Unpacked(Box::new(customer)))
    }

    /// A customer as it lay in a snapshot, if that names one.
    pub(crate) fn insert_packed(&mut self, packed: Packed) -> Option<u32> {
        let hash = self.hash(packed.id()?);
        Some(self.put(hash, Place::Packed(packed)))
    }

    fn put(&mut self, hash: IdHash, customer: Place<S>) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| self.places.push(Place::Nobody));
        self.by_id.insert_unique(hash.wide(), Found { hash, at }, |found| found.hash.wide());
        *self.places.get_mut(at).expect("a place that there is") = customer;
        at
    }

    /// Packs a customer, if it is not.
    pub(crate) fn pack(&mut self, at: u32) {
        let Some(place) = self.places.get_mut(at) else { return };
        if let Place::Unpacked(customer) = place {
            *place = Place::Packed(self.packer.pack(customer));
            self.unpacked -= 1;
        }
    }

    /// Packs customers to whom nothing has happened for longer than to most, until no more than this many lie unpacked.
    pub(crate) fn pack_all_but(&mut self, unpacked_max: usize) {
        while self.unpacked > unpacked_max {
            let at = self.hand;
            self.hand = if at + 1 < self.places.len { at + 1 } else { 0 };
            self.warm_ahead();
            if let Some(Place::Unpacked(customer)) = self.places.get_mut(at)
                && !std::mem::take(&mut customer.used)
            {
                self.pack(at);
            }
        }
    }

    /// Asks for what the hand will come to, step by step: nothing of it has been touched for long.
    fn warm_ahead(&self) {
        // The places lie in a row: the processor sees to them.
        for step in 1..STEPS {
            let ahead = self.hand.wrapping_add(AHEAD * (STEPS - step) as u32);
            let Some(Place::Unpacked(customer)) = self.places.get(ahead) else { continue };
            match step {
                1 => customer.warm(),
                _ if customer.used => {}
                2 => customer.warm_lists(),
                3 => customer.slots.iter().for_each(Slot::warm),
                _ => customer.slots.iter().for_each(Slot::warm_memory),
            }
        }
    }

    /// The customer in a place, packed: as it is written into a snapshot.
    pub(crate) fn bytes(&mut self, at: u32) -> Option<&[u8]> {
        match self.places.get(at)? {
            Place::Nobody => None,
            Place::Unpacked(customer) => Some(self.packer.write(customer)),
            Place::Packed(packed) => Some(packed.bytes()),
        }
    }

    /// Takes all customers out, in the order of their ids.
    pub(crate) fn take_all(&mut self) -> Vec<Customer<S>> {
        let mut all: Vec<_> = self.iter().map(Cow::into_owned).collect();
        self.by_id.clear();
        (self.places, self.free) = (Chunks::new(), Vec::new());
        (self.unpacked, self.hand) = (0, 0);
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    pub(crate) fn remove(&mut self, at: u32) {
        let Some(id) = self.id(at) else { return };
        let hash = self.hash(id);
        if let Ok(entry) = self.by_id.find_entry(hash.wide(), |found| found.at == at) {
            entry.remove();
        }
        let place = self.places.get_mut(at).expect("the place of a customer");
        self.unpacked -= usize::from(matches!(place, Place::Unpacked(_)));
        *place = Place::Nobody;
        self.free.push(at);
    }

    /// The customer in a place, if there still is one. It is unpacked.
    pub(crate) fn at(&mut self, at: u32) -> Option<&mut Customer<S>> {
        let place = self.places.get_mut(at)?;
        if let Place::Packed(packed) = place {
            *place = Place::Unpacked(unpack_into_box(packed));
            self.unpacked += 1;
        }
        match place {
            Place::Unpacked(customer) => Some(customer),
            _ => None,
        }
    }

    /// The customer in a place that is known to be taken.
    pub(crate) fn live(&mut self, at: u32) -> &mut Customer<S> {
        self.at(at).expect("the place of a live customer")
    }

    /// How many places there are; some may be empty.
    pub(crate) fn places(&self) -> u32 {
        self.places.len
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        (0..self.places.len).filter_map(|at| self.id(at))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Cow<'_, Customer<S>>> {
        (0..self.places.len).filter_map(|at| self.look_at(at))
    }
}

#[cold]
fn unpack_into_box<S: DeserializeOwned>(packed: &Packed) -> Box<Customer<S>> {
    Box::new(unpack(packed))
}

/// What this process has packed, or what came whole out of a snapshot of this version.
fn unpack<S: DeserializeOwned>(packed: &Packed) -> Customer<S> {
    packed.unpack().expect("a packed customer can be unpacked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::NONE;

    fn filled(number: u32) -> Customers<u32> {
        let mut customers = Customers::new(5);
        for n in 0..number {
            let id = CompactString::from(format!("customer number {n}"));
            let (at, is_new) = customers.find_or_new(customers.hash(&id), &id);
            assert!(is_new);
            let customer = customers.live(at);
            customer.seen.add(i64::from(n), u64::from(n) << 40, 9);
            (customer.desk, customer.tidy_at, customer.used) = (n, i64::from(n) - 3, n >= number - 2);
        }
        customers
    }

    #[test]
    fn who_has_not_been_used_is_packed_and_unpacks_as_it_was() {
        let (mut customers, as_it_was) = (filled(9), filled(9));
        customers.pack_all_but(2);
        assert_eq!((customers.len(), customers.unpacked()), (9, 2));
        for n in 0..9 {
            let id = format!("customer number {n}");
            let at = customers.find(customers.hash(&id), &id).expect("who is packed is found");
            assert_eq!(customers.packed(at).is_some(), n < 7, "{n}");
            let packed = customers.bytes(at).map(<[u8]>::to_vec);
            let mut before = as_it_was.look_at(at).expect("it is there").into_owned();
            assert_eq!(customers.look_at(at).expect("it is there").desk, before.desk);
            assert_eq!((customers.live(at).tidy_at, customers.live(at).desk_at), (n - 3, NONE));
            assert!(packed.is_some());
            assert_eq!(customers.bytes(at).map(<[u8]>::to_vec), packed);
            before.used = customers.live(at).used;
            assert_eq!(*customers.live(at), before);
        }
        assert_eq!(customers.unpacked(), 9);
    }

    #[test]
    fn a_place_is_used_again_whether_its_customer_was_packed_or_not() {
        let mut customers = filled(6);
        customers.pack_all_but(3);
        for n in 0..6 {
            let id = format!("customer number {n}");
            let at = customers.find(customers.hash(&id), &id).expect("it is known");
            customers.remove(at);
            assert_eq!(customers.find(customers.hash(&id), &id), None);
            assert!(customers.at(at).is_none());
        }
        assert_eq!((customers.len(), customers.unpacked()), (0, 0));
        let id = CompactString::from("another");
        customers.find_or_new(customers.hash(&id), &id);
        assert_eq!((customers.places(), customers.ids().collect::<Vec<_>>()), (6, vec!["another"]));
    }
}
