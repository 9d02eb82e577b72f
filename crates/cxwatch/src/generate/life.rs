//! The life of one customer: stories one after the other. Most of them are ordinary; some go wrong, and some nearly do.

use super::draw::Draw;
use super::event::{Fields, Value};
use super::story::{CONTACT_CENTER, Planned, SOCIAL, TRANSACTION, WEB};
use super::weeks::Expectation;
use cxwatch_event::Millis;

pub(super) const CUSTOMERS: usize = 4;
pub(super) const SECOND: Millis = 1_000;
pub(super) const MINUTE: Millis = 60 * SECOND;
pub(super) const HOUR: Millis = 60 * MINUTE;
pub(super) const DAY: Millis = 24 * HOUR;

const TIERS: [&str; 3] = ["bronze", "silver", "gold"];
const REASONS: [&str; 6] = ["invoice", "delivery", "damage", "account", "return", "product"];

/// A customer's life as far as it is told.
pub(super) struct Life<'d> {
    pub(super) draw: &'d mut Draw,
    customer: String,
    /// Stories told.
    stories: u32,
    pub(super) now: Millis,
    /// When the story began.
    from: Millis,
    pub(super) tier: &'static str,
    pub(super) events: Vec<Planned>,
    pub(super) expectations: Vec<Expectation>,
}

/// What was told.
pub(super) struct Told {
    pub(super) events: Vec<Planned>,
    pub(super) expectations: Vec<Expectation>,
}

impl<'d> Life<'d> {
    pub(super) fn new(draw: &'d mut Draw, customer: &str, number: u32, start: Millis) -> Self {
        let tier = TIERS[number as usize / 3 % TIERS.len()];
        Life {
            draw,
            customer: customer.to_owned(),
            stories: 0,
            now: start,
            from: start,
            tier,
            events: Vec::new(),
            expectations: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self) {
        self.stories += 1;
        self.from = self.now;
    }

    /// Something that nobody else has.
    pub(super) fn id(&self, what: &str) -> String {
        format!("{what}{}-{}", &self.customer[1..], self.stories)
    }

    pub(super) fn wait(&mut self, least: Millis, most: Millis) {
        self.now += self.draw.between(least, most);
    }

    pub(super) fn reason(&mut self) -> &'static str {
        self.draw.of::<&str>(&REASONS)
    }

    /// Goes on to a weekday between nine and noon.
    pub(super) fn go_to_desk_hours(&mut self) {
        let mut day = self.now.div_euclid(DAY) + 1;
        while !is_weekday(day) {
            day += 1;
        }
        self.now = day * DAY + 9 * HOUR + self.draw.between(0, 3 * HOUR);
        self.from = self.now;
    }

    pub(super) fn say(&mut self, feed: usize, kind: &'static str, data: Fields) {
        self.events.push(Planned { feed, time: self.now, kind, data });
    }

    pub(super) fn web(&mut self, kind: &'static str, mut data: Fields) {
        data.push(("session_id", self.id("s").into()));
        self.say(WEB, kind, data);
    }

    pub(super) fn page(&mut self, load_ms: i64) {
        self.web(
            "web.page.viewed",
            vec![("url", "https://shop.example/lamp".into()), ("load_ms", load_ms.into())],
        );
    }

    /// Pages that come quickly.
    pub(super) fn pages(&mut self, least: i64, most: i64) {
        for _ in 0..self.draw.between(least, most) {
            let load_ms = self.draw.between(80, 1_900);
            self.page(load_ms);
            self.wait(5 * SECOND, 90 * SECOND);
        }
    }

    pub(super) fn leave(&mut self) {
        self.web("web.session.ended", vec![]);
    }

    /// Something worth so many cents into a cart.
    pub(super) fn put(&mut self, cents: i64) {
        let data = vec![
            ("cart_id", self.id("k").into()),
            ("sku", "lamp".into()),
            ("quantity", 1.into()),
            ("unit_price", Value::Cents(cents)),
        ];
        self.web("web.cart.item_added", data);
    }

    pub(super) fn checkout(&mut self, cents: i64) {
        self.web(
            "web.checkout.started",
            vec![("cart_id", self.id("k").into()), ("value", Value::Cents(cents))],
        );
    }

    pub(super) fn order(&mut self, cents: i64, promised_at: Option<Millis>) {
        let mut data = vec![
            ("order_id", self.id("o").into()),
            ("cart_id", self.id("k").into()),
            ("value", Value::Cents(cents)),
        ];
        if let Some(time) = promised_at {
            data.push(("promised_at", cxwatch_event::rfc3339::format(time).into()));
        }
        self.say(TRANSACTION, "order.placed", data);
    }

    pub(super) fn of_order(&mut self, kind: &'static str) {
        self.say(TRANSACTION, kind, vec![("order_id", self.id("o").into()), ("value", Value::Cents(8_950))]);
    }

    pub(super) fn contact(&mut self, kind: &'static str, id: &str, channel: &str) {
        let data = vec![("contact_id", id.into()), ("channel", channel.into()), ("queue", "service".into())];
        self.say(CONTACT_CENTER, kind, data);
    }

