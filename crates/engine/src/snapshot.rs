//! Snapshots: the state of a task as of one commit, written without a pause.
//!
//! [`Task::begin_snapshot`] gives the head at once. Then every customer of that moment is written once: when it is first
//! touched, as it was before the touch, or by [`Task::write_untouched`], a slice at a time. Who came later is not in it.

use crate::buffer::Turn;
use crate::customer::{Customer, State};
use crate::due::{DESK, TIDY};
use crate::packed::Packed;
use crate::task::Feed;
use crate::wheel::Timer;
use crate::{Blindness, Desk, Settings, Task};
use cxwatch_event::Millis;
use cxwatch_rulebook::{RuleIx, Rulebook};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::sync::Arc;

/// The first byte of every encoded customer: the version of what follows.
const VERSION: u8 = 4;

/// One in so many customers of a snapshot is unpacked at the restore, to see that it can be: a form that is not ours is that of
/// all.
const CHECKED: usize = 256;

/// The head of a snapshot: everything but the customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The instant processed.
    pub instant: Millis,
    /// By feed.
    pub feeds: Vec<FeedState>,
    /// The events in the reorder buffer.
    pub buffered: Vec<BufferedRef>,
    /// The digest over the effects so far.
    pub digest: u64,
    /// The digest over the dead letters so far, by feed.
    pub dead_digests: Vec<u64>,
}

/// A feed in a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedState {
    /// Its own watermark.
    pub watermark: Millis,
    /// The next offset to read.
    pub position: i64,
    /// Why it is blind, if it is.
    pub blind: Option<Blindness>,
}

/// A buffered event by reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BufferedRef {
    /// The feed.
    pub feed: u8,
    /// The record.
    pub offset: i64,
    /// Which event of it.
    pub sub: u32,
    /// Its place.
    pub at: Millis,
}

/// One customer, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// A version byte and the customer's state.
    pub bytes: Vec<u8>,
}

/// A snapshot being written.
#[derive(Debug)]
pub(crate) struct Run {
    /// The next place in the slab to look at.
    cursor: u32,
    /// Places that existed when it began.
    end: u32,
    /// By place, a bit each: its customer has been written, or came later.
    written: Vec<u64>,
    pieces: Vec<Piece>,
}

impl Run {
    fn new(places: u32) -> Self {
        let written = vec![0; places.div_ceil(64) as usize];
        Run { cursor: 0, end: places, written, pieces: Vec::new() }
    }

    /// Whether a place is still to be written; from now on it is not.
    fn claim(&mut self, at: u32) -> bool {
        let Some(bits) = self.written.get_mut((at / 64) as usize).filter(|_| at < self.end) else {
            return false;
        };
        let bit = 1 << (at % 64);
        let is_unwritten = *bits & bit == 0;
        *bits |= bit;
        is_unwritten
    }
}

impl<D: Desk> Task<D> {
    /// Begins a snapshot of this moment. One that is being written is given up.
    pub fn begin_snapshot(&mut self) -> Head {
        self.run = Some(Run::new(self.customers.places()));
        let buffered = self.buffered_refs();
        let feed = |f: &Feed| FeedState { watermark: f.watermark, position: f.position, blind: f.blind };
        Head {
            instant: self.instant,
            feeds: self.feeds.iter().map(feed).collect(),
            buffered,
            digest: self.digest,
            dead_digests: self.dead_digests.clone(),
        }
    }

    /// The events in the reorder buffer.
    pub(crate) fn buffered_refs(&self) -> Vec<BufferedRef> {
        let reference = |t: Turn| BufferedRef { feed: t.feed, offset: t.offset, sub: t.sub, at: t.at };
        let mut buffered: Vec<_> = self.buffer.turns().map(reference).collect();
        buffered.sort_unstable();
        buffered
    }

    /// Writes customers that have not been touched since the snapshot began, until about `bytes_max` have been written.
    /// True when all are.
    pub fn write_untouched(&mut self, bytes_max: usize) -> bool {
        let mut written = 0;
        while let Some(run) = &mut self.run {
            if run.cursor == run.end {
                return true;
            }
            if written >= bytes_max {
                return false;
            }
            let at = run.cursor;
            run.cursor += 1;
            let before = run.pieces.len();
            self.write(at);
            if let Some(run) = &self.run {
                written += run.pieces[before..].iter().map(|p| p.bytes.len()).sum::<usize>();
            }
        }
        true
    }

    /// Takes the customers written since the last call. To be written with the next commit.
    pub fn take_pieces(&mut self) -> Vec<Piece> {
        self.run.as_mut().map(|run| std::mem::take(&mut run.pieces)).unwrap_or_default()
    }

    /// The snapshot has been written whole.
    pub fn end_snapshot(&mut self) {
        self.run = None;
    }

    /// Whether a snapshot is being written.
    pub fn is_in_snapshot(&self) -> bool {
        self.run.is_some()
    }

    /// Must come before any change to a customer: writes it as it was when the running snapshot began.
    pub(crate) fn touch(&mut self, at: u32) {
        #[cfg(feature = "faults")]
        if self.settings.fault == Some(crate::Fault::WrittenAfterTouch) {
            return;
        }
        self.write(at);
    }

