//! The ids that a customer's events had, to recognize duplicates.

use cxwatch_event::Millis;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// From so many ids on they are looked up in a table instead of one after the other.
const INDEXED_FROM: usize = 48;

/// Ids seen, with the instant at which they were, oldest first. Bounded.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    queue: VecDeque<(Millis, u64)>,
    #[serde(skip)]
    index: Option<Box<HashTable<u64>>>,
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.queue == other.queue
    }
}

impl Seen {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Forgets what was seen before `oldest`.
    pub(crate) fn forget(&mut self, oldest: Millis) {
        while self.queue.front().is_some_and(|(seen, _)| *seen < oldest) {
            self.drop_oldest();
        }
    }

    /// Lets go of room that is not needed.
    pub(crate) fn shrink(&mut self) {
        if self.queue.len() < INDEXED_FROM {
            self.index = None;
        }
        self.queue.shrink_to_fit();
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        match &self.index {
            Some(index) => index.find(id, |other| *other == id).is_some(),
            None => self.queue.iter().any(|(_, seen)| *seen == id),
        }
    }

    /// Adds an id that is not in it. False if the oldest had to go for it.
    pub(crate) fn add(&mut self, instant: Millis, id: u64, ids_max: usize) -> bool {
        let room = self.queue.len() < ids_max;
        if !room {
            self.drop_oldest();
        }
        if self.queue.is_empty() {
            self.queue.reserve_exact(1);
        }
        self.queue.push_back((instant, id));
        match &mut self.index {
            Some(index) => {
                index.insert_unique(id, id, |id| *id);
            }
            None if self.queue.len() >= INDEXED_FROM => {
                let mut index = HashTable::with_capacity(2 * INDEXED_FROM);
                for (_, id) in &self.queue {
                    index.insert_unique(*id, *id, |id| *id);
                }
                self.index = Some(Box::new(index));
            }
            None => {}
        }
        room
    }

    fn drop_oldest(&mut self) {
        let Some((_, id)) = self.queue.pop_front() else { return };
        if let Some(index) = &mut self.index
            && let Ok(entry) = index.find_entry(id, |other| *other == id)
        {
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
