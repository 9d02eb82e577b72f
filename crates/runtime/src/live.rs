//! One live task: its feeds' records in, its sealed transactions out.

mod explain;
mod proof;
mod seal;
mod snapshots;

use crate::dead_letter::{DeadLetter, dead_letter};
use crate::desk::{Output, Publisher, Wall};
use crate::journal::{First, Rules};
use crate::ports::{Answer, Fault, PAUSED_ALL, PausedSet, RecordRef};
use crate::settings::{Decode, Plan};
use crate::strays::refuse_strays;
use compact_str::CompactString;
use cxwatch_engine::{FOREVER, Judge, Refused, Task};
use cxwatch_event::mapping::Refusal;
use cxwatch_event::{Millis, RawRecord, Reason, Record, builtin};
use cxwatch_rulebook::{FeedIx, Rulebook};
pub use explain::Untold;
use smallvec::SmallVec;
use snapshots::Snapshots;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Between two looks a feed has been asked for no longer than this, in milliseconds.
const ASKED_MS_MAX: u64 = 1_000;

/// The content of one task's share of a transaction: sent unchanged until it has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its sequence number.
    pub seq: u64,
    /// What is written, in order.
    pub records: Vec<Output>,
    /// By feed: the offsets to commit.
    pub offsets: Vec<i64>,
    /// Once this has committed, the journal before this offset is no longer needed.
    pub delete_before: Option<i64>,
    /// Whether a snapshot ends with it.
    pub ends_snapshot: bool,
}

/// What was counted since the last look.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Records read.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records and events rejected, by [`Reason::ALL`].
    pub rejected: [u64; Reason::ALL.len()],
    /// Outcomes taken in, by what became of the action.
    pub outcomes: BTreeMap<CompactString, u64>,
    /// Bytes of snapshots written.
    pub snapshot_bytes: u64,
    /// Bytes of commit records written.
    pub commit_bytes: u64,
    /// How late and how far out of order records came, of the first [`ARRIVALS_MAX`] since the last look.
    pub arrivals: Vec<Arrival>,
}

/// How a record came in, by its oldest event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The feed.
    pub feed: usize,
    /// From when it happened to the record's own timestamp, in milliseconds.
    pub delay_ms: Millis,
    /// How far behind the newest event of its feed it happened, in milliseconds.
    pub disorder_ms: Millis,
}

/// So many records are looked at between two looks: enough for a p99, and no burden.
pub const ARRIVALS_MAX: usize = 1_000;

/// A feed of the task as the shell sees it.
#[derive(Debug, Clone, Default)]
struct Side {
    /// Read to here: past the last record, or where the end of the partition was met.
    reached: i64,
    /// For how long it has given neither record nor proof although it was asked, in milliseconds.
    quiet_ms: u64,
    /// Answers where the feed ends that reading has not reached: the oldest and the newest, each (sent at, end).
    oldest: Option<(Millis, i64)>,
    newest: Option<(Millis, i64)>,
    /// The last end heard of.
    end: i64,
    rejected_in_a_row: u32,
    /// The newest event's time.
    newest_event: Option<Millis>,
}

/// A task that is ours, restored, and reads its feeds.
pub struct Live<D: Publisher> {
    plan: Arc<Plan<D>>,
    partition: i32,
    task: Task<D>,
    decoders: Vec<Decode>,
    /// In force, with what records meant whose events still wait.
    rules: Rules,
    sides: Vec<Side>,
    record: Record,
    /// What of it the decoder refused.
    refusals: Vec<Refusal>,
    dead: Vec<Output>,
    seq: u64,
    owner: [u8; 8],
    act_from: Millis,
    first: Option<First>,
    /// The next commit must say which rules are in force from the one before.
    rules_due: Option<Changed>,
    /// The read positions at the last seal.
    sealed_positions: Vec<i64>,
    sealed: Option<Batch>,
    snapshots: Snapshots,
    /// What its desk has last been told of pauses.
    paused_as: Option<Arc<PausedSet>>,
    /// When it was last looked for feeds that are quiet, by the clock that never goes back.
    looked_at: u64,
    tally: Tally,
}

/// Where a task comes from.
pub(crate) struct Origin<D: Publisher> {
    pub(crate) task: Task<D>,
    pub(crate) decoders: Vec<Decode>,
    pub(crate) rules: Rules,
    /// The last commit; 0: none yet.
    pub(crate) seq: u64,
    /// A number that no other life of the task has.
    pub(crate) owner: u64,
    pub(crate) act_from: Millis,
    /// The rules are others than those of the last commit.
    pub(crate) changed: Option<Changed>,
}

/// Other rules hold from the last commit on.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Feeds that joined, and where.
    pub(crate) joined: Vec<(u8, i64)>,
}

