//! Feeds' topics as records: a stretch of each partition, in an order that keeps feeds and partitions together in time.
//!
//! Where it ends is fixed at the beginning. Committed records only; no group is joined and nothing is committed.

use super::Original;
use super::source::{Records, Step, Taken};
use crate::run::decoders::map;
use crate::run::setup::Feed;
use crate::settings::Moment;
use anyhow::{Context, Result, anyhow, bail};
use cxwatch_engine::NEVER;
use cxwatch_event::mapping::Mapping;
use cxwatch_event::{Decoder, Interest, Millis, RawRecord, builtin};
use cxwatch_kafka::Properties;
use cxwatch_kafka::admin::{Admin, OffsetOf};
use cxwatch_kafka::ports::KafkaFeedReader;
use cxwatch_rulebook::{FeedIx, FeedSet, Rulebook};
use cxwatch_runtime::ports::{Answer, Fault, FeedReader, Item};
use cxwatch_runtime::settings::cloud_event;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one question to the cluster may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a partition that is known to hold more may give nothing.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// How long is waited for records before it is looked at the time.
const WAIT: Duration = Duration::from_millis(500);
/// Records of a partition that are taken at once.
const BATCH: usize = 256;

/// What is to be read, and of which cluster.
pub(crate) struct Wanted<'a> {
    /// The client's properties, `bootstrap.servers` among them.
    pub(crate) properties: Properties,
    /// The rulebook's feeds, in the order of their numbers.
    pub(crate) feeds: &'a [Feed],
    /// The first record is the first of this time or later, by the time that the record itself carries.
    pub(crate) since: Moment,
    /// So many tasks share the customers; `None`: each partition is a task, as in the service.
    pub(crate) tasks: Option<u32>,
    /// The present.
    pub(crate) now: Millis,
}

/// A stretch of every partition of every feed that some rule needs.
pub(crate) struct Topics {
    feeds: Vec<Topic>,
    /// By partition: what reads it.
    readers: Vec<KafkaFeedReader>,
    lanes: Vec<Lane>,
    /// Lanes whose next record is known: the one that is least advanced in time first.
    ready: BinaryHeap<Reverse<(Millis, usize)>>,
    /// Lanes whose next record is not.
    unknown: Vec<usize>,
    decoder: Decoder,
    interest: Interest,
    /// How many tasks the partitions make; `None`: records go to tasks by their customers.
    spread: bool,
    /// The feeds that are read.
    present: FeedSet,
    tasks: u32,
    total: u64,
    done: u64,
    current: usize,
    /// The record that was taken last.
    original: Raw,
}

/// A feed that is read.
struct Topic {
    feed: FeedIx,
    name: String,
    topic: String,
    mapping: Option<Arc<Mapping>>,
}

/// A stretch of one partition.
struct Lane {
    /// Which of the feeds that are read.
    at: usize,
    partition: usize,
    next: i64,
    /// Everything before it has been fetched; markers of transactions may lie there, and no record.
    reached: i64,
    end: i64,
    newest: Millis,
    raw: VecDeque<Raw>,
    head: Taken,
    original: Raw,
}

