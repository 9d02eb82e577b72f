//! The section `actions`.

use super::scope::{CUSTOMER, Head, Holds, Scope};
use crate::yaml::{Body, Entry, Map, Name, Node, list_of, nearest, parse_decimal};
use crate::{Action, ActionField, Class, Cond, Factor};
use compact_str::CompactString;
use cxwatch_event::{MICRO, Micro, Millis};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What an action takes from the rules that propose it, and what they must know of it.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// The measures that it names.
    measures: Vec<Name>,
    /// Whether a machine does it.
    pub(super) machine: bool,
}

/// The most factors of a value, and the most cases of a context.
const PARTS_MAX: usize = 8;

/// The life of a request that names none.
const TTL_MS: Millis = 24 * 3_600_000;
const CLASSES: [(&str, Class); 4] = [
    ("offer", Class::Offer),
    ("reply", Class::Reply),
    ("raise", Class::Raise),
    ("internal", Class::Internal),
];

/// Reads the section: sorted by name. Those that are wrong are left out, but known by name.
pub(super) fn read(scope: &Scope<'_>, node: &Node) -> (Vec<Action>, BTreeMap<CompactString, Reads>) {
    let (mut actions, mut by_name) = (Vec::new(), BTreeMap::new());
    let Some(map) = scope.reader.map(node, "`actions`") else { return (actions, by_name) };
    for entry in map.entries() {
        let measures = RefCell::default();
        let action = one(scope, entry, &measures);
        let machine = action.as_ref().is_some_and(|action| action.by == "machine");
        by_name.insert(entry.key.text.as_str().into(), Reads { measures: measures.into_inner(), machine });
        actions.extend(action);
    }
    actions.sort_by(|a, b| a.id.cmp(&b.id));
    (actions, by_name)
}

/// Reports what an action reads and none of the rules has that propose it.
pub(super) fn check_measures<'h>(scope: &Scope<'_>, users: impl Fn(&str) -> Vec<&'h Head<'h>>) {
    for (action, reads) in &scope.actions {
        let rules = users(action);
        let known: Vec<&str> =
            rules.iter().flat_map(|h| h.measures.iter().map(|m| m.text.as_str())).collect();
        for name in
            reads.measures.iter().filter(|name| !rules.is_empty() && !known.contains(&name.text.as_str()))
        {
            let message =
                format!("no rule that proposes the action `{action}` has a measure `{}`", name.text);
            let problem = scope.reader.error(name.place, message);
            let fields = ["events", "severity"].into_iter();
            match nearest(&name.text, known.iter().copied().chain(fields.clone())) {
                Some(near) => problem.suggest(near),
                None => problem.expected(format!(
                    "{}, `{CUSTOMER}<field>`, or a measure of one of these rules: {}",
                    list_of(fields),
                    list_of(rules.iter().map(|h| h.id.as_str()))
                )),
            };
        }
    }
}

fn one(scope: &Scope<'_>, entry: &Entry, measures: &RefCell<Vec<Name>>) -> Option<Action> {
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
    let value = map.get("value").map_or(Some(Vec::new()), |node| value(scope, node, measures));
    let when = map.get("when").map_or(Some(Cond::True), |node| scope.action_when(node, measures));
    let context = map.get("context").map_or(Some(Vec::new()), |node| context(scope, node, measures));
    let accept_within_ms = map.get("accept_within").map_or(Some(None), |node| {
        let (ms, ttl_ms) = (reader.duration(node)?, ttl_ms.unwrap_or(TTL_MS));
        let possible = ms > 0 && ms < ttl_ms;
        if !possible {
            let message = format!("{} is not within the action's life", node.what());
            reader
                .error(node.place, message)
                .expected("more than 0, and less than `ttl` (a day if that is not said)");
        }
        possible.then_some(Some(ms))
    });
    let exempt = map.entry("exempt").and_then(|e| Some((e, reader.bool(&e.value)?)));
    if let (Some((entry, true)), Some(class)) = (exempt, class)
        && class != Class::Offer
    {
        reader.warning(entry.key.place, "`exempt` changes nothing here: caps are asked of offers only");
    }
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
        accept_within_ms: accept_within_ms?,
        when: when?,
        value: value?,
        context: context?,
        propensity: propensity?,
        lever: lever?,
        exempt: exempt.is_some_and(|(_, exempt)| exempt),
    })
}

