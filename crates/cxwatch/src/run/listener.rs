//! What a stream thread tells: the runtime makes metrics and log lines of it, this makes health of it, and answers what
//! people ask.

use super::health::{Health, TasksSeen, WHY_INCOMPLETE};
use super::inquiries::Inbox;
use cxwatch_event::Millis;
use cxwatch_runtime::desk::Publisher;
use cxwatch_runtime::live::{Batch, Live};
use cxwatch_runtime::metrics::{Metrics, MetricsListener};
use cxwatch_runtime::partial::Partial;
use cxwatch_runtime::ports::Fault;
use cxwatch_runtime::restore::Alarm;
use cxwatch_runtime::thread::Listener;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Looking at all tasks costs; this often is enough for probes.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Tells of one thread.
pub(crate) struct Reporter {
    thread: usize,
    feeds: usize,
    health: Arc<Health>,
    metrics: MetricsListener,
    inbox: Inbox,
    partial: Partial,
    looked: Option<Instant>,
    troubled: bool,
}

impl Reporter {
    /// For a thread by its number, which reads so many feeds.
    pub(crate) fn new(
        thread: usize,
        feeds: usize,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        inbox: Inbox,
    ) -> Self {
        let metrics = MetricsListener::new(metrics);
        // A thread that begins anew has its fault behind it.
        health.trouble(thread, None);
        Reporter {
            thread,
            feeds,
            health,
            metrics,
            inbox,
            partial: Partial::new(),
            looked: None,
            troubled: false,
        }
    }

    fn fine(&mut self) {
        if std::mem::take(&mut self.troubled) {
            self.health.trouble(self.thread, None);
        }
    }
}

impl Drop for Reporter {
    /// A thread that has ended has no tasks.
    fn drop(&mut self) {
        self.health.seen(self.thread, TasksSeen::default());
    }
}

impl Listener for Reporter {
    fn restored(&mut self, partition: i32, alarms: &[Alarm], commits: usize, customers: usize, took_ms: u64) {
        self.fine();
        self.metrics.restored(partition, alarms, commits, customers, took_ms);
        self.looked = None;
    }

    fn closed(&mut self, partition: i32, clean: bool) {
        self.metrics.closed(partition, clean);
    }

    fn assigned(&mut self, partial: &Partial, restoring: usize) {
        for (task, feeds) in partial.iter().filter(|(task, feeds)| self.partial.get(task) != Some(feeds)) {
            let lacks = self.health.names(feeds);
            tracing::warn!(task, lacks, "a task has not all its feeds and cannot run: {WHY_INCOMPLETE}");
        }
        self.partial.clone_from(partial);
        self.metrics.assigned(partial, restoring);
        self.health.restoring(self.thread, restoring);
        self.looked = None;
    }

    fn committed(&mut self, batches: &[(i32, Batch)], took_ms: u64, now: Millis) {
        self.fine();
        self.metrics.committed(batches, took_ms, now);
    }

    fn troubled(&mut self, fault: &Fault) {
        self.troubled = true;
        self.health.trouble(self.thread, Some(fault.to_string()));
        self.metrics.troubled(fault);
    }

    fn unwritable(&mut self, partition: i32, fault: &Fault) {
        self.metrics.unwritable(partition, fault);
    }

    fn turned<D: Publisher>(&mut self, tasks: &mut BTreeMap<i32, Live<D>>, restoring: usize, now: Millis) {
        self.inbox.answer(tasks);
        self.metrics.turned(tasks, restoring, now);
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let done = tasks.values().all(Live::is_done);
        let partial = self.partial.clone();
        let mut seen = TasksSeen { tasks: tasks.len(), restoring, blind: BTreeMap::new(), partial, done };
        for feed in 0..self.feeds {
            let blind = tasks.values().filter(|live| live.is_blind(feed)).count();
            if blind > 0 {
                seen.blind.insert(feed, blind);
            }
        }
        self.health.seen(self.thread, seen);
    }
}
