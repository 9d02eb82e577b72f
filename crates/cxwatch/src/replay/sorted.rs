//! All events in memory, to be played in order of time.

use super::source::Taken;
use anyhow::{Result, bail};
use cxwatch_event::{Event, Millis, Value};
use cxwatch_rulebook::FeedIx;

/// Events of all input. Each is on its own: the events of one record may lie months apart.
#[derive(Default)]
pub(crate) struct Sorted {
    events: Vec<(FeedIx, Event)>,
    bytes: usize,
}

const EVENT_BYTES: usize = size_of::<(FeedIx, Event)>() + size_of::<(Millis, u32)>();
const INLINE_BYTES: usize = 24;

impl Sorted {
    /// Takes a record's events.
    ///
    /// # Errors
    /// They would take more than `bytes_max` of memory.
    pub(crate) fn add(&mut self, feed: FeedIx, taken: &mut Taken, bytes_max: usize) -> Result<()> {
        for event in taken.record.events.drain(..) {
            self.bytes += EVENT_BYTES + heap_bytes(&event);
            self.events.push((feed, event));
        }
        if self.bytes > bytes_max || self.events.len() >= u32::MAX as usize {
            bail!(
                "sorting needs more than {} MiB: {} events so far; raise --sort-memory, or sort the files by time \
                 beforehand and leave out --sort",
                bytes_max >> 20,
                self.events.len()
            );
        }
        Ok(())
    }

    /// The events in order of time, at one instant in the order in which they were added.
    pub(crate) fn into_order(mut self) -> impl Iterator<Item = (FeedIx, Event)> {
        let mut order: Vec<(Millis, u32)> = (0..).zip(&self.events).map(|(i, (_, e))| (e.time, i)).collect();
        order.sort_unstable();
        order.into_iter().map(move |(_, i)| {
            let (feed, event) = &mut self.events[i as usize];
            (*feed, std::mem::replace(event, nothing()))
        })
    }
}

/// Stands where an event has been taken out.
fn nothing() -> Event {
    Event {
        kind: cxwatch_event::TypeId(0),
        time: 0,
        sub: 0,
        customer: Default::default(),
        id: Default::default(),
        source: Default::default(),
        fields: Default::default(),
    }
}

fn heap_bytes(event: &Event) -> usize {
    let text = |len: usize| if len > INLINE_BYTES { len } else { 0 };
    let fields = event.fields.capacity() * size_of::<cxwatch_event::FieldValue>();
    let values = event.fields.iter().map(|f| match &f.value {
        Value::Text(t) => text(t.len()),
        _ => 0,
    });
    text(event.customer.len())
        + text(event.id.len())
        + text(event.source.len())
        + fields
        + values.sum::<usize>()
}