impl<D: Publisher> Live<D> {
    pub(crate) fn new(plan: Arc<Plan<D>>, partition: i32, origin: Origin<D>, elapsed: u64) -> Self {
        let feeds = plan.book.feeds.len();
        let positions: Vec<i64> = (0..feeds).map(|f| origin.task.position(feed_ix(f))).collect();
        let side = |reached: &i64| Side { reached: *reached, ..Side::default() };
        let fresh = origin.seq == 0;
        Live {
            partition,
            sides: positions.iter().map(side).collect(),
            decoders: origin.decoders,
            rules: origin.rules,
            record: Record::default(),
            refusals: Vec::new(),
            dead: Vec::new(),
            seq: origin.seq,
            owner: origin.owner.to_le_bytes(),
            act_from: origin.act_from,
            first: fresh.then(|| First { positions: positions.clone(), act_from: origin.act_from }),
            rules_due: fresh.then(Changed::default).or(origin.changed),
            sealed_positions: positions,
            sealed: None,
            snapshots: Snapshots::default(),
            paused_as: None,
            looked_at: elapsed,
            tally: Tally::default(),
            task: origin.task,
            plan,
        }
    }

    /// The partition it is.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The engine's side of it.
    pub fn task(&self) -> &Task<D> {
        &self.task
    }

    /// By feed: the next offset to read.
    pub fn positions(&self) -> Vec<i64> {
        (0..self.sides.len()).map(|f| self.task.position(feed_ix(f))).collect()
    }

    /// Who writes its commits.
    pub(crate) fn owner(&self) -> [u8; 8] {
        self.owner
    }

    /// The number of the last sealed commit.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// What was counted since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Takes a record. A record below the position has been read and is passed over.
    pub fn take(&mut self, feed: usize, raw: &RecordRef<'_>, now: Millis) -> Result<(), Fault> {
        let ix = feed_ix(feed);
        if raw.offset < self.task.position(ix) {
            return Ok(());
        }
        if self.end_of(feed).is_some_and(|end| raw.offset >= end) {
            self.eof(feed, raw.offset);
            return Ok(());
        }
        let bytes = raw.key.map_or(0, <[u8]>::len) + raw.value.map_or(0, <[u8]>::len);
        self.tally.records += 1;
        self.tally.bytes += bytes as u64;
        self.snapshots.bytes_in += bytes as u64;
        let mut refusals = std::mem::take(&mut self.refusals);
        decode(&self.decoders[feed], &self.plan.book, feed, raw, &mut self.record, &mut refusals);
        if self.plan.book.feeds[feed] == builtin::OUTCOMES {
            self.count_outcomes();
        }
        let recorded_at = raw.timestamp.unwrap_or(FOREVER);
        self.set_wall(now);
        let refused: SmallVec<[Refused; 1]> =
            self.task.read(ix, raw.offset, recorded_at, &mut self.record, Judge::Wall(now)).into();
        if refused.is_empty() && refusals.is_empty() {
            self.note_arrival(feed, raw.timestamp);
        }
        for refused in &refused {
            self.reject(feed, raw, &DeadLetter::of_event(refused));
        }
        for refusal in &refusals {
            self.task.note_refusal(ix, raw.offset, refusal.sub, refusal.rejection.reason);
            self.reject(feed, raw, &DeadLetter::of_decoder(refusal));
        }
        while self.task.is_full() {
            self.task.force();
        }
        let side = &mut self.sides[feed];
        side.reached = side.reached.max(raw.offset + 1);
        side.quiet_ms = 0;
        let decoded = refusals.first().map(|refusal| refusal.rejection.reason);
        let reason = decoded.or_else(|| refused.first().map(|r| r.reason));
        refusals.clear();
        self.refusals = refusals;
        let side = &mut self.sides[feed];
        if reason.is_none() {
            side.rejected_in_a_row = 0;
            return Ok(());
        }
        side.rejected_in_a_row += 1;
        if side.rejected_in_a_row > self.plan.bounds.rejected_in_a_row_max {
            return Err(self.too_many_rejected(feed, raw.offset, reason));
        }
        Ok(())
    }

    fn count_outcomes(&mut self) {
        for event in &self.record.events {
            let name = &self.plan.book.catalogue.spec(event.kind).name;
            let kind = name.strip_prefix("outcome.").unwrap_or(name);
            *self.tally.outcomes.entry(kind.into()).or_default() += 1;
        }
    }

    /// Notes how late the record came, and how far out of order.
    fn note_arrival(&mut self, feed: usize, recorded_at: Option<Millis>) {
        let times = &self.record.times;
        let (Some(&oldest), Some(&newest)) = (times.iter().min(), times.iter().max()) else { return };
        let side = &mut self.sides[feed];
        let seen = side.newest_event;
        side.newest_event = seen.max(Some(newest));
        if self.tally.arrivals.len() < ARRIVALS_MAX
            && let Some(recorded_at) = recorded_at
        {
            self.tally.arrivals.push(Arrival {
                feed,
                delay_ms: (recorded_at - oldest).max(0),
                disorder_ms: seen.map_or(0, |seen| (seen - oldest).max(0)),
            });
        }
    }

