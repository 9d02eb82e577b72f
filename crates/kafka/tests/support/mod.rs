//! What the tests against Apache Kafka share.
#![allow(dead_code, unreachable_pub, missing_docs)]

#[path = "../../../../tests/src/kafka_server.rs"]
pub mod kafka_server;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cxwatch_kafka::Properties;
use cxwatch_kafka::Served;
use cxwatch_kafka::admin::{Admin, TopicSpec};
use cxwatch_kafka::consumer::{FeedConsumer, FeedPartition, RebalanceHandler};
use cxwatch_kafka::producer::{Outgoing, TransactionalProducer};

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
        .send(&Outgoing {
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

impl RebalanceHandler for FromZero {
    fn assigned(&mut self, consumer: &mut FeedConsumer, partitions: &[FeedPartition]) {
        let from: Vec<_> = partitions.iter().map(|at| (*at, 0)).collect();
        consumer.start(&from, PATIENCE).expect("assigned partitions start");
        self.assigned.extend_from_slice(partitions);
    }

    fn revoked(&mut self, _: &mut FeedConsumer, partitions: &[FeedPartition], lost: bool) {
        self.revoked.extend(partitions.iter().map(|at| (*at, lost)));
    }
}

/// Polls until the condition holds.
pub fn poll_until(
    consumer: &mut FeedConsumer,
    handler: &mut dyn RebalanceHandler,
    what: &str,
    mut done: impl FnMut(&mut FeedConsumer) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(consumer) {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        // Lost connections are news, not failures, for a client that starts before it is connected.
        let _ = consumer.poll(Duration::from_millis(10), handler);
    }
}

/// Everything that one feed serves now, as text: `partition@offset value`, `partition eof position`.
pub fn served(consumer: &mut FeedConsumer, feed: usize, log: &mut Vec<String>) {
    consumer.serve(feed, 100, Duration::from_millis(10), |served| {
        log.push(match served {
            Served::Message(message) => format!(
                "{}@{} {}",
                message.partition(),
                message.offset(),
                String::from_utf8_lossy(message.payload().unwrap_or(b"-"))
            ),
            Served::Eof { partition, position } => format!("{partition} eof {position}"),
            Served::Error { partition, fault } => {
                format!("{partition} error {} {:?}", fault.code, fault.answer)
            }
        });
    });
}
