//! Whether the brokers allow us what the service does, all of it at the start: a right that is missing would else show at its first
//! use, `Write` on the topic of actions at the first action.

use super::setup::Setup;
use crate::cli::usage;
use crate::cluster::explain;
use anyhow::Result;
use cxwatch_kafka::admin::Admin;
use cxwatch_kafka::rights::{Allowed, Right};
use cxwatch_runtime::ports::Fault;
use std::collections::BTreeMap;

/// By topic: what we do with it.
fn needed(setup: &Setup) -> BTreeMap<&str, Vec<Right>> {
    let topics = &setup.settings.topics;
    let mut needed: BTreeMap<&str, Vec<Right>> = BTreeMap::new();
    let feeds = setup.feeds.iter().map(|feed| (&feed.settings.topic, Right::Read));
    let outputs = [&topics.actions, &topics.suppressions, &topics.incidents, &topics.dead_letters];
    let outputs = outputs.into_iter().map(|topic| (topic, Right::Write));
    let own =
        [(&topics.journal, Right::Read), (&topics.journal, Right::Write), (&topics.control, Right::Read)];
    for (topic, right) in feeds.chain(outputs).chain(own) {
        needed.entry(topic).or_default().push(right);
    }
    needed
}

/// What is needed and not allowed: (`--topic` or `--group`, its name, the right).
fn lacking<'a>(
    kind: &'static str,
    needed: &[(&'a str, Right)],
    allowed: &Allowed,
) -> Vec<(&'static str, &'a str, Right)> {
    let is_lacking =
        |(name, right): &&(&str, Right)| allowed.get(*name).is_some_and(|rights| !rights.contains(right));
    needed.iter().filter(is_lacking).map(|(name, right)| (kind, *name, *right)).collect()
}

/// Refuses to start where a right is missing, and names all that are.
pub(super) fn check(setup: &Setup, admin: &Admin) -> Result<()> {
    let needed = needed(setup);
    // The first question of all: brokers that do not answer, or do not let us in, are told of here.
    let first = needed.keys().next().map_or(Ok(None), |topic| admin.partitions(topic));
    if let Err(fault) = first.as_ref()
        && !fault.code.contains("Authorization")
    {
        return Err(explain(setup, fault));
    }
    let topics: Vec<&str> = needed.keys().copied().collect();
    let of_topics: Vec<(&str, Right)> =
        needed.iter().flat_map(|(topic, rights)| rights.iter().map(|right| (*topic, *right))).collect();
    let group = setup.settings.application_id.as_str();
    let allowed = answered(admin.allowed_on_topics(&topics));
    let mut missing = lacking("topic", &of_topics, &allowed);
    missing.extend(lacking("group", &[(group, Right::Read)], &answered(admin.allowed_on_group(group))));
    let journal = setup.settings.topics.journal.as_str();
    if !lacking("topic", &[(journal, Right::Delete)], &allowed).is_empty() && missing.is_empty() {
        tracing::warn!(
            journal,
            "Delete on the journal's topic is not allowed, so that it grows for ever: what snapshots make needless cannot be deleted"
        );
    }
    if missing.is_empty() { Ok(()) } else { Err(usage(told(setup, &missing))) }
}

/// Where a broker does not tell, the first refusal will.
fn answered(allowed: Result<Allowed, Fault>) -> Allowed {
    allowed.unwrap_or_else(|fault| {
        tracing::debug!(%fault, "what is allowed cannot be asked for");
        Allowed::default()
    })
}

fn told(setup: &Setup, missing: &[(&str, &str, Right)]) -> String {
    let list: Vec<String> =
        missing.iter().map(|(kind, name, right)| format!("{right} on the {kind} {name}")).collect();
    let user = setup.settings.kafka.properties.get("sasl.username").map_or("USER", String::as_str);
    let (kind, name, right) = missing[0];
    format!(
        "the brokers do not allow the user of `kafka.properties` all that is needed. Missing: {}. Give it these rights, such as by \
         `kafka-acls --add --allow-principal User:{user} --operation {right} --{kind} {name}`; docs/operations.md lists all \
         that are needed",
        list.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn only_what_a_broker_denies_is_missing() {
        let needed = [("web", Right::Read), ("actions", Right::Write), ("social", Right::Read)];
        let allowed = Allowed::from([
            ("web".to_owned(), BTreeSet::from([Right::Describe, Right::Read])),
            ("actions".to_owned(), BTreeSet::from([Right::Describe])),
        ]);
        assert_eq!(lacking("topic", &needed, &allowed), [("topic", "actions", Right::Write)]);
        assert_eq!(lacking("topic", &needed, &Allowed::default()), []);
    }
}
