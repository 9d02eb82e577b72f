//! Traffic for measuring: the mix of a large shop, skewed customers, some 340 bytes an event.

use super::draw::{Draw, Zipf};
use super::event::{self, Value};
use super::story::{CONTACT_CENTER, SOCIAL, TRANSACTION, WEB};
use super::{Arrival, Recipe};
use cxwatch_event::Millis;
use std::collections::VecDeque;

/// Traffic without an end. Events carry a time up to `disorder_ms` before their arrival.
pub struct Throughput {
    recipe: Recipe,
    draw: Draw,
    zipf: Zipf,
    clock_us: u64,
    events: u64,
    carts: Open,
    contacts: Open,
    posts: Open,
    customer: String,
    json: String,
    duplicate: bool,
    last: (usize, Millis),
}

/// Things begun and not yet ended: customer and number.
struct Open(VecDeque<(u32, u64)>);

/// As many as that are open at most; the oldest is left open for good.
const OPEN_MAX: usize = 4096;

impl Open {
    fn begin(&mut self, customer: u32, number: u64) {
        if self.0.len() == OPEN_MAX {
            self.0.pop_front();
        }
        self.0.push_back((customer, number));
    }

    /// One of them, drawn; it is over.
    fn end(&mut self, draw: &mut Draw) -> Option<(u32, u64)> {
        if self.0.is_empty() {
            return None;
        }
        let at = draw.below(self.0.len() as u64) as usize;
        self.0.swap_remove_front(at)
    }
}

impl Throughput {
    /// Traffic by this recipe.
    pub fn new(recipe: Recipe) -> Self {
        let draw = Draw::new(recipe.seed);
        let zipf = Zipf::new(recipe.customers);
        let open = || Open(VecDeque::new());
        Throughput {
            draw,
            zipf,
            clock_us: 0,
            events: 0,
            carts: open(),
            contacts: open(),
            posts: open(),
            customer: String::new(),
            json: String::new(),
            duplicate: false,
            last: (0, recipe.start),
            recipe,
        }
    }

