//! The job from Apache Kafka, in three steps: records polled and counted, read by feed, and the whole of it, exactly once.

use crate::HEADLINE;
use crate::stream::{BEGIN, FEEDS, Parameters, Produced, Stream};
use anyhow::{Context, Result, bail};
use cxwatch_decision::{Decider, DeciderSettings, WallClock};
use cxwatch_engine::Settings;
use cxwatch_event::Millis;
use cxwatch_kafka::Properties;
use cxwatch_kafka::admin::{Admin, TopicSpec};
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::ports::{KafkaJournal, KafkaRereader, KafkaSink, TopicNames};
use cxwatch_rulebook::Rulebook;
use cxwatch_runtime::desk::Publisher;
use cxwatch_runtime::journal::{FeedTopic, Rules};
use cxwatch_runtime::live::{Batch, Live};
use cxwatch_runtime::ports::{Clock, EndOffsets, Ends, Fault, FeedPartition, Item, Ports, ReadFrom, Source};
use cxwatch_runtime::ports::{SystemClock, Topic};
use cxwatch_runtime::restore::Alarm;
use cxwatch_runtime::settings::{Bounded, Bounds, Plan, Start, Timing, cloud_events};
use cxwatch_runtime::thread::{Listener, Parts, StreamThread, Turn};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Where nothing is at hand, so long is waited for the client.
const WAIT: Duration = Duration::from_millis(5);

/// What was read, and what came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Records.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

/// Topics filled with a stream.
pub struct Topics {
    properties: Properties,
    partitions: i32,
    /// By feed and partition, where it ends.
    ends: Vec<(usize, i32, i64)>,
    /// The time of the last event.
    until: Millis,
    /// What lies in them.
    pub filled: Seen,
}

impl Topics {
    /// Makes a topic for every feed that the rulebook knows, of so many partitions, and fills the stream's four, in
    /// batches packed by LZ4.
    pub fn fill(bootstrap: &str, book: &Rulebook, partitions: i32, parameters: Parameters) -> Result<Topics> {
        let properties: Properties = [("bootstrap.servers".to_owned(), bootstrap.to_owned())].into();
        let admin = Admin::new(&properties, ANSWER_WITHIN)?;
        for feed in &book.feeds {
            make(&admin, feed, partitions)?;
        }
        let (filled, until) = produce(bootstrap, parameters)?;
        let mut ends = Vec::new();
        for (feed, topic) in book.feeds.iter().enumerate() {
            let offsets = admin.offsets(topic, partitions, cxwatch_kafka::admin::OffsetOf::End)?;
            ends.extend((0..).zip(offsets).map(|(partition, end)| (feed, partition, end)));
        }
        Ok(Topics { properties, partitions, ends, until, filled })
    }

