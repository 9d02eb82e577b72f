//! Topics, offsets and deletions: what is asked for at start and by an operator. Every call blocks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use crate::block_on::block_on;
use crate::end_offsets::client;
use crate::fault;
use crate::heard::{Heard, ask};
use crate::settings::{Properties, client_config};
use cxwatch_runtime::ports::Fault;

/// A topic as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// All its settings, also those that are defaults.
    pub settings: BTreeMap<String, String>,
}

/// A topic to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions it must have.
    pub partitions: i32,
    /// Copies of each partition; -1 leaves it to the broker.
    pub replication: i32,
    /// Settings to be made at creation, and to be expected of a topic that exists.
    pub settings: BTreeMap<String, String>,
}

impl TopicSpec {
    /// What holds of a topic that exists.
    pub fn compare(&self, there: &TopicDescription) -> TopicState {
        compare(self, there)
    }
}

/// What became of a [`TopicSpec`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicState {
    /// It was made now.
    Created,
    /// It was there, just so.
    Existed,
    /// It was there, but not so: each difference in words (`partitions is 4, not 8`). Nothing was changed.
    Differs(Vec<String>),
}

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetOf {
    /// The first that exists.
    Start,
    /// The high watermark: after everything that has arrived.
    End,
    /// The last stable offset: after everything that is decided.
    StableEnd,
    /// The first record whose timestamp (milliseconds since the epoch) is this or later; the end if there is none.
    Time(i64),
}

/// The operator's client.
pub struct Admin {
    native: AdminClient<DefaultClientContext>,
    properties: Properties,
    timeout: Duration,
}

impl Admin {
    /// Makes a client; every call takes at most about `timeout`.
    pub fn new(properties: &Properties, timeout: Duration) -> Result<Self, Fault> {
        let during = "create admin client";
        let mut common = properties.clone();
        // Properties of a group member make no sense here, and some are refused.
        common.retain(|name, _| !name.starts_with("group.") && name != "isolation.level");
        let native = client_config(during, &common, &[], &[])?
            .create()
            .map_err(|error| fault::plain(during, &error))?;
        Ok(Self { native, properties: common, timeout })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// Describes a topic; `None` if there is none of that name.
    pub fn describe_topic(&self, name: &str) -> Result<Option<TopicDescription>, Fault> {
        let during = "describe topic";
        let Some(partitions) = self.partitions(name)? else {
            return Ok(None);
        };
        let answers =
            block_on(self.native.describe_configs([&ResourceSpecifier::Topic(name)], &self.options()))
                .map_err(|error| fault::plain(during, &error))?;
        let mut settings = BTreeMap::new();
        for answer in answers {
            let resource = answer.map_err(|code| fault::code(during, code, code.to_string()))?;
            for entry in resource.entries {
                if let Some(value) = entry.value {
                    settings.insert(entry.name, value);
                }
            }
        }
        Ok(Some(TopicDescription { name: name.to_owned(), partitions, settings }))
    }

    /// How many partitions a topic has; `None` if there is none of that name.
    pub fn partitions(&self, name: &str) -> Result<Option<i32>, Fault> {
        let during = "look up topic";
        // A client of its own: one that has once been told "unknown topic" goes on saying so for a while after the
        // topic was made, and refuses to delete its records.
        let client = client(during, &self.properties, "read_uncommitted")?;
        let metadata =
            ask(&client, during, self.timeout, |within| client.fetch_metadata(Some(name), within))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            return Ok(None);
        };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => Ok(i32::try_from(topic.partitions().len()).ok()),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(code) => Err(fault::code(during, code, format!("{name}: {code}"))),
        }
    }

    /// Sees to it that a topic exists. One that exists is never changed, only compared.
    pub fn ensure_topic(&self, spec: &TopicSpec) -> Result<TopicState, Fault> {
        if let Some(there) = self.describe_topic(&spec.name)? {
            return Ok(compare(spec, &there));
        }
        let created = self.create_topic(spec)?;
        // The controller has it; the other brokers learn of it a moment later.
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.describe_topic(&spec.name) {
                Ok(Some(_)) if created => return Ok(TopicState::Created),
                Ok(Some(there)) => return Ok(compare(spec, &there)),
                answer if Instant::now() >= deadline => {
                    answer?;
                    return Err(fault::code(
                        "create topic",
                        RDKafkaErrorCode::OperationTimedOut,
                        format!("{} was made, and no broker shows it", spec.name),
                    ));
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// False if somebody else was quicker.
    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, Fault> {
        let during = "create topic";
        let mut topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(spec.replication));
        for (name, value) in &spec.settings {
            topic = topic.set(name, value);
        }
        let results = block_on(self.native.create_topics([&topic], &self.options()))
            .map_err(|error| fault::plain(during, &error))?;
        match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((name, code))) => Err(fault::code(during, code, format!("{name}: {code}"))),
            _ => Ok(true),
        }
    }

    /// Deletes a topic; false if there was none.
    pub fn delete_topic(&self, name: &str) -> Result<bool, Fault> {
        let during = "delete topic";
        let results = block_on(self.native.delete_topics(&[name], &self.options()))
            .map_err(|error| fault::plain(during, &error))?;
        match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::UnknownTopicOrPartition))) => Ok(false),
            Some(Err((name, code))) => Err(fault::code(during, code, format!("{name}: {code}"))),
            _ => Ok(true),
        }
    }

    /// Deletes the records of a partition before an offset; returns the first offset that exists then. On disk whole
    /// segments go. A topic that is only compacted refuses (`PolicyViolation`).
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<i64, Fault> {
        let during = "delete records";
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .map_err(|error| fault::plain(during, &error))?;
        let done = block_on(self.native.delete_records(&list, &self.options()))
            .map_err(|error| fault::plain(during, &error))?;
        let element = done
            .find_partition(topic, partition)
            .ok_or_else(|| fault::code(during, RDKafkaErrorCode::UnknownPartition, "no answer for it"))?;
        element.error().map_err(|error| fault::plain(during, &error))?;
        match element.offset() {
            Offset::Offset(start) => Ok(start),
            other => Err(fault::code(during, RDKafkaErrorCode::Unknown, format!("odd answer {other:?}"))),
        }
    }

    /// Offsets of partitions 0 to `partitions` - 1 of a topic, in that order.
    pub fn offsets(&self, topic: &str, partitions: i32, of: OffsetOf) -> Result<Vec<i64>, Fault> {
        let partitions: Vec<i32> = (0..partitions).collect();
        self.offsets_of(topic, &partitions, of)
    }

    /// The offset of one partition.
    pub fn offset(&self, topic: &str, partition: i32, of: OffsetOf) -> Result<i64, Fault> {
        self.offsets_of(topic, &[partition], of).map(|offsets| offsets[0])
    }

    /// One offset for each partition asked for.
    fn offsets_of(&self, topic: &str, partitions: &[i32], of: OffsetOf) -> Result<Vec<i64>, Fault> {
        let during = "list offsets";
        let isolation = if of == OffsetOf::StableEnd { "read_committed" } else { "read_uncommitted" };
        let consumer = client(during, &self.properties, isolation)?;
        let asked = match of {
            OffsetOf::Start => Offset::Beginning,
            OffsetOf::End | OffsetOf::StableEnd => Offset::End,
            OffsetOf::Time(time_ms) => Offset::Offset(time_ms),
        };
        let found = offsets_at(&consumer, topic, partitions, asked, self.timeout)?;
        // No record of that time or later.
        let ends = if found.iter().any(Option::is_none) {
            offsets_at(&consumer, topic, partitions, Offset::End, self.timeout)?
        } else {
            Vec::new()
        };
        let known = found.iter().enumerate().map(|(index, offset)| {
            offset.or_else(|| ends.get(index).copied().flatten()).ok_or_else(|| {
                let message = format!("{topic}/{} did not answer", partitions[index]);
                fault::code(during, RDKafkaErrorCode::UnknownPartition, message)
            })
        });
        known.collect()
    }

    pub(crate) fn native(&self) -> &AdminClient<DefaultClientContext> {
        &self.native
    }

    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The settings of a topic that differ from the broker's own defaults.
    pub fn own_settings(&self, name: &str) -> Result<BTreeMap<String, String>, Fault> {
        let during = "describe topic";
        let answers =
            block_on(self.native.describe_configs([&ResourceSpecifier::Topic(name)], &self.options()))
                .map_err(|error| fault::plain(during, &error))?;
        let mut own = BTreeMap::new();
        for answer in answers {
            let resource = answer.map_err(|code| fault::code(during, code, code.to_string()))?;
            own.extend(
                resource
                    .entries
                    .into_iter()
                    .filter(|entry| entry.source == ConfigSource::DynamicTopic)
                    .filter_map(|entry| Some((entry.name, entry.value?))),
            );
        }
        Ok(own)
    }
}

