//! The section `actions`.

use super::scope::Scope;
use crate::yaml::{Entry, Map, Node, parse_decimal};
use crate::{Action, ActionField, Class, Cond, Factor};
use compact_str::CompactString;
use cxwatch_event::{MICRO, Micro, Millis};

/// The life of a request that names none.
const TTL_MS: Millis = 24 * 3_600_000;
const CLASSES: [(&str, Class); 4] = [
    ("offer", Class::Offer),
    ("reply", Class::Reply),
    ("raise", Class::Raise),
    ("internal", Class::Internal),
];

/// Reads the section: sorted by name. Those that are wrong are left out.
pub(super) fn read(scope: &Scope<'_>, node: &Node) -> Vec<Action> {
    let Some(map) = scope.reader.map(node, "`actions`") else { return Vec::new() };
    let actions = map.entries().iter().filter_map(|entry| one(scope, entry));
    let mut actions: Vec<_> = actions.collect();
    actions.sort_by(|a, b| a.id.cmp(&b.id));
    actions
}

fn one(scope: &Scope<'_>, entry: &Entry) -> Option<Action> {
    let reader = scope.reader;
    super::good_id(reader, &entry.key, "an action");
    let map = reader.map(&entry.value, "an action")?;
    let word =
        |key: &'static str, words: &[&'static str]| map.get(key).and_then(|node| reader.one_of(node, words));
    let text = |key: &'static str| map.get(key).and_then(|node| reader.text(node)).map(CompactString::from);
    text("about");
    let class = map.need("class").and_then(|node| reader.one_of(node, &CLASSES.map(|(name, _)| name)));
    let class = CLASSES.iter().find(|(name, _)| Some(*name) == class).map(|(_, class)| *class);
    let by = word("by", &["person", "machine"]).unwrap_or("person");
    let purpose = word("purpose", &["service", "marketing"]);
    let (channel, queue) = (text("channel"), text("queue"));
    let skills = map.get("skills").map_or(Some(Vec::new()), |node| {
        let skills: Vec<_> =
            reader.list_or_single(node).iter().map(|s| reader.text(s).map(CompactString::from)).collect();
        skills.into_iter().collect()
    });
    let hours = map.get("hours").and_then(|node| scope.calendar(node));
    let ttl_ms = map.get("ttl").and_then(|node| {
        let ms = reader.duration(node)?;
        if ms == 0 {
            reader.error(node.place, "a life of 0").expected("more than 0");
        }
        Some(ms)
    });
    let propensity = map.get("propensity").map_or(Some(MICRO), |node| share(scope, node));
    let value = text("value").map(|name| Factor::Field(ActionField::Measure(name)));
    let lever = map.get("lever").map_or(Some(MICRO), |node| weight(scope, node));
    if let Some(class) = class {
        needs_of_class(scope, entry, &map, class, by);
    }
    map.done();
    Some(Action {
        id: entry.key.text.as_str().into(),
        class: class?,
        by: by.into(),
        purpose: purpose.unwrap_or("service").into(),
        channel: channel.unwrap_or_default(),
        queue: queue.unwrap_or_default(),
        skills: skills?,
        hours,
        ttl_ms: ttl_ms.unwrap_or(TTL_MS),
        accept_within_ms: None,
        when: Cond::True,
        value: value.into_iter().collect(),
        context: Vec::new(),
        propensity: propensity?,
        lever: lever?,
        exempt: false,
    })
}

/// What a router must know to carry out an action of the class.
fn needs_of_class(scope: &Scope<'_>, entry: &Entry, map: &Map<'_>, class: Class, by: &str) {
    let name = CLASSES.iter().find(|(_, c)| *c == class).map_or("", |(name, _)| name);
    let needs: &[(&'static str, &str)] = match (class, by) {
        (Class::Offer, "machine") => &[("purpose", "`service` or `marketing`"), ("channel", "a channel")],
        (Class::Offer, _) => &[
            ("purpose", "`service` or `marketing`"),
            ("channel", "a channel"),
            ("queue", "the queue of those who do it"),
        ],
        (Class::Reply, "machine") => &[("channel", "the channel of the answer")],
        (Class::Reply, _) => {
            &[("channel", "the channel of the answer"), ("queue", "the queue of those who answer")]
        }
        (Class::Internal, _) => &[("queue", "the queue of those whose task it is")],
        (Class::Raise, _) => &[],
    };
    for (key, what) in needs {
        if map.get(key).is_none() {
            let message = format!("action `{}` is of class `{name}`, but has no `{key}`", entry.key.text);
            scope.reader.error(entry.key.place, message).expected(format!("`{key}`: {what}"));
        }
    }
}

/// A probability: `0.2` or `20%`.
fn share(scope: &Scope<'_>, node: &Node) -> Option<Micro> {
    let text = node.scalar();
    let share = text.and_then(|text| match text.strip_suffix('%') {
        Some(percent) => parse_decimal(percent).map(|p| p / 100),
        None => parse_decimal(text),
    });
    let share = share.filter(|s| (0..=MICRO).contains(s));
    if share.is_none() {
        scope.reader.mismatch(node, "a probability from 0 to 1: `0.2` or `20%`");
    }
    share
}

/// A factor of the priority: a number above 0.
fn weight(scope: &Scope<'_>, node: &Node) -> Option<Micro> {
    let weight = node.scalar().and_then(parse_decimal).filter(|w| (1..=1_000 * MICRO).contains(w));
    if weight.is_none() {
        scope.reader.mismatch(node, "a factor above 0, at most 1000: `1.2`");
    }
    weight
}
