//! The starter rulebook next to the three headline rules, by turns in one run: events per CPU-second, the share of each
//! stage, bytes per customer, and what an event costs that no rule names.

use super::memory::{One, in_a_process, through};
use super::{StreamArguments, range};
use anyhow::{Context, Result};
use clap::Args;
use cxwatch_benches::clock::{allowed_cores, thread_cpu};
use cxwatch_benches::pipeline::{Decide, DecodeOnly, Detect, Encode, Job};
use cxwatch_benches::stream::{BEGIN, Parameters, Produced, Stream};
use cxwatch_benches::{HEADLINE, STARTER};
use cxwatch_event::{Millis, rfc3339};
use cxwatch_rulebook::Rulebook;
use std::sync::Arc;

/// Made with a customer of its own each, for the cost of an event that nobody names.
const UNNAMED: u64 = 500_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    stream: StreamArguments,
    /// How often each is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// The seconds of one round, each stage with all before it.
#[derive(Debug, Default)]
struct Seconds {
    decode: Vec<f64>,
    detect: Vec<f64>,
    decide: Vec<f64>,
    encode: Vec<f64>,
    unnamed: Vec<f64>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let parameters = arguments.stream.parameters();
    let Parameters { seed, customers, events, rate } = parameters;
    println!(
        "{events} events of {customers} customers, {rate}/s of event time, seed {seed}; one thread, on the cores {}",
        allowed_cores()
    );
    let books = [("headline", HEADLINE, false), ("starter", STARTER, true)];
    let mut measured = Vec::new();
    for (name, source, starter) in books {
        let book = cxwatch_benches::rulebook(source).with_context(|| name.to_owned())?;
        measured.push((name, book, starter, Seconds::default()));
    }
    let unnamed = unnamed_type(measured.iter().map(|(_, book, ..)| book)).context("rules name every type")?;
    for _ in 0..arguments.rounds {
        for (_, book, _, seconds) in &mut measured {
            round(book, parameters, &unnamed, seconds);
        }
    }
    println!(
        "{:>10} {:>6} {:>12} {:>9} {:>9} {:>9} {:>9} {:>14} {:>12}",
        "rules", "number", "job ev/s", "decode", "detect", "decide", "encode", "B a customer", "unnamed ns"
    );
    let mut costs = Vec::new();
    for (name, book, starter, seconds) in measured {
        let found = in_a_process(&One { customers, events, rate, seed, starter })?;
        let middle = |values: Vec<f64>| range(values).1;
        let [decode, detect, decide, encode] =
            [seconds.decode, seconds.detect, seconds.decide, seconds.encode].map(middle);
        let share = |more: f64, less: f64| format!("{:.1}%", 100.0 * (more - less) / encode);
        let unnamed_ns = 1e9 * middle(seconds.unnamed) / UNNAMED as f64;
        println!(
            "{name:>10} {:>6} {:>12.0} {:>9} {:>9} {:>9} {:>9} {:>14.0} {unnamed_ns:>12.0}",
            book.rules.len(),
            events as f64 / encode,
            share(decode, 0.0),
            share(detect, decode),
            share(decide, detect),
            share(encode, decide),
            found.resident / found.with_state,
        );
        println!("{:>10} {} customers with state, {} open episodes", "", found.with_state, found.episodes);
        costs.push((encode, unnamed_ns));
    }
    let [(headline, unnamed_headline), (starter, unnamed_starter)] = costs[..] else {
        unreachable!("there are two rulebooks")
    };
    println!(
        "an event costs {:.2} times as much with the starter rulebook; one that no rule names ({unnamed}) {:.2} times",
        starter / headline,
        unnamed_starter / unnamed_headline
    );
    Ok(())
}

fn round(book: &Arc<Rulebook>, parameters: Parameters, unnamed: &str, seconds: &mut Seconds) {
    let mut decode = DecodeOnly::new(book);
    let (mut stream, mut out) = (Stream::new(parameters), Produced::default());
    let mut time = std::time::Duration::ZERO;
    let mut lines = Vec::new();
    loop {
        lines.clear();
        while lines.len() < 2_048 && stream.next_into(&mut out) {
            lines.push(out.json.clone());
        }
        if lines.is_empty() {
            break;
        }
        let begin = thread_cpu();
        lines.iter().for_each(|line| decode.line(line.as_bytes()));
        time += thread_cpu() - begin;
    }
    seconds.decode.push(time.as_secs_f64());
    let stream = || Stream::new(parameters);
    seconds.detect.push(through(&mut Job::<Detect>::new(Arc::clone(book)), stream(), 0).as_secs_f64());
    seconds.decide.push(through(&mut Job::<Decide>::new(Arc::clone(book)), stream(), 0).as_secs_f64());
    seconds.encode.push(through(&mut Job::<Encode>::new(Arc::clone(book)), stream(), 0).as_secs_f64());

    let lines: Vec<String> = (0..UNNAMED).map(|number| unnamed_event(unnamed, number)).collect();
    let mut job = Job::<Encode>::new(Arc::clone(book));
    let begin = thread_cpu();
    lines.iter().for_each(|line| job.line(line.as_bytes()));
    seconds.unnamed.push((thread_cpu() - begin).as_secs_f64());
}

/// A type that no rule of these names and that needs no data.
fn unnamed_type<'b>(books: impl Iterator<Item = &'b Arc<Rulebook>> + Clone) -> Option<String> {
    let first = books.clone().next()?;
    let unnamed = |name: &str| {
        books.clone().all(|book| book.catalogue.id(name).is_some_and(|kind| book.interest.of(kind).is_none()))
    };
    let types = first.catalogue.types();
    let mut plain = types.filter(|(_, spec)| spec.feed.is_some() && spec.fields.iter().all(|f| !f.required));
    plain.find(|(_, spec)| unnamed(&spec.name)).map(|(_, spec)| spec.name.to_string())
}

fn unnamed_event(kind: &str, number: u64) -> String {
    let time = rfc3339::format(BEGIN + number as Millis / 2);
    let customer = number % 100_000;
    format!(
        r#"{{"specversion":"1.0","id":"u{number}","source":"/bench","type":"{kind}","subject":"u{customer:08}","time":"{time}","data":{{}}}}"#
    )
}
