//! Where the feeds end: the broker's side of the proof of being caught up.
//!
//! One thread per process asks for the high watermarks of all partitions in one batched query. It asks as
//! `read_uncommitted`: the last stable offset, which a `read_committed` client is told, hides records of open
//! transactions that have already arrived.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::fault::Fault;
use crate::settings::{Properties, client_config};

/// The answer to one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOffsets {
    /// When the question was sent, by the clock given to [`EndOffsetsWatch::spawn`]: whatever had reached the broker by
    /// then lies below these ends.
    pub sent_at_ms: i64,
    /// The high watermark of every partition that answered: (topic by its index, partition, next offset).
    pub ends: Vec<(usize, i32, i64)>,
}

#[derive(Default)]
struct State {
    latest: Option<Arc<EndOffsets>>,
    answers: u64,
    failures: u64,
    last_fault: Option<Fault>,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that asks, and its latest answer. Ends with this value.
pub struct EndOffsetsWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl EndOffsetsWatch {
    /// Starts asking for the ends of `topics` (name and number of partitions), every `every` (200 ms is a good value; a
    /// query of 64 partitions takes about a millisecond). `clock` gives milliseconds since the epoch.
    pub fn spawn(
        properties: &Properties,
        topics: Vec<(String, i32)>,
        every: Duration,
        clock: impl Fn() -> i64 + Send + 'static,
    ) -> Result<Self, Fault> {
        let consumer = uncommitted_client("watch end offsets", properties)?;
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("end-offsets".to_owned())
            .spawn(move || run(&consumer, &topics, every, &clock, &inner))
            .map_err(|error| Fault::config("watch end offsets", error.to_string()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The latest answer. An answer grows old while the broker is silent: it proves nothing beyond its `sent_at_ms`.
    pub fn latest(&self) -> Option<Arc<EndOffsets>> {
        self.shared.lock().latest.clone()
    }

    /// Waits up to `timeout` for an answer that is not older than `sent_at_ms`.
    pub fn wait_for(&self, sent_at_ms: i64, timeout: Duration) -> Option<Arc<EndOffsets>> {
        let state = self.shared.lock();
        let old =
            |state: &mut State| state.latest.as_ref().is_none_or(|latest| latest.sent_at_ms < sent_at_ms);
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(state, timeout, old)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() { None } else { state.latest.clone() }
    }

    /// How many queries were answered and how many failed, and the last failure since the last answer.
    pub fn health(&self) -> (u64, u64, Option<Fault>) {
        let state = self.shared.lock();
        (state.answers, state.failures, state.last_fault.clone())
    }
}

impl Drop for EndOffsetsWatch {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client that sees high watermarks. It is in no group.
pub(crate) fn uncommitted_client(
    during: &'static str,
    properties: &Properties,
) -> Result<BaseConsumer, Fault> {
    client(during, properties, "read_uncommitted")
}

pub(crate) fn client(
    during: &'static str,
    properties: &Properties,
    isolation: &str,
) -> Result<BaseConsumer, Fault> {
    let mut properties = properties.clone();
    for name in ["group.id", "group.protocol", "group.instance.id", "isolation.level"] {
        properties.remove(name);
    }
    client_config(
        during,
        &properties,
        &[],
        &[("isolation.level", isolation), ("allow.auto.create.topics", "false")],
    )?
    .create()
    .map_err(|error| Fault::plain(during, &error))
}

fn run(
    consumer: &BaseConsumer,
    topics: &[(String, i32)],
    every: Duration,
    clock: &impl Fn() -> i64,
    shared: &Shared,
) {
    // A query must be able to fail before the next is long due, and still survive a slow broker.
    let patience = every.max(Duration::from_millis(500)) * 4;
    while !shared.lock().stop {
        let sent_at_ms = clock();
        let answer = ask(consumer, topics, patience);
        let mut state = shared.lock();
        match answer {
            Ok(ends) => {
                state.latest = Some(Arc::new(EndOffsets { sent_at_ms, ends }));
                state.answers += 1;
                state.last_fault = None;
                shared.changed.notify_all();
            }
            Err(fault) => {
                tracing::debug!(%fault, "the broker does not tell where the feeds end");
                state.failures += 1;
                state.last_fault = Some(fault);
            }
        }
        let _ = shared.changed.wait_timeout_while(state, every, |state| !state.stop);
    }
}

fn ask(
    consumer: &BaseConsumer,
    topics: &[(String, i32)],
    timeout: Duration,
) -> Result<Vec<(usize, i32, i64)>, Fault> {
    let during = "ask for end offsets";
    let mut list = TopicPartitionList::new();
    for (topic, partitions) in topics {
        for partition in 0..*partitions {
            list.add_partition_offset(topic, partition, Offset::End)
                .map_err(|error| Fault::plain(during, &error))?;
        }
    }
    let list = consumer.offsets_for_times(list, timeout).map_err(|error| Fault::plain(during, &error))?;
    // The elements come back in the order asked for; looking each up by name would be quadratic.
    let asked = topics
        .iter()
        .enumerate()
        .flat_map(|(index, (_, partitions))| (0..*partitions).map(move |partition| (index, partition)));
    Ok(asked
        .zip(list.elements())
        .filter_map(|((index, partition), element)| match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(end)) if element.partition() == partition => {
                Some((index, partition, end))
            }
            _ => None,
        })
        .collect())
}
