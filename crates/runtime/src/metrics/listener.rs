//! What a stream thread tells, as metrics and as log lines.

use super::Metrics;
use crate::arrivals::Arrivals;
use crate::desk::{Book, Publisher};
use crate::live::{Arrival, Batch, Live};
use crate::partial::Partial;
use crate::ports::Fault;
use crate::restore::Alarm;
use crate::thread::Listener;
use cxwatch_engine::{Counts, FeedSettings};
use cxwatch_event::{Millis, Reason};
use prometheus::IntGaugeVec;
use std::collections::BTreeMap;
use std::sync::Arc;

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

    /// Counts arrivals; where a feed's p99 lies above a setting, a warning names the value to set. Without `now` history is
    /// being read: that it came in long after it happened is no fault of the settings.
    fn arrived(&mut self, arrivals: &[Arrival], feeds: &[(String, FeedSettings)], now: Option<Millis>) {
        for arrival in arrivals {
            let (name, settings) = &feeds[arrival.feed];
            let seconds = |ms: Millis| ms as f64 / 1_000.0;
            self.metrics.delay.with_label_values(&[name]).observe(seconds(arrival.delay_ms));
            self.metrics.disorder.with_label_values(&[name]).observe(seconds(arrival.disorder_ms));
            let Some(now) = now else { continue };
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
        set(&m.unpacked, task.task().unpacked_customers());
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
            let before = self.books.get(key).copied();
            // A series is there from the first look on, also where it is 0.
            if before != Some(*now) {
                m.book(key.0, &key.1).add(now - before.unwrap_or(0));
            }
            if key.0 == Book::Braked && *now > 0 && before.unwrap_or(0) == 0 {
                tracing::warn!(
                    rule = key.1,
                    "the brake is on: requests beyond those of a minute are suppressed"
                );
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
        self.assigned(&Partial::new(), 0);
        self.show_restoring(0);
        self.show_books(BTreeMap::new());
    }
}

impl Listener for MetricsListener {
    fn assigned(&mut self, partial: &Partial, restoring: usize) {
        self.show_restoring(i64::try_from(restoring).unwrap_or(i64::MAX));
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
        // Seen at once in the next turn: another one may begin that takes long.
        self.looked_at = Millis::MIN;
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
        if now.saturating_sub(self.looked_at) < LOOK_MS {
            return;
        }
        self.looked_at = now;
        self.show_restoring(i64::try_from(restoring).unwrap_or(i64::MAX));
        let mut books = BTreeMap::new();
        for task in tasks.values() {
            let mut add = |book, rule: &str, count: u64| {
                *books.entry((book, rule.to_owned())).or_insert(0) +=
                    i64::try_from(count).unwrap_or(i64::MAX);
            };
            let (desk, book, instant) = (task.task().desk(), task.task().book(), task.task().instant());
            desk.books(&mut add);
            desk.braked(book, instant, &mut |rule, is_on| add(Book::Braked, rule, is_on.into()));
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
            self.arrived(&tally.arrivals, &feeds, (!task.is_bounded()).then_some(now));
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
    use crate::desk::Label;
    use crate::ports::Topic;
    use prometheus::Registry;

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
        listener.assigned(&Partial::from([(3, vec![0, 2]), (7, vec![1])]), 0);
        assert_eq!(shown(), [("3".to_owned(), 2), ("7".to_owned(), 1)]);
        listener.assigned(&Partial::from([(7, vec![1])]), 0);
        assert_eq!(shown(), [("7".to_owned(), 1)]);
        drop(listener);
        assert_eq!(shown(), []);
    }

    #[test]
    fn a_brake_is_shown_before_it_is_on() {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry).expect("a fresh registry"));
        let mut listener = MetricsListener::new(Arc::clone(&metrics));
        let shown = || {
            let families = registry.gather();
            let family = families.iter().find(|f| f.name() == "cxwatch_rule_braked_tasks");
            family.map(|f| f.get_metric()[0].get_gauge().get_value() as i64)
        };
        assert_eq!(shown(), None);
        for tasks in [0, 2, 0] {
            listener.show_books(BTreeMap::from([((Book::Braked, "cart".to_owned()), tasks)]));
            assert_eq!(shown(), Some(tasks));
        }
    }
}
