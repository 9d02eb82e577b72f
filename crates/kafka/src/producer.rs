//! The output side of one stream thread: a transactional producer that avoids the client's traps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::consumer::GroupMetadata;
use crate::fault;
use crate::heard::{Heard, pass_on};
use crate::settings::{Properties, client_config};
use cxwatch_runtime::ports::{Answer, Fault};

/// How long to wait for the network before looking again. Short, because the client's own steps are 100 ms.
const STEP: Duration = Duration::from_micros(500);

/// So many of the client's words are heard before an error is told.
const WORDS: usize = 20;

/// A record to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition number; always chosen by us, so that a task's output lies where its input lies.
    pub partition: i32,
    /// Key; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a null value.
    pub value: Option<&'a [u8]>,
    /// Headers in their order.
    pub headers: &'a [(String, Vec<u8>)],
    /// Timestamp in milliseconds since the epoch; the client's clock if `None`.
    pub timestamp_ms: Option<i64>,
}

/// A position to be committed with a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOffset {
    /// Topic.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// A text that comes back with it; the broker takes up to 4,096 bytes.
    pub metadata: String,
}

/// A transaction that has committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// How long it took, from the call on.
    pub took: Duration,
    /// The connection broke or the commit took longer than a request may: the client may have sent the end of this
    /// transaction twice, and the second may hit the next one (KAFKA-17754). Make a new producer with the same id
    /// before the next transaction; that raises the epoch.
    pub renew: bool,
}

#[derive(Default)]
struct Context {
    heard: Heard,
    disconnected: AtomicBool,
    /// The first failed delivery since the transaction began, for the message.
    undelivered: Mutex<Option<String>>,
}

impl Context {
    fn undelivered(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.undelivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
        ) {
            self.disconnected.store(true, Ordering::Relaxed);
        }
        self.heard.note(&error, reason);
        tracing::debug!(%error, reason, "producer client reports an error");
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if let Some(topic) = refused_topic(facility, line) {
            self.undelivered().get_or_insert_with(|| format!("Write on the topic {topic} is not allowed"));
        }
        pass_on(level, facility, line);
    }
}

/// Which topic the user may not write to: the error of the transaction says only that there is one.
fn refused_topic<'a>(facility: &str, line: &'a str) -> Option<&'a str> {
    let is_refusal = facility == "ADDPARTS" && line.to_lowercase().contains("authorization failed");
    line.split('"').nth(1).filter(|_| is_refusal)
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, record)) = result {
            // What was thrown away because something else had failed tells nothing.
            let code = error.rdkafka_error_code();
            if !matches!(code, Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)) {
                self.undelivered().get_or_insert_with(|| format!("{}: {error}", record.topic()));
            }
        }
    }
}

/// A transactional producer. All calls block at most for the timeout given at its making.
pub struct TransactionalProducer {
    base: BaseProducer<Context>,
    request_timeout: Duration,
    timeout: Duration,
}

impl TransactionalProducer {
    /// Makes the producer and registers it, which fences every earlier one with the same id and ends what it left
    /// open. `transactional_id` must be the same after a restart.
    ///
    /// Defaults that an operator may change: `transaction.timeout.ms` 15 s (so long an abandoned transaction stops all
    /// readers of committed records), `socket.timeout.ms` 10 s and `message.timeout.ms` 15 s, which must not be longer;
    /// lz4; `linger.ms` 1.
    pub fn new(properties: &Properties, transactional_id: &str, timeout: Duration) -> Result<Self, Fault> {
        let during = "create producer";
        let defaults = [
            ("transaction.timeout.ms", "15000"),
            ("socket.timeout.ms", "10000"),
            ("message.timeout.ms", "15000"),
            ("linger.ms", "1"),
            ("compression.type", "lz4"),
        ];
        let forced = [
            ("transactional.id", transactional_id),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            // Successful deliveries are not reported one by one; the commit speaks for all.
            ("delivery.report.only.error", "true"),
        ];
        let config = client_config(during, properties, &defaults, &forced)?;
        let request_timeout = config
            .get("socket.timeout.ms")
            .and_then(|ms| ms.parse().ok())
            .map_or(Duration::from_secs(10), Duration::from_millis);
        let base: BaseProducer<Context> =
            config.create_with_context(Context::default()).map_err(|error| fault::plain(during, &error))?;
        let producer = Self { base, request_timeout, timeout };
        producer.init().map_err(|mut fault| {
            if fault.code == "TransactionalIdAuthorizationFailed" {
                fault.message =
                    format!("Write on the transactional id {transactional_id}: {}", fault.message);
            }
            fault
        })?;
        Ok(producer)
    }