    /// A bare loop around the client's `poll` that counts; the client is set as ours is.
    pub fn polled(&self) -> Result<Seen> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.properties["bootstrap.servers"]).set("group.id", "polled");
        for (name, value) in [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("isolation.level", "read_committed"),
            ("fetch.queue.backoff.ms", "50"),
            ("check.crcs", "true"),
        ] {
            config.set(name, value);
        }
        let consumer: BaseConsumer = config.create()?;
        let mut list = TopicPartitionList::new();
        for topic in FEEDS {
            for partition in 0..self.partitions {
                list.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&list)?;
        let mut seen = Seen::default();
        while seen.records < self.filled.records {
            match consumer.poll(WAIT) {
                Some(Ok(message)) => {
                    seen.records += 1;
                    seen.bytes += message.payload_len() as u64;
                }
                None | Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
        Ok(seen)
    }

    /// The service's reader with nothing behind it: feed by feed, in batches.
    pub fn read(&self) -> Result<Seen> {
        let topics: Vec<String> = FEEDS.map(str::to_owned).into();
        let from: Vec<(FeedPartition, i64)> = (0..FEEDS.len())
            .flat_map(|feed| {
                (0..self.partitions).map(move |partition| (FeedPartition { feed, partition }, 0))
            })
            .collect();
        let mut reader = FeedConsumer::assign(&self.member("read"), &topics, &from, ANSWER_WITHIN)?;
        let (mut seen, mut served, mut fault) = (Seen::default(), 1, None);
        while seen.records < self.filled.records {
            reader.poll(if served == 0 { WAIT } else { Duration::ZERO }, &mut |_, _| {})?;
            served = 0;
            for feed in 0..FEEDS.len() {
                served += reader.serve(feed, Bounds::default().batch_items_max, &mut |item| match item {
                    Item::Record(record) => {
                        seen.records += 1;
                        seen.bytes += record.value.map_or(0, <[u8]>::len) as u64;
                    }
                    Item::Eof { .. } => {}
                    Item::Error { fault: found, .. } => fault = Some(found),
                });
            }
            if let Some(fault) = fault.take() {
                return Err(fault.into());
            }
        }
        Ok(seen)
    }

    fn member(&self, group: &str) -> Properties {
        let mut member = self.properties.clone();
        member.insert("group.id".to_owned(), group.to_owned());
        member
    }

    /// Makes what a run of the job writes to, and a group that has committed nothing.
    pub fn prepare(&self, name: &str) -> Result<TopicNames> {
        let names = TopicNames {
            actions: format!("{name}.actions"),
            suppressions: format!("{name}.suppressions"),
            incidents: format!("{name}.incidents"),
            dead_letters: format!("{name}.dead-letters"),
            journal: format!("{name}.journal"),
        };
        let admin = Admin::new(&self.properties, ANSWER_WITHIN)?;
        for topic in
            [Topic::Actions, Topic::Suppressions, Topic::Incidents, Topic::DeadLetters, Topic::Journal]
        {
            make(&admin, names.name(topic), self.partitions)?;
        }
        Ok(names)
    }

    /// The whole job on one stream thread, from joining the group to the commit of the last record: what `cxwatch run`
    /// does with input that ends.
    pub fn job(
        &self,
        book: &Arc<Rulebook>,
        name: &str,
        names: TopicNames,
        commit_ms: u64,
    ) -> Result<(Done, u64)> {
        let feeds: Vec<String> = book.feeds.iter().map(ToString::to_string).collect();
        let member = self.member(name);
        let parts: Parts<World> = Parts {
            sink: KafkaSink::new(&self.properties, name, names.clone(), &feeds, ANSWER_WITHIN)?,
            journal: KafkaJournal::new(&member, &names.journal, ANSWER_WITHIN)?,
            reread: KafkaRereader::new(&member, ANSWER_WITHIN)?,
            source: FeedConsumer::subscribe(&member, &feeds, ANSWER_WITHIN)?,
            ends: NoEnds,
            pauses: (),
            clock: Afterwards(SystemClock::new()),
        };
        let plan = Arc::new(self.plan(book, commit_ms));
        let mut thread: StreamThread<World, Decider, Done> = StreamThread::new(plan, parts, Done::default());
        let mut idle = false;
        while thread.tasks().len() < self.partitions as usize || !thread.is_done() {
            idle = thread.turn(if idle { WAIT } else { Duration::ZERO })? == Turn::Idle;
        }
        let held = crate::clock::resident_bytes();
        let mut done = std::mem::take(thread.listener_mut());
        for task in thread.tasks().values() {
            done.customers += task.task().customers() as u64;
            done.episodes += task.task().open_episodes();
        }
        if done.seen.records != self.filled.records || done.troubles > 0 {
            bail!(
                "{} of {} records read, {} troubles",
                done.seen.records,
                self.filled.records,
                done.troubles
            );
        }
        thread.leave()?;
        Ok((done, held))
    }

    fn plan(&self, book: &Arc<Rulebook>, commit_ms: u64) -> Plan<Decider> {
        let engine = Settings::new(book.feeds.len());
        Plan {
            rules: Rules {
                source: HEADLINE.to_owned(),
                hash: book.hash,
                settings: engine,
                feeds: book.feeds.iter().map(|feed| FeedTopic::new(feed, feed, None)).collect(),
            },
            book: Arc::clone(book),
            compile: Box::new(|_| Err("there is no journal to restore from".to_owned())),
            decoders: Box::new(cloud_events),
            desk: Box::new(|act_from, settings| {
                Decider::new(DeciderSettings {
                    act_from,
                    remember_ms: settings.late_horizon_ms,
                    partitions: 1,
                    wall: WallClock::None,
                })
            }),
            start: Some(Start { read_from: ReadFrom::Earliest, act_from: BEGIN }),
            timing: Timing {
                commit_interval_ms: commit_ms,
                commit_interval_behind_ms: commit_ms,
                bounded: Some(Bounded { ends: self.ends.clone(), until: self.until }),
                ..Timing::new(book.feeds.len())
            },
            bounds: Bounds::default(),
            seed: 1,
            faults: Default::default(),
        }
    }
}

fn make(admin: &Admin, name: &str, partitions: i32) -> Result<()> {
    let spec = TopicSpec { name: name.to_owned(), partitions, replication: 1, settings: BTreeMap::new() };
    admin.ensure_topic(&spec)?;
    Ok(())
}

/// What was produced, and when its last event arrived.
fn produce(bootstrap: &str, parameters: Parameters) -> Result<(Seen, Millis)> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("compression.codec", "lz4")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "20")
        .set("enable.idempotence", "true")
        .create()?;
    let (mut stream, mut out, mut filled) = (Stream::new(parameters), Produced::default(), Seen::default());
    while stream.next_into(&mut out) {
        filled.records += 1;
        filled.bytes += out.json.len() as u64;
        let mut record = BaseRecord::to(FEEDS[out.feed]).key(&out.customer).payload(&out.json);
        while let Err((error, again)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error).context("produce the stream");
            }
            std::thread::sleep(Duration::from_millis(5));
            record = again;
        }
    }
    producer.flush(Duration::from_secs(60))?;
    Ok((filled, out.arrives))
}

