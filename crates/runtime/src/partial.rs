//! Tasks of which only some feeds are ours: they cannot run, and wait for the rest.
//!
//! The group's assignor gives a task all its feeds where all members read the same feeds and all topics have as many
//! partitions. It is otherwise while two rulebooks with different feeds are rolled over, or when a topic has got more
//! partitions than the others.

use crate::ports::FeedPartition;
use std::collections::{BTreeMap, BTreeSet};

/// By task that is ours in part: the feeds that it lacks.
pub type Partial = BTreeMap<i32, Vec<usize>>;

/// What is lacking of what is assigned, if there are so many feeds.
pub(crate) fn partial(assigned: &BTreeSet<FeedPartition>, feeds: usize) -> Partial {
    let partitions: BTreeSet<i32> = assigned.iter().map(|at| at.partition).collect();
    let lacking = |&partition: &i32| {
        let missing: Vec<usize> =
            (0..feeds).filter(|&feed| !assigned.contains(&FeedPartition { feed, partition })).collect();
        (!missing.is_empty()).then_some((partition, missing))
    };
    partitions.iter().filter_map(lacking).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_lacks_the_feeds_that_others_have() {
        let of = |list: &[(usize, i32)]| {
            let assigned = list.iter().map(|&(feed, partition)| FeedPartition { feed, partition }).collect();
            partial(&assigned, 3)
        };
        assert_eq!(of(&[]), Partial::new());
        assert_eq!(of(&[(0, 4), (1, 4), (2, 4)]), Partial::new());
        assert_eq!(
            of(&[(0, 4), (2, 4), (0, 5), (1, 5), (2, 5), (1, 6)]),
            Partial::from([(4, vec![1]), (6, vec![0, 2])])
        );
    }
}
