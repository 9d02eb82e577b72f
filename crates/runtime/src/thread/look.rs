//! What is looked at in every turn: where the feeds end, and what operators have stopped.

use super::{Core, Listener, Standing};
use crate::desk::Publisher;
use crate::live::Live;
use crate::ports::{Clock, EndOffsets, Ends, Pauses, Ports};
use std::sync::Arc;

impl<P: Ports, D: Publisher, L: Listener> Core<P, D, L> {
    /// A new answer where the feeds end: for proofs, and to see topics that stand still.
    pub(super) fn look_at_ends(&mut self) {
        if self.plan.timing.bounded.is_some() {
            self.tasks.values_mut().for_each(Live::end_feeds);
            return;
        }
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let latest = self.ends.latest();
        let is_new = |a: &Arc<EndOffsets>| self.last_ends.as_ref().is_none_or(|b| b.sent_at < a.sent_at);
        if let Some(ends) = latest.filter(is_new) {
            let mut sums = vec![0; self.topics.len()];
            for &(feed, partition, end) in &ends.ends {
                if let Some(sum) = sums.get_mut(feed) {
                    *sum += end;
                }
                if let Some(task) = self.tasks.get_mut(&partition) {
                    task.note_end(feed, ends.sent_at, end);
                }
            }
            for (topic, sum) in self.topics.iter_mut().zip(sums) {
                if topic.sum != sum {
                    *topic = Standing { sum, since: ends.sent_at };
                }
            }
            self.last_ends = Some(Arc::clone(&ends));
            self.look_for_silent(&ends);
        }
        for task in self.tasks.values_mut() {
            task.prove(now);
            task.look_for_stalled(elapsed);
        }
    }

    /// What operators have stopped holds for every task from the instant on to which it has come.
    pub(super) fn look_at_pauses(&mut self) {
        let Some(wanted) = self.pauses.latest() else { return };
        for task in self.tasks.values_mut() {
            for (rule, paused) in task.pause_as(&wanted) {
                self.listener.paused(task.partition(), &rule, paused);
            }
        }
    }

    fn look_for_silent(&mut self, ends: &EndOffsets) {
        let expected = self.topics.iter().zip(&self.plan.timing.expect);
        let silent: Vec<bool> = expected
            .map(|(topic, expect)| expect.as_ref().is_some_and(|e| e.is_over(topic.since, ends.sent_at)))
            .collect();
        for &(feed, partition, end) in &ends.ends {
            if silent.get(feed) == Some(&true)
                && let Some(task) = self.tasks.get_mut(&partition)
            {
                task.silent(feed, end);
            }
        }
    }
}
