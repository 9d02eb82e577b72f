//! Customers whose troubles take seconds, and the rules that notice them.

use crate::client::Feeder;
use crate::stage::{FEEDS, Stage, now};
use cxwatch_event::{Millis, rfc3339};
use cxwatch_tests::world::draw::Draw;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Every kind of rule, with deadlines of seconds. Actions live so long that no delay of ours lets one expire.
pub(crate) const RULES: &str = r#"
rulebook: seconds
version: 1
rules:
  - id: cart-left
    kind: absence
    per: data.cart_id
    start: web.cart.item_added
    refresh: web.page.viewed
    stop: [order.placed, web.cart.emptied]
    within: 4s
    warn_at: 50%
    measure: { value: { sum: [data.quantity, data.unit_price] } }
    when: { value: { at_least: 20 } }
    severity: [ { when: { value: { over: 80 } }, is: 70 }, { is: 40 } ]
    summary: "left {value} behind"
    actions: [chat]
  - id: voice-wait
    kind: absence
    per: data.contact_id
    start: { event: contact.queued, where: { data.channel: voice } }
    stop: [contact.answered, contact.abandoned]
    within: 3s
    warn_at: 80%
    actions: [raise]
  - id: post-unanswered
    kind: absence
    per: data.post_id
    start: { event: social.mentioned, where: { data.sentiment: negative } }
    stop: social.replied
    within: 5s
    actions: [answer]
  - { id: few-stars, kind: match, event: review.posted, where: { data.stars: { at_most: 2 } }, actions: [answer] }
  - { id: locked-out, kind: count, event: web.login.failed, at_least: 3, within: 4s, reset: web.login.succeeded, actions: [chat] }
  - id: alone-in-vain
    kind: sequence
    steps: [web.selfservice.failed, contact.queued]
    within: 5s
    unless: web.selfservice.completed
    actions: [raise]
  - { id: twice-bad, kind: count, event: ["rule:voice-wait", "rule:post-unanswered", "rule:alone-in-vain"], at_least: 2, within: 20s, actions: [call] }
actions:
  chat: { class: internal, queue: concierge, ttl: 1d }
  raise: { class: raise, channel: voice, queue: service, ttl: 1d }
  answer: { class: reply, channel: social, queue: social, ttl: 1d }
  call: { class: internal, queue: care, ttl: 1d }
"#;

/// How late the events of a wild customer may be: some come after they should have been waited for.
const WILD_MS: (i64, i64) = (4_000, 8_000);

/// An event in CloudEvents' structured mode.
pub(crate) fn event(number: u64, kind: &str, customer: &str, time: Millis, data: &str) -> String {
    let time = rfc3339::format(time);
    format!(
        r#"{{"specversion":"1.0","id":"e{number}","source":"suite","type":"{kind}","subject":"{customer}","time":"{time}","data":{{{data}}}}}"#
    )
}

/// The feed that a type belongs to.
pub(crate) fn feed_of(kind: &str) -> &'static str {
    let family = kind.split('.').next().unwrap_or_default();
    match family {
        "contact" | "campaign" => FEEDS[0],
        "social" | "review" => FEEDS[1],
        "web" => FEEDS[3],
        _ => FEEDS[2],
    }
}

/// Something that will happen. Ordered by when.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Coming {
    at: Millis,
    number: u64,
    kind: &'static str,
    customer: String,
    data: String,
}

/// Many lives, told in real time.
pub(crate) struct Lives {
    draw: Draw,
    customers: i64,
    coming: BinaryHeap<Reverse<Coming>>,
    number: u64,
}

impl Lives {
    pub(crate) fn new(seed: u64, customers: i64) -> Self {
        Lives { draw: Draw::new(seed), customers, coming: BinaryHeap::new(), number: 0 }
    }

    fn will(&mut self, at: Millis, kind: &'static str, customer: &str, data: String) {
        self.number += 1;
        let coming = Coming { at, number: self.number, kind, customer: customer.to_owned(), data };
        self.coming.push(Reverse(coming));
    }

