//! What customers, open episodes and idle rules cost. Each number of customers is a process of its own, so that none
//! finds memory that another has left.

use super::range;
use anyhow::{Context, Result, bail};
use clap::Args;
use cxwatch_benches::clock::{resident_bytes, thread_cpu};
use cxwatch_benches::pipeline::{Encode, Job, Stage};
use cxwatch_benches::stream::{BEGIN, DEFAULT_SEED, Parameters, Produced, Stream};
use cxwatch_event::{Millis, rfc3339};
use std::sync::Arc;
use std::time::Duration;

/// What is promised: bytes per customer and per open episode.
const PER_CUSTOMER: f64 = 150.0;
const PER_EPISODE: f64 = 350.0;

/// Events made, then processed, at a time.
const CHUNK: usize = 2_048;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many events, each time.
    #[arg(long, default_value_t = 6_000_000)]
    events: u64,
    /// Events per second of event time.
    #[arg(long, default_value_t = 3_000)]
    rate: u64,
    /// Seeds the stream.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// The numbers of customers, least first: the first is what the last one's cost in time is compared with.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000,2000000")]
    customers: Vec<u32>,
    /// Between these two of them the slope is taken.
    #[arg(long, default_value_t = 100_000)]
    slope_from: u32,
    /// See --slope-from.
    #[arg(long, default_value_t = 2_000_000)]
    slope_to: u32,
    /// So many idle rules are compared with none.
    #[arg(long, default_value_t = 1_000)]
    idle_rules: usize,
    /// These numbers of deadlines that wait all the while are compared.
    #[arg(long, value_delimiter = ',', num_args = 2, default_value = "10000,1000000")]
    deadlines: Vec<u64>,
    /// How often, on a tenth of the events.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

#[derive(Debug, Args)]
pub(super) struct One {
    pub(super) customers: u32,
    pub(super) events: u64,
    pub(super) rate: u64,
    pub(super) seed: u64,
    /// The starter rulebook instead of the headline rules.
    #[arg(long)]
    pub(super) starter: bool,
}

/// What one process found.
pub(super) struct Found {
    customers: u32,
    pub(super) resident: f64,
    pub(super) with_state: f64,
    pub(super) episodes: f64,
    timers: f64,
    nanos: f64,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { events, rate, seed, .. } = *arguments;
    println!(
        "{events} events each, {} minutes of event time ({rate}/s), seed {seed}; cost per event: the second half",
        events / rate / 60
    );
    println!(
        "{:>10} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "customers", "with state", "episodes", "timers", "memory MB", "ns an event"
    );
    let mut all = Vec::new();
    for &customers in &arguments.customers {
        let found = in_a_process(&One { customers, events, rate, seed, starter: false })?;
        println!(
            "{customers:>10} {:>12} {:>12} {:>12} {:>12.1} {:>12.0}",
            found.with_state,
            found.episodes,
            found.timers,
            found.resident / 1e6,
            found.nanos
        );
        all.push(found);
    }
    slope(arguments, &all);
    if let [first, .., last] = all.as_slice() {
        println!(
            "time: an event at {} customers costs {:.2} times what it costs at {} (to reach: at most 1.4)",
            last.customers,
            last.nanos / first.nanos,
            first.customers
        );
    }
    idle(arguments)?;
    deadlines(arguments)
}

fn slope(arguments: &Arguments, all: &[Found]) {
    let find = |customers| all.iter().find(|found| found.customers == customers);
    let (Some(low), Some(high)) = (find(arguments.slope_from), find(arguments.slope_to)) else { return };
    let bytes = high.resident - low.resident;
    let (customers, episodes) = (high.with_state - low.with_state, high.episodes - low.episodes);
    let allowed = PER_CUSTOMER * customers + PER_EPISODE * episodes;
    println!(
        "memory: {:.0} MB more for {customers} more customers with state and {episodes} more episodes, {:.0} B a customer \
         all told; allowed are {:.0} MB ({PER_CUSTOMER} B a customer and {PER_EPISODE} B an episode): {:.0}% of it",
        bytes / 1e6,
        bytes / customers,
        allowed / 1e6,
        100.0 * bytes / allowed
    );
}

/// Rules that name no type of the stream, next to none of them, by turns.
fn idle(arguments: &Arguments) -> Result<()> {
    let parameters = Parameters {
        seed: arguments.seed,
        customers: 100_000,
        events: arguments.events / 10,
        rate: arguments.rate,
    };
    let none = cxwatch_benches::rulebook(cxwatch_benches::HEADLINE)?;
    let many = cxwatch_benches::rulebook(&cxwatch_benches::with_idle_rules(arguments.idle_rules))?;
    let mut ratios = Vec::new();
    for _ in 0..arguments.rounds {
        let cost = |book| {
            through(&mut Job::<Encode>::new(Arc::clone(book)), Stream::new(parameters), 0).as_secs_f64()
        };
        let without = cost(&none);
        ratios.push(cost(&many) / without);
    }
    let (least, middle, most) = range(ratios);
    println!(
        "idle rules: with {} of them an event costs {middle:.2} times what it costs without ({least:.2} to {most:.2})",
        arguments.idle_rules
    );
    Ok(())
}

