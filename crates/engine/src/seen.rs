//! The ids that a customer's events had, to recognize duplicates.

use cxwatch_event::Millis;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// More ids than this are looked up in a table instead of one after the other.
const FEW_MAX: usize = 32;

/// Ids seen, with the instant at which they were, oldest first. Bounded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<(Millis, u64)>", into = "Vec<(Millis, u64)>")]
pub(crate) enum Seen {
    Few(SmallVec<[(Millis, u64); 2]>),
    Many(Box<Many>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Many {
    queue: VecDeque<(Millis, u64)>,
    index: HashTable<u64>,
}

impl Default for Seen {
    fn default() -> Self {
        Seen::Few(SmallVec::new())
    }
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl From<Vec<(Millis, u64)>> for Seen {
    fn from(ids: Vec<(Millis, u64)>) -> Self {
        let mut seen = Seen::default();
        for (instant, id) in ids {
            seen.add(instant, id, usize::MAX);
        }
        seen
    }
}

impl From<Seen> for Vec<(Millis, u64)> {
    fn from(seen: Seen) -> Self {
        seen.iter().collect()
    }
}

impl Seen {
    fn iter(&self) -> impl Iterator<Item = (Millis, u64)> {
        let (few, many) = match self {
            Seen::Few(few) => (Some(few), None),
            Seen::Many(many) => (None, Some(&many.queue)),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Seen::Few(few) => few.is_empty(),
            Seen::Many(many) => many.queue.is_empty(),
        }
    }

    /// Forgets what was seen before `oldest`.
    pub(crate) fn forget(&mut self, oldest: Millis) {
        match self {
            Seen::Few(few) => {
                let old = few.iter().take_while(|(seen, _)| *seen < oldest).count();
                few.drain(..old);
            }
            Seen::Many(many) => {
                while many.queue.front().is_some_and(|(seen, _)| *seen < oldest) {
                    many.drop_oldest();
                }
            }
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
            Seen::Few(few) => few.shrink_to_fit(),
            Seen::Many(many) => many.queue.shrink_to_fit(),
        }
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        match self {
            Seen::Few(few) => few.iter().any(|(_, seen)| *seen == id),
            Seen::Many(many) => many.index.find(id, |other| *other == id).is_some(),
        }
    }

    /// Adds an id that is not in it. False if the oldest had to go for it.
    pub(crate) fn add(&mut self, instant: Millis, id: u64, ids_max: usize) -> bool {
        if let Seen::Few(few) = self {
            if few.len() < FEW_MAX {
                few.push((instant, id));
                return true;
            }
            let mut many = Many::default();
            few.iter().for_each(|(instant, id)| many.push(*instant, *id));
            *self = Seen::Many(Box::new(many));
        }
        let Seen::Many(many) = self else { unreachable!("it has just become many") };
        let room = many.queue.len() < ids_max;
        if !room {
            many.drop_oldest();
        }
        many.push(instant, id);
        room
    }
}

impl Many {
    fn push(&mut self, instant: Millis, id: u64) {
        self.queue.push_back((instant, id));
        self.index.insert_unique(id, id, |id| *id);
    }

    fn drop_oldest(&mut self) {
        let Some((_, id)) = self.queue.pop_front() else { return };
        if let Ok(entry) = self.index.find_entry(id, |other| *other == id) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_found_until_it_is_forgotten_whatever_the_number() {
        let mut seen = Seen::default();
        for n in 0..200u64 {
            let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            assert!(!seen.contains(id));
            assert_eq!(seen.add(n as Millis, id, 150), n < 150);
            assert!(seen.contains(id));
        }
        let id = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert!(!seen.contains(id(49)) && seen.contains(id(50)));
        seen.forget(190);
        seen.shrink();
        let left: Vec<u64> = (0..200).filter(|n| seen.contains(id(*n))).collect();
        assert_eq!(left, (190..200).collect::<Vec<_>>());
    }
}
