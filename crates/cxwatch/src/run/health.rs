//! What the process knows of its own health, told by its threads, shown by the admin server.

use cxwatch_runtime::partial::Partial;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All reasons there are; docs/operations.md explains each.
pub(crate) const REASONS: [&str; 10] = [
    "starting",
    "stopping",
    "failed",
    "not_assigned",
    "incomplete_tasks",
    "restoring",
    "blind",
    "brokers_silent",
    "key_hashes_differ",
    "retrying",
];

/// Whether work is being done, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    /// Whether no reason speaks against it.
    pub(crate) ready: bool,
    /// What speaks against it.
    pub(crate) reasons: Vec<Reason>,
    /// Feeds whose silence nobody would notice: neither `expect` is set, nor is there a heartbeat.
    pub(crate) unwatched: Vec<String>,
    /// Rules whose requests an operator has stopped, `*` for all. No reason not to be ready: it is what somebody wants.
    pub(crate) paused: Vec<String>,
}

/// What to look at where the group gives a task without all its feeds.
pub(crate) const WHY_INCOMPLETE: &str = "other members of the group have them, or nobody: do all processes run a rulebook \
     with the same feeds, and have all feeds' topics the same number of partitions?";

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Reason {
    /// One of [`REASONS`].
    pub(crate) reason: &'static str,
    /// In words.
    pub(crate) detail: String,
}

/// What a thread sees of its tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TasksSeen {
    /// Tasks at work.
    pub(crate) tasks: usize,
    /// Tasks that are being restored.
    pub(crate) restoring: usize,
    /// By feed: in how many tasks it is blind.
    pub(crate) blind: BTreeMap<usize, usize>,
    /// Tasks that cannot run, and the feeds that they lack.
    pub(crate) partial: Partial,
    /// Of input that ends: whether all its tasks have gone through it.
    pub(crate) done: bool,
}

#[derive(Default)]
struct State {
    started: bool,
    stopping: bool,
    threads: Vec<TasksSeen>,
    /// By thread: what is being tried again, until it has worked.
    troubles: BTreeMap<usize, String>,
    brokers: Option<String>,
    key_hashes: Option<String>,
    failure: Option<String>,
    paused: Vec<String>,
}

/// See the module.
pub(crate) struct Health {
    state: Mutex<State>,
    feeds: Vec<String>,
    unwatched: Vec<String>,
}