/// Kafka, at a time when the whole stream has happened.
struct World;

impl Ports for World {
    type Source = FeedConsumer;
    type Sink = KafkaSink;
    type Journal = KafkaJournal;
    type Rereader = KafkaRereader;
    type Ends = NoEnds;
    type Pauses = ();
    type Clock = Afterwards;
}

/// Nobody asks where input ends that ends.
struct NoEnds;

impl Ends for NoEnds {
    fn latest(&mut self) -> Option<Arc<EndOffsets>> {
        None
    }
}

/// The machine's clocks, or a day after the stream began, if that is later.
struct Afterwards(SystemClock);

impl Clock for Afterwards {
    fn now(&self) -> Millis {
        self.0.now().max(BEGIN + 86_400_000)
    }

    fn elapsed(&self) -> u64 {
        self.0.elapsed()
    }
}

/// What the job has done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// What it read.
    pub seen: Seen,
    /// Transactions.
    pub commits: u64,
    /// Their time from begin to end, in milliseconds.
    pub commits_took_ms: u64,
    /// Bytes of the journal's records: commits.
    pub commit_bytes: u64,
    /// Bytes of the journal's records: snapshots.
    pub snapshot_bytes: u64,
    /// Actions and suppressions.
    pub messages: u64,
    /// Records that were rejected.
    pub dead_letters: u64,
    /// Customers with state, in the end.
    pub customers: u64,
    /// Episodes that are open in the end.
    pub episodes: u64,
    troubles: u64,
}

impl Listener for Done {
    fn restored(&mut self, _: i32, _: &[Alarm], _: usize, _: usize, _: u64) {}

    fn closed(&mut self, _: i32, _: bool) {}

    fn committed(&mut self, batches: &[(i32, Batch)], took_ms: u64, _: Millis) {
        self.commits += 1;
        self.commits_took_ms += took_ms;
        for record in batches.iter().flat_map(|(_, batch)| &batch.records) {
            match record.topic {
                Topic::Actions | Topic::Suppressions => self.messages += 1,
                Topic::DeadLetters => self.dead_letters += 1,
                Topic::Journal | Topic::Incidents => {}
            }
        }
    }

    fn troubled(&mut self, _: &Fault) {
        self.troubles += 1;
    }

    fn unwritable(&mut self, _: i32, _: &Fault) {
        self.troubles += 1;
    }

    fn turned<D: Publisher>(&mut self, tasks: &mut BTreeMap<i32, Live<D>>, _: usize, _: Millis) {
        for task in tasks.values_mut() {
            let tally = task.take_tally();
            self.seen.records += tally.records;
            self.seen.bytes += tally.bytes;
            self.commit_bytes += tally.commit_bytes;
            self.snapshot_bytes += tally.snapshot_bytes;
        }
    }
}
