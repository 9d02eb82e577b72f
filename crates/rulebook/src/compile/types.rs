//! The section `types`: event types of a rulebook's own, and more fields for built-in ones.

use crate::yaml::{Body, Entry, Map, Node, Place, Reader, list_of};
use compact_str::{CompactString, format_compact};
use cxwatch_event::{Catalogue, Field, FieldType, Privacy, TypeSpec, builtin};

const KINDS: [(&str, FieldType); 5] = [
    ("text", FieldType::Text),
    ("number", FieldType::Number),
    ("integer", FieldType::Integer),
    ("bool", FieldType::Bool),
    ("time", FieldType::Time),
];
const PRIVACY: [(&str, Privacy); 3] =
    [("none", Privacy::None), ("pseudonym", Privacy::Pseudonym), ("text", Privacy::Text)];
/// The most fields of a type: a decoder keeps them as bits of one word.
const FIELDS_MAX: usize = 64;
/// The most feeds: sets of feeds are bits of one word.
const FEEDS_MAX: usize = 64;

/// The catalogue with the section's types.
pub(super) fn read(reader: &Reader, builtin: Catalogue, node: &Node) -> Catalogue {
    let Some(map) = reader.map(node, "`types`") else { return builtin };
    let own: Vec<_> = map.entries().iter().filter_map(|entry| one(reader, &builtin, entry)).collect();
    let catalogue = builtin.with(own);
    let mut feeds: Vec<_> = catalogue.types().filter_map(|(_, t)| t.feed.clone()).collect();
    feeds.sort_unstable();
    feeds.dedup();
    if feeds.len() > FEEDS_MAX {
        reader.error(node.place, format!("{} feeds", feeds.len())).expected(format!("at most {FEEDS_MAX}"));
    }
    if catalogue.len() > usize::from(u16::MAX) {
        reader
            .error(node.place, format!("{} event types", catalogue.len()))
            .expected(format!("at most {}", u16::MAX));
    }
    catalogue
}

/// The catalogue with a customer's attributes: the section `customer`.
pub(super) fn attributes(reader: &Reader, catalogue: Catalogue, node: &Node) -> Catalogue {
    let Some(map) = reader.map(node, "`customer`") else { return catalogue };
    let own = map.get("attributes").and_then(|node| reader.map(node, "`attributes`"));
    map.done();
    let profile = catalogue.id(builtin::PROFILE).map(|id| catalogue.spec(id).clone());
    let (Some(own), Some(mut profile)) = (own, profile) else { return catalogue };
    let attributes = own.entries().iter().filter_map(|e| {
        let field = field(reader, e, None)?;
        if field.required {
            reader
                .error(e.value.place, format!("the attribute `{}` is required", field.name))
                .expected("no `required` here: a profile says what is known");
        }
        Some(Field { name: format_compact!("attributes.{}", field.name), required: false, ..field })
    });
    profile.fields.extend(attributes);
    check_nested(reader, node.place, &profile.name, &profile.fields);
    if profile.fields.len() > FIELDS_MAX {
        let message = format!("a profile would have {} fields", profile.fields.len());
        reader.error(node.place, message).expected(format!("at most {FIELDS_MAX}"));
        return catalogue;
    }
    catalogue.with([profile])
}

fn one(reader: &Reader, builtin: &Catalogue, entry: &Entry) -> Option<TypeSpec> {
    let (name, place) = (&entry.key.text, entry.key.place);
    let known = builtin.id(name).map(|id| builtin.spec(id));
    let part = |p: &str| p.starts_with(|c: char| c.is_ascii_lowercase()) && p.chars().all(word);
    if name.len() > 100
        || !name.contains('.')
        || !name.split('.').all(part)
        || known.is_some_and(|t| t.feed.is_none())
    {
        reader
            .error(place, format!("`{name}` cannot be the name of an event type"))
            .expected("a name like `store.visit.ended`: words of lower-case letters, digits, `_` and `-`, joined by points");
        if known.is_some() {
            return None;
        }
    }
    let map = reader.map(&entry.value, "an event type")?;
    let about = map.get("about").and_then(|node| reader.text(node)).unwrap_or_default();
    let feed = match known {
        None => map.need("feed"),
        Some(_) => map.get("feed"),
    };
    let feed = feed.and_then(|node| feed_name(reader, node, known));
    let mut fields = known.map(|t| t.fields.clone()).unwrap_or_default();
    if let Some(own) = map.get("fields").and_then(|node| reader.map(node, "`fields`")) {
        fields.extend(own.entries().iter().filter_map(|e| field(reader, e, known)));
    }
    map.done();
    check_nested(reader, place, name, &fields);
    if fields.len() > FIELDS_MAX {
        reader
            .error(place, format!("`{name}` has {} fields", fields.len()))
            .expected(format!("at most {FIELDS_MAX}"));
        return None;
    }
    let feed = known.map_or(feed, |t| t.feed.clone());
    Some(TypeSpec { name: name.as_str().into(), feed: Some(feed?), fields, about: about.into() })
}

fn word(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-'
}

