//! A task from what is committed: nothing but the journal's end and the feeds.

use crate::ahead::{Ahead, gone};
use crate::desk::{Publisher, Wall};
use crate::journal::{CommitRecord, ENGINE_VERSION, FeedTopic, Rules, SnapshotHead};
use crate::live::{Changed, Live, Origin, digest, feed_ix};
use crate::ports::{Answer, CommittedOffset, Fault, FeedReader, ReadFrom, Rereader};
use crate::replay::{Replayed, Stretch, replay};
use crate::settings::{Decode, Plan, Start};
use crate::tail::Tail;
use cxwatch_engine::{BufferedRef, NEVER, Task};
use cxwatch_event::{Millis, builtin};
use cxwatch_rulebook::{FeedIx, Rulebook};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that a restore found, and that people must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// The replay came to another state than the one that was committed.
    DigestDiffers {
        /// What the journal says.
        journal: u64,
        /// What the replay came to.
        replay: u64,
    },
    /// The same, and the journal was written by another version of the engine.
    EngineChanged {
        /// Its version.
        version: u32,
    },
    /// The offsets in the group are of another commit than the journal's last: a transaction was torn. The journal is
    /// believed.
    Torn {
        /// What the offsets say.
        offsets: Vec<u64>,
        /// What the journal says.
        journal: u64,
    },
}

/// A task that was restored.
pub struct Restored<D: Publisher> {
    /// It.
    pub live: Live<D>,
    /// What people must hear of.
    pub alarms: Vec<Alarm>,
    /// Commits replayed.
    pub commits: usize,
    /// Customers loaded from the snapshot.
    pub customers: usize,
}

/// The text that goes with committed offsets.
pub(crate) fn metadata(seq: u64) -> String {
    format!("cxwatch seq={seq}")
}

pub(crate) fn seq_of(metadata: &str) -> Option<u64> {
    metadata.strip_prefix("cxwatch seq=")?.parse().ok()
}

/// What the group's offsets say of the last commit: the sequence numbers found, one for each feed; or that nothing is
/// committed.
fn offsets_say(partition: i32, committed: &[Option<CommittedOffset>]) -> Result<Option<Vec<u64>>, Fault> {
    if committed.iter().all(Option::is_none) {
        return Ok(None);
    }
    let seqs = committed.iter().map(|c| c.as_ref().and_then(|c| seq_of(&c.metadata)));
    match seqs.collect::<Option<Vec<u64>>>() {
        Some(seqs) => Ok(Some(seqs)),
        None => Err(tampered(
            partition,
            "some of the group's offsets were not committed by this program (was the group used by another, or were \
             offsets reset by hand?)",
        )),
    }
}

#[cold]
fn tampered(partition: i32, what: &str) -> Fault {
    let message = format!(
        "task {partition}: {what}; choose: `cxwatch reset --to-journal` (go on from the journal), `cxwatch reset \
         --forget` (begin anew at `start`), or put back what was there"
    );
    Fault::new(Answer::Exit, "restore", "OffsetsAndJournalDiffer", message)
}

/// One life of a task in this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// A number that no other life has.
    pub(crate) owner: u64,
    /// When it began, by the clock that never goes back.
    pub(crate) began: u64,
}

