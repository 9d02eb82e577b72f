//! Reads one partition to its true end.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use crate::batch::Served;
use crate::consumer::{FeedConsumer, FeedPartition, RebalanceHandler};
use crate::end_offsets::uncommitted_client;
use crate::fault::{Answer, Fault};
use crate::settings::Properties;

/// A record of the journal, by value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRecord {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a deletion.
    pub value: Option<Vec<u8>>,
    /// Its timestamp in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
}

/// Where the journal's partition starts and where a read has to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalBounds {
    /// The first offset that still exists.
    pub start: i64,
    /// The high watermark, open transactions included.
    pub end: i64,
}

/// Asks for the bounds as `read_uncommitted` sees them.
pub fn journal_bounds(
    properties: &Properties,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<JournalBounds, Fault> {
    let during = "ask for the journal's end";
    uncommitted_client(during, properties)?
        .fetch_watermarks(topic, partition, timeout)
        .map(|(start, end)| JournalBounds { start, end })
        .map_err(|error| Fault::plain(during, &error))
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
    mut each: impl FnMut(JournalRecord),
) -> Result<JournalBounds, Fault> {
    let bounds = journal_bounds(properties, topic, partition, timeout)?;
    let from = from.max(bounds.start);
    if from >= bounds.end {
        return Ok(bounds);
    }
    let at = FeedPartition { feed: 0, partition };
    let mut consumer = FeedConsumer::assign(properties, &[topic.to_owned()], &[(at, from)])?;
    let mut position = from;
    let mut fault = None;
    let mut deadline = Instant::now() + timeout;
    while position < bounds.end {
        consumer.poll(Duration::ZERO, &mut NoGroup)?;
        let before = position;
        consumer.serve(0, 1_000, Duration::from_millis(50), |served| match served {
            Served::Message(message) => {
                position = position.max(message.offset() + 1);
                each(JournalRecord {
                    offset: message.offset(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    timestamp_ms: message.timestamp_ms(),
                });
            }
            Served::Eof { position: reached, .. } => position = position.max(reached),
            Served::Error { fault: error, .. } => fault = Some(error),
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

/// A reader with assigned partitions is never rebalanced.
struct NoGroup;

impl RebalanceHandler for NoGroup {
    fn assigned(&mut self, _: &mut FeedConsumer, _: &[FeedPartition]) {}
    fn revoked(&mut self, _: &mut FeedConsumer, _: &[FeedPartition], _: bool) {}
}
