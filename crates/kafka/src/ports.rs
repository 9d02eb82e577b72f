//! The runtime's ports on top of this crate's parts: [`FeedConsumer`] is its `Source`; here are the others.

use std::time::Duration;

use cxwatch_runtime::ports::{
    Answer, CommitDone, Fault, FeedPartition, FeedReader, Item, JournalBounds, JournalStore, OffsetCommit,
    Outgoing, Ports, ReadFrom, RecordRef, Rereader, Sink, Source, SystemClock, Topic,
};

use crate::admin::{Admin, OffsetOf};
use crate::consumer::{FeedConsumer, GroupMetadata};
use crate::end_offsets::EndsView;
use crate::journal_reader::{journal_bounds, read_journal};
use crate::producer::{Record, TopicOffset, TransactionalProducer};
use crate::settings::Properties;

/// Kafka as the runtime's world.
#[derive(Debug, Clone, Copy)]
pub struct KafkaPorts;

impl Ports for KafkaPorts {
    type Source = FeedConsumer;
    type Sink = KafkaSink;
    type Journal = KafkaJournal;
    type Rereader = KafkaRereader;
    type Ends = EndsView;
    type Pauses = ();
    type Clock = SystemClock;
}

/// How the topics that are written are called in this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNames {
    /// `cx.actions.v1`
    pub actions: String,
    /// `cx.suppressions.v1`
    pub suppressions: String,
    /// `cx.incidents.v1`
    pub incidents: String,
    /// `cx.dead-letters.v1`
    pub dead_letters: String,
    /// `cx.journal.v1`
    pub journal: String,
}

impl TopicNames {
    /// The name of one.
    pub fn name(&self, topic: Topic) -> &str {
        match topic {
            Topic::Actions => &self.actions,
            Topic::Suppressions => &self.suppressions,
            Topic::Incidents => &self.incidents,
            Topic::DeadLetters => &self.dead_letters,
            Topic::Journal => &self.journal,
        }
    }
}

/// A stream thread's transactions.
pub struct KafkaSink {
    /// `None` after a renewal that failed.
    producer: Option<TransactionalProducer>,
    properties: Properties,
    transactional_id: String,
    topics: TopicNames,
    feeds: Vec<String>,
    timeout: Duration,
}

impl KafkaSink {
    /// Registers the producer, which fences every earlier one with this id. `feeds` are the feeds' topics in the order
    /// of their numbers.
    pub fn new(
        properties: &Properties,
        transactional_id: &str,
        topics: TopicNames,
        feeds: &[String],
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let producer = TransactionalProducer::new(properties, transactional_id, timeout)?;
        Ok(Self {
            producer: Some(producer),
            properties: properties.clone(),
            transactional_id: transactional_id.to_owned(),
            topics,
            feeds: feeds.to_vec(),
            timeout,
        })
    }

    fn producer(&mut self) -> Result<&mut TransactionalProducer, Fault> {
        self.producer.as_mut().ok_or_else(|| {
            Fault::new(Answer::CloseDirty, "use the producer", "NotRenewed", "its renewal has failed")
        })
    }
}

impl Sink<GroupMetadata> for KafkaSink {
    fn begin(&mut self) -> Result<(), Fault> {
        self.producer()?.begin()
    }

    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), Fault> {
        let Self { producer: Some(producer), topics, .. } = self else {
            return self.producer().map(|_| ());
        };
        producer.send(&Record {
            topic: topics.name(record.topic),
            partition: record.partition,
            key: record.key,
            value: record.value,
            headers: record.headers,
            timestamp_ms: None,
        })
    }

    fn send_offsets(&mut self, offsets: &[OffsetCommit], group: &GroupMetadata) -> Result<(), Fault> {
        let offsets: Vec<TopicOffset> = offsets
            .iter()
            .map(|commit| TopicOffset {
                topic: self.feeds[commit.at.feed].clone(),
                partition: commit.at.partition,
                offset: commit.offset,
                metadata: commit.metadata.clone(),
            })
            .collect();
        self.producer()?.send_offsets(&offsets, group)
    }

    fn commit(&mut self) -> Result<CommitDone, Fault> {
        self.producer()?.commit().map(|commit| CommitDone { renew: commit.renew })
    }

    fn abort(&mut self) -> Result<(), Fault> {
        self.producer()?.abort()
    }

    fn renew(&mut self) -> Result<(), Fault> {
        // The old one goes first, so that it cannot answer for the new one.
        self.producer = None;
        let producer = TransactionalProducer::new(&self.properties, &self.transactional_id, self.timeout)?;
        self.producer = Some(producer);
        Ok(())
    }

    fn poll(&mut self) -> Result<(), Fault> {
        self.producer()?.poll()
    }
}

