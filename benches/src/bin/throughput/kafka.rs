//! From Apache Kafka: a bare `poll` loop, the service's reader with nothing behind it, and the whole job take turns.

use super::{StreamArguments, range};
use anyhow::Result;
use clap::Args;
use cxwatch_benches::broker::Broker;
use cxwatch_benches::clock::{allowed_cores, process_cpu, resident_bytes, thread_cpu};
use cxwatch_benches::kafka::{Done, Topics};
use cxwatch_benches::stream::Parameters;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    stream: StreamArguments,
    /// How often each is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// Between commits, in milliseconds.
    #[arg(long, default_value_t = 100)]
    commit_ms: u64,
    /// The cores that the broker gets (`1-3`); without it, those that this process has.
    #[arg(long)]
    broker_cores: Option<String>,
    /// A broker that runs, with empty topics, instead of one of this run's own.
    #[arg(long)]
    bootstrap: Option<String>,
}

/// CPU time of the whole process, of the calling thread, and time on the wall.
struct Cost {
    process: Duration,
    thread: Duration,
    wall: Duration,
}

fn measured<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Cost)> {
    let (process, thread, wall) = (process_cpu(), thread_cpu(), Instant::now());
    let done = work()?;
    let cost = Cost { process: process_cpu() - process, thread: thread_cpu() - thread, wall: wall.elapsed() };
    Ok((done, cost))
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let parameters = arguments.stream.parameters();
    let Parameters { seed, customers, events, rate } = parameters;
    let book = cxwatch_benches::rulebook(cxwatch_benches::HEADLINE)?;
    let (broker, bootstrap) = match &arguments.bootstrap {
        Some(bootstrap) => (None, bootstrap.clone()),
        None => {
            let broker = Broker::start(arguments.broker_cores.as_deref())?;
            let bootstrap = broker.bootstrap.clone();
            (Some(broker), bootstrap)
        }
    };
    let topics = Topics::fill(&bootstrap, &book, arguments.partitions, parameters)?;
    println!(
        "{events} events of {customers} customers, {} B each on average, {rate}/s of event time, seed {seed}; \
         four feeds, {} partitions, lz4; a commit every {} ms; this process on the cores {}, the broker on {}",
        topics.filled.bytes / events,
        arguments.partitions,
        arguments.commit_ms,
        allowed_cores(),
        arguments.broker_cores.as_deref().unwrap_or("the same")
    );
    println!(
        "events per CPU-second of the process (client threads included); in brackets the calling thread's share of the CPU time"
    );
    println!(
        "{:>5} {:>18} {:>18} {:>18} {:>8} {:>8}",
        "round", "(a) poll", "(b) read", "(c) job", "c/a", "wall s"
    );
    let mut ratios = Vec::new();
    for round in 1..=arguments.rounds {
        let (_, polled) = measured(|| topics.polled())?;
        let (_, read) = measured(|| topics.read())?;
        let name = format!("round-{round}");
        let names = topics.prepare(&name)?;
        let before = resident_bytes();
        let ((done, held), job) = measured(|| topics.job(&book, &name, names, arguments.commit_ms))?;
        let cell = |cost: &Cost| {
            let rate = events as f64 / cost.process.as_secs_f64();
            let share = 100.0 * cost.thread.as_secs_f64() / cost.process.as_secs_f64();
            format!("{rate:.0} ({share:.0}%)")
        };
        ratios.push(100.0 * polled.process.as_secs_f64() / job.process.as_secs_f64());
        println!(
            "{round:>5} {:>18} {:>18} {:>18} {:>7.1}% {:>8.1}",
            cell(&polled),
            cell(&read),
            cell(&job),
            ratios[ratios.len() - 1],
            job.wall.as_secs_f64()
        );
        report(&done, held.saturating_sub(before));
    }
    let (least, middle, most) = range(ratios);
    println!("the job reaches {middle:.1}% of the bare poll loop ({least:.1} to {most:.1})");
    drop(broker);
    Ok(())
}

fn report(done: &Done, held: u64) {
    let per_input = |bytes: u64| bytes as f64 / done.seen.bytes as f64;
    println!(
        "      {} commits of {} ms on average; journal bytes per input byte: commits {:.6}, snapshots {:.6}; \
         {} actions and suppressions, {} dead letters; {:.0} MB more than before, fetched records included; {} customers, {} episodes",
        done.commits,
        done.commits_took_ms / done.commits.max(1),
        per_input(done.commit_bytes),
        per_input(done.snapshot_bytes),
        done.messages,
        done.dead_letters,
        held as f64 / 1e6,
        done.customers,
        done.episodes,
    );
}
