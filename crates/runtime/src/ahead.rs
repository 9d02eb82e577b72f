//! Records read ahead and decoded, feed by feed, so that a restore can stop before any of them.

use crate::live::decode;
use crate::ports::{Answer, Fault, FeedReader, Item};
use crate::settings::Decode;
use cxwatch_engine::FOREVER;
use cxwatch_event::mapping::Refusal;
use cxwatch_event::{Millis, Record};
use cxwatch_rulebook::Rulebook;
use std::collections::VecDeque;
use std::time::Duration;

/// Items fetched at a time.
const BATCH: usize = 500;

/// So often may a feed end before a record that must be there, until it is believed to be gone.
const ENDS_MAX: u32 = 50;

/// So often may a read of that length come to nothing.
const EMPTY_READS_MAX: u32 = 600;
const PATIENCE: Duration = Duration::from_millis(100);

/// A record that was read, and what of it was refused.
pub(crate) struct Read {
    pub(crate) offset: i64,
    pub(crate) recorded_at: Millis,
    pub(crate) record: Record,
    pub(crate) refusals: Vec<Refusal>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Read>,
    /// Everything below has been fetched.
    position: i64,
    ends_too_early: u32,
}

/// See the module.
pub(crate) struct Ahead<'a, R> {
    reader: R,
    decoders: &'a [Decode],
    book: &'a Rulebook,
    queues: Vec<Queue>,
}

impl<'a, R: FeedReader> Ahead<'a, R> {
    pub(crate) fn new(reader: R, from: &[i64], decoders: &'a [Decode], book: &'a Rulebook) -> Self {
        let queue = |position: &i64| Queue { position: *position, ..Queue::default() };
        Ahead { reader, decoders, book, queues: from.iter().map(queue).collect() }
    }

    /// The offset of the next record of a feed below `bound`, if there is one. Waits until that is known.
    pub(crate) fn peek(&mut self, feed: usize, bound: i64) -> Result<Option<i64>, Fault> {
        let mut empty = 0;
        loop {
            let queue = &self.queues[feed];
            if let Some(next) = queue.items.front() {
                return Ok(Some(next.offset).filter(|offset| *offset < bound));
            }
            if queue.position >= bound {
                return Ok(None);
            }
            if self.fetch(feed, bound)? {
                empty = 0;
            } else {
                empty += 1;
                if empty > EMPTY_READS_MAX {
                    let message =
                        format!("{} does not deliver what lies before {bound}", self.book.feeds[feed]);
                    return Err(Fault::new(Answer::Retry, "read feed again", "OperationTimedOut", message));
                }
            }
        }
    }

    /// Takes the record that [`Ahead::peek`] has seen.
    pub(crate) fn next(&mut self, feed: usize) -> Option<Read> {
        self.queues[feed].items.pop_front()
    }

    fn fetch(&mut self, feed: usize, bound: i64) -> Result<bool, Fault> {
        let queue = &mut self.queues[feed];
        let (decoder, book) = (&self.decoders[feed], self.book);
        let mut fault = None;
        let mut ended_at = None;
        let count = self.reader.read(feed, BATCH, PATIENCE, &mut |item| match item {
            Item::Record(raw) => {
                let (mut record, mut refusals) = (Record::default(), Vec::new());
                decode(decoder, book, feed, &raw, &mut record, &mut refusals);
                queue.position = queue.position.max(raw.offset + 1);
                let recorded_at = raw.timestamp.unwrap_or(FOREVER);
                queue.items.push_back(Read { offset: raw.offset, recorded_at, record, refusals });
            }
            Item::Eof { position, .. } => {
                queue.position = queue.position.max(position);
                ended_at = Some(position);
            }
            Item::Error { fault: error, .. } => fault = Some(error),
        });
        if let Some(fault) = fault.filter(|f| f.answer != Answer::Retry) {
            return Err(fault);
        }
        if ended_at.is_some_and(|at| at < bound) {
            queue.ends_too_early += 1;
            if queue.ends_too_early > ENDS_MAX {
                return Err(gone(&book.feeds[feed], bound));
            }
        }
        Ok(count > 0)
    }
}

#[cold]
pub(crate) fn gone(feed: &str, offset: i64) -> Fault {
    let message = format!(
        "{feed} no longer has what lies before offset {offset}, which the task's state rests on; \
         `cxwatch reset` names the ways to go on"
    );
    Fault::new(Answer::Exit, "read feed again", "InputGone", message)
}
