//! Consumer groups as an operator sees them.

use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

use crate::admin::Admin;
use crate::block_on::block_on;
use crate::fault;
use crate::heard::{Heard, ask};
use crate::producer::TopicOffset;
use crate::settings::client_config;
use cxwatch_runtime::ports::{Answer, Fault};

/// Between two questions to a coordinator that is not there yet.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A group of the classic protocol, as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`.
    pub state: String,
    /// The assignment strategy: `range`.
    pub strategy: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// The client's own name.
    pub client_id: String,
    /// Where it comes from.
    pub host: String,
    /// What it owns, sorted.
    pub partitions: Vec<(String, i32)>,
}

impl Admin {
    /// Describes a group; `None` if the cluster knows no such group.
    pub fn describe_group(&self, group: &str) -> Result<Option<GroupDescription>, Fault> {
        let during = "describe group";
        let list = self
            .native()
            .inner()
            .fetch_group_list(Some(group), self.timeout())
            .map_err(|error| fault::plain(during, &error))?;
        let Some(found) = list.groups().iter().find(|info| info.name() == group) else {
            return Ok(None);
        };
        if found.state() == "Dead" {
            return Ok(None);
        }
        let members = found
            .members()
            .iter()
            .map(|member| GroupMember {
                member_id: member.id().to_owned(),
                client_id: member.client_id().to_owned(),
                host: member.client_host().to_owned(),
                partitions: member.assignment().and_then(assignment).unwrap_or_default(),
            })
            .collect();
        Ok(Some(GroupDescription {
            state: found.state().to_owned(),
            strategy: found.protocol().to_owned(),
            members,
        }))
    }

    /// What a group has committed for these partitions, in their order; `None` where nothing is. Asked again while its
    /// coordinator is on the move: a group's first one, and one on another broker, need a moment.
    pub fn group_offsets(
        &self,
        group: &str,
        partitions: &[(String, i32)],
    ) -> Result<Vec<Option<(i64, String)>>, Fault> {
        let asked = Instant::now();
        loop {
            match self.group_offsets_now(group, partitions) {
                Err(fault) if fault.answer == Answer::Retry && asked.elapsed() < self.timeout() => {
                    std::thread::sleep(ASK_AGAIN_AFTER);
                }
                answer => return answer,
            }
        }
    }

    fn group_offsets_now(
        &self,
        group: &str,
        partitions: &[(String, i32)],
    ) -> Result<Vec<Option<(i64, String)>>, Fault> {
        let during = "read committed offsets";
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        let client = self.outsider(group)?;
        let list =
            ask(&client, during, self.timeout(), |within| client.committed_offsets(list.clone(), within))?;
        partitions
            .iter()
            .map(|(topic, partition)| {
                let Some(element) = list.find_partition(topic, *partition) else {
                    return Ok(None);
                };
                element.error().map_err(|error| fault::plain(during, &error))?;
                Ok(match element.offset() {
                    Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
                    _ => None,
                })
            })
            .collect()
    }

    /// Sets a group's offsets. Only for a group without members; with members the coordinator refuses, and the fault
    /// says `Config`: stop them first.
    pub fn alter_group_offsets(&self, group: &str, offsets: &[TopicOffset]) -> Result<(), Fault> {
        let during = "alter group offsets";
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for commit in offsets {
            let mut element = list.add_partition(&commit.topic, commit.partition);
            element
                .set_offset(Offset::Offset(commit.offset))
                .map_err(|error| fault::plain(during, &error))?;
            element.set_metadata(&commit.metadata);
        }
        self.outsider(group)?.commit(&list, CommitMode::Sync).map_err(|error| {
            match error.rdkafka_error_code() {
                Some(code @ (RDKafkaErrorCode::UnknownMemberId | RDKafkaErrorCode::IllegalGeneration)) => {
                    Fault::new(
                        Answer::Exit,
                        during,
                        format!("{code:?}"),
                        format!("group {group} has members; stop them first"),
                    )
                }
                _ => fault::plain(during, &error),
            }
        })
    }

    /// Forgets a group and all its offsets; false if there was none. Only for a group without members.
    pub fn delete_group(&self, group: &str) -> Result<bool, Fault> {
        let during = "delete group";
        let options = AdminOptions::new().request_timeout(Some(self.timeout()));
        let results = block_on(self.native().delete_groups(&[group], &options))
            .map_err(|error| fault::plain(during, &error))?;
        match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::GroupIdNotFound))) => Ok(false),
            Some(Err((name, RDKafkaErrorCode::NonEmptyGroup))) => Err(Fault::new(
                Answer::Exit,
                during,
                "NonEmptyGroup",
                format!("group {name} has members; stop them first"),
            )),
            Some(Err((name, code))) => Err(fault::code(during, code, format!("{name}: {code}"))),
            _ => Ok(true),
        }
    }

    /// A client that speaks about a group's offsets without being a member.
    fn outsider(&self, group: &str) -> Result<BaseConsumer<Heard>, Fault> {
        let during = "speak for a group";
        let forced =
            [("group.id", group), ("enable.auto.commit", "false"), ("isolation.level", "read_committed")];
        client_config(during, self.properties(), &[], &forced)?
            .create_with_context(Heard::default())
            .map_err(|error| fault::plain(during, &error))
    }
}

/// Reads the classic protocol's assignment: version (i16), then an array of topic (string) and partitions (array of
/// i32), big-endian; what follows is the assignor's own.
fn assignment(bytes: &[u8]) -> Option<Vec<(String, i32)>> {
    let mut rest = Reader(bytes);
    rest.take::<2>()?;
    let mut partitions = Vec::new();
    for _ in 0..rest.i32()? {
        let length = usize::try_from(i16::from_be_bytes(rest.take()?)).ok()?;
        let (name, after) = rest.0.split_at_checked(length)?;
        rest.0 = after;
        let topic = str::from_utf8(name).ok()?;
        for _ in 0..rest.i32()? {
            partitions.push((topic.to_owned(), rest.i32()?));
        }
    }
    partitions.sort();
    Some(partitions)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::assignment;

    #[test]
    fn an_assignment_is_read_and_a_torn_one_is_not() {
        let bytes =
            [0, 1, 0, 0, 0, 1, 0, 3, b'w', b'e', b'b', 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(assignment(&bytes), Some(vec![("web".to_owned(), 1), ("web".to_owned(), 3)]));
        assert_eq!(assignment(&bytes[..20]), None);
        assert_eq!(assignment(&[]), None);
    }
}
