//! Looking ahead: what the next events will need is asked for before they need it.
//!
//! By the time a customer's next event comes, other customers have taken the processor's caches. What an event needs lies
//! behind several steps - where the customer lies, the customer, the slots of its rules, what these remember - and every step
//! waits for memory. So the customers of the next events are seen to in groups, each group one step further with every group
//! that comes up: nothing is followed that was not asked for one group earlier.

use crate::Desk;
use crate::buffer::Buffer;
use crate::customers::Customers;
use cxwatch_event::TypeId;
use cxwatch_rulebook::Rulebook;
use std::collections::VecDeque;

/// So many events make a group.
const GROUP: usize = 8;

/// The steps that a group takes before it comes up.
pub(crate) const STEPS: usize = 5;

/// What comes next: the place of a customer, and the type of the event.
pub(crate) type Coming = (u32, TypeId);

/// The next events of some buckets.
#[derive(Debug, Default)]
struct Group {
    /// Its first bucket.
    first: i64,
    coming: Vec<Coming>,
    steps: usize,
}

/// The groups that come next.
#[derive(Debug, Default)]
pub(crate) struct Lookahead {
    groups: VecDeque<Group>,
    spare: Vec<Vec<Coming>>,
    /// The last bucket of the last group.
    through: i64,
}

impl Lookahead {
    /// The buffer has come to its next bucket.
    pub(crate) fn turn<D: Desk>(
        &mut self,
        book: &Rulebook,
        buffer: &Buffer,
        customers: &Customers<D::State>,
        desk: &D,
    ) {
        let now = buffer.now();
        if self.groups.len() == STEPS && self.groups[0].first > now {
            return;
        }
        while self.groups.front().is_some_and(|group| group.first <= now) {
            self.spare.extend(self.groups.pop_front().map(|group| group.coming));
        }
        for group in self.groups.iter_mut().filter(|group| group.steps < STEPS) {
            customers.warm(book, desk, &group.coming, group.steps);
            group.steps += 1;
        }
        self.through = self.through.max(now);
        while self.groups.len() < STEPS {
            let mut coming = self.spare.pop().unwrap_or_default();
            coming.clear();
            let look_up = |hash, kind| coming.extend(customers.likely(hash).map(|at| (at, kind)));
            let Some((first, last)) = buffer.group_after(self.through, GROUP, look_up) else {
                self.spare.push(coming);
                break;
            };
            self.through = last;
            customers.warm(book, desk, &coming, 0);
            self.groups.push_back(Group { first, coming, steps: 1 });
        }
    }
}
