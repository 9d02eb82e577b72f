//! Files and stretches of topics through the engine: the same core as the service's, on input that has an end.
//!
//! Only events and heartbeats move time, no feed is blind, a feed read to its end no longer holds the clock, and when all
//! are, the clock moves to `until`.

mod desk;
mod input;
mod lines;
mod merge;
mod peek;
mod sorted;
mod source;
mod tasks;
pub(crate) mod topics;

pub use desk::{Ledger, Said};
pub(crate) use input::total_bytes;
pub use tasks::Tasks;

use anyhow::Result;
use compact_str::CompactString;
use cxwatch_engine::{Counts, FOREVER, NEVER, Refused, Settings};
use cxwatch_event::mapping::Mapping;
use cxwatch_event::{Millis, Reason, Record, Rejection};
use cxwatch_rulebook::{FeedIx, FeedSet, Rulebook};
use input::BytesRead;
use merge::Merge;
use sorted::Sorted;
use source::{Records, Source, Step, Taken};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is to be replayed, and how.
pub struct Job<'m> {
    /// The rules.
    pub book: Arc<Rulebook>,
    /// How rows become events. Without it lines are CloudEvents.
    pub mapping: Option<&'m Mapping>,
    /// The files; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Time settings and limits.
    pub settings: Settings,
    /// How many tasks share the customers.
    pub partitions: u32,
    /// Where the clock stops. `None`: at the newest event.
    pub until: Option<Millis>,
    /// Events later than that are refused ([`FOREVER`]: none are).
    pub now: Millis,
    /// Sort all events by time first, in no more than so many bytes.
    pub sort_bytes_max: Option<usize>,
    /// The feeds that the input has events of, where the caller knows.
    pub feeds: Option<FeedSet>,
    /// The customer whose story is kept for [`Sink::ends`].
    pub watched: Option<CompactString>,
}

/// What takes the results of a replay as they come.
pub trait Sink {
    /// A task said something. The order is (instant, partition, order within the task).
    fn said(&mut self, partition: usize, said: &Said) -> Result<()>;

    /// A record, or an event of it, was refused.
    fn rejected(&mut self, rejected: &Rejected<'_>) -> Result<()>;

    /// So much has been read.
    fn progress(&mut self, progress: Progress);

    /// A record, of which something is left, is about to be read into the tasks.
    fn reads(&mut self, _: &Place<'_>, _: &Record) {}

    /// All has been read, and the clock stands where it stops.
    fn ends(&mut self, _: &mut Tasks<Ledger>) {}
}

/// Where a record stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The file, or the topic.
    pub path: &'a Path,
    /// The line, from 1, or the offset.
    pub line: u64,
    /// Of a topic: the partition.
    pub partition: Option<usize>,
}

/// A refusal and its place.
#[derive(Debug, Clone)]
pub struct Rejected<'a> {
    /// The file, or the topic.
    pub path: &'a Path,
    /// The line, from 1, or the offset.
    pub line: u64,
    /// Of a topic: the partition.
    pub partition: Option<usize>,
    /// The feed, where it is known.
    pub feed: Option<&'a str>,
    /// Which event of the record; `None`: the whole.
    pub sub: Option<u32>,
    /// Why.
    pub rejection: &'a Rejection,
    /// The record as it stands there.
    pub original: Original<'a>,
}

/// A record as it stands in its file or topic.
#[derive(Debug, Clone, Copy, Default)]
pub struct Original<'a> {
    /// Of a topic: its key.
    pub key: Option<&'a [u8]>,
    /// The line or row, or the value; `None`: a line that is too long, or a record without a value.
    pub value: Option<&'a [u8]>,
    /// Of a topic: its headers.
    pub headers: &'a [(String, Vec<u8>)],
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Records read.
    pub records: u64,
    /// Bytes of files read, as they lie on the disk; of topics: offsets passed.
    pub passed: u64,
}

/// What a replay came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Records by feed, in the order of [`Rulebook::feeds`]; only those that were not refused as a whole.
    pub records: Vec<u64>,
    /// Events by feed, also those that no rule names.
    pub events: Vec<u64>,
    /// Records and events refused, by reason.
    pub rejected: BTreeMap<Reason, u64>,
    /// The times of the oldest and the newest event.
    pub span: Option<(Millis, Millis)>,
    /// Where the clock stopped.
    pub until: Millis,
    /// The engine's counts.
    pub counts: Counts,
    /// Bytes of files read, as they lie on the disk; of topics: offsets passed.
    pub passed: u64,
}

/// So many records are read before time is moved.
const SLICE: u32 = 512;

