//! What Prometheus sees. All metrics stand here, each with what it says; labels have closed sets of values: feeds, rules
//! and partitions of this process, reasons of the contract. No customer is ever in a label.

mod listener;

pub use listener::MetricsListener;

use crate::desk::{Book, Label};
use crate::ports::Topic;
use cxwatch_event::{Millis, Reason};
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

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
    /// Tasks in which a rule's brake is on, or the policy's (`*`).
    braked: IntGaugeVec,
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
    unpacked: IntGaugeVec,
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
            braked: m.gauges(
                "cxwatch_rule_braked_tasks",
                "Tasks of this process that have used up their share of a rule's brake, or of the policy's, for this minute",
                &["rule"],
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
            unpacked: m.gauges(
                "cxwatch_unpacked_customers",
                "Customers whose state lies ready; the others' is packed",
                of_task,
            )?,
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
            Book::Braked => self.braked.with_label_values(&[rule]),
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
}
