//! Every key that exists, with its kind, its default and a sentence: reading, checking, showing and documenting all
//! go by this one table.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A path; relative ones count from the folder of the file that names them.
    Path,
    /// `500ms`, `20s`, `7d`.
    Duration,
    /// A whole number within these bounds.
    Whole(i64, i64),
    /// `true` or `false`.
    Bool,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An address to listen on: `127.0.0.1:9464`.
    Address,
    /// A point of a feed to begin at: `earliest`, `latest`, `7d` (so long ago), or an instant.
    ReadFrom,
    /// A point in time: `now`, `earliest`, `7d` (so long ago), or an instant.
    ActFrom,
    /// A client property: any scalar.
    Property,
}

impl Kind {
    /// The kind in words, as the documentation writes it.
    pub(crate) fn words(self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Secret => "text, never shown".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Duration => "a duration".to_owned(),
            Kind::Whole(from, to) => format!("{from} to {to}"),
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::OneOf(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
            }
            Kind::Address => "an address".to_owned(),
            Kind::ReadFrom => "`earliest`, `latest`, a duration or an instant".to_owned(),
            Kind::ActFrom => "`now`, `earliest`, a duration or an instant".to_owned(),
            Kind::Property => "text, a number, `true` or `false`".to_owned(),
        }
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Its path; `*` stands for a name of the operator's choice.
    pub(crate) path: &'static str,
    /// What its value may be.
    pub(crate) kind: Kind,
    /// Its value where none is given. `None`: there is none.
    pub(crate) default: Option<&'static str>,
    /// What it is for.
    pub(crate) about: &'static str,
}

const fn key(path: &'static str, kind: Kind, default: Option<&'static str>, about: &'static str) -> Key {
    Key { path, kind, default, about }
}

/// All keys, in the order in which they are documented.
pub(crate) const KEYS: &[Key] = &[
    key(
        "application_id",
        Kind::Text,
        Some("cxwatch"),
        "the consumer group, and the first part of the transactional ids; all processes of one deployment share it",
    ),
    key(
        "instance_id",
        Kind::Text,
        None,
        "tells the processes of one deployment apart and stays the same over a restart; default: the host's name",
    ),
    key("rulebook", Kind::Path, None, "the rulebook; required"),
    key(
        "threads",
        Kind::Whole(1, 64),
        Some("1"),
        "stream threads of this process; more than partitions are idle",
    ),
    key(
        "kafka.bootstrap",
        Kind::Text,
        None,
        "brokers to ask first, `host:port`, separated by commas; required",
    ),
    key(
        "kafka.static_membership",
        Kind::Bool,
        Some("false"),
        "join the group under a fixed name (`group.instance.id`), so that a restart within the session time-out moves no partitions",
    ),
    key("kafka.properties.*", Kind::Property, None, "any property of librdkafka by its own name"),
    key(
        "feeds.*.topic",
        Kind::Text,
        None,
        "the topic to read; default: the feed's name (of `outcomes`: cx.outcomes.v1)",
    ),
    key(
        "feeds.*.reorder",
        Kind::Duration,
        Some("1s"),
        "how far apart two events may arrive in the wrong order",
    ),
    key(
        "feeds.*.max_delay",
        Kind::Duration,
        Some("3s"),
        "how long after it happened an event may still arrive; at least `reorder`",
    ),
    key(
        "feeds.*.expect",
        Kind::Duration,
        None,
        "how long the whole topic may stand still before the feed is called blind; without it only heartbeats tell",
    ),
    key(
        "feeds.*.expect_calendar",
        Kind::Text,
        None,
        "a calendar of the rulebook: only while it is open does time count for `expect`",
    ),
    key("feeds.*.mapping", Kind::Path, None, "a mapping file, if the records are not in our own form"),
    key("topics.actions", Kind::Text, Some("cx.actions.v1"), "where actions go"),
    key(
        "topics.suppressions",
        Kind::Text,
        Some("cx.suppressions.v1"),
        "where candidates that led to no action go",
    ),
    key("topics.incidents", Kind::Text, Some("cx.incidents.v1"), "where incidents go"),
    key("topics.dead_letters", Kind::Text, Some("cx.dead-letters.v1"), "where rejected records go"),
    key("topics.journal", Kind::Text, Some("cx.journal.v1"), "the journal"),
    key(
        "topics.control",
        Kind::Text,
        Some("cx.control.v1"),
        "what `cxwatch pause` has stopped; one partition, compacted",
    ),
    key(
        "topics.partitions",
        Kind::Whole(1, 10_000),
        None,
        "partitions of topics that `topics create` makes; default: those of the feeds that exist, else 8",
    ),
    key(
        "topics.replication",
        Kind::Whole(-1, 32_767),
        Some("-1"),
        "copies of topics that `topics create` makes; -1 leaves it to the broker",
    ),
    key(
        "topics.retention",
        Kind::Duration,
        Some("7d"),
        "how long actions, suppressions, incidents and dead letters are kept in topics that `topics create` makes",
    ),
    key("start.read_from", Kind::ReadFrom, None, "where the very first start begins to read; asked for then"),
    key(
        "start.act_from",
        Kind::ActFrom,
        None,
        "detections older than this build state but lead to no action; asked for at the very first start",
    ),
    key(
        "time.late_horizon",
        Kind::Duration,
        Some("10m"),
        "how late an event may come and still be put right; the longest outage that must heal",
    ),
    key("time.max_future", Kind::Duration, Some("5m"), "how far ahead of the clock an event's time may lie"),
    key(
        "time.dedupe_for",
        Kind::Duration,
        Some("2m"),
        "how long an event's id is remembered to recognize a duplicate",
    ),
    key(
        "time.blind_after",
        Kind::Duration,
        Some("30s"),
        "how long a feed may give neither record nor proof before it is called blind",
    ),
    key(
        "commit_interval",
        Kind::Duration,
        Some("100ms"),
        "how often a stream thread commits while it has something to commit",
    ),
    key(
        "snapshot_every",
        Kind::Duration,
        Some("60s"),
        "how often a task's whole state is written to the journal; a restore reads about two of these intervals again",
    ),
    key(
        "limits.buffered_events_max",
        Kind::Whole(1_000, 100_000_000),
        Some("1000000"),
        "events in a task's reorder buffer",
    ),
    key(
        "limits.remembered_events_max",
        Kind::Whole(1, 1_000_000),
        Some("512"),
        "events remembered per rule and customer",
    ),
    key("limits.episodes_max", Kind::Whole(1, 1_000_000), Some("256"), "open episodes per rule and customer"),
    key(
        "limits.window_events_max",
        Kind::Whole(1, 1_000_000),
        Some("1000"),
        "events in one window of a count",
    ),
    key(
        "limits.dedupe_ids_max",
        Kind::Whole(1, 1_000_000),
        Some("1024"),
        "event ids remembered per customer",
    ),
    key(
        "limits.unpacked_customers_max",
        Kind::Whole(1, 1_000_000_000),
        Some("262144"),
        "customers of a task whose state lies ready; that of those who have not come for longer lies packed, in a fraction of the memory",
    ),
    key(
        "dead_letters.original",
        Kind::OneOf(&["bytes", "headers"]),
        Some("bytes"),
        "keep the rejected record's bytes, or its headers only",
    ),
    key(
        "dead_letters.rejected_in_a_row_max",
        Kind::Whole(1, 4_000_000_000),
        Some("1000"),
        "more records of a feed than this rejected in a row stop the process: rather that than a whole feed among the dead letters",
    ),
    key("admin.listen", Kind::Address, Some("127.0.0.1:9464"), "where metrics and health are served"),
    key(
        "admin.advertised",
        Kind::Text,
        None,
        "where others reach the admin port, `host:port` or a URL; default: `admin.listen`, with the host that the brokers see where that is any address",
    ),
    key(
        "admin.token",
        Kind::Secret,
        None,
        "asked for as `Authorization: Bearer ...`; required where the address is not loopback",
    ),
    key("log.format", Kind::OneOf(&["text", "json"]), Some("text"), "log lines for people or for machines"),
    key(
        "log.level",
        Kind::Text,
        Some("info"),
        "`error`, `warn`, `info`, `debug`, `trace`, or directives like `info,cxwatch_kafka=debug`",
    ),
];

