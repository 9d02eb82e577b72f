//! Reads one partition to its true end.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use crate::consumer::FeedConsumer;
use crate::end_offsets::uncommitted_client;
use crate::heard::ask;
use crate::settings::Properties;
use cxwatch_runtime::ports::{Answer, Fault, FeedPartition, Item, JournalBounds, RecordRef, Source};

/// Asks for the bounds as `read_uncommitted` sees them.
pub fn journal_bounds(
    properties: &Properties,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<JournalBounds, Fault> {
    let during = "ask for the journal's end";
    let client = uncommitted_client(during, properties)?;
    let (start, end) =
        ask(&client, during, timeout, |within| client.fetch_watermarks(topic, partition, within))?;
    Ok(JournalBounds { start, end })
}

/// Reads committed records from `from` (or from the first that exists, if that is later) until the position has
/// reached the end that `read_uncommitted` saw before the first read; returns that end. The position is that of the
/// end-of-partition event, since transaction markers occupy offsets without being records.
///
/// An open transaction before that end (a predecessor that is not quite dead) is waited out, until it is ended or
/// times out: a restore that began earlier could miss a commit. `timeout` bounds the time without progress, so it must
/// be longer than the producers' `transaction.timeout.ms`; beyond it the fault says `Retry`.
pub fn read_journal(
    properties: &Properties,
    topic: &str,
    partition: i32,
    from: i64,
    timeout: Duration,
    each: &mut dyn FnMut(RecordRef<'_>),
) -> Result<JournalBounds, Fault> {
    let bounds = journal_bounds(properties, topic, partition, timeout)?;
    let from = from.max(bounds.start);
    if from >= bounds.end {
        return Ok(bounds);
    }
    let at = FeedPartition { feed: 0, partition };
    let mut consumer = FeedConsumer::assign(properties, &[topic.to_owned()], &[(at, from)], timeout)?;
    let mut position = from;
    let mut fault = None;
    let mut deadline = Instant::now() + timeout;
    while position < bounds.end {
        // A reader with assigned partitions is never rebalanced.
        consumer.poll(Duration::ZERO, &mut |_, _| {})?;
        let before = position;
        consumer.serve_within(0, 1_000, Duration::from_millis(50), &mut |item| match item {
            Item::Record(record) => {
                position = position.max(record.offset + 1);
                each(record);
            }
            Item::Eof { position: reached, .. } => position = position.max(reached),
            Item::Error { fault: error, .. } => fault = Some(error),
        });
        if let Some(fault) = fault.take().filter(|fault| fault.answer != Answer::Retry) {
            return Err(fault);
        }
        if position > before {
            deadline = Instant::now() + timeout;
        } else if Instant::now() >= deadline {
            return Err(Fault::new(
                Answer::Retry,
                "read the journal",
                "OperationTimedOut",
                format!(
                    "{topic}/{partition} stands at {position} before its end {}; a transaction before it may be open",
                    bounds.end
                ),
            ));
        }
    }
    Ok(bounds)
}
