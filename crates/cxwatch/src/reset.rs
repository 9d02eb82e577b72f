//! `cxwatch reset`: what an operator may want after offsets or topics were tampered with.
//!
//! The group's offsets and the journal say the same thing twice: both carry the number of the last commit. Where they
//! disagree nobody but an operator can know which is meant, so `run` stops and names the choices made here.

use crate::cli::{Outcome, usage};
use crate::cluster::{client, explained};
use crate::run::setup::{Setup, setup_of_service};
use anyhow::{Result, anyhow};
use clap::Args as ClapArgs;
use cxwatch_kafka::admin::{Admin, OffsetOf};
use cxwatch_kafka::journal_reader::read_journal;
use cxwatch_kafka::producer::TopicOffset;
use cxwatch_runtime::journal::{Assembler, Entry};
use cxwatch_runtime::ports::{Fault, RecordRef};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How long one question may take. Reading a journal takes as long as it takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Show where the group and the journal stand, and put them right after offsets or topics were tampered with.
///
/// Without a choice it shows what it finds and explains the choices. With one it says what it would do; with --yes it
/// does it. It refuses while the group has members.
///
/// It moves no offsets to a place of your choice: state is what was read up to the last commit, and with other offsets events
/// would count twice or not at all. To begin at another place set `start.read_from` in the settings, then use --forget:
/// state is built anew from there.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The settings file.
    #[arg(long, value_name = "FILE", env = "CXWATCH_CONFIG", default_value = "cxwatch.yaml")]
    config: PathBuf,
    /// Go on from the journal: the group's offsets are set to those of the journal's last commit. Nothing is lost and
    /// nothing is done twice. For offsets that were changed or have expired.
    #[arg(long, conflicts_with = "forget")]
    to_journal: bool,
    /// Begin anew: the group's offsets and the journal's records are deleted, the next start is a first start (`start` in
    /// the settings says where to begin). State is built again from history; actions of the past stay as they were
    /// sent, and the same problem has the same action id.
    #[arg(long)]
    forget: bool,
    /// Do it.
    #[arg(long)]
    yes: bool,
}

/// Where one task stands.
struct Standing {
    partition: i32,
    /// By feed: the group's offset and what was committed with it.
    group: Vec<Option<(i64, String)>>,
    /// The journal's last commit.
    journal: Option<Last>,
    /// What kept the journal from being read.
    unreadable: Option<String>,
}

/// A commit: its number, and by feed the offsets committed with it.
struct Last {
    seq: u64,
    offsets: Vec<i64>,
}

