//! The input side of one stream thread: all feeds of its tasks, through one group member.
//!
//! Everything happens on the calling thread and inside the calls of this type. librdkafka asks for rebalances by an
//! event and then waits until the assignment is confirmed, so [`FeedConsumer::poll`] can hand the rebalance to the
//! caller outside of any callback from C: a revoked task commits there, with the group's blessing, and only when the
//! caller returns are the partitions given away.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::batch::FeedQueue;
use crate::bell::Bell;
use crate::fault;
use crate::heard::Heard;
use crate::settings::{Properties, client_config};
use cxwatch_runtime::ports::{
    Answer, CommittedOffset, Fault, FeedPartition, Item, OnRebalance, Rebalance, Source,
};

/// Proof of group membership, to be taken fresh for every transaction: it carries the generation that fences zombies.
pub struct GroupMetadata(pub(crate) rdkafka::consumer::ConsumerGroupMetadata);

struct Noted {
    assign: bool,
    partitions: Vec<(String, i32)>,
}

/// Notes what librdkafka reports; never acts inside its calls.
struct Context {
    rebalances: Mutex<VecDeque<Noted>>,
    /// Nobody polls with a handler any more: confirm everything at once.
    closing: AtomicBool,
    errors: AtomicU64,
    heard: Heard,
}

impl Context {
    fn rebalances(&self) -> std::sync::MutexGuard<'_, VecDeque<Noted>> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.heard.note(&error, reason);
        tracing::debug!(%error, reason, "consumer client reports an error");
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assign = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Relaxed) {
            if let Err(error) = confirm(consumer, false, list) {
                tracing::warn!(%error, "cannot give partitions back while closing");
            }
            return;
        }
        let partitions =
            list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        self.rebalances().push_back(Noted { assign, partitions });
    }

    fn commit_callback(&self, _: KafkaResult<()>, _: &TopicPartitionList) {}
}

/// Tells the library that we agree; until then the group waits for us.
fn confirm<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    assign: bool,
    list: &TopicPartitionList,
) -> KafkaResult<()> {
    if assign { consumer.assign(list) } else { consumer.unassign() }
}

struct Feed {
    topic: String,
    queue: FeedQueue<Context>,
    /// Next offset to be handed over, by partition number; `None` where not started. Kept here because librdkafka's
    /// own count is one too high after an end-of-partition event that came by a batch.
    positions: Vec<Option<i64>>,
}

impl Feed {
    fn set_position(&mut self, partition: i32, position: Option<i64>) {
        let Ok(index) = usize::try_from(partition) else {
            return;
        };
        if index >= self.positions.len() {
            self.positions.resize(index + 1, None);
        }
        self.positions[index] = position;
    }
}

/// One group member that reads several feeds, each through a queue of its own.
pub struct FeedConsumer {
    feeds: Vec<Feed>,
    base: Arc<BaseConsumer<Context>>,
    assigned: Vec<FeedPartition>,
    timeout: Duration,
    group_id: String,
    /// Rung by the client's own queue and by every feed's.
    bell: Arc<Bell>,
}

impl FeedConsumer {
    /// Makes a group member (`group.id` must be among the properties) for these topics and joins the group.
    ///
    /// Forced: `range` assignment (the only one that keeps a partition number of all topics together), no automatic
    /// commits, `read_committed`, end-of-partition events, and no automatic reset: an offset that is gone is an error
    /// for an operator, never a silent jump. Each call that asks the broker takes at most about `timeout`; a few seconds
    /// are enough, since what is not answered by then is asked again, and nobody polls meanwhile.
    pub fn subscribe(properties: &Properties, topics: &[String], timeout: Duration) -> Result<Self, Fault> {
        let during = "subscribe to the feeds";
        let consumer = Self::create(properties, topics, timeout)?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.base.subscribe(&names).map_err(|error| fault::plain(during, &error))?;
        Ok(consumer)
    }

