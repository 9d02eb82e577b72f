//! Which process has a customer: the one whose member of the group owns the customer's partition.

use super::client_id::{address_of, host_of, name_of};
use super::setup::Setup;
use anyhow::Result;
use cxwatch_event::partition::murmur2_partition;
use cxwatch_kafka::Properties;
use cxwatch_kafka::admin::Admin;
use cxwatch_kafka::groups::GroupMember;
use cxwatch_kafka::partitioner::{KeyHash, crc32_partition};
use cxwatch_runtime::ports::Fault;
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the brokers may take to describe the group.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// An answer of the brokers is believed for so long: many questions are no reason for many descriptions.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// The process that has a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Owner {
    /// The member's name: application, instance, thread.
    pub(crate) member: String,
    /// Where it comes from, as the brokers see it.
    pub(crate) host: String,
    /// Its admin port, as `admin.advertised` and `admin.listen` say. Absent where its client id does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// It is this process.
    #[serde(skip)]
    pub(crate) is_us: bool,
}

/// Finds owners.
pub(crate) struct Owners {
    properties: Properties,
    group: String,
    /// The topic of any feed: a task has the same partition of all.
    topic: String,
    partitions: i32,
    hash: KeyHash,
    /// How the names of our own members begin.
    us: String,
    seen: Mutex<Seen>,
}

/// The last answer of the brokers.
#[derive(Default)]
struct Seen {
    admin: Option<Admin>,
    members: Option<(Instant, Vec<GroupMember>)>,
}

impl Owners {
    /// For a cluster whose feeds have so many partitions, and whose keys were hashed so.
    pub(crate) fn new(setup: &Setup, partitions: i32, hash: KeyHash) -> Self {
        let settings = &setup.settings;
        Owners {
            properties: settings.kafka.properties.clone(),
            group: settings.application_id.clone(),
            topic: setup.feed_topics().into_iter().next().unwrap_or_default(),
            partitions,
            hash,
            us: format!("{}-{}-", settings.application_id, settings.instance_id),
            seen: Mutex::default(),
        }
    }

    /// The partition in which a customer's events lie.
    pub(crate) fn partition_of(&self, customer: &str) -> i32 {
        match self.hash {
            KeyHash::Crc32 => crc32_partition(customer.as_bytes(), self.partitions),
            _ => {
                let partitions = self.partitions.unsigned_abs();
                i32::try_from(murmur2_partition(customer.as_bytes(), partitions)).unwrap_or(0)
            }
        }
    }

    /// Whether the feeds' records have told how their keys are hashed.
    pub(crate) fn is_sure(&self) -> bool {
        matches!(self.hash, KeyHash::Murmur2 | KeyHash::Crc32)
    }

    /// Who has a partition; `None`: nobody, as while the group is being rebalanced. Blocks.
    pub(crate) fn of(&self, partition: i32) -> Result<Option<Owner>, Fault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.members.as_ref().is_none_or(|(at, _)| at.elapsed() > BELIEVED_FOR) {
            let admin = match seen.admin.take() {
                Some(admin) => admin,
                None => Admin::new(&self.properties, ANSWER_WITHIN)?,
            };
            let described = admin.describe_group(&self.group);
            seen.admin = Some(admin);
            let members = described?.map(|group| group.members).unwrap_or_default();
            seen.members = Some((Instant::now(), members));
        }
        let (_, members) = seen.members.as_ref().expect("just looked");
        Ok(owner(members, &self.topic, partition, &self.us))
    }
}

fn owner(members: &[GroupMember], topic: &str, partition: i32, us: &str) -> Option<Owner> {
    let owns = |member: &&GroupMember| member.partitions.iter().any(|(t, p)| t == topic && *p == partition);
    members.iter().find(owns).map(|member| Owner {
        member: name_of(&member.client_id).to_owned(),
        host: host_of(member).to_owned(),
        address: address_of(member),
        is_us: name_of(&member.client_id)
            .strip_prefix(us)
            .is_some_and(|thread| !thread.is_empty() && thread.bytes().all(|byte| byte.is_ascii_digit())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::client_id::client_id;

    #[test]
    fn the_member_that_has_the_partition_is_named() {
        let member = |name: &str, port: u16, partitions: &[i32]| GroupMember {
            member_id: String::new(),
            client_id: client_id(name, Some(&format!(":{port}")), "00aa11bb22cc"),
            host: "/10.0.0.7".to_owned(),
            partitions: partitions.iter().map(|p| ("web".to_owned(), *p)).collect(),
        };
        let members = [member("cx-a-1-0", 1, &[0, 2]), member("cx-a-0", 2, &[1]), member("cx-a-1", 2, &[3])];
        let of = |partition| {
            owner(&members, "web", partition, "cx-a-")
                .map(|o| (o.member, o.address.unwrap_or_default(), o.is_us))
        };
        assert_eq!(of(2), Some(("cx-a-1-0".to_owned(), "10.0.0.7:1".to_owned(), false)));
        assert_eq!(of(3), Some(("cx-a-1".to_owned(), "10.0.0.7:2".to_owned(), true)));
        assert_eq!(of(4), None);
        assert_eq!(owner(&members, "social", 1, "cx-a-"), None);
    }
}