fn feed_name(reader: &Reader, node: &Node, known: Option<&TypeSpec>) -> Option<CompactString> {
    let feed = reader.text(node)?;
    if let Some(known) = known
        && known.feed.as_deref() != Some(feed)
    {
        let home = known.feed.as_deref().unwrap_or_default();
        reader
            .error(node.place, format!("`{}` is built in and belongs to the feed `{home}`", known.name))
            .expected("no `feed` here: a type belongs to one feed");
        return None;
    }
    if !feed.starts_with(|c: char| c.is_ascii_lowercase()) || !feed.chars().all(word) || feed.len() > 60 {
        reader
            .error(node.place, format!("`{feed}` cannot be the name of a feed"))
            .expected("lower-case letters, digits, `_` and `-`");
        return None;
    }
    Some(feed.into())
}

fn field(reader: &Reader, entry: &Entry, known: Option<&TypeSpec>) -> Option<Field> {
    let name = &entry.key.text;
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    if !name.split('.').all(part) || name.len() > 60 {
        reader
            .error(entry.key.place, format!("`{name}` cannot be the name of a field"))
            .expected("letters, digits, `_` and `-`; with points, of a field in nested objects");
    }
    if let Some(known) = known.filter(|t| t.field(name).is_some()) {
        let message = format!("`{}` has a field `{name}` already", known.name);
        reader.error(entry.key.place, message).expected("only fields that it does not have");
        return None;
    }
    let name = CompactString::from(name.as_str());
    if !matches!(entry.value.body, Body::Map(_)) {
        let kind = kind(reader, &entry.value)?;
        return Some(Field {
            name,
            kind,
            required: false,
            privacy: usual(kind),
            one_of: Vec::new(),
            about: "".into(),
        });
    }
    let map = reader.map(&entry.value, "a field")?;
    let field = described(reader, &map, name);
    map.done();
    field
}

/// Of nested fields: none is required, and no object is a field too.
fn check_nested(reader: &Reader, place: Place, name: &str, fields: &[Field]) {
    for field in fields.iter().filter(|f| f.name.contains('.')) {
        if field.required {
            let message = format!("`{name}` requires the nested field `{}`", field.name);
            reader.error(place, message).expected("`required` only of fields that are in no object");
        }
        let inside = |other: &&Field| {
            field.name.strip_prefix(other.name.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        if let Some(object) = fields.iter().find(inside) {
            let message =
                format!("`{}` cannot lie in `{}`, which is a field of `{name}`", field.name, object.name);
            reader.error(place, message).expected("another name");
        }
    }
}

fn described(reader: &Reader, map: &Map<'_>, name: CompactString) -> Option<Field> {
    let kind = map.need("type").and_then(|node| kind(reader, node));
    let required = map.get("required").and_then(|node| reader.bool(node)).unwrap_or(false);
    let privacy = map.get("personal").and_then(|node| reader.one_of(node, &PRIVACY.map(|(name, _)| name)));
    let privacy = PRIVACY.iter().find(|(name, _)| Some(*name) == privacy).map(|(_, privacy)| *privacy);
    let one_of = map.get("one_of").map(|node| (node, reader.list(node)));
    let about = map.get("about").and_then(|node| reader.text(node)).unwrap_or_default();
    let kind = kind?;
    if let Some((node, _)) = one_of.filter(|_| kind != FieldType::Text) {
        reader
            .error(node.place, "`one_of` is for fields of type `text`")
            .expected("the field without it, or `type: text`");
    }
    if let Some((node, [])) = one_of.filter(|(node, _)| matches!(node.body, Body::List(_))) {
        reader
            .error(node.place, "this list is empty: the field could hold nothing")
            .expected("at least one word");
    }
    let words = one_of.iter().flat_map(|(_, items)| items.iter()).filter_map(|item| reader.text(item));
    let one_of = words.map(CompactString::from).collect();
    Some(Field { name, kind, required, privacy: privacy.unwrap_or(usual(kind)), one_of, about: about.into() })
}

/// Text of which nothing is said may be an id.
fn usual(kind: FieldType) -> Privacy {
    if kind == FieldType::Text { Privacy::Pseudonym } else { Privacy::None }
}

fn kind(reader: &Reader, node: &Node) -> Option<FieldType> {
    let words = KINDS.map(|(name, _)| name);
    let text = reader.text(node)?;
    let found = KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
    if found.is_none() {
        let suggestion = match text {
            "string" | "str" => Some("text"),
            "float" | "decimal" | "double" | "money" => Some("number"),
            "int" => Some("integer"),
            "boolean" => Some("bool"),
            "timestamp" | "datetime" | "date" => Some("time"),
            other => crate::yaml::nearest(other, words),
        };
        let problem = reader.error(node.place, format!("`{text}` is no type of a field"));
        let problem = problem.expected(format!("one of {}", list_of(words.iter())));
        if let Some(suggestion) = suggestion {
            problem.suggest(suggestion);
            // What reads the field is checked as if that stood here.
            return KINDS.iter().find(|(name, _)| *name == suggestion).map(|(_, kind)| *kind);
        }
    }
    found
}
