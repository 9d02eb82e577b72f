//! Whether all members of the group run the same rulebook.
//!
//! A member's client id ends with its rulebook's hash, and whoever describes the group sees the client ids of all. Two
//! hashes are a rollout under way, or one that was forgotten half-way: then the same event leads to different actions,
//! depending on its partition.

use super::metrics::Metrics;
use crate::settings::Settings;
use anyhow::Result;
use cxwatch_kafka::admin::Admin;
use cxwatch_kafka::groups::GroupMember;
use cxwatch_rulebook::Rulebook;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How often the group is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What stands before the hash in a client id.
const MARK: &str = "-rules-";
/// So many digits of the hash tell rulebooks apart.
const DIGITS: usize = 12;

/// A rulebook's hash, as client ids carry it.
pub(crate) fn short_hash(book: &Rulebook) -> String {
    book.hash[..DIGITS / 2].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The client id of a member that runs a rulebook.
pub(crate) fn client_id(name: &str, rules: &str) -> String {
    format!("{name}{MARK}{rules}")
}

/// The rulebook that a client id tells of. One that an operator has set tells of none.
fn rules_of(client_id: &str) -> Option<&str> {
    let (_, rules) = client_id.rsplit_once(MARK)?;
    let is_hash = rules.len() == DIGITS && rules.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some(rules)
}

/// By rulebook: who runs it. Ours is among them, also before we have joined.
type Found<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn found<'a>(members: &'a [GroupMember], ours: &'a str) -> Found<'a> {
    let mut found = Found::from([(ours, BTreeSet::new())]);
    for member in members {
        if let Some(rules) = rules_of(&member.client_id) {
            found.entry(rules).or_default().insert(&member.client_id);
        }
    }
    found
}

/// What to say where there is more than one.
fn differ(found: &Found<'_>, ours: &str) -> Option<String> {
    let others = found.iter().filter(|(rules, _)| **rules != ours);
    let list: Vec<String> = others
        .map(|(rules, who)| format!("{rules} ({})", who.iter().copied().collect::<Vec<_>>().join(", ")))
        .collect();
    (!list.is_empty()).then(|| list.join("; "))
}

/// Looks at the group until it is dropped.
pub(crate) struct RulebookWatch {
    /// Dropping it ends the thread.
    _alive: Sender<()>,
}

impl RulebookWatch {
    /// Begins to look.
    pub(crate) fn spawn(settings: &Settings, ours: String, metrics: Metrics) -> Result<Self> {
        let admin = Admin::new(&settings.kafka.properties, ANSWER_WITHIN)?;
        let group = settings.application_id.clone();
        let (alive, gone) = channel::<()>();
        std::thread::Builder::new().name("rulebooks".to_owned()).spawn(move || {
            let mut said = None;
            loop {
                look(&admin, &group, &ours, &metrics, &mut said);
                if gone.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
                    break;
                }
            }
        })?;
        Ok(RulebookWatch { _alive: alive })
    }
}

fn look(admin: &Admin, group: &str, ours: &str, metrics: &Metrics, said: &mut Option<String>) {
    let members = match admin.describe_group(group) {
        Ok(described) => described.map(|group| group.members).unwrap_or_default(),
        Err(fault) => {
            tracing::debug!(%fault, "the group's members cannot be looked at");
            return;
        }
    };
    let found = found(&members, ours);
    metrics.rulebooks_in_group.set(i64::try_from(found.len()).unwrap_or(i64::MAX));
    let differ = differ(&found, ours);
    if differ != *said {
        match &differ {
            Some(others) => tracing::warn!(
                ours,
                others,
                "members of the group run different rulebooks: end the rollout, or the same event leads to different actions"
            ),
            None => tracing::info!(ours, "all members of the group run the same rulebook"),
        }
    }
    *said = differ;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(client_id: &str) -> GroupMember {
        GroupMember {
            member_id: String::new(),
            client_id: client_id.to_owned(),
            host: String::new(),
            partitions: Vec::new(),
        }
    }

    #[test]
    fn members_with_another_rulebook_are_named() {
        let (ours, other) = ("00aa11bb22cc", "ffffffffffff");
        let (a, b) = (client_id("cxwatch-pod-1-0", ours), client_id("cxwatch-pod-2-0", other));
        let same = [member(&a), member(&a)];
        assert_eq!(differ(&found(&same, ours), ours), None);
        let rollout = [member(&a), member(&b)];
        assert_eq!(found(&rollout, ours).len(), 2);
        assert_eq!(
            differ(&found(&rollout, ours), ours).as_deref(),
            Some("ffffffffffff (cxwatch-pod-2-0-rules-ffffffffffff)")
        );
        // Before we have joined.
        assert_eq!(found(&[member(&b)], ours).len(), 2);
    }

    #[test]
    fn a_client_id_of_the_operators_tells_nothing() {
        for id in ["", "rdkafka", "shop-rules-v2", "shop-rules-00aa11bb22cc-eu", "shop-rules-00AA11BB22CC"] {
            assert_eq!(rules_of(id), None, "{id}");
        }
        assert_eq!(differ(&found(&[member("shop")], "00aa11bb22cc"), "00aa11bb22cc"), None);
    }
}
