//! What is looked at before anything runs, so that a mistake is told at the start and in words that help.

use super::decoders::map;
use super::rights;
use super::setup::{Feed, Setup};
use super::threads::member_properties;
use crate::cli::usage;
use crate::cluster::{client, explain};
use crate::topics::JOURNAL;
use anyhow::Result;
use cxwatch_event::mapping::Refusal;
use cxwatch_event::{RawRecord, Reason, Record};
use cxwatch_kafka::admin::{Admin, OffsetOf};
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::partitioner::{KeyHash, KeyHashDetector};
use cxwatch_runtime::ports::{Answer, Fault, FeedPartition, Item};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long one question may take.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the first records of a feed are waited for.
const SAMPLE_WITHIN: Duration = Duration::from_secs(3);
/// How many of them are looked at, per partition.
const SAMPLE_RECORDS: i64 = 200;
/// So many records whose customer is not their key are tolerated in a mapped feed's sample, in percent.
const WRONG_KEYS_PERCENT: usize = 1;

/// What was found.
pub(crate) struct Found {
    /// The number of partitions that all feeds have.
    pub(crate) partitions: i32,
    /// How the keys of all feeds were hashed.
    pub(crate) hash: KeyHash,
    /// Which feeds were written with which key hash, if they disagree.
    pub(crate) key_hashes: Option<String>,
}

/// Looks at the cluster.
pub(crate) fn check(setup: &Setup) -> Result<Found> {
    let admin = client(setup, ANSWER_WITHIN)?;
    rights::check(setup, &admin)?;
    let partitions = check_topics(setup, &admin)?;
    check_journal(setup, &admin)?;
    check_compaction(setup, &admin)?;
    check_start(setup, &admin, partitions)?;
    let verdicts = check_keys(setup, &admin, partitions)?;
    Ok(Found { partitions, hash: agreed(&verdicts), key_hashes: disagreement(&verdicts) })
}

/// Where the feeds end now: (feed, partition, next offset).
pub(crate) fn ends(setup: &Setup, partitions: i32) -> Result<Vec<(usize, i32, i64)>> {
    let admin = client(setup, ANSWER_WITHIN)?;
    let mut ends = Vec::new();
    for (feed, topic) in setup.feed_topics().iter().enumerate() {
        let offsets = admin.offsets(topic, partitions, OffsetOf::End)?;
        ends.extend((0..).zip(offsets).map(|(partition, end)| (feed, partition, end)));
    }
    Ok(ends)
}

fn check_topics(setup: &Setup, admin: &Admin) -> Result<i32> {
    let topics = &setup.settings.topics;
    let outputs =
        [&topics.actions, &topics.suppressions, &topics.incidents, &topics.dead_letters, &topics.journal];
    let mut problems = Vec::new();
    let mut counts = Vec::new();
    for feed in &setup.feeds {
        match admin.partitions(&feed.settings.topic).map_err(|fault| explain(setup, &fault))? {
            Some(count) => counts.push((feed.settings.topic.as_str(), count)),
            None => problems.push(format!(
                "the topic {} of the feed {} does not exist; name another with `feeds.{}.topic`, or make it with `cxwatch topics create`",
                feed.settings.topic, feed.name, feed.name
            )),
        }
    }
    let partitions = counts.first().map_or(1, |(_, count)| *count);
    if counts.iter().any(|(_, count)| *count != partitions) {
        let list: Vec<String> = counts.iter().map(|(topic, count)| format!("{topic} has {count}")).collect();
        problems.push(format!(
            "the feeds have different numbers of partitions ({}), so a customer's events lie in different ones; give all the same number",
            list.join(", ")
        ));
    }
    for topic in outputs {
        match admin.partitions(topic).map_err(|fault| explain(setup, &fault))? {
            Some(count) if count == partitions => {}
            Some(count) => problems.push(format!(
                "the topic {topic} has {count} partitions, the feeds have {partitions}; it needs as many, for a task writes to its own partition number"
            )),
            None => problems.push(format!("the topic {topic} does not exist; make it with `cxwatch topics create`")),
        }
    }
    let control = &topics.control;
    match admin.partitions(control).map_err(|fault| explain(setup, &fault))? {
        Some(1) => {}
        Some(count) => problems.push(format!(
            "the topic {control} has {count} partitions; it needs one, so that what operators order is read in their order"
        )),
        None => problems.push(format!("the topic {control} does not exist; make it with `cxwatch topics create`")),
    }
    refuse(problems)?;
    Ok(partitions)
}

fn refuse(problems: Vec<String>) -> Result<()> {
    if problems.is_empty() { Ok(()) } else { Err(usage(problems.join("\nerror: "))) }
}

