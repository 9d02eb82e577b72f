//! `cxwatch replay`.

use super::{Outcome, cluster, file, time, usage};
use crate::replay::topics::{Topics, Wanted};
use crate::replay::{Job, replay, replay_topics, total_bytes};
use crate::run::setup::Setup;
use crate::settings::Moment;
use anyhow::{Context, Result};
use cxwatch_engine::{FOREVER, Settings};
use cxwatch_event::Millis;
use cxwatch_rulebook::{FeedSet, Rulebook};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

mod output;
mod summary;

/// Run a rulebook over files of events, or the feeds' topics, and tell what it would have found.
///
/// Files hold CloudEvents as JSON lines, or rows that a mapping turns into events; plain, gzip or zstd. Each event goes
/// to the home feed of its type. Detections, retractions, resolutions, actions and suppressions are written as CloudEvents,
/// one a line, in the order (instant processed, partition, order within the task); at one instant a task's detections come
/// before its actions. The same input gives the same bytes. A summary goes to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Time: only events move it. A feed that is over, or has no events at all, holds nobody back. At the end the clock stands
at the newest event of all input, or at --until.

Order: files that hold the same feeds are read one after the other in the order given; files of different feeds side by
side. Where a file is out of order by more than --reorder, sort it: --sort.

Topics: --from-kafka reads the topics of the feeds that some rule needs, committed records only, from --since to where they
end now; it joins no group and commits nothing. Each partition is a task, as in the service; --partitions N spreads customers
over N tasks instead. The topics have the feeds' names, or those of --config, whose time settings then hold, too.

Examples:
  cxwatch replay --rulebook retail.yaml day/web.jsonl day/transaction.jsonl.zst
  cxwatch replay --rulebook calls.yaml --mapping calls.map.yaml --sort --out found.jsonl calls-*.csv
  cxwatch replay --rulebook new.yaml --config cxwatch.yaml --from-kafka broker:9092 --since 30d --out found.jsonl
  zcat events.gz | cxwatch replay --rulebook retail.yaml --until 2026-11-25 -

Exit code: 0 fine, 1 something was refused or could not be read, 2 wrong usage, rulebook or mapping.")]
pub(crate) struct Args {
    /// The rulebook (YAML) [default: that of --config].
    #[arg(long, short, value_name = "FILE", required_unless_present = "config")]
    rulebook: Option<PathBuf>,

    /// Read the feeds' topics of the cluster at these brokers, instead of files.
    #[arg(long, value_name = "HOST:PORT,...", conflicts_with_all = ["files", "mapping", "sort", "feeds"])]
    from_kafka: Option<String>,

    /// Where topics are begun, by the time that records carry: so long ago, at a time, or `earliest`.
    #[arg(long, value_name = "DURATION|TIME", default_value = "earliest", value_parser = time::moment, requires = "from_kafka")]
    since: Moment,

    #[command(flatten)]
    cluster: cluster::Cluster,

    /// How rows become events (YAML). Without it the files hold CloudEvents as JSON lines.
    #[arg(long, short, value_name = "FILE")]
    mapping: Option<PathBuf>,

    /// Sort all events by time before they are judged; at one instant they keep the order of the input.
    #[arg(long)]
    sort: bool,

    /// The most memory that sorting may take, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    sort_memory: usize,

    /// Spread customers over so many tasks, as topics with so many partitions do (murmur2, as Java clients)
    /// [default: 1; of topics: as many as they have].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: Option<u32>,

    /// Where the clock stops [default: at the newest event].
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    until: Option<Millis>,

    /// Take events that lie in the future as they are.
    #[arg(long)]
    allow_future: bool,

    /// How far apart two events of a feed may stand in the wrong order: for all feeds, or FEED=DURATION. Repeatable
    /// [default: 1s, or as --config says].
    #[arg(long, value_name = "[FEED=]DURATION")]
    reorder: Vec<String>,

    /// How far behind its feed an event may lie and still be put where it belongs [default: 10m, or as --config says].
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    late_horizon: Option<Millis>,

    /// For how long an event with the same source and id counts as the same event [default: 2m, or as --config says].
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    dedupe_for: Option<Millis>,

    /// The feeds that the input holds, if it is known: spares a look into the files beforehand, and lets standard input
    /// be judged while it is read.
    #[arg(long, value_name = "FEED,...", value_delimiter = ',', conflicts_with = "mapping")]
    feeds: Vec<String>,

    /// Write to a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How it is written.
    #[arg(long, value_enum, default_value_t = output::Format::Json)]
    format: output::Format,

    /// What is written.
    #[arg(long, value_enum, default_value_t = output::Only::All)]
    only: output::Only,

    /// Write what was refused to a file, as dead letters with file and line.
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,

    /// Exit with 0 even if something was refused.
    #[arg(long)]
    allow_rejected: bool,

    /// No summary and no progress on standard error.
    #[arg(long, short)]
    quiet: bool,

