//! What Prometheus sees. All metrics stand here, each with what it says; labels have closed sets of values: feeds, rules
//! and partitions of this process, reasons of the contract. No customer is ever in a label.

use crate::arrivals::Arrivals;
use crate::desk::{Book, Label, Publisher};
use crate::live::{Arrival, Batch, Live};
use crate::partial::Partial;
use crate::ports::{Fault, Topic};
use crate::restore::Alarm;
use crate::thread::Listener;
use cxwatch_engine::{Counts, FeedSettings};
use cxwatch_event::{Millis, Reason};
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// From an event's time to the commit of what it led to, in seconds: from what a second's reorder costs to an hour of
/// catching up.
const LATENCY_S: [f64; 14] = [0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0];

/// How late and how far out of order events come, in seconds.
const ARRIVAL_S: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 60.0, 600.0];

/// A transaction, in seconds.
const COMMIT_S: [f64; 10] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// A restore, in seconds.
const RESTORE_S: [f64; 9] = [0.05, 0.25, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0];

/// All metrics of a process.
pub struct Metrics {
    /// Records read.
    records: IntCounter,
    /// Their bytes.
    record_bytes: IntCounter,
    /// Bytes of commit records written to the journal.
    commit_bytes: IntCounter,
    /// Bytes of snapshots written to the journal.
    snapshot_bytes: IntCounter,
    /// Actions requested, updated, revoked, expired; by rule. Counted when committed.
    actions: IntCounterVec,
    /// Candidates that led to no action; by rule and reason. Counted when committed.
    suppressions: IntCounterVec,
    /// Records and events refused, by reason.
    rejections: IntCounterVec,
    /// From a decision's event time to its commit.
    latency: Histogram,
    /// From an event's time to its record's timestamp, by feed: what `max_delay` must cover.
    delay: HistogramVec,
    /// How far an event lies behind the newest one of its feed, by feed: what `reorder` must cover.
    disorder: HistogramVec,
    /// Transactions committed.
    commits: Histogram,
    /// Tasks restored.
    restores: Histogram,
    /// What restores found: `digest`, `engine`, `torn`. Anything but 0 wants somebody's eyes.
    alarms: IntCounterVec,
    /// Faults that were tried again, by code.
    retries: IntCounterVec,
    /// Records that can never be written and were left out. Anything but 0 wants somebody's eyes.
    unwritable: IntCounter,
    /// Tasks given up, `clean` or `dirty`.
    closed: IntCounterVec,
    /// What the engine counts: `applied`, `late`, `at_once`, `duplicates`, `forced`, `held`, `bound_hits`, ...
    engine: IntCounterVec,
    /// Outcomes read, by what became of the action.
    outcomes: IntCounterVec,
    /// What became of candidates, by rule and state: `proposed` is the sum of `action`, `suppression` and `pending`.
    candidates: IntGaugeVec,
    /// Episodes of the experiment, by rule and arm.
    treated: IntGaugeVec,
    /// Of these the saved ones.
    saved: IntGaugeVec,
    /// Outcomes of actions that the task did not know (any more).
    unknown_actions: IntGauge,
    /// Tasks that are restored and run, by partition: 1.
    task: IntGaugeVec,
    /// Tasks that wait for their restore.
    restoring: IntGauge,
    /// Feeds that a task of ours lacks, so that it cannot run, by partition.
    missing: IntGaugeVec,
    /// How far a feed's watermark lies behind the wall clock, in milliseconds.
    watermark_delay: IntGaugeVec,
    /// Records between a feed's position and its last known end.
    lag: IntGaugeVec,
    /// Feeds that a task is blind to: 1.
    blind: IntGaugeVec,
    /// Events in the reorder buffer.
    buffered: IntGaugeVec,
    /// Deadlines that are due and wait for a feed.
    held: IntGaugeVec,
    /// Episodes open.
    episodes: IntGaugeVec,
    /// Customers with any state.
    customers: IntGaugeVec,
}

struct Maker<'r> {
    registry: &'r Registry,
}

impl Maker<'_> {
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> prometheus::Result<C> {
        let made = made?;
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        label: &str,
    ) -> prometheus::Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), &[label]))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }
}

