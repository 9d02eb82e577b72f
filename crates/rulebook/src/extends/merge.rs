//! One tree of two: what is built on, and what is changed.

use crate::yaml::{Body, Entry, Node, Reader, list_of};
use std::mem;

/// What is the extending rulebook's own, and not taken over.
const OWN: [&str; 3] = ["rulebook", "version", "about"];
/// Values that may depend on a field: `{ by: data.queue, gold: 20s, default: 60s }`.
const TABLES: [&str; 5] = ["within", "at_least", "threshold", "severity", "points"];
/// Keys of a rule that it can do without, if all that they name is gone.
const OPTIONAL: [&str; 5] = ["unless_seen", "refresh", "reset", "unless", "success"];

/// Moves all places of a tree behind the files before it.
pub(super) fn behind(node: &mut Node, bytes: usize) {
    node.place = node.place.behind(bytes);
    match &mut node.body {
        Body::List(items) => items.iter_mut().for_each(|item| behind(item, bytes)),
        Body::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.key.place = entry.key.place.behind(bytes);
            behind(&mut entry.value, bytes);
        }),
        Body::Scalar { .. } | Body::Broken => {}
    }
}

/// A rulebook with the one that it builds on, without its disabled rules.
pub(super) fn rulebook(reader: &Reader, base: Option<Node>, own: Node) -> Node {
    let mut whole = match base {
        Some(base) => merged(reader, base, own),
        None => own,
    };
    leave_out(reader, &mut whole);
    whole
}

fn merged(reader: &Reader, base: Node, own: Node) -> Node {
    let place = own.place;
    let (Body::Map(theirs), Body::Map(mut ours)) = (base.body, own.body) else {
        return Node { place, body: Body::Broken };
    };
    let mut all: Vec<Entry> = Vec::new();
    for key in OWN {
        all.extend(take(&mut ours, key));
    }
    for theirs in theirs.into_iter().filter(|entry| !OWN.contains(&entry.key.text.as_str())) {
        let Some(own) = take(&mut ours, &theirs.key.text) else {
            all.push(theirs);
            continue;
        };
        let value = match theirs.key.text.as_str() {
            "rules" => rules(reader, theirs.value, own.value),
            "actions" => named(reader, theirs.value, own.value, Some(("action", "class"))),
            "calendars" => named(reader, theirs.value, own.value, None),
            "customer" => by_key(theirs.value, own.value, &|_, base, own| by_key(base, own, &whole)),
            "types" => by_key(theirs.value, own.value, &|_, base, own| by_key(base, own, &in_type)),
            "policy" => by_key(theirs.value, own.value, &|_, base, own| by_key(base, own, &whole)),
            _ => own.value,
        };
        all.push(Entry { key: own.key, value });
    }
    all.extend(ours);
    Node { place, body: Body::Map(all) }
}

/// The fields of a type by name.
fn in_type(key: &str, base: Node, own: Node) -> Node {
    if key == "fields" { by_key(base, own, &whole) } else { own }
}

fn take(entries: &mut Vec<Entry>, key: &str) -> Option<Entry> {
    entries.iter().position(|entry| entry.key.text == key).map(|at| entries.remove(at))
}

/// Replaces as a whole.
fn whole(_: &str, _: Node, own: Node) -> Node {
    own
}

/// Two maps key by key; anything else is replaced. `~` takes away.
fn by_key(base: Node, own: Node, each: &dyn Fn(&str, Node, Node) -> Node) -> Node {
    let (base, own) = match (base, own) {
        (Node { body: Body::Map(theirs), .. }, Node { place, body: Body::Map(ours) }) => {
            (theirs, (place, ours))
        }
        (_, own) => return own,
    };
    let (place, mut ours) = own;
    let mut all = Vec::new();
    for theirs in base {
        match take(&mut ours, &theirs.key.text) {
            None => all.push(theirs),
            Some(own) if takes_away(&own.value) => {}
            Some(own) => {
                let value = each(&theirs.key.text, theirs.value, own.value);
                all.push(Entry { key: own.key, value });
            }
        }
    }
    all.extend(ours);
    Node { place, body: Body::Map(all) }
}

/// A written nothing. A value that was forgotten takes nothing away: it is a mistake.
fn takes_away(node: &Node) -> bool {
    node.is_null() && !matches!(&node.body, Body::Scalar { text, .. } if text.is_empty())
}

/// Things that have names, each key by key. `needs` is what they are called, and the key with which one is written out.
fn named(reader: &Reader, base: Node, mut own: Node, needs: Option<(&str, &str)>) -> Node {
    if let (Some((what, key)), Body::Map(theirs), Body::Map(ours)) = (needs, &base.body, &mut own.body) {
        let known: Vec<&str> = theirs.iter().map(|entry| entry.key.text.as_str()).collect();
        ours.retain(|entry| {
            let name = &entry.key.text;
            let is_map = matches!(entry.value.body, Body::Map(_));
            if !is_map || entry.value.entry(key).is_some() || known.contains(&name.as_str()) {
                return true;
            }
            let message = format!("there is no {what} `{name}` in {} to change", reader.name_of(base.place));
            let expected = format!("one of {}; or `{key}`, for a new one", list_of(known.iter()));
            reader.error(entry.key.place, message).expected(expected).nearest(name, known.iter().copied());
            false
        });
    }
    by_key(base, own, &|_, base, own| match needs {
        Some((_, key)) if own.entry(key).is_some() => own,
        _ => by_key(base, own, &whole),
    })
}

