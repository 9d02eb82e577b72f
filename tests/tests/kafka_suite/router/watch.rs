//! Somebody who looks at the action topic all the time, and notes when a message could first be seen.

use crate::client::PARTITIONS;
use crate::stage::now;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A message about an action, committed.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// When it was there to be read, at the latest, in milliseconds.
    pub(super) at: i64,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) action_id: String,
    pub(super) revision: u64,
    /// `requested`, `updated`, `revoked` or `expired`.
    pub(super) kind: String,
    /// When it was decided, in event time.
    pub(super) time: i64,
    pub(super) expires: i64,
}

/// The watcher, until it is told to stop.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Seen>>,
}

impl Watch {
    pub(super) fn start(bootstrap: &str, topic: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "suite-watch")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "20")
            .create()
            .expect("a consumer");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&partitions).expect("assigned");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                if let Some(Ok(record)) = consumer.poll(Duration::from_millis(50)) {
                    seen.push(note(&record));
                }
            }
            seen
        });
        Watch { stop, thread }
    }

    /// Everything that was seen.
    pub(super) fn stop(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watcher sees actions")
    }
}

fn note(record: &impl Message) -> Seen {
    let message: Value = serde_json::from_slice(record.payload().unwrap_or_default()).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let instant = |name: &str| cxwatch_event::rfc3339::parse(&text(&message[name])).expect("an instant");
    Seen {
        at: now(),
        partition: record.partition(),
        offset: record.offset(),
        action_id: text(&message["data"]["action_id"]),
        revision: message["data"]["revision"].as_u64().expect("a revision"),
        kind: text(&message["type"]).trim_start_matches("action.").to_owned(),
        time: instant("time"),
        expires: instant("expirytime"),
    }
}