impl Metrics {
    /// Registers all metrics.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let m = Maker { registry };
        let of_feed = &["feed", "partition"];
        let of_task = &["partition"];
        let metrics = Metrics {
            records: m.counter("cxwatch_records_total", "Records read")?,
            record_bytes: m.counter("cxwatch_record_bytes_total", "Bytes of records read")?,
            commit_bytes: m.counter(
                "cxwatch_journal_commit_bytes_total",
                "Bytes of commit records written to the journal",
            )?,
            snapshot_bytes: m.counter(
                "cxwatch_journal_snapshot_bytes_total",
                "Bytes of snapshots written to the journal",
            )?,
            actions: m.counters(
                "cxwatch_actions_total",
                "Actions requested, updated, revoked or expired, committed",
                &["rule", "change"],
            )?,
            suppressions: m.counters(
                "cxwatch_suppressions_total",
                "Candidates that led to no action, committed",
                &["rule", "reason"],
            )?,
            rejections: m.counters(
                "cxwatch_rejections_total",
                "Records and events refused and dead-lettered",
                &["reason"],
            )?,
            latency: m.histogram(
                "cxwatch_event_to_action_seconds",
                "From a decision's event time to its commit",
                &LATENCY_S,
            )?,
            delay: m.histograms(
                "cxwatch_feed_delay_seconds",
                "From an event's time to its record's timestamp",
                &ARRIVAL_S,
                "feed",
            )?,
            disorder: m.histograms(
                "cxwatch_feed_disorder_seconds",
                "How far an event lies behind the newest one of its feed",
                &ARRIVAL_S,
                "feed",
            )?,
            commits: m.histogram("cxwatch_commit_seconds", "Transactions committed", &COMMIT_S)?,
            restores: m.histogram("cxwatch_restore_seconds", "Tasks restored", &RESTORE_S)?,
            alarms: m.counters(
                "cxwatch_restore_alarms_total",
                "Restores that found something wrong",
                &["what"],
            )?,
            retries: m.counters("cxwatch_retries_total", "Faults that were tried again", &["code"])?,
            unwritable: m.counter(
                "cxwatch_unwritable_records_total",
                "Records that could not be written and were left out",
            )?,
            closed: m.counters("cxwatch_tasks_closed_total", "Tasks given up", &["how"])?,
            engine: m.counters("cxwatch_engine_total", "What the engine counts", &["what"])?,
            outcomes: m.counters("cxwatch_outcomes_total", "What routing systems said of actions", &["kind"])?,
            candidates: m.gauges(
                "cxwatch_candidates",
                "Candidates of the tasks of this process since their first start: proposed = action + suppression + pending",
                &["rule", "state"],
            )?,
            treated: m.gauges(
                "cxwatch_arm_episodes",
                "Episodes acted on and held out, of the tasks of this process",
                &["rule", "arm"],
            )?,
            saved: m.gauges(
                "cxwatch_arm_saved_episodes",
                "Those among them whose customer was saved",
                &["rule", "arm"],
            )?,
            unknown_actions: m.add(IntGauge::new(
                "cxwatch_unknown_action_outcomes",
                "Outcomes of actions that their task did not know",
            ))?,
            task: m.gauges("cxwatch_task", "Tasks that are restored and run", of_task)?,
            restoring: m
                .add(IntGauge::new("cxwatch_tasks_restoring", "Tasks that wait for their restore"))?,
            missing: m.gauges(
                "cxwatch_task_missing_feeds",
                "Feeds that a task lacks, so that it cannot run",
                of_task,
            )?,
            watermark_delay: m.gauges(
                "cxwatch_watermark_delay_milliseconds",
                "How far a feed's watermark lies behind the wall clock",
                of_feed,
            )?,
            lag: m.gauges(
                "cxwatch_lag_records",
                "Records between a feed's position and its last known end",
                of_feed,
            )?,
            blind: m.gauges("cxwatch_feed_blind", "Whether a task is blind to a feed", of_feed)?,
            buffered: m.gauges("cxwatch_buffered_events", "Events in the reorder buffer", of_task)?,
            held: m.gauges("cxwatch_held_deadlines", "Deadlines due that wait for a feed", of_task)?,
            episodes: m.gauges("cxwatch_open_episodes", "Episodes open", of_task)?,
            customers: m.gauges("cxwatch_customers", "Customers with any state", of_task)?,
        };
        // A series that is there from the start shows its first increase.
        for reason in Reason::ALL {
            metrics.rejections.with_label_values(&[reason.name()]);
        }
        for what in ["digest", "engine", "torn"] {
            metrics.alarms.with_label_values(&[what]);
        }
        Ok(metrics)
    }

    fn book(&self, book: Book, rule: &str) -> IntGauge {
        match book {
            Book::Candidates => self.candidates.with_label_values(&[rule, "proposed"]),
            Book::Actions => self.candidates.with_label_values(&[rule, "action"]),
            Book::Suppressions => self.candidates.with_label_values(&[rule, "suppression"]),
            Book::Pending => self.candidates.with_label_values(&[rule, "pending"]),
            Book::Treated => self.treated.with_label_values(&[rule, "treated"]),
            Book::HeldOut => self.treated.with_label_values(&[rule, "held_out"]),
            Book::TreatedSaved => self.saved.with_label_values(&[rule, "treated"]),
            Book::HeldOutSaved => self.saved.with_label_values(&[rule, "held_out"]),
            Book::UnknownActions => self.unknown_actions.clone(),
        }
    }

    fn count(&self, label: &Label, topic: Topic, now: Millis) {
        match topic {
            Topic::Actions => self.actions.with_label_values(&[&label.rule, label.what]).inc(),
            Topic::Suppressions => self.suppressions.with_label_values(&[&label.rule, label.what]).inc(),
            _ => return,
        }
        if label.is_new {
            self.latency.observe((now - label.time).max(0) as f64 / 1_000.0);
        }
    }
}

