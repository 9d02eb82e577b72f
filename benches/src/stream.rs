//! The stream of events that the benchmarks run on: what `cxwatch generate --profile throughput` makes.
//!
//! Four feeds, customers by the law of Zipf and Mandelbrot, 340 bytes an event on average, arrival out of order by up to
//! half a second, in the mix of a shop: mostly browsing, some carts, calls, orders and posts. The same parameters give the
//! same bytes, here and on any other machine.

use cxwatch::generate::{Recipe, SEED, Throughput};
use cxwatch_event::Millis;

pub use cxwatch::generate::FEEDS;

/// The first event's time: 2026-11-02T08:00:00Z.
pub const BEGIN: Millis = 1_793_606_400_000;

/// The seed where none is given.
pub const DEFAULT_SEED: u64 = SEED;

/// What a stream is made from.
#[derive(Debug, Clone, Copy)]
pub struct Parameters {
    /// Seeds the generator.
    pub seed: u64,
    /// How many customers there are.
    pub customers: u32,
    /// How many events.
    pub events: u64,
    /// Events per second of event time, on average.
    pub rate: u64,
}

/// One event as it lies in a topic.
#[derive(Debug, Clone, Default)]
pub struct Produced {
    /// Index in [`FEEDS`].
    pub feed: usize,
    /// The record's key.
    pub customer: String,
    /// When it arrives, in event time.
    pub arrives: Millis,
    /// CloudEvents JSON.
    pub json: String,
}

/// The stream, in the order of arrival at the source.
pub struct Stream {
    traffic: Throughput,
    left: u64,
}

impl Stream {
    /// From the beginning.
    pub fn new(parameters: Parameters) -> Self {
        let Parameters { seed, customers, events, rate } = parameters;
        let recipe = Recipe { seed, customers, per_kilosecond: rate * 1_000, ..Recipe::throughput(BEGIN) };
        Stream { traffic: Throughput::new(recipe), left: events }
    }

    /// Writes the next event into `out`, reusing its buffers. False at the end.
    pub fn next_into(&mut self, out: &mut Produced) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let arrival = self.traffic.next();
        (out.feed, out.arrives) = (arrival.feed, arrival.at);
        out.customer.clear();
        out.customer.push_str(arrival.customer);
        out.json.clear();
        out.json.push_str(std::str::from_utf8(arrival.json).expect("JSON is UTF-8"));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxwatch_event::{Decoder, RawRecord, Record};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[test]
    fn every_event_is_accepted_and_340_bytes_long_on_average() {
        let parameters = Parameters { seed: 1, customers: 1_000, events: 20_000, rate: 1_000 };
        let (book, _) =
            cxwatch_rulebook::compile(crate::HEADLINE, "headline.yaml").expect("the headline rules compile");
        let decoder = Decoder::new(Arc::clone(&book.catalogue), book.interest);
        let (mut stream, mut out, mut record) =
            (Stream::new(parameters), Produced::default(), Record::default());
        let (mut bytes, mut named, mut of) = (0, 0, BTreeMap::<String, u32>::new());
        while stream.next_into(&mut out) {
            let raw = RawRecord {
                feed: FEEDS[out.feed],
                key: Some(out.customer.as_bytes()),
                value: Some(out.json.as_bytes()),
                headers: &[],
            };
            decoder.decode(&raw, &mut record).unwrap_or_else(|r| panic!("{r}: {}", out.json));
            bytes += out.json.len();
            named += record.events.len();
            *of.entry(out.customer.clone()).or_default() += 1;
        }
        let mean = bytes / 20_000;
        assert!((320..=360).contains(&mean), "{mean} bytes");
        assert!(named > 10_000, "the rules name most of the types: {named}");
        // Customers are skewed, and none is a crowd.
        let most = of.values().max().copied().unwrap_or_default();
        assert!((100..=600).contains(&most), "{most} of 20,000 events are of one customer");
    }
}