/// Restores a task, or begins it where nothing is known of it. `None`: it is no longer ours.
pub(crate) fn restore<D: Publisher, R: Rereader>(
    plan: &Arc<Plan<D>>,
    partition: i32,
    committed: &[Option<CommittedOffset>],
    tail: Tail,
    reread: &mut R,
    life: Life,
    alive: &mut dyn FnMut() -> Result<bool, Fault>,
) -> Result<Option<Restored<D>>, Fault> {
    let (Some(last), Some(rules)) = (tail.last().cloned(), tail.rules()) else {
        if offsets_say(partition, committed)?.is_some() || tail.snapshot.is_some() {
            return Err(tampered(partition, "the group has offsets, but the journal has no commit"));
        }
        return begin(plan, partition, reread, life).map(Some);
    };
    // A feed that joins now has no offsets, or old ones from when it was read before.
    let (kept, joining) = kept_feeds(plan, &rules.feeds, committed)?;
    let Some(offsets) = offsets_say(partition, &kept)? else {
        return Err(tampered(partition, "the journal has commits, but the group has no offsets"));
    };
    let mut alarms = Vec::new();
    if offsets.iter().any(|seq| *seq != last.seq) {
        alarms.push(Alarm::Torn { offsets, journal: last.seq });
    }
    let commits = tail.commits.len();
    let customers = tail.snapshot.as_ref().map_or(0, |(_, pieces)| pieces.len());
    let mut past = Past::of(plan, partition, tail)?;
    if past.run(plan, reread, alive)? == Replayed::GivenUp {
        return Ok(None);
    }
    let replayed = digest(&past.task);
    if replayed != last.digest {
        alarms.push(if last.engine == ENGINE_VERSION {
            Alarm::DigestDiffers { journal: last.digest, replay: replayed }
        } else {
            Alarm::EngineChanged { version: last.engine }
        });
    }
    let mut changed = None;
    let same = |a: &Rules, b: &Rules| a.hash == b.hash && a.settings == b.settings && a.feeds == b.feeds;
    if !same(&past.rules, &plan.rules) {
        let joined = joins(plan, &plan.rules, partition, past.task.instant(), &joining, reread)?;
        past.change(plan, reread, plan.rules.clone(), Arc::clone(&plan.book), &joined)?;
        changed = Some(Changed { joined });
    }
    past.task.end_replay();
    past.task.desk_mut().take_expired();
    let origin = Origin {
        decoders: past.decoders,
        task: past.task,
        seq: last.seq,
        owner: life.owner,
        act_from: past.act_from,
        changed,
    };
    let live = Live::new(Arc::clone(plan), partition, origin, life.began);
    Ok(Some(Restored { live, alarms, commits, customers }))
}

/// A feed that is not read yet: its number, and what the group remembers of it.
type Joining = (u8, Option<i64>);

/// Of the plan's feeds: what the group remembers of those that were read before, and those that were not.
fn kept_feeds<D: Publisher>(
    plan: &Plan<D>,
    before: &[FeedTopic],
    committed: &[Option<CommittedOffset>],
) -> Result<(Vec<Option<CommittedOffset>>, Vec<Joining>), Fault> {
    let (mut kept, mut joining) = (Vec::new(), Vec::new());
    for ((number, now), committed) in (0..).zip(&plan.rules.feeds).zip(committed) {
        match before.iter().find(|feed| feed.feed == now.feed) {
            Some(old) if old.topic == now.topic => kept.push(committed.clone()),
            Some(old) => {
                let message = format!(
                    "the feed {} was read from the topic {} and is now to be read from {}; its state rests on offsets of \
                     the first: put the setting back, or give the feed of the new topic another name",
                    now.feed, old.topic, now.topic
                );
                return Err(Fault::new(Answer::Exit, "restore", "TopicChanged", message));
            }
            None => {
                let ours = committed.as_ref().filter(|c| seq_of(&c.metadata).is_some());
                joining.push((number, ours.map(|c| c.offset)));
            }
        }
    }
    Ok((kept, joining))
}

/// Where feeds join: at the first record that the producer or the broker gave a time at or after the instant less the
/// feed's `max_delay`; what happened later cannot have come in earlier. What is known of customers joins from its
/// beginning. One that comes back goes on no earlier than where the group left it.
fn joins<D: Publisher, R: Rereader>(
    plan: &Plan<D>,
    rules: &Rules,
    partition: i32,
    instant: Millis,
    joining: &[Joining],
    reread: &mut R,
) -> Result<Vec<(u8, i64)>, Fault> {
    let mut joined = Vec::with_capacity(joining.len());
    for &(feed, left_at) in joining {
        let at = usize::from(feed);
        let from = match plan.start {
            _ if is_table(&rules.feeds[at].feed) => ReadFrom::Earliest,
            // Nothing has been processed: as if it had been there from the start.
            Some(start) if instant <= NEVER => start.read_from,
            _ => ReadFrom::Time((instant - rules.settings.feeds[at].max_delay_ms).max(0)),
        };
        let offset = reread.offset(&rules.feeds[at].topic, partition, from)?;
        joined.push((feed, offset.max(left_at.unwrap_or(offset))));
    }
    Ok(joined)
}

/// A feed of what is known, however old: it is read from its beginning.
fn is_table(feed: &str) -> bool {
    feed == builtin::CUSTOMERS
}

