//! The AsyncAPI 3 document of the topics, generated from the catalogue and the message types.
//!
//! It names every topic that is read or written, the messages in it, their keys and headers; the schemas stay where
//! they are and are referred to, relative to `schemas/`. The operations are those of the service: it *receives* events and
//! outcomes, and *sends* actions. Whoever writes a router reads them the other way round.

use crate::messages::{ActionKind, OutcomeKind, SuppressionKind};
use crate::{Catalogue, TypeSpec, builtin};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The media type of a CloudEvent in structured mode.
const STRUCTURED: &str = "application/cloudevents+json";
/// The feed of outcomes, in whichever way the catalogue knows it.
const OUTCOMES: &str = "outcomes";
/// The version of AsyncAPI's bindings for Kafka.
const BINDING: &str = "0.5.0";

/// The document for the topics under their default names.
pub fn document(catalogue: &Catalogue) -> Value {
    let mut api = Api::default();
    for feed in feeds(catalogue) {
        let types = catalogue.types().map(|(_, spec)| spec);
        let of_feed = types.filter(|spec| spec.feed.as_deref().is_none_or(|home| home == feed));
        let messages: Vec<_> = of_feed.map(of_type).collect();
        api.channel("receive", feed, &topic_of(feed), &about_feed(feed), &messages);
    }
    if !feeds(catalogue).contains(&OUTCOMES) {
        api.channel("receive", OUTCOMES, &topic_of(OUTCOMES), &about_feed(OUTCOMES), &outcomes());
    }
    let about = "What the routing system is asked to do: requests, their revisions, revocations and expiries. Read only \
                 committed records (isolation.level=read_committed), and apply a message only if its `data.revision` is higher \
                 than the one known of its `data.action_id`.";
    api.channel("send", "actions", "cx.actions.v1", about, &actions());
    let about = "Candidates that led to no action, each with its reason.";
    api.channel("send", "suppressions", "cx.suppressions.v1", about, &suppressions());
    let about = "Records and events that were refused: the original key, value and headers, with headers that say why. By \
                 the setting `dead_letters.original: headers` key and value are left out.";
    api.channel("send", "dead-letters", "cx.dead-letters.v1", about, &[dead_letter()]);
    let about = "What operators have stopped: the newest record of each key holds. One partition, compacted; every process reads all \
                 of it at its start and goes on. `cxwatch pause` and `resume` write it; to write it otherwise, take the rule's id as \
                 the key, `*` for all rules.";
    api.channel("receive", "control", "cx.control.v1", about, &[order()]);
    // Not with the feeds: it is in no group.
    api.operations["receive.control"]["summary"] =
        json!("Read from the beginning by every process, in no group.");
    api.document()
}

/// The feeds of the catalogue in the order of their names.
fn feeds(catalogue: &Catalogue) -> Vec<&str> {
    let mut feeds: Vec<&str> = catalogue.types().filter_map(|(_, spec)| spec.feed.as_deref()).collect();
    feeds.sort_unstable();
    feeds.dedup();
    feeds
}

/// The topic from which a feed is read where the settings name none.
fn topic_of(feed: &str) -> String {
    if feed == OUTCOMES { "cx.outcomes.v1".into() } else { feed.into() }
}

fn about_feed(feed: &str) -> String {
    let what = match feed {
        builtin::WEB => "What customers do on the web and in the app.",
        builtin::CONTACT_CENTER => "Calls, chats, e-mails, and what the company sends out itself.",
        builtin::TRANSACTION => "Orders, payments, deliveries, returns and contracts.",
        builtin::SOCIAL => "Social media and reviews.",
        "customers" => "What is known of customers: the newest profile wins, whenever it comes.",
        OUTCOMES => {
            "What became of actions. Return each to the partition that its action named (`data.route.partition`), whatever \
             the producer's partitioner would choose."
        }
        _ => "A feed that the rulebook adds.",
    };
    format!(
        "{what} Keyed by customer, as in all topics; all topics have the same number of partitions, and all producers \
         hash keys with murmur2. CloudEvents in structured mode as described here, or in binary mode: attributes in `ce_*` \
         headers, the value is `data` alone. The topic's name is a setting."
    )
}

/// A message of a channel: its name, which is its type, and the message object.
type Message = (String, Value);

fn of_type(spec: &TypeSpec) -> Message {
    let payload = json!({ "$ref": format!("./events/{}.json", spec.name) });
    (spec.name.to_string(), message(&spec.name, &spec.about, spec.name != builtin::HEARTBEAT, payload))
}

/// A message whose types share one schema.
fn of_kind<K: Serialize>(kind: K, schema: &str, about: &str) -> Message {
    let name = serde_json::to_value(kind).expect("a unit variant is a string");
    let name = name.as_str().expect("a unit variant is a string").to_owned();
    let payload = json!({
        "allOf": [{ "$ref": format!("./{schema}.json") }, { "properties": { "type": { "const": name } } }],
    });
    let message = message(&name, about, true, payload);
    (name, message)
}

fn message(name: &str, about: &str, has_customer: bool, payload: Value) -> Value {
    let mut message = json!({
        "name": name,
        "title": name,
        "summary": about,
        "contentType": STRUCTURED,
        "headers": { "$ref": "#/components/schemas/structured" },
        "payload": payload,
    });
    if has_customer {
        message["bindings"] = json!({ "$ref": "#/components/messageBindings/customer" });
    }
    message
}

