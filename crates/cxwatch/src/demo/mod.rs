//! `cxwatch demo`: a generated day in four feeds on an embedded stand-in for Kafka, watched by the very code of `run`.

mod clock;
mod feeder;
mod viewer;

use crate::cli::Outcome;
use crate::generate::{FEEDS, Recipe};
use crate::run::health::Health;
use crate::run::inquiries::Inquiries;
use crate::run::metrics::Metrics;
use crate::run::setup::{Setup, assemble};
use crate::run::threads::{Links, Pace, Service};
use crate::settings;
use anyhow::{Result, anyhow};
use clap::Args as ClapArgs;
use clock::FastClock;
use cxwatch_event::Millis;
use cxwatch_kafka::Properties;
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::mock::MockCluster;
use cxwatch_runtime::ports::{Clock, FeedPartition, Item};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use viewer::Viewer;

/// The rules.
const RULEBOOK: &str = include_str!("../../rulebooks/demo.yaml");
/// The settings. The clock runs fast, so that what takes the machine milliseconds takes the day minutes: hence the
/// `max_delay`.
const SETTINGS: &str = include_str!("settings.yaml");
/// Partitions of every topic.
const PARTITIONS: i32 = 2;
/// From eight in the morning to four in the afternoon.
const OPENS: &str = "2026-11-24T08:00:00Z";
const OPEN_MS: Millis = 8 * 3_600_000;
/// Events per thousand seconds: as many as a reader can follow.
const PER_KILOSECOND: u64 = 250;
/// How long the stand-in is given to begin.
const BEGIN_WITHIN: Duration = Duration::from_secs(20);
/// How long the last events of the day may take.
const FINISH_WITHIN: Duration = Duration::from_secs(2);
/// A call to the stand-in.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// See it work: a generated day of a small company, live, on an embedded stand-in for Kafka.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How long the day may take, in seconds.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(5..=3_600))]
    seconds: u32,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut out = std::io::stdout();
    let begun = Instant::now();
    let cluster = MockCluster::new(1)?;
    let setup = prepare(&cluster)?;
    let opens = cxwatch_event::rfc3339::parse(OPENS).ok_or_else(|| anyhow!("{OPENS} is no instant"))?;
    let speed = OPEN_MS / (i64::from(args.seconds) * 1_000);
    writeln!(
        out,
        "A day of a small company, from 08:00 to 16:00 in {} seconds: events in four feeds on an embedded stand-in for Kafka,\n\
         watched by the code of `cxwatch run` with the {} rules of crates/cxwatch/rulebooks/demo.yaml.\n",
        args.seconds,
        setup.book.rules.len()
    )?;
    let clock = FastClock::new(opens, speed);
    let health = Arc::new(Health::new(setup.settings.threads, &[], Vec::new()));
    let pace = Pace { ends_every: Duration::from_millis(20), commit_behind: Duration::ZERO, bounded: None };
    let inquiries = Inquiries::new(setup.settings.threads);
    let links = Links { health: Arc::clone(&health), metrics: Metrics::new()?, inquiries };
    let service = Service::start(&setup, PARTITIONS, clock.clone(), &pace, None, links)?;
    health.started();
    let played = show(&setup, &service, &clock, &health, opens, &mut out);
    service.ask_to_stop();
    let left = service.join();
    let (events, viewer) = played?;
    left?;
    if viewer.asked() == 0 {
        return Err(anyhow!(
            "no action was asked for in the whole day; the machine may be too busy, try --seconds 120"
        ));
    }
    writeln!(
        out,
        "\nThe day is over: {events} events, {} actions, in {:.0} seconds.",
        viewer.asked(),
        begun.elapsed().as_secs_f64()
    )?;
    write!(out, "{}", viewer.summary())?;
    write!(out, "{NEXT}")?;
    Ok(Outcome::Fine)
}

