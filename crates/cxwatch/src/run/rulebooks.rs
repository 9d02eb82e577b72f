//! Whether all members of the group run the same rulebook.
//!
//! A member's client id ends with its rulebook's hash, and whoever describes the group sees the client ids of all. Two
//! hashes are a rollout under way, or one that was forgotten half-way: then the same event leads to different actions,
//! depending on its partition.

use super::client_id::rules_of;
use super::metrics::Metrics;
use crate::settings::Settings;
use anyhow::Result;
use cxwatch_kafka::admin::Admin;
use cxwatch_kafka::groups::GroupMember;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How often the group is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

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
    use crate::run::client_id::client_id;

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
        let (a, b) = (client_id("cxwatch-pod-1-0", None, ours), client_id("cxwatch-pod-2-0", None, other));
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
        assert_eq!(differ(&found(&[member("shop")], "00aa11bb22cc"), "00aa11bb22cc"), None);
    }
}
