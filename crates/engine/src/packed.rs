//! Customers in as few bytes as what is known of them takes.
//!
//! Most customers come by and are gone for a while, or for good. Until something happens to them again they lie packed: as
//! bytes, which are also what a snapshot has of them. In front there is what a task must know of a customer without
//! unpacking: who it is, and when its timers go off.

use crate::customer::{Customer, NONE, RuleIx16, State};
use crate::near::ask_for;
use compact_str::CompactString;
use cxwatch_event::Millis;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use smallvec::SmallVec;

/// Whoever takes less has been around, and begun nothing.
const SMALL: usize = 160;

/// What is known of a customer, as bytes.
#[derive(Debug, Clone)]
pub(crate) struct Packed(Box<[u8]>);

/// What is read of a packed customer without unpacking.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Label<'a> {
    id: &'a str,
    pub(crate) desk_at: Option<Millis>,
    pub(crate) tidy_at: Option<Millis>,
    tidied: u8,
    /// The rules that know something of it, with the timer of each.
    pub(crate) rules: SmallVec<[(RuleIx16, Option<Millis>); 2]>,
    pub(crate) episodes: u32,
    /// Something is due that has no timer any more: it waits for a feed.
    pub(crate) waits: bool,
}

impl Label<'_> {
    fn of<S>(customer: &Customer<S>) -> Label<'_> {
        let set = |at: Millis| Some(at).filter(|at| *at != NONE);
        let episodes = |state: &State| match state {
            State::Absence(absence) => absence.episodes().len(),
            State::Window(_) => 0,
        };
        Label {
            id: &customer.id,
            desk_at: set(customer.desk_at),
            tidy_at: set(customer.tidy_at),
            tidied: customer.tidied,
            rules: customer.slots.iter().map(|slot| (slot.rule, set(slot.timer_at))).collect(),
            episodes: customer.slots.iter().map(|slot| episodes(&slot.state) as u32).sum(),
            waits: customer
                .slots
                .iter()
                .any(|slot| slot.state.next_due().is_some_and(|due| due < slot.timer_at)),
        }
    }
}

/// Writes customers; its room is used again.
#[derive(Debug)]
pub(crate) struct Packer(Vec<u8>);

impl Default for Packer {
    fn default() -> Self {
        Packer(vec![0; 1024])
    }
}

impl Packer {
    pub(crate) fn pack<S: Serialize>(&mut self, customer: &Customer<S>) -> Packed {
        Packed(self.write(customer).into())
    }

    /// A packed customer's bytes.
    pub(crate) fn write<S: Serialize>(&mut self, customer: &Customer<S>) -> &[u8] {
        let all = (Label::of(customer), customer);
        let written = loop {
            match postcard::to_slice(&all, &mut self.0) {
                Ok(written) => break written.len(),
                Err(postcard::Error::SerializeBufferFull) => self.0.resize(2 * self.0.len(), 0),
                Err(error) => unreachable!("a customer can be written: {error}"),
            }
        };
        &self.0[..written]
    }
}

impl Packed {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Packed(bytes.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Asks for each of its cache lines.
    pub(crate) fn warm(&self) {
        self.0.iter().step_by(64).for_each(ask_for);
    }

    /// Whether looking through its memory would gain less than it costs, as long as the desk has it looked through later.
    pub(crate) fn can_wait_for_desk(&self) -> bool {
        self.0.len() < SMALL && self.label().is_ok_and(|label| label.desk_at.is_some())
    }

    /// The customer's id, which comes first.
    pub(crate) fn id(&self) -> Option<&str> {
        postcard::take_from_bytes(&self.0).ok().map(|(id, _)| id)
    }

    pub(crate) fn label(&self) -> Result<Label<'_>, postcard::Error> {
        postcard::take_from_bytes(&self.0).map(|(label, _)| label)
    }

    pub(crate) fn unpack<S: DeserializeOwned>(&self) -> Result<Customer<S>, postcard::Error> {
        let (label, rest) = postcard::take_from_bytes::<Label<'_>>(&self.0)?;
        let mut customer: Customer<S> = postcard::from_bytes(rest)?;
        customer.id = CompactString::from(label.id);
        customer.desk_at = label.desk_at.unwrap_or(NONE);
        customer.tidy_at = label.tidy_at.unwrap_or(NONE);
        customer.tidied = label.tidied;
        for (slot, (_, timer_at)) in customer.slots.iter_mut().zip(label.rules) {
            slot.timer_at = timer_at.unwrap_or(NONE);
        }
        Ok(customer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::absence::Absence;
    use crate::customer::Slot;
    use crate::guards::Guards;

    fn customer() -> Customer<u32> {
        let mut customer = Customer::new("c1".into());
        customer.seen.add(1_700_000_000_000, 0x0123_4567_89ab_cdef, 9);
        (customer.desk, customer.tidied, customer.desk_at, customer.used) =
            (300, 2, 1_700_000_000_500, false);
        let idle = Absence::Idle {
            feed: 1,
            sub: 0,
            offset: 70,
            time: 1_699_999_999_000,
            end: 1_700_000_000_000,
            id: 5,
        };
        for (rule, state, timer_at) in [(3, idle, NONE), (4, Absence::default(), 1_700_000_060_000)] {
            let state = State::Absence(state);
            customer.slots.push(Slot { rule, guards: Guards::default(), state, timer_at });
        }
        customer
    }

    /// These bytes lie in journals: whoever writes others must raise the version of snapshots.
    #[test]
    fn the_bytes_of_version_4() {
        let packed = Packer::default().pack(&customer());
        let hex: String = packed.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "02633101e8a7abfef96200020203000401c0c9b2fef9620000020300000101008c01b090abfef96280a0abfef962050000000000\
             00000400000001efcdab89674523010068e5cfac0200"
        );
    }

    #[test]
    fn a_label_tells_who_it_is_and_when_its_timers_go_off() {
        let packed = Packer::default().pack(&customer());
        assert_eq!(packed.id(), Some("c1"));
        let label = packed.label().expect("it has one");
        assert_eq!((label.desk_at, label.tidy_at), (Some(1_700_000_000_500), None));
        assert_eq!(*label.rules, [(3, None), (4, Some(1_700_000_060_000))]);
        assert!((label.episodes, label.waits) == (0, false) && packed.can_wait_for_desk());
        assert_eq!(packed.unpack().map(|unpacked| Customer { used: false, ..unpacked }), Ok(customer()));
    }

    #[test]
    fn damage_is_an_error() {
        let whole = Packer::default().pack(&customer());
        for length in 0..whole.bytes().len() {
            assert!(Packed::from_bytes(&whole.bytes()[..length]).unpack::<u32>().is_err(), "cut at {length}");
        }
    }
}
