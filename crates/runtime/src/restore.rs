//! A task from what is committed: nothing but the journal's end and the feeds.

mod past;

use crate::desk::Publisher;
use crate::journal::{ENGINE_VERSION, FeedTopic, Rules};
use crate::live::{Changed, Live, Origin, digest, feed_ix};
use crate::ports::{Answer, CommittedOffset, Fault, ReadFrom, Rereader};
use crate::replay::Replayed;
use crate::settings::{Plan, Start};
use crate::tail::Tail;
use cxwatch_engine::{NEVER, Task};
use cxwatch_event::{Millis, builtin};
use past::Past;
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
    if !past.rules.are(&plan.rules) {
        let rules = plan.rules.after(&past.rules, &past.waiting());
        let decoders = (plan.decoders)(&plan.book, &rules.feeds).map_err(|e| outlived(partition, &e))?;
        let joined = joins(plan, &plan.rules, partition, past.task.instant(), &joining, reread)?;
        past.change(plan, reread, rules, (Arc::clone(&plan.book), decoders), &joined)?;
        changed = Some(Changed { joined });
    }
    past.task.end_replay();
    past.task.desk_mut().take_expired();
    let origin = Origin {
        decoders: past.decoders,
        rules: past.rules,
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
    let rules = plan.rules.clone();
    let decoders = (plan.decoders)(&plan.book, &rules.feeds).map_err(|e| outlived(partition, &e))?;
    let origin = Origin { task, decoders, rules, seq: 0, owner: life.owner, act_from, changed: None };
    let live = Live::new(Arc::clone(plan), partition, origin, life.began);
    Ok(Restored { live, alarms: Vec::new(), commits: 0, customers: 0 })
}

/// Events wait that the mapping before has read, and the new rulebook has no room for it.
#[cold]
fn outlived(partition: i32, problem: &str) -> Fault {
    let message = format!(
        "events of task {partition} still wait that were read by the mapping before, which does not fit the new rulebook: \
         {problem}; start with the new mapping and the rulebook of before, and change that with the next start"
    );
    Fault::new(Answer::Exit, "restore", "MappingOutlived", message)
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
