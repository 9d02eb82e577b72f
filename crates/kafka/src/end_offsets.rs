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

use crate::fault;
use crate::heard::{self, Heard};
use crate::settings::{Properties, client_config};
use cxwatch_runtime::ports::{EndOffsets, Ends, Fault};

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
            .map_err(|error| fault::exit("watch end offsets", error.to_string()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The latest answer. An answer grows old while the broker is silent: it proves nothing beyond its `sent_at`.
    pub fn latest(&self) -> Option<Arc<EndOffsets>> {
        self.shared.lock().latest.clone()
    }

    /// A view for a stream thread. It stays at the last answer when the watch ends.
    pub fn view(&self) -> EndsView {
        EndsView(Arc::clone(&self.shared))
    }

    /// Waits up to `timeout` for an answer that is not older than `sent_at`.
    pub fn wait_for(&self, sent_at: i64, timeout: Duration) -> Option<Arc<EndOffsets>> {
        let state = self.shared.lock();
        let old = |state: &mut State| state.latest.as_ref().is_none_or(|latest| latest.sent_at < sent_at);
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

/// One stream thread's view of the watch.
#[derive(Clone)]
pub struct EndsView(Arc<Shared>);

impl Ends for EndsView {
    fn latest(&mut self) -> Option<Arc<EndOffsets>> {
        self.0.lock().latest.clone()
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
) -> Result<BaseConsumer<Heard>, Fault> {
    client(during, properties, "read_uncommitted")
}

pub(crate) fn client(
    during: &'static str,
    properties: &Properties,
    isolation: &str,
) -> Result<BaseConsumer<Heard>, Fault> {
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
    .create_with_context(Heard::default())
    .map_err(|error| fault::plain(during, &error))
}

fn run(
    consumer: &BaseConsumer<Heard>,
    topics: &[(String, i32)],
    every: Duration,
    clock: &impl Fn() -> i64,
    shared: &Shared,
) {
    // A query must be able to fail before the next is long due, and still survive a slow broker.
    let patience = every.max(Duration::from_millis(500)) * 4;
    while !shared.lock().stop {
        let sent_at = clock();
        let answer = ask(consumer, topics, patience);
        heard::take_in(consumer);
        let heard = consumer.client().context();
        let mut state = shared.lock();
        match answer {
            Ok(ends) => {
                heard.answered();
                state.latest = Some(Arc::new(EndOffsets { sent_at, ends }));
                state.answers += 1;
                state.last_fault = None;
                shared.changed.notify_all();
            }
            Err(fault) => {
                let fault = heard.explain(fault);
                tracing::debug!(%fault, "the broker does not tell where the feeds end");
                state.failures += 1;
                state.last_fault = Some(fault);
            }
        }
        let _ = shared.changed.wait_timeout_while(state, every, |state| !state.stop);
    }
}

fn ask(
    consumer: &BaseConsumer<Heard>,
    topics: &[(String, i32)],
    timeout: Duration,
) -> Result<Vec<(usize, i32, i64)>, Fault> {
    let during = "ask for end offsets";
    let mut list = TopicPartitionList::new();
    for (topic, partitions) in topics {
        for partition in 0..*partitions {
            list.add_partition_offset(topic, partition, Offset::End)
                .map_err(|error| fault::plain(during, &error))?;
        }
    }
    let list = consumer.offsets_for_times(list, timeout).map_err(|error| fault::plain(during, &error))?;
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
