//! What all processes of a simulation share: time, logs, transactions, the group. A model of what Apache Kafka promises,
//! and of what it does not.

use super::log::{Entry, Fate, Log, TxnId};
use crate::world::draw::Draw;
use crate::world::stream::Logged;
use cxwatch_event::Millis;
use cxwatch_runtime::ports::{CommittedOffset, EndOffsets, FeedPartition, Topic};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A group member that has not polled for so long is put out.
pub const SESSION_MS: Millis = 6_000;
/// A transaction is aborted after so long.
pub const TRANSACTION_MS: Millis = 8_000;

/// A record of an output topic.
#[derive(Debug, Clone)]
pub struct Written {
    /// Where it was written to.
    pub topic: Topic,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A record of a feed: which of the world's, and its timestamp.
#[derive(Debug, Clone, Copy)]
pub struct Fed {
    /// Its place in the world's log.
    pub index: usize,
    /// Its timestamp.
    pub recorded_at: Millis,
}

/// What one transaction holds beyond its records.
#[derive(Debug, Default)]
struct Txn {
    offsets: Vec<(FeedPartition, CommittedOffset)>,
    began: Millis,
    /// Partitions written to: output and journal.
    wrote: BTreeSet<(bool, usize)>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Producer {
    epoch: u32,
    open: Option<TxnId>,
}

/// The request to end a transaction that comes a second time, later (KAFKA-17754).
#[derive(Debug, Clone)]
struct Stray {
    producer: String,
    epoch: u32,
    at: Millis,
}

/// A transaction that has been decided; its offsets tell, its partitions do not yet.
#[derive(Debug)]
struct Closing {
    producer: String,
    txn: TxnId,
    wrote: BTreeSet<(bool, usize)>,
    at: Millis,
}

/// What a group is doing.
#[derive(Debug, Default)]
pub struct Group {
    /// Counts rebalances that were completed.
    pub generation: u32,
    /// Members, and when each polled last.
    pub members: BTreeMap<u64, Millis>,
    /// Members that have given up what they had and wait for the others; `None`: no rebalance is going on.
    pub joined: Option<BTreeSet<u64>>,
    offsets: BTreeMap<FeedPartition, CommittedOffset>,
}

/// What is built in to be found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerFaults {
    /// The journal is read to the last stable offset only.
    pub restore_to_stable_end: bool,
    /// Offsets are committed outside of the transaction.
    pub offsets_outside: bool,
}

/// See the module.
pub struct Broker {
    /// The wall clock.
    pub now: Millis,
    /// By feed and partition.
    pub feeds: Vec<Vec<Log<Fed>>>,
    /// By partition.
    pub journal: Vec<Log<Vec<u8>>>,
    /// All other output, by partition.
    pub output: Vec<Log<Written>>,
    /// Of all transactions, upstream's too.
    pub fates: Vec<Fate>,
    /// The group.
    pub group: Group,
    /// What is built in.
    pub faults: BrokerFaults,
    txns: BTreeMap<TxnId, Txn>,
    producers: BTreeMap<String, Producer>,
    strays: Vec<Stray>,
    closing: Vec<Closing>,
    /// By feed and partition: what producers have not sent yet.
    upstream: Vec<Vec<Upstream>>,
    answer: Option<Arc<EndOffsets>>,
    asked: Option<EndOffsets>,
}

/// A partition's producers.
struct Upstream {
    records: Arc<Vec<Logged>>,
    next: usize,
    open: Option<(TxnId, Millis)>,
}

impl Broker {
    /// An empty cluster. `logs`: by feed and partition what producers will send.
    pub fn new(logs: Vec<Vec<Arc<Vec<Logged>>>>, faults: BrokerFaults) -> Self {
        let partitions = logs[0].len();
        let upstream = |records: Arc<Vec<Logged>>| Upstream { records, next: 0, open: None };
        Broker {
            now: 0,
            feeds: logs.iter().map(|f| f.iter().map(|_| Log::default()).collect()).collect(),
            journal: (0..partitions).map(|_| Log::default()).collect(),
            output: (0..partitions).map(|_| Log::default()).collect(),
            fates: Vec::new(),
            group: Group::default(),
            faults,
            txns: BTreeMap::new(),
            producers: BTreeMap::new(),
            strays: Vec::new(),
            closing: Vec::new(),
            upstream: logs.into_iter().map(|f| f.into_iter().map(upstream).collect()).collect(),
            answer: None,
            asked: None,
        }
    }

