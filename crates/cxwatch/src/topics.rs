//! `cxwatch topics create`: every topic of the settings, with the right settings, as often as one likes.

use crate::cli::Outcome;
use crate::cluster::{client, explained};
use crate::run::setup::{Feed, Setup, setup};
use anyhow::{Result, bail};
use clap::{Args as ClapArgs, Subcommand};
use cxwatch_event::builtin;
use cxwatch_kafka::admin::{Admin, TopicSpec, TopicState};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How long one question to the cluster may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Partitions of new topics where no feed exists that they must agree with.
const PARTITIONS: i32 = 8;

/// Segments of the journal: what was deleted leaves the disk by whole segments.
const JOURNAL_SEGMENT_BYTES: &str = "67108864";

/// Records of customers are compacted away after so long at the earliest.
const COMPACTED_AFTER_MS: i64 = 3_600_000;

/// Make the topics that the service needs.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the topics of the settings that do not exist, and report where existing ones differ; those are never
    /// changed.
    Create {
        /// The settings file.
        #[arg(long, value_name = "FILE", env = "CXWATCH_CONFIG", default_value = "cxwatch.yaml")]
        config: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let Command::Create { config, dry_run } = &args.command;
    let setup = setup(config)?;
    create(&setup, *dry_run).map_err(|error| explained(&setup, error))
}

fn create(setup: &Setup, dry_run: bool) -> Result<Outcome> {
    let admin = client(setup, ANSWER_WITHIN)?;
    let mut existing = BTreeMap::new();
    for feed in &setup.feeds {
        existing.insert(feed.settings.topic.clone(), admin.partitions(&feed.settings.topic)?);
    }
    let partitions = partitions(setup.settings.topics.partitions, &existing)?;
    let mut differ = false;
    let mut out = std::io::stdout();
    for spec in specs(setup, partitions) {
        let state = if dry_run { compare(&admin, &spec)? } else { Some(admin.ensure_topic(&spec)?) };
        differ |= matches!(state, Some(TopicState::Differs(_)));
        writeln!(out, "{}", line(&spec, state.as_ref()))?;
    }
    Ok(if differ { Outcome::Problem } else { Outcome::Fine })
}

/// What holds of a topic; `None`: it would be made.
fn compare(admin: &Admin, spec: &TopicSpec) -> Result<Option<TopicState>> {
    Ok(admin.describe_topic(&spec.name)?.map(|there| spec.compare(&there)))
}

fn line(spec: &TopicSpec, state: Option<&TopicState>) -> String {
    let TopicSpec { name, partitions, settings, .. } = spec;
    let with = settings.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
    match state {
        None => format!("would create  {name}: {partitions} partitions{with}"),
        Some(TopicState::Created) => format!("created       {name}: {partitions} partitions{with}"),
        Some(TopicState::Existed) => format!("exists        {name}"),
        Some(TopicState::Differs(differences)) => {
            format!(
                "DIFFERS       {name}: {}; change it with kafka-configs or kafka-topics, or make it anew",
                differences.join(", ")
            )
        }
    }
}

/// How many partitions all topics have: as the operator says, else as the feeds that exist.
fn partitions(wanted: Option<i32>, existing: &BTreeMap<String, Option<i32>>) -> Result<i32> {
    let mut counts: Vec<i32> = existing.values().filter_map(|count| *count).collect();
    counts.sort_unstable();
    counts.dedup();
    match (wanted, counts.as_slice()) {
        (Some(wanted), _) => Ok(wanted),
        (None, []) => Ok(PARTITIONS),
        (None, [count]) => Ok(*count),
        (None, _) => {
            let list: Vec<String> = existing
                .iter()
                .filter_map(|(topic, count)| count.map(|count| format!("{topic} has {count}")))
                .collect();
            bail!(
                "the feeds' topics have different numbers of partitions ({}), so a customer's events lie in different \
                 ones; give all the same number, or copy the odd ones into topics that have it",
                list.join(", ")
            )
        }
    }
}

/// All topics as they should be.
fn specs(setup: &Setup, partitions: i32) -> Vec<TopicSpec> {
    let topics = &setup.settings.topics;
    let spec = |name: &str, settings: &[(&str, &str)]| TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: topics.replication,
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    // A restore reads some of the past again; what was compacted away meanwhile would be missing.
    let lag = (2 * setup.settings.snapshot_every_ms).max(COMPACTED_AFTER_MS).to_string();
    let table = [("cleanup.policy", "compact"), ("min.compaction.lag.ms", lag.as_str())];
    let feed = |feed: &Feed| {
        let of_customers = feed.name == builtin::CUSTOMERS;
        spec(&feed.settings.topic, if of_customers { &table } else { &[] })
    };
    let mut specs: Vec<TopicSpec> = setup.feeds.iter().map(feed).collect();
    let retention = topics.retention_ms.to_string();
    for output in [&topics.actions, &topics.suppressions, &topics.incidents, &topics.dead_letters] {
        specs.push(spec(output, &[("cleanup.policy", "delete"), ("retention.ms", &retention)]));
    }
    specs.push(spec(&topics.journal, JOURNAL));
    specs.push(TopicSpec { partitions: 1, ..spec(&topics.control, &[("cleanup.policy", "compact")]) });
    specs
}

/// What the journal's topic must be like: nothing goes but what we delete ourselves.
pub(crate) const JOURNAL: &[(&str, &str)] = &[
    ("cleanup.policy", "delete"),
    ("retention.bytes", "-1"),
    ("retention.ms", "-1"),
    ("segment.bytes", JOURNAL_SEGMENT_BYTES),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_topics_have_as_many_partitions_as_the_feeds() {
        let existing = |list: &[(&str, Option<i32>)]| {
            list.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect::<BTreeMap<_, _>>()
        };
        let some = existing(&[("web", Some(12)), ("social", None)]);
        assert_eq!(partitions(None, &some).expect("one count"), 12);
        assert_eq!(partitions(Some(4), &some).expect("the operator's"), 4);
        assert_eq!(partitions(None, &existing(&[("web", None)])).expect("the default"), PARTITIONS);
        let uneven =
            partitions(None, &existing(&[("web", Some(4)), ("social", Some(8))])).expect_err("uneven");
        assert!(uneven.to_string().contains("social has 8, web has 4"), "{uneven}");
    }
}
