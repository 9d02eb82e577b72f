//! The tasks that `run` would have, driven by bounded input.

use cxwatch_engine::{Counts, Desk, FOREVER, Judge, Refused, Settings, Task};
use cxwatch_event::partition::murmur2_partition;
use cxwatch_event::{Interest, Millis, Record, TypeInterest};
use cxwatch_rulebook::{FeedIx, FeedSet, Rulebook};
use std::sync::Arc;

/// The tasks of a replay: one per partition.
///
/// Bounded input (only events and heartbeats move time, no feed is blind, a feed read to its end no longer holds the
/// clock), so nothing has to be written down that the input could not tell again.
pub struct Tasks<D: Desk> {
    book: Arc<Rulebook>,
    tasks: Vec<Task<D>>,
    /// By feed and task: the next offset.
    offsets: Vec<Vec<i64>>,
    /// Feeds that something is read from: the others cannot change any result, and are not read into the tasks.
    needed: FeedSet,
    now: Millis,
    part: Vec<Record>,
    refused: Vec<Refused>,
}

impl<D: Desk> Tasks<D> {
    /// Tasks that have read nothing. `now`: events later than that (and `max_future`) are refused.
    pub fn new(
        book: Arc<Rulebook>,
        settings: &Settings,
        partitions: u32,
        now: Millis,
        desk: impl Fn() -> D,
    ) -> Self {
        let needed = book.feeds_read();
        let count = partitions.max(1) as usize;
        let feeds = book.feeds.len();
        let mut tasks: Vec<_> =
            (0..count).map(|_| Task::new(Arc::clone(&book), settings.clone(), desk(), 0)).collect();
        for task in &mut tasks {
            // Nobody restores a replay: its verdicts need not be kept.
            task.begin_replay();
            for feed in (0..feeds as u8).map(FeedIx).filter(|f| !needed.contains(*f)) {
                task.end(feed);
            }
        }
        let offsets = vec![vec![0; count]; feeds];
        let part = vec![Record::default(); count];
        Tasks { book, tasks, offsets, needed, now, part, refused: Vec::new() }
    }

    /// What the decoder has to extract: with several tasks also the customer of events that no rule names, for they
    /// move the clock of their own task only.
    pub fn interest(book: &Rulebook, partitions: u32) -> Interest {
        let mut interest = book.interest.clone();
        if partitions > 1 {
            interest.types.resize_with(book.catalogue.len(), || None);
            for kind in &mut interest.types {
                kind.get_or_insert(TypeInterest { fields: 0 });
            }
        }
        interest
    }

    /// The feeds from which something is read.
    pub fn needed(&self) -> FeedSet {
        self.needed
    }

    /// Takes a record; its events are taken out of it. Returns the events that were refused: `sub` counts the record's
    /// times.
    pub fn read(&mut self, feed: FeedIx, record: &mut Record) -> &[Refused] {
        self.refused.clear();
        if !self.needed.contains(feed) {
            for (sub, time) in (0..).zip(&record.times).filter(|(_, time)| **time > self.now) {
                let reason = cxwatch_event::Reason::TimeInFuture;
                self.refused.push(Refused { sub, reason, time: *time });
            }
        } else if self.tasks.len() == 1 {
            let offset = &mut self.offsets[usize::from(feed.0)][0];
            let refused = self.tasks[0].read(feed, *offset, FOREVER, record, Judge::Wall(self.now));
            self.refused.extend_from_slice(refused);
            *offset += 1;
        } else {
            self.spread(feed, record);
        }
        &self.refused
    }

    /// Takes a record of a partition that is a task, with the offset that it has there; its events are taken out of it.
    pub fn read_of(
        &mut self,
        feed: FeedIx,
        partition: usize,
        offset: i64,
        record: &mut Record,
    ) -> &[Refused] {
        self.refused.clear();
        let task = &mut self.tasks[partition];
        let refused = task.read(feed, offset, FOREVER, record, Judge::Wall(self.now));
        self.refused.extend_from_slice(refused);
        &self.refused
    }

    /// The feed has been read to the end of this partition.
    pub fn end_at(&mut self, feed: FeedIx, partition: usize) {
        self.tasks[partition].end(feed);
    }

