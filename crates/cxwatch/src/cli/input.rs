//! What is read: files of events, or the feeds' topics, under a rulebook.

use super::{cluster, file, time, usage};
use crate::replay::Job;
use crate::replay::topics::{Topics, Wanted};
use crate::run::setup::{Setup, Shown};
use crate::settings::Moment;
use anyhow::Result;
use compact_str::CompactString;
use cxwatch_engine::{FOREVER, Settings};
use cxwatch_event::Millis;
use cxwatch_event::mapping::Mapping;
use cxwatch_rulebook::{FeedSet, Rulebook};
use std::path::PathBuf;
use std::sync::Arc;

/// What is read, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Input {
    /// The rulebook (YAML) [default: that of --config].
    #[arg(long, short, value_name = "FILE", required_unless_present = "config")]
    rulebook: Option<PathBuf>,

    /// Read the feeds' topics of the cluster at these brokers, instead of files.
    #[arg(long, value_name = "HOST:PORT,...", conflicts_with_all = ["files", "mapping", "sort", "feeds"])]
    from_kafka: Option<String>,

    /// Where topics are begun, by the time that records carry: so long ago, at a time, or `earliest`.
    #[arg(long, value_name = "DURATION|TIME", default_value = "earliest", value_parser = time::moment, requires = "from_kafka")]
    since: Moment,

    #[command(flatten)]
    cluster: cluster::Cluster,

    /// How rows become events (YAML). Without it the files hold CloudEvents as JSON lines.
    #[arg(long, short, value_name = "FILE")]
    mapping: Option<PathBuf>,

    /// Sort all events by time before they are judged; at one instant they keep the order of the input.
    #[arg(long)]
    sort: bool,

    /// The most memory that sorting may take, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    sort_memory: usize,

    /// Spread customers over so many tasks, as topics with so many partitions do (murmur2, as Java clients)
    /// [default: 1; of topics: as many as they have].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: Option<u32>,

    /// Take events that lie in the future as they are.
    #[arg(long)]
    allow_future: bool,

    /// How far apart two events of a feed may stand in the wrong order: for all feeds, or FEED=DURATION. Repeatable
    /// [default: 1s, or as --config says].
    #[arg(long, value_name = "[FEED=]DURATION")]
    reorder: Vec<String>,

    /// How far behind its feed an event may lie and still be put where it belongs [default: 10m, or as --config says].
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    late_horizon: Option<Millis>,

    /// For how long an event with the same source and id counts as the same event [default: 2m, or as --config says].
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    dedupe_for: Option<Millis>,

    /// The feeds that the input holds, if it is known: spares a look into the files beforehand, and lets standard input
    /// be judged while it is read.
    #[arg(long, value_name = "FEED,...", value_delimiter = ',', conflicts_with = "mapping")]
    feeds: Vec<String>,

    /// The files; `-` is standard input.
    #[arg(required_unless_present = "from_kafka", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Input that has been looked at.
pub(crate) struct Opened {
    pub(crate) book: Arc<Rulebook>,
    pub(crate) mapping: Option<Mapping>,
    pub(crate) topics: Option<Topics>,
    settings: Settings,
    feeds: Option<FeedSet>,
    started: Millis,
}

impl Input {
    /// Compiles rulebook and mapping, and looks where topics begin and end.
    pub(crate) fn open(&self) -> Result<Opened> {
        let args = self;
        let started = time::now();
        let setup = args.cluster.setup(args.rulebook.as_deref())?;
        if args.from_kafka.is_none() && (setup.is_some() || !args.cluster.kafka_property.is_empty()) {
            return Err(usage(
                "--config and --kafka-property are about a cluster: name its brokers with --from-kafka",
            ));
        }
        let book = match (&setup, &args.rulebook) {
            (Some(setup), _) => Arc::clone(&setup.book),
            (None, Some(path)) => file::rulebook(path)?,
            (None, None) => return Err(usage("a rulebook is needed: --rulebook FILE")),
        };
        let mapping = args.mapping.as_deref().map(|path| file::mapping(path, &book.catalogue, Shown::All));
        let mapping = mapping.transpose()?;
        let mapping = mapping.map(|(_, mapping)| mapping);
        if args.files.iter().filter(|f| f.as_os_str() == "-").count() > 1 {
            return Err(usage("standard input can be read only once"));
        }
        let topics = topics(args, &book, setup.as_ref(), started)?;
        let settings = settings(args, &book, setup.as_ref())?;
        let feeds = feeds(&args.feeds, &book)?;
        Ok(Opened { book, mapping, topics, settings, feeds, started })
    }
}

impl Opened {
    /// What is to be replayed, until then or the newest event.
    pub(crate) fn job(&self, args: &Input, until: Option<Millis>, watched: Option<CompactString>) -> Job<'_> {
        Job {
            settings: self.settings.clone(),
            feeds: self.feeds,
            book: Arc::clone(&self.book),
            mapping: self.mapping.as_ref(),
            files: args.files.clone(),
            partitions: args.partitions.unwrap_or(1),
            until,
            now: if args.allow_future { FOREVER } else { self.started },
            sort_bytes_max: args.sort.then_some(args.sort_memory << 20),
            watched,
        }
    }
}

/// Where the topics begin and end, if topics are to be read.
fn topics(args: &Input, book: &Rulebook, setup: Option<&Setup>, now: Millis) -> Result<Option<Topics>> {
    let Some(brokers) = &args.from_kafka else { return Ok(None) };
    let properties = args.cluster.properties(brokers, setup)?;
    let plain = cluster::plain_feeds(book);
    let feeds = setup.map_or(plain.as_slice(), |setup| &setup.feeds);
    Topics::open(book, Wanted { properties, feeds, since: args.since, tasks: args.partitions, now }).map(Some)
}

fn settings(args: &Input, book: &Rulebook, setup: Option<&Setup>) -> Result<Settings> {
    let mut settings = setup.map_or_else(|| Settings::new(book.feeds.len()), Setup::engine);
    settings.late_horizon_ms = args.late_horizon.unwrap_or(settings.late_horizon_ms);
    settings.dedupe_for_ms = args.dedupe_for.unwrap_or(settings.dedupe_for_ms);
    for setting in &args.reorder {
        let (feed, text) = match setting.split_once('=') {
            Some((feed, text)) => (Some(feed), text),
            None => (None, setting.as_str()),
        };
        let reorder_ms = time::duration(text).map_err(|e| usage(format!("--reorder {setting}: {e}")))?;
        let named = feed.map(|name| feed_named(name, book)).transpose()?;
        for (at, feed) in settings.feeds.iter_mut().enumerate() {
            if named.is_none_or(|named| usize::from(named.0) == at) {
                feed.reorder_ms = reorder_ms;
                feed.max_delay_ms = feed.max_delay_ms.max(reorder_ms);
            }
        }
    }
    Ok(settings)
}

fn feeds(names: &[String], book: &Rulebook) -> Result<Option<FeedSet>> {
    if names.is_empty() {
        return Ok(None);
    }
    let feeds = names.iter().map(|name| feed_named(name, book));
    let set = feeds.collect::<Result<Vec<_>>>()?.into_iter().fold(FeedSet::default(), FeedSet::with);
    Ok(Some(set))
}

fn feed_named(name: &str, book: &Rulebook) -> Result<cxwatch_rulebook::FeedIx> {
    book.feed_named(name).ok_or_else(|| {
        let known: Vec<_> = book.feeds.iter().map(|f| f.as_str()).collect();
        usage(format!("there is no feed {name}; there are: {}", known.join(", ")))
    })
}
