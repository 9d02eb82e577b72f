//! `cxwatch replay`.

use super::{Outcome, file, time, usage};
use crate::replay::{Job, replay};
use anyhow::{Context, Result};
use cxwatch_engine::{FOREVER, Settings};
use cxwatch_event::Millis;
use cxwatch_rulebook::{FeedSet, Rulebook};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

mod output;
mod summary;

/// Run a rulebook over files of events, and tell what it would have found.
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

Examples:
  cxwatch replay --rulebook retail.yaml day/web.jsonl day/transaction.jsonl.zst
  cxwatch replay --rulebook calls.yaml --mapping calls.map.yaml --sort --out found.jsonl calls-*.csv
  zcat events.gz | cxwatch replay --rulebook retail.yaml --until 2026-11-25 -

Exit code: 0 fine, 1 something was refused or could not be read, 2 wrong usage, rulebook or mapping.")]
pub(crate) struct Args {
    /// The rulebook (YAML).
    #[arg(long, short, value_name = "FILE")]
    rulebook: PathBuf,

    /// How rows become events (YAML). Without it the files hold CloudEvents as JSON lines.
    #[arg(long, short, value_name = "FILE")]
    mapping: Option<PathBuf>,

    /// Sort all events by time before they are judged; at one instant they keep the order of the input.
    #[arg(long)]
    sort: bool,

    /// The most memory that sorting may take, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    sort_memory: usize,

    /// Spread customers over so many tasks, as topics with so many partitions do (murmur2, as Java clients).
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: u32,

    /// Where the clock stops [default: at the newest event].
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    until: Option<Millis>,

    /// Take events that lie in the future as they are.
    #[arg(long)]
    allow_future: bool,

    /// How far apart two events of a feed may stand in the wrong order: for all feeds, or FEED=DURATION. Repeatable.
    #[arg(long, value_name = "[FEED=]DURATION", default_value = "1s")]
    reorder: Vec<String>,

    /// How far behind its feed an event may lie and still be put where it belongs.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = time::duration)]
    late_horizon: Millis,

    /// For how long an event with the same source and id counts as the same event.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = time::duration)]
    dedupe_for: Millis,

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
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: Args) -> Result<Outcome> {
    let started = time::now();
    let book = file::rulebook(&args.rulebook)?;
    let mapping = args.mapping.as_deref().map(|path| file::mapping(path, &book.catalogue)).transpose()?;
    if args.files.iter().filter(|f| f.as_os_str() == "-").count() > 1 {
        return Err(usage("standard input can be read only once"));
    }
    let job = Job {
        settings: settings(&args, &book)?,
        feeds: feeds(&args.feeds, &book)?,
        book,
        mapping: mapping.as_ref(),
        files: args.files.clone(),
        partitions: args.partitions,
        until: args.until,
        now: if args.allow_future { FOREVER } else { started },
        sort_bytes_max: args.sort.then_some(args.sort_memory << 20),
    };
    let mut sink = output::Output::new(
        &job,
        (args.format, args.only),
        create(args.out.as_ref())?,
        args.rejected.as_ref().map(|path| create(Some(path))).transpose()?,
        args.quiet,
    )?;
    let report = replay(&job, &mut sink);
    let summary = sink.finish(report.is_ok())?;
    let report = report?;
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

fn settings(args: &Args, book: &Rulebook) -> Result<Settings> {
    let mut settings = Settings::new(book.feeds.len());
    settings.late_horizon_ms = args.late_horizon;
    settings.dedupe_for_ms = args.dedupe_for;
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
