//! A stream thread: one group member, one transactional producer, its tasks. It shares nothing and never waits for
//! another.
//!
//! [`StreamThread::turn`] does a little of everything and is called again and again: rebalances, one restore, the ends
//! of the feeds, some records of each feed, some instants of each task, a commit when it is due. What it returns as an
//! error ends the thread: [`Answer::CloseDirty`] asks for a new one, [`Answer::Exit`] for an operator.

mod commit;
mod look;
mod rebalance;

use crate::desk::Publisher;
use crate::live::{Batch, Live};
use crate::partial::Partial;
use crate::ports::{
    Answer, Clock, CommittedOffset, EndOffsets, Fault, FeedPartition, Item, JournalStore, Ports, Sink, Source,
};
use crate::restore::{Alarm, Life, Restored, restore};
use crate::settings::Plan;
use crate::tail::{Tail, read_tail};
use cxwatch_event::Millis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There was something to do; there may be more.
    Worked,
    /// There was nothing to do.
    Idle,
}

/// What the thread's owner may want to hear of, as it happens.
pub trait Listener {
    /// A task was restored, and what was found on the way.
    fn restored(&mut self, partition: i32, alarms: &[Alarm], commits: usize, customers: usize, took_ms: u64);

    /// A task that was given up came back, and goes on where it stood.
    fn resumed(&mut self, partition: i32) {
        let _ = partition;
    }

    /// A task is no longer ours; `clean`: everything it did is committed.
    fn closed(&mut self, partition: i32, clean: bool);

    /// A task has stopped the requests of a rule (or of all: [`PAUSED_ALL`](crate::ports::PAUSED_ALL)), or lets them go on.
    fn paused(&mut self, partition: i32, rule: &str, paused: bool) {
        let _ = (partition, rule, paused);
    }

    /// What is ours has changed: the tasks of which some feeds are not, and how many wait to be restored; the first of them
    /// takes as long as it takes until [`turned`](Self::turned) tells more.
    fn assigned(&mut self, partial: &Partial, restoring: usize) {
        let _ = (partial, restoring);
    }

    /// A transaction has committed, with these shares of tasks.
    fn committed(&mut self, batches: &[(i32, Batch)], took_ms: u64, now: Millis);

    /// Something went wrong and is tried again.
    fn troubled(&mut self, fault: &Fault);

    /// A record can never be written and was left out.
    fn unwritable(&mut self, partition: i32, fault: &Fault);

    /// After every turn: the tasks, to look at.
    fn turned<D: Publisher>(&mut self, tasks: &mut BTreeMap<i32, Live<D>>, restoring: usize, now: Millis);
}

/// See the module.
pub struct StreamThread<P: Ports, D: Publisher, L: Listener> {
    source: P::Source,
    reread: P::Rereader,
    core: Core<P, D, L>,
}

/// Everything but the input side: what answers rebalances.
struct Core<P: Ports, D: Publisher, L: Listener> {
    plan: Arc<Plan<D>>,
    sink: P::Sink,
    journal: P::Journal,
    ends: P::Ends,
    pauses: P::Pauses,
    clock: P::Clock,
    listener: L,
    assigned: BTreeSet<FeedPartition>,
    tasks: BTreeMap<i32, Live<D>>,
    /// Tasks of ours that are to be restored.
    waiting: BTreeSet<i32>,
    /// Tasks that were given up with everything committed: a rebalance takes all tasks away, and gives most of them
    /// back.
    parked: BTreeMap<i32, Live<D>>,
    /// Nobody knows whether the sealed content has committed.
    unclear: bool,
    /// The next transaction needs a new producer.
    renew: bool,
    committed_at: u64,
    retry: Retry,
    retry_restore: Retry,
    /// What went wrong in a rebalance, for the turn to tell.
    fault: Option<Fault>,
    last_ends: Option<Arc<EndOffsets>>,
    topics: Vec<Standing>,
}

/// How long a whole topic has stood still.
#[derive(Debug, Clone, Copy)]
struct Standing {
    sum: i64,
    since: Millis,
}

/// When to try again.
#[derive(Debug, Clone, Copy, Default)]
struct Retry {
    at: u64,
    pause_ms: u64,
    random: u64,
}

impl Retry {
    const FIRST_MS: u64 = 20;
    const LAST_MS: u64 = 5_000;

    /// Later each time, and not all at once.
    fn later(&mut self, elapsed: u64) {
        self.pause_ms = (self.pause_ms * 2).clamp(Self::FIRST_MS, Self::LAST_MS);
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.at = elapsed + self.pause_ms / 2 + (self.random >> 33) % (self.pause_ms / 2 + 1);
    }

    fn over(&mut self) {
        (self.at, self.pause_ms) = (0, 0);
    }
}