    /// Makes a reader outside of any group's protocol that takes exactly these partitions from these offsets
    /// (`group.id` must be set all the same; nothing is ever committed to it).
    pub fn assign(
        properties: &Properties,
        topics: &[String],
        from: &[(FeedPartition, i64)],
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let during = "assign partitions";
        let mut consumer = Self::create(properties, topics, timeout)?;
        let mut list = TopicPartitionList::with_capacity(from.len());
        for &(at, offset) in from {
            let feed = &mut consumer.feeds[at.feed];
            feed.queue.forward(&feed.topic, at.partition)?;
            feed.set_position(at.partition, Some(offset));
            add(during, &mut list, &feed.topic, at.partition, offset)?;
        }
        consumer.base.assign(&list).map_err(|error| fault::plain(during, &error))?;
        consumer.assigned = from.iter().map(|&(at, _)| at).collect();
        Ok(consumer)
    }

    fn create(properties: &Properties, topics: &[String], timeout: Duration) -> Result<Self, Fault> {
        let during = "create consumer";
        let Some(group_id) = properties.get("group.id").cloned() else {
            return Err(fault::exit(during, "group.id is not set"));
        };
        let defaults = [
            ("fetch.queue.backoff.ms", "50"),
            ("check.crcs", "true"),
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "500"),
        ];
        let forced = [
            // Tasks move whole, with all their feeds.
            ("group.protocol", "classic"),
            ("partition.assignment.strategy", "range"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("allow.auto.create.topics", "false"),
        ];
        let config = client_config(during, properties, &defaults, &forced)?;
        let mut base: BaseConsumer<Context> = config
            .create_with_context(Context {
                rebalances: Mutex::new(VecDeque::new()),
                closing: AtomicBool::new(false),
                errors: AtomicU64::new(0),
                heard: Heard::default(),
            })
            .map_err(|error| fault::plain(during, &error))?;
        let bell = Arc::new(Bell::default());
        let rung = Arc::clone(&bell);
        base.set_nonempty_callback(move || rung.ring());
        let base = Arc::new(base);
        let feeds = topics
            .iter()
            .map(|topic| Feed {
                topic: topic.clone(),
                queue: FeedQueue::new(Arc::clone(&base), Arc::clone(&bell)),
                positions: Vec::new(),
            })
            .collect();
        Ok(Self { feeds, base, assigned: Vec::new(), timeout, group_id, bell })
    }

    /// Hands over up to `max` items of one feed, in the order of each of its partitions; returns how many. Waits up to
    /// `timeout` for the first one. A feed that is not served keeps what was fetched for it, up to the client's
    /// `queued.*` bounds, and costs the others nothing.
    pub fn serve_within(
        &mut self,
        feed: usize,
        max: usize,
        timeout: Duration,
        each: &mut dyn FnMut(Item<'_>),
    ) -> usize {
        let Feed { queue, positions, .. } = &mut self.feeds[feed];
        queue.serve(max, timeout, &mut |item| {
            let moved = match &item {
                Item::Record(record) => Some((record.partition, record.offset + 1)),
                Item::Eof { partition, position } => Some((*partition, *position)),
                Item::Error { .. } => None,
            };
            if let Some((partition, position)) = moved
                && let Ok(index) = usize::try_from(partition)
                && let Some(slot) = positions.get_mut(index)
            {
                *slot = Some(position);
            }
            each(item);
        })
    }

    /// Stops partitions from delivering until [`start`](Self::start); what was fetched is thrown away, so this is no
    /// tap for everyday use.
    pub fn hold(&mut self, partitions: &[FeedPartition]) -> Result<(), Fault> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for at in partitions {
            list.add_partition(&self.feeds[at.feed].topic, at.partition);
        }
        self.base.pause(&list).map_err(|error| fault::plain("hold partitions", &error))
    }

    /// The next offset that [`serve`](Self::serve) will hand over at the earliest; `None` before the start.
    pub fn position(&self, at: FeedPartition) -> Option<i64> {
        let index = usize::try_from(at.partition).ok()?;
        self.feeds[at.feed].positions.get(index).copied().flatten()
    }

    /// The partitions that are ours, sorted.
    pub fn assigned(&self) -> &[FeedPartition] {
        &self.assigned
    }

