//! `cxwatch run`: the service on Kafka.

mod checks;
mod client_id;
pub(crate) mod decoders;
pub(crate) mod health;
pub(crate) mod inquiries;
mod listener;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod owners;
mod rights;
mod rulebooks;
pub(crate) mod setup;
pub(crate) mod threads;

use crate::admin::{Admin, listen};
use crate::cli::{Outcome, usage};
use crate::cluster::explain;
use crate::control::Control;
use crate::settings::keys;
use anyhow::{Result, anyhow};
use clap::Args as ClapArgs;
use client_id::advertised;
use cxwatch_event::Millis;
use cxwatch_runtime::ports::{Answer, SystemClock};
use cxwatch_runtime::settings::Bounded;
use health::Health;
use inquiries::Inquiries;
use metrics::Metrics;
use owners::Owners;
use setup::{Setup, setup};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use threads::{Links, Pace, Service};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// How often the main thread looks after the others.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Input that ends is done when all tasks have been through it for so long: the group may be giving us more.
const DONE_FOR: Duration = Duration::from_secs(3);

/// Watch the feeds of a Kafka cluster and publish actions, until told to stop.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The settings file; docs/configuration.md describes every key.
    #[arg(long, value_name = "FILE", env = "CXWATCH_CONFIG", default_value = "cxwatch.yaml")]
    config: PathBuf,
    /// Check settings and rulebook, print what holds and where each value comes from, and end.
    #[arg(long)]
    check: bool,
    /// Print every key of the settings file as a table, and end.
    #[arg(long, conflicts_with = "check")]
    keys: bool,
    /// Read the feeds to where they end now, act on all of it, and end: for topics of the past. Needs --until.
    #[arg(long, requires = "until")]
    bounded: bool,
    /// With --bounded: let time go on to this instant when all has been read, so that deadlines after the last event fire.
    #[arg(long, value_name = "TIME", requires = "bounded", value_parser = crate::cli::time::instant)]
    until: Option<Millis>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    if args.keys {
        std::io::stdout().write_all(keys::table().as_bytes())?;
        return Ok(Outcome::Fine);
    }
    let setup = setup(&args.config)?;
    if args.check {
        // Made, and thrown away: that is how the client looks at its properties.
        crate::cluster::client(&setup, LOOK_EVERY)?;
        std::io::stdout().write_all(setup.settings.show().as_bytes())?;
        let start = &setup.settings.start;
        if start.read_from.is_none() || start.act_from.is_none() {
            let note = "note: the very first start will ask for `start: { read_from: 7d, act_from: now }`, which is not all set";
            writeln!(std::io::stderr(), "{note}")?;
        }
        return Ok(Outcome::Fine);
    }
    log::start(&setup.settings.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(serve(setup, args.until))
}

/// The main thread: admin server, signals, and an eye on the stream threads.
async fn serve(mut setup: Setup, until: Option<Millis>) -> Result<Outcome> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let names: Vec<String> = setup.feeds.iter().map(|feed| feed.name.clone()).collect();
    let health = Arc::new(Health::new(setup.settings.threads, &names, setup.unwatched()));
    let metrics = Metrics::new()?.with_process()?;
    metrics.show_rulebook(&setup.book);
    let listener = listen(setup.settings.admin.listen).await?;
    let address = listener.local_addr()?;
    let advertised = setup.settings.admin.advertised.get_or_insert_with(|| advertised(address)).clone();
    tracing::info!(%address, advertised, "admin server listens");
    let links = Links {
        health: Arc::clone(&health),
        metrics: metrics.clone(),
        inquiries: Inquiries::new(setup.settings.threads),
    };
    let admin = Admin {
        registry: metrics.registry.clone(),
        health: Arc::clone(&health),
        inquiries: links.inquiries.clone(),
        book: Arc::clone(&setup.book),
        token: setup.settings.admin.token.clone(),
    };
    let (close, closed) = oneshot::channel::<()>();
    let server = tokio::spawn(admin.serve(listener, async {
        let _ = closed.await;
    }));
    let ended = tokio::select! {
        ended = work(setup, until, links) => ended,
        () = told_to_stop(&mut terminate, &mut interrupt) => Ok(None),
    };
    let result = match ended {
        Ok(Some(service)) => {
            let bounded = until.is_some().then(|| Arc::clone(&health));
            finish(service, bounded, &mut terminate, &mut interrupt).await
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    let _ = close.send(());
    // A client that holds a connection open must not hold the process.
    let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
    result.map(|()| Outcome::Fine)
}

async fn told_to_stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// The checks and the start. They block, so they have a thread of their own.
async fn work(setup: Setup, until: Option<Millis>, links: Links) -> Result<Option<Service>> {
    let begun = tokio::task::spawn_blocking(move || {
        let (health, metrics) = (&links.health, &links.metrics);
        let found = checks::check(&setup)?;
        if let Some(differ) = &found.key_hashes {
            tracing::error!("{differ}");
            metrics.key_hashes_differ.set(1);
        }
        health.key_hashes(found.key_hashes);
        let unwatched = setup.unwatched();
        if !unwatched.is_empty() {
            let feeds = unwatched.join(", ");
            tracing::warn!(
                feeds,
                "unwatched: without `expect`, and if they send no heartbeat, their silence looks like peace"
            );
        }
        let (threads, partitions) = (setup.settings.threads, found.partitions);
        let started = Arc::clone(health);
        let bounded = match until {
            Some(until) => Some(Bounded { ends: checks::ends(&setup, partitions)?, until }),
            None => None,
        };
        let pace = Pace { bounded, ..Pace::default() };
        // What is stopped must be known before anything is decided.
        let control = Control::follow(&setup, checks::ANSWER_WITHIN, Arc::clone(health), metrics)
            .map_err(|fault| explain(&setup, &fault))?;
        let clock = SystemClock::new();
        links.inquiries.begin(Owners::new(&setup, partitions, found.hash));
        let service = Service::start(&setup, partitions, clock, &pace, Some(control), links)?;
        started.started();
        tracing::info!(
            application = setup.settings.application_id,
            instance = setup.settings.instance_id,
            threads,
            partitions,
            rulebook = %setup.book.name,
            version = setup.book.version,
            "watching"
        );
        anyhow::Ok(service)
    });
    begun.await?.map(Some)
}

/// Looks after the threads until they end or a signal comes, then waits until they have left in peace.
async fn finish(
    service: Service,
    bounded: Option<Arc<Health>>,
    terminate: &mut Signal,
    interrupt: &mut Signal,
) -> Result<()> {
    let watched = async {
        let mut done_since: Option<Instant> = None;
        while !service.is_over() && done_since.is_none_or(|since| since.elapsed() < DONE_FOR) {
            let done = bounded.as_ref().is_some_and(|health| health.is_done());
            done_since = if done { done_since.or_else(|| Some(Instant::now())) } else { None };
            service.look_at_brokers();
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = watched => {}
        () = told_to_stop(terminate, interrupt) => tracing::info!("stopping: a last commit, then the group is left"),
    }
    service.ask_to_stop();
    let joined = tokio::task::spawn_blocking(move || service.join());
    let ended = tokio::select! {
        joined = joined => joined?,
        () = told_to_stop(terminate, interrupt) => return Err(anyhow!("told to stop twice; what was not committed is done again at the next start")),
    };
    ended.map_err(
        |fault| if fault.answer == Answer::Exit { usage(fault.to_string()) } else { anyhow!("{fault}") },
    )
}
