//! The built-in event types, as a table.
//!
//! Required is only what a type cannot be understood without: mostly the id that ties its events together. A
//! source that has no such id maps another field to it (one cart per customer: the customer's id).

use super::{Catalogue, Field, FieldType, Privacy, TypeSpec};

/// The feed of what customers do on the web and in the app.
pub const WEB: &str = "web";
/// The feed of calls, chats, e-mails and what the company sends out itself.
pub const CONTACT_CENTER: &str = "contact-center";
/// The feed of orders, payments, deliveries, returns and contracts.
pub const TRANSACTION: &str = "transaction";
/// The feed of social media and reviews.
pub const SOCIAL: &str = "social";
/// The feed of what is known of customers. Only services whose rulebook reads it need it.
pub const CUSTOMERS: &str = "customers";
/// The feed of what became of actions. Only services whose rulebook has actions need it.
pub const OUTCOMES: &str = "outcomes";
/// The type that says what is known of a customer.
pub const PROFILE: &str = "customer.profile_updated";
/// The type that any feed may carry: proves that the feed is alive, and moves its clock.
pub const HEARTBEAT: &str = "feed.heartbeat";

#[derive(Clone, Copy)]
struct F {
    name: &'static str,
    kind: FieldType,
    required: bool,
    privacy: Privacy,
    one_of: &'static [&'static str],
    about: &'static str,
}

struct T {
    name: &'static str,
    about: &'static str,
    fields: &'static [F],
}

const fn field(name: &'static str, kind: FieldType, about: &'static str) -> F {
    F { name, kind, required: false, privacy: Privacy::None, one_of: &[], about }
}

const fn text(name: &'static str, about: &'static str) -> F {
    field(name, FieldType::Text, about)
}

const fn number(name: &'static str, about: &'static str) -> F {
    field(name, FieldType::Number, about)
}

const fn integer(name: &'static str, about: &'static str) -> F {
    field(name, FieldType::Integer, about)
}

const fn truth(name: &'static str, about: &'static str) -> F {
    field(name, FieldType::Bool, about)
}

const fn time(name: &'static str, about: &'static str) -> F {
    field(name, FieldType::Time, about)
}

const fn action_id(name: &'static str, about: &'static str) -> F {
    F { privacy: Privacy::Pseudonym, ..field(name, FieldType::ActionId, about) }
}

/// A number or code by which others can find the person or something of theirs.
const fn id(name: &'static str, about: &'static str) -> F {
    F { privacy: Privacy::Pseudonym, ..text(name, about) }
}

/// What a person wrote, or may have written.
const fn words(name: &'static str, about: &'static str) -> F {
    F { privacy: Privacy::Text, ..text(name, about) }
}

