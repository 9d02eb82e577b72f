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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::RecordRef;
    use cxwatch_event::{Decoder, Reason};
    use std::sync::Arc;

    /// Outcomes of an action of partition 3, of one of partition 1, and of one that says nothing.
    struct Outcomes(Vec<String>, i32);

    impl FeedReader for Outcomes {
        fn read(&mut self, _: usize, _: usize, _: Duration, each: &mut dyn FnMut(Item<'_>)) -> usize {
            for (offset, value) in (0..).zip(&self.0) {
                let (partition, key) = (self.1, Some(b"c1".as_slice()));
                let value = Some(value.as_bytes());
                each(Item::Record(RecordRef {
                    partition,
                    offset,
                    timestamp: None,
                    key,
                    value,
                    headers: &[],
                }));
            }
            self.0.drain(..).count()
        }
    }

    /// What a restore reads again is refused as it was when it was read first: else it would come to another state.
    #[test]
    fn an_outcome_of_another_partition_is_refused_when_it_is_read_again() {
        let source = "rulebook: t\nversion: 1\nrules: [ { id: a, kind: match, event: payment.failed, actions: call } ]\n\
                      actions: { call: { class: raise } }\n";
        let (book, _) = cxwatch_rulebook::compile(source, "t.yaml").expect("a good rulebook");
        let outcomes = usize::from(book.feed_named("outcomes").expect("it has actions").0);
        let decoder = Decoder::new(Arc::clone(&book.catalogue), book.interest.clone());
        let decode: Decode = Arc::new(move |raw, _, out, refused| {
            if let Err(rejection) = decoder.decode(raw, out) {
                refused.push(Refusal { sub: None, rejection });
            }
        });
        let outcome = |id: u8, partition: &str| {
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/acd\",\"type\":\"outcome.saved\",\"subject\":\"c1\",\
                 \"time\":\"2026-01-05T10:00:0{id}Z\",\"data\":{{\"action_id\":\"0123456789abcdef0123456789abcdef\",\
                 \"revision\":0{partition}}}}}"
            )
        };
        let values = vec![outcome(1, ",\"partition\":3"), outcome(2, ",\"partition\":1"), outcome(3, "")];
        let (from, decoders) = (vec![0; book.feeds.len()], vec![decode; book.feeds.len()]);
        let mut ahead = Ahead::new(Outcomes(values, 3), &from, &decoders, &book);
        let mut read = Vec::new();
        while ahead.peek(outcomes, 3).expect("it can be read").is_some() {
            let next = ahead.next(outcomes).expect("it was seen");
            let why: Vec<Reason> = next.refusals.iter().map(|refusal| refusal.rejection.reason).collect();
            read.push((next.offset, next.record.events.len(), next.record.times.len(), why));
        }
        assert_eq!(read, [(0, 1, 1, vec![]), (1, 0, 0, vec![Reason::WrongPartition]), (2, 1, 1, vec![])]);
    }
}