    /// The topic of a feed.
    pub fn topic(&self, feed: usize) -> &str {
        &self.feeds[feed].topic
    }

    /// How many errors the client has reported since it was made (lost connections above all).
    pub fn client_errors(&self) -> u64 {
        self.base.context().errors.load(Ordering::Relaxed)
    }

    /// One event of the client, without waiting; whether there was one.
    fn poll_client(&mut self, on: &mut OnRebalance<'_, Self>) -> Result<bool, Fault> {
        let answer = match self.base.poll(Duration::ZERO) {
            None => Ok(false),
            Some(Err(error)) => {
                let mut fault = self.base.context().heard.explain(fault::plain("poll consumer", &error));
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed) {
                    fault.message = format!("Read on the group {}: {}", self.group_id, fault.message);
                }
                Err(fault)
            }
            Some(Ok(record)) => {
                // It cannot be put back, so this consumer must not go on.
                let place = (record.topic(), record.partition(), record.offset());
                let message = format!("{place:?} came outside of its feed's queue");
                return Err(Fault::new(Answer::CloseDirty, "poll consumer", "NotForwarded", message));
            }
        };
        let rebalanced = self.handle_rebalances(on)?;
        answer.map(|busy| busy || rebalanced)
    }

    /// Whether there were any.
    fn handle_rebalances(&mut self, on: &mut OnRebalance<'_, Self>) -> Result<bool, Fault> {
        let mut any = false;
        loop {
            let next = self.base.context().rebalances().pop_front();
            let Some(rebalance) = next else { return Ok(any) };
            any = true;
            let partitions = self.known(&rebalance.partitions);
            if rebalance.assign {
                self.take(&partitions)?;
                on(self, Rebalance::Assigned(&partitions));
                continue;
            }
            if self.base.assignment_lost() {
                on(self, Rebalance::Lost(&partitions));
            } else {
                on(self, Rebalance::Revoked(&partitions));
            }
            self.give_up(&partitions)?;
        }
    }

    fn known(&self, partitions: &[(String, i32)]) -> Vec<FeedPartition> {
        let mut known: Vec<FeedPartition> = partitions
            .iter()
            .filter_map(|(topic, partition)| {
                let feed = self.feeds.iter().position(|feed| feed.topic == *topic)?;
                Some(FeedPartition { feed, partition: *partition })
            })
            .collect();
        known.sort_unstable();
        known
    }

    /// Confirms an assignment with every partition held: forwarded first, or its records would go to the main queue;
    /// paused before it is assigned, so that nothing is fetched from the placeholder offset.
    fn take(&mut self, partitions: &[FeedPartition]) -> Result<(), Fault> {
        let during = "take partitions";
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for at in partitions {
            let feed = &mut self.feeds[at.feed];
            feed.queue.forward(&feed.topic, at.partition)?;
            feed.set_position(at.partition, None);
            add(during, &mut list, &feed.topic, at.partition, 0)?;
        }
        self.base
            .pause(&list)
            .and_then(|()| confirm(&*self.base, true, &list))
            .map_err(|error| Fault::new(Answer::CloseDirty, during, "Other", error.to_string()))?;
        self.assigned.extend_from_slice(partitions);
        self.assigned.sort_unstable();
        self.assigned.dedup();
        Ok(())
    }

    fn give_up(&mut self, partitions: &[FeedPartition]) -> Result<(), Fault> {
        let during = "give partitions up";
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for at in partitions {
            self.feeds[at.feed].set_position(at.partition, None);
            list.add_partition(&self.feeds[at.feed].topic, at.partition);
        }
        confirm(&*self.base, false, &list)
            .map_err(|error| Fault::new(Answer::CloseDirty, during, "Other", error.to_string()))?;
        self.assigned.retain(|at| partitions.binary_search(at).is_err());
        Ok(())
    }
}

/// A returned fault of `poll` is one of the whole client; those of a partition come by `serve`. `poll` must be called
/// often, whether or not records are wanted: only there are rebalances answered.
impl Source for FeedConsumer {
    type Group = GroupMetadata;

