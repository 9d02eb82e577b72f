//! What happens to customers: some of it goes wrong.

use super::draw::Draw;
use super::event::{Fields, Value};
use cxwatch_event::Millis;

pub(super) const CONTACT_CENTER: usize = 0;
pub(super) const SOCIAL: usize = 1;
pub(super) const TRANSACTION: usize = 2;
pub(super) const WEB: usize = 3;

/// An event of a story.
pub(super) struct Planned {
    pub(super) feed: usize,
    pub(super) time: Millis,
    pub(super) kind: &'static str,
    pub(super) data: Fields,
}

/// One story being told: its events, in the order in which it tells them.
pub(super) struct Story<'d> {
    draw: &'d mut Draw,
    /// A number that no other story has.
    number: u64,
    now: Millis,
    pub(super) events: Vec<Planned>,
}

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

const DEVICES: [&str; 3] = ["phone", "desktop", "tablet"];
const ARTICLES: [(&str, i64); 8] = [
    ("lamp", 4_990),
    ("desk", 24_900),
    ("chair", 8_950),
    ("mattress", 69_900),
    ("kettle", 3_495),
    ("mug", 895),
    ("sofa", 119_900),
    ("rug", 15_900),
];
const FLOWS: [&str; 4] = ["change-delivery", "reset-password", "report-damage", "find-invoice"];
const NETWORKS: [&str; 3] = ["mastodon", "bluesky", "instagram"];

