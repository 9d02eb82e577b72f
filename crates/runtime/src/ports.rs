//! What a stream thread needs of the world: its feeds, its transactions, its journal, where the feeds end, what time
//! it is. Each port has two implementations: Apache Kafka, and the simulation of the tests.
//!
//! A feed is named by its number: its place among the rulebook's feeds ([`cxwatch_rulebook::FeedIx`]), which is the
//! order of their names. A task is named by its partition number.

use compact_str::CompactString;
use cxwatch_event::Millis;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The one right answer to a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Nothing is lost and nothing is decided: the same call again, after a pause.
    Retry,
    /// The open transaction can only be aborted; its content may then be sent again.
    Abort,
    /// This one record can never be written (too large); the transaction around it is sound.
    Reject,
    /// This client is at an end (fenced, fatal, broken): drop it and all that hangs on it, and restore from what is
    /// committed.
    CloseDirty,
    /// Nobody knows whether the commit took effect: look at the journal's end. Never abort.
    Ambiguous,
    /// Settings, rights, topics or offsets are wrong; waiting does not help, an operator does: exit.
    Exit,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{during}: {message} ({code})")]
pub struct Fault {
    /// What to do next.
    pub answer: Answer,
    /// What was being done, for people: `commit transaction`.
    pub during: &'static str,
    /// A short name of the error, for labels and tests: `Fenced`, `OperationTimedOut`.
    pub code: String,
    /// The reason in words.
    pub message: String,
}

impl Fault {
    /// A fault of these parts.
    pub fn new(
        answer: Answer,
        during: &'static str,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Fault { answer, during, code: code.into(), message: message.into() }
    }
}

/// A partition of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedPartition {
    /// The feed's number.
    pub feed: usize,
    /// The partition's.
    pub partition: i32,
}

/// A record of a feed, for the length of a callback.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    /// The partition it lies in.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its own timestamp (when the broker or the producer took it), if it has one.
    pub timestamp: Option<Millis>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a deletion.
    pub value: Option<&'a [u8]>,
    /// Its headers, in their order.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// What a feed hands over, in the order of each of its partitions.
#[derive(Debug)]
pub enum Item<'a> {
    /// A record.
    Record(RecordRef<'a>),
    /// The partition has been read to its end as committed records show it.
    Eof {
        /// The partition.
        partition: i32,
        /// The offset that the next record will have at least; past transaction markers.
        position: i64,
    },
    /// The partition cannot be read further.
    Error {
        /// The partition; -1 if the whole feed is meant.
        partition: i32,
        /// What to do about it.
        fault: Fault,
    },
}

/// What a group remembers for a partition of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The text committed with it; empty if none was.
    pub metadata: String,
}

/// A change of what is ours.
#[derive(Debug, Clone, Copy)]
pub enum Rebalance<'a> {
    /// These are ours from now on. None delivers before [`Source::start`].
    Assigned(&'a [FeedPartition]),
    /// These go away when the callback returns; until then they are ours, and a last transaction may be committed.
    Revoked(&'a [FeedPartition]),
    /// Others may own these already: forget them.
    Lost(&'a [FeedPartition]),
}

/// What answers rebalances; runs inside [`Source::poll`] and [`Source::leave`].
pub type OnRebalance<'a, S> = dyn FnMut(&mut S, Rebalance<'_>) + 'a;

/// The input side of a stream thread: one group member that reads all feeds, each through a queue of its own.
pub trait Source: Sized {
    /// Proof of group membership for a transaction.
    type Group;

    /// Lets the client live: heartbeats, rebalances. Waits up to `timeout` if nothing is to be done.
    fn poll(&mut self, timeout: Duration, on: &mut OnRebalance<'_, Self>) -> Result<(), Fault>;

    /// Hands over up to `max` items of one feed, without waiting; how many.
    fn serve(&mut self, feed: usize, max: usize, each: &mut dyn FnMut(Item<'_>)) -> usize;

    /// Lets assigned partitions deliver, each from its offset.
    fn start(&mut self, from: &[(FeedPartition, i64)]) -> Result<(), Fault>;

    /// Proof of membership, fresh for every transaction.
    fn group(&self) -> Result<Self::Group, Fault>;

    /// What the group has committed, in the order asked for; `None` where nothing is. [`Answer::Retry`] while a
    /// transaction with offsets of this group is open.
    fn committed(&mut self, partitions: &[FeedPartition]) -> Result<Vec<Option<CommittedOffset>>, Fault>;

    /// Leaves the group in peace: what is assigned is revoked through `on` first.
    fn leave(&mut self, on: &mut OnRebalance<'_, Self>) -> Result<(), Fault>;
}

/// The topics that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Topic {
    /// `cx.actions.v1`
    Actions,
    /// `cx.suppressions.v1`
    Suppressions,
    /// `cx.incidents.v1`
    Incidents,
    /// `cx.dead-letters.v1`
    DeadLetters,
    /// `cx.journal.v1`
    Journal,
}

/// A record to be sent, to the partition of its task.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where to.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(String, Vec<u8>)],
}

/// A position to be committed with a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Of what.
    pub at: FeedPartition,
    /// The next offset to read.
    pub offset: i64,
    /// A text that comes back with it (at most 4,096 bytes).
    pub metadata: String,
}

/// A transaction that has committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitDone {
    /// The end of this transaction may have been sent twice, and the second could hit the next one: [`Sink::renew`]
    /// before that.
    pub renew: bool,
}

/// The output side of a stream thread: one transaction at a time.
pub trait Sink<Group> {
    /// Opens a transaction.
    fn begin(&mut self) -> Result<(), Fault>;

    /// Adds a record to it.
    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), Fault>;

    /// Adds input positions to it. Refused ([`Answer::Abort`] or [`Answer::CloseDirty`]) for a member of an older
    /// generation.
    fn send_offsets(&mut self, offsets: &[OffsetCommit], group: &Group) -> Result<(), Fault>;

    /// Commits it.
    fn commit(&mut self) -> Result<CommitDone, Fault>;

    /// Ends it without effect. Never after [`Answer::Ambiguous`].
    fn abort(&mut self) -> Result<(), Fault>;

    /// A new producer with the same transactional id. When it returns, whatever an earlier producer of this id had
    /// open has ended, one way or the other, and that producer is fenced.
    fn renew(&mut self) -> Result<(), Fault>;

    /// Lets the client live while there is nothing to send; a fatal error shows here.
    fn poll(&mut self) -> Result<(), Fault>;
}