    /// A story begins at `at`.
    fn begin(&mut self, at: Millis) {
        let customer = self.draw.range(1, self.customers);
        // One in eight does not keep the promises about order and delay.
        let customer = if customer % 8 == 0 { format!("wild{customer}") } else { format!("calm{customer}") };
        let c = customer.as_str();
        let id = self.number;
        let later = |draw: &mut Draw, from, to| at + draw.range(from, to);
        match self.draw.range(0, 5) {
            0 => {
                let cart = format!(
                    r#""cart_id":"k{id}","sku":"s","quantity":{},"unit_price":12.5"#,
                    self.draw.range(1, 9)
                );
                self.will(at, "web.cart.item_added", c, cart.clone());
                if self.draw.chance(40) {
                    let again = later(&mut self.draw, 300, 5_000);
                    self.will(again, "web.cart.item_added", c, cart);
                }
                if self.draw.chance(40) {
                    let view = later(&mut self.draw, 300, 5_000);
                    self.will(view, "web.page.viewed", c, r#""url":"https://shop.example/""#.into());
                }
                if self.draw.chance(50) {
                    let order = later(&mut self.draw, 300, 7_000);
                    self.will(order, "order.placed", c, format!(r#""order_id":"o{id}","cart_id":"k{id}""#));
                }
            }
            1 => {
                let contact = format!(r#""contact_id":"t{id}","channel":"voice""#);
                self.will(at, "contact.queued", c, contact.clone());
                if self.draw.chance(60) {
                    let end = later(&mut self.draw, 300, 5_000);
                    let kind = *self.draw.pick(&["contact.answered", "contact.abandoned"]);
                    self.will(end, kind, c, contact);
                }
            }
            2 => {
                let sentiment = *self.draw.pick(&["negative", "negative", "positive"]);
                let post = format!(r#""post_id":"p{id}","sentiment":"{sentiment}""#);
                self.will(at, "social.mentioned", c, post);
                if self.draw.chance(60) {
                    let reply = later(&mut self.draw, 500, 8_000);
                    self.will(reply, "social.replied", c, format!(r#""post_id":"p{id}""#));
                }
            }
            3 => {
                for _ in 0..self.draw.range(2, 4) {
                    let failed = later(&mut self.draw, 0, 3_000);
                    self.will(failed, "web.login.failed", c, r#""reason":"password""#.into());
                }
                if self.draw.chance(30) {
                    let worked = later(&mut self.draw, 500, 4_000);
                    self.will(worked, "web.login.succeeded", c, String::new());
                }
            }
            4 => {
                self.will(at, "web.selfservice.failed", c, r#""flow":"address""#.into());
                if self.draw.chance(20) {
                    let done = later(&mut self.draw, 300, 4_000);
                    self.will(done, "web.selfservice.completed", c, r#""flow":"address""#.into());
                }
                let call = later(&mut self.draw, 300, 7_000);
                self.will(call, "contact.queued", c, format!(r#""contact_id":"t{id}","channel":"chat""#));
            }
            _ => {
                let stars = self.draw.range(1, 5);
                self.will(at, "review.posted", c, format!(r#""review_id":"r{id}","stars":{stars}"#));
            }
        }
    }

    /// Sends what is due; an event's time is a little before it is sent, so that some overtake others.
    fn send_due(&mut self, at: Millis, stage: &Stage, feeder: &Feeder) {
        while self.coming.peek().is_some_and(|Reverse(coming)| coming.at <= at) {
            let Some(Reverse(next)) = self.coming.pop() else { return };
            let wild = next.customer.starts_with("wild") && self.draw.chance(25);
            let (from, to) = if wild { WILD_MS } else { (0, 400) };
            let time = now() - self.draw.range(from, to);
            let json = event(next.number, next.kind, &next.customer, time, &next.data);
            let times = if self.draw.chance(2) { 2 } else { 1 };
            for _ in 0..times {
                feeder.send(&stage.topic(feed_of(next.kind)), &next.customer, json.as_bytes());
            }
        }
    }
}

/// Lives being told by a thread of their own.
pub(crate) struct Telling {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Telling {
    /// Begins `stories_per_s` stories a second, until told to stop.
    pub(crate) fn start(stage: &Arc<Stage>, mut lives: Lives, stories_per_s: i64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, stage) = (Arc::clone(&stop), Arc::clone(stage));
        let thread = std::thread::spawn(move || {
            let feeder = Feeder::new(stage.bootstrap());
            let mut next_story = now();
            while !stopped.load(Ordering::Relaxed) {
                while next_story <= now() {
                    lives.begin(next_story);
                    next_story += 1_000 / stories_per_s;
                }
                lives.send_due(now(), &stage, &feeder);
                std::thread::sleep(Duration::from_millis(5));
            }
            feeder.flush();
            lives.number
        });
        Telling { stop, thread }
    }

    /// Tells no more; what was under way stays untold. How many events there were at most.
    pub(crate) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the lives are told")
    }
}
