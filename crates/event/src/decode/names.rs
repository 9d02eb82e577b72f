//! From the name of a type to its number, without a hash of foreign bytes.

use crate::{Catalogue, TypeId};

/// An open-addressed table over the catalogue's names. Only the catalogue fills it, so nobody outside can make
/// it slow; a name is mixed from its length, its first and its last eight bytes.
#[derive(Debug, Clone)]
pub(super) struct Names {
    slots: Vec<Option<TypeId>>,
}

impl Names {
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let mut names = Names { slots: vec![None; (catalogue.len() * 4).next_power_of_two()] };
        for (id, spec) in catalogue.types() {
            let mut slot = names.home(&spec.name);
            while names.slots[slot].is_some() {
                slot = (slot + 1) & (names.slots.len() - 1);
            }
            names.slots[slot] = Some(id);
        }
        names
    }

    #[inline]
    pub(super) fn find(&self, catalogue: &Catalogue, name: &str) -> Option<TypeId> {
        let mut slot = self.home(name);
        // Ends at a free slot: three quarters are.
        while let Some(id) = self.slots[slot] {
            if catalogue.spec(id).name == name {
                return Some(id);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        None
    }

    #[inline]
    fn home(&self, name: &str) -> usize {
        let bytes = name.as_bytes();
        let (first, last) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
        };
        // The multiplier is 2^64 over the golden ratio: it spreads what differs in few bits.
        let mixed = (first ^ last.rotate_left(29) ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_and_nothing_else() {
        let catalogue = Catalogue::builtin();
        let names = Names::of(&catalogue);
        for (id, spec) in catalogue.types() {
            assert_eq!(names.find(&catalogue, &spec.name), Some(id));
            for stranger in [&spec.name[1..], &spec.name[..spec.name.len() - 1], &format!("{}x", spec.name)] {
                assert_eq!(names.find(&catalogue, stranger), None, "{stranger}");
            }
        }
        assert_eq!(names.find(&catalogue, ""), None);
    }

    #[test]
    fn an_empty_catalogue_knows_nothing() {
        let catalogue = Catalogue::of([]);
        assert_eq!(Names::of(&catalogue).find(&catalogue, "a"), None);
    }
}
