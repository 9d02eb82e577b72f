//! The layers that settings come from: defaults, a file, the environment. Each is checked on its own, so that one run
//! names every problem; then the `config` crate lays them over each other, and every value keeps its origin.

use super::Complaint;
use super::keys::{KEYS, Key, Kind, below, find};
use config::{Config, Map, Source, Value, ValueKind};
use cxwatch_event::rfc3339;
use cxwatch_rulebook::yaml::{Body, Node, Place, Reader, nearest, parse, parse_duration};
use std::collections::BTreeMap;

/// Variables of the environment that are ours begin with this.
pub(crate) const PREFIX: &str = "CXWATCH_";

/// A value that was given, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// The value as written.
    pub(crate) text: String,
    /// `run.yaml:3:12`, `CXWATCH_THREADS`, or `default`.
    pub(crate) origin: String,
}

/// The values of a layer, or of all of them, by path.
pub(crate) type Values = BTreeMap<Vec<String>, Given>;

/// Values from a settings file, and the names of its feeds, also of those without any value. `None`: it is no YAML.
pub(crate) fn from_file(
    file: &str,
    text: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<(Values, Vec<String>)> {
    let reader = Reader::new(file);
    let mut values = Values::new();
    let mut feeds = Vec::new();
    let tree = parse(text, &reader);
    if let Some(tree) = &tree {
        walk(&reader, file, tree, &mut Vec::new(), &mut values);
        if let Some(Body::Map(entries)) = tree.entry("feeds").map(|node| &node.body) {
            feeds.extend(entries.iter().map(|entry| entry.key.text.clone()));
        }
    }
    complaints.extend(reader.into_problems().into_iter().map(Complaint::from));
    tree.map(|_| (values, feeds))
}

fn walk(reader: &Reader, file: &str, node: &Node, path: &mut Vec<String>, values: &mut Values) {
    if let Some(key) = find(path) {
        if check(reader, node, key.kind) {
            let text = node.scalar().unwrap_or_default().to_owned();
            let origin = format!("{file}:{}:{}", node.place.line, node.place.column);
            values.insert(path.clone(), Given { text, origin });
        }
        return;
    }
    let what = if path.is_empty() { "the settings file".to_owned() } else { format!("`{}`", path.join(".")) };
    let Body::Map(entries) = &node.body else {
        reader.mismatch(node, &format!("a map: {what} has keys and values"));
        return;
    };
    let known = below(path);
    for entry in entries {
        if !known.contains(&"*") && !known.contains(&entry.key.text.as_str()) {
            let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            reader
                .error(entry.key.place, format!("{what} has no key `{}`", entry.key.text))
                .expected(format!("one of {list}"))
                .nearest(&entry.key.text, known.iter().copied());
            continue;
        }
        path.push(entry.key.text.clone());
        walk(reader, file, &entry.value, path, values);
        path.pop();
    }
}

/// Whether a value is of its kind; if not, it is reported.
fn check(reader: &Reader, node: &Node, kind: Kind) -> bool {
    match kind {
        Kind::Text | Kind::Secret | Kind::Path | Kind::Property => reader.text(node).is_some(),
        Kind::Duration => reader.duration(node).is_some(),
        Kind::Whole(from, to) => reader.integer(node, from..=to).is_some(),
        Kind::Bool => reader.bool(node).is_some(),
        Kind::OneOf(words) => reader.one_of(node, words).is_some(),
        Kind::Address => one(reader, node, "an address and a port: `127.0.0.1:9464`", |text| {
            text.parse::<std::net::SocketAddr>().is_ok()
        }),
        Kind::ReadFrom => one(
            reader,
            node,
            "`earliest`, `latest`, a duration like `7d` or an instant like `2026-11-24T08:00:00Z`",
            |text| matches!(text, "earliest" | "latest") || is_moment(text),
        ),
        Kind::ActFrom => one(
            reader,
            node,
            "`now`, `earliest`, a duration like `7d` or an instant like `2026-11-24T08:00:00Z`",
            |text| matches!(text, "now" | "earliest") || is_moment(text),
        ),
    }
}

fn one(reader: &Reader, node: &Node, expected: &str, fits: impl Fn(&str) -> bool) -> bool {
    let fine = node.scalar().is_some_and(fits);
    if !fine {
        reader.mismatch(node, expected);
    }
    fine
}

fn is_moment(text: &str) -> bool {
    parse_duration(text).is_ok() || rfc3339::parse(text).is_some()
}

/// Values from the environment. `feeds` are the names of feeds that the file has: a variable cannot spell
/// `contact-center`.
///
/// `CXWATCH_ADMIN__LISTEN` is `admin.listen`; `CXWATCH_FEEDS__CONTACT_CENTER__TOPIC` is `feeds.contact-center.topic`;
/// in names of client properties `_` stands for the dot: `CXWATCH_KAFKA__PROPERTIES__SASL_PASSWORD`. An empty variable
/// counts as none. One without `__` that resembles no key is not ours (Kubernetes sets `CXWATCH_PORT` for a service of
/// that name).
pub(crate) fn from_environment(
    variables: impl IntoIterator<Item = (String, String)>,
    feeds: &[String],
    complaints: &mut Vec<Complaint>,
) -> Values {
    let mut sorted: Vec<(String, String)> =
        variables.into_iter().filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()).collect();
    sorted.sort();
    let mut values = Values::new();
    for (name, text) in sorted {
        let Some((path, key)) = path_of(&name[PREFIX.len()..], feeds) else {
            complaints.extend(unknown_variable(&name));
            continue;
        };
        let reader = Reader::new(&name);
        // Numbers must look as if they stood in a file without quotes; for text it makes no difference.
        let plain = !matches!(key.kind, Kind::Text | Kind::Secret | Kind::Path | Kind::Property);
        let node = Node { place: Place::default(), body: Body::Scalar { text: text.clone(), plain } };
        if check(&reader, &node, key.kind) {
            values.insert(path, Given { text, origin: name.clone() });
        }
        complaints.extend(reader.into_problems().into_iter().map(Complaint::from).map(|complaint| {
            if matches!(key.kind, Kind::Secret) { complaint.without_value() } else { complaint }
        }));
    }
    values
}