const fn choice(name: &'static str, one_of: &'static [&'static str], about: &'static str) -> F {
    F { one_of, ..text(name, about) }
}

const fn must(field: F) -> F {
    F { required: true, ..field }
}

const fn t(name: &'static str, about: &'static str, fields: &'static [F]) -> T {
    T { name, about, fields }
}

const CHANNELS: &[&str] = &[
    "voice",
    "chat",
    "email",
    "sms",
    "messaging",
    "social",
    "video",
    "web",
    "app",
    "letter",
    "branch",
    "other",
];
const CHANNEL: F = choice("channel", CHANNELS, "Through which channel.");
const CART: F = id("cart_id", "The cart.");
const SKU: F = text("sku", "The article.");
const QUANTITY: F = number("quantity", "How many pieces.");
const UNIT_PRICE: F = number("unit_price", "The price of one piece, in `currency`.");
const CURRENCY: F = text("currency", "ISO 4217 code.");
const VALUE: F = number("value", "The amount, in `currency`.");
const URL: F = words("url", "The address of the page; what follows `?` may be personal.");
const STEP: F = must(text("step", "Which step of the checkout."));
const REASON: F = text("reason", "Why, as a code.");
const CONVERSATION: F = must(id("conversation_id", "The conversation with the bot."));
const FLOW: F = must(text("flow", "What the customer wanted to do alone."));
const CONTACT: F = must(id("contact_id", "The contact: one call, chat, e-mail thread or case."));
const QUEUE: F = text("queue", "The queue it waits in.");
const AGENT: F = id("agent_id", "The agent.");
const ORDER: F = must(id("order_id", "The order."));
const SHIPMENT: F = id("shipment_id", "The shipment, where an order has several.");
const PROMISED_AT: F = time("promised_at", "When delivery is promised.");
const RETURN: F = id("return_id", "The return, where an order has several.");
const SUBSCRIPTION: F = must(id("subscription_id", "The subscription."));
const ACCOUNT: F = must(id("account_id", "The account."));
const POST: F = must(id("post_id", "The post."));
const NETWORK: F = text("network", "The social network.");
const SENTIMENT: F = choice("sentiment", &["negative", "neutral", "positive"], "How it sounds.");
const REVIEW: F = must(id("review_id", "The review."));

const CART_ITEM: &[F] = &[must(CART), must(SKU), QUANTITY, UNIT_PRICE, CURRENCY];
const CHECKOUT: &[F] = &[CART, VALUE, CURRENCY];
const PAYMENT: &[F] = &[
    id("order_id", "The order paid for, if it is one."),
    id("payment_id", "The payment."),
    VALUE,
    CURRENCY,
    text("method", "How it is paid."),
    REASON,
    integer("attempt", "Which try this is, from 1."),
];
const SHIPMENT_FIELDS: &[F] = &[ORDER, SHIPMENT, PROMISED_AT, text("carrier", "Who brings it."), REASON];
const RETURN_FIELDS: &[F] = &[ORDER, RETURN, SKU, QUANTITY, VALUE, CURRENCY, REASON];
const CONTACT_FIELDS: &[F] = &[CONTACT, CHANNEL, QUEUE, AGENT, REASON];
const POST_FIELDS: &[F] = &[
    POST,
    NETWORK,
    SENTIMENT,
    truth("on_ad", "Whether it stands below one of our advertisements."),
    id("in_reply_to", "The post it answers."),
    words("text", "What it says."),
];

/// Fields of every type of the feed `web`.
const WEB_FIELDS: &[F] = &[id("session_id", "The visit."), text("device", "The kind of device.")];

const WEB_TYPES: &[T] = &[
    t("web.page.viewed", "A page was shown.", &[must(URL), integer("load_ms", "How long it took to load.")]),
    t(
        "web.search.performed",
        "A search in the shop or the help pages.",
        &[must(words("query", "What was searched for.")), integer("results", "How many results were found.")],
    ),
    t("web.cart.item_added", "Something was put into a cart.", CART_ITEM),
    t("web.cart.item_removed", "Something was taken out of a cart.", CART_ITEM),
    t("web.cart.emptied", "A cart was emptied.", &[must(CART)]),
    t("web.checkout.started", "The checkout began.", CHECKOUT),
    t("web.checkout.step_completed", "A step of the checkout is done.", &[STEP, CART]),
    t("web.checkout.step_failed", "A step of the checkout failed.", &[STEP, CART, REASON]),
    t("web.login.failed", "A login was refused.", &[REASON]),
    t("web.login.succeeded", "A login worked.", &[text("method", "How.")]),
    t("web.form.failed", "A form was refused.", &[must(text("form", "Which form.")), REASON]),
    t(
        "web.click.raged",
        "Repeated quick clicks on one spot.",
        &[URL, text("target", "What was clicked."), integer("clicks", "How often.")],
    ),
    t("web.click.dead", "A click that did nothing.", &[URL, text("target", "What was clicked.")]),
    t("web.error.shown", "An error was shown.", &[text("code", "Which error."), URL]),
    t(
        "web.video.stalled",
        "A video stopped to load.",
        &[text("video_id", "The video."), integer("stalled_ms", "For how long.")],
    ),
    t("web.help.viewed", "A help page was shown.", &[text("topic", "What it is about."), URL]),
    t(
        "web.bot.replied",
        "The bot answered.",
        &[
            CONVERSATION,
            truth("understood", "Whether it understood."),
            number("confidence", "How sure it is, 0 to 1."),
            text("intent", "What it understood."),
        ],
    ),
    t("web.bot.handoff_requested", "The customer asked the bot for a person.", &[CONVERSATION]),
    t("web.selfservice.started", "The customer began to help themselves.", &[FLOW]),
    t("web.selfservice.failed", "Self-service failed.", &[FLOW, REASON]),
    t("web.selfservice.completed", "Self-service worked.", &[FLOW]),
    t("web.session.ended", "The visit is over.", &[integer("pages", "How many pages were seen.")]),
];

const CONTACT_TYPES: &[T] = &[
    t(
        "contact.queued",
        "A customer waits for us.",
        &[
            CONTACT,
            must(CHANNEL),
            QUEUE,
            REASON,
            integer("priority", "Its priority, as the contact centre counts."),
            id("conversation_id", "The conversation with a bot that it came from."),
        ],
    ),
    t("contact.answered", "An agent took it.", CONTACT_FIELDS),
    t("contact.abandoned", "The customer gave up waiting.", CONTACT_FIELDS),
    t("contact.held", "The customer was put on hold.", CONTACT_FIELDS),
    t("contact.resumed", "The hold is over.", CONTACT_FIELDS),
    t(
        "contact.transferred",
        "It was handed on.",
        &[CONTACT, CHANNEL, QUEUE, AGENT, REASON, text("to_queue", "The queue it goes to.")],
    ),
    t(
        "contact.ended",
        "It is over.",
        &[CONTACT, CHANNEL, QUEUE, AGENT, REASON, integer("talk_s", "How long was talked, in seconds.")],
    ),
    t(
        "contact.message_received",
        "The customer wrote.",
        &[CONTACT, CHANNEL, QUEUE, SENTIMENT, words("text", "What it says.")],
    ),
    t(
        "contact.message_sent",
        "We wrote.",
        &[
            CONTACT,
            CHANNEL,
            QUEUE,
            AGENT,
            must(choice("by", &["agent", "bot", "system"], "Who wrote.")),
            words("text", "What it says."),
        ],
    ),
    t("contact.pending", "It waits for the customer or a third party.", CONTACT_FIELDS),
    t("contact.reopened", "It was resolved, and is not.", CONTACT_FIELDS),
    t("contact.resolved", "It is resolved.", CONTACT_FIELDS),
    t(
        "contact.email_bounced",
        "An e-mail of the customer reached nobody (a no-reply address).",
        &[id("contact_id", "The contact, where one exists."), text("mailbox", "The address written to.")],
    ),
    t(
        "contact.survey_answered",
        "The customer answered a survey.",
        &[
            id("contact_id", "The contact it asked about."),
            must(choice("survey", &["nps", "csat", "ces"], "Which survey.")),
            must(number("score", "The answer.")),
            words("text", "What the customer added."),
        ],
    ),
    t(
        "campaign.sent",
        "We approached the customer.",
        &[must(CHANNEL), text("campaign_id", "The campaign."), text("purpose", "`service` or `marketing`.")],
    ),
];

const TRANSACTION_TYPES: &[T] = &[
    t("order.placed", "An order.", &[ORDER, CART, VALUE, CURRENCY, PROMISED_AT]),
    t("order.cancelled", "An order was cancelled.", &[ORDER, VALUE, CURRENCY, REASON]),
    t("payment.failed", "A payment failed.", PAYMENT),
    t("payment.succeeded", "A payment worked.", PAYMENT),
    t("shipment.dispatched", "A parcel is on its way.", SHIPMENT_FIELDS),
    t("shipment.delayed", "A parcel will be late.", SHIPMENT_FIELDS),
    t("shipment.delivered", "A parcel has arrived.", SHIPMENT_FIELDS),
    t("return.requested", "The customer wants to give something back.", RETURN_FIELDS),
    t("return.received", "It came back.", RETURN_FIELDS),
    t("return.refunded", "The money went back.", RETURN_FIELDS),
    t("return.refused", "The return was refused.", RETURN_FIELDS),
    t("subscription.cancelled", "A subscription was cancelled.", &[SUBSCRIPTION, VALUE, CURRENCY, REASON]),
    t("account.opened", "An account was opened.", &[ACCOUNT, text("product", "Of which kind.")]),
    t("account.onboarded", "The account is in use.", &[ACCOUNT, text("product", "Of which kind.")]),
];

const SOCIAL_TYPES: &[T] = &[
    t("social.mentioned", "We were mentioned.", POST_FIELDS),
    t("social.commented", "Something of ours was commented.", POST_FIELDS),
    t("social.messaged", "A direct message to us.", POST_FIELDS),
    t("social.replied", "We answered a post.", &[POST, NETWORK, AGENT, words("text", "What it says.")]),
    t(
        "review.posted",
        "A review.",
        &[
            REVIEW,
            must(number("stars", "How many stars.")),
            truth("has_text", "Whether there are words to the stars."),
            SENTIMENT,
            NETWORK,
            id("order_id", "The order it is about."),
            SKU,
            words("text", "What it says."),
        ],
    ),
    t("review.replied", "We answered a review.", &[REVIEW, NETWORK, AGENT, words("text", "What it says.")]),
];

/// Whether the customer agrees; what is not said is decided by the purpose: service yes, marketing no.
const PROFILE_FIELDS: &[F] = &[
    text("tier", "The customer's rank."),
    number("lifetime_value", "What the customer is worth in all, in `currency`."),
    CURRENCY,
    text("time_zone", "Where the customer lives, as the IANA database calls it: `Europe/Berlin`."),
    text("locale", "The customer's language, as BCP 47 says: `de-AT`."),
    text("preferred_channel", "Where the customer likes to be reached."),
    truth("consent.voice.service", "Whether we may call in matters of service."),
    truth("consent.voice.marketing", "Whether we may call with offers."),
    truth("consent.chat.service", "Whether we may open a chat in matters of service."),
    truth("consent.chat.marketing", "Whether we may open a chat with offers."),
    truth("consent.email.service", "Whether we may write e-mails in matters of service."),
    truth("consent.email.marketing", "Whether we may write e-mails with offers."),
    truth("consent.sms.service", "Whether we may send text messages in matters of service."),
    truth("consent.sms.marketing", "Whether we may send text messages with offers."),
    truth("consent.push.service", "Whether the app may notify in matters of service."),
    truth("consent.push.marketing", "Whether the app may notify of offers."),
    truth("consent.social.service", "Whether we may write on social media in matters of service."),
    truth("consent.social.marketing", "Whether we may write on social media with offers."),
    truth("consent.letter.service", "Whether we may send letters in matters of service."),
    truth("consent.letter.marketing", "Whether we may send letters with offers."),
];

const CUSTOMER_TYPES: &[T] = &[t(PROFILE, "All that is known of a customer, from then on.", PROFILE_FIELDS)];

const OUTCOME_FIELDS: &[F] = &[
    must(action_id("action_id", "The action's id, as it was requested.")),
    must(integer("revision", "The revision that was known.")),
    integer("partition", "The partition that the action came from."),
    AGENT,
    REASON,
    number("value", "What was saved."),
];

const OUTCOME_TYPES: &[T] = &[
    t("outcome.accepted", "Somebody will do it.", &[]),
    t("outcome.declined", "Nobody will.", &[]),
    t("outcome.contacted", "The customer was reached.", &[]),
    t("outcome.saved", "The customer is satisfied.", &[]),
    t("outcome.failed", "The customer is not.", &[]),
    t("outcome.unreachable", "The customer could not be reached.", &[]),
    t("outcome.rejected", "The customer does not want it.", &[]),
];

const FEEDS: &[(&str, &[F], &[T])] = &[
    (WEB, WEB_FIELDS, WEB_TYPES),
    (CONTACT_CENTER, &[], CONTACT_TYPES),
    (TRANSACTION, &[], TRANSACTION_TYPES),
    (SOCIAL, &[], SOCIAL_TYPES),
    (CUSTOMERS, &[], CUSTOMER_TYPES),
    (OUTCOMES, OUTCOME_FIELDS, OUTCOME_TYPES),
];

/// Whether a type of this name is built in.
pub fn is_builtin(name: &str) -> bool {
    name == HEARTBEAT || FEEDS.iter().any(|(_, _, types)| types.iter().any(|t| t.name == name))
}

impl F {
    fn build(&self) -> Field {
        Field {
            name: self.name.into(),
            kind: self.kind,
            required: self.required,
            privacy: self.privacy,
            one_of: self.one_of.iter().map(|s| (*s).into()).collect(),
            about: self.about.into(),
        }
    }
}

impl Catalogue {
    /// The built-in types: those of the feeds [`WEB`], [`CONTACT_CENTER`], [`TRANSACTION`] and [`SOCIAL`], of
    /// [`CUSTOMERS`] and [`OUTCOMES`], and [`HEARTBEAT`] on any feed.
    pub fn builtin() -> Self {
        let heartbeat = TypeSpec {
            name: HEARTBEAT.into(),
            feed: None,
            fields: Vec::new(),
            about: "The feed is alive; this is its time. No customer.".into(),
        };
        let typed = FEEDS.iter().flat_map(|(feed, shared, types)| {
            types.iter().map(|t| TypeSpec {
                name: t.name.into(),
                feed: Some((*feed).into()),
                fields: t.fields.iter().chain(*shared).map(F::build).collect(),
                about: t.about.into(),
            })
        });
        Catalogue::of(std::iter::once(heartbeat).chain(typed))
    }

    /// This catalogue and some more types. A type of a name that is taken replaces the one that was there, and
    /// keeps its number.
    pub fn with(self, own: impl IntoIterator<Item = TypeSpec>) -> Self {
        Catalogue::of(self.types.into_iter().chain(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_type_has_at_most_64_fields_of_distinct_names() {
        for (_, spec) in Catalogue::builtin().types() {
            let names: BTreeSet<_> = spec.fields.iter().map(|f| &f.name).collect();
            assert!(names.len() == spec.fields.len() && names.len() <= 64, "{}", spec.name);
        }
    }

    #[test]
    fn nested_fields_are_never_required_and_no_object_is_a_field_too() {
        for (_, spec) in Catalogue::builtin().types() {
            for field in spec.fields.iter().filter(|f| f.name.contains('.')) {
                assert!(!field.required, "{} {}", spec.name, field.name);
                let mut outer = field.name.as_str();
                while let Some((object, _)) = outer.rsplit_once('.') {
                    assert_eq!(spec.field(object), None, "{} {object}", spec.name);
                    outer = object;
                }
            }
        }
    }

    #[test]
    fn no_name_stands_twice_in_the_table() {
        let rows: usize = FEEDS.iter().map(|(_, _, types)| types.len()).sum();
        assert_eq!(Catalogue::builtin().len(), rows + 1);
    }

    #[test]
    fn own_types_are_added_and_replace_by_name() {
        let own = |name: &str| TypeSpec {
            name: name.into(),
            feed: Some("flights".into()),
            fields: vec![],
            about: "".into(),
        };
        let builtin = Catalogue::builtin();
        let (len, placed) = (builtin.len(), builtin.id("order.placed"));
        let catalogue = builtin.with([own("flight.departed"), own("order.placed")]);
        assert_eq!(catalogue.len(), len + 1);
        assert_eq!(catalogue.id("order.placed"), placed);
        let placed = placed.expect("built in");
        assert_eq!(catalogue.spec(placed).feed.as_deref(), Some("flights"));
    }
}
