//! The ports of one process in a simulation. Every call is a step at which the process may die or be frozen.

use super::Sim;
use super::broker::Written;
use super::log::Fate;
use cxwatch_event::Millis;
use cxwatch_runtime::ports::{
    Answer, Clock, CommitDone, CommittedOffset, EndOffsets, Ends, Fault, FeedPartition, FeedReader, Item,
    JournalBounds, JournalStore, OffsetCommit, OnRebalance, Outgoing, PausedSet, Pauses, Ports, ReadFrom,
    Rebalance, RecordRef, Rereader, Sink, Source,
};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One life of a process.
#[derive(Clone)]
pub struct Host {
    /// The simulation.
    pub sim: Rc<Sim>,
    /// The process.
    pub process: usize,
    /// The life, and the group member's name.
    pub life: u64,
    /// By the plan's number of a feed: the cluster's. Plans may have different feeds.
    pub feeds: Rc<[usize]>,
}

impl Host {
    fn step(&self) -> Result<(), Fault> {
        self.sim.step(self.process, self.life)
    }

    /// A partition as the cluster numbers it.
    fn there(&self, at: FeedPartition) -> FeedPartition {
        FeedPartition { feed: self.feeds[at.feed], ..at }
    }

    /// A partition as the plan numbers it, if it reads it.
    fn here(&self, at: FeedPartition) -> Option<FeedPartition> {
        let feed = self.feeds.iter().position(|feed| *feed == at.feed)?;
        Some(FeedPartition { feed, ..at })
    }

    fn producer(&self) -> String {
        format!("p{}", self.process)
    }

    fn chance(&self, percent: i64) -> bool {
        self.sim.options.mishaps && self.sim.draw.borrow_mut().chance(percent)
    }

    fn range(&self, from: i64, to: i64) -> i64 {
        self.sim.draw.borrow_mut().range(from, to)
    }
}

fn fault(answer: Answer, code: &str) -> Fault {
    Fault::new(answer, "simulate", code, "drawn")
}

/// All ports of a process.
pub struct SimPorts;

impl Ports for SimPorts {
    type Source = SimSource;
    type Sink = SimSink;
    type Journal = Host;
    type Rereader = Host;
    type Ends = Host;
    type Pauses = Host;
    type Clock = Host;
}

#[derive(Clone, Copy)]
struct Place {
    next: i64,
    /// The end that was told of.
    told: i64,
}

/// A group member.
pub struct SimSource {
    host: Host,
    assigned: Vec<FeedPartition>,
    generation: u32,
    places: BTreeMap<FeedPartition, Place>,
    stalled_until: BTreeMap<usize, Millis>,
}

impl SimSource {
    /// A member that will join with its first poll.
    pub fn new(host: Host) -> Self {
        SimSource {
            host,
            assigned: Vec::new(),
            generation: 0,
            places: BTreeMap::new(),
            stalled_until: BTreeMap::new(),
        }
    }

    fn give_up(&mut self, on: &mut OnRebalance<'_, Self>, lost: bool) {
        let partitions = std::mem::take(&mut self.assigned);
        if !partitions.is_empty() {
            on(self, if lost { Rebalance::Lost(&partitions) } else { Rebalance::Revoked(&partitions) });
        }
        self.places.clear();
    }

    fn is_member(&self) -> bool {
        self.host.sim.broker.borrow().group.members.contains_key(&self.host.life)
    }
}

impl Source for SimSource {
    type Group = (u64, u32);