/// All keys as a table in Markdown: what `run --keys` prints and docs/configuration.md holds.
pub(crate) fn table() -> String {
    let mut text = "| key | value | default | what it is for |\n| --- | --- | --- | --- |\n".to_owned();
    for key in KEYS {
        let name = key.path.replace('*', "NAME");
        let default = key.default.map_or("-".to_owned(), |default| format!("`{default}`"));
        text.push_str(&format!("| `{name}` | {} | {default} | {} |\n", key.kind.words(), key.about));
    }
    text
}

/// The key that a path belongs to.
pub(crate) fn find(path: &[String]) -> Option<&'static Key> {
    KEYS.iter().find(|key| {
        let mut parts = key.path.split('.');
        path.iter().all(|part| parts.next().is_some_and(|known| known == "*" || known == part))
            && parts.next().is_none()
    })
}

/// What may stand below a path: the next parts of all keys that begin with it, in order, each once.
pub(crate) fn below(path: &[String]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for key in KEYS {
        let mut parts = key.path.split('.');
        let begins = path.iter().all(|part| parts.next().is_some_and(|known| known == "*" || known == part));
        if begins
            && let Some(next) = parts.next()
            && !found.contains(&next)
        {
            found.push(next);
        }
    }
    found
}

/// Client properties whose values are never shown: whatever holds a password, a key or a token.
pub(crate) fn is_secret_property(name: &str) -> bool {
    ["password", "secret", "token", ".pem", "oauthbearer.config", "ssl_key"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn names_of_the_operators_choice_are_found() {
        assert_eq!(find(&path("feeds.contact-center.topic")).map(|k| k.path), Some("feeds.*.topic"));
        assert_eq!(find(&path("feeds.web")).map(|k| k.path), None);
        assert_eq!(find(&path("feeds.web.topic.x")).map(|k| k.path), None);
        let property = vec!["kafka".to_owned(), "properties".to_owned(), "sasl.password".to_owned()];
        assert_eq!(find(&property).map(|k| k.path), Some("kafka.properties.*"));
        assert_eq!(below(&path("start")), ["read_from", "act_from"]);
        assert_eq!(below(&path("feeds")), ["*"]);
    }

    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../../docs/configuration.md");
        for line in table().lines() {
            assert!(
                page.contains(line),
                "docs/configuration.md lacks this line (`cxwatch run --keys` prints all): {line}"
            );
        }
    }

    #[test]
    fn properties_that_hold_secrets_are_known() {
        for name in [
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "ssl.keystore.password",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.config",
        ] {
            assert!(is_secret_property(name), "{name}");
        }
        for name in ["sasl.username", "ssl.ca.location", "security.protocol"] {
            assert!(!is_secret_property(name), "{name}");
        }
    }
}
