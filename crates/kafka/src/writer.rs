//! A producer as a shop or a contact centre has one: no transactions, records to partitions by the hash of their keys.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::fault;
use crate::heard::Heard;
use crate::settings::{Properties, client_config};
use cxwatch_runtime::ports::Fault;

#[derive(Default)]
struct Context {
    heard: Heard,
    /// The first delivery that failed.
    undelivered: Mutex<Option<Fault>>,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        self.heard.note(&error, reason);
        tracing::debug!(%error, reason, "producer client reports an error");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut undelivered = self.undelivered.lock().unwrap_or_else(PoisonError::into_inner);
            undelivered.get_or_insert_with(|| self.heard.explain(fault::plain("deliver records", error)));
        }
    }
}

/// Writes records in order, each once, without waiting for them one by one.
pub struct Writer {
    base: BaseProducer<Context>,
    timeout: Duration,
}

impl Writer {
    /// Forced: partitions by murmur2 of the key (`murmur2_random`), as Java clients choose them; idempotence. What is
    /// not delivered within `message.timeout.ms`, 30 s if not set, has failed. `timeout`: how long a full queue may stay
    /// full.
    pub fn new(properties: &Properties, timeout: Duration) -> Result<Self, Fault> {
        let during = "create producer";
        let defaults = [("message.timeout.ms", "30000"), ("linger.ms", "5"), ("compression.type", "lz4")];
        let forced = [
            ("partitioner", "murmur2_random"),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("delivery.report.only.error", "true"),
        ];
        let config = client_config(during, properties, &defaults, &forced)?;
        let base =
            config.create_with_context(Context::default()).map_err(|error| fault::plain(during, &error))?;
        Ok(Writer { base, timeout })
    }

    /// Hands a record over. Waits while the client's queue is full. An earlier record that could not be delivered shows
    /// here.
    pub fn send(&mut self, topic: &str, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let deadline = Instant::now() + self.timeout;
        loop {
            self.failed()?;
            let record: BaseRecord<'_, [u8], [u8], ()> =
                BaseRecord::with_opaque_to(topic, ()).key(key).payload(value);
            let Err((error, _)) = self.base.send(record) else { break };
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || Instant::now() >= deadline {
                return Err(fault::plain("send record", &error));
            }
            self.base.poll(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Lets the client live for so long.
    pub fn poll(&mut self, timeout: Duration) -> Result<(), Fault> {
        self.base.poll(timeout);
        self.failed()
    }

    /// Waits until everything is delivered.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.base
            .flush(self.timeout.max(Duration::from_secs(60)))
            .map_err(|error| fault::plain("flush", &error))?;
        self.failed()
    }

    fn failed(&self) -> Result<(), Fault> {
        let undelivered = self.base.context().undelivered.lock().unwrap_or_else(PoisonError::into_inner);
        undelivered.clone().map_or(Ok(()), Err)
    }
}