/// The journal's topic.
pub struct KafkaJournal {
    properties: Properties,
    admin: Admin,
    topic: String,
    timeout: Duration,
}

impl KafkaJournal {
    /// `properties` are those of the group's consumers. An open transaction is waited for up to `timeout` before the
    /// answer is `Retry`.
    pub fn new(properties: &Properties, topic: &str, timeout: Duration) -> Result<Self, Fault> {
        let admin = Admin::new(properties, timeout)?;
        Ok(Self { properties: properties.clone(), admin, topic: topic.to_owned(), timeout })
    }
}

impl JournalStore for KafkaJournal {
    fn bounds(&mut self, partition: i32) -> Result<JournalBounds, Fault> {
        journal_bounds(&self.properties, &self.topic, partition, self.timeout)
    }

    fn read(
        &mut self,
        partition: i32,
        from: i64,
        each: &mut dyn FnMut(i64, &[u8]),
    ) -> Result<JournalBounds, Fault> {
        let mut hand_over = |record: RecordRef<'_>| {
            // Nothing is ever deleted by key from a journal; a null value says nothing.
            if let Some(value) = record.value {
                each(record.offset, value);
            }
        };
        read_journal(&self.properties, &self.topic, partition, from, self.timeout, &mut hand_over)
    }

    fn delete_before(&mut self, partition: i32, before: i64) -> Result<(), Fault> {
        self.admin.delete_records(&self.topic, partition, before).map(|_| ())
    }
}

/// The feeds outside of the group.
pub struct KafkaRereader {
    properties: Properties,
    admin: Admin,
    timeout: Duration,
}

impl KafkaRereader {
    /// `properties` are those of the group's consumers.
    pub fn new(properties: &Properties, timeout: Duration) -> Result<Self, Fault> {
        let admin = Admin::new(properties, timeout)?;
        // A reader is no member, and must not take a static member's place.
        let mut properties = properties.clone();
        properties.remove("group.instance.id");
        Ok(Self { properties, admin, timeout })
    }
}

impl Rereader for KafkaRereader {
    type Reader = KafkaFeedReader;

    fn offset(&mut self, topic: &str, partition: i32, from: ReadFrom) -> Result<i64, Fault> {
        let of = match from {
            ReadFrom::Earliest => OffsetOf::Start,
            ReadFrom::Latest => OffsetOf::StableEnd,
            ReadFrom::Time(time) => OffsetOf::Time(time),
        };
        self.admin.offset(topic, partition, of)
    }

    fn open(&mut self, partition: i32, from: &[(&str, i64)]) -> Result<KafkaFeedReader, Fault> {
        let topics: Vec<String> = from.iter().map(|(topic, _)| (*topic).to_owned()).collect();
        let offsets: Vec<Option<i64>> = from.iter().map(|(_, offset)| Some(*offset)).collect();
        KafkaFeedReader::open(&self.properties, &topics, partition, &offsets, self.timeout)
    }
}

/// One partition of every feed.
pub struct KafkaFeedReader(FeedConsumer);

impl KafkaFeedReader {
    /// Reads one partition of these topics, each from its offset; a topic without one is not read. `properties` need a
    /// `group.id`, which is not joined.
    pub fn open(
        properties: &Properties,
        topics: &[String],
        partition: i32,
        from: &[Option<i64>],
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let from = from.iter().enumerate();
        let from: Vec<_> =
            from.filter_map(|(feed, offset)| Some((FeedPartition { feed, partition }, (*offset)?))).collect();
        FeedConsumer::assign(properties, topics, &from, timeout).map(KafkaFeedReader)
    }
}

impl FeedReader for KafkaFeedReader {
    fn read(&mut self, feed: usize, max: usize, timeout: Duration, each: &mut dyn FnMut(Item<'_>)) -> usize {
        if let Err(fault) = self.0.poll(Duration::ZERO, &mut |_, _| {}) {
            // A lost connection is mended by the client; nothing else concerns a reader outside of the group.
            if fault.answer != Answer::Retry {
                each(Item::Error { partition: -1, fault });
                return 1;
            }
        }
        self.0.serve_within(feed, max, timeout, each)
    }
}