fn id(rule: &Node) -> Option<&str> {
    rule.entry("id").and_then(Node::scalar)
}

fn rules(reader: &Reader, base: Node, own: Node) -> Node {
    let Node { place: base_place, body: Body::List(mut all) } = base else { return own };
    let Node { place, body: Body::List(ours) } = own else { return own };
    let inherited = all.len();
    for own in ours {
        let at = id(&own).and_then(|name| all[..inherited].iter().position(|rule| id(rule) == Some(name)));
        let is_whole = own.entry("kind").is_some();
        match at {
            // The second of two with one id is not the place to say which of them holds.
            Some(at) if reader.file_of(all[at].place) == reader.file_of(own.place) => all.push(own),
            Some(at) if is_whole => all[at] = own,
            Some(at) => {
                let base = mem::replace(&mut all[at], Node { place, body: Body::Broken });
                all[at] = by_key(base, own, &in_rule);
            }
            None => {
                if !is_whole && let Some(name) = id(&own) {
                    let known: Vec<&str> = all[..inherited].iter().filter_map(id).collect();
                    let message =
                        format!("there is no rule `{name}` in {} to change", reader.name_of(base_place));
                    let place = own.entry("id").map_or(own.place, |node| node.place);
                    let problem = reader.error(place, message);
                    problem
                        .expected(format!("one of {}; or `kind`, for a new one", list_of(known.iter())))
                        .nearest(name, known.iter().copied());
                    continue;
                }
                all.push(own);
            }
        }
    }
    Node { place, body: Body::List(all) }
}

fn in_rule(key: &str, base: Node, own: Node) -> Node {
    match key {
        "measure" | "success" => by_key(base, own, &whole),
        // A table that names its field is another table.
        _ if TABLES.contains(&key) && base.entry("by").is_some() && own.entry("by").is_none() => {
            by_key(base, own, &whole)
        }
        _ => own,
    }
}

/// Takes out the rules that are disabled, and what is said of them in files that those who disabled them do not write.
fn leave_out(reader: &Reader, tree: &mut Node) {
    let Body::Map(entries) = &mut tree.body else { return };
    let Some(Body::List(rules)) =
        entries.iter_mut().find(|entry| entry.key.text == "rules").map(|entry| &mut entry.value.body)
    else {
        return;
    };
    let mut gone: Vec<(String, usize, crate::yaml::Place)> = Vec::new();
    rules.retain_mut(|rule| {
        let name = id(rule).map(str::to_owned);
        let Body::Map(keys) = &mut rule.body else { return true };
        let Some(disabled) = take(keys, "disabled") else { return true };
        let is_disabled = reader.bool(&disabled.value) == Some(true);
        if let (true, Some(name)) = (is_disabled, name) {
            gone.push((name, reader.file_of(disabled.key.place), disabled.key.place));
        }
        !is_disabled
    });
    for (name, file, place) in &gone {
        let is_theirs = |node: &Node| reader.file_of(node.place) != *file;
        rules.retain_mut(|rule| {
            let other = id(rule).unwrap_or_default().to_owned();
            let Body::Map(keys) = &mut rule.body else { return true };
            let mut stands = true;
            keys.retain_mut(|entry| {
                let keeps = forget(&mut entry.value, name, &is_theirs);
                let optional = OPTIONAL.contains(&entry.key.text.as_str());
                stands &= keeps || optional;
                keeps || !optional
            });
            if !stands {
                let message = format!("rule `{other}` is built on `{name}`, which is disabled here");
                reader.error(*place, message).expected(format!("`{other}` disabled too, or changed"));
            }
            stands
        });
    }
}

/// Removes what names the detections of a rule. False: nothing else was said here.
fn forget(node: &mut Node, rule: &str, is_theirs: &dyn Fn(&Node) -> bool) -> bool {
    let theirs = is_theirs(node);
    match &mut node.body {
        Body::Scalar { text, .. } => !(theirs && names(text, rule)),
        Body::List(items) => {
            let before = items.len();
            items.retain_mut(|item| forget(item, rule, is_theirs));
            before == 0 || !items.is_empty()
        }
        Body::Map(entries) => entries.iter_mut().all(|entry| {
            let by_id = entry.key.text == "rule" && is_theirs(&entry.value);
            let keeps = !by_id || forget_id(&mut entry.value, rule);
            keeps && forget(&mut entry.value, rule, is_theirs)
        }),
        Body::Broken => true,
    }
}

/// Removes an id from `rule: [a, b]`. False: no other was said.
fn forget_id(node: &mut Node, rule: &str) -> bool {
    match &mut node.body {
        Body::List(items) => {
            items.retain(|item| item.scalar() != Some(rule));
            !items.is_empty()
        }
        _ => node.scalar() != Some(rule),
    }
}

/// Whether a selector names the detections of a rule: `rule:<id>` or `rule:<id>.warning`.
fn names(selector: &str, rule: &str) -> bool {
    selector.strip_prefix("rule:").is_some_and(|of| of.strip_suffix(".warning").unwrap_or(of) == rule)
}
