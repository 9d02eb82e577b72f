//! Plays the generated day into the feeds' topics, each event at its moment of the fast clock.

use super::clock::FastClock;
use crate::generate::{Arrival, Day, FEEDS, Recipe};
use cxwatch_event::Millis;
use cxwatch_kafka::Properties;
use cxwatch_kafka::partitioner::murmur2_partition;
use cxwatch_kafka::producer::{Record, TransactionalProducer};
use cxwatch_runtime::ports::{Clock, Fault};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it looks what has arrived meanwhile.
const TICK: Duration = Duration::from_millis(5);
/// How long the stand-in may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Plays until `until`, or until told to stop. How many events it were.
pub(super) fn play(
    properties: &Properties,
    recipe: Recipe,
    until: Millis,
    partitions: i32,
    clock: &FastClock,
    stop: &Arc<AtomicBool>,
) -> Result<u64, Fault> {
    let mut producer = TransactionalProducer::new(properties, "cxwatch-demo-shop", ANSWER_WITHIN)?;
    let mut day = Day::new(recipe);
    let mut count = 0;
    let mut next = Letter::of(&day.next());
    while !stop.load(Ordering::Relaxed) {
        let now = clock.now();
        if next.at <= now && next.at < until {
            producer.begin()?;
            while next.at <= now && next.at < until {
                next.send(&mut producer, partitions, now)?;
                count += 1;
                next = Letter::of(&day.next());
            }
            producer.commit()?;
        } else {
            producer.poll()?;
        }
        if next.at >= until && now >= until {
            break;
        }
        std::thread::sleep(TICK);
    }
    Ok(count)
}

/// An event on its way.
struct Letter {
    feed: usize,
    at: Millis,
    customer: String,
    json: Vec<u8>,
}

impl Letter {
    fn of(arrival: &Arrival<'_>) -> Self {
        Letter {
            feed: arrival.feed,
            at: arrival.at,
            customer: arrival.customer.to_owned(),
            json: arrival.json.to_vec(),
        }
    }

    fn send(&self, producer: &mut TransactionalProducer, partitions: i32, now: Millis) -> Result<(), Fault> {
        producer.send(&Record {
            topic: FEEDS[self.feed],
            partition: murmur2_partition(self.customer.as_bytes(), partitions),
            key: Some(self.customer.as_bytes()),
            value: Some(&self.json),
            headers: &[],
            timestamp_ms: Some(now),
        })
    }
}
