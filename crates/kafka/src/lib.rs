//! Kafka for cxwatch: the only crate that knows the client library.
//!
//! It implements the ports of [`cxwatch_runtime::ports`]:
//!
//! | port | here |
//! | --- | --- |
//! | `Source` | [`consumer::FeedConsumer`] |
//! | `Sink` | [`ports::KafkaSink`] over [`producer::TransactionalProducer`] |
//! | `JournalStore` | [`ports::KafkaJournal`] over [`journal_reader`] and [`admin::Admin`] |
//! | `Rereader`, `FeedReader` | [`ports::KafkaRereader`], [`ports::KafkaFeedReader`] |
//! | `Ends` | [`end_offsets::EndsView`] of an [`end_offsets::EndOffsetsWatch`] |
//!
//! and has what only the program's edge needs: [`admin`] (topics, groups, resets), [`follower`] (a small topic that is
//! followed from its beginning), [`partitioner`] (which hash wrote a
//! feed) and [`mock`] (a cluster inside the process). No type of the client library is in a public signature. Every
//! failure is a `Fault` whose `Answer` says what to do next. All calls block; none may run on an async worker.
//!
//! # What is true of Kafka and of its client
//!
//! Found or measured on Apache Kafka 4.1.1 with librdkafka 2.12.1; the tests of this crate hold most of it.
//!
//! Consuming
//! - A rebalance is an event: the group waits until the assignment is confirmed by a call, so it can be handled after
//!   `poll` has returned, without callbacks. A transaction with offsets that is committed between the event and the
//!   confirmation is accepted. The same holds for `unsubscribe`, which revokes before it leaves.
//! - The end of an assignment takes a partition's forwarding away but leaves a mark that the application had forwarded
//!   it; assigned again and not forwarded again it would deliver nowhere. So each assignment forwards anew.
//! - After an end-of-partition event that came by a batch, librdkafka's own position is one too high (it adds one to
//!   the event's offset, which is a position already); its `pause` would then skip a record. Positions are counted
//!   here, and every start names one.
//! - A seek is refused with "erroneous state" until a partition assigned a moment ago has begun to be read.
//! - `rd_kafka_consume_batch_queue` with a timeout waits until the batch is *full*; so it waits for one record and
//!   takes the rest without waiting.
//! - A wait on the client's queue is not ended by records in a feed's queue, nor by `rd_kafka_queue_yield` through
//!   rdkafka's loop. Both queues ring a bell, and `Source::poll` waits for that.
//! - Serving a feed counts for `max.poll.interval.ms` as a poll does; rebalances are answered by `Source::poll` only.
//!
//! Transactions
//! - `commit` returns when the decision is written; the markers follow a moment later. An end offset asked for right
//!   after it may still be one too low, and readers of committed records may not see it yet.
//! - A commit of 100 records takes 9 to 36 ms (best and median of 21, two busy shared cores, broker included).
//! - With records in flight `commit_transaction` waits in steps of 100 ms and `abort_transaction` for ever. Both are
//!   drained first. What is in flight is not purged before an abort: that leaves a gap in the sequence, the client
//!   fetches a new epoch in the background, and the next transaction's offsets fail with "erroneous state".
//! - Offsets of an older generation: the transaction can only be aborted; the producer is as good as new.
//! - A fenced producer learns it at its next call to the coordinator, as a fatal error.
//! - Killing the broker during a commit and starting it again: the repeated commit succeeds.
//!
//! Administration
//! - A client that was told "unknown topic" goes on believing it after the topic was made, also for DeleteRecords. So
//!   topics are looked up by a client of their own.
//! - DeleteRecords on a compact-only topic is refused with `PolicyViolation`.
//! - `offsets_for_times` with a logical end answers the high watermark on a `read_uncommitted` client and the last
//!   stable offset on a `read_committed` one.
//! - Setting a group's offsets while it has members is refused with `UnknownMemberId`.
//!
//! librdkafka's mock cluster does groups and plain reading and writing; of exactly-once it proves nothing.

pub mod admin;
mod batch;
mod bell;
mod block_on;
pub mod consumer;
pub mod end_offsets;
mod fault;
pub mod follower;
pub mod groups;
mod heard;
pub mod journal_reader;
pub mod mock;
pub mod partitioner;
pub mod ports;
pub mod producer;
pub mod rights;
mod settings;
pub mod writer;

pub use groups::{GroupDescription, GroupMember};
pub use settings::Properties;