    /// The next event to arrive.
    #[allow(clippy::should_implement_trait, reason = "what it lends lives until the next call")]
    pub fn next(&mut self) -> Arrival<'_> {
        if std::mem::take(&mut self.duplicate) {
            return self.arrival();
        }
        let mean_us = 1_000_000_000 / self.recipe.per_kilosecond.max(1);
        self.clock_us += self.draw.below(2 * mean_us + 1);
        let at = self.recipe.start + (self.clock_us / 1_000) as Millis;
        let time = at - self.draw.between(0, self.recipe.disorder_ms);
        let customer = self.zipf.draw(&mut self.draw);
        let (feed, kind, customer, data) = self.event(customer);
        self.customer.clear();
        std::fmt::Write::write_fmt(&mut self.customer, format_args!("c{customer:08}"))
            .expect("a String takes everything");
        self.json.clear();
        event::write(&mut self.json, feed, self.events, kind, &self.customer, time, &data);
        self.events += 1;
        self.duplicate = self.draw.permille(self.recipe.duplicates_permille);
        self.last = (feed, at);
        self.arrival()
    }

    fn arrival(&self) -> Arrival<'_> {
        let (feed, at) = self.last;
        Arrival { feed, at, customer: &self.customer, json: self.json.as_bytes() }
    }

    fn event(&mut self, customer: u32) -> (usize, &'static str, u32, Vec<(&'static str, Value)>) {
        let number = self.events;
        let die = self.draw.below(1000);
        match die {
            0..=519 => (WEB, "web.page.viewed", customer, self.page()),
            520..=599 => (WEB, "web.search.performed", customer, self.search()),
            600..=669 => {
                self.carts.begin(customer, number);
                (WEB, "web.cart.item_added", customer, self.cart(number))
            }
            670..=699 => (WEB, "web.login.succeeded", customer, self.login()),
            700..=708 => (WEB, "web.selfservice.started", customer, self.flow()),
            709..=713 => (WEB, "web.selfservice.failed", customer, self.flow()),
            714..=717 => (WEB, "web.selfservice.completed", customer, self.flow()),
            718..=747 => {
                self.contacts.begin(customer, number);
                (CONTACT_CENTER, "contact.queued", customer, self.contact(number))
            }
            748..=777 => match self.contacts.end(&mut self.draw) {
                Some((customer, number)) => {
                    (CONTACT_CENTER, "contact.answered", customer, self.contact(number))
                }
                None => (WEB, "web.page.viewed", customer, self.page()),
            },
            778..=829 => match self.carts.end(&mut self.draw) {
                Some((customer, number)) => (TRANSACTION, "order.placed", customer, self.order(number)),
                None => (WEB, "web.page.viewed", customer, self.page()),
            },
            830..=884 => (TRANSACTION, "payment.succeeded", customer, self.payment(number)),
            885..=929 => (TRANSACTION, "shipment.dispatched", customer, self.parcel(number)),
            930..=969 => (TRANSACTION, "shipment.delivered", customer, self.parcel(number)),
            970..=986 => {
                self.posts.begin(customer, number);
                (SOCIAL, "social.mentioned", customer, self.post(number))
            }
            _ => match self.posts.end(&mut self.draw) {
                Some((customer, number)) => (SOCIAL, "social.replied", customer, self.reply(number)),
                None => (WEB, "web.page.viewed", customer, self.page()),
            },
        }
    }

    fn session(&mut self) -> [(&'static str, Value); 2] {
        let session = format!("{:016x}{:016x}", self.draw.bits(), self.draw.bits());
        [("session_id", session.into()), ("device", "phone-app".into())]
    }

    fn web(&mut self, mut data: Vec<(&'static str, Value)>) -> Vec<(&'static str, Value)> {
        data.extend(self.session());
        data
    }

    fn page(&mut self) -> Vec<(&'static str, Value)> {
        let (shelf, article) = (self.draw.below(90), self.draw.below(90_000));
        let url = format!(
            "https://shop.example/garden/shelf-{shelf:02}/article-{article:05}?ref=newsletter&campaign=spring"
        );
        let load_ms = self.draw.between(40, 900);
        self.web(vec![("url", url.into()), ("load_ms", load_ms.into())])
    }

    fn search(&mut self) -> Vec<(&'static str, Value)> {
        let words = format!("garden chair number {} in green with cushions", self.draw.below(90_000));
        let results = self.draw.between(0, 400);
        self.web(vec![("query", words.into()), ("results", results.into())])
    }

    fn cart(&mut self, number: u64) -> Vec<(&'static str, Value)> {
        let price = self.draw.between(500, 90_000);
        self.web(vec![
            ("cart_id", format!("k{number:010}").into()),
            ("sku", format!("article-{:05}", number % 90_000).into()),
            ("quantity", 1.into()),
            ("unit_price", Value::Cents(price)),
            ("currency", "EUR".into()),
        ])
    }

    fn login(&mut self) -> Vec<(&'static str, Value)> {
        self.web(vec![("method", "password-and-device-known-from-earlier-visits".into())])
    }

    fn flow(&mut self) -> Vec<(&'static str, Value)> {
        self.web(vec![("flow", "change-delivery-address".into())])
    }

    fn contact(&mut self, number: u64) -> Vec<(&'static str, Value)> {
        vec![
            ("contact_id", format!("t{number:010}").into()),
            ("channel", "voice".into()),
            ("queue", "service-north-and-central-region".into()),
            ("reason", "delivery-date-not-kept-by-the-carrier".into()),
        ]
    }

    fn order(&mut self, number: u64) -> Vec<(&'static str, Value)> {
        vec![
            ("order_id", format!("o{number:010}").into()),
            ("cart_id", format!("k{number:010}").into()),
            ("value", Value::Cents(self.draw.between(500, 90_000))),
            ("currency", "EUR".into()),
            ("promised_at", "2030-01-01T12:00:00.000Z".into()),
        ]
    }

    fn payment(&mut self, number: u64) -> Vec<(&'static str, Value)> {
        vec![
            ("order_id", format!("o{number:010}").into()),
            ("payment_id", format!("y{:016x}", self.draw.bits()).into()),
            ("value", Value::Cents(self.draw.between(500, 90_000))),
            ("currency", "EUR".into()),
            ("method", "card-with-strong-authentication".into()),
        ]
    }

    fn parcel(&mut self, number: u64) -> Vec<(&'static str, Value)> {
        vec![
            ("order_id", format!("o{number:010}").into()),
            ("shipment_id", format!("h{:016x}", self.draw.bits()).into()),
            ("carrier", "post".into()),
            ("promised_at", "2030-01-01T12:00:00.000Z".into()),
        ]
    }

    fn post(&mut self, number: u64) -> Vec<(&'static str, Value)> {
        let sentiment = if self.draw.permille(300) { "negative" } else { "neutral" };
        vec![
            ("post_id", format!("p{number:010}").into()),
            ("network", "mastodon".into()),
            ("sentiment", sentiment.into()),
            ("text", "Has anybody ever heard of a parcel that took so long for such a short way?".into()),
        ]
    }

    fn reply(&mut self, number: u64) -> Vec<(&'static str, Value)> {
        vec![
            ("post_id", format!("p{number:010}").into()),
            ("network", "mastodon".into()),
            ("agent_id", "a7".into()),
            ("text", "We are sorry to read that. We look into it and come back to you in private.".into()),
        ]
    }
}