/// Replays.
///
/// # Errors
/// A file that cannot be read; too much to sort; a sink that fails.
pub fn replay(job: &Job<'_>, sink: &mut impl Sink) -> Result<Report> {
    let book = &*job.book;
    let mut settings = job.settings.clone();
    // The future is what lies behind `now`, to the millisecond: `replay` knows when it began.
    settings.max_future_ms = 0;
    if job.sort_bytes_max.is_some() {
        // Everything is in memory anyway.
        settings.limits.buffered_events_max = usize::MAX;
    }
    let tasks = tasks(job, &settings, job.partitions);
    let declared = if job.sort_bytes_max.is_some() { Some(FeedSet(u64::MAX)) } else { job.feeds };
    let mut passes = source::plan(&job.files, job.mapping, book, tasks.needed(), declared)?;
    if job.sort_bytes_max.is_some() {
        passes.iter_mut().for_each(|pass| pass.feeds = FeedSet(u64::MAX));
    }
    let interest = Tasks::<Ledger>::interest(book, job.partitions);
    let source = Source::new(passes, book, interest, BytesRead::default());
    let mut run = Run::new(job, tasks, source, sink);
    match job.sort_bytes_max {
        Some(bytes_max) => run.sorted(bytes_max)?,
        None => run.streamed()?,
    }
    run.finish()
}

/// Replays a stretch of topics; of the job's files nothing is read.
///
/// # Errors
/// A partition that cannot be read on; a sink that fails.
pub(crate) fn replay_topics(job: &Job<'_>, topics: topics::Topics, sink: &mut impl Sink) -> Result<Report> {
    let mut settings = job.settings.clone();
    settings.max_future_ms = 0;
    let tasks = tasks(job, &settings, topics.tasks());
    let mut run = Run::new(job, tasks, topics, sink);
    run.streamed()?;
    run.finish()
}

fn tasks(job: &Job<'_>, settings: &Settings, count: u32) -> Tasks<Ledger> {
    Tasks::new(Arc::clone(&job.book), settings, count, job.now, || {
        Ledger::new(settings.late_horizon_ms, count).watching(job.watched.clone())
    })
}

struct Run<'j, 'm, R: Records, S: Sink> {
    job: &'j Job<'m>,
    tasks: Tasks<Ledger>,
    source: R,
    merge: Merge<Said>,
    sink: &'j mut S,
    said: Vec<(Millis, Said)>,
    report: Report,
}

impl<'j, 'm, R: Records, S: Sink> Run<'j, 'm, R, S> {
    fn new(job: &'j Job<'m>, mut tasks: Tasks<Ledger>, source: R, sink: &'j mut S) -> Self {
        let feeds = job.book.feeds.len();
        let present = source.present();
        for feed in tasks.needed().iter().filter(|feed| !present.contains(*feed)) {
            tasks.end(feed);
        }
        let merge = Merge::new(tasks.tasks().len());
        let report = Report { records: vec![0; feeds], events: vec![0; feeds], ..Report::default() };
        Run { job, tasks, source, merge, sink, said: Vec::new(), report }
    }

    fn streamed(&mut self) -> Result<()> {
        let limit = self.job.until.unwrap_or(FOREVER);
        let mut taken = Taken::default();
        let mut unprocessed = 0;
        loop {
            match self.source.next(&self.job.book, &mut taken)? {
                Step::Record => {
                    if let Some(feed) = self.note(&taken)? {
                        self.read(feed, &mut taken)?;
                    }
                    unprocessed += 1;
                    if unprocessed < SLICE {
                        continue;
                    }
                }
                Step::Ended(feeds) => feeds.iter().for_each(|feed| self.tasks.end(feed)),
                Step::PartitionEnded(feed, partition) => self.tasks.end_at(feed, partition),
                Step::Done => return Ok(()),
            }
            unprocessed = 0;
            self.tasks.advance(limit);
            self.drain(false)?;
        }
    }

    /// Counts a record and passes on what was refused of it. Its feed, if something is left.
    fn note(&mut self, taken: &Taken) -> Result<Option<FeedIx>> {
        for refusal in &taken.rejected {
            self.reject(taken, refusal.sub, &refusal.rejection)?;
        }
        let Some(feed) = taken.feed else { return Ok(None) };
        if taken.rejected.iter().any(|refusal| refusal.sub.is_none()) {
            return Ok(None);
        }
        self.report.records[usize::from(feed.0)] += 1;
        for time in taken.record.times.iter().filter(|time| **time <= self.job.now) {
            self.report.events[usize::from(feed.0)] += 1;
            let (oldest, newest) = self.report.span.get_or_insert((*time, *time));
            *oldest = (*oldest).min(*time);
            *newest = (*newest).max(*time);
        }
        let place = Place { path: self.source.path(), line: taken.line, partition: taken.partition };
        self.sink.reads(&place, &taken.record);
        Ok(Some(feed))
    }