/// The value at stake: a measure, a field of the customer, a number, or a list of these, which are multiplied.
fn value(scope: &Scope<'_>, node: &Node, measures: &RefCell<Vec<Name>>) -> Option<Vec<Factor>> {
    let items = scope.reader.list_or_single(node);
    if items.is_empty() || items.len() > PARTS_MAX {
        let message = format!("this product has {} factors", items.len());
        scope.reader.error(node.place, message).expected(format!("1 to {PARTS_MAX}"));
        return None;
    }
    let factors: Vec<_> = items.iter().map(|item| factor(scope, item, measures)).collect();
    factors.into_iter().collect()
}

fn factor(scope: &Scope<'_>, node: &Node, measures: &RefCell<Vec<Name>>) -> Option<Factor> {
    if let Body::Scalar { text, plain: true } = &node.body
        && parse_decimal(text).is_some()
    {
        return weight(scope, node).map(Factor::Number);
    }
    let name = Name { text: scope.reader.text(node)?.to_owned(), place: node.place };
    let (field, holds) = scope.action_field(&name, measures)?;
    if !matches!(holds, Holds::Number | Holds::Integer) {
        let problem = scope.reader.error(node.place, format!("`{}` holds {}", name.text, holds.name()));
        problem.expected("a measure, or a field that holds a number");
        return None;
    }
    Some(Factor::Field(field))
}

/// A list of cases like those of a severity; without one that holds: 1.
fn context(
    scope: &Scope<'_>,
    node: &Node,
    measures: &RefCell<Vec<Name>>,
) -> Option<Vec<(Cond<ActionField>, Micro)>> {
    let reader = scope.reader;
    if !matches!(node.body, Body::List(_)) {
        return weight(scope, node).map(|factor| vec![(Cond::True, factor)]);
    }
    let (mut cases, mut sound, mut last) = (Vec::new(), true, false);
    for item in reader.list(node) {
        let Some(case) = reader.map(item, "a case") else {
            sound = false;
            continue;
        };
        if last {
            reader.warning(item.place, "this case is never reached: one before it has no `when`");
        }
        let when = case.get("when");
        last |= when.is_none();
        let when = when.map_or(Some(Cond::True), |node| scope.action_when(node, measures));
        let is = case.need("is").and_then(|node| weight(scope, node));
        case.done();
        sound &= when.is_some() && is.is_some();
        cases.extend(when.zip(is));
    }
    if cases.len() > PARTS_MAX {
        reader.error(node.place, format!("{} cases", cases.len())).expected(format!("at most {PARTS_MAX}"));
        return None;
    }
    sound.then_some(cases)
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

/// A share: `0.2` or `20%`.
pub(super) fn share(scope: &Scope<'_>, node: &Node) -> Option<Micro> {
    let text = node.scalar();
    let share = text.and_then(|text| match text.strip_suffix('%') {
        Some(percent) => parse_decimal(percent).map(|p| p / 100),
        None => parse_decimal(text),
    });
    let share = share.filter(|s| (0..=MICRO).contains(s));
    if share.is_none() {
        let expected = "a probability from 0 to 1: `0.2` or `20%`";
        match text.filter(|text| parse_decimal(text).is_some_and(|n| (MICRO..=100 * MICRO).contains(&n))) {
            Some(number) => scope.reader.mismatch_but(node, expected, format!("{number}%")),
            None => scope.reader.mismatch(node, expected),
        }
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
