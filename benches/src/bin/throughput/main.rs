//! Throughput and memory of the whole job, each next to its baseline in the same run. README.md tells more.

#![allow(clippy::print_stdout, reason = "it reports")]

mod file;
mod kafka;
mod memory;
mod rules;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use cxwatch_benches::stream::{DEFAULT_SEED, Parameters};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures the whole job, next to a baseline in the same run.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// From a file, on one thread: next to the same decoder with nothing behind it.
    File(file::Arguments),
    /// From Apache Kafka, exactly once, on one stream thread: next to a bare `poll` loop.
    Kafka(kafka::Arguments),
    /// What customers, episodes and idle rules cost, in bytes and in time.
    Memory(memory::Arguments),
    /// The starter rulebook next to the three headline rules: speed, memory, and the share of each stage.
    Rules(rules::Arguments),
    /// Memory and time at one number of customers; `memory` calls it.
    #[command(hide = true)]
    One(memory::One),
}

/// The stream's.
#[derive(Debug, Clone, Args)]
struct StreamArguments {
    /// How many customers.
    #[arg(long, default_value_t = 100_000)]
    customers: u32,
    /// How many events.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// Events per second of event time.
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Seeds the stream.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
}

impl StreamArguments {
    fn parameters(&self) -> Parameters {
        let StreamArguments { customers, events, rate, seed } = *self;
        Parameters { seed, customers, events, rate }
    }
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::File(arguments) => file::run(&arguments),
        Command::Kafka(arguments) => kafka::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::One(arguments) => memory::one(&arguments),
    }
}

/// Of several rounds: the least, the middle and the greatest.
fn range(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}
