//! The stream of events that the throughput benchmark runs on.
//!
//! Four feeds, customers by Zipf's law (exponent 1), 340 bytes an event on average, arrival out of order by up to half a
//! second, in the mix of a shop: mostly browsing, some carts, calls, orders and posts. The same parameters give the same
//! bytes, here and on any other machine.

use cxwatch_event::{Millis, rfc3339};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use std::fmt::Write;

/// The four feeds, in the order of their names.
pub const FEEDS: [&str; 4] = ["contact-center", "social", "transaction", "web"];

/// The first event's time: 2026-11-02T08:00:00Z.
pub const BEGIN: Millis = 1_793_606_400_000;

/// What a stream is made from.
#[derive(Debug, Clone, Copy)]
pub struct Parameters {
    /// Seeds the generator.
    pub seed: u64,
    /// How many customers there are.
    pub customers: u64,
    /// How many events.
    pub events: u64,
    /// Events per second of event time.
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
    parameters: Parameters,
    random: Pcg64Mcg,
    next: u64,
}

impl Stream {
    /// From the beginning.
    pub fn new(parameters: Parameters) -> Self {
        Stream { parameters, random: Pcg64Mcg::seed_from_u64(parameters.seed), next: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The bias of a 64-bit remainder is below 1e-10 for the bounds in use.
        self.random.next_u64() % bound
    }

    fn unit(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A customer by Zipf's law, spread over the numbers so that frequent ones are not neighbours.
    fn customer(&mut self) -> u64 {
        let customers = self.parameters.customers;
        let rank = ((customers as f64).powf(self.unit()) as u64).clamp(1, customers) - 1;
        rank.wrapping_mul(0x9e37_79b9_7f4a_7c15 | 1) % customers
    }

    /// Writes the next event into `out`, reusing its buffers. False at the end.
    pub fn next_into(&mut self, out: &mut Produced) -> bool {
        if self.next == self.parameters.events {
            return false;
        }
        let number = self.next;
        self.next += 1;
        out.arrives = BEGIN + (number * 1_000 / self.parameters.rate) as Millis;
        let time = out.arrives - self.below(500) as Millis;
        let customer = self.customer();
        out.customer.clear();
        write!(out.customer, "c-{customer:010}").expect("a String takes everything");
        let (feed, kind, data) = self.content(customer, number);
        out.feed = feed;
        out.json.clear();
        write!(
            out.json,
            r#"{{"specversion":"1.0","id":"{}-{number:016x}","source":"/shop/{}","type":"{kind}","subject":"{}","time":"{}","datacontenttype":"application/json","data":{{{data}}}}}"#,
            &FEEDS[feed][..1],
            FEEDS[feed],
            out.customer,
            rfc3339::format(time),
        )
        .expect("a String takes everything");
        true
    }

    fn content(&mut self, customer: u64, number: u64) -> (usize, &'static str, String) {
        let visit = format!(
            r#""session_id":"s-{:012x}","device":"{}""#,
            customer << 8 | (number / 50_000) & 0xff,
            ["mobile", "desktop", "tablet"][self.below(3) as usize]
        );
        let cart = format!("k-{customer:012x}");
        let page = self.below(90_000) + 10_000;
        match self.below(1_000) {
            0..=549 => {
                let load = self.below(2_500) + 80;
                let data = format!(
                    r#"{visit},"url":"https://www.shop.example/catalogue/products/{page}?source=listing&position={}","load_ms":{load}"#,
                    self.below(40)
                );
                (3, "web.page.viewed", data)
            }
            550..=619 => (
                3,
                "web.search.performed",
                format!(r#"{visit},"query":"item {page} in blue","results":{}"#, self.below(200)),
            ),
            620..=679 => {
                let (quantity, price) = (self.below(3) + 1, self.below(9_000) + 500);
                let data = format!(
                    r#"{visit},"cart_id":"{cart}","sku":"sku-{page}","quantity":{quantity},"unit_price":{}.{:02},"currency":"EUR""#,
                    price / 100,
                    price % 100
                );
                (3, "web.cart.item_added", data)
            }
            680..=694 => {
                let data = format!(
                    r#"{visit},"cart_id":"{cart}","sku":"sku-{page}","quantity":1,"unit_price":12.50,"currency":"EUR""#
                );
                (3, "web.cart.item_removed", data)
            }
            695..=709 => (3, "web.cart.emptied", format!(r#"{visit},"cart_id":"{cart}""#)),
            710..=724 => (3, "web.selfservice.failed", format!(r#"{visit},"flow":"where-is-my-order""#)),
            725..=749 => (3, "web.session.ended", visit),
            750..=849 => {
                let contact = format!("t-{:012x}", customer << 8 | (number / 100_000) & 0xff);
                let channel = ["voice", "chat", "email"][self.below(3) as usize];
                let queue = format!(
                    r#""contact_id":"{contact}","channel":"{channel}","queue":"service","priority":{}"#,
                    self.below(3) + 1
                );
                match self.below(4) {
                    0 | 1 => (0, "contact.queued", format!(r#"{queue},"reason":"where is my order {page}""#)),
                    2 => (0, "contact.answered", queue),
                    _ => (0, "contact.abandoned", queue),
                }
            }
            850..=919 => {
                let value = self.below(20_000) + 1_000;
                let data = format!(
                    r#""order_id":"o-{number:012x}","cart_id":"{cart}","value":{}.{:02},"currency":"EUR","promised_at":"2026-11-09T18:00:00Z""#,
                    value / 100,
                    value % 100
                );
                (2, "order.placed", data)
            }
            920..=949 => (
                2,
                "shipment.delivered",
                format!(
                    r#""order_id":"o-{:012x}","carrier":"post","note":"left with the neighbour at number {}""#,
                    number / 2,
                    page % 200
                ),
            ),
            _ => {
                let data = format!(
                    r#""post_id":"p-{number:012x}","network":"birdsite","sentiment":"{}","on_ad":false"#,
                    ["negative", "neutral", "positive"][self.below(3) as usize]
                );
                (1, "social.mentioned", data)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxwatch_event::{Catalogue, Decoder, RawRecord, Record};
    use std::sync::Arc;

    #[test]
    fn every_event_is_accepted_and_340_bytes_long_on_average() {
        let parameters = Parameters { seed: 1, customers: 1_000, events: 20_000, rate: 1_000 };
        let catalogue = Arc::new(Catalogue::builtin());
        let (book, _) =
            cxwatch_rulebook::compile(crate::HEADLINE, "headline.yaml").expect("the headline rules compile");
        let decoder = Decoder::new(catalogue, book.interest);
        let (mut stream, mut out, mut record) =
            (Stream::new(parameters), Produced::default(), Record::default());
        let (mut bytes, mut named) = (0, 0);
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
        }
        let mean = bytes / 20_000;
        assert!((320..=360).contains(&mean), "{mean} bytes");
        assert!(named > 10_000, "the rules name most of the types: {named}");
    }
}
