//! What is ours, and what is no longer.

use super::{Core, Listener};
use crate::desk::Publisher;
use crate::live::Live;
use crate::partial::partial;
use crate::ports::{Fault, FeedPartition, Ports, Rebalance, Source};
use crate::restore::seq_of;

impl<P: Ports, D: Publisher, L: Listener> Core<P, D, L> {
    pub(super) fn rebalance(&mut self, source: &mut P::Source, event: Rebalance<'_>) {
        match event {
            Rebalance::Assigned(partitions) => self.assigned(partitions),
            Rebalance::Revoked(partitions) => {
                if self.owns_any(partitions)
                    && let Err(fault) = self.commit_all(source)
                    && self.fault.is_none()
                {
                    self.fault = Some(fault);
                }
                self.give_up(partitions, true);
            }
            Rebalance::Lost(partitions) => self.give_up(partitions, false),
        }
        self.listener.assigned(&partial(&self.assigned, self.plan.book.feeds.len()), self.waiting.len());
    }

    /// A task is ours when all its feeds are.
    fn assigned(&mut self, partitions: &[FeedPartition]) {
        self.assigned.extend(partitions);
        let feeds = self.plan.book.feeds.len();
        for at in partitions {
            let owned = (0..feeds)
                .all(|feed| self.assigned.contains(&FeedPartition { feed, partition: at.partition }));
            if owned && !self.tasks.contains_key(&at.partition) {
                self.waiting.insert(at.partition);
            }
        }
        // What did not come back now is somebody else's.
        let waiting = &self.waiting;
        self.parked.retain(|partition, _| waiting.contains(partition));
    }

    fn owns_any(&self, partitions: &[FeedPartition]) -> bool {
        partitions.iter().any(|at| self.tasks.contains_key(&at.partition))
    }

    fn give_up(&mut self, partitions: &[FeedPartition], may_park: bool) {
        for at in partitions {
            self.assigned.remove(at);
            self.waiting.remove(&at.partition);
            if !may_park {
                self.parked.remove(&at.partition);
            }
            if let Some(task) = self.tasks.remove(&at.partition) {
                let clean = task.is_settled();
                if clean && may_park {
                    self.parked.insert(at.partition, task);
                }
                self.listener.closed(at.partition, clean);
            }
        }
    }

    /// The task that was given up, if nobody has committed for it since: our last commit is known to have taken effect,
    /// so whoever came after us would have gone on with the next number.
    pub(super) fn unpark(
        &mut self,
        source: &mut P::Source,
        feeds: &[FeedPartition],
        partition: i32,
    ) -> Result<Option<Live<D>>, Fault> {
        let Some(seq) = self.parked.get(&partition).map(Live::seq) else { return Ok(None) };
        let committed = source.committed(feeds)?;
        let ours = committed.iter().all(|c| c.as_ref().and_then(|c| seq_of(&c.metadata)) == Some(seq));
        Ok(self.parked.remove(&partition).filter(|_| ours))
    }
}