/// How long records are kept from compaction. What is kept for longer than wanted costs disk and harms nothing.
const COMPACTION_LAG: &str = "min.compaction.lag.ms";

fn is_longer(value: &str, wanted: &str) -> bool {
    matches!((value.parse::<i64>(), wanted.parse::<i64>()), (Ok(value), Ok(wanted)) if value > wanted)
}

fn compare(spec: &TopicSpec, there: &TopicDescription) -> TopicState {
    let mut differences = Vec::new();
    if there.partitions != spec.partitions {
        differences.push(format!("partitions is {}, not {}", there.partitions, spec.partitions));
    }
    for (name, wanted) in &spec.settings {
        match there.settings.get(name) {
            Some(value) if value == wanted || (name == COMPACTION_LAG && is_longer(value, wanted)) => {}
            Some(value) => differences.push(format!("{name} is {value}, not {wanted}")),
            None => differences.push(format!("{name} is not set, should be {wanted}")),
        }
    }
    if differences.is_empty() { TopicState::Existed } else { TopicState::Differs(differences) }
}

fn offsets_at(
    consumer: &BaseConsumer<Heard>,
    topic: &str,
    partitions: &[i32],
    asked: Offset,
    timeout: Duration,
) -> Result<Vec<Option<i64>>, Fault> {
    let during = "list offsets";
    let plain = |error: KafkaError| fault::plain(during, &error);
    let mut list = TopicPartitionList::new();
    for &partition in partitions {
        list.add_partition_offset(topic, partition, asked).map_err(plain)?;
    }
    let list = ask(consumer, during, timeout, |within| consumer.offsets_for_times(list.clone(), within))?;
    list.elements()
        .iter()
        .map(|element| {
            element.error().map_err(plain)?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_may_be_kept_from_compaction_for_longer_but_not_for_less() {
        let settings =
            |ms: &str| BTreeMap::from([("cleanup.policy", "compact"), (COMPACTION_LAG, ms)].map(owned));
        let spec = TopicSpec {
            name: "customers".to_owned(),
            partitions: 4,
            replication: 1,
            settings: settings("3600000"),
        };
        let state = |ms: &str| {
            let there =
                TopicDescription { name: "customers".to_owned(), partitions: 4, settings: settings(ms) };
            spec.compare(&there)
        };
        assert_eq!(state("3600000"), TopicState::Existed);
        assert_eq!(state("86400000"), TopicState::Existed);
        let told = "min.compaction.lag.ms is 60000, not 3600000".to_owned();
        assert_eq!(state("60000"), TopicState::Differs(vec![told]));
    }

    fn owned((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }
}