/// A thread's listener that feeds the metrics, and writes what people should read to the log.
pub struct MetricsListener {
    metrics: Arc<Metrics>,
    /// What the engine had counted at the last look, by task.
    counted: BTreeMap<i32, Counts>,
    /// Tasks that have gauges.
    shown: Vec<(i32, Vec<String>)>,
    /// The latest arrivals by feed, until there are enough to judge the feed's settings by.
    arrivals: BTreeMap<usize, Arrivals>,
    /// What this thread has told of.
    restoring: i64,
    books: BTreeMap<(Book, String), i64>,
    partial: Partial,
    looked_at: Millis,
}

/// Gauges are set this often, in milliseconds.
const LOOK_MS: Millis = 1_000;

impl MetricsListener {
    /// A listener of one thread.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        MetricsListener {
            metrics,
            counted: BTreeMap::new(),
            shown: Vec::new(),
            arrivals: BTreeMap::new(),
            restoring: 0,
            books: BTreeMap::new(),
            partial: Partial::new(),
            looked_at: 0,
        }
    }

    /// Counts arrivals; where a feed's p99 lies above a setting, a warning names the value to set.
    fn arrived(&mut self, arrivals: &[Arrival], feeds: &[(String, FeedSettings)], now: Millis) {
        for arrival in arrivals {
            let (name, settings) = &feeds[arrival.feed];
            let seconds = |ms: Millis| ms as f64 / 1_000.0;
            self.metrics.delay.with_label_values(&[name]).observe(seconds(arrival.delay_ms));
            self.metrics.disorder.with_label_values(&[name]).observe(seconds(arrival.disorder_ms));
            let judged = self.arrivals.entry(arrival.feed).or_default();
            judged.delays.push(arrival.delay_ms);
            judged.disorders.push(arrival.disorder_ms);
            if let Some((setting, p99)) = judged.judge(settings, now) {
                tracing::warn!(
                    feed = name,
                    p99_ms = p99,
                    "events come later than expected: set feeds.{name}.{setting} to {p99}ms or more"
                );
            }
        }
    }

    fn count_engine(&mut self, partition: i32, counts: Counts) {
        let before = self.counted.insert(partition, counts).unwrap_or_default();
        let pairs = |c: &Counts| {
            [
                ("applied", c.applied),
                ("at_once", c.at_once),
                ("late", c.late),
                ("duplicates", c.duplicates),
                ("too_late", c.too_late),
                ("in_future", c.in_future),
                ("forced", c.forced),
                ("detections", c.detections),
                ("retractions", c.retractions),
                ("resolutions", c.resolutions),
                ("held", c.held),
                ("evaluated_again", c.evaluated_again),
                ("bound_hits", c.bound_hits),
                ("starts_without_key", c.starts_without_key),
            ]
        };
        for ((what, now), (_, then)) in pairs(&counts).into_iter().zip(pairs(&before)) {
            self.metrics.engine.with_label_values(&[what]).inc_by(now.saturating_sub(then));
        }
    }

    fn show<D: Publisher>(&self, task: &Live<D>, now: Millis) {
        let m = &self.metrics;
        let partition = task.partition().to_string();
        let set = |gauge: &IntGaugeVec, value: usize| {
            gauge.with_label_values(&[&partition]).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&m.task, 1);
        set(&m.buffered, task.task().buffered());
        set(&m.held, task.task().held());
        set(&m.episodes, task.task().open_episodes() as usize);
        set(&m.customers, task.task().customers());
        for (feed, name) in task.task().book().feeds.iter().enumerate() {
            let labels = [name.as_str(), &partition];
            let delay = now.saturating_sub(task.feed_watermark(feed));
            m.watermark_delay.with_label_values(&labels).set(delay);
            m.lag.with_label_values(&labels).set(task.lag(feed));
            m.blind.with_label_values(&labels).set(i64::from(task.is_blind(feed)));
        }
    }

    /// The gauge holds the tasks of all threads.
    fn show_restoring(&mut self, restoring: i64) {
        self.metrics.restoring.add(restoring - std::mem::replace(&mut self.restoring, restoring));
    }

    /// The books of all tasks of this thread; the gauges hold those of all threads.
    fn show_books(&mut self, books: BTreeMap<(Book, String), i64>) {
        let m = &self.metrics;
        for (key, before) in &self.books {
            if !books.contains_key(key) {
                m.book(key.0, &key.1).sub(*before);
            }
        }
        for (key, now) in &books {
            let before = self.books.get(key).copied().unwrap_or(0);
            if before != *now {
                m.book(key.0, &key.1).add(now - before);
            }
        }
        self.books = books;
    }

    /// What is no longer ours is no longer shown.
    fn forget(&mut self, partition: i32) {
        let m = &self.metrics;
        let label = partition.to_string();
        for gauge in [&m.task, &m.buffered, &m.held, &m.episodes, &m.customers] {
            let _ = gauge.remove_label_values(&[&label]);
        }
        let shown = self.shown.iter().position(|(p, _)| *p == partition);
        for feed in shown.map(|at| self.shown.swap_remove(at).1).unwrap_or_default() {
            for gauge in [&m.watermark_delay, &m.lag, &m.blind] {
                let _ = gauge.remove_label_values(&[&feed, &label]);
            }
        }
        self.counted.remove(&partition);
    }
}