/// A journal that loses records by age or size cannot be restored from.
fn check_journal(setup: &Setup, admin: &Admin) -> Result<()> {
    let topic = &setup.settings.topics.journal;
    let described = match admin.describe_topic(topic) {
        Ok(described) => described,
        // Describing settings is a right of its own, and not needed for running.
        Err(fault) => {
            tracing::warn!(%fault, "the journal's settings cannot be looked at");
            return Ok(());
        }
    };
    let Some(described) = described else { return Ok(()) };
    let wrong: Vec<String> = JOURNAL
        .iter()
        .filter(|(name, _)| *name != "segment.bytes")
        .filter_map(|(name, wanted)| {
            let value = described.settings.get(*name)?;
            (value != wanted).then(|| format!("{name} is {value}, not {wanted}"))
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(usage(format!(
        "the journal {topic} would lose what a restore needs: {}; change it with kafka-configs",
        wrong.join(", ")
    )))
}

/// A restore reads the feeds of about two snapshot intervals again; what a broker has compacted away by then would be
/// missing.
fn check_compaction(setup: &Setup, admin: &Admin) -> Result<()> {
    let needed_ms = 2 * setup.settings.snapshot_every_ms;
    let mut problems = Vec::new();
    for topic in setup.feed_topics() {
        // Without the right to look there is nothing to say.
        let Ok(Some(described)) = admin.describe_topic(&topic) else { continue };
        if let Some(lag_ms) = compacts_after(&described.settings)
            && lag_ms < needed_ms
        {
            problems.push(format!(
                "the topic {topic} is compacted after {lag_ms} ms, but a restore may read records that are {needed_ms} ms old \
                 again; set its min.compaction.lag.ms to at least that"
            ));
        }
    }
    refuse(problems)
}

/// How old records of a topic are at least before they may be compacted away; `None` where they never are.
fn compacts_after(settings: &BTreeMap<String, String>) -> Option<i64> {
    let policy = settings.get("cleanup.policy")?;
    let lag = settings.get("min.compaction.lag.ms").and_then(|ms| ms.parse().ok()).unwrap_or(0);
    policy.split(',').any(|word| word.trim() == "compact").then_some(lag)
}

/// At the very first start an operator says where to begin.
fn check_start(setup: &Setup, admin: &Admin, partitions: i32) -> Result<()> {
    let settings = &setup.settings;
    if settings.start.read_from.is_some() && settings.start.act_from.is_some() {
        return Ok(());
    }
    let all: Vec<(String, i32)> = setup
        .feed_topics()
        .into_iter()
        .flat_map(|topic| (0..partitions).map(move |partition| (topic.clone(), partition)))
        .collect();
    let deadline = Instant::now() + ANSWER_WITHIN;
    let offsets = loop {
        match admin.group_offsets(&settings.application_id, &all) {
            // A coordinator that is new or has moved answers in a moment.
            Err(fault) if fault.answer == Answer::Retry && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(100));
            }
            answer => break answer.map_err(|fault| explain(setup, &fault))?,
        }
    };
    let nothing = offsets.iter().all(Option::is_none);
    if !nothing {
        return Ok(());
    }
    Err(usage(format!(
        "this is the first start of the application {}: say where to begin, for example `start: {{ read_from: 7d, act_from: now }}` \
         (history of a week builds state, actions are asked for from now on)",
        settings.application_id
    )))
}

/// The first records of every partition tell which hash put the keys where they are, and whether a mapped feed's
/// customers are its keys.
fn check_keys<'s>(setup: &'s Setup, admin: &Admin, partitions: i32) -> Result<Vec<(&'s str, KeyHash)>> {
    let mut verdicts = Vec::new();
    for feed in &setup.feeds {
        let sample = match sample(setup, admin, feed, partitions) {
            Ok(sample) => sample,
            // Not to be able to look is no proof of a mistake.
            Err(fault) => {
                tracing::warn!(feed = feed.name, %fault, "the keys cannot be looked at");
                continue;
            }
        };
        if sample.wrong_keys * 100 > sample.records * WRONG_KEYS_PERCENT {
            return Err(usage(format!(
                "in {} of the first {} records of the feed {} the customer that the mapping finds is not the record's key; \
                 choose the key's field in the mapping, or re-key the topic",
                sample.wrong_keys, sample.records, feed.name
            )));
        }
        verdicts.push((feed.name.as_str(), sample.hash));
    }
    Ok(verdicts)
}

/// The hash that all feeds agree on of which something is known.
fn agreed(verdicts: &[(&str, KeyHash)]) -> KeyHash {
    let mut known = verdicts.iter().map(|(_, hash)| *hash).filter(|hash| *hash != KeyHash::Undecided);
    let first = known.next().unwrap_or(KeyHash::Undecided);
    if known.all(|hash| hash == first) { first } else { KeyHash::Neither }
}

