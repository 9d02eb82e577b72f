//! One order for what several tasks say.

use cxwatch_event::Millis;
use std::collections::VecDeque;

/// Puts what the tasks say into the order (instant, partition, order within the task), which depends on the input and
/// the number of partitions only.
pub(crate) struct Merge<T> {
    queues: Vec<VecDeque<(Millis, T)>>,
}

impl<T> Merge<T> {
    pub(crate) fn new(tasks: usize) -> Self {
        Merge { queues: (0..tasks).map(|_| VecDeque::new()).collect() }
    }

    pub(crate) fn push(&mut self, task: usize, said: impl IntoIterator<Item = (Millis, T)>) {
        self.queues[task].extend(said);
    }

    /// The next that was said before `limit`: no task will say anything before it any more.
    pub(crate) fn pop(&mut self, limit: Millis) -> Option<(usize, T)> {
        if let [only] = &mut self.queues[..] {
            return only.pop_front().map(|(_, said)| (0, said));
        }
        let heads = self.queues.iter().enumerate();
        let first = heads.filter_map(|(task, queue)| Some((queue.front()?.0, task))).min();
        let (_, task) = first.filter(|(instant, _)| *instant < limit)?;
        self.queues[task].pop_front().map(|(_, said)| (task, said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_yet_certain_waits() {
        let mut merge = Merge::new(2);
        merge.push(1, [(1, "b1"), (3, "b3")]);
        merge.push(0, [(3, "a3")]);
        assert_eq!(merge.pop(3), Some((1, "b1")));
        assert_eq!(merge.pop(3), None);
        assert_eq!(merge.pop(9), Some((0, "a3")));
        assert_eq!(merge.pop(9), Some((1, "b3")));
        assert_eq!(merge.pop(9), None);
    }
}