impl Drop for MetricsListener {
    /// A thread that has ended has no tasks, however it ended.
    fn drop(&mut self) {
        for partition in self.shown.iter().map(|(partition, _)| *partition).collect::<Vec<_>>() {
            self.forget(partition);
        }
        self.assigned(&Partial::new());
        self.show_restoring(0);
        self.show_books(BTreeMap::new());
    }
}

impl Listener for MetricsListener {
    fn assigned(&mut self, partial: &Partial) {
        for partition in self.partial.keys().filter(|partition| !partial.contains_key(partition)) {
            let _ = self.metrics.missing.remove_label_values(&[&partition.to_string()]);
        }
        for (partition, feeds) in partial {
            let gauge = self.metrics.missing.with_label_values(&[&partition.to_string()]);
            gauge.set(i64::try_from(feeds.len()).unwrap_or(i64::MAX));
        }
        self.partial.clone_from(partial);
    }

    fn restored(&mut self, partition: i32, alarms: &[Alarm], commits: usize, customers: usize, took_ms: u64) {
        self.metrics.restores.observe(took_ms as f64 / 1_000.0);
        for alarm in alarms {
            let what = match alarm {
                Alarm::DigestDiffers { .. } => "digest",
                Alarm::EngineChanged { .. } => "engine",
                Alarm::Torn { .. } => "torn",
            };
            self.metrics.alarms.with_label_values(&[what]).inc();
            tracing::error!(partition, ?alarm, "the restore found something wrong");
        }
        tracing::info!(partition, commits, customers, took_ms, "task restored");
    }

    fn closed(&mut self, partition: i32, clean: bool) {
        self.metrics.closed.with_label_values(&[if clean { "clean" } else { "dirty" }]).inc();
        self.forget(partition);
        tracing::info!(partition, clean, "task given up");
    }

    fn committed(&mut self, batches: &[(i32, Batch)], took_ms: u64, now: Millis) {
        self.metrics.commits.observe(took_ms as f64 / 1_000.0);
        for record in batches.iter().flat_map(|(_, batch)| &batch.records) {
            if let Some(label) = &record.label {
                self.metrics.count(label, record.topic, now);
            }
        }
    }

    fn troubled(&mut self, fault: &Fault) {
        self.metrics.retries.with_label_values(&[&fault.code]).inc();
        tracing::warn!(%fault, "tried again");
    }

    fn unwritable(&mut self, partition: i32, fault: &Fault) {
        self.metrics.unwritable.inc();
        tracing::error!(partition, %fault, "a record cannot be written and is left out");
    }

