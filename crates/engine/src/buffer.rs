//! The reorder buffer: events wait here until the task's watermark reaches their place.

use cxwatch_event::{Event, Millis};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Where an event comes in the order of processing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) at: Millis,
    pub(crate) feed: u8,
    pub(crate) offset: i64,
    pub(crate) sub: u32,
}

/// Events in the order (place, feed, offset, sub-index).
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    heap: BinaryHeap<Reverse<(Turn, u32)>>,
    slab: Vec<Option<Event>>,
    free: Vec<u32>,
}

impl Buffer {
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn push(&mut self, turn: Turn, event: Event) {
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.slab.push(None);
                self.slab.len() as u32 - 1
            }
        };
        self.slab[at as usize] = Some(event);
        self.heap.push(Reverse((turn, at)));
    }

    /// The place of the first event.
    pub(crate) fn first(&self) -> Option<Millis> {
        self.heap.peek().map(|first| first.0.0.at)
    }

    /// Takes the first event if its place is at or before `limit`.
    pub(crate) fn pop(&mut self, limit: Millis) -> Option<(Turn, Event)> {
        self.first().filter(|at| *at <= limit)?;
        let Reverse((turn, at)) = self.heap.pop()?;
        self.free.push(at);
        Some((turn, self.slab[at as usize].take().expect("the heap names filled places")))
    }

    /// All turns, in no order.
    pub(crate) fn turns(&self) -> impl Iterator<Item = Turn> {
        self.heap.iter().map(|entry| entry.0.0)
    }
}