/// The stories and how often of a thousand each is told.
type Telling = fn(&mut Story<'_>);
const STORIES: [(u64, Telling); 14] = [
    (330, look_around),
    (170, buy),
    (70, abandon_cart),
    (25, come_back_late),
    (70, bot_helps),
    (60, help_oneself),
    (45, fail_and_call),
    (80, call_in_time),
    (35, wait_too_long),
    (35, praise),
    (25, complain_and_be_answered),
    (20, complain_in_vain),
    (25, give_back),
    (10, wait_for_money),
];

/// Tells a story that is drawn; once in a while everything goes wrong for one customer.
pub(super) fn tell(draw: &mut Draw, number: u64, start: Millis) -> Vec<Planned> {
    let mut story = Story { number, now: start, events: Vec::new(), draw };
    if number % 97 == 96 {
        everything_goes_wrong(&mut story);
        return story.events;
    }
    let total = STORIES.iter().map(|(share, _)| share).sum();
    let mut at = story.draw.below(total);
    let told = STORIES.iter().find(|(share, _)| {
        let here = at < *share;
        at = at.saturating_sub(*share);
        here
    });
    told.expect("shares add up to the total").1(&mut story);
    story.events
}

/// How many events a story has, on average, in hundredths (measured over many; a test holds it).
pub(super) const EVENTS_PER_STORY_CENTI: u64 = 540;

impl Story<'_> {
    fn wait(&mut self, least: Millis, most: Millis) {
        self.now += self.draw.between(least, most);
    }

    fn id(&self, what: &str) -> String {
        format!("{what}{}", self.number)
    }

    fn say(&mut self, feed: usize, kind: &'static str, data: Fields) {
        self.events.push(Planned { feed, time: self.now, kind, data });
    }

    fn web(&mut self, kind: &'static str, mut data: Fields) {
        data.push(("session_id", self.id("s").into()));
        data.push(("device", DEVICES[(self.number % 3) as usize].into()));
        self.say(WEB, kind, data);
    }

    fn pages(&mut self, least: i64, most: i64) {
        for _ in 0..self.draw.between(least, most) {
            let url = format!("https://shop.example/{}", self.draw.of(&ARTICLES).0);
            let load_ms = self.draw.between(80, 2_400);
            self.web("web.page.viewed", vec![("url", url.into()), ("load_ms", load_ms.into())]);
            self.wait(5 * SECOND, 90 * SECOND);
        }
    }

    /// Fills a cart; what is in it is worth so many cents.
    fn fill_cart(&mut self) -> i64 {
        let mut value = 0;
        for _ in 0..self.draw.between(1, 3) {
            let (sku, cents) = *self.draw.of(&ARTICLES);
            let quantity = self.draw.between(1, 2);
            value += quantity * cents;
            let data = vec![
                ("cart_id", self.id("k").into()),
                ("sku", sku.into()),
                ("quantity", quantity.into()),
                ("unit_price", Value::Cents(cents)),
                ("currency", "EUR".into()),
            ];
            self.web("web.cart.item_added", data);
            self.wait(10 * SECOND, 120 * SECOND);
        }
        value
    }

    fn checkout(&mut self, value: i64) {
        let data = vec![
            ("cart_id", self.id("k").into()),
            ("value", Value::Cents(value)),
            ("currency", "EUR".into()),
        ];
        self.web("web.checkout.started", data);
        self.wait(20 * SECOND, 90 * SECOND);
    }

    fn step(&mut self, kind: &'static str, step: &str) {
        self.web(kind, vec![("step", step.into()), ("cart_id", self.id("k").into())]);
        self.wait(10 * SECOND, 60 * SECOND);
    }

    fn order(&mut self, value: i64) {
        let (order, cart) = (self.id("o"), self.id("k"));
        let value = || Value::Cents(value);
        let placed = vec![
            ("order_id", order.clone().into()),
            ("cart_id", cart.into()),
            ("value", value()),
            ("currency", "EUR".into()),
        ];
        self.say(TRANSACTION, "order.placed", placed);
        self.wait(SECOND, 5 * SECOND);
        let paid = vec![
            ("order_id", order.into()),
            ("value", value()),
            ("currency", "EUR".into()),
            ("method", "card".into()),
        ];
        self.say(TRANSACTION, "payment.succeeded", paid);
    }

    fn parcel(&mut self, kind: &'static str) {
        self.say(TRANSACTION, kind, vec![("order_id", self.id("o").into()), ("carrier", "post".into())]);
    }

    fn contact(&mut self, kind: &'static str) {
        let data = vec![
            ("contact_id", self.id("t").into()),
            ("channel", "voice".into()),
            ("queue", "service".into()),
        ];
        self.say(CONTACT_CENTER, kind, data);
    }

    /// Waits in the queue for so long, then talks.
    fn call(&mut self, least: Millis, most: Millis) {
        self.contact("contact.queued");
        self.wait(least, most);
        self.contact("contact.answered");
        self.wait(2 * MINUTE, 9 * MINUTE);
        self.contact("contact.ended");
    }

    fn post(&mut self, kind: &'static str, sentiment: &str) {
        let network = NETWORKS[(self.number % 3) as usize];
        let data = vec![
            ("post_id", self.id("p").into()),
            ("network", network.into()),
            ("sentiment", sentiment.into()),
        ];
        self.say(SOCIAL, kind, data);
    }

    fn reply(&mut self) {
        let data = vec![("post_id", self.id("p").into()), ("agent_id", "a7".into())];
        self.say(SOCIAL, "social.replied", data);
    }

    fn returned(&mut self, kind: &'static str) {
        let data = vec![
            ("order_id", self.id("o").into()),
            ("value", Value::Cents(8_950)),
            ("currency", "EUR".into()),
        ];
        self.say(TRANSACTION, kind, data);
    }

    fn selfservice(&mut self, kind: &'static str) {
        let flow = FLOWS[(self.number % 4) as usize];
        self.web(kind, vec![("flow", flow.into())]);
    }

    fn bot(&mut self, understood: bool) {
        let data = vec![
            ("conversation_id", self.id("b").into()),
            ("understood", understood.into()),
            ("confidence", Value::Cents(if understood { 91 } else { 34 })),
        ];
        self.web("web.bot.replied", data);
        self.wait(10 * SECOND, 40 * SECOND);
    }

    fn leave(&mut self) {
        self.web("web.session.ended", vec![]);
    }
}

fn look_around(story: &mut Story<'_>) {
    story.pages(2, 6);
    story.leave();
}

