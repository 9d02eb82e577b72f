//! A client of the cluster that shares nothing with the program under test but the client library.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, Headers, Message};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The number of partitions of all topics.
pub(crate) const PARTITIONS: i32 = 4;

/// How long the cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A record as it lies in its topic.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// When the broker took it, as the suite's brokers are set.
    pub(crate) appended_at: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

fn consumer(bootstrap: &str, isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "suite-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .set("fetch.wait.max.ms", "50")
        .create()
        .expect("a consumer")
}

fn headers(headers: &BorrowedHeaders) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
}

/// Asks the cluster until it answers: a broker that has been started again knows less at first than clients do.
fn persist<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "the broker answers {error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Everything committed in a topic, by partition and offset.
pub(crate) fn read(bootstrap: &str, topic: &str) -> Vec<Kept> {
    let consumer = consumer(bootstrap, "read_committed");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&partitions).expect("assigned");
    let mut ended = [false; PARTITIONS as usize];
    let mut kept = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while ended.contains(&false) {
        assert!(Instant::now() < deadline, "the end of {topic} does not come: {ended:?}");
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => kept.push(Kept {
                partition: message.partition(),
                offset: message.offset(),
                appended_at: message.timestamp().to_millis().expect("a timestamp"),
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().unwrap_or_default().to_vec(),
                headers: message.headers().map(headers).unwrap_or_default(),
            }),
            Some(Err(KafkaError::PartitionEOF(partition))) => ended[partition as usize] = true,
            // A broker that is being started again; whatever else is wrong, the deadline will tell.
            Some(Err(_)) => {}
        }
    }
    kept.sort_by_key(|record| (record.partition, record.offset));
    kept
}

/// The groups that the cluster knows, but for this client's own.
pub(crate) fn groups(bootstrap: &str) -> BTreeSet<String> {
    let consumer = consumer(bootstrap, "read_committed");
    let list = persist(|| consumer.fetch_group_list(None, PATIENCE));
    list.groups().iter().map(|group| group.name().to_owned()).filter(|name| name != "suite-reader").collect()
}

/// Looks where a topic ends: all of it, and what is decided.
pub(crate) struct Ends {
    topic: String,
    all: BaseConsumer,
    decided: BaseConsumer,
}

impl Ends {
    pub(crate) fn new(bootstrap: &str, topic: &str) -> Self {
        let (all, decided) = (consumer(bootstrap, "read_uncommitted"), consumer(bootstrap, "read_committed"));
        Ends { topic: topic.to_owned(), all, decided }
    }

    /// By partition, the offset of the first record of an open transaction, if there is one.
    pub(crate) fn open(&self) -> Vec<Option<i64>> {
        // In this order: a transaction that ends in between must not seem open.
        let (ends, stable) = (self.of(&self.all), self.of(&self.decided));
        stable.iter().zip(ends).map(|(stable, end)| (*stable < end).then_some(*stable)).collect()
    }

    /// By partition, where it ends.
    pub(crate) fn all(&self) -> Vec<i64> {
        self.of(&self.all)
    }

    /// By partition, the first offset that has not been deleted.
    pub(crate) fn starts(&self) -> Vec<i64> {
        let starts = (0..PARTITIONS).map(|partition| {
            let (start, _) = persist(|| self.all.fetch_watermarks(&self.topic, partition, PATIENCE));
            start
        });
        starts.collect()
    }

    fn of(&self, consumer: &BaseConsumer) -> Vec<i64> {
        let mut asked = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            asked.add_partition_offset(&self.topic, partition, Offset::End).expect("an offset");
        }
        let answer = persist(|| consumer.offsets_for_times(asked.clone(), PATIENCE));
        let offsets = answer.elements().into_iter().map(|element| match element.offset() {
            Offset::Offset(offset) => offset,
            odd => panic!("{} ends at {odd:?}", self.topic),
        });
        offsets.collect()
    }
}

/// Writes to the feeds, each customer to a partition as Java clients choose it.
pub(crate) struct Feeder {
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Feeder {
    pub(crate) fn new(bootstrap: &str) -> Self {
        Feeder { producer: producer(bootstrap).create().expect("a producer") }
    }

    /// One that says who it is.
    pub(crate) fn as_user(bootstrap: &str, (user, password): (&str, &str)) -> Self {
        let mut config = producer(bootstrap);
        config
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", user)
            .set("sasl.password", password);
        Feeder { producer: config.create().expect("a producer") }
    }

    /// One whose records are part of a transaction from here on, until [`commit`](Self::commit) or
    /// [`abort`](Self::abort).
    pub(crate) fn transactional(bootstrap: &str, id: &str) -> Self {
        let producer: ThreadedProducer<_> = producer(bootstrap)
            .set("transactional.id", id)
            .set("transaction.timeout.ms", "60000")
            .create()
            .expect("a producer");
        producer.init_transactions(PATIENCE).expect("registered");
        producer.begin_transaction().expect("begun");
        Feeder { producer }
    }

    pub(crate) fn send(&self, topic: &str, key: &str, value: &[u8]) {
        let partition = cxwatch_event::partition::murmur2_partition(key.as_bytes(), PARTITIONS as u32);
        let mut record = BaseRecord::to(topic).key(key).payload(value).partition(partition as i32);
        loop {
            match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    std::thread::sleep(Duration::from_millis(10));
                    record = back;
                }
                Err((error, _)) => panic!("{topic} does not take a record: {error}"),
            }
        }
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) {
        self.producer.flush(PATIENCE).expect("the broker takes everything");
    }

    pub(crate) fn commit(&self) {
        self.producer.commit_transaction(PATIENCE).expect("committed");
    }

    pub(crate) fn abort(&self) {
        self.producer.abort_transaction(PATIENCE).expect("aborted");
    }
}

fn producer(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("linger.ms", "2")
        .set("message.timeout.ms", "60000");
    config
}