    fn turned<D: Publisher>(&mut self, tasks: &mut BTreeMap<i32, Live<D>>, restoring: usize, now: Millis) {
        if now - self.looked_at < LOOK_MS {
            return;
        }
        self.looked_at = now;
        self.show_restoring(i64::try_from(restoring).unwrap_or(i64::MAX));
        let mut books = BTreeMap::new();
        for task in tasks.values() {
            task.task().desk().books(&mut |book, rule, count| {
                *books.entry((book, rule.to_owned())).or_insert(0) +=
                    i64::try_from(count).unwrap_or(i64::MAX);
            });
        }
        self.show_books(books);
        for (&partition, task) in tasks {
            let tally = task.take_tally();
            let m = &self.metrics;
            m.records.inc_by(tally.records);
            m.record_bytes.inc_by(tally.bytes);
            m.commit_bytes.inc_by(tally.commit_bytes);
            m.snapshot_bytes.inc_by(tally.snapshot_bytes);
            for (kind, count) in &tally.outcomes {
                m.outcomes.with_label_values(&[kind.as_str()]).inc_by(*count);
            }
            for (reason, count) in Reason::ALL.iter().zip(tally.rejected) {
                m.rejections.with_label_values(&[reason.name()]).inc_by(count);
            }
            let engine = task.task();
            let feeds: Vec<_> = engine
                .book()
                .feeds
                .iter()
                .map(ToString::to_string)
                .zip(engine.settings().feeds.iter().copied())
                .collect();
            let counts = engine.counts();
            self.arrived(&tally.arrivals, &feeds, now);
            self.count_engine(partition, counts);
            self.show(task, now);
            if !self.shown.iter().any(|(p, _)| *p == partition) {
                let feeds = task.task().book().feeds.iter().map(ToString::to_string).collect();
                self.shown.push((partition, feeds));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar_and_are_registered_once() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).expect("all names are different");
        metrics.actions.with_label_values(&["abandoned-cart", "requested"]).inc();
        let families = registry.gather();
        assert!(families.iter().all(|f| f.name().starts_with("cxwatch_")));
        assert!(Metrics::new(&registry).is_err(), "a name can be taken once");
    }

    #[test]
    fn a_decision_is_counted_when_it_is_committed() {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry).expect("a fresh registry"));
        let mut listener = MetricsListener::new(Arc::clone(&metrics));
        let label = Label { rule: "cart".into(), what: "requested", time: 1_000, is_new: true };
        let record = crate::desk::Output {
            topic: Topic::Actions,
            key: None,
            value: None,
            headers: Vec::new(),
            label: Some(Box::new(label)),
        };
        let batch = Batch {
            seq: 1,
            records: vec![record],
            offsets: Vec::new(),
            delete_before: None,
            ends_snapshot: false,
        };
        listener.committed(&[(0, batch)], 20, 3_500);
        assert_eq!(metrics.actions.with_label_values(&["cart", "requested"]).get(), 1);
        assert_eq!(metrics.latency.get_sample_count(), 1);
        assert_eq!(metrics.latency.get_sample_sum(), 2.5);
    }

    #[test]
    fn books_of_all_threads_add_up_and_go_with_their_thread() {
        let metrics = Arc::new(Metrics::new(&Registry::new()).expect("a fresh registry"));
        let mut one = MetricsListener::new(Arc::clone(&metrics));
        let mut other = MetricsListener::new(Arc::clone(&metrics));
        let pending = || metrics.candidates.with_label_values(&["cart", "pending"]).get();
        let books = |count| BTreeMap::from([((Book::Pending, "cart".to_owned()), count)]);
        one.show_books(books(3));
        other.show_books(books(4));
        assert_eq!(pending(), 7);
        one.show_books(books(1));
        assert_eq!(pending(), 5);
        other.show_books(BTreeMap::new());
        assert_eq!(pending(), 1);
        drop(one);
        assert_eq!(pending(), 0);
    }

    #[test]
    fn what_a_task_lacks_is_shown_until_it_is_whole_or_the_thread_ends() {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry).expect("a fresh registry"));
        let mut listener = MetricsListener::new(Arc::clone(&metrics));
        let shown = || {
            let families = registry.gather();
            let family = families.iter().find(|f| f.name() == "cxwatch_task_missing_feeds");
            let line = |m: &prometheus::proto::Metric| {
                (m.get_label()[0].value().to_owned(), m.get_gauge().get_value() as i64)
            };
            family.map(|f| f.get_metric().iter().map(line).collect::<Vec<_>>()).unwrap_or_default()
        };
        listener.assigned(&Partial::from([(3, vec![0, 2]), (7, vec![1])]));
        assert_eq!(shown(), [("3".to_owned(), 2), ("7".to_owned(), 1)]);
        listener.assigned(&Partial::from([(7, vec![1])]));
        assert_eq!(shown(), [("7".to_owned(), 1)]);
        drop(listener);
        assert_eq!(shown(), []);
    }
}