    fn reject(&mut self, feed: usize, raw: &RecordRef<'_>, letter: &DeadLetter<'_>) {
        let reason = Reason::ALL.iter().position(|r| *r == letter.reason).expect("every reason is listed");
        self.tally.rejected[reason] += 1;
        let name = &self.plan.book.feeds[feed];
        self.dead.push(dead_letter(name, raw, letter, self.plan.bounds.dead_letters_headers_only));
    }

    #[cold]
    fn too_many_rejected(&self, feed: usize, offset: i64, reason: Option<Reason>) -> Fault {
        let name = &self.plan.book.feeds[feed];
        let remedy = match reason {
            Some(Reason::TooLate) => {
                "does the feed hold an outage's backlog, or history? Raise `time.late_horizon`, or \
                 `dead_letters.rejected_in_a_row_max` to let them go"
            }
            Some(Reason::TimeInFuture) => "do the producer's clock and this machine's agree?",
            _ => "is the feed's mapping or the rulebook's catalogue out of date?",
        };
        let reason = reason.map_or("rejected", Reason::name);
        let message = format!(
            "more than {} records of {name}/{} in a row were rejected, up to offset {offset}, the last one as {reason}; \
             look at the dead letters: {remedy}",
            self.plan.bounds.rejected_in_a_row_max, self.partition
        );
        Fault::new(Answer::Exit, "read feed", "TooManyRejected", message)
    }

    fn set_wall(&mut self, now: Millis) {
        let wall = if self.plan.timing.bounded.is_some() { Wall::Never } else { Wall::At(now) };
        self.task.desk_mut().set_wall(wall);
    }

    /// Stops requests, and lets them go on, so that those of these rules are stopped and no others; what has changed.
    pub(crate) fn pause_as(&mut self, wanted: &Arc<PausedSet>) -> Vec<(CompactString, bool)> {
        if self.paused_as.as_ref().is_some_and(|last| Arc::ptr_eq(last, wanted)) {
            return Vec::new();
        }
        self.paused_as = Some(Arc::clone(wanted));
        let now = self.task.desk().paused();
        let ended = now.difference(wanted).map(|rule| (rule.clone(), false));
        let begun = wanted.difference(&now).map(|rule| (rule.clone(), true));
        let changes: Vec<_> = ended.chain(begun).collect();
        for (rule, paused) in &changes {
            self.task.pause(Some(rule.as_str()).filter(|rule| *rule != PAUSED_ALL), *paused);
        }
        changes
    }

    /// Moves forward; true if there is more to do.
    pub fn advance(&mut self, now: Millis) -> bool {
        self.set_wall(now);
        let until = self.plan.timing.bounded.as_ref().map_or(FOREVER, |bounded| bounded.until);
        self.task.advance(until, self.plan.bounds.slice_instants_max)
    }

    /// Whether it reads input that ends.
    pub fn is_bounded(&self) -> bool {
        self.plan.timing.bounded.is_some()
    }

    /// Whether this feed is so far ahead of the task that it need not be served. Never the one that holds the clock.
    pub fn is_ahead(&self, feed: usize) -> bool {
        let lead = self.task.feed_watermark(feed_ix(feed)).saturating_sub(self.task.watermark());
        lead > self.plan.bounds.ahead_ms_max && self.task.buffered() > self.plan.bounds.ahead_events_max
    }

    /// How far the feed's watermark has come.
    pub fn feed_watermark(&self, feed: usize) -> Millis {
        self.task.feed_watermark(feed_ix(feed))
    }

    /// Records between what has been read of a feed and its end, as far as that is known.
    pub fn lag(&self, feed: usize) -> i64 {
        let side = &self.sides[feed];
        (side.end - side.reached).max(0)
    }

    /// Whether the task is blind to a feed.
    pub fn is_blind(&self, feed: usize) -> bool {
        self.task.blindness(feed_ix(feed)).is_some()
    }

    /// The digest over the engine's state and the desk's decisions.
    pub fn digest(&self) -> u64 {
        digest(&self.task)
    }
}

pub(crate) fn feed_ix(feed: usize) -> FeedIx {
    FeedIx(u8::try_from(feed).expect("a rulebook has at most 64 feeds"))
}

pub(crate) fn digest<D: Publisher>(task: &Task<D>) -> u64 {
    task.digest() ^ task.desk().digest().rotate_left(1)
}

/// A record without a key is no customer's: it is compared with the empty key.
pub(crate) fn decode(
    decode: &Decode,
    book: &Rulebook,
    feed: usize,
    raw: &RecordRef<'_>,
    out: &mut Record,
    refused: &mut Vec<Refusal>,
) {
    let key = Some(raw.key.unwrap_or_default());
    let feed = book.feeds[feed].as_str();
    decode(&RawRecord { feed, key, value: raw.value, headers: raw.headers }, raw.offset, out, refused);
    if feed == builtin::OUTCOMES {
        refuse_strays(book, raw.partition, out, refused);
    }
}