    fn poll(&mut self, timeout: Duration, on: &mut OnRebalance<'_, Self>) -> Result<(), Fault> {
        let busy = self.poll_client(on)?;
        if !busy && !timeout.is_zero() && self.bell.wait(timeout) {
            self.poll_client(on)?;
        }
        Ok(())
    }

    fn serve(&mut self, feed: usize, max: usize, each: &mut dyn FnMut(Item<'_>)) -> usize {
        self.serve_within(feed, max, Duration::ZERO, each)
    }

    fn start(&mut self, from: &[(FeedPartition, i64)]) -> Result<(), Fault> {
        let during = "start reading";
        let deadline = Instant::now() + self.timeout;
        let mut open = from.to_vec();
        // A partition assigned a moment ago refuses to seek until its reading has begun.
        while !open.is_empty() {
            let mut list = TopicPartitionList::with_capacity(open.len());
            for &(at, offset) in &open {
                add(during, &mut list, &self.feeds[at.feed].topic, at.partition, offset)?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let result = self
                .base
                .seek_partitions(list, left)
                .map_err(|error| Fault::new(Answer::Retry, during, "SeekFailed", error.to_string()))?;
            let mut refused = None;
            open.retain(|&(at, _)| {
                let topic = &self.feeds[at.feed].topic;
                let error =
                    result.find_partition(topic, at.partition).and_then(|element| element.error().err());
                let again = error.is_some();
                refused = error.or(refused.take());
                again
            });
            if let Some(error) = refused {
                let fault = fault::plain(during, &error);
                let passing = error.rdkafka_error_code() == Some(RDKafkaErrorCode::State)
                    || fault.answer == Answer::Retry;
                if !passing || Instant::now() >= deadline {
                    return Err(fault);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let mut list = TopicPartitionList::with_capacity(from.len());
        for &(at, offset) in from {
            self.feeds[at.feed].set_position(at.partition, Some(offset));
            list.add_partition(&self.feeds[at.feed].topic, at.partition);
        }
        self.base.resume(&list).map_err(|error| fault::plain(during, &error))
    }

    fn group(&self) -> Result<GroupMetadata, Fault> {
        self.base
            .group_metadata()
            .map(GroupMetadata)
            .ok_or_else(|| fault::exit("take group metadata", "the consumer is in no group"))
    }

    fn committed(&mut self, partitions: &[FeedPartition]) -> Result<Vec<Option<CommittedOffset>>, Fault> {
        let during = "read committed offsets";
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for at in partitions {
            list.add_partition(&self.feeds[at.feed].topic, at.partition);
        }
        let list =
            self.base.committed_offsets(list, self.timeout).map_err(|error| fault::plain(during, &error))?;
        partitions
            .iter()
            .map(|at| {
                let Some(element) = list.find_partition(&self.feeds[at.feed].topic, at.partition) else {
                    return Ok(None);
                };
                element.error().map_err(|error| fault::plain(during, &error))?;
                Ok(match element.offset() {
                    Offset::Offset(offset) => {
                        Some(CommittedOffset { offset, metadata: element.metadata().to_owned() })
                    }
                    _ => None,
                })
            })
            .collect()
    }

    fn leave(&mut self, on: &mut OnRebalance<'_, Self>) -> Result<(), Fault> {
        let deadline = Instant::now() + self.timeout;
        self.base.unsubscribe();
        while !self.assigned.is_empty() && Instant::now() < deadline {
            self.poll(Duration::from_millis(20), on)?;
        }
        Ok(())
    }
}

impl Drop for FeedConsumer {
    fn drop(&mut self) {
        // The client polls itself until it has left the group; a rebalance that it meets there, or that waits here
        // unanswered, would never be confirmed.
        self.base.context().closing.store(true, Ordering::Relaxed);
        if !self.base.context().rebalances().is_empty() {
            let _ = self.base.unassign();
        }
    }
}

fn add(
    during: &'static str,
    list: &mut TopicPartitionList,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<(), Fault> {
    list.add_partition_offset(topic, partition, Offset::Offset(offset))
        .map_err(|error| fault::plain(during, &error))
}
