//! Throughput and memory of the whole job, next to the decoder alone, in one run.

#![allow(clippy::print_stdout, reason = "it reports")]

use anyhow::{Context, Result};
use clap::Parser;
use cxwatch_benches::clock::{resident_bytes, thread_cpu};
use cxwatch_benches::pipeline::{DecodeOnly, Job};
use cxwatch_benches::stream::{Parameters, Produced, Stream};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures events per CPU-second and memory of the whole job from a file, next to the same decoder with nothing behind
/// it. The two take turns, so that both see the same machine.
#[derive(Parser)]
struct Arguments {
    /// How many customers.
    #[arg(long, default_value_t = 100_000)]
    customers: u64,
    /// How many events.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// Events per second of event time.
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Seeds the stream.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often each is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Adds so many rules that name no type of the stream.
    #[arg(long, default_value_t = 0)]
    idle_rules: usize,
    /// A rulebook instead of the headline rules.
    #[arg(long)]
    rulebook: Option<std::path::PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Arguments { customers, events, rate, seed, .. } = arguments;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.jsonl");
    let bytes = write(&path, Parameters { seed, customers, events, rate })?;
    let mut source = match &arguments.rulebook {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => cxwatch_benches::HEADLINE.to_string(),
    };
    let idle = (0..arguments.idle_rules).map(|n| {
        format!("  - {{ id: idle-{n}, kind: absence, start: {{ event: subscription.cancelled }}, stop: {{ event: account.opened }}, within: 1h }}\n")
    });
    source = source.replacen("rules:\n", &format!("rules:\n{}", idle.collect::<String>()), 1);
    let (book, _) =
        cxwatch_rulebook::compile(&source, "rulebook").map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let book = Arc::new(book);
    println!(
        "{events} events of {customers} customers, {} B each on average, {rate} events/s of event time, seed {seed}",
        bytes / events
    );
    println!(
        "{:>5} {:>14} {:>14} {:>7} {:>12} {:>12}",
        "round", "decode ev/s", "job ev/s", "ratio", "memory MB", "episodes"
    );
    for round in 1..=arguments.rounds {
        let mut decode = DecodeOnly::new(&book);
        let alone = timed(&path, |line| decode.line(line))?;
        let before = resident_bytes();
        let mut job = Job::new(Arc::clone(&book));
        let whole = timed(&path, |line| job.line(line))?;
        let held = resident_bytes().saturating_sub(before);
        let per_second = |time: Duration| events as f64 / time.as_secs_f64();
        println!(
            "{round:>5} {:>14.0} {:>14.0} {:>6.1}% {:>12.1} {:>12}",
            per_second(alone),
            per_second(whole),
            100.0 * alone.as_secs_f64() / whole.as_secs_f64(),
            held as f64 / 1e6,
            job.task.open_episodes(),
        );
        if round == arguments.rounds {
            let task = &job.task;
            println!("{:?}", task.counts());
            println!(
                "customers {} timers {} messages {} named {}",
                task.customers(),
                task.timers(),
                job.messages,
                decode.named
            );
            println!(
                "resident {held} customers_with_state {} open_episodes {}",
                task.customers(),
                task.open_episodes()
            );
        }
    }
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
