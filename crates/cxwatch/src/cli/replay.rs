//! `cxwatch replay`.

use super::input::Input;
use super::{Outcome, time};
use crate::replay::{replay, replay_topics, total_bytes};
use anyhow::{Context, Result};
use cxwatch_event::Millis;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

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
Time: only events move it. A feed that is over, or has no events at all, holds nobody back. At the end the clock stands \
at the newest event of all input, or at --until.

Order: files that hold the same feeds are read one after the other in the order given; files of different feeds side by \
side. Where a file is out of order by more than --reorder, sort it: --sort.

Topics: --from-kafka reads the topics of the feeds that some rule needs, committed records only, from --since to where they \
end now; it joins no group and commits nothing. Each partition is a task, as in the service; --partitions N spreads customers \
over N tasks instead. The topics have the feeds' names, or those of --config, whose time settings then hold, too.

Examples:
  cxwatch replay --rulebook retail.yaml day/web.jsonl day/transaction.jsonl.zst
  cxwatch replay --rulebook calls.yaml --mapping calls.map.yaml --sort --out found.jsonl calls-*.csv
  cxwatch replay -r new.yaml --config cxwatch.yaml --from-kafka broker:9092 --since 30d -o found.jsonl
  zcat events.gz | cxwatch replay --rulebook retail.yaml --until 2026-11-25 -

Exit code: 0 fine, 1 something was refused or could not be read, 2 wrong usage, rulebook or mapping.")]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,

    /// Where the clock stops [default: at the newest event].
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    until: Option<Millis>,

    /// Write to a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How it is written.
    #[arg(long, value_enum, default_value_t = output::Format::Json)]
    format: output::Format,

    /// What is written.
    #[arg(long, value_enum, default_value_t = output::Only::All)]
    only: output::Only,

    /// Write what was refused to a file, a JSON object a line: where it stands (file and line, or topic, partition and
    /// offset), why (`reason`, `place`, `expected`), and the original bytes (`value`, or `value_base64` where they are no
    /// UTF-8; of a topic `key` and `headers` too).
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,

    /// Exit with 0 even if something was refused.
    #[arg(long)]
    allow_rejected: bool,

    /// No summary and no progress on standard error.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(args: Args) -> Result<Outcome> {
    let mut opened = args.input.open()?;
    let topics = opened.topics.take();
    let job = opened.job(&args.input, args.until, None);
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
    let (found, first_rejected) = sink.finish(report.is_ok())?;
    let report = report?;
    let refused = report.rejected.values().sum::<u64>();
    if !args.input.files.is_empty() && report.span.is_none() && refused == 0 {
        let files: Vec<String> = args.input.files.iter().map(|file| file.display().to_string()).collect();
        let files = files.join(", ");
        // Lines that are no events are refused: without a mapping nothing but blank lines is left.
        anyhow::ensure!(report.passed > 0, "there is nothing to replay, the input is empty: {files}");
        anyhow::ensure!(job.mapping.is_some(), "there is nothing to replay but blank lines: {files}");
        eprintln!(
            "warning: no rows: nothing in {files} came to an event (a header alone, or rows that the mapping passes over)"
        );
    }
    if !args.quiet {
        eprint!("{}", summary::render(&job, &report, &found));
    }
    if refused == 0 || args.allow_rejected {
        return Ok(Outcome::Fine);
    }
    if let Some(first) = first_rejected {
        let more = if refused > 1 { format!(" (and {} more)", refused - 1) } else { String::new() };
        eprintln!("error: {first}{more}; --rejected FILE writes all, --allow-rejected goes by them");
    }
    Ok(Outcome::Problem)
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