    /// The files; `-` is standard input.
    #[arg(required_unless_present = "from_kafka", value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: Args) -> Result<Outcome> {
    let started = time::now();
    let setup = args.cluster.setup(args.rulebook.as_deref())?;
    if args.from_kafka.is_none() && (setup.is_some() || !args.cluster.kafka_property.is_empty()) {
        return Err(usage(
            "--config and --kafka-property are about a cluster: name its brokers with --from-kafka",
        ));
    }
    let book = match (&setup, &args.rulebook) {
        (Some(setup), _) => Arc::clone(&setup.book),
        (None, Some(path)) => file::rulebook(path)?,
        (None, None) => return Err(usage("a rulebook is needed: --rulebook FILE")),
    };
    let mapping = args.mapping.as_deref().map(|path| file::mapping(path, &book.catalogue)).transpose()?;
    if args.files.iter().filter(|f| f.as_os_str() == "-").count() > 1 {
        return Err(usage("standard input can be read only once"));
    }
    let topics = topics(&args, &book, setup.as_ref(), started)?;
    let job = Job {
        settings: settings(&args, &book, setup.as_ref())?,
        feeds: feeds(&args.feeds, &book)?,
        book,
        mapping: mapping.as_ref(),
        files: args.files.clone(),
        partitions: args.partitions.unwrap_or(1),
        until: args.until,
        now: if args.allow_future { FOREVER } else { started },
        sort_bytes_max: args.sort.then_some(args.sort_memory << 20),
    };
    let total = match &topics {
        Some(topics) => output::Total::Offsets(topics.total()),
        None => output::Total::Bytes(total_bytes(job.files.iter().map(|f| f.as_path()))),
    };
    let mut sink = output::Output::new(
        &job,
        (args.format, args.only),
        create(args.out.as_ref())?,
        args.rejected.as_ref().map(|path| create(Some(path))).transpose()?,
        (!args.quiet).then_some(total),
    )?;
    let report = match topics {
        Some(topics) => replay_topics(&job, topics, &mut sink),
        None => replay(&job, &mut sink),
    };
    let summary = sink.finish(report.is_ok())?;
    let report = report?;
    if !args.files.is_empty() && report.passed == 0 && report.span.is_none() {
        let files: Vec<String> = args.files.iter().map(|file| file.display().to_string()).collect();
        anyhow::bail!("there is nothing to replay, the input is empty: {}", files.join(", "));
    }
    if !args.files.is_empty() && report.span.is_none() && report.rejected.values().all(|count| *count == 0) {
        let files: Vec<String> = args.files.iter().map(|file| file.display().to_string()).collect();
        eprintln!(
            "warning: no rows: nothing in {} came to an event (a header alone, or rows that the mapping passes over)",
            files.join(", ")
        );
    }
    if !args.quiet {
        eprint!("{}", summary::render(&job, &report, &summary));
    }
    let refused = report.rejected.values().sum::<u64>() > 0;
    Ok(if refused && !args.allow_rejected { Outcome::Problem } else { Outcome::Fine })
}

fn create(path: Option<&PathBuf>) -> Result<Box<dyn Write>> {
    Ok(match path.filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Box::new(BufWriter::with_capacity(1 << 16, file))
        }
        None => Box::new(BufWriter::with_capacity(1 << 16, io::stdout())),
    })
}

/// Where the topics begin and end, if topics are to be read.
fn topics(args: &Args, book: &Rulebook, setup: Option<&Setup>, now: Millis) -> Result<Option<Topics>> {
    let Some(brokers) = &args.from_kafka else { return Ok(None) };
    let properties = args.cluster.properties(brokers, setup)?;
    let plain = cluster::plain_feeds(book);
    let feeds = setup.map_or(plain.as_slice(), |setup| &setup.feeds);
    Topics::open(book, Wanted { properties, feeds, since: args.since, tasks: args.partitions, now }).map(Some)
}

fn settings(args: &Args, book: &Rulebook, setup: Option<&Setup>) -> Result<Settings> {
    let mut settings = setup.map_or_else(|| Settings::new(book.feeds.len()), Setup::engine);
    settings.late_horizon_ms = args.late_horizon.unwrap_or(settings.late_horizon_ms);
    settings.dedupe_for_ms = args.dedupe_for.unwrap_or(settings.dedupe_for_ms);
    for setting in &args.reorder {
        let (feed, text) = match setting.split_once('=') {
            Some((feed, text)) => (Some(feed), text),
            None => (None, setting.as_str()),
        };
        let reorder_ms = time::duration(text).map_err(|e| usage(format!("--reorder {setting}: {e}")))?;
        let named = feed.map(|name| feed_named(name, book)).transpose()?;
        for (at, feed) in settings.feeds.iter_mut().enumerate() {
            if named.is_none_or(|named| usize::from(named.0) == at) {
                feed.reorder_ms = reorder_ms;
                feed.max_delay_ms = feed.max_delay_ms.max(reorder_ms);
            }
        }
    }
    Ok(settings)
}

fn feeds(names: &[String], book: &Rulebook) -> Result<Option<FeedSet>> {
    if names.is_empty() {
        return Ok(None);
    }
    let feeds = names.iter().map(|name| feed_named(name, book));
    let set = feeds.collect::<Result<Vec<_>>>()?.into_iter().fold(FeedSet::default(), FeedSet::with);
    Ok(Some(set))
}

fn feed_named(name: &str, book: &Rulebook) -> Result<cxwatch_rulebook::FeedIx> {
    book.feed_named(name).ok_or_else(|| {
        let known: Vec<_> = book.feeds.iter().map(|f| f.as_str()).collect();
        usage(format!("there is no feed {name}; there are: {}", known.join(", ")))
    })
}