fn path_of(name: &str, feeds: &[String]) -> Option<(Vec<String>, &'static Key)> {
    let parts: Vec<String> = name.split("__").map(str::to_lowercase).collect();
    let key = find(&parts)?;
    let path = key
        .path
        .split('.')
        .zip(&parts)
        .map(|(known, part)| match (known, key.path) {
            ("*", "kafka.properties.*") => part.replace('_', "."),
            ("*", _) => feeds
                .iter()
                .find(|feed| feed.replace('-', "_").eq_ignore_ascii_case(part))
                .cloned()
                .unwrap_or_else(|| part.replace('_', "-")),
            _ => known.to_owned(),
        })
        .collect();
    Some((path, key))
}

/// The variable that sets a key.
pub(crate) fn variable_of(path: &str) -> String {
    let name = path.replace('.', "__").replace('-', "_").replace('*', "<NAME>").to_uppercase();
    format!("{PREFIX}{name}")
}

fn unknown_variable(name: &str) -> Option<Complaint> {
    let known: Vec<String> =
        KEYS.iter().filter(|key| !key.path.contains('*')).map(|key| variable_of(key.path)).collect();
    let squash = |name: &str| name.replace('_', "");
    let meant = known
        .iter()
        .find(|known| squash(known) == squash(name))
        .map(String::as_str)
        .or_else(|| {
            let near = nearest(name, known.iter().map(String::as_str))?;
            // One without `__` may be a stranger's: it must be close to one of ours that has none either.
            let ours = name.contains("__") || !near.contains("__") && name.len().abs_diff(near.len()) <= 2;
            ours.then_some(near)
        })
        .map(str::to_owned);
    (meant.is_some() || name.contains("__")).then(|| Complaint {
        at: name.to_owned(),
        error: true,
        message: "there is no such setting".to_owned(),
        expected: None,
        suggestion: meant,
    })
}

/// Defaults of all keys; those of a feed for each of `feeds`.
pub(crate) fn defaults(feeds: &[String]) -> Values {
    let mut values = Values::new();
    for key in KEYS {
        let Some(text) = key.default else { continue };
        let given = Given { text: text.to_owned(), origin: "default".to_owned() };
        let parts: Vec<&str> = key.path.split('.').collect();
        if parts.contains(&"*") {
            for feed in feeds {
                let path = parts.iter().map(|part| if *part == "*" { feed } else { *part }.to_owned());
                values.insert(path.collect(), given.clone());
            }
        } else {
            values.insert(parts.iter().map(|part| (*part).to_owned()).collect(), given);
        }
    }
    values
}

