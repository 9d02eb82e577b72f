//! `cxwatch generate`.

use super::{Outcome, time, usage};
use crate::generate::{Day, FEEDS, Generator, Recipe, SEED, Throughput};
use anyhow::{Context, Result};
use cxwatch_event::{MICRO, Millis};
use cxwatch_rulebook::yaml::parse_decimal;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Make up events: the day of a small company in four feeds, or traffic for measuring.
///
/// The same options give the same bytes on every machine. Without --out all feeds are written to standard output, in the
/// order of arrival; with it each feed to a file of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cxwatch generate --out day
  cxwatch generate | cxwatch replay --rulebook retail.yaml -
  cxwatch generate --profile throughput --events 10000000 --customers 2000000 --out traffic")]
pub(crate) struct Args {
    /// What is made.
    #[arg(long, value_enum, default_value_t = Profile::Day)]
    profile: Profile,

    /// A folder for one file per feed (web.jsonl, ...); it is made where it does not exist.
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    /// How many events [default: day: as many as 24 hours hold; throughput: 1000000].
    #[arg(long, value_name = "N")]
    events: Option<u64>,

    /// How many customers [default: day: 400; throughput: 100000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    customers: Option<u32>,

    /// Events per second of event time, on average [default: day: 0.5; throughput: 20000].
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<u64>,

    /// What everything that is drawn depends on.
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,

    /// The time of the first event.
    #[arg(long, value_name = "TIME", default_value = "2026-01-05T00:00:00Z", value_parser = time::instant)]
    start: Millis,

    /// By how much two events of a feed may arrive in the wrong order, at most [default: day: 400ms; throughput: 500ms].
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    disorder: Option<Millis>,

    /// Of a thousand events, so many arrive twice [default: day: 1; throughput: 0].
    #[arg(long, value_name = "PERMILLE", value_parser = clap::value_parser!(u32).range(0..=1000))]
    duplicates: Option<u32>,
}

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Profile {
    /// Visits with carts and checkouts, the bot, calls, orders, parcels, returns and posts; some of it goes wrong.
    Day,
    /// The mix of a large shop: skewed customers (Zipf and Mandelbrot), 340 bytes an event.
    Throughput,
}

/// Events per second as events per thousand seconds.
fn rate(text: &str) -> Result<u64, String> {
    let micro = parse_decimal(text).filter(|micro| *micro >= MICRO / 1_000 && *micro <= 10_000_000 * MICRO);
    micro.map(|micro| (micro / 1_000) as u64).ok_or_else(|| "expected a number from 0.001 to 10000000".into())
}

const DAY_MS: Millis = 86_400_000;

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let (recipe, generator, until, events) = plan(args);
    let mut outs = Outs::open(args.out.as_ref())?;
    let mut generator = generator(recipe);
    let mut count = 0;
    while count < events {
        let arrival = generator.next();
        if arrival.at >= until {
            break;
        }
        outs.write(arrival.feed, arrival.json)?;
        count += 1;
    }
    outs.finish()?;
    if let Some(dir) = &args.out {
        eprintln!("{count} events in {}", dir.display());
    }
    Ok(Outcome::Fine)
}

type Make = fn(Recipe) -> Generator;

fn plan(args: &Args) -> (Recipe, Make, Millis, u64) {
    let (recipe, make, events): (Recipe, Make, Option<u64>) = match args.profile {
        Profile::Day => (Recipe::day(args.start), |r| Generator::Day(Box::new(Day::new(r))), None),
        Profile::Throughput => (
            Recipe::throughput(args.start),
            |r| Generator::Throughput(Box::new(Throughput::new(r))),
            Some(1_000_000),
        ),
    };
    let events = args.events.or(events);
    let recipe = Recipe {
        seed: args.seed,
        start: args.start,
        customers: args.customers.unwrap_or(recipe.customers),
        per_kilosecond: args.rate.unwrap_or(recipe.per_kilosecond),
        disorder_ms: args.disorder.unwrap_or(recipe.disorder_ms),
        duplicates_permille: args.duplicates.unwrap_or(recipe.duplicates_permille),
    };
    let until = if events.is_some() { Millis::MAX } else { args.start + DAY_MS };
    (recipe, make, until, events.unwrap_or(u64::MAX))
}

/// Where events are written.
enum Outs {
    Together(BufWriter<io::Stdout>),
    Apart(Vec<BufWriter<File>>),
}

impl Outs {
    fn open(dir: Option<&PathBuf>) -> Result<Self> {
        let Some(dir) = dir else {
            return Ok(Outs::Together(BufWriter::with_capacity(1 << 16, io::stdout())));
        };
        fs::create_dir_all(dir)
            .map_err(|e| usage(format!("cannot make the folder {}: {e}", dir.display())))?;
        let files = FEEDS.iter().map(|feed| {
            let path = dir.join(format!("{feed}.jsonl"));
            let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(BufWriter::with_capacity(1 << 18, file))
        });
        Ok(Outs::Apart(files.collect::<Result<_>>()?))
    }

    fn write(&mut self, feed: usize, json: &[u8]) -> Result<()> {
        let out: &mut dyn Write = match self {
            Outs::Together(out) => out,
            Outs::Apart(outs) => &mut outs[feed],
        };
        out.write_all(json).and_then(|()| out.write_all(b"\n")).context("cannot write events")
    }

    fn finish(self) -> Result<()> {
        match self {
            Outs::Together(mut out) => out.flush(),
            Outs::Apart(outs) => outs.into_iter().try_for_each(|mut out| out.flush()),
        }
        .context("cannot write events")
    }
}