/// A record as it lies in its topic.
#[derive(Default)]
struct Raw {
    offset: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Topics {
    /// Asks the cluster where the stretches begin and end.
    ///
    /// # Errors
    /// The cluster cannot be reached; a topic is missing; feeds have different numbers of partitions, where each
    /// partition is a task.
    pub(crate) fn open(book: &Rulebook, wanted: Wanted<'_>) -> Result<Self> {
        let mut properties = wanted.properties;
        // Nothing is joined and nothing committed under it.
        properties.entry("group.id".to_owned()).or_insert_with(|| "cxwatch-replay".to_owned());
        for (name, value) in [("queued.max.messages.kbytes", "8192"), ("queued.min.messages", "20000")] {
            properties.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        let needed = book.feeds_read();
        let admin = Admin::new(&properties, ANSWER_WITHIN)?;
        let feeds: Vec<Topic> = (0..book.feeds.len() as u8)
            .map(FeedIx)
            .filter(|ix| needed.contains(*ix))
            .map(|ix| {
                let Feed { name, settings, mapping, .. } = &wanted.feeds[usize::from(ix.0)];
                let (name, topic) = (name.clone(), settings.topic.clone());
                Topic { feed: ix, name, topic, mapping: mapping.clone() }
            })
            .collect();
        let (feeds, counts) = partitions(&admin, feeds, &properties)?;
        if wanted.tasks.is_none() {
            same_count(&feeds, &counts)?;
        }
        let lanes = lanes(&admin, &feeds, &counts, wanted.since.instant(wanted.now))?;
        let readers = readers(&properties, &feeds, &counts, &lanes)?;
        let tasks = wanted.tasks.unwrap_or_else(|| counts.first().map_or(1, |count| *count as u32));
        let mut interest = book.interest.clone();
        if wanted.tasks.is_some() {
            interest = super::Tasks::<super::Ledger>::interest(book, tasks);
        }
        Ok(Topics {
            decoder: Decoder::new(Arc::clone(&book.catalogue), interest.clone()),
            interest,
            spread: wanted.tasks.is_some(),
            present: needed,
            tasks,
            total: lanes.iter().map(|lane| (lane.end - lane.next).unsigned_abs()).sum(),
            done: 0,
            current: 0,
            original: Raw::default(),
            ready: BinaryHeap::new(),
            unknown: (0..lanes.len()).rev().collect(),
            feeds,
            readers,
            lanes,
        })
    }

    /// How many tasks there are.
    pub(crate) fn tasks(&self) -> u32 {
        self.tasks
    }

    /// How many offsets there are to be passed.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Finds out what a lane's next record is. False: it has none.
    fn look(&mut self, at: usize) -> Result<bool> {
        let mut since = None;
        loop {
            let lane = &mut self.lanes[at];
            let feed = &self.feeds[lane.at];
            if let Some(raw) = lane.raw.pop_front() {
                self.done += (raw.offset + 1 - lane.next).max(0).unsigned_abs();
                lane.next = raw.offset + 1;
                decode(feed, &self.decoder, &self.interest, raw, lane);
                return Ok(true);
            }
            let reached = lane.reached.min(lane.end);
            self.done += (reached - lane.next).max(0).unsigned_abs();
            lane.next = lane.next.max(reached);
            if lane.next >= lane.end {
                return Ok(false);
            }
            let came = fetch(&mut self.readers[lane.partition], lane)
                .map_err(|fault| anyhow!(fault))
                .with_context(|| format!("cannot read on in {}/{}", feed.topic, lane.partition))?;
            if came {
                since = None;
                continue;
            }
            let since = *since.get_or_insert_with(Instant::now);
            if since.elapsed() > SILENT_MAX {
                bail!(
                    "{}/{} gave nothing for {} s at offset {}, and ends at {} only; is the broker still up?",
                    feed.topic,
                    lane.partition,
                    SILENT_MAX.as_secs(),
                    lane.next,
                    lane.end
                );
            }
        }
    }
}

impl Records for Topics {
    /// From the partition whose next record is the oldest.
    fn next(&mut self, _: &Rulebook, out: &mut Taken) -> Result<Step> {
        while let Some(at) = self.unknown.pop() {
            if self.look(at)? {
                self.ready.push(Reverse((self.lanes[at].newest, at)));
                continue;
            }
            let Lane { at: feed, partition, .. } = self.lanes[at];
            let feed_ix = self.feeds[feed].feed;
            if !self.spread {
                return Ok(Step::PartitionEnded(feed_ix, partition));
            }
            let waits = |i: usize| i != at && self.lanes[i].at == feed && !self.is_over(i);
            if !(0..self.lanes.len()).any(waits) {
                return Ok(Step::Ended(FeedSet::default().with(feed_ix)));
            }
        }
        let Some(Reverse((_, at))) = self.ready.pop() else { return Ok(Step::Done) };
        self.current = at;
        self.unknown.push(at);
        let lane = &mut self.lanes[at];
        std::mem::swap(out, &mut lane.head);
        std::mem::swap(&mut self.original, &mut lane.original);
        Ok(Step::Record)
    }

    fn path(&self) -> &Path {
        self.lanes.get(self.current).map_or(Path::new(""), |lane| Path::new(&self.feeds[lane.at].topic))
    }

    fn original(&self) -> Original<'_> {
        let Raw { key, value, headers, .. } = &self.original;
        Original { key: key.as_deref(), value: value.as_deref(), headers }
    }

    fn present(&self) -> FeedSet {
        self.present
    }

    fn passed(&self) -> u64 {
        self.done
    }

    fn task(&self, taken: &Taken) -> Option<usize> {
        taken.partition.filter(|_| !self.spread)
    }
}

impl Topics {
    /// Whether nothing of a lane is left, not even a record that has been looked at.
    fn is_over(&self, at: usize) -> bool {
        let lane = &self.lanes[at];
        let waiting = self.ready.iter().any(|Reverse((_, ready))| *ready == at);
        !waiting && lane.raw.is_empty() && lane.next >= lane.end
    }
}

/// Takes what lies ready of a lane, or waits for it a moment. Whether anything came.
fn fetch(reader: &mut KafkaFeedReader, lane: &mut Lane) -> Result<bool, Fault> {
    let mut failed = None;
    let before = lane.reached;
    let Lane { at, reached, end, raw, .. } = lane;
    reader.read(*at, BATCH, WAIT, &mut |item| match item {
        Item::Record(record) => {
            *reached = record.offset + 1;
            if record.offset < *end {
                let headers = record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
                raw.push_back(Raw {
                    offset: record.offset,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: headers.collect(),
                });
            }
        }
        Item::Eof { position, .. } => *reached = (*reached).max(position),
        Item::Error { fault, .. } if fault.answer == Answer::Retry => {}
        Item::Error { fault, .. } => failed = Some(fault),
    });
    let came = lane.reached > before;
    failed.map_or(Ok(came), Err)
}

fn decode(feed: &Topic, decoder: &Decoder, interest: &Interest, raw: Raw, lane: &mut Lane) {
    let Taken { feed: of, line, record, rejected, partition } = &mut lane.head;
    rejected.clear();
    (*of, *line, *partition) = (Some(feed.feed), raw.offset.unsigned_abs(), Some(lane.partition));
    let headers: Vec<(&str, &[u8])> =
        raw.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let whole = RawRecord {
        feed: &feed.name,
        key: Some(raw.key.as_deref().unwrap_or_default()),
        value: raw.value.as_deref(),
        headers: &headers,
    };
    match &feed.mapping {
        None => cloud_event(decoder, &whole, record, rejected),
        Some(mapping) => {
            let section = mapping.sections.iter().find(|section| section.feed == feed.name);
            let section = section.expect("checked when the settings were read");
            map(section, interest, &whole, raw.offset, record, rejected);
        }
    }
    lane.newest = record.times.iter().copied().fold(lane.newest, Millis::max);
    lane.original = raw;
}

/// The feeds that have a topic, and how many partitions each has.
fn partitions(admin: &Admin, feeds: Vec<Topic>, properties: &Properties) -> Result<(Vec<Topic>, Vec<i32>)> {
    let brokers = properties.get("bootstrap.servers").map_or("", String::as_str);
    let (mut there, mut counts) = (Vec::new(), Vec::new());
    let mut missing = Vec::new();
    for feed in feeds {
        let Topic { name, topic, .. } = &feed;
        let count = admin.partitions(topic).map_err(|fault| match fault.answer {
            Answer::Retry => anyhow!(
                "no answer from the brokers at {brokers}: {fault}; are they up, and is that their address?"
            ),
            _ => anyhow!(fault),
        })?;
        match count {
            Some(count) => {
                counts.push(count);
                there.push(feed);
            }
            // Of customers and outcomes a company may have no topic.
            None if [builtin::CUSTOMERS, builtin::OUTCOMES].contains(&name.as_str()) => {}
            None => missing.push(format!("{topic} of the feed {name}")),
        }
    }
    if missing.is_empty() {
        return Ok((there, counts));
    }
    bail!(
        "{brokers} has no topic {}; other names of topics stand in the service's settings: --config FILE",
        missing.join(", nor ")
    )
}

fn same_count(feeds: &[Topic], counts: &[i32]) -> Result<()> {
    if counts.windows(2).all(|two| two[0] == two[1]) {
        return Ok(());
    }
    let list: Vec<_> =
        feeds.iter().zip(counts).map(|(feed, count)| format!("{} has {count}", feed.topic)).collect();
    bail!(
        "the topics have different numbers of partitions ({}), so a customer's events lie in different ones; \
         --partitions N spreads customers over N tasks, whatever partition they come from",
        list.join(", ")
    )
}

fn lanes(admin: &Admin, feeds: &[Topic], counts: &[i32], since: Millis) -> Result<Vec<Lane>> {
    let mut lanes = Vec::new();
    for (at, (feed, count)) in feeds.iter().zip(counts).enumerate() {
        let ends = admin.offsets(&feed.topic, *count, OffsetOf::StableEnd)?;
        let of = if since < 0 { OffsetOf::Start } else { OffsetOf::Time(since) };
        let starts = admin.offsets(&feed.topic, *count, of)?;
        lanes.extend(starts.iter().zip(&ends).enumerate().map(|(partition, (start, end))| Lane {
            at,
            partition,
            // A time after the last record gives the high watermark, which may lie behind the last stable offset.
            next: *start.min(end),
            reached: *start.min(end),
            end: *end,
            newest: NEVER,
            raw: VecDeque::new(),
            head: Taken::default(),
            original: Raw::default(),
        }));
    }
    Ok(lanes)
}

/// By partition, a reader of all feeds. A feed that has fewer partitions is not read there.
fn readers(
    properties: &Properties,
    feeds: &[Topic],
    counts: &[i32],
    lanes: &[Lane],
) -> Result<Vec<KafkaFeedReader>> {
    let topics: Vec<String> = feeds.iter().map(|feed| feed.topic.clone()).collect();
    let mut readers = Vec::new();
    for partition in 0..counts.iter().copied().max().unwrap_or_default() {
        let begin = |at: usize| lanes.iter().find(|l| l.at == at && l.partition == partition as usize);
        let from: Vec<Option<i64>> = (0..feeds.len()).map(|at| begin(at).map(|l| l.next)).collect();
        readers.push(KafkaFeedReader::open(properties, &topics, partition, &from, ANSWER_WITHIN)?);
    }
    Ok(readers)
}
