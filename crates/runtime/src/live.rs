//! One live task: its feeds' records in, its sealed transactions out.

mod explain;
mod snapshots;

use crate::dead_letter::{DeadLetter, dead_letter};
use crate::desk::{Output, Place, Publisher, Wall};
use crate::journal::{self, CommitRecord, ENGINE_VERSION, First};
use crate::ports::{Answer, Fault, PAUSED_ALL, PausedSet, RecordRef, Topic};
use crate::settings::{Decode, Plan};
use crate::strays::refuse_strays;
use compact_str::CompactString;
use cxwatch_engine::{Blindness, FOREVER, Judge, Refused, Task};
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

    /// The end of the feed's partition was met at this position.
    pub fn eof(&mut self, feed: usize, position: i64) {
        let side = &mut self.sides[feed];
        side.reached = side.reached.max(position);
    }

    /// An answer where the feed's partition ends.
    pub fn note_end(&mut self, feed: usize, sent_at: Millis, end: i64) {
        let side = &mut self.sides[feed];
        side.end = end;
        side.newest = Some((sent_at, end));
        side.oldest = side.oldest.or(side.newest);
    }

    /// Applies the proofs that reading has come to: everything that had reached the broker when the question was sent
    /// has been read.
    pub fn prove(&mut self, now: Millis) {
        for feed in 0..self.sides.len() {
            let side = &mut self.sides[feed];
            let proven = |answer: Option<(Millis, i64)>| answer.filter(|(_, end)| side.reached >= *end);
            let as_of = match (proven(side.newest), proven(side.oldest)) {
                (Some((newest, _)), _) => {
                    (side.newest, side.oldest) = (None, None);
                    newest
                }
                (None, Some((oldest, _))) => {
                    side.oldest = side.newest;
                    oldest
                }
                (None, None) => continue,
            };
            side.quiet_ms = 0;
            self.set_wall(now);
            self.task.proof(feed_ix(feed), as_of);
        }
    }

    fn set_wall(&mut self, now: Millis) {
        let wall = if self.plan.timing.bounded.is_some() { Wall::Never } else { Wall::At(now) };
        self.task.desk_mut().set_wall(wall);
    }

    /// Where input that ends does.
    fn end_of(&self, feed: usize) -> Option<i64> {
        let ends = &self.plan.timing.bounded.as_ref()?.ends;
        let end = ends.iter().find(|(f, partition, _)| (*f, *partition) == (feed, self.partition));
        // A partition that nobody knew at the start is empty.
        Some(end.map_or(0, |(_, _, end)| *end))
    }

    /// Of input that ends: feeds that have been read to their end no longer hold the clock. (A proof like any other, as
    /// of the end of time; so a restore knows of it.)
    pub fn end_feeds(&mut self) {
        for feed in 0..self.sides.len() {
            let ix = feed_ix(feed);
            let over = self.end_of(feed).is_some_and(|end| self.sides[feed].reached >= end);
            if over && self.task.feed_watermark(ix) < FOREVER {
                let delay = self.task.settings().feeds[feed].max_delay_ms;
                self.task.proof(ix, FOREVER + delay);
            }
        }
    }

    /// Whether input that ends has been gone through, and everything is committed.
    pub fn is_done(&self) -> bool {
        let bounded = self.plan.timing.bounded.as_ref();
        let over = (0..self.sides.len()).all(|f| self.task.feed_watermark(feed_ix(f)) >= FOREVER);
        bounded.is_some_and(|b| over && self.task.instant() >= b.until) && self.is_settled()
    }

    /// A feed that is not served for being far ahead cannot be blamed for its silence.
    pub fn not_asked(&mut self, feed: usize) {
        self.sides[feed].quiet_ms = 0;
    }

    /// Calls feeds blind that have shown nothing for too long, unless none has shown anything: then the broker is down.
    /// What counts is the time in which they were asked: a process that was frozen, or busy with a restore, asked nobody.
    pub fn look_for_stalled(&mut self, elapsed: u64) {
        let passed = elapsed.saturating_sub(self.looked_at).min(ASKED_MS_MAX);
        self.looked_at = elapsed;
        let after = self.plan.timing.blind_after_ms;
        for side in &mut self.sides {
            side.quiet_ms = side.quiet_ms.saturating_add(passed);
        }
        let shows = |side: &Side| side.quiet_ms <= after;
        if !self.sides.iter().any(shows) {
            return;
        }
        for feed in 0..self.sides.len() {
            if !shows(&self.sides[feed]) && self.task.blindness(feed_ix(feed)).is_none() {
                self.task.blind(feed_ix(feed), Blindness::Stalled);
            }
        }
    }

    /// The whole topic has stood still for too long. Nobody is blind who has not read to its end.
    pub fn silent(&mut self, feed: usize, end: i64) {
        if self.sides[feed].reached >= end && self.task.blindness(feed_ix(feed)).is_none() {
            self.task.blind(feed_ix(feed), Blindness::Silent);
        }
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

    /// Whether there is something to commit. A task that only let time pass has nothing: time will pass again.
    pub fn is_dirty(&self) -> bool {
        self.first.is_some()
            || self.rules_due.is_some()
            || !self.dead.is_empty()
            || self.task.desk().has_decisions()
            || self.task.is_in_snapshot()
            || self.has_ended()
            || self.positions() != self.sealed_positions
    }

    /// Whether the last instant of input that ends has been reached and not yet written down.
    fn has_ended(&self) -> bool {
        let bounded = self.plan.timing.bounded.as_ref();
        self.task.has_verdicts() && bounded.is_some_and(|b| self.task.instant() >= b.until)
    }

    /// Whether everything it has done is committed, so that it may go on later where it stands, if nobody else has gone
    /// on meanwhile.
    pub(crate) fn is_settled(&self) -> bool {
        let nothing_due = self.first.is_none() && self.rules_due.is_none() && self.sealed.is_none();
        let nothing_new = self.dead.is_empty() && !self.task.desk().has_decisions();
        self.seq > 0 && nothing_due && nothing_new && self.positions() == self.sealed_positions
    }

    /// Seals what has come since the last commit. `snapshot_floor` begins a snapshot with it: an offset of the journal
    /// that lies at or before what this commit will write.
    pub fn seal(&mut self, now: Millis, elapsed: u64, snapshot_floor: Option<i64>) {
        debug_assert!(self.sealed.is_none(), "one at a time");
        self.seq += 1;
        let mut records = Vec::new();
        let (book, settings) = (&self.plan.book, &self.plan.rules.settings);
        let place = Place { book, settings, partition: self.partition, now };
        self.task.desk_mut().publish(&place, &mut records);
        records.append(&mut self.dead);
        let delete_before = self.write_slice(&mut records);
        let commit = self.commit_record();
        if let Some(floor) = snapshot_floor {
            self.begin_snapshot(floor, elapsed, &mut records);
        }
        let entries = journal::encode_commit(&commit);
        self.tally.commit_bytes += entries.iter().map(|e| e.len() as u64).sum::<u64>();
        records.extend(entries.into_iter().map(journal_record));
        self.sealed = Some(Batch {
            seq: self.seq,
            records,
            offsets: commit.offsets,
            delete_before,
            ends_snapshot: delete_before.is_some(),
        });
    }

    fn commit_record(&mut self) -> CommitRecord {
        let digest = self.digest();
        self.sealed_positions = self.positions();
        let mut verdicts = self.task.take_verdicts();
        let mut expired = self.task.desk_mut().take_expired();
        self.spoil(&mut verdicts, &mut expired);
        let changed = self.rules_due.take();
        let rules = changed.is_some().then(|| self.plan.rules.clone());
        CommitRecord {
            seq: self.seq,
            engine: ENGINE_VERSION,
            owner: self.owner,
            offsets: self.task.committable(),
            instant: self.task.instant(),
            positions: self.sealed_positions.clone(),
            digest,
            verdicts,
            expired,
            first: self.first.take(),
            rules,
            joined: changed.unwrap_or_default().joined,
        }
    }

    #[cfg(not(feature = "faults"))]
    fn spoil(&self, _: &mut [cxwatch_engine::Verdict], _: &mut [u64]) {}

    #[cfg(feature = "faults")]
    fn spoil(&self, verdicts: &mut Vec<cxwatch_engine::Verdict>, expired: &mut Vec<u64>) {
        use cxwatch_engine::Verdict as V;
        match self.plan.faults.wrong {
            Some(crate::Wrong::NotWritten(kind)) => {
                verdicts.retain(|v| crate::VerdictKind::of(v) != kind);
                if kind == crate::VerdictKind::Expired {
                    expired.clear();
                }
            }
            Some(crate::Wrong::OutOfOrder) => {
                // Those that have a place among the others come in the order of their kinds.
                verdicts.sort_by_key(|v| match v {
                    V::Blind { .. } => 0,
                    V::See { .. } => 1,
                    V::Force { .. } => 2,
                    _ => 3,
                });
            }
            _ => {}
        }
    }

    /// The digest over the engine's state and the desk's decisions.
    pub fn digest(&self) -> u64 {
        digest(&self.task)
    }

    /// What is sealed and has not committed.
    pub fn sealed(&self) -> Option<&Batch> {
        self.sealed.as_ref()
    }

    /// The sealed content has committed.
    pub fn committed(&mut self) -> Option<Batch> {
        self.sealed.take()
    }

    /// A record of the sealed content can never be written: it is left out.
    pub(crate) fn drop_record(&mut self, at: usize) {
        if let Some(batch) = &mut self.sealed
            && at < batch.records.len()
        {
            batch.records.remove(at);
        }
    }

    #[cfg(feature = "faults")]
    pub(crate) fn drop_effects(&mut self) {
        if let Some(batch) = &mut self.sealed {
            batch.records.retain(|r| r.topic == Topic::Journal);
        }
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

fn journal_record(value: Vec<u8>) -> Output {
    Output { topic: Topic::Journal, key: None, value: Some(value), headers: Vec::new(), label: None }
}