/// Where a journal partition starts and ends, open and aborted transactions included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalBounds {
    /// The first offset that still exists.
    pub start: i64,
    /// The high watermark.
    pub end: i64,
}

/// The journal's partitions.
pub trait JournalStore {
    /// Where a partition starts and ends.
    fn bounds(&mut self, partition: i32) -> Result<JournalBounds, Fault>;

    /// Reads the committed records of a partition, from `from` on (or from the first that exists), until the position
    /// has reached the end that `read_uncommitted` saw when the call began; gives that end. A transaction that is open
    /// before it is waited out for some seconds; then the answer is [`Answer::Retry`] (and what was read is read again).
    fn read(
        &mut self,
        partition: i32,
        from: i64,
        each: &mut dyn FnMut(i64, &[u8]),
    ) -> Result<JournalBounds, Fault>;

    /// Deletes what lies before an offset.
    fn delete_before(&mut self, partition: i32, before: i64) -> Result<(), Fault>;
}

/// Where to begin to read a feed that nothing is committed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ReadFrom {
    /// The first record that exists.
    Earliest,
    /// After the last.
    Latest,
    /// The first record of this time or later.
    Time(Millis),
}

/// Feeds read outside of the group, to restore a task. Committed records only, like [`Source`].
pub trait Rereader {
    /// A reader of one task's feeds.
    type Reader: FeedReader;

    /// Where to begin to read a topic.
    fn offset(&mut self, topic: &str, partition: i32, from: ReadFrom) -> Result<i64, Fault>;

    /// Opens a reader of these topics from these offsets; it numbers feeds in this order. The journal may name others
    /// than the ones that are read now. Where an offset is no longer there the reader says [`Answer::Exit`].
    fn open(&mut self, partition: i32, from: &[(&str, i64)]) -> Result<Self::Reader, Fault>;
}

/// Reads the feeds of one task.
pub trait FeedReader {
    /// Hands over up to `max` items of a feed; waits up to `timeout` for the first.
    fn read(&mut self, feed: usize, max: usize, timeout: Duration, each: &mut dyn FnMut(Item<'_>)) -> usize;
}

/// The answer to one question where the feeds end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOffsets {
    /// When the question was sent, by the wall clock: whatever had reached the broker by then lies below these ends.
    pub sent_at: Millis,
    /// The high watermark of every partition that answered: (feed, partition, next offset).
    pub ends: Vec<(usize, i32, i64)>,
}

/// The latest answer where the feeds end.
pub trait Ends {
    /// The latest answer, if there is one.
    fn latest(&mut self) -> Option<Arc<EndOffsets>>;
}

/// Whose requests an operator has stopped: rules by id, and [`PAUSED_ALL`] for all.
pub type PausedSet = BTreeSet<CompactString>;

/// Stands for all rules in a [`PausedSet`]; no rule has such an id.
pub const PAUSED_ALL: &str = "*";

/// What operators have stopped, as far as this process has heard.
pub trait Pauses {
    /// The latest; `None` while nothing is known. The same value as before means that nothing has changed.
    fn latest(&mut self) -> Option<Arc<PausedSet>>;
}

/// Nobody ever stops anything.
impl Pauses for () {
    fn latest(&mut self) -> Option<Arc<PausedSet>> {
        None
    }
}

/// The clocks. The only place where the wall clock comes in.
pub trait Clock {
    /// Milliseconds since the epoch.
    fn now(&self) -> Millis;

    /// Milliseconds since some moment before; never goes back.
    fn elapsed(&self) -> u64;

    /// A number that nobody else has drawn.
    fn unique(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher, RandomState};
        RandomState::new().build_hasher().finish()
    }
}

/// One world's ports.
pub trait Ports {
    /// The feeds.
    type Source: Source;
    /// Transactions.
    type Sink: Sink<<Self::Source as Source>::Group>;
    /// The journal.
    type Journal: JournalStore;
    /// The feeds again.
    type Rereader: Rereader;
    /// Where the feeds end.
    type Ends: Ends;
    /// What operators have stopped.
    type Pauses: Pauses;
    /// The clocks.
    type Clock: Clock;
}

/// The clocks of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    since: std::time::Instant,
}

impl SystemClock {
    /// The clocks of this machine; `elapsed` counts from here.
    pub fn new() -> Self {
        SystemClock { since: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        since.as_millis() as Millis
    }

    fn elapsed(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }
}