    fn read(&mut self, feed: FeedIx, taken: &mut Taken) -> Result<()> {
        let refused = match self.source.task(taken) {
            Some(task) => self.tasks.read_of(feed, task, taken.line as i64, &mut taken.record),
            None => self.tasks.read(feed, &mut taken.record),
        };
        if refused.is_empty() {
            return Ok(());
        }
        let refused = refused.to_vec();
        refused.iter().try_for_each(|refused| self.reject(taken, Some(refused.sub), &late(refused)))
    }

    fn reject(&mut self, taken: &Taken, sub: Option<u32>, rejection: &Rejection) -> Result<()> {
        *self.report.rejected.entry(rejection.reason).or_default() += 1;
        self.sink.rejected(&Rejected {
            path: self.source.path(),
            line: taken.line,
            partition: taken.partition,
            feed: taken.feed.map(|feed| self.job.book.feeds[usize::from(feed.0)].as_str()),
            sub,
            rejection,
            original: self.source.original(),
        })
    }

    fn sorted(&mut self, bytes_max: usize) -> Result<()> {
        let mut sorted = Sorted::default();
        let mut taken = Taken::default();
        let mut records = 0u32;
        loop {
            match self.source.next(&self.job.book, &mut taken)? {
                Step::Record => {}
                Step::Ended(_) | Step::PartitionEnded(..) => continue,
                Step::Done => break,
            }
            if let Some(feed) = self.note(&taken)? {
                self.refuse_future(&mut taken)?;
                taken.record.events.retain(|e| self.job.book.interest.of(e.kind).is_some());
                sorted.add(feed, &mut taken, bytes_max)?;
            }
            records = records.wrapping_add(1);
            if records.is_multiple_of(SLICE) {
                self.progress();
            }
        }
        let limit = self.job.until.unwrap_or(FOREVER);
        let mut record = Record::default();
        let mut unprocessed = 0;
        for (feed, event) in sorted.into_order() {
            let time = event.time;
            record.times.clear();
            record.times.push(time);
            record.events.push(event);
            self.tasks.read(feed, &mut record);
            unprocessed += 1;
            if unprocessed == SLICE {
                unprocessed = 0;
                self.tasks.proven(time - 1);
                self.tasks.advance(limit);
                self.drain(false)?;
            }
        }
        Ok(())
    }

    fn refuse_future(&mut self, taken: &mut Taken) -> Result<()> {
        let now = self.job.now;
        for sub in (0..taken.record.times.len()).filter(|i| taken.record.times[*i] > now) {
            let refused =
                Refused { sub: sub as u32, reason: Reason::TimeInFuture, time: taken.record.times[sub] };
            self.reject(taken, Some(refused.sub), &late(&refused))?;
        }
        taken.record.events.retain(|event| event.time <= now);
        Ok(())
    }

    fn drain(&mut self, all: bool) -> Result<()> {
        for (task, desk) in self.tasks.desks().enumerate() {
            desk.take_said(&mut self.said);
            self.merge.push(task, self.said.drain(..));
        }
        let limit = if all { Millis::MAX } else { self.tasks.instant() };
        while let Some((task, said)) = self.merge.pop(limit) {
            self.sink.said(task, &said)?;
        }
        self.progress();
        Ok(())
    }

    fn progress(&mut self) {
        let records = self.report.records.iter().sum();
        self.sink.progress(Progress { records, passed: self.source.passed() });
    }

    fn finish(mut self) -> Result<Report> {
        let newest = self.report.span.map_or(NEVER, |(_, newest)| newest);
        self.report.until = self.job.until.unwrap_or(newest);
        self.tasks.finish(self.report.until);
        self.drain(true)?;
        self.sink.ends(&mut self.tasks);
        self.report.counts = self.tasks.counts();
        self.report.passed = self.source.passed();
        Ok(self.report)
    }
}

/// What the clock refused, in the words of a rejection.
fn late(refused: &Refused) -> Rejection {
    let expected = match refused.reason {
        Reason::TimeInFuture => "lies in the future",
        _ => "lies further back than late_horizon behind its feed",
    };
    Rejection { reason: refused.reason, place: "/time".into(), expected: expected.into() }
}