    /// Gives every task its part of a record.
    fn spread(&mut self, feed: FeedIx, record: &mut Record) {
        let count = self.tasks.len() as u32;
        // Where the record's times are about no customer, they are heartbeats: for every task.
        let heartbeat = record.events.is_empty();
        for part in &mut self.part {
            part.events.clear();
            part.times.clear();
            if heartbeat {
                part.times.extend_from_slice(&record.times);
            }
        }
        let mut origin: Vec<Vec<u32>> = vec![Vec::new(); self.tasks.len()];
        for (sub, event) in (0..).zip(record.events.drain(..)) {
            let to = murmur2_partition(event.customer.as_bytes(), count) as usize;
            origin[to].push(sub);
            self.part[to].times.push(event.time);
            if self.book.interest.of(event.kind).is_some() {
                self.part[to].events.push(event);
            }
        }
        for (to, part) in self.part.iter_mut().enumerate().filter(|(_, part)| !part.times.is_empty()) {
            let offset = &mut self.offsets[usize::from(feed.0)][to];
            let refused = self.tasks[to].read(feed, *offset, FOREVER, part, Judge::Wall(self.now));
            *offset += 1;
            if heartbeat && to > 0 {
                continue;
            }
            self.refused.extend(refused.iter().map(|r| {
                let by_time = r.reason == cxwatch_event::Reason::TimeInFuture;
                let sub = origin[to].get(r.sub as usize).copied().filter(|_| by_time).unwrap_or(r.sub);
                Refused { sub, ..*r }
            }));
        }
    }

    /// Whatever comes from now on on any feed happened after `time`: known of input that is sorted as a whole.
    pub fn proven(&mut self, time: Millis) {
        for task in &mut self.tasks {
            for feed in self.needed.iter() {
                let delay = task.settings().feeds[usize::from(feed.0)].max_delay_ms;
                task.proof(feed, time.saturating_add(delay));
            }
        }
    }

    /// The feed has been read to its end.
    pub fn end(&mut self, feed: FeedIx) {
        for task in &mut self.tasks {
            task.end(feed);
        }
    }

    /// Processes what can be processed, but nothing behind `until`.
    pub fn advance(&mut self, until: Millis) {
        for task in &mut self.tasks {
            // Beyond the end of all feeds the clock stands: only `finish` knows how far it goes.
            if task.watermark() < FOREVER {
                task.advance(until, usize::MAX);
            }
            while task.is_full() {
                task.force();
            }
        }
    }

    /// All feeds have been read to their ends: the clock moves to `until`.
    pub fn finish(&mut self, until: Millis) {
        for feed in self.needed.iter() {
            self.end(feed);
        }
        for task in &mut self.tasks {
            task.advance(until, usize::MAX);
        }
    }

    /// The instant through which all tasks have processed.
    pub fn instant(&self) -> Millis {
        self.tasks.iter().map(Task::instant).min().unwrap_or(FOREVER)
    }

    /// The newest event that a task has seen of this feed, less `reorder`: what its clock rests on.
    pub fn watermark(&self, feed: FeedIx) -> Millis {
        self.tasks.iter().map(|t| t.feed_watermark(feed)).max().unwrap_or(FOREVER)
    }

    /// The desks, one per task.
    pub fn desks(&mut self) -> impl Iterator<Item = &mut D> {
        self.tasks.iter_mut().map(Task::desk_mut)
    }

    /// The counts of all tasks together.
    pub fn counts(&self) -> Counts {
        self.tasks.iter().map(Task::counts).fold(Counts::default(), add)
    }

    /// Customers with any state.
    pub fn customers(&self) -> usize {
        self.tasks.iter().map(Task::customers).sum()
    }

    /// The tasks themselves.
    pub fn tasks(&self) -> &[Task<D>] {
        &self.tasks
    }
}

fn add(a: Counts, b: Counts) -> Counts {
    Counts {
        applied: a.applied + b.applied,
        at_once: a.at_once + b.at_once,
        late: a.late + b.late,
        duplicates: a.duplicates + b.duplicates,
        too_late: a.too_late + b.too_late,
        in_future: a.in_future + b.in_future,
        forced: a.forced + b.forced,
        detections: a.detections + b.detections,
        retractions: a.retractions + b.retractions,
        resolutions: a.resolutions + b.resolutions,
        held: a.held + b.held,
        evaluated_again: a.evaluated_again + b.evaluated_again,
        bound_hits: a.bound_hits + b.bound_hits,
        starts_without_key: a.starts_without_key + b.starts_without_key,
    }
}