/// A task without a past.
fn begin<D: Publisher, R: Rereader>(
    plan: &Arc<Plan<D>>,
    partition: i32,
    reread: &mut R,
    life: Life,
) -> Result<Restored<D>, Fault> {
    let Some(Start { read_from, act_from }) = plan.start else {
        let message = format!(
            "nothing is known of task {partition}, and the settings do not say where to begin; add `start: {{ read_from: \
             7d, act_from: now }}`"
        );
        return Err(Fault::new(Answer::Exit, "restore", "NoStart", message));
    };
    let positions = plan.rules.feeds.iter().map(|feed| {
        let from = if is_table(&feed.feed) { ReadFrom::Earliest } else { read_from };
        reread.offset(&feed.topic, partition, from)
    });
    let positions = positions.collect::<Result<Vec<i64>, Fault>>()?;
    let settings = plan.rules.settings.clone();
    let desk = (plan.desk)(act_from, &settings);
    let mut task = Task::new(Arc::clone(&plan.book), settings, desk, plan.seed);
    for (feed, position) in positions.iter().enumerate() {
        task.start_at(feed_ix(feed), *position);
    }
    let decoders = (plan.decoders)(&plan.book);
    let origin = Origin { task, decoders, seq: 0, owner: life.owner, act_from, changed: None };
    let live = Live::new(Arc::clone(plan), partition, origin, life.began);
    Ok(Restored { live, alarms: Vec::new(), commits: 0, customers: 0 })
}

/// A task on its way to the present.
struct Past<D: Publisher> {
    partition: i32,
    task: Task<D>,
    book: Arc<Rulebook>,
    decoders: Vec<Decode>,
    rules: Rules,
    act_from: Millis,
    /// Events that belong into the reorder buffer and have not been fetched.
    buffered: Vec<BufferedRef>,
    commits: Vec<CommitRecord>,
}

impl<D: Publisher> Past<D> {
    fn of(plan: &Plan<D>, partition: i32, tail: Tail) -> Result<Self, Fault> {
        let expired: BTreeSet<u64> = tail.commits.iter().flat_map(|c| &c.expired).copied().collect();
        let mut past = match tail.snapshot {
            Some((head, pieces)) => Self::of_snapshot(plan, partition, *head, &pieces)?,
            None => Self::of_start(plan, partition, tail.commits.first())?,
        };
        past.commits = tail.commits;
        past.task.begin_replay();
        past.task.desk_mut().set_wall(Wall::Recorded(expired));
        Ok(past)
    }

    fn of_snapshot(
        plan: &Plan<D>,
        partition: i32,
        head: SnapshotHead,
        pieces: &[Vec<u8>],
    ) -> Result<Self, Fault> {
        let SnapshotHead { act_from, mut rules, head, desk: kept, .. } = head;
        let (book, decoders) = in_force(plan, partition, &rules)?;
        rules.settings = settings_of(plan, &rules);
        let mut desk = (plan.desk)(act_from, &rules.settings);
        desk.restore(&kept).map_err(|e| unusable(partition, &e))?;
        let pieces = pieces.iter().map(Vec::as_slice);
        let task =
            Task::from_snapshot(Arc::clone(&book), rules.settings.clone(), desk, plan.seed, &head, pieces)
                .map_err(|e| unusable(partition, &e))?;
        let buffered = head.buffered;
        Ok(Past { partition, task, book, decoders, rules, act_from, buffered, commits: Vec::new() })
    }

    fn of_start(plan: &Plan<D>, partition: i32, first: Option<&CommitRecord>) -> Result<Self, Fault> {
        let (start, mut rules) = first
            .and_then(|c| Some((c.first.clone()?, c.rules.clone()?)))
            .ok_or_else(|| unusable(partition, "the first commit does not say where it began"))?;
        let (book, decoders) = in_force(plan, partition, &rules)?;
        rules.settings = settings_of(plan, &rules);
        let desk = (plan.desk)(start.act_from, &rules.settings);
        let mut task = Task::new(Arc::clone(&book), rules.settings.clone(), desk, plan.seed);
        for (feed, position) in start.positions.iter().enumerate() {
            task.start_at(feed_ix(feed), *position);
        }
        let act_from = start.act_from;
        let buffered = Vec::new();
        Ok(Past { partition, task, book, decoders, rules, act_from, buffered, commits: Vec::new() })
    }