const NEXT: &str = "
Next:
  cxwatch rules check crates/cxwatch/rulebooks/demo.yaml   change a rule, and have it checked
  cxwatch generate --out day                               the same kind of day as files
  cxwatch replay --rulebook crates/cxwatch/rulebooks/demo.yaml day/*.jsonl --sort
                                                           what the rules would have found in them
  deploy/kafka/kafka start /tmp/kafka                      an Apache Kafka without Docker, for `cxwatch topics create`
                                                           and `cxwatch run` (docs/operations.md)
(from the source tree: cargo run --release -- in place of cxwatch)
";

/// Topics, settings, rulebook.
fn prepare(cluster: &MockCluster) -> Result<Setup> {
    let bootstrap = [("CXWATCH_KAFKA__BOOTSTRAP".to_owned(), cluster.bootstrap())];
    let (settings, _) =
        settings::read("the demo's settings", SETTINGS, bootstrap, "demo").sound().map_err(|complaints| {
            anyhow!("{}", complaints.first().map(ToString::to_string).unwrap_or_default())
        })?;
    let (book, _) = cxwatch_rulebook::compile(RULEBOOK, "demo.yaml")
        .map_err(|problems| anyhow!("{}", problems.first().map(ToString::to_string).unwrap_or_default()))?;
    let setup = assemble(settings, RULEBOOK.to_owned(), Arc::new(book))?;
    let topics = &setup.settings.topics;
    let outputs =
        [&topics.actions, &topics.suppressions, &topics.incidents, &topics.dead_letters, &topics.journal];
    for topic in setup.feed_topics().iter().chain(outputs) {
        cluster.create_topic(topic, PARTITIONS)?;
    }
    Ok(setup)
}

/// Plays the day and prints what comes of it.
fn show(
    setup: &Setup,
    service: &Service,
    clock: &FastClock,
    health: &Health,
    opens: Millis,
    out: &mut impl Write,
) -> Result<(u64, Viewer)> {
    let properties = &setup.settings.kafka.properties;
    let mut reader = reader(properties, &setup.settings.topics.actions)?;
    let waiting = Instant::now();
    while !health.readiness().ready {
        if service.is_over() || waiting.elapsed() > BEGIN_WITHIN {
            let why: Vec<String> =
                health.readiness().reasons.into_iter().map(|reason| reason.detail).collect();
            return Err(anyhow!("it does not begin: {}", why.join("; ")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    clock.go();
    let closes = opens + OPEN_MS;
    let stop = Arc::new(AtomicBool::new(false));
    let recipe = Recipe { per_kilosecond: PER_KILOSECOND, ..Recipe::day(opens) };
    let feeder = {
        let (properties, clock, stop) = (properties.clone(), clock.clone(), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("shop".to_owned())
            .spawn(move || feeder::play(&properties, recipe, closes, PARTITIONS, &clock, &stop))?
    };
    debug_assert!(FEEDS.iter().all(|feed| setup.feed_topics().iter().any(|topic| topic == feed)));
    let mut viewer = Viewer::default();
    let mut closed: Option<Instant> = None;
    let mut written = Ok(());
    while closed.is_none_or(|at| at.elapsed() < FINISH_WITHIN) && !service.is_over() && written.is_ok() {
        let mut lines = Vec::new();
        reader.serve_within(0, 500, Duration::from_millis(50), &mut |item| {
            if let Item::Record(record) = item {
                lines.extend(record.value.and_then(|value| viewer.take(value)));
            }
        });
        written = lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
        if closed.is_none() && clock.now() >= closes && feeder.is_finished() {
            closed = Some(Instant::now());
        }
    }
    stop.store(true, Ordering::Relaxed);
    let events = feeder.join().map_err(|_| anyhow!("the shop has broken down"))??;
    written?;
    Ok((events, viewer))
}

/// A reader of all actions.
fn reader(properties: &Properties, topic: &str) -> Result<FeedConsumer> {
    let mut properties = properties.clone();
    properties.insert("group.id".to_owned(), "cxwatch-demo-viewer".to_owned());
    let from: Vec<(FeedPartition, i64)> =
        (0..PARTITIONS).map(|partition| (FeedPartition { feed: 0, partition }, 0)).collect();
    Ok(FeedConsumer::assign(&properties, &[topic.to_owned()], &from, ANSWER_WITHIN)?)
}
