//! The stream threads of a process: begun, begun anew after a fault, ended in peace.

use super::client_id::{client_id, short_hash};
use super::decoders::decoders;
use super::health::Health;
use super::inquiries::Inquiries;
use super::listener::Reporter;
use super::metrics::Metrics;
use super::rulebooks::RulebookWatch;
use super::setup::Setup;
use crate::control::{Board, Control};
use crate::settings::{Moment, Settings};
use anyhow::Result;
use cxwatch_decision::{Decider, DeciderSettings, WallClock};
use cxwatch_event::Millis;
use cxwatch_kafka::Properties;
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::end_offsets::{EndOffsetsWatch, EndsView};
use cxwatch_kafka::ports::{KafkaJournal, KafkaRereader, KafkaSink, TopicNames};
use cxwatch_runtime::journal::Rules;
use cxwatch_runtime::ports::{Answer, Clock, Fault, Ports, ReadFrom};
use cxwatch_runtime::settings::{Bounded, Bounds, Plan, Start, Timing};
use cxwatch_runtime::thread::{Parts, StreamThread};
use std::hash::{BuildHasher, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a call to the brokers may take before it is tried again.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a thread pauses before it is begun anew: at first, and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(10);
/// How long a thread's clients may take to end. A broker that was restarted has kept one waiting for longer than an
/// orchestrator waits before it kills.
const LET_GO_WITHIN: Duration = Duration::from_secs(8);
/// A thread that has lived this long was healthy: the next pause is short again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Kafka, with a clock of the caller's choice.
struct World<C>(PhantomData<C>);

impl<C: Clock> Ports for World<C> {
    type Source = FeedConsumer;
    type Sink = KafkaSink;
    type Journal = KafkaJournal;
    type Rereader = KafkaRereader;
    type Ends = EndsView;
    type Pauses = Board;
    type Clock = C;
}

/// How often things are done beyond what the settings say.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Between two questions where the feeds end.
    pub(crate) ends_every: Duration,
    /// Between two commits of a thread that is far behind.
    pub(crate) commit_behind: Duration,
    /// For input that ends.
    pub(crate) bounded: Option<Bounded>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { ends_every: Duration::from_millis(200), commit_behind: Duration::from_secs(1), bounded: None }
    }
}

/// What the threads tell, and are asked by. Clones lead to the same.
#[derive(Clone)]
pub(crate) struct Links {
    /// What the process knows of itself.
    pub(crate) health: Arc<Health>,
    /// What Prometheus sees.
    pub(crate) metrics: Metrics,
    /// What people ask.
    pub(crate) inquiries: Inquiries,
}

/// What all threads share, read only.
struct Shared<C> {
    plan: Arc<Plan<Decider>>,
    properties: Properties,
    settings: Settings,
    /// The rulebook's hash, for client ids.
    rules: String,
    feed_topics: Vec<String>,
    ends: EndsView,
    pauses: Board,
    clock: C,
    links: Links,
    stop: Arc<AtomicBool>,
}

/// The running threads.
pub(crate) struct Service {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), Fault>>>,
    watch: EndOffsetsWatch,
    control: Option<Control>,
    rulebooks: RulebookWatch,
    health: Arc<Health>,
}