fn actions() -> Vec<Message> {
    let kinds = [
        (ActionKind::Requested, "Please do it."),
        (ActionKind::Updated, "What was asked has changed."),
        (ActionKind::Revoked, "Please do not do it any more."),
        (ActionKind::Expired, "Its time is over."),
    ];
    let mut messages: Vec<_> =
        kinds.into_iter().map(|(kind, about)| of_kind(kind, "cx.actions.v1", about)).collect();
    for (_, message) in &mut messages {
        message["correlationId"] = json!({
            "description": "Names the action for life; outcomes give it back.",
            "location": "$message.payload#/data/action_id",
        });
    }
    messages
}

fn suppressions() -> Vec<Message> {
    vec![of_kind(SuppressionKind::Suppressed, "cx.suppressions.v1", "A candidate that led to no action.")]
}

fn outcomes() -> Vec<Message> {
    let kinds = [
        (OutcomeKind::Accepted, "Somebody will do it."),
        (OutcomeKind::Declined, "Nobody will."),
        (OutcomeKind::Contacted, "The customer was reached."),
        (OutcomeKind::Saved, "The customer is satisfied."),
        (OutcomeKind::Failed, "The customer is not."),
        (OutcomeKind::Unreachable, "The customer could not be reached."),
        (OutcomeKind::Rejected, "The customer does not want it."),
    ];
    kinds.into_iter().map(|(kind, about)| of_kind(kind, "cx.outcomes.v1", about)).collect()
}

/// The record as it was, so there is no schema for its value.
fn dead_letter() -> Message {
    let name = "record.rejected";
    let message = json!({
        "name": name,
        "title": name,
        "summary": "A record, or one event of it, that was refused.",
        "contentType": "application/octet-stream",
        "headers": { "$ref": "./cx.dead-letters.v1.json" },
        "payload": { "description": "The bytes of the record that was refused, whatever they are." },
    });
    (name.to_owned(), message)
}

/// An operator's order. Not an event: it is a setting that changes.
fn order() -> Message {
    let name = "requests.paused";
    let message = json!({
        "name": name,
        "title": name,
        "summary": "The requests of a rule, or of all, are stopped or let go on. A null value lets them go on as well.",
        "contentType": "application/json",
        "payload": {
            "type": ["object", "null"],
            "required": ["paused"],
            "properties": {
                "paused": { "type": "boolean", "description": "Whether requests are stopped from now on." },
                "reason": { "type": "string", "description": "Why, in the operator's words." },
                "at": { "type": "string", "format": "date-time", "description": "When the order was given." },
            },
        },
        "bindings": { "kafka": {
            "key": { "type": "string", "minLength": 1, "description": "The rule's id; `*` for all rules." },
            "bindingVersion": BINDING,
        }},
    });
    (name.to_owned(), message)
}

#[derive(Default)]
struct Api {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Api {
    fn channel(&mut self, does: &str, name: &str, topic: &str, about: &str, messages: &[Message]) {
        let mut of_channel = Map::new();
        for (kind, message) in messages {
            of_channel.insert(kind.clone(), json!({ "$ref": format!("#/components/messages/{kind}") }));
            self.messages.insert(kind.clone(), message.clone());
        }
        let of_operation: Vec<_> = of_channel
            .keys()
            .map(|kind| json!({ "$ref": format!("#/channels/{name}/messages/{kind}") }))
            .collect();
        let channel = json!({
            "address": topic,
            "title": name,
            "description": about,
            "servers": [{ "$ref": "#/servers/kafka" }],
            "messages": of_channel,
            "bindings": { "kafka": { "topic": topic, "bindingVersion": BINDING } },
        });
        self.channels.insert(name.to_owned(), channel);
        let operation = json!({
            "action": does,
            "channel": { "$ref": format!("#/channels/{name}") },
            "summary": if does == "send" { "Written in transactions, each record exactly once." } else {
                "Read as a consumer group; offsets move in the transaction that writes what follows from the records."
            },
            "messages": of_operation,
        });
        self.operations.insert(format!("{does}.{name}"), operation);
    }

    fn document(self) -> Value {
        let customer = json!({ "kafka": {
            "key": {
                "type": "string",
                "minLength": 1,
                "description": "The customer: equals `subject`.",
                "x-personal": "pseudonym",
            },
            "bindingVersion": BINDING,
        }});
        let structured = json!({
            "type": "object",
            "description": "CloudEvents in structured mode. Assumed where the header is missing.",
            "properties": { "content-type": { "type": "string", "pattern": "^application/cloudevents\\+json" } },
        });
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "cxwatch",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Customer events come in, next best actions go out, outcomes come back. All messages but operators' \
                                orders and dead letters are CloudEvents 1.0. The topics' names are the defaults; `cx.incidents.v1` is reserved, nothing is \
                                written to it yet; `cx.journal.v1` is the service's own.",
                "license": { "name": env!("CARGO_PKG_LICENSE") },
            },
            "defaultContentType": STRUCTURED,
            "servers": { "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "Apache Kafka, 2.5 or later.",
                "variables": { "bootstrap": { "default": "localhost:9092", "description": "`kafka.bootstrap`" } },
            }},
            "channels": self.channels,
            "operations": self.operations,
            "components": {
                "messages": self.messages,
                "messageBindings": { "customer": customer },
                "schemas": { "structured": structured },
            },
        })
    }
}