/// The same events while so many deadlines of other customers wait, by turns.
fn deadlines(arguments: &Arguments) -> Result<()> {
    let parameters = Parameters {
        seed: arguments.seed,
        customers: 100_000,
        events: arguments.events / 10,
        rate: arguments.rate,
    };
    let [few, many] = arguments.deadlines[..] else { bail!("--deadlines takes two numbers") };
    let book = cxwatch_benches::rulebook(&cxwatch_benches::with_waiting_rule())?;
    let mut ratios = Vec::new();
    for _ in 0..arguments.rounds {
        let cost = |waiting| {
            let mut job = Job::<Encode>::new(Arc::clone(&book));
            (0..waiting).for_each(|number| job.line(account_opened(number).as_bytes()));
            // What opened them is settled with the first half of the stream.
            through(&mut job, Stream::new(parameters), parameters.events / 2).as_secs_f64()
        };
        let with_few = cost(few);
        ratios.push(cost(many) / with_few);
    }
    let (least, middle, most) = range(ratios);
    println!(
        "deadlines: while {many} wait an event costs {middle:.2} times what it costs while {few} do ({least:.2} to {most:.2})"
    );
    Ok(())
}

/// Opens an episode of a customer of its own, twenty minutes before the stream: what is remembered of it is forgotten
/// when the stream begins, but for the deadline.
fn account_opened(number: u64) -> String {
    let time = rfc3339::format(BEGIN - 1_200_000 + (number % 1_000) as Millis);
    format!(
        r#"{{"specversion":"1.0","id":"w{number}","source":"/bank","type":"account.opened","subject":"w{number:08}","time":"{time}","data":{{"account_id":"a{number}"}}}}"#
    )
}

pub(super) fn in_a_process(one: &One) -> Result<Found> {
    let One { customers, events, rate, seed, starter } = one;
    let arguments = [u64::from(*customers), *events, *rate, *seed].map(|number| number.to_string());
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("one").args(arguments).args(starter.then_some("--starter"));
    let output = command.output()?;
    if !output.status.success() {
        bail!("{customers} customers: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [resident, with_state, episodes, timers, nanos] = numbers[..] else {
        bail!("not five numbers: {text}")
    };
    Ok(Found { customers: *customers, resident, with_state, episodes, timers, nanos })
}

pub(super) fn one(one: &One) -> Result<()> {
    let One { customers, events, rate, seed, starter } = *one;
    let source = if starter { cxwatch_benches::STARTER } else { cxwatch_benches::HEADLINE };
    let book = cxwatch_benches::rulebook(source).context("the rules")?;
    // What the generator and an empty task hold does not count.
    let mut warm = Job::<Encode>::new(Arc::clone(&book));
    through(&mut warm, Stream::new(Parameters { seed, customers: 1, events: CHUNK as u64, rate }), 0);
    drop(warm);
    let stream = Stream::new(Parameters { seed, customers, events, rate });
    let before = resident_bytes();
    let mut job = Job::<Encode>::new(book);
    let half = events / 2;
    let time = through(&mut job, stream, half);
    println!(
        "{} {} {} {} {}",
        resident_bytes().saturating_sub(before),
        job.task.customers(),
        job.task.open_episodes(),
        job.task.timers(),
        time.as_nanos() as f64 / (events - half) as f64
    );
    Ok(())
}

/// The CPU time that the job takes, from the event of this number on; making the events does not count.
pub(super) fn through<S: Stage>(job: &mut Job<S>, mut stream: Stream, from: u64) -> Duration {
    let mut out = Produced::default();
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(CHUNK));
    let (mut time, mut done) = (Duration::ZERO, 0);
    loop {
        bytes.clear();
        ends.clear();
        while ends.len() < CHUNK && stream.next_into(&mut out) {
            bytes.extend_from_slice(out.json.as_bytes());
            ends.push(bytes.len());
        }
        if ends.is_empty() {
            return time;
        }
        let (begin, mut at) = (thread_cpu(), 0);
        for &end in &ends {
            job.line(&bytes[at..end]);
            at = end;
        }
        if done >= from {
            time += thread_cpu() - begin;
        }
        done += ends.len() as u64;
    }
}