/// The ports of one thread, as they are handed to it.
pub struct Parts<P: Ports> {
    /// The feeds.
    pub source: P::Source,
    /// Transactions.
    pub sink: P::Sink,
    /// The journal.
    pub journal: P::Journal,
    /// The feeds again.
    pub reread: P::Rereader,
    /// Where the feeds end.
    pub ends: P::Ends,
    /// What operators have stopped.
    pub pauses: P::Pauses,
    /// The clocks.
    pub clock: P::Clock,
}

impl<P: Ports, D: Publisher, L: Listener> StreamThread<P, D, L> {
    /// A thread that owns nothing yet.
    pub fn new(plan: Arc<Plan<D>>, parts: Parts<P>, listener: L) -> Self {
        let Parts { source, sink, journal, reread, ends, pauses, clock } = parts;
        let standing = Standing { sum: -1, since: clock.now() };
        let core = Core {
            topics: vec![standing; plan.book.feeds.len()],
            retry: Retry { random: plan.seed, ..Retry::default() },
            retry_restore: Retry { random: !plan.seed, ..Retry::default() },
            committed_at: clock.elapsed(),
            plan,
            sink,
            journal,
            ends,
            pauses,
            clock,
            listener,
            assigned: BTreeSet::new(),
            tasks: BTreeMap::new(),
            waiting: BTreeSet::new(),
            parked: BTreeMap::new(),
            unclear: false,
            renew: false,
            fault: None,
            last_ends: None,
        };
        StreamThread { source, reread, core }
    }