    fn poll(&mut self, _: Duration, on: &mut OnRebalance<'_, Self>) -> Result<(), Fault> {
        self.host.step()?;
        let life = self.host.life;
        if !self.is_member() {
            self.give_up(on, true);
            self.host.sim.broker.borrow_mut().join(life);
            self.generation = 0;
        }
        let must_give_up = {
            let broker = &mut *self.host.sim.broker.borrow_mut();
            broker.group.members.insert(life, broker.now);
            broker.group.joined.as_ref().is_some_and(|joined| !joined.contains(&life))
        };
        if must_give_up {
            self.give_up(on, false);
            // It may have taken too long.
            if self.is_member() {
                let broker = &mut *self.host.sim.broker.borrow_mut();
                broker.group.joined.get_or_insert_default().insert(life);
                broker.complete();
            }
        }
        let assignment: Option<(u32, Vec<FeedPartition>)> = {
            let broker = self.host.sim.broker.borrow();
            let group = &broker.group;
            let is_new = group.members.contains_key(&life)
                && group.joined.is_none()
                && self.generation != group.generation;
            let mine = || broker.assignment(life).into_iter().filter_map(|at| self.host.here(at)).collect();
            is_new.then(|| (group.generation, mine()))
        };
        if let Some((generation, partitions)) = assignment {
            self.generation = generation;
            self.assigned.clone_from(&partitions);
            on(self, Rebalance::Assigned(&partitions));
        }
        Ok(())
    }

