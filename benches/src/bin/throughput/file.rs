//! From a file: the decoder alone and the whole job take turns, so that both see the same machine.

use super::{StreamArguments, range};
use anyhow::{Context, Result};
use clap::Args;
use cxwatch_benches::clock::{allowed_cores, resident_bytes, thread_cpu};
use cxwatch_benches::pipeline::{DecodeOnly, Encode, Job};
use cxwatch_benches::stream::{Parameters, Produced, Stream};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    stream: StreamArguments,
    /// How often each is measured.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Adds so many rules that name no type of the stream.
    #[arg(long, default_value_t = 0)]
    idle_rules: usize,
    /// A rulebook instead of the headline rules.
    #[arg(long)]
    rulebook: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let parameters = arguments.stream.parameters();
    let Parameters { seed, customers, events, rate } = parameters;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let bytes = write(&path, parameters)?;
    let source = match &arguments.rulebook {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => cxwatch_benches::with_idle_rules(arguments.idle_rules),
    };
    let book = cxwatch_benches::rulebook(&source)?;
    println!(
        "{events} events of {customers} customers, {} B each on average, {rate}/s of event time, seed {seed}; \
         one thread, on the cores {}",
        bytes / events,
        allowed_cores()
    );
    println!(
        "{:>5} {:>14} {:>14} {:>7} {:>12} {:>12}",
        "round", "decode ev/s", "job ev/s", "ratio", "memory MB", "episodes"
    );
    let mut ratios = Vec::new();
    for round in 1..=arguments.rounds {
        let mut decode = DecodeOnly::new(&book);
        let alone = timed(&path, |line| decode.line(line))?;
        let before = resident_bytes();
        let mut job = Job::<Encode>::new(Arc::clone(&book));
        let whole = timed(&path, |line| job.line(line))?;
        let held = resident_bytes().saturating_sub(before);
        let per_second = |time: Duration| events as f64 / time.as_secs_f64();
        ratios.push(100.0 * alone.as_secs_f64() / whole.as_secs_f64());
        println!(
            "{round:>5} {:>14.0} {:>14.0} {:>6.1}% {:>12.1} {:>12}",
            per_second(alone),
            per_second(whole),
            ratios[ratios.len() - 1],
            held as f64 / 1e6,
            job.task.open_episodes(),
        );
        if round == arguments.rounds {
            let task = &job.task;
            let (customers, timers) = (task.customers(), task.timers());
            println!("{:?}", task.counts());
            println!(
                "{customers} customers with state, {timers} timers, {} messages; rules name the types of {} events",
                job.messages, decode.named
            );
        }
    }
    let (least, middle, most) = range(ratios);
    println!("the job reaches {middle:.1}% of decoding alone ({least:.1} to {most:.1})");
    Ok(())
}

fn write(path: &Path, parameters: Parameters) -> Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut stream, mut out, mut bytes) = (Stream::new(parameters), Produced::default(), 0);
    while stream.next_into(&mut out) {
        file.write_all(out.json.as_bytes())?;
        file.write_all(b"\n")?;
        bytes += out.json.len() as u64;
    }
    file.flush()?;
    Ok(bytes)
}

fn timed(path: &Path, mut each: impl FnMut(&[u8])) -> Result<Duration> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut line = Vec::new();
    let begin = thread_cpu();
    while file.read_until(b'\n', &mut line)? > 0 {
        each(line.strip_suffix(b"\n").unwrap_or(&line));
        line.clear();
    }
    Ok(thread_cpu() - begin)
}