    /// Time passes, and what was to happen by then happens.
    pub fn pass(&mut self, ms: Millis, draw: &mut Draw, open_upstream: bool) {
        self.now += ms;
        for feed in 0..self.feeds.len() {
            for partition in 0..self.journal.len() {
                self.produce(feed, partition, draw, open_upstream);
            }
        }
        let late: Vec<String> = self
            .producers
            .iter()
            .filter(|(_, p)| p.open.is_some_and(|t| self.now - self.txns[&t].began > TRANSACTION_MS))
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            self.end(&id, Fate::Aborted);
            self.producers.entry(id).or_default().epoch += 1;
        }
        let now = self.now;
        self.close(|c| c.at <= now);
        let (due, later): (Vec<Stray>, Vec<Stray>) =
            std::mem::take(&mut self.strays).into_iter().partition(|s| s.at <= self.now);
        self.strays = later;
        for stray in due {
            if self.producers.get(&stray.producer).is_some_and(|p| p.epoch == stray.epoch) {
                self.end(&stray.producer, Fate::Committed);
            }
        }
        let gone: Vec<u64> = self
            .group
            .members
            .iter()
            .filter(|(_, at)| self.now - **at > SESSION_MS)
            .map(|(m, _)| *m)
            .collect();
        gone.into_iter().for_each(|member| self.leave(member));
    }

    fn produce(&mut self, feed: usize, partition: usize, draw: &mut Draw, open_upstream: bool) {
        let upstream = &mut self.upstream[feed][partition];
        let log = &mut self.feeds[feed][partition];
        while let Some(logged) = upstream.records.get(upstream.next)
            && logged.recorded_at <= self.now
        {
            if open_upstream && upstream.open.is_none() && draw.chance(12) {
                self.fates.push(Fate::Open);
                upstream.open = Some((self.fates.len() - 1, self.now + draw.range(0, 4_000)));
            }
            let fed = Fed { index: upstream.next, recorded_at: logged.recorded_at };
            if open_upstream && draw.chance(5) {
                // Written in a transaction that comes to nothing.
                self.fates.push(Fate::Aborted);
                log.push(Entry::Record(Some(self.fates.len() - 1), fed));
                log.push(Entry::Marker);
            }
            log.push(Entry::Record(upstream.open.map(|(t, _)| t), fed));
            upstream.next += 1;
        }
        if let Some((txn, until)) = upstream.open
            && until <= self.now
        {
            self.fates[txn] = Fate::Committed;
            log.push(Entry::Marker);
            upstream.open = None;
        }
    }

    /// Everything that producers will ever send is there at once; where the feeds end then.
    pub fn produce_all(&mut self, draw: &mut Draw) -> Vec<(usize, i32, i64)> {
        let last = |u: &Upstream| u.records.last().map_or(0, |r| r.recorded_at);
        let last = self.upstream.iter().flatten().map(last).max().unwrap_or(0);
        self.pass(last + 10_000, draw, true);
        self.pass(5_000, draw, false);
        let ends = self.feeds.iter().enumerate().flat_map(|(feed, logs)| {
            logs.iter().enumerate().map(move |(p, log)| (feed, p as i32, log.end()))
        });
        ends.collect()
    }

    /// Whether producers have sent everything but the closing records.
    pub fn is_quiet(&self) -> bool {
        self.upstream.iter().flatten().all(|u| {
            u.records.get(u.next).is_none_or(|r| r.recorded_at >= crate::world::END) && u.open.is_none()
        })
    }

    /// Whether all input of these feeds is read, committed, and no transaction is open.
    pub fn is_done(&self, feeds: &[usize]) -> bool {
        let sent = self.upstream.iter().flatten().all(|u| u.next == u.records.len() && u.open.is_none());
        let committed = |feed: usize, partition: usize, log: &Log<Fed>| {
            let at = FeedPartition { feed, partition: partition as i32 };
            let last = log.committed(0, &self.fates).last().map_or(0, |(offset, _)| offset + 1);
            self.group.offsets.get(&at).is_some_and(|c| c.offset >= last)
        };
        sent && self.txns.is_empty()
            && self.closing.is_empty()
            && self
                .feeds
                .iter()
                .enumerate()
                .filter(|(f, _)| feeds.contains(f))
                .all(|(f, logs)| logs.iter().enumerate().all(|(p, log)| committed(f, p, log)))
    }

    // ---------------------------------------------------------------- transactions

    /// A new producer of this id: what an earlier one had open ends. Its epoch.
    pub fn init(&mut self, producer: &str) -> u32 {
        self.end(producer, Fate::Aborted);
        self.close(|c| c.producer == producer);
        let state = self.producers.entry(producer.to_owned()).or_default();
        state.epoch += 1;
        state.epoch
    }

    /// Whether the producer has been fenced.
    pub fn is_fenced(&self, producer: &str, epoch: u32) -> bool {
        self.producers.get(producer).is_none_or(|p| p.epoch != epoch)
    }

    fn open(&mut self, producer: &str) -> TxnId {
        // The coordinator lets the next wait until the last is whole.
        self.close(|c| c.producer == producer);
        let state = self.producers.entry(producer.to_owned()).or_default();
        if let Some(open) = state.open {
            return open;
        }
        self.fates.push(Fate::Open);
        let txn = self.fates.len() - 1;
        state.open = Some(txn);
        self.txns.insert(txn, Txn { began: self.now, ..Txn::default() });
        txn
    }

