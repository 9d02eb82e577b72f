//! What the tests against Apache Kafka share.

// The same file as in the integration package, without depending on all that it depends on.
#[allow(dead_code, reason = "not every test stops a broker in order")]
#[path = "../../../../tests/src/kafka_server.rs"]
pub mod kafka_server;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cxwatch_kafka::Properties;
use cxwatch_kafka::admin::{Admin, TopicSpec};
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::producer::{Record, TransactionalProducer};
use cxwatch_runtime::ports::{FeedPartition, Item, Rebalance, Source};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// A name that no other test of this process uses.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn properties(bootstrap: &str, more: &[(&str, &str)]) -> Properties {
    let mut properties = Properties::new();
    properties.insert("bootstrap.servers".into(), bootstrap.into());
    for (name, value) in more {
        properties.insert((*name).into(), (*value).into());
    }
    properties
}

pub fn topic(bootstrap: &str, stem: &str, partitions: i32) -> String {
    let name = unique(stem);
    let admin = Admin::new(&properties(bootstrap, &[]), PATIENCE).expect("admin client");
    admin
        .ensure_topic(&TopicSpec {
            name: name.clone(),
            partitions,
            replication: 1,
            settings: Default::default(),
        })
        .expect("topic is created");
    name
}

pub fn producer(bootstrap: &str, id: &str) -> TransactionalProducer {
    TransactionalProducer::new(&properties(bootstrap, &[]), id, PATIENCE).expect("producer")
}

pub fn send(producer: &mut TransactionalProducer, topic: &str, partition: i32, value: &str) {
    producer
        .send(&Record {
            topic,
            partition,
            key: Some(b"k"),
            value: Some(value.as_bytes()),
            headers: &[],
            timestamp_ms: None,
        })
        .expect("record is taken");
}

/// One committed transaction with these values.
pub fn write(producer: &mut TransactionalProducer, topic: &str, partition: i32, values: &[&str]) {
    producer.begin().expect("begin");
    for value in values {
        send(producer, topic, partition, value);
    }
    producer.commit().expect("commit");
}

pub fn at(feed: usize, partition: i32) -> FeedPartition {
    FeedPartition { feed, partition }
}

/// Starts everything assigned from offset 0 and notes what happens.
#[derive(Default)]
pub struct FromZero {
    pub assigned: Vec<FeedPartition>,
    pub revoked: Vec<(FeedPartition, bool)>,
}

impl FromZero {
    pub fn on(&mut self, consumer: &mut FeedConsumer, rebalance: Rebalance<'_>) {
        match rebalance {
            Rebalance::Assigned(partitions) => {
                let from: Vec<_> = partitions.iter().map(|at| (*at, 0)).collect();
                consumer.start(&from).expect("assigned partitions start");
                self.assigned.extend_from_slice(partitions);
            }
            Rebalance::Revoked(partitions) => self.revoked.extend(partitions.iter().map(|at| (*at, false))),
            Rebalance::Lost(partitions) => self.revoked.extend(partitions.iter().map(|at| (*at, true))),
        }
    }
}

/// What acts on a rebalance in a test.
pub trait Handler {
    fn handle(&mut self, consumer: &mut FeedConsumer, rebalance: Rebalance<'_>);
}

impl Handler for FromZero {
    fn handle(&mut self, consumer: &mut FeedConsumer, rebalance: Rebalance<'_>) {
        self.on(consumer, rebalance);
    }
}

/// Polls until the condition holds.
pub fn poll_until(
    consumer: &mut FeedConsumer,
    handler: &mut dyn Handler,
    what: &str,
    mut done: impl FnMut(&mut FeedConsumer) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(consumer) {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        // Lost connections are news, not failures, for a client that starts before it is connected.
        let _ = consumer
            .poll(Duration::from_millis(10), &mut |consumer, rebalance| handler.handle(consumer, rebalance));
    }
}

/// Everything that one feed serves now, as text: `partition@offset value`, `partition eof position`.
pub fn served(consumer: &mut FeedConsumer, feed: usize, log: &mut Vec<String>) {
    consumer.serve_within(feed, 100, Duration::from_millis(10), &mut |item| {
        log.push(match item {
            Item::Record(record) => format!(
                "{}@{} {}",
                record.partition,
                record.offset,
                String::from_utf8_lossy(record.value.unwrap_or(b"-"))
            ),
            Item::Eof { partition, position } => format!("{partition} eof {position}"),
            Item::Error { partition, fault } => {
                format!("{partition} error {} {:?}", fault.code, fault.answer)
            }
        });
    });
}