    fn write(&mut self, at: u32) {
        let Some(run) = &mut self.run else { return };
        if run.claim(at)
            && let Some(packed) = self.customers.bytes(at)
        {
            run.pieces.push(Piece { bytes: [&[VERSION], packed].concat() });
        }
    }

    /// A customer has come into this place: the running snapshot is of before.
    pub(crate) fn came_later(&mut self, at: u32) {
        self.run.as_mut().map(|run| run.claim(at));
    }

    /// A task as a snapshot has it, but for the events in the reorder buffer ([`Task::restore_buffered`]).
    pub fn from_snapshot<'p>(
        book: Arc<Rulebook>,
        settings: Settings,
        desk: D,
        seed: u64,
        head: &Head,
        pieces: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<Self, String> {
        let mut task = Task::new(book, settings, desk, seed);
        if head.feeds.len() != task.feeds.len() {
            return Err(format!(
                "the snapshot has {} feeds, the rulebook {}",
                head.feeds.len(),
                task.feeds.len()
            ));
        }
        task.instant = head.instant;
        task.digest = head.digest;
        task.dead_digests.clone_from(&head.dead_digests);
        for (feed, state) in task.feeds.iter_mut().zip(&head.feeds) {
            *feed = Feed {
                watermark: state.watermark,
                position: state.position,
                blind: state.blind,
                lag_proof_at: None,
            };
        }
        for bytes in pieces {
            task.restore_customer(bytes)?;
        }
        Ok(task)
    }

    fn restore_customer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (version, body) = bytes.split_first().ok_or("an empty customer in the snapshot")?;
        if *version != VERSION {
            return Err(format!("customer state of version {version}, expected {VERSION}"));
        }
        let packed = Packed::from_bytes(body);
        let malformed = |e| format!("customer state: {e}");
        let label = packed.label().map_err(malformed)?;
        if label.rules.iter().any(|(rule, _)| usize::from(*rule) >= self.book.rules.len()) {
            return Err("the snapshot names a rule that the rulebook does not have".into());
        }
        let unpacked = || packed.unpack::<D::State>().map(Customer::without_timers).map_err(malformed);
        if self.customers.len().is_multiple_of(CHECKED) {
            unpacked()?;
        }
        #[cfg(feature = "faults")]
        if self.settings.fault == Some(crate::Fault::ProfileForgotten) {
            self.insert_restored(Customer { profile: None, ..unpacked()? });
            return Ok(());
        }
        let waits = label.waits;
        #[cfg(feature = "faults")]
        let waits = waits && self.settings.fault != Some(crate::Fault::WaitingPacked);
        if waits {
            // What is held is queued, and follows from the episodes.
            self.insert_restored(unpacked()?);
            return Ok(());
        }
        self.open_episodes += u64::from(label.episodes);
        let desk = label.desk_at.map(|time| (DESK, time));
        let tidy = label.tidy_at.map(|time| (TIDY, time));
        let rules = label.rules.iter().filter_map(|(rule, time)| Some((*rule, (*time)?)));
        #[cfg(feature = "faults")]
        let rules = rules.filter(|_| self.settings.fault != Some(crate::Fault::TimersPacked));
        let timers: SmallVec<[(u16, Millis); 4]> = rules.chain(desk).chain(tidy).collect();
        let customer = self.customers.insert_packed(packed).ok_or("a customer without an id")?;
        for (rule, time) in timers {
            self.wheel.insert(Timer { time, customer, rule });
        }
        Ok(())
    }

    /// Puts a customer without timers in its place.
    pub(crate) fn insert_restored(&mut self, customer: Customer<D::State>) {
        let rules: Vec<u16> = customer.slots.iter().map(|s| s.rule).collect();
        let at = self.customers.insert(customer);
        for rule in rules {
            self.queue_restored(at, RuleIx(rule));
        }
        self.desk_later(at);
        self.tidy_later(at);
    }

    /// What is due is queued, and a timer set for what will be, as the episodes say.
    fn queue_restored(&mut self, at: u32, rule: RuleIx) {
        let customer = self.customers.live(at);
        let id = customer.id.clone();
        let Some(slot) = customer.slot(rule) else { return };
        match &slot.state {
            State::Absence(absence) => {
                self.open_episodes += absence.episodes().len() as u64;
                self.schedule(at, rule);
            }
            State::Window(window) => {
                let held: Vec<_> = window.held.iter().map(|h| (h.time, h.key.clone())).collect();
                for (deadline, key) in held {
                    let level = cxwatch_rulebook::Level::Breach;
                    self.pending.insert(crate::due::Due { deadline, rule, customer: id.clone(), key, level });
                }
            }
        }
    }

    /// Puts an event that a head lists back into the reorder buffer.
    pub fn restore_buffered(&mut self, reference: BufferedRef, event: cxwatch_event::Event) {
        let BufferedRef { feed, offset, sub, at } = reference;
        #[cfg(feature = "faults")]
        let at = if self.settings.fault == Some(crate::Fault::PlaceForgotten) { event.time } else { at };
        let hash = self.customers.hash(&event.customer);
        let kind = event.kind.0;
        self.buffer.push(Turn { at, feed, offset, sub, kind }, hash, event);
    }
}