/// What to say where feeds were written with different hashes.
fn disagreement(verdicts: &[(&str, KeyHash)]) -> Option<String> {
    let known: Vec<&(&str, KeyHash)> =
        verdicts.iter().filter(|(_, hash)| *hash != KeyHash::Undecided).collect();
    let first = known.first()?.1;
    let alike = known.iter().all(|(_, hash)| *hash == first) && first != KeyHash::Neither;
    (!alike).then(|| {
        let list: Vec<String> = known.iter().map(|(name, hash)| format!("{name}: {}", word(*hash))).collect();
        format!(
            "feeds were written with different key hashes ({}), so a customer's events lie in different partitions; \
             let all producers use murmur2 (librdkafka: partitioner=murmur2_random)",
            list.join(", ")
        )
    })
}

fn word(hash: KeyHash) -> &'static str {
    match hash {
        KeyHash::Murmur2 => "murmur2",
        KeyHash::Crc32 => "crc32",
        KeyHash::Neither => "neither murmur2 nor crc32",
        KeyHash::Undecided => "too few records",
    }
}

struct Sample {
    records: usize,
    wrong_keys: usize,
    hash: KeyHash,
}

fn sample(setup: &Setup, admin: &Admin, feed: &Feed, partitions: i32) -> Result<Sample, Fault> {
    let topic = &feed.settings.topic;
    let starts = admin.offsets(topic, partitions, OffsetOf::Start)?;
    let ends = admin.offsets(topic, partitions, OffsetOf::StableEnd)?;
    let mut wanted = 0;
    let mut from = Vec::new();
    for ((partition, start), end) in (0..).zip(starts).zip(ends) {
        if end > start {
            wanted += (end - start).min(SAMPLE_RECORDS);
            from.push((FeedPartition { feed: 0, partition }, start));
        }
    }
    let mut sample = Sample { records: 0, wrong_keys: 0, hash: KeyHash::Undecided };
    if from.is_empty() {
        return Ok(sample);
    }
    let mut member = member_properties(&setup.settings, 0);
    member.remove("group.instance.id");
    let mut reader = FeedConsumer::assign(&member, std::slice::from_ref(topic), &from, ANSWER_WITHIN)?;
    let section = feed.mapping.as_ref().and_then(|m| m.sections.iter().find(|s| s.feed == feed.name));
    let (mut hashes, mut open) = (KeyHashDetector::default(), from.len());
    let deadline = Instant::now() + SAMPLE_WITHIN;
    while (sample.records as i64) < wanted && open > 0 && Instant::now() < deadline {
        reader.serve_within(0, 500, Duration::from_millis(100), &mut |item| match item {
            Item::Record(record) => {
                sample.records += 1;
                hashes.see(record.key, record.partition, partitions);
                let raw = RawRecord {
                    feed: &feed.name,
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                };
                let mut refused = Vec::new();
                if let Some(section) = section {
                    let (interest, out) = (&setup.book.interest, &mut Record::default());
                    map(section, interest, &raw, record.offset, out, &mut refused);
                }
                let wrong = |refusal: &Refusal| refusal.rejection.reason == Reason::WrongKey;
                sample.wrong_keys += usize::from(refused.iter().any(wrong));
            }
            Item::Eof { .. } => open = open.saturating_sub(1),
            Item::Error { .. } => {}
        });
    }
    sample.hash = hashes.verdict();
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_compacted_topics_lose_records_that_way() {
        let of = |list: &[(&str, &str)]| {
            compacts_after(
                &list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            )
        };
        assert_eq!(of(&[("cleanup.policy", "delete"), ("min.compaction.lag.ms", "0")]), None);
        assert_eq!(of(&[("cleanup.policy", "compact"), ("min.compaction.lag.ms", "300000")]), Some(300_000));
        assert_eq!(of(&[("cleanup.policy", "delete,compact")]), Some(0));
    }

    #[test]
    fn feeds_that_disagree_are_named() {
        use KeyHash::{Crc32, Murmur2, Neither, Undecided};
        assert_eq!(disagreement(&[("web", Murmur2), ("social", Undecided), ("transaction", Murmur2)]), None);
        assert_eq!(disagreement(&[("web", Crc32), ("social", Crc32)]), None);
        assert_eq!(disagreement(&[]), None);
        let differ = disagreement(&[("web", Murmur2), ("social", Crc32)]).expect("they differ");
        assert!(differ.contains("(web: murmur2, social: crc32)"), "{differ}");
        assert!(disagreement(&[("web", Neither)]).is_some());
        assert_eq!(agreed(&[("web", Undecided), ("social", Crc32)]), Crc32);
        assert_eq!(agreed(&[("web", Murmur2), ("social", Crc32)]), Neither);
        assert_eq!(agreed(&[]), Undecided);
    }
}