    pub(super) fn queued(&mut self, id: &str, channel: &str, reason: &str) {
        let data = vec![("contact_id", id.into()), ("channel", channel.into()), ("reason", reason.into())];
        self.say(CONTACT_CENTER, "contact.queued", data);
    }

    pub(super) fn wrote(&mut self, id: &str, channel: &str, by: &str) {
        let data = vec![("contact_id", id.into()), ("channel", channel.into()), ("by", by.into())];
        self.say(CONTACT_CENTER, "contact.message_sent", data);
    }

    /// A contact that is answered within any service level.
    pub(super) fn answered_call(&mut self, id: &str, reason: &str) {
        self.queued(id, "voice", reason);
        self.wait(3 * SECOND, 12 * SECOND);
        self.contact("contact.answered", id, "voice");
        self.wait(2 * MINUTE, 9 * MINUTE);
        self.contact("contact.ended", id, "voice");
    }

    pub(super) fn survey(&mut self, survey: &str, score: i64) {
        let data = vec![("survey", survey.into()), ("score", score.into())];
        self.say(CONTACT_CENTER, "contact.survey_answered", data);
    }

    pub(super) fn bot(&mut self, conversation: &str, understood: bool) {
        let data = vec![("conversation_id", conversation.into()), ("understood", understood.into())];
        self.web("web.bot.replied", data);
        self.wait(10 * SECOND, 40 * SECOND);
    }

    pub(super) fn selfservice(&mut self, kind: &'static str) {
        self.web(kind, vec![("flow", "find-invoice".into())]);
    }

    pub(super) fn post(&mut self, kind: &'static str, sentiment: &str) {
        let data = vec![
            ("post_id", self.id("p").into()),
            ("network", "mastodon".into()),
            ("sentiment", sentiment.into()),
            ("on_ad", true.into()),
        ];
        self.say(SOCIAL, kind, data);
    }

    pub(super) fn reply(&mut self) {
        self.say(SOCIAL, "social.replied", vec![("post_id", self.id("p").into())]);
    }

    pub(super) fn review(&mut self, stars: i64, has_text: bool) {
        let data =
            vec![("review_id", self.id("r").into()), ("stars", stars.into()), ("has_text", has_text.into())];
        self.say(SOCIAL, "review.posted", data);
    }

    pub(super) fn review_replied(&mut self) {
        self.say(SOCIAL, "review.replied", vec![("review_id", self.id("r").into())]);
    }

    /// A detection must hold then.
    pub(super) fn comes(&mut self, rule: &'static str, key: &str, deadline: Millis) {
        self.expect(rule, key, deadline, true);
    }

    /// None may have held since the story began, up to now and a week on for what has a key.
    pub(super) fn never(&mut self, rule: &'static str, key: &str) {
        let deadline = if key.is_empty() { self.now } else { self.now + 7 * DAY };
        self.expect(rule, key, deadline, false);
    }

    fn expect(&mut self, rule: &'static str, key: &str, deadline: Millis, comes: bool) {
        let (customer, from) = (self.customer.clone(), self.from);
        self.expectations.push(Expectation { rule, customer, key: key.to_owned(), from, deadline, comes });
    }
}

/// Days since 1970-01-01, a Thursday.
fn is_weekday(day: i64) -> bool {
    (day + 3).rem_euclid(7) < 5
}

/// When a refund that is due three business days after now is overdue: at the close of the third, today the first.
pub(super) fn third_close(now: Millis) -> Millis {
    let mut day = now.div_euclid(DAY);
    let mut left = 2;
    while left > 0 {
        day += 1;
        left -= i64::from(is_weekday(day));
    }
    day * DAY + 18 * HOUR
}

type Telling = fn(&mut Life<'_>);

/// Tells a whole life: ordinary stories, and in the midst of them what goes wrong, and what nearly does.
pub(super) fn tell(mut life: Life<'_>, number: u32) -> Told {
    let data = vec![("tier", life.tier.into()), ("time_zone", "UTC".into())];
    life.say(CUSTOMERS, "customer.profile_updated", data);
    life.wait(MINUTE, HOUR);
    let troubles = &super::trouble::TROUBLES;
    let told = |life: &mut Life<'_>, telling: Telling| {
        life.begin();
        telling(life);
        // Past everything that may still be due of it, but for what waits for days.
        life.wait(5 * HOUR, 18 * HOUR);
    };
    let (goes_wrong, nearly) = (number as usize % troubles.len(), (number as usize / 2) % troubles.len());
    let ordinary = |life: &mut Life<'_>| {
        let telling = *life.draw.of(&super::trouble::ORDINARY);
        told(life, telling);
    };
    // Whose patience must run out at a known moment has no credit from before.
    if troubles[goes_wrong].0 != "experience-debt" {
        ordinary(&mut life);
        ordinary(&mut life);
    }
    told(&mut life, troubles[goes_wrong].1);
    ordinary(&mut life);
    told(&mut life, troubles[nearly].2);
    ordinary(&mut life);
    ordinary(&mut life);
    Told { events: life.events, expectations: life.expectations }
}