impl Standing {
    fn verdict(&self) -> String {
        let group = self.group.iter().filter(|offset| offset.is_some()).count();
        if let Some(why) = &self.unreadable {
            return format!("the journal cannot be read: {why}");
        }
        match &self.journal {
            None if group == 0 => "nothing: a first start".to_owned(),
            None => "the group has offsets, the journal has no commit".to_owned(),
            Some(commit) if group == 0 => {
                format!("the journal has commit {}, the group has no offsets", commit.seq)
            }
            Some(commit) => {
                let wanted = format!("cxwatch seq={}", commit.seq);
                let agree = self.group.iter().flatten().filter(|(_, metadata)| *metadata == wanted).count();
                if agree == self.group.len() {
                    format!("fine: commit {} in both", commit.seq)
                } else {
                    format!(
                        "the journal has commit {}, {} of the group's offsets are of another origin",
                        commit.seq,
                        self.group.len() - agree
                    )
                }
            }
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let setup = setup_of_service(&args.config)?;
    reset(args, &setup).map_err(|error| explained(&setup, error))
}

fn reset(args: &Args, setup: &Setup) -> Result<Outcome> {
    let admin = client(setup, ANSWER_WITHIN)?;
    let journal = &setup.settings.topics.journal;
    let partitions = admin
        .partitions(journal)?
        .ok_or_else(|| usage(format!("the journal {journal} does not exist; make it with `cxwatch topics create`, then `cxwatch reset --forget`")))?;
    let mut out = std::io::stdout();
    let standings = look(setup, &admin, partitions)?;
    for standing in &standings {
        writeln!(out, "task {}: {}", standing.partition, standing.verdict())?;
    }
    if !args.to_journal && !args.forget {
        write!(out, "{CHOICES}")?;
        return Ok(Outcome::Fine);
    }
    refuse_members(setup, &admin)?;
    if args.to_journal {
        to_journal(setup, &admin, &standings, args.yes, &mut out)
    } else {
        forget(setup, &admin, partitions, args.yes, &mut out)
    }
}

const CHOICES: &str = "
Choices:
  cxwatch reset --to-journal   go on from the journal: nothing is lost, nothing is done twice
  cxwatch reset --forget       begin anew: offsets and journal are deleted, `start` in the settings says where to begin
Or put back what was there. Offsets cannot be moved to a place of your choice: state is what was read up to the last commit, and
events would count twice or not at all. To begin at another place of the feeds: set `start.read_from`, then --forget.
";

fn refuse_members(setup: &Setup, admin: &Admin) -> Result<()> {
    let group = &setup.settings.application_id;
    let members = admin.describe_group(group)?.map(|group| group.members).unwrap_or_default();
    if members.is_empty() {
        return Ok(());
    }
    let list: Vec<String> =
        members.iter().map(|member| format!("{} from {}", member.client_id, member.host)).collect();
    Err(usage(format!("the group {group} has members; stop them first: {}", list.join(", "))))
}

fn look(setup: &Setup, admin: &Admin, partitions: i32) -> Result<Vec<Standing>> {
    let feeds = setup.feed_topics();
    (0..partitions)
        .map(|partition| {
            let asked: Vec<(String, i32)> = feeds.iter().map(|feed| (feed.clone(), partition)).collect();
            let group = admin.group_offsets(&setup.settings.application_id, &asked)?;
            let (journal, unreadable) = last_commit(setup, partition)?;
            Ok(Standing { partition, group, journal, unreadable })
        })
        .collect()
}

/// The last commit of a task's journal.
fn last_commit(setup: &Setup, partition: i32) -> Result<(Option<Last>, Option<String>), Fault> {
    let mut assembler = Assembler::default();
    let (mut last, mut unreadable) = (None, None);
    let settings = &setup.settings;
    let member = crate::run::threads::member_properties(settings, 0);
    let mut take = |record: RecordRef<'_>| match assembler.take(record.value.unwrap_or_default()) {
        Ok(Some(Entry::Commit(commit))) => {
            last = Some(Last { seq: commit.seq, offsets: commit.offsets });
        }
        Ok(_) => {}
        Err(error) => unreadable = Some(format!("{error} at offset {}", record.offset)),
    };
    read_journal(&member, &settings.topics.journal, partition, 0, ANSWER_WITHIN, &mut take)?;
    Ok((last, unreadable))
}

fn to_journal(
    setup: &Setup,
    admin: &Admin,
    standings: &[Standing],
    yes: bool,
    out: &mut impl Write,
) -> Result<Outcome> {
    let feeds = setup.feed_topics();
    let mut offsets = Vec::new();
    for standing in standings {
        if let Some(why) = &standing.unreadable {
            return Err(anyhow!(
                "the journal of task {} cannot be read: {why}; only --forget is left",
                standing.partition
            ));
        }
        let Some(commit) = &standing.journal else { continue };
        if commit.offsets.len() != feeds.len() {
            return Err(anyhow!(
                "the journal of task {} knows {} feeds, the rulebook has {}; use the rulebook that was in force",
                standing.partition,
                commit.offsets.len(),
                feeds.len()
            ));
        }
        offsets.extend(feeds.iter().zip(&commit.offsets).map(|(topic, offset)| TopicOffset {
            topic: topic.clone(),
            partition: standing.partition,
            offset: *offset,
            metadata: format!("cxwatch seq={}", commit.seq),
        }));
    }
    if offsets.is_empty() {
        return Err(anyhow!("the journal has no commit to go on from; only --forget is left"));
    }
    let group = &setup.settings.application_id;
    for commit in &offsets {
        writeln!(out, "{}/{} to {}", commit.topic, commit.partition, commit.offset)?;
    }
    if !yes {
        writeln!(out, "these offsets of the group {group} would be set; add --yes to do it")?;
        return Ok(Outcome::Fine);
    }
    admin.alter_group_offsets(group, &offsets)?;
    writeln!(out, "done: the group {group} goes on from the journal")?;
    Ok(Outcome::Fine)
}

fn forget(setup: &Setup, admin: &Admin, partitions: i32, yes: bool, out: &mut impl Write) -> Result<Outcome> {
    let (group, journal) = (&setup.settings.application_id, &setup.settings.topics.journal);
    let starts = admin.offsets(journal, partitions, OffsetOf::Start)?;
    let ends = admin.offsets(journal, partitions, OffsetOf::End)?;
    let records: i64 = ends.iter().zip(&starts).map(|(end, start)| end - start).sum();
    if !yes {
        writeln!(
            out,
            "the group {group} would be deleted with its offsets, and up to {records} records of {journal}; add --yes to do it"
        )?;
        return Ok(Outcome::Fine);
    }
    // The offsets first: if this is interrupted in between, the journal still knows everything (`--to-journal`).
    admin.delete_group(group)?;
    for (partition, (start, end)) in (0..).zip(starts.iter().zip(&ends)) {
        if end > start {
            admin.delete_records(journal, partition, *end)?;
        }
    }
    writeln!(out, "done: the next start of {group} is a first start")?;
    if crate::run::threads::start(&setup.settings, 0).is_none() {
        writeln!(
            out,
            "it will ask where to begin: add `start: {{ read_from: 7d, act_from: now }}` to the settings"
        )?;
    }
    Ok(Outcome::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(seq: u64) -> Last {
        Last { seq, offsets: vec![3, 4] }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let of = |group: [Option<(i64, &str)>; 2], journal: Option<Last>| {
            let group = group.into_iter().map(|offset| offset.map(|(o, m)| (o, m.to_owned()))).collect();
            Standing { partition: 0, group, journal, unreadable: None }.verdict()
        };
        let seven = Some((3, "cxwatch seq=7"));
        assert_eq!(of([None, None], None), "nothing: a first start");
        assert_eq!(of([seven, seven], Some(commit(7))), "fine: commit 7 in both");
        assert_eq!(of([seven, seven], None), "the group has offsets, the journal has no commit");
        assert_eq!(of([None, None], Some(commit(7))), "the journal has commit 7, the group has no offsets");
        assert_eq!(
            of([seven, Some((0, ""))], Some(commit(7))),
            "the journal has commit 7, 1 of the group's offsets are of another origin"
        );
    }
}