    /// Replays to the last commit. Where the rulebook changed between two commits the feeds are opened anew: what was
    /// read ahead was decoded for the old one.
    fn run<R: Rereader>(
        &mut self,
        plan: &Plan<D>,
        reread: &mut R,
        alive: &mut dyn FnMut() -> Result<bool, Fault>,
    ) -> Result<Replayed, Fault> {
        let commits = std::mem::take(&mut self.commits);
        let mut rest = commits.as_slice();
        loop {
            let changed = |c: &CommitRecord| c.rules.is_some() && c.first.is_none();
            // The first of the rest was reached by a change, which has been applied.
            let length = rest.iter().skip(1).position(changed).map_or(rest.len(), |at| at + 1);
            let (stretch, later) = rest.split_at(length);
            let stretch: Vec<&CommitRecord> = stretch.iter().collect();
            if let Some(end) = stretch.last()
                && self.stretch(reread, &stretch, end, alive)? == Replayed::GivenUp
            {
                return Ok(Replayed::GivenUp);
            }
            let Some(next) = later.first() else { break };
            rest = later;
            self.change_to(plan, reread, next)?;
        }
        // A snapshot that is the journal's end: only its buffer is to be filled.
        if commits.is_empty() {
            self.fill_buffer(reread)?;
        }
        Ok(Replayed::Whole)
    }

    fn change_to<R: Rereader>(
        &mut self,
        plan: &Plan<D>,
        reread: &mut R,
        commit: &CommitRecord,
    ) -> Result<(), Fault> {
        let Some(rules) = commit.rules.clone() else { return Ok(()) };
        let (book, _) = in_force(plan, self.partition, &rules)?;
        #[cfg(feature = "faults")]
        if plan.is_wrong(crate::Wrong::JoinedAgain) {
            let joining: Vec<Joining> = commit.joined.iter().map(|(feed, _)| (*feed, None)).collect();
            let joined = joins(plan, &rules, self.partition, self.task.instant(), &joining, reread)?;
            return self.change(plan, reread, rules, book, &joined);
        }
        self.change(plan, reread, rules, book, &commit.joined)
    }

    fn open<R: Rereader>(&self, reread: &mut R) -> Result<(R::Reader, Vec<i64>), Fault> {
        let mut from: Vec<i64> = (0..self.book.feeds.len()).map(|f| self.task.position(feed_ix(f))).collect();
        for reference in &self.buffered {
            let from = &mut from[usize::from(reference.feed)];
            *from = reference.offset.min(*from);
        }
        let topics = self.rules.feeds.iter().map(|feed| feed.topic.as_str());
        let topics: Vec<(&str, i64)> = topics.zip(from.iter().copied()).collect();
        let reader = reread.open(self.partition, &topics)?;
        Ok((reader, from))
    }

    fn stretch<R: Rereader>(
        &mut self,
        reread: &mut R,
        commits: &[&CommitRecord],
        end: &CommitRecord,
        alive: &mut dyn FnMut() -> Result<bool, Fault>,
    ) -> Result<Replayed, Fault> {
        let (reader, from) = self.open(reread)?;
        let mut ahead = Ahead::new(reader, &from, &self.decoders, &self.book);
        refill(&mut self.task, &mut ahead, &self.book, std::mem::take(&mut self.buffered))?;
        replay(&mut self.task, &mut ahead, Stretch::new(commits, end), alive)
    }

    fn fill_buffer<R: Rereader>(&mut self, reread: &mut R) -> Result<(), Fault> {
        if self.buffered.is_empty() {
            return Ok(());
        }
        let (reader, from) = self.open(reread)?;
        let mut ahead = Ahead::new(reader, &from, &self.decoders, &self.book);
        refill(&mut self.task, &mut ahead, &self.book, std::mem::take(&mut self.buffered))
    }

    /// A new rulebook or new settings, from here on. The buffer's events are read again: the new rules may read other
    /// fields of them.
    fn change<R: Rereader>(
        &mut self,
        plan: &Plan<D>,
        reread: &mut R,
        mut rules: Rules,
        book: Arc<Rulebook>,
        joined: &[(u8, i64)],
    ) -> Result<(), Fault> {
        rules.settings = settings_of(plan, &rules);
        self.buffered = self.task.change_rulebook(Arc::clone(&book), rules.settings.clone());
        for (feed, position) in joined {
            self.task.start_at(FeedIx(*feed), *position);
        }
        self.decoders = (plan.decoders)(&book);
        self.book = book;
        self.rules = rules;
        self.fill_buffer(reread)
    }
}