impl Service {
    /// Begins the threads. `partitions` is the number that all feeds have; without `control` nothing is ever paused.
    pub(crate) fn start<C: Clock + Clone + Send + Sync + 'static>(
        setup: &Setup,
        partitions: i32,
        clock: C,
        pace: &Pace,
        control: Option<Control>,
        links: Links,
    ) -> Result<Service> {
        let topics = setup.feed_topics().into_iter().map(|topic| (topic, partitions)).collect();
        let wall = clock.clone();
        let properties = &setup.settings.kafka.properties;
        let watch = EndOffsetsWatch::spawn(properties, topics, pace.ends_every, move || wall.now())?;
        let rules = short_hash(&setup.book);
        let rulebooks = RulebookWatch::spawn(&setup.settings, rules.clone(), links.metrics.clone())?;
        let stop = Arc::new(AtomicBool::new(false));
        let health = Arc::clone(&links.health);
        let shared = Arc::new(Shared {
            plan: Arc::new(plan(setup, partitions.unsigned_abs(), pace, clock.now())),
            properties: properties.clone(),
            settings: setup.settings.clone(),
            rules,
            feed_topics: setup.feed_topics(),
            ends: watch.view(),
            pauses: control.as_ref().map(|control| control.board.clone()).unwrap_or_default(),
            clock,
            links,
            stop: Arc::clone(&stop),
        });
        let threads = (0..setup.settings.threads)
            .map(|number| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("stream-{number}"))
                    .spawn(move || lives(&shared, number))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        Ok(Service { stop, threads, watch, control, rulebooks, health })
    }

    /// Whether all threads have ended by themselves.
    pub(crate) fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Passes on how the brokers answer.
    pub(crate) fn look_at_brokers(&self) {
        let (_, _, fault) = self.watch.health();
        self.health.brokers(fault.map(|fault| fault.to_string()));
    }

    /// Asks the threads to end.
    pub(crate) fn ask_to_stop(&self) {
        self.health.stopping();
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits until all threads have committed and left. The first fault that ended one for good.
    pub(crate) fn join(self) -> Result<(), Fault> {
        let Service { threads, watch, control, rulebooks, .. } = self;
        let mut first = Ok(());
        for thread in threads {
            let ended = thread.join().unwrap_or_else(|_| {
                Err(Fault::new(
                    Answer::Exit,
                    "run a stream thread",
                    "Panicked",
                    "a bug; the lines above tell where",
                ))
            });
            first = first.and(ended);
        }
        if !let_go((watch, control, rulebooks), LET_GO_WITHIN) {
            tracing::warn!(
                "a Kafka client that only looks on does not end within {LET_GO_WITHIN:?} and is left behind"
            );
        }
        first
    }
}

/// A thread's lives, one after the other, until told to stop or until only an operator can help.
fn lives<C: Clock + Clone + Send + 'static>(shared: &Shared<C>, number: usize) -> Result<(), Fault> {
    let mut pause = PAUSE_FIRST;
    loop {
        let began = Instant::now();
        let ended = life(shared, number);
        if shared.stop.load(Ordering::Relaxed) {
            // Whatever kept it from leaving in peace, the next process restores from what is committed.
            if let Err(fault) = &ended {
                tracing::warn!(thread = number, %fault, "left without a last commit");
            }
            return Ok(());
        }
        let Err(fault) = ended else { return Ok(()) };
        if fault.answer == Answer::Exit {
            let mut fault = fault;
            if let Some(rights) = crate::cluster::rights(&fault) {
                fault.message = format!("{}; {rights}", fault.message);
            }
            tracing::error!(thread = number, %fault, "cannot go on");
            shared.links.health.failed(fault.to_string());
            shared.stop.store(true, Ordering::Relaxed);
            return Err(fault);
        }
        tracing::warn!(thread = number, %fault, "stream thread begins anew");
        shared.links.metrics.thread_restarts.inc();
        shared.links.health.trouble(number, Some(fault.to_string()));
        pause = if began.elapsed() > HEALTHY_AFTER { PAUSE_FIRST } else { (pause * 2).min(PAUSE_LAST) };
        let until = Instant::now() + pause;
        while Instant::now() < until && !shared.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if shared.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

/// One life: a group member and a producer from first to last.
fn life<C: Clock + Clone + Send + 'static>(shared: &Shared<C>, number: usize) -> Result<(), Fault> {
    let Shared { settings, feed_topics, .. } = shared;
    let mut member = member_properties(settings, number);
    let name = format!("{}-{}-{number}", settings.application_id, settings.instance_id);
    let names = topic_names(settings);
    // The producer first: it fences what an earlier process of this name may have left open.
    let sink = KafkaSink::new(&shared.properties, &name, names, feed_topics, ANSWER_WITHIN)?;
    let journal = KafkaJournal::new(&member, &settings.topics.journal, ANSWER_WITHIN)?;
    let reread = KafkaRereader::new(&member, ANSWER_WITHIN)?;
    if !settings.kafka.properties.contains_key("client.id") {
        member.insert(
            "client.id".to_owned(),
            client_id(&name, settings.admin.advertised.as_deref(), &shared.rules),
        );
    }
    let source = FeedConsumer::subscribe(&member, feed_topics, ANSWER_WITHIN)?;
    let (ends, pauses, clock) = (shared.ends.clone(), shared.pauses.clone(), shared.clock.clone());
    let parts = Parts { source, sink, journal, reread, ends, pauses, clock };
    let Links { health, metrics, inquiries } = &shared.links;
    let (health, metrics) = (Arc::clone(health), Arc::clone(&metrics.threads));
    let reporter = Reporter::new(number, feed_topics.len(), health, metrics, inquiries.inbox(number));
    let mut thread: StreamThread<World<C>, Decider, Reporter> =
        StreamThread::new(Arc::clone(&shared.plan), parts, reporter);
    let ended = thread.run(&shared.stop);
    if !let_go(thread, LET_GO_WITHIN) {
        tracing::warn!(
            thread = number,
            "the Kafka client does not end within {LET_GO_WITHIN:?} and is left behind; what was committed stands, and \
             the group gives its partitions away once it is no longer heard of"
        );
    }
    ended
}