    fn serve(&mut self, feed: usize, max: usize, each: &mut dyn FnMut(Item<'_>)) -> usize {
        if self.host.step().is_err() {
            return 0;
        }
        let now = self.host.sim.broker.borrow().now;
        if self.host.sim.options.wild {
            let until = self.stalled_until.entry(feed).or_insert(0);
            if *until == 0 && self.host.sim.draw.borrow_mut().chance(2) {
                *until = now + self.host.range(2_000, 20_000);
            }
            if *until > now {
                return 0;
            }
            *until = 0;
        }
        let mut served = 0;
        let mine: Vec<FeedPartition> = self.places.keys().filter(|at| at.feed == feed).copied().collect();
        for at in mine {
            let wanted = self.host.range(0, 4).min(max as i64) as usize;
            let place = self.places.get_mut(&at).expect("it is mine");
            served += deliver(&self.host.sim, self.host.there(at), place, wanted, each);
        }
        served
    }

    fn start(&mut self, from: &[(FeedPartition, i64)]) -> Result<(), Fault> {
        self.host.step()?;
        if self.host.chance(3) {
            return Err(fault(Answer::Retry, "SeekFailed"));
        }
        for &(at, next) in from {
            self.places.insert(at, Place { next, told: -1 });
        }
        Ok(())
    }

    fn group(&self) -> Result<Self::Group, Fault> {
        Ok((self.host.life, self.generation))
    }

    fn committed(&mut self, partitions: &[FeedPartition]) -> Result<Vec<Option<CommittedOffset>>, Fault> {
        self.host.step()?;
        let there: Vec<FeedPartition> = partitions.iter().map(|at| self.host.there(*at)).collect();
        let offsets = self.host.sim.broker.borrow().committed_offsets(&there);
        offsets.ok_or_else(|| fault(Answer::Retry, "UnstableOffsetCommit"))
    }

    fn leave(&mut self, on: &mut OnRebalance<'_, Self>) -> Result<(), Fault> {
        self.host.step()?;
        let lost = !self.is_member();
        self.give_up(on, lost);
        self.host.sim.broker.borrow_mut().leave(self.host.life);
        Ok(())
    }
}

/// Hands over records up to the last stable offset, and then the end.
fn deliver(
    sim: &Sim,
    at: FeedPartition,
    place: &mut Place,
    max: usize,
    each: &mut dyn FnMut(Item<'_>),
) -> usize {
    let (records, stable) = {
        let broker = sim.broker.borrow();
        let log = &broker.feeds[at.feed][at.partition as usize];
        let records: Vec<(i64, super::broker::Fed)> =
            log.committed(place.next, &broker.fates).take(max).map(|(o, fed)| (o, *fed)).collect();
        (records, log.stable(&broker.fates))
    };
    let mut served = records.len();
    for (offset, fed) in &records {
        let value = [(at.partition as u32).to_le_bytes(), (fed.index as u32).to_le_bytes()].concat();
        place.next = offset + 1;
        each(Item::Record(RecordRef {
            partition: at.partition,
            offset: *offset,
            timestamp: Some(fed.recorded_at),
            key: None,
            value: Some(&value),
            headers: &[],
        }));
    }
    if records.len() < max {
        place.next = place.next.max(stable);
        if place.told != stable {
            place.told = stable;
            served += 1;
            each(Item::Eof { partition: at.partition, position: stable });
        }
    }
    served
}

/// A transactional producer.
pub struct SimSink {
    host: Host,
    epoch: u32,
}

impl SimSink {
    /// Registers the process's producer: its predecessor is fenced.
    pub fn new(host: Host) -> Self {
        let epoch = host.sim.broker.borrow_mut().init(&host.producer());
        SimSink { host, epoch }
    }

    fn check(&self) -> Result<(), Fault> {
        self.host.step()?;
        if self.host.sim.broker.borrow().is_fenced(&self.host.producer(), self.epoch) {
            return Err(fault(Answer::CloseDirty, "Fenced"));
        }
        Ok(())
    }

    fn end(&self, fate: Fate) {
        self.host.sim.broker.borrow_mut().end(&self.host.producer(), fate);
    }
}

impl Sink<(u64, u32)> for SimSink {
    fn begin(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), Fault> {
        self.check()?;
        if self.host.chance(1) {
            self.host.sim.count("aborted while sending");
            return Err(fault(Answer::Abort, "Drawn"));
        }
        let written = Written {
            topic: record.topic,
            value: record.value.unwrap_or_default().to_vec(),
            headers: record.headers.to_vec(),
        };
        self.host.sim.broker.borrow_mut().write(&self.host.producer(), record.partition as usize, written);
        Ok(())
    }

    fn send_offsets(&mut self, offsets: &[OffsetCommit], group: &(u64, u32)) -> Result<(), Fault> {
        self.check()?;
        let broker = &mut *self.host.sim.broker.borrow_mut();
        let ours = broker.group.members.contains_key(&group.0) && broker.group.generation == group.1;
        if !ours {
            self.host.sim.count("zombie's offsets refused");
            return Err(fault(Answer::Abort, "IllegalGeneration"));
        }
        let offsets = offsets.iter().map(|o| {
            (self.host.there(o.at), CommittedOffset { offset: o.offset, metadata: o.metadata.clone() })
        });
        broker.write_offsets(&self.host.producer(), offsets.collect());
        Ok(())
    }

    fn commit(&mut self) -> Result<CommitDone, Fault> {
        self.check()?;
        let drawn = if self.host.sim.options.mishaps { self.host.range(0, 99) } else { 99 };
        let renew = match drawn {
            0..3 => return Err(fault(Answer::Retry, "NotDelivered")),
            3..8 => {
                self.host.sim.count("aborted at the commit");
                return Err(fault(Answer::Abort, "Drawn"));
            }
            8..12 => {
                self.host.sim.count("ambiguous, committed");
                self.end(Fate::Committed);
                return Err(fault(Answer::Ambiguous, "OperationTimedOut"));
            }
            12..16 => {
                self.host.sim.count("ambiguous, not committed");
                if self.host.chance(50) {
                    let after = self.host.range(0, 3_000);
                    self.host.sim.broker.borrow_mut().stray(&self.host.producer(), self.epoch, after);
                }
                return Err(fault(Answer::Ambiguous, "OperationTimedOut"));
            }
            16..20 => {
                self.host.sim.count("end sent twice");
                let after = self.host.range(0, 3_000);
                self.host.sim.broker.borrow_mut().stray(&self.host.producer(), self.epoch, after);
                true
            }
            _ => false,
        };
        let after = if self.host.chance(30) { self.host.range(1, 2_000) } else { 0 };
        self.host.sim.broker.borrow_mut().end_slowly(&self.host.producer(), Fate::Committed, after);
        self.host.step()?;
        Ok(CommitDone { renew })
    }

    fn abort(&mut self) -> Result<(), Fault> {
        self.check()?;
        self.end(Fate::Aborted);
        Ok(())
    }

    fn renew(&mut self) -> Result<(), Fault> {
        self.host.step()?;
        if self.host.chance(10) {
            return Err(fault(Answer::Retry, "OperationTimedOut"));
        }
        self.epoch = self.host.sim.broker.borrow_mut().init(&self.host.producer());
        Ok(())
    }

    fn poll(&mut self) -> Result<(), Fault> {
        if self.host.sim.broker.borrow().is_fenced(&self.host.producer(), self.epoch) {
            return Err(fault(Answer::CloseDirty, "Fenced"));
        }
        Ok(())
    }
}

impl JournalStore for Host {
    fn bounds(&mut self, partition: i32) -> Result<JournalBounds, Fault> {
        self.step()?;
        if self.chance(5) {
            return Err(fault(Answer::Retry, "OperationTimedOut"));
        }
        let broker = self.sim.broker.borrow();
        let log = &broker.journal[partition as usize];
        Ok(JournalBounds { start: log.start(), end: log.end() })
    }

    fn read(
        &mut self,
        partition: i32,
        from: i64,
        each: &mut dyn FnMut(i64, &[u8]),
    ) -> Result<JournalBounds, Fault> {
        self.step()?;
        let broker = self.sim.broker.borrow();
        let log = &broker.journal[partition as usize];
        let stable = log.stable(&broker.fates);
        if stable < log.end() && !broker.faults.restore_to_stable_end {
            self.sim.count("waited for an open transaction");
            return Err(fault(Answer::Retry, "OperationTimedOut"));
        }
        for (offset, value) in log.committed(from, &broker.fates) {
            each(offset, value);
        }
        Ok(JournalBounds { start: log.start(), end: log.end() })
    }

    fn delete_before(&mut self, partition: i32, before: i64) -> Result<(), Fault> {
        self.step()?;
        if self.chance(10) {
            return Err(fault(Answer::Retry, "PolicyViolation"));
        }
        self.sim.broker.borrow_mut().journal[partition as usize].delete_before(before);
        Ok(())
    }
}

/// Reads the feeds of one task again.
pub struct SimReader {
    host: Host,
    partition: i32,
    /// By feed, with the cluster's number of it.
    places: Vec<(usize, Place)>,
}

impl Rereader for Host {
    type Reader = SimReader;

    fn offset(&mut self, topic: &str, partition: i32, from: ReadFrom) -> Result<i64, Fault> {
        self.step()?;
        let broker = self.sim.broker.borrow();
        let log = &broker.feeds[self.sim.feed_of(topic)][partition as usize];
        let ReadFrom::Time(time) = from else { return Ok(log.start()) };
        let stable = log.stable(&broker.fates);
        let later = log.committed(0, &broker.fates).find(|(_, fed)| fed.recorded_at >= time);
        Ok(later.map_or(stable, |(offset, _)| offset))
    }

    fn open(&mut self, partition: i32, from: &[(&str, i64)]) -> Result<SimReader, Fault> {
        self.step()?;
        let place = |&(topic, next): &(&str, i64)| (self.sim.feed_of(topic), Place { next, told: -1 });
        let places = from.iter().map(place).collect();
        Ok(SimReader { host: self.clone(), partition, places })
    }
}

impl FeedReader for SimReader {
    fn read(&mut self, feed: usize, max: usize, _: Duration, each: &mut dyn FnMut(Item<'_>)) -> usize {
        if let Err(fault) = self.host.step() {
            each(Item::Error { partition: self.partition, fault });
            return 0;
        }
        let max = self.host.range(1, 5).min(max as i64) as usize;
        let (feed, place) = &mut self.places[feed];
        let at = FeedPartition { feed: *feed, partition: self.partition };
        deliver(&self.host.sim, at, place, max, each)
    }
}

impl Pauses for Host {
    fn latest(&mut self) -> Option<Arc<PausedSet>> {
        Some(self.sim.paused())
    }
}

impl Ends for Host {
    fn latest(&mut self) -> Option<Arc<EndOffsets>> {
        let all = self.sim.broker.borrow_mut().ends(&mut self.sim.draw.borrow_mut())?;
        let here = |&(feed, partition, end): &(usize, i32, i64)| {
            let at = self.here(FeedPartition { feed, partition })?;
            Some((at.feed, partition, end))
        };
        Some(Arc::new(EndOffsets { sent_at: all.sent_at, ends: all.ends.iter().filter_map(here).collect() }))
    }
}

impl Clock for Host {
    fn now(&self) -> Millis {
        self.sim.broker.borrow().now
    }

    fn elapsed(&self) -> u64 {
        self.sim.broker.borrow().now as u64
    }

    fn unique(&self) -> u64 {
        self.sim.unique()
    }
}