    /// Adds a record to the producer's transaction.
    pub fn write(&mut self, producer: &str, partition: usize, written: Written) {
        let txn = self.open(producer);
        let is_journal = written.topic == Topic::Journal;
        if is_journal {
            self.journal[partition].push(Entry::Record(Some(txn), written.value));
        } else {
            self.output[partition].push(Entry::Record(Some(txn), written));
        }
        self.txns.get_mut(&txn).expect("just opened").wrote.insert((is_journal, partition));
    }

    /// Adds offsets to it.
    pub fn write_offsets(&mut self, producer: &str, offsets: Vec<(FeedPartition, CommittedOffset)>) {
        if self.faults.offsets_outside {
            self.group.offsets.extend(offsets);
            return;
        }
        let txn = self.open(producer);
        self.txns.get_mut(&txn).expect("just opened").offsets.extend(offsets);
    }

    /// Ends what the producer has open.
    pub fn end(&mut self, producer: &str, fate: Fate) {
        self.end_slowly(producer, fate, 0);
    }

    /// The same; the offsets are decided now, the markers in the other partitions follow later.
    pub fn end_slowly(&mut self, producer: &str, fate: Fate, after: Millis) {
        let Some(txn) = self.producers.get_mut(producer).and_then(|p| p.open.take()) else { return };
        let Txn { offsets, wrote, .. } = self.txns.remove(&txn).expect("it is open");
        if fate == Fate::Committed {
            self.group.offsets.extend(offsets);
            if after > 0 {
                let producer = producer.to_owned();
                self.closing.push(Closing { producer, txn, wrote, at: self.now + after });
                return;
            }
        }
        self.mark(txn, fate, wrote);
    }

    fn mark(&mut self, txn: TxnId, fate: Fate, wrote: BTreeSet<(bool, usize)>) {
        self.fates[txn] = fate;
        for (is_journal, partition) in wrote {
            if is_journal {
                self.journal[partition].push(Entry::Marker);
            } else {
                self.output[partition].push(Entry::Marker);
            }
        }
    }

    fn close(&mut self, is_due: impl Fn(&Closing) -> bool) {
        let (due, later): (Vec<Closing>, Vec<Closing>) =
            std::mem::take(&mut self.closing).into_iter().partition(is_due);
        self.closing = later;
        for Closing { txn, wrote, .. } in due {
            self.mark(txn, Fate::Committed, wrote);
        }
    }

    /// The end of the producer's transaction will be asked for once more, later.
    pub fn stray(&mut self, producer: &str, epoch: u32, after: Millis) {
        self.strays.push(Stray { producer: producer.to_owned(), epoch, at: self.now + after });
    }

    // ---------------------------------------------------------------- the group

    /// What is committed; `None` while a transaction with offsets is open.
    pub fn committed_offsets(&self, partitions: &[FeedPartition]) -> Option<Vec<Option<CommittedOffset>>> {
        let unstable = self.txns.values().flat_map(|t| &t.offsets).any(|(at, _)| partitions.contains(at));
        (!unstable).then(|| partitions.iter().map(|at| self.group.offsets.get(at).cloned()).collect())
    }

    /// A member joins; the others will have to give up what they have.
    pub fn join(&mut self, member: u64) {
        self.group.members.insert(member, self.now);
        self.group.joined.get_or_insert_default();
    }

    /// A member is gone.
    pub fn leave(&mut self, member: u64) {
        if self.group.members.remove(&member).is_some() {
            self.group.joined.get_or_insert_default().remove(&member);
            self.complete();
        }
    }

    /// A rebalance is over when all members have come.
    pub fn complete(&mut self) {
        let all =
            self.group.members.keys().all(|m| self.group.joined.as_ref().is_some_and(|j| j.contains(m)));
        if all && self.group.joined.is_some() {
            self.group.joined = None;
            self.group.generation += 1;
        }
    }

    /// What a member owns in this generation.
    pub fn assignment(&self, member: u64) -> Vec<FeedPartition> {
        let members: Vec<u64> = self.group.members.keys().copied().collect();
        let mine = |partition: usize| members[partition % members.len()] == member;
        (0..self.feeds.len())
            .flat_map(|feed| {
                (0..self.journal.len()).map(move |p| FeedPartition { feed, partition: p as i32 })
            })
            .filter(|at| mine(at.partition as usize))
            .collect()
    }

    /// The newest answer where the feeds end; answers take their time.
    pub fn ends(&mut self, draw: &mut Draw) -> Option<Arc<EndOffsets>> {
        if draw.chance(60) {
            if let Some(asked) = self.asked.take() {
                self.answer = Some(Arc::new(asked));
            }
            let ends = self.feeds.iter().enumerate().flat_map(|(feed, logs)| {
                logs.iter().enumerate().map(move |(p, log)| (feed, p as i32, log.end()))
            });
            self.asked = Some(EndOffsets { sent_at: self.now, ends: ends.collect() });
        }
        self.answer.clone()
    }
}