/// Drops a value, and waits for that no longer than this. False: it still goes on, on a thread of its own.
fn let_go<T: Send + 'static>(value: T, within: Duration) -> bool {
    let (done, waits) = mpsc::channel::<()>();
    let dropping = std::thread::Builder::new().name("let-go".to_owned()).spawn(move || {
        drop(value);
        drop(done);
    });
    // Nothing is sent: the end of it closes the channel.
    dropping.is_err() || waits.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Disconnected)
}

/// The properties of a group member.
pub(crate) fn member_properties(settings: &Settings, thread: usize) -> Properties {
    let mut member = settings.kafka.properties.clone();
    member.insert("group.id".to_owned(), settings.application_id.clone());
    let name = format!("{}-{}-{thread}", settings.application_id, settings.instance_id);
    if settings.kafka.static_membership {
        member.insert("group.instance.id".to_owned(), name.clone());
    }
    member.entry("client.id".to_owned()).or_insert(name);
    member
}

fn topic_names(settings: &Settings) -> TopicNames {
    let topics = &settings.topics;
    TopicNames {
        actions: topics.actions.clone(),
        suppressions: topics.suppressions.clone(),
        incidents: topics.incidents.clone(),
        dead_letters: topics.dead_letters.clone(),
        journal: topics.journal.clone(),
    }
}

fn plan(setup: &Setup, partitions: u32, pace: &Pace, now: Millis) -> Plan<Decider> {
    let Setup { settings, source, book, feeds } = setup;
    let rules = Rules {
        source: source.clone(),
        hash: book.hash,
        settings: setup.engine(),
        feeds: setup.feed_names(),
    };
    let defaults = Timing::new(feeds.len());
    let commit_ms = settings.commit_interval_ms.unsigned_abs();
    Plan {
        rules,
        book: Arc::clone(book),
        compile: Box::new(|source| match cxwatch_rulebook::compile(source, "the journal's rulebook") {
            Ok((book, _)) => Ok(Arc::new(book)),
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }),
        decoders: Box::new(decoders),
        desk: Box::new(move |act_from, settings| {
            Decider::new(DeciderSettings {
                act_from,
                remember_ms: settings.late_horizon_ms,
                partitions,
                wall: WallClock::At(now),
            })
        }),
        start: start(settings, now),
        timing: Timing {
            commit_interval_ms: commit_ms,
            commit_interval_behind_ms: commit_ms.max(pace.commit_behind.as_millis() as u64),
            // A quiet feed's watermark always lies `max_delay` behind; that is not far.
            behind_ms: defaults.behind_ms
                + feeds.iter().map(|feed| feed.settings.max_delay_ms).max().unwrap_or(0),
            snapshot_every_ms: settings.snapshot_every_ms.unsigned_abs(),
            blind_after_ms: settings.time.blind_after_ms.unsigned_abs(),
            bounded: pace.bounded.clone(),
            expect: feeds.iter().map(|feed| feed.expect.clone()).collect(),
            ..defaults
        },
        bounds: Bounds {
            rejected_in_a_row_max: settings.dead_letters.rejected_in_a_row_max,
            dead_letters_headers_only: !settings.dead_letters.original_bytes,
            ..Bounds::default()
        },
        seed: std::hash::RandomState::new().build_hasher().finish(),
        faults: Default::default(),
    }
}

/// Where a task begins that has no past; `None` where the operator has not said.
pub(crate) fn start(settings: &Settings, now: Millis) -> Option<Start> {
    let (read_from, act_from) = (settings.start.read_from?, settings.start.act_from?);
    let read_from = match read_from {
        Moment::Earliest => ReadFrom::Earliest,
        Moment::Now => ReadFrom::Latest,
        other => ReadFrom::Time(other.instant(now)),
    };
    Some(Start { read_from, act_from: act_from.instant(now) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends when it is told to.
    struct Clinging(mpsc::Receiver<()>);

    impl Drop for Clinging {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn what_does_not_end_is_left_behind() {
        let (tell, told) = mpsc::channel();
        assert!(!let_go(Clinging(told), Duration::from_millis(20)));
        drop(tell);
        let (tell, told) = mpsc::channel();
        drop(tell);
        assert!(let_go(Clinging(told), Duration::from_secs(60)));
    }
}