fn buy(story: &mut Story<'_>) {
    story.pages(1, 4);
    let value = story.fill_cart();
    story.checkout(value);
    story.step("web.checkout.step_completed", "address");
    story.step("web.checkout.step_completed", "payment");
    story.order(value);
    story.wait(HOUR, 4 * HOUR);
    story.parcel("shipment.dispatched");
    story.wait(3 * HOUR, 9 * HOUR);
    story.parcel("shipment.delivered");
}

fn abandon_cart(story: &mut Story<'_>) {
    story.pages(1, 3);
    let value = story.fill_cart();
    if story.draw.permille(600) {
        story.checkout(value);
        story.step("web.checkout.step_failed", "payment");
    }
}

fn come_back_late(story: &mut Story<'_>) {
    let value = story.fill_cart();
    story.wait(32 * MINUTE, 55 * MINUTE);
    story.order(value);
}

fn bot_helps(story: &mut Story<'_>) {
    story.bot(true);
    story.bot(true);
    story.leave();
}

fn help_oneself(story: &mut Story<'_>) {
    story.selfservice("web.selfservice.started");
    story.wait(MINUTE, 4 * MINUTE);
    story.selfservice("web.selfservice.completed");
}

fn fail_and_call(story: &mut Story<'_>) {
    story.selfservice("web.selfservice.started");
    story.wait(MINUTE, 4 * MINUTE);
    story.selfservice("web.selfservice.failed");
    story.wait(20 * SECOND, 60 * SECOND);
    story.bot(false);
    story.web("web.bot.handoff_requested", vec![("conversation_id", story.id("b").into())]);
    story.wait(2 * MINUTE, 15 * MINUTE);
    story.call(10 * SECOND, 100 * SECOND);
}

fn call_in_time(story: &mut Story<'_>) {
    story.call(4 * SECOND, 45 * SECOND);
    story.wait(SECOND, 30 * SECOND);
    story.contact("contact.resolved");
}

fn wait_too_long(story: &mut Story<'_>) {
    if story.draw.permille(400) {
        story.contact("contact.queued");
        story.wait(70 * SECOND, 300 * SECOND);
        story.contact("contact.abandoned");
    } else {
        story.call(65 * SECOND, 240 * SECOND);
    }
}

fn praise(story: &mut Story<'_>) {
    story.post("social.mentioned", "positive");
}

fn complain_and_be_answered(story: &mut Story<'_>) {
    story.post("social.mentioned", "negative");
    story.wait(4 * MINUTE, 50 * MINUTE);
    story.reply();
}

fn complain_in_vain(story: &mut Story<'_>) {
    story.post("social.commented", "negative");
    if story.draw.permille(500) {
        story.wait(65 * MINUTE, 200 * MINUTE);
        story.reply();
    }
}

fn give_back(story: &mut Story<'_>) {
    story.returned("return.requested");
    story.wait(HOUR, 3 * HOUR);
    story.returned("return.received");
    story.wait(HOUR, 3 * HOUR);
    story.returned("return.refunded");
}

fn wait_for_money(story: &mut Story<'_>) {
    story.returned("return.requested");
    story.wait(HOUR, 2 * HOUR);
    story.returned("return.received");
    if story.draw.permille(500) {
        story.wait(5 * HOUR, 8 * HOUR);
        story.returned("return.refunded");
    }
}

/// Small disappointments across all channels.
fn everything_goes_wrong(story: &mut Story<'_>) {
    story.web("web.login.failed", vec![("reason", "password".into())]);
    story.wait(20 * SECOND, 60 * SECOND);
    story.web("web.login.failed", vec![("reason", "locked".into())]);
    story.wait(MINUTE, 3 * MINUTE);
    fail_and_call(story);
    story.wait(10 * MINUTE, 30 * MINUTE);
    story.parcel("shipment.delayed");
    story.wait(5 * MINUTE, 20 * MINUTE);
    story.post("social.mentioned", "negative");
}