impl Health {
    /// For so many threads, and these feeds in the order of their numbers.
    pub(crate) fn new(threads: usize, feeds: &[String], unwatched: Vec<String>) -> Self {
        let state = State { threads: vec![TasksSeen::default(); threads], ..State::default() };
        Health { state: Mutex::new(state), feeds: feeds.to_vec(), unwatched }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All checks of the start are done.
    pub(crate) fn started(&self) {
        self.state().started = true;
    }

    /// The process is on its way out.
    pub(crate) fn stopping(&self) {
        self.state().stopping = true;
    }

    /// What a thread sees.
    pub(crate) fn seen(&self, thread: usize, seen: TasksSeen) {
        if let Some(slot) = self.state().threads.get_mut(thread) {
            *slot = seen;
        }
    }

    /// How many tasks of a thread wait to be restored: told before the first of them is, which may take long.
    pub(crate) fn restoring(&self, thread: usize, restoring: usize) {
        if let Some(seen) = self.state().threads.get_mut(thread) {
            seen.restoring = restoring;
        }
    }

    /// Of input that ends: whether the tasks of this process, if it has any, have gone through it.
    pub(crate) fn is_done(&self) -> bool {
        let state = self.state();
        state.threads.iter().any(|thread| thread.tasks > 0)
            && state.threads.iter().all(|thread| thread.restoring == 0 && (thread.done || thread.tasks == 0))
    }

    /// What a thread tries again; `None`: it has worked.
    pub(crate) fn trouble(&self, thread: usize, trouble: Option<String>) {
        let mut state = self.state();
        match trouble {
            Some(trouble) => {
                state.troubles.insert(thread, trouble);
            }
            None => {
                state.troubles.remove(&thread);
            }
        }
    }

    /// Why the brokers do not say where the feeds end; `None`: they do.
    pub(crate) fn brokers(&self, fault: Option<String>) {
        self.state().brokers = fault;
    }

    /// Which feeds were written with different key hashes.
    pub(crate) fn key_hashes(&self, differ: Option<String>) {
        self.state().key_hashes = differ;
    }

    /// Rules whose requests are stopped.
    pub(crate) fn paused(&self, rules: Vec<String>) {
        self.state().paused = rules;
    }

    /// Feeds by name.
    pub(crate) fn names(&self, feeds: &[usize]) -> String {
        let name = |feed: &usize| self.feeds.get(*feed).map_or("?", String::as_str);
        feeds.iter().map(name).collect::<Vec<_>>().join(" and ")
    }

    /// A thread has ended for good.
    pub(crate) fn failed(&self, why: String) {
        self.state().failure.get_or_insert(why);
    }

    /// Why the process cannot go on.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Whether work is being done.
    pub(crate) fn readiness(&self) -> Readiness {
        let state = self.state();
        let mut reasons = Vec::new();
        let mut say = |reason: &'static str, detail: String| {
            debug_assert!(REASONS.contains(&reason), "{reason} is not listed");
            reasons.push(Reason { reason, detail });
        };
        if let Some(failure) = &state.failure {
            say("failed", failure.clone());
        }
        if state.stopping {
            say("stopping", "the process is shutting down".to_owned());
        } else if !state.started {
            say("starting", "the checks at the start are not done".to_owned());
        }
        let restoring: usize = state.threads.iter().map(|thread| thread.restoring).sum();
        let tasks: usize = state.threads.iter().map(|thread| thread.tasks).sum();
        let partial = state.threads.iter().flat_map(|thread| &thread.partial);
        let partial: Vec<String> = partial
            .map(|(partition, feeds)| format!("task {partition} lacks {}", self.names(feeds)))
            .collect();
        if !partial.is_empty() {
            say("incomplete_tasks", format!("{}; {WHY_INCOMPLETE}", partial.join(", ")));
        }
        if restoring > 0 {
            say("restoring", format!("{restoring} tasks are being restored, {tasks} are at work"));
        } else if state.started && tasks == 0 && partial.is_empty() {
            say("not_assigned", "the group has given this process no task".to_owned());
        }
        let mut blind: BTreeMap<usize, usize> = BTreeMap::new();
        for (feed, count) in state.threads.iter().flat_map(|thread| &thread.blind) {
            *blind.entry(*feed).or_default() += count;
        }
        for (feed, count) in blind {
            let name = self.feeds.get(feed).map_or("?", String::as_str);
            say(
                "blind",
                format!("feed {name} cannot be seen in {count} tasks; what its events would settle is held"),
            );
        }
        if let Some(fault) = &state.brokers {
            say(
                "brokers_silent",
                format!("the brokers do not say where the feeds end, so time waits: {fault}"),
            );
        }
        if let Some(differ) = &state.key_hashes {
            say("key_hashes_differ", differ.clone());
        }
        for trouble in state.troubles.values() {
            say("retrying", trouble.clone());
        }
        let (unwatched, paused) = (self.unwatched.clone(), state.paused.clone());
        Readiness { ready: reasons.is_empty(), reasons, unwatched, paused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(health: &Health) -> Vec<&'static str> {
        health.readiness().reasons.iter().map(|reason| reason.reason).collect()
    }

    #[test]
    fn reasons_and_metrics_are_documented() {
        let page = include_str!("../../../../docs/operations.md");
        for reason in REASONS {
            assert!(page.contains(&format!("| `{reason}` |")), "docs/operations.md says nothing of {reason}");
        }
        // A metric with labels shows only once it has counted, so the names are taken from where they are given.
        let sources = [include_str!("../../../runtime/src/metrics.rs"), include_str!("metrics.rs")];
        let names: Vec<&str> = sources
            .iter()
            .flat_map(|source| source.split('"'))
            .filter(|text| text.starts_with("cxwatch_") && text.len() > "cxwatch_".len())
            .collect();
        assert!(names.len() > 20, "only {} metrics", names.len());
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "docs/operations.md says nothing of {name}");
        }
    }

    #[test]
    fn a_process_is_done_when_all_its_tasks_are() {
        let health = Health::new(2, &[], Vec::new());
        assert!(!health.is_done(), "no task is no end");
        health.seen(0, TasksSeen { tasks: 2, done: true, ..TasksSeen::default() });
        assert!(health.is_done());
        health.seen(1, TasksSeen { restoring: 1, ..TasksSeen::default() });
        assert!(!health.is_done());
        health.seen(1, TasksSeen { tasks: 1, ..TasksSeen::default() });
        assert!(!health.is_done());
    }

    #[test]
    fn a_process_is_ready_when_its_tasks_work_and_see() {
        let health = Health::new(2, &["social".to_owned(), "web".to_owned()], Vec::new());
        assert_eq!(reasons(&health), ["starting"]);
        health.started();
        assert_eq!(reasons(&health), ["not_assigned"]);
        health.seen(1, TasksSeen { tasks: 1, restoring: 1, ..TasksSeen::default() });
        assert_eq!(reasons(&health), ["restoring"]);
        health.restoring(1, 0);
        assert!(health.readiness().ready);
        health.restoring(1, 2);
        assert_eq!(reasons(&health), ["restoring"]);
        health.seen(1, TasksSeen { tasks: 2, blind: BTreeMap::from([(1, 2)]), ..TasksSeen::default() });
        assert_eq!(reasons(&health), ["blind"]);
        assert!(health.readiness().reasons[0].detail.starts_with("feed web cannot be seen in 2 tasks"));
        let partial = Partial::from([(3, vec![0, 1])]);
        health.seen(1, TasksSeen { partial, ..TasksSeen::default() });
        assert_eq!(reasons(&health), ["incomplete_tasks"]);
        assert!(health.readiness().reasons[0].detail.starts_with("task 3 lacks social and web; "));
        health.seen(1, TasksSeen { tasks: 2, ..TasksSeen::default() });
        assert!(health.readiness().ready);
        health.paused(vec!["*".to_owned()]);
        assert!(health.readiness().ready, "it is what somebody wants");
        assert_eq!(health.readiness().paused, ["*"]);
        health.trouble(0, Some("commit transaction: timed out".to_owned()));
        health.brokers(Some("down".to_owned()));
        assert_eq!(reasons(&health), ["brokers_silent", "retrying"]);
        health.trouble(0, None);
        health.brokers(None);
        health.stopping();
        assert_eq!(reasons(&health), ["stopping"]);
    }
}