    /// Turns until told to stop, then leaves the group in peace. A fault ends the thread.
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), Fault> {
        let mut idle = false;
        while !stop.load(Ordering::Relaxed) {
            let wait = if idle { self.core.plan.bounds.idle_wait_ms } else { 0 };
            idle = self.turn(Duration::from_millis(wait))? == Turn::Idle;
        }
        self.leave()
    }

    /// One turn; waits up to `wait` for the client where there is nothing to do.
    pub fn turn(&mut self, wait: Duration) -> Result<Turn, Fault> {
        let core = &mut self.core;
        let polled = self.source.poll(wait, &mut |source, event| core.rebalance(source, event));
        self.core.pass_on(polled)?;
        self.core.take_fault()?;
        self.restore_one()?;
        self.core.look_at_ends();
        self.core.look_at_pauses();
        let mut worked = self.serve()?;
        worked |= self.core.advance();
        if self.core.is_commit_due() {
            worked |= self.core.commit(&self.source)?;
        } else {
            let polled = self.core.sink.poll();
            self.core.pass_on(polled)?;
        }
        let now = self.core.clock.now();
        self.core.listener.turned(&mut self.core.tasks, self.core.waiting.len(), now);
        Ok(if worked { Turn::Worked } else { Turn::Idle })
    }

    /// Gives everything back: commits and leaves the group.
    pub fn leave(&mut self) -> Result<(), Fault> {
        let core = &mut self.core;
        let left = self.source.leave(&mut |source, event| core.rebalance(source, event));
        self.core.take_fault()?;
        left
    }

    /// The tasks that are restored.
    pub fn tasks(&self) -> &BTreeMap<i32, Live<D>> {
        &self.core.tasks
    }

    /// Of input that ends: whether all tasks that are ours have gone through it. Others may have been given to us by then.
    pub fn is_done(&self) -> bool {
        self.core.waiting.is_empty() && self.core.tasks.values().all(Live::is_done)
    }

    /// How many tasks wait to be restored.
    pub fn restoring(&self) -> usize {
        self.core.waiting.len()
    }

    /// What listens.
    pub fn listener(&self) -> &L {
        &self.core.listener
    }

    /// What listens, to take something out.
    pub fn listener_mut(&mut self) -> &mut L {
        &mut self.core.listener
    }

    fn restore_one(&mut self) -> Result<(), Fault> {
        let elapsed = self.core.clock.elapsed();
        let retry_at = self.core.retry_restore.at;
        let Some(&partition) = self.core.waiting.first().filter(|_| elapsed >= retry_at) else {
            return Ok(());
        };
        let result = self.restore(partition, elapsed);
        self.core.take_fault()?;
        match result {
            Ok(()) => self.core.retry_restore.over(),
            Err(fault) if fault.answer == Answer::Retry => {
                self.core.retry_restore.later(self.core.clock.elapsed());
                self.core.listener.troubled(&fault);
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    fn restore(&mut self, partition: i32, elapsed: u64) -> Result<(), Fault> {
        let StreamThread { source, reread, core } = self;
        let feeds: Vec<FeedPartition> =
            (0..core.plan.book.feeds.len()).map(|feed| FeedPartition { feed, partition }).collect();
        let parked = core.unpark(source, &feeds, partition)?;
        let (live, found) = match parked {
            Some(live) => (live, None),
            None => {
                let (committed, tail) = what_is_committed(source, &mut core.journal, &feeds, partition)?;
                let plan = Arc::clone(&core.plan);
                let life = Life { owner: core.clock.unique(), began: elapsed };
                let mut alive = || {
                    source.poll(Duration::ZERO, &mut |source, event| core.rebalance(source, event))?;
                    Ok(core.waiting.contains(&partition))
                };
                match restore(&plan, partition, &committed, tail, reread, life, &mut alive)? {
                    None => return Ok(()),
                    Some(Restored { live, alarms, commits, customers }) => {
                        (live, Some((alarms, commits, customers)))
                    }
                }
            }
        };
        let from: Vec<(FeedPartition, i64)> = feeds.into_iter().zip(live.positions()).collect();
        source.start(&from)?;
        core.waiting.remove(&partition);
        core.tasks.insert(partition, live);
        match found {
            Some((alarms, commits, customers)) => {
                let took = core.clock.elapsed() - elapsed;
                core.listener.restored(partition, &alarms, commits, customers, took);
            }
            None => core.listener.resumed(partition),
        }
        Ok(())
    }

    /// Serves the feeds, the one that holds the clock first; one that is far ahead in all tasks is left alone.
    fn serve(&mut self) -> Result<bool, Fault> {
        let core = &mut self.core;
        let mut order: Vec<(Millis, usize)> = (0..core.plan.book.feeds.len())
            .filter_map(|feed| Some((core.tasks.values().map(|t| t.feed_watermark(feed)).min()?, feed)))
            .collect();
        order.sort_unstable();
        let mut served = 0;
        for (_, feed) in order {
            if core.tasks.values().all(|task| task.is_ahead(feed)) {
                core.tasks.values_mut().for_each(|task| task.not_asked(feed));
                continue;
            }
            let (tasks, clock, mut fault) = (&mut core.tasks, &core.clock, None);
            // Not before the first record is in our hands: the process may have been frozen until now, and a record must
            // not seem to come from the future.
            let mut now = None;
            served += self.source.serve(feed, core.plan.bounds.batch_items_max, &mut |item| {
                let now = *now.get_or_insert_with(|| clock.now());
                let result = match item {
                    Item::Record(record) => {
                        tasks.get_mut(&record.partition).map_or(Ok(()), |task| task.take(feed, &record, now))
                    }
                    Item::Eof { partition, position } => {
                        if let Some(task) = tasks.get_mut(&partition) {
                            task.eof(feed, position);
                        }
                        Ok(())
                    }
                    Item::Error { fault, .. } => Err(fault),
                };
                if let Err(error) = result {
                    fault.get_or_insert(error);
                }
            });
            core.pass_on(fault.map_or(Ok(()), Err))?;
        }
        Ok(served > 0)
    }
}

/// The group's offsets and the journal's end. In this order: the offsets wait for transactions that have theirs in them,
/// the journal's end for those that have only written. And the offsets again: while we looked, somebody else may have been
/// the owner.
fn what_is_committed<S: Source, J: JournalStore>(
    source: &mut S,
    journal: &mut J,
    feeds: &[FeedPartition],
    partition: i32,
) -> Result<(Vec<Option<CommittedOffset>>, Tail), Fault> {
    let before = source.committed(feeds)?;
    let tail = read_tail(journal, partition)?;
    let after = source.committed(feeds)?;
    if before != after {
        let message = "another owner has committed meanwhile";
        return Err(Fault::new(Answer::Retry, "restore", "NotAlone", message));
    }
    Ok((after, tail))
}

impl<P: Ports, D: Publisher, L: Listener> Core<P, D, L> {
    /// Lets a passing fault pass; one that ends the thread is returned.
    fn pass_on(&mut self, result: Result<(), Fault>) -> Result<(), Fault> {
        match result {
            Err(fault) if matches!(fault.answer, Answer::Retry | Answer::Abort | Answer::Reject) => {
                self.listener.troubled(&fault);
                Ok(())
            }
            other => other,
        }
    }

    /// The same, and what is being done is done again later.
    fn or_later<T>(&mut self, result: Result<T, Fault>) -> Result<Option<T>, Fault> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(fault) if fault.answer == Answer::Retry => {
                self.retry.later(self.clock.elapsed());
                self.listener.troubled(&fault);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    fn take_fault(&mut self) -> Result<(), Fault> {
        self.fault.take().map_or(Ok(()), Err)
    }

    fn advance(&mut self) -> bool {
        let now = self.clock.now();
        let mut more = false;
        for task in self.tasks.values_mut() {
            more |= task.advance(now);
        }
        more
    }
}