/// A layer as `config` takes it.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layer {
    fn new(values: &Values) -> Self {
        let mut top = Map::new();
        for (path, given) in values {
            insert(&mut top, path, given);
        }
        Layer(top)
    }
}

fn insert(table: &mut Map<String, Value>, path: &[String], given: &Given) {
    let Some((name, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert(name.clone(), Value::new(Some(&given.origin), given.text.as_str()));
        return;
    }
    let below = table.entry(name.clone()).or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
    if let ValueKind::Table(below) = &mut below.kind {
        insert(below, rest, given);
    }
}

/// Lays the layers over each other, the last on top.
pub(crate) fn merge(layers: &[Values]) -> Result<Values, config::ConfigError> {
    let builder =
        layers.iter().fold(Config::builder(), |builder, layer| builder.add_source(Layer::new(layer)));
    let mut values = Values::new();
    flatten(&builder.build()?.cache, &mut Vec::new(), &mut values);
    Ok(values)
}

fn flatten(value: &Value, path: &mut Vec<String>, values: &mut Values) {
    if let ValueKind::Table(table) = &value.kind {
        for (name, below) in table {
            path.push(name.clone());
            flatten(below, path, values);
            path.pop();
        }
    } else {
        let origin = value.origin().unwrap_or("default").to_owned();
        values.insert(path.clone(), Given { text: value.to_string(), origin });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(list: &[(&str, &str)], feeds: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut complaints = Vec::new();
        let feeds: Vec<String> = feeds.iter().map(|f| (*f).to_owned()).collect();
        let variables = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let values = from_environment(variables, &feeds, &mut complaints);
        let values =
            values.iter().map(|(path, given)| format!("{} = {}", path.join("/"), given.text)).collect();
        (values, complaints.iter().map(Complaint::to_string).collect())
    }

    #[test]
    fn variables_name_keys_feeds_and_client_properties() {
        let (values, complaints) = environment(
            &[
                ("CXWATCH_THREADS", "4"),
                ("CXWATCH_FEEDS__CONTACT_CENTER__TOPIC", "calls"),
                ("CXWATCH_FEEDS__SHOP_2__TOPIC", "shop"),
                ("CXWATCH_KAFKA__PROPERTIES__SASL_PASSWORD", "a.b"),
                ("CXWATCH_ADMIN__TOKEN", ""),
                ("OTHER", "x"),
            ],
            &["contact-center", "shop_2"],
        );
        assert_eq!(
            values,
            [
                "feeds/contact-center/topic = calls",
                "feeds/shop_2/topic = shop",
                "kafka/properties/sasl.password = a.b",
                "threads = 4"
            ]
        );
        assert_eq!(complaints, Vec::<String>::new());
    }

    #[test]
    fn a_misspelt_variable_is_refused_and_a_strangers_is_not_ours() {
        let (values, complaints) = environment(
            &[
                ("CXWATCH_KAFKA_BOOTSTRAP", "x:1"),
                ("CXWATCH_ADMIN__LISTN", "127.0.0.1:1"),
                ("CXWATCH_THREADS", "many"),
                ("CXWATCH_THREDS", "4"),
                ("CXWATCH_CONFIG", "other.yaml"),
                ("CXWATCH_PORT", "tcp://10.0.0.1:9464"),
                ("CXWATCH_SERVICE_HOST", "10.0.0.1"),
            ],
            &[],
        );
        assert_eq!(values, Vec::<String>::new());
        assert_eq!(
            complaints,
            [
                "CXWATCH_ADMIN__LISTN: error: there is no such setting; write `CXWATCH_ADMIN__LISTEN`?",
                "CXWATCH_KAFKA_BOOTSTRAP: error: there is no such setting; write `CXWATCH_KAFKA__BOOTSTRAP`?",
                "CXWATCH_THREADS: error: `many` stands here; expected a whole number from 1 to 64",
                "CXWATCH_THREDS: error: there is no such setting; write `CXWATCH_THREADS`?",
            ]
        );
    }

    #[test]
    fn the_upper_layer_wins_and_keeps_its_origin() {
        let layer = |text: &str, origin: &str| {
            Values::from([(
                vec!["kafka".to_owned(), "properties".to_owned(), "sasl.password".to_owned()],
                Given { text: text.to_owned(), origin: origin.to_owned() },
            )])
        };
        let merged = merge(&[layer("lower", "a:1:1"), layer("upper", "VARIABLE")]).expect("two layers");
        assert_eq!(merged, layer("upper", "VARIABLE"));
    }
}
