//! librdkafka's own imitation of a cluster, inside this process.
//!
//! Good for a demonstration and for error paths. It shows aborted and open transactions, drops transactional offsets,
//! fences nobody, and keeps only the last 5 MiB of a partition: it proves nothing about exactly-once.

use std::time::Duration;

use rdkafka::mocking::MockCluster as Native;
use rdkafka::producer::DefaultProducerContext;

use crate::fault;
use cxwatch_runtime::ports::Fault;

/// A cluster that lives as long as this value.
pub struct MockCluster {
    native: Native<'static, DefaultProducerContext>,
}

impl MockCluster {
    /// Starts `brokers` brokers on loopback.
    pub fn new(brokers: i32) -> Result<Self, Fault> {
        Native::new(brokers)
            .map(|native| Self { native })
            .map_err(|error| fault::plain("start mock cluster", &error))
    }

    /// The address for clients.
    pub fn bootstrap(&self) -> String {
        self.native.bootstrap_servers()
    }

    /// Creates a topic.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), Fault> {
        self.native
            .create_topic(topic, partitions, 1)
            .map_err(|error| fault::plain("create mock topic", &error))
    }

    /// Takes a broker (numbered from 1) off the network, or puts it back.
    pub fn set_broker_up(&self, broker: i32, up: bool) -> Result<(), Fault> {
        let result = if up { self.native.broker_up(broker) } else { self.native.broker_down(broker) };
        result.map_err(|error| fault::plain("switch mock broker", &error))
    }

    /// Makes every answer of a broker take this long.
    pub fn set_round_trip(&self, broker: i32, delay: Duration) -> Result<(), Fault> {
        self.native
            .broker_round_trip_time(broker, delay)
            .map_err(|error| fault::plain("slow mock broker", &error))
    }
}
