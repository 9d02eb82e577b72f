//! The ids that a customer's events had, to recognize duplicates.

use crate::near::ask_for;
use cxwatch_event::Millis;
use hashbrown::HashTable;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;

/// Most customers have no more: these lie in the customer itself.
const OWN_MAX: usize = 2;

/// More ids than this are looked up in a table instead of one after the other.
const FEW_MAX: usize = 32;

/// An id, with the low half of the instant at which it was seen: ids are kept for minutes, 2^32 ms are 49 days. Twelve
/// bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sighting {
    #[serde(with = "postcard::fixint::le")]
    low: u32,
    #[serde(with = "postcard::fixint::le")]
    high: u32,
    #[serde(with = "postcard::fixint::le")]
    instant: u32,
}

impl Sighting {
    fn new(instant: Millis, id: u64) -> Self {
        Sighting { low: id as u32, high: (id >> 32) as u32, instant: instant as u32 }
    }

    fn id(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }

    fn is_before(self, oldest: u32) -> bool {
        // Half the circle of instants lies before, half behind.
        (self.instant.wrapping_sub(oldest) as i32) < 0
    }
}

/// Ids seen, with the instant at which they were, oldest first. Bounded.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    Own { len: u8, ids: [Sighting; OWN_MAX] },
    Few(Vec<Sighting>),
    Many(Box<Many>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Many {
    queue: VecDeque<Sighting>,
    index: HashTable<u64>,
}

impl Default for Seen {
    fn default() -> Self {
        Seen::Own { len: 0, ids: Default::default() }
    }
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl FromIterator<Sighting> for Seen {
    fn from_iter<I: IntoIterator<Item = Sighting>>(ids: I) -> Self {
        let mut seen = Seen::default();
        for sighting in ids {
            seen.push(sighting, usize::MAX);
        }
        seen
    }
}

/// As a list, whatever it is kept in.
impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.len()))?;
        for sighting in self.iter() {
            list.serialize_element(&sighting)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Listed)
    }
}

struct Listed;

impl<'de> Visitor<'de> for Listed {
    type Value = Seen;

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("a list of sightings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Seen, A::Error> {
        let mut seen = Seen::default();
        while let Some(sighting) = list.next_element()? {
            seen.push(sighting, usize::MAX);
        }
        Ok(seen)
    }
}

impl Seen {
    /// Of those that are not in a table.
    fn listed(&self) -> &[Sighting] {
        match self {
            Seen::Own { len, ids } => &ids[..usize::from(*len)],
            Seen::Few(few) => few,
            Seen::Many(_) => &[],
        }
    }

    fn iter(&self) -> impl Iterator<Item = Sighting> {
        let many = match self {
            Seen::Many(many) => Some(&many.queue),
            _ => None,
        };
        self.listed().iter().chain(many.into_iter().flatten()).copied()
    }

    fn len(&self) -> usize {
        match self {
            Seen::Many(many) => many.queue.len(),
            _ => self.listed().len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks for the list of its own.
    pub(crate) fn warm(&self) {
        match self {
            Seen::Own { .. } => {}
            Seen::Few(few) => few.iter().step_by(5).for_each(ask_for),
            Seen::Many(many) => ask_for(&**many),
        }
    }

    /// Forgets what was seen before `oldest`.
    pub(crate) fn forget(&mut self, oldest: Millis) {
        let oldest = oldest as u32;
        if let Seen::Many(many) = self {
            while many.queue.front().is_some_and(|seen| seen.is_before(oldest)) {
                many.drop_oldest();
            }
            return;
        }
        let old = self.listed().iter().take_while(|seen| seen.is_before(oldest)).count();
        if old == 0 {
            return;
        }
        match self {
            Seen::Own { len, ids } => {
                ids.rotate_left(old);
                *len -= old as u8;
            }
            Seen::Few(few) => drop(few.drain(..old)),
            Seen::Many(_) => unreachable!("seen to above"),
        }
    }

    /// Lets go of room that is not needed.
    pub(crate) fn shrink(&mut self) {
        if let Seen::Many(many) = self
            && many.queue.len() <= FEW_MAX
        {
            *self = Seen::Few(many.queue.iter().copied().collect());
        }
        match self {
            Seen::Few(few) if few.len() <= OWN_MAX => *self = std::mem::take(few).into_iter().collect(),
            Seen::Few(few) => few.shrink_to_fit(),
            Seen::Many(many) => many.queue.shrink_to_fit(),
            Seen::Own { .. } => {}
        }
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        match self {
            Seen::Many(many) => many.index.find(id, |other| *other == id).is_some(),
            _ => self.listed().iter().any(|seen| seen.id() == id),
        }
    }

    /// Adds an id that is not in it. False if the oldest had to go for it.
    pub(crate) fn add(&mut self, instant: Millis, id: u64, ids_max: usize) -> bool {
        self.push(Sighting::new(instant, id), ids_max)
    }

    fn push(&mut self, sighting: Sighting, ids_max: usize) -> bool {
        match self {
            Seen::Own { len, ids } if usize::from(*len) < OWN_MAX => {
                ids[usize::from(*len)] = sighting;
                *len += 1;
                return true;
            }
            Seen::Own { ids, .. } => {
                let mut few = Vec::with_capacity(2 * OWN_MAX);
                few.extend_from_slice(ids);
                few.push(sighting);
                *self = Seen::Few(few);
                return true;
            }
            Seen::Few(few) if few.len() < FEW_MAX => {
                few.push(sighting);
                return true;
            }
            Seen::Few(few) => {
                let mut many = Many::default();
                few.iter().for_each(|seen| many.push(*seen));
                *self = Seen::Many(Box::new(many));
            }
            Seen::Many(_) => {}
        }
        let Seen::Many(many) = self else { unreachable!("it has just become many") };
        let room = many.queue.len() < ids_max;
        if !room {
            many.drop_oldest();
        }
        many.push(sighting);
        room
    }
}

impl Many {
    fn push(&mut self, sighting: Sighting) {
        self.queue.push_back(sighting);
        self.index.insert_unique(sighting.id(), sighting.id(), |id| *id);
    }

    fn drop_oldest(&mut self) {
        let Some(seen) = self.queue.pop_front() else { return };
        if let Ok(entry) = self.index.find_entry(seen.id(), |other| *other == seen.id()) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_found_until_it_is_forgotten_whatever_the_number() {
        // Across the end of a circle of instants.
        let begin = (1 << 33) - 100;
        let mut seen = Seen::default();
        for n in 0..200u64 {
            let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            assert!(!seen.contains(id));
            assert_eq!(seen.add(begin + n as Millis, id, 150), n < 150);
            assert!(seen.contains(id));
        }
        let id = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert!(!seen.contains(id(49)) && seen.contains(id(50)));
        for (oldest, left) in [(190, 190..200), (195, 195..200), (198, 198..200), (199, 199..200)] {
            seen.forget(begin + oldest);
            seen.shrink();
            let found: Vec<u64> = (0..200).filter(|n| seen.contains(id(*n))).collect();
            assert_eq!(found, left.collect::<Vec<_>>());
            let written = postcard::to_allocvec(&seen).expect("it can be written");
            assert_eq!(postcard::from_bytes(&written), Ok(seen.clone()));
        }
        seen.forget(begin + 200);
        assert!(seen.is_empty());
    }

    #[test]
    fn two_ids_need_no_memory_of_their_own() {
        assert_eq!(size_of::<Seen>(), 32);
    }
}
