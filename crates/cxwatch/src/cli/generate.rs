//! `cxwatch generate`.

use super::{Outcome, cluster, time, usage};
use crate::generate::{Arrival, Day, FEEDS, FEEDS_OF_WEEKS, Generator, Recipe, SEED, Throughput, Weeks};
use anyhow::{Context, Result};
use cxwatch_event::{MICRO, Millis};
use cxwatch_rulebook::yaml::parse_decimal;
use pace::Speed;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

mod kafka;
mod pace;

/// Make up events: the day of a small company in four feeds, traffic for measuring, or weeks in which everything that the
/// starter rulebook looks for goes wrong for somebody.
///
/// The same options give the same bytes on every machine. Without --out all feeds are written to standard output, in the
/// order of arrival; with it each feed to a file of its own; with --to-kafka to the feeds' topics.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Topics: --to-kafka writes to the topics of the feeds, which must be there (`cxwatch topics create`), keyed by customer and \
hashed as Java clients do (murmur2). With --speed 1, events happen as they are written: for `cxwatch run`. At any other speed \
they keep their times in the past: for `cxwatch replay --from-kafka` and `cxwatch run --bounded`.

Examples:
  cxwatch generate --out day
  cxwatch generate | cxwatch replay --rulebook retail.yaml -
  cxwatch generate --profile throughput --events 10000000 --customers 2000000 --out traffic
  cxwatch generate --profile weeks --out weeks --expect expected.csv
  cxwatch generate --to-kafka localhost:9092 --config cxwatch.yaml")]
pub(crate) struct Args {
    /// What is made.
    #[arg(long, value_enum, default_value_t = Profile::Day)]
    profile: Profile,

    /// A folder for one file per feed (web.jsonl, ...); it is made where it does not exist.
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Write to the feeds' topics of the cluster at these brokers.
    #[arg(long, value_name = "HOST:PORT,...", conflicts_with = "out")]
    to_kafka: Option<String>,

    /// How fast topics are written to: so many seconds of event time in a second, or `max`.
    #[arg(long, value_name = "N|max", default_value = "1", requires = "to_kafka")]
    speed: Speed,

    #[command(flatten)]
    cluster: cluster::Cluster,

    /// Write what must come of each story, and what must not (CSV: rule, customer, key, from, deadline, comes).
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,

    /// How many events [default: day: as many as 24 hours hold; throughput: 1000000; weeks: all].
    #[arg(long, value_name = "N")]
    events: Option<u64>,

    /// How many customers [default: day: 400; throughput: 100000; weeks: 1050].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    customers: Option<u32>,

    /// Events per second of event time, on average; of no meaning for weeks [default: day: 0.5; throughput: 20000].
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<u64>,

    /// What everything that is drawn depends on.
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,

    /// The time of the first event [default: 2026-01-05T00:00:00Z; now where topics are written in real time].
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    start: Option<Millis>,

    /// By how much two events of a feed may arrive in the wrong order, at most [default: day: 400ms;
    /// throughput: 500ms; weeks: 800ms].
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    disorder: Option<Millis>,

    /// Of a thousand events, so many arrive twice [default: day: 1; throughput: 0; weeks: 20].
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
    /// The lives of some customers over three weeks, each with a trouble of their own and ordinary days around it; with
    /// profiles. It ends.
    Weeks,
}

impl Profile {
    fn feeds(self) -> &'static [&'static str] {
        match self {
            Profile::Day | Profile::Throughput => &FEEDS,
            Profile::Weeks => &FEEDS_OF_WEEKS,
        }
    }
}

/// Events per second as events per thousand seconds.
fn rate(text: &str) -> Result<u64, String> {
    let micro = parse_decimal(text).filter(|micro| *micro >= MICRO / 1_000 && *micro <= 10_000_000 * MICRO);
    micro.map(|micro| (micro / 1_000) as u64).ok_or_else(|| "expected a number from 0.001 to 10000000".into())
}

const DAY_MS: Millis = 86_400_000;