/// Fetches the events that belong into the reorder buffer. Their types may be named by no rule any more.
fn refill<D: Publisher, R: FeedReader>(
    task: &mut Task<D>,
    ahead: &mut Ahead<'_, R>,
    book: &Rulebook,
    buffered: Vec<BufferedRef>,
) -> Result<(), Fault> {
    let mut wanted: BTreeMap<(u8, i64), Vec<BufferedRef>> = BTreeMap::new();
    for reference in buffered {
        wanted.entry((reference.feed, reference.offset)).or_default().push(reference);
    }
    for feed in 0..book.feeds.len() {
        let ix = feed_ix(feed);
        let position = task.position(ix);
        while let Some(offset) = ahead.peek(feed, position)? {
            let Some(read) = ahead.next(feed) else { break };
            for reference in wanted.remove(&(ix.0, offset)).unwrap_or_default() {
                if let Some(event) = read.record.events.iter().find(|e| e.sub == reference.sub) {
                    task.restore_buffered(reference, event.clone());
                }
            }
        }
    }
    match wanted.keys().next() {
        Some((feed, offset)) => Err(gone(&book.feeds[usize::from(*feed)], *offset + 1)),
        None => Ok(()),
    }
}

/// The rulebook that was in force, and what decodes for it.
fn in_force<D: Publisher>(
    plan: &Plan<D>,
    partition: i32,
    rules: &Rules,
) -> Result<(Arc<Rulebook>, Vec<Decode>), Fault> {
    let has_feeds = |book: &Rulebook| book.feeds.iter().eq(rules.feeds.iter().map(|feed| feed.feed.as_str()));
    let book = if rules.hash == plan.rules.hash && has_feeds(&plan.book) {
        Arc::clone(&plan.book)
    } else {
        let book = (plan.compile)(&rules.source).map_err(|e| {
            unusable(partition, &format!("the rulebook that was in force no longer compiles: {e}"))
        })?;
        without_unread(book, rules)
    };
    if !has_feeds(&book) {
        return Err(unusable(
            partition,
            "the rulebook that was in force no longer has the feeds that it had",
        ));
    }
    let decoders = (plan.decoders)(&book);
    Ok((book, decoders))
}

/// Feeds that a rulebook may do without are read where settings name them.
fn without_unread(book: Arc<Rulebook>, rules: &Rules) -> Arc<Rulebook> {
    let is_read = |feed: &str| rules.feeds.iter().any(|read| read.feed == feed);
    let optional = [builtin::CUSTOMERS, builtin::OUTCOMES].into_iter().filter(|feed| !is_read(feed));
    optional.fold(book, |book, feed| book.without(feed).map_or(book, Arc::new))
}

/// Known errors in the engine are no part of a journal.
fn settings_of<D: Publisher>(_plan: &Plan<D>, rules: &Rules) -> cxwatch_engine::Settings {
    #[cfg(feature = "faults")]
    return cxwatch_engine::Settings { fault: _plan.rules.settings.fault, ..rules.settings.clone() };
    #[cfg(not(feature = "faults"))]
    rules.settings.clone()
}

#[cold]
fn unusable(partition: i32, problem: &str) -> Fault {
    let message = format!(
        "the journal of task {partition} cannot be used: {problem}; `cxwatch reset` names the ways to go on"
    );
    Fault::new(Answer::Exit, "restore", "JournalUnusable", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(metadata: &str) -> Option<CommittedOffset> {
        Some(CommittedOffset { offset: 5, metadata: metadata.into() })
    }

    #[test]
    fn offsets_say_which_commit_they_are_of() {
        assert_eq!(offsets_say(0, &[None, None]), Ok(None));
        let ours = [committed(&metadata(12)), committed(&metadata(12))];
        assert_eq!(offsets_say(0, &ours), Ok(Some(vec![12, 12])));
    }

    #[test]
    fn offsets_that_somebody_tampered_with_are_for_an_operator() {
        for others in [[committed(""), committed(&metadata(12))], [None, committed(&metadata(12))]] {
            let fault = offsets_say(3, &others).expect_err("not ours");
            assert_eq!((fault.answer, fault.code.as_str()), (Answer::Exit, "OffsetsAndJournalDiffer"));
            assert!(fault.message.contains("cxwatch reset --to-journal"), "{fault}");
        }
    }
}