    /// Registers again until the time is up: the first broker answers may well be "not yet".
    fn init(&self) -> Result<(), Fault> {
        let during = "register the transactional producer";
        let deadline = Instant::now() + self.timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.base.init_transactions(left) {
                Ok(()) => {
                    self.base.context().heard.answered();
                    return Ok(());
                }
                Err(error) => {
                    let fault = fault::transactional(during, &error);
                    if fault.answer != Answer::Retry || Instant::now() >= deadline {
                        return Err(self.base.context().heard.explain(fault));
                    }
                }
            }
            self.base.poll(Duration::from_millis(20));
        }
    }

    /// Opens a transaction. Nothing is sent for it yet.
    pub fn begin(&mut self) -> Result<(), Fault> {
        *self.base.context().undelivered() = None;
        self.base.begin_transaction().map_err(|error| fault::transactional("begin transaction", &error))
    }

    /// Adds a record to the open transaction. Waits if the client's queue is full.
    pub fn send(&mut self, record: &Record<'_>) -> Result<(), Fault> {
        let during = "send record";
        let deadline = Instant::now() + self.timeout;
        loop {
            let mut outgoing: BaseRecord<'_, [u8], [u8], ()> =
                BaseRecord::with_opaque_to(record.topic, ()).partition(record.partition);
            outgoing.key = record.key;
            outgoing.payload = record.value;
            outgoing.timestamp = record.timestamp_ms;
            if !record.headers.is_empty() {
                let headers = OwnedHeaders::new_with_capacity(record.headers.len());
                outgoing.headers = Some(
                    record
                        .headers
                        .iter()
                        .fold(headers, |list, (key, value)| list.insert(Header { key, value: Some(value) })),
                );
            }
            let Err((error, _)) = self.base.send(outgoing) else {
                return Ok(());
            };
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || Instant::now() >= deadline {
                return Err(self.send_fault(during, &error));
            }
            self.step();
        }
    }

    /// A send into a failed transaction is refused with "erroneous state"; the fatal error behind it decides.
    fn send_fault(&self, during: &'static str, error: &KafkaError) -> Fault {
        if let Some((code, message)) = self.base.client().fatal_error() {
            return Fault::new(Answer::CloseDirty, during, format!("{code:?}"), message);
        }
        let mut fault = fault::plain(during, error);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::State) {
            fault.answer = Answer::Abort;
        }
        fault
    }

    /// Adds input positions to the open transaction. `group` proves that we are still the member that owns them; the
    /// broker refuses those of an older generation.
    pub fn send_offsets(&mut self, offsets: &[TopicOffset], group: &GroupMetadata) -> Result<(), Fault> {
        let during = "send offsets to transaction";
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for commit in offsets {
            let mut element = list.add_partition(&commit.topic, commit.partition);
            element
                .set_offset(Offset::Offset(commit.offset))
                .map_err(|error| fault::plain(during, &error))?;
            element.set_metadata(&commit.metadata);
        }
        let deadline = Instant::now() + self.timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.base.send_offsets_to_transaction(&list, &group.0, left) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let fault = fault::transactional(during, &error);
                    if fault.answer != Answer::Retry || Instant::now() >= deadline {
                        return Err(fault);
                    }
                    self.step();
                }
            }
        }
    }

    /// Commits the open transaction. [`Answer::Ambiguous`]: it may have committed; call this again, or drop the
    /// producer and look at the journal's end. [`Answer::Abort`]: it has not; call [`abort`](Self::abort), then send
    /// the same content again.
    pub fn commit(&mut self) -> Result<Commit, Fault> {
        let during = "commit transaction";
        let start = Instant::now();
        let deadline = start + self.timeout;
        self.base.context().disconnected.store(false, Ordering::Relaxed);
        // With messages in flight the client's flush waits in steps of 100 ms.
        if !self.drain(deadline) {
            // Nothing has been said to the coordinator yet, so the outcome is known: not committed.
            return Err(Fault::new(
                Answer::Retry,
                during,
                "OperationTimedOut",
                format!(
                    "{} records are not yet delivered{}",
                    self.base.in_flight_count(),
                    self.undelivered()
                ),
            ));
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        if let Err(error) = self.base.commit_transaction(left) {
            let mut fault = fault::transactional(during, &error);
            if fault.answer == Answer::Retry {
                fault.answer = Answer::Ambiguous;
            }
            fault.message.push_str(&self.undelivered());
            return Err(fault);
        }
        // Lost connections are reported by an event.
        self.base.poll(Duration::ZERO);
        let took = start.elapsed();
        let disconnected = self.base.context().disconnected.load(Ordering::Relaxed);
        Ok(Commit { took, renew: disconnected || took > self.request_timeout })
    }

    /// Ends the open transaction without effect. Never to be called after an ambiguous commit.
    pub fn abort(&mut self) -> Result<(), Fault> {
        let during = "abort transaction";
        let start = Instant::now();
        let deadline = start + self.timeout;
        // With messages queued or in flight the client's abort waits for polls that nobody makes. What is in flight is
        // given time to arrive: purging it leaves a gap in the sequence, for which the client fetches a new epoch in
        // the background, and until it has that it refuses offsets in the next transaction ("erroneous state").
        self.base.purge(PurgeConfig::default().queue());
        if !self.drain(start + self.timeout / 2) {
            self.base.purge(PurgeConfig::default().queue().inflight());
            if !self.drain(deadline) {
                return Err(Fault::new(
                    Answer::CloseDirty,
                    during,
                    "OperationTimedOut",
                    "purged records do not come back",
                ));
            }
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.base.abort_transaction(left).map_err(|error| fault::transactional(during, &error))
    }

    /// Serves the client while there is nothing to send, so that a fatal error shows: another producer with the same
    /// id has taken over.
    pub fn poll(&mut self) -> Result<(), Fault> {
        self.base.poll(Duration::ZERO);
        match self.base.client().fatal_error() {
            None => Ok(()),
            Some((code, message)) => {
                Err(Fault::new(Answer::CloseDirty, "poll producer", format!("{code:?}"), message))
            }
        }
    }

    /// Lets the network work for a moment. Asleep: a `poll` with a timeout spins through its last millisecond.
    fn step(&self) {
        std::thread::sleep(STEP);
        self.base.poll(Duration::ZERO);
    }

    /// Waits until nothing is in flight; false if the time ran out.
    fn drain(&self, deadline: Instant) -> bool {
        loop {
            self.base.poll(Duration::ZERO);
            if self.base.in_flight_count() == 0 {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(STEP);
        }
    }

    fn undelivered(&self) -> String {
        // The client's own words about it may still wait to be heard.
        for _ in 0..WORDS {
            self.base.poll(Duration::ZERO);
        }
        self.base
            .context()
            .undelivered()
            .as_ref()
            .map_or_else(String::new, |error| format!("; the first that failed: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::refused_topic;

    #[test]
    fn the_topic_that_must_not_be_written_to_is_read_from_the_clients_words() {
        let line = |reason: &str| {
            format!(
                "[thrd:main]: TxnCoordinator/1: Failed to add partition \"cx.actions.v1\" [3] to transaction: Broker: {reason}"
            )
        };
        assert_eq!(refused_topic("ADDPARTS", &line("Topic authorization failed")), Some("cx.actions.v1"));
        assert_eq!(refused_topic("ADDPARTS", &line("Operation not attempted")), None);
    }
}