/// A Monday: 2026-01-05T00:00:00Z.
const START: Millis = 1_767_571_200_000;

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    if args.expect.is_some() && args.profile != Profile::Weeks {
        return Err(usage("only of --profile weeks it is known what must come of it (--expect)"));
    }
    let mut outs = outs(args)?;
    // Not before the cluster has answered: in real time the first event is due at once.
    let (recipe, generator, until, events) = plan(args);
    if let Outs::Topics(topics) = &mut outs {
        topics.begin(recipe.start);
    }
    let mut generator = generator(recipe);
    if let (Some(path), Generator::Weeks(weeks)) = (&args.expect, &generator) {
        fs::write(path, weeks.expectations_csv())
            .map_err(|e| usage(format!("cannot write {}: {e}", path.display())))?;
    }
    let mut count = 0;
    while count < events {
        let arrival = generator.next();
        if arrival.at >= until {
            break;
        }
        outs.write(&arrival)?;
        count += 1;
    }
    outs.finish()?;
    if let Some(dir) = &args.out {
        eprintln!("{count} events in {}", dir.display());
    }
    Ok(Outcome::Fine)
}

type Make = fn(Recipe) -> Generator;

fn outs(args: &Args) -> Result<Outs> {
    let Some(brokers) = &args.to_kafka else {
        if args.cluster.config.is_some() || !args.cluster.kafka_property.is_empty() {
            return Err(usage(
                "--config and --kafka-property are about a cluster: name its brokers with --to-kafka",
            ));
        }
        return Outs::open(args.out.as_ref(), args.profile.feeds());
    };
    let setup = args.cluster.setup(None)?;
    let properties = args.cluster.properties(brokers, setup.as_ref())?;
    let topic = |feed: &&str| {
        let named = setup.as_ref().and_then(|s| s.feeds.iter().find(|f| f.name == **feed));
        named.map_or_else(|| (*feed).to_owned(), |feed| feed.settings.topic.clone())
    };
    let topics = args.profile.feeds().iter().map(topic).collect();
    Ok(Outs::Topics(Box::new(kafka::Topics::open(&properties, args.profile.feeds(), topics, args.speed)?)))
}

fn plan(args: &Args) -> (Recipe, Make, Millis, u64) {
    let is_live = args.to_kafka.is_some() && args.speed.is_real_time();
    let start = args.start.unwrap_or_else(|| if is_live { time::now() } else { START });
    let (recipe, make, events): (Recipe, Make, Option<u64>) = match args.profile {
        Profile::Day => (Recipe::day(start), |r| Generator::Day(Box::new(Day::new(r))), None),
        Profile::Throughput => (
            Recipe::throughput(start),
            |r| Generator::Throughput(Box::new(Throughput::new(r))),
            Some(1_000_000),
        ),
        Profile::Weeks => (Recipe::weeks(start), |r| Generator::Weeks(Box::new(Weeks::new(&r))), None),
    };
    let events = args.events.or(events);
    let recipe = Recipe {
        seed: args.seed,
        start,
        customers: args.customers.unwrap_or(recipe.customers),
        per_kilosecond: args.rate.unwrap_or(recipe.per_kilosecond),
        disorder_ms: args.disorder.unwrap_or(recipe.disorder_ms),
        duplicates_permille: args.duplicates.unwrap_or(recipe.duplicates_permille),
    };
    let ends = events.is_some() || args.profile == Profile::Weeks;
    let until = if ends { Millis::MAX } else { start + DAY_MS };
    (recipe, make, until, events.unwrap_or(u64::MAX))
}

/// Where events are written.
enum Outs {
    Together(BufWriter<io::Stdout>),
    Apart(Vec<BufWriter<File>>),
    Topics(Box<kafka::Topics>),
}

impl Outs {
    fn open(dir: Option<&PathBuf>, feeds: &[&str]) -> Result<Self> {
        let Some(dir) = dir else {
            return Ok(Outs::Together(BufWriter::with_capacity(1 << 16, io::stdout())));
        };
        fs::create_dir_all(dir)
            .map_err(|e| usage(format!("cannot make the folder {}: {e}", dir.display())))?;
        let files = feeds.iter().map(|feed| {
            let path = dir.join(format!("{feed}.jsonl"));
            let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(BufWriter::with_capacity(1 << 18, file))
        });
        Ok(Outs::Apart(files.collect::<Result<_>>()?))
    }

    fn write(&mut self, arrival: &Arrival<'_>) -> Result<()> {
        let out: &mut dyn Write = match self {
            Outs::Together(out) => out,
            Outs::Apart(outs) => &mut outs[arrival.feed],
            Outs::Topics(topics) => return topics.write(arrival),
        };
        out.write_all(arrival.json).and_then(|()| out.write_all(b"\n")).context("cannot write events")
    }

    fn finish(self) -> Result<()> {
        match self {
            Outs::Together(mut out) => out.flush(),
            Outs::Apart(outs) => outs.into_iter().try_for_each(|mut out| out.flush()),
            Outs::Topics(topics) => return topics.finish(),
        }
        .context("cannot write events")
    }
}
