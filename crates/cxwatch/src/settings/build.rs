//! From checked values to [`Settings`], and what no single value can tell.

use super::keys::is_secret_property;
use super::layer::variable_of;
use super::{
    AdminSettings, Complaint, DeadLetterSettings, FeedSettings, Given, KafkaSettings, LogSettings, Moment,
    Settings, StartSettings, TimeSettings, TopicSettings, Values,
};
use cxwatch_event::{Millis, rfc3339};
use cxwatch_rulebook::yaml::parse_duration;
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// The names of the feeds in a layer.
pub(super) fn feed_names(values: &Values) -> Vec<String> {
    let mut names: Vec<String> = values
        .keys()
        .filter(|path| path.len() > 1 && path[0] == "feeds")
        .map(|path| path[1].clone())
        .collect();
    names.dedup();
    names
}

/// Client properties that are ours to set, with the key to use instead.
const OURS: [(&str, &str); 4] = [
    ("bootstrap.servers", "kafka.bootstrap"),
    ("group.id", "application_id"),
    ("group.instance.id", "kafka.static_membership"),
    ("transactional.id", "application_id"),
];

/// The values with a file's name, to find paths that count from its folder.
struct Effective<'a> {
    file: &'a str,
    values: &'a Values,
}

impl Effective<'_> {
    fn given(&self, path: &[&str]) -> Option<&Given> {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        self.values.get(&path)
    }

    fn text(&self, path: &[&str]) -> Option<String> {
        self.given(path).map(|given| given.text.clone())
    }

    fn read<T>(&self, path: &[&str], parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.given(path).and_then(|given| parse(&given.text))
    }

    fn path(&self, path: &[&str]) -> Option<PathBuf> {
        let given = self.given(path)?;
        let in_file = given.origin.strip_prefix(self.file).is_some_and(|rest| rest.starts_with(':'));
        let folder = if in_file { Path::new(self.file).parent() } else { None };
        Some(folder.unwrap_or(Path::new("")).join(&given.text))
    }

    fn origin(&self, path: &[&str]) -> String {
        self.given(path).map_or_else(|| self.file.to_owned(), |given| given.origin.clone())
    }

    /// A value that must be given.
    fn need(&self, path: &[&str], example: &str, complaints: &mut Vec<Complaint>) {
        if self.given(path).is_none() {
            let name = path.join(".");
            complaints.push(
                Complaint::error(self.file, format!("`{name}` is not set"))
                    .expected(format!("`{example}`, or the variable {}", variable_of(&name))),
            );
        }
    }
}

fn duration(text: &str) -> Option<Millis> {
    parse_duration(text).ok()
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn moment(text: &str) -> Option<Moment> {
    match text {
        "earliest" => Some(Moment::Earliest),
        "now" | "latest" => Some(Moment::Now),
        _ => duration(text).map(Moment::Ago).or_else(|| rfc3339::parse(text).map(Moment::At)),
    }
}

/// `None` where something is missing or wrong, which is then among the complaints.
pub(super) fn build(
    file: &str,
    values: Values,
    host: &str,
    feeds: &[String],
    complaints: &mut Vec<Complaint>,
) -> Option<Settings> {
    let at = Effective { file, values: &values };
    at.need(&["rulebook"], "rulebook: rules.yaml", complaints);
    at.need(&["kafka", "bootstrap"], "kafka: { bootstrap: \"localhost:9092\" }", complaints);
    let settings = assemble(&at, host, feeds)?;
    check_feeds(&at, &settings, complaints);
    check_topics(&at, &settings, complaints);
    check_kafka(&at, complaints);
    check_admin(&at, &settings, complaints);
    check_rest(&at, &settings, complaints);
    Some(Settings { values, ..settings })
}

fn assemble(at: &Effective, host: &str, feeds: &[String]) -> Option<Settings> {
    let mut properties: std::collections::BTreeMap<String, String> = at
        .values
        .iter()
        .filter(|(path, _)| path.len() == 3 && path[0] == "kafka" && path[1] == "properties")
        .map(|(path, given)| (path[2].clone(), given.text.clone()))
        .collect();
    let bootstrap = at.text(&["kafka", "bootstrap"]).unwrap_or_default();
    properties.insert("bootstrap.servers".to_owned(), bootstrap.clone());
    let feeds = feeds.iter().map(|name| Some((name.clone(), feed(at, name)?))).collect::<Option<_>>()?;
    Some(Settings {
        application_id: at.text(&["application_id"])?,
        instance_id: at.text(&["instance_id"]).unwrap_or_else(|| host.to_owned()),
        rulebook: at.path(&["rulebook"]).unwrap_or_default(),
        threads: at.read(&["threads"], number)?,
        kafka: KafkaSettings {
            bootstrap,
            static_membership: at.read(&["kafka", "static_membership"], number)?,
            properties,
        },
        feeds,
        topics: TopicSettings {
            actions: at.text(&["topics", "actions"])?,
            suppressions: at.text(&["topics", "suppressions"])?,
            incidents: at.text(&["topics", "incidents"])?,
            dead_letters: at.text(&["topics", "dead_letters"])?,
            journal: at.text(&["topics", "journal"])?,
            control: at.text(&["topics", "control"])?,
            partitions: at.read(&["topics", "partitions"], number),
            replication: at.read(&["topics", "replication"], number)?,
            retention_ms: at.read(&["topics", "retention"], duration)?,
        },
        start: StartSettings {
            read_from: at.read(&["start", "read_from"], moment),
            act_from: at.read(&["start", "act_from"], moment),
        },
        time: TimeSettings {
            late_horizon_ms: at.read(&["time", "late_horizon"], duration)?,
            max_future_ms: at.read(&["time", "max_future"], duration)?,
            dedupe_for_ms: at.read(&["time", "dedupe_for"], duration)?,
            blind_after_ms: at.read(&["time", "blind_after"], duration)?,
        },
        commit_interval_ms: at.read(&["commit_interval"], duration)?,
        snapshot_every_ms: at.read(&["snapshot_every"], duration)?,
        limits: cxwatch_engine::Limits {
            buffered_events_max: at.read(&["limits", "buffered_events_max"], number)?,
            remembered_events_max: at.read(&["limits", "remembered_events_max"], number)?,
            episodes_max: at.read(&["limits", "episodes_max"], number)?,
            window_events_max: at.read(&["limits", "window_events_max"], number)?,
            dedupe_ids_max: at.read(&["limits", "dedupe_ids_max"], number)?,
            unpacked_customers_max: at.read(&["limits", "unpacked_customers_max"], number)?,
        },
        dead_letters: DeadLetterSettings {
            original_bytes: at.text(&["dead_letters", "original"])? == "bytes",
            rejected_in_a_row_max: at.read(&["dead_letters", "rejected_in_a_row_max"], number)?,
        },
        admin: AdminSettings {
            listen: at.read(&["admin", "listen"], number)?,
            advertised: at.text(&["admin", "advertised"]),
            token: at.text(&["admin", "token"]).map(SecretString::from),
        },
        log: LogSettings { json: at.text(&["log", "format"])? == "json", level: at.text(&["log", "level"])? },
        values: Values::new(),
    })
}

fn feed(at: &Effective, name: &str) -> Option<FeedSettings> {
    Some(FeedSettings {
        topic: at.text(&["feeds", name, "topic"]).unwrap_or_else(|| FeedSettings::topic_of(name).to_owned()),
        reorder_ms: at.read(&["feeds", name, "reorder"], duration)?,
        max_delay_ms: at.read(&["feeds", name, "max_delay"], duration)?,
        expect_ms: at.read(&["feeds", name, "expect"], duration),
        expect_calendar: at.text(&["feeds", name, "expect_calendar"]),
        mapping: at.path(&["feeds", name, "mapping"]),
    })
}

fn check_feeds(at: &Effective, settings: &Settings, complaints: &mut Vec<Complaint>) {
    for (name, feed) in &settings.feeds {
        if feed.max_delay_ms < feed.reorder_ms {
            let origin = ["max_delay", "reorder"]
                .into_iter()
                .map(|key| at.origin(&["feeds", name, key]))
                .find(|origin| origin != "default")
                .unwrap_or_else(|| at.file.to_owned());
            complaints.push(
                Complaint::error(
                    origin,
                    format!(
                        "`max_delay` of feed {name} ({} ms) is less than its `reorder` ({} ms)",
                        feed.max_delay_ms, feed.reorder_ms
                    ),
                )
                .expected("at least as much: an event that is out of order is also late"),
            );
        }
        if feed.expect_calendar.is_some() && at.given(&["feeds", name, "expect"]).is_none() {
            complaints.push(
                Complaint::error(
                    at.origin(&["feeds", name, "expect_calendar"]),
                    format!(
                        "`expect_calendar` of feed {name} says when silence counts, but not how much of it"
                    ),
                )
                .expected("`expect` with it, like `expect: 10m`"),
            );
        }
    }
}

/// A topic has one use: what is written must not come in again, and a topic read as two feeds would count twice.
fn check_topics(at: &Effective, settings: &Settings, complaints: &mut Vec<Complaint>) {
    let topics = &settings.topics;
    let mut uses: Vec<(&str, Vec<&str>)> = settings
        .feeds
        .iter()
        .map(|(name, feed)| (feed.topic.as_str(), vec!["feeds", name.as_str(), "topic"]))
        .collect();
    uses.extend([
        (topics.actions.as_str(), vec!["topics", "actions"]),
        (topics.suppressions.as_str(), vec!["topics", "suppressions"]),
        (topics.incidents.as_str(), vec!["topics", "incidents"]),
        (topics.dead_letters.as_str(), vec!["topics", "dead_letters"]),
        (topics.journal.as_str(), vec!["topics", "journal"]),
        (topics.control.as_str(), vec!["topics", "control"]),
    ]);
    for (index, (topic, path)) in uses.iter().enumerate() {
        let name = path.join(".");
        if let Some((_, earlier)) = uses[..index].iter().find(|(other, _)| other == topic) {
            let message = format!("`{name}` is the topic {topic}, which `{}` is already", earlier.join("."));
            let origin = Some(at.origin(path)).filter(|origin| origin != "default");
            let origin = origin.unwrap_or_else(|| at.origin(earlier));
            complaints.push(Complaint::error(origin, message).expected("a topic of its own for each"));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if topic.is_empty()
            || topic.len() > 249
            || *topic == "."
            || *topic == ".."
            || !topic.chars().all(legal)
        {
            complaints.push(
                Complaint::error(at.origin(path), format!("`{topic}` cannot be the name of a topic"))
                    .expected("up to 249 letters, digits, `.`, `_` and `-`"),
            );
        }
    }
}

fn check_kafka(at: &Effective, complaints: &mut Vec<Complaint>) {
    for (name, instead) in OURS {
        let path = ["kafka", "properties", name];
        if let Some(given) = at.given(&path) {
            complaints.push(
                Complaint::error(
                    &given.origin,
                    format!("the client property `{name}` is set by cxwatch itself"),
                )
                .expected(format!("`{instead}` instead of it")),
            );
        }
    }
    // Against Apache Kafka 4 a process ended when a second one joined: a partition that it kept was read at an offset that
    // the broker does not have.
    let protocol = at.given(&["kafka", "properties", "group.protocol"]);
    if let Some(given) = protocol.filter(|given| given.text != "classic") {
        let message = format!(
            "the group protocol `{}` cannot be used: tasks move whole, with all their feeds, by the classic one",
            given.text
        );
        complaints
            .push(Complaint::error(&given.origin, message).expected("no `group.protocol`, or `classic`"));
    }
    if at.text(&["kafka", "bootstrap"]).is_some_and(|text| text.split(',').any(|host| host.trim().is_empty()))
    {
        complaints.push(
            Complaint::error(
                at.origin(&["kafka", "bootstrap"]),
                "`kafka.bootstrap` lacks the name of a broker",
            )
            .expected("`host:port`, several separated by commas"),
        );
    }
    let password_in_bootstrap = at.text(&["kafka", "bootstrap"]).is_some_and(|text| text.contains('@'));
    if password_in_bootstrap {
        let origin = at.origin(&["kafka", "bootstrap"]);
        complaints.push(
            Complaint::error(origin, "`kafka.bootstrap` has an `@` in it")
                .expected("`host:port`, with user and password in `kafka.properties`"),
        );
    }
    for (path, given) in at.values {
        if path.len() == 3
            && path[1] == "properties"
            && is_secret_property(&path[2])
            && given.origin.starts_with(at.file)
        {
            complaints.push(Complaint {
                error: false,
                ..Complaint::error(&given.origin, format!("`{}` is a secret in a file", path[2])).expected(
                    format!(
                        "the variable {}{}",
                        variable_of("kafka.properties."),
                        path[2].replace('.', "_").to_uppercase()
                    ),
                )
            });
        }
    }
}

fn check_admin(at: &Effective, settings: &Settings, complaints: &mut Vec<Complaint>) {
    let listen = settings.admin.listen;
    if !listen.ip().is_loopback() && settings.admin.token.is_none() {
        let message = format!("the admin server would be open to everybody who reaches {listen}");
        complaints.push(
            Complaint::error(at.origin(&["admin", "listen"]), message)
                .expected("a loopback address, or the variable CXWATCH_ADMIN__TOKEN"),
        );
    }
    if let Some(text) = settings.admin.advertised.as_deref().filter(|text| !is_address(text)) {
        let message = format!("`{text}` is no address at which others could ask");
        complaints.push(
            Complaint::error(at.origin(&["admin", "advertised"]), message)
                .expected("`host:port`, or a URL like `https://cxwatch-1.example`, without a path"),
        );
    }
}

/// `host:port`, or `http://host` or `https://host` with or without a port.
fn is_address(text: &str) -> bool {
    let bare = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let (host, port) = match bare.unwrap_or(text).rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (bare.unwrap_or(text), None),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "._-[]:".contains(c);
    let port_fits = port.map_or(bare.is_some(), |port| port.parse::<u16>().is_ok_and(|port| port > 0));
    !host.is_empty() && host.len() <= 253 && host.chars().all(is_host) && port_fits
}

fn check_rest(at: &Effective, settings: &Settings, complaints: &mut Vec<Complaint>) {
    let positive = |path: &[&str], ms: Millis, least: Millis| {
        (ms < least).then(|| {
            let message = format!("`{}` is {ms} ms", path.join("."));
            Complaint::error(at.origin(path), message).expected(format!("at least {least} ms"))
        })
    };
    complaints.extend(positive(&["commit_interval"], settings.commit_interval_ms, 10));
    complaints.extend(positive(&["snapshot_every"], settings.snapshot_every_ms, 1_000));
    complaints.extend(positive(&["time", "blind_after"], settings.time.blind_after_ms, 1_000));
    complaints.extend(positive(&["topics", "retention"], settings.topics.retention_ms, 60_000));
    for (name, feed) in &settings.feeds {
        if let Some(ms) = feed.expect_ms {
            complaints.extend(positive(&["feeds", name, "expect"], ms, 1_000));
        }
    }
    let level = &settings.log.level;
    let wrong = match level.parse::<tracing_subscriber::EnvFilter>() {
        Err(error) => Some(error.to_string()),
        // A word alone would name a part of the program, and silence all others.
        Ok(_) => level
            .split(',')
            .map(str::trim)
            .find(|word| {
                !word.contains(['=', '[']) && word.parse::<tracing::level_filters::LevelFilter>().is_err()
            })
            .map(|word| format!("{word} is not a level")),
    };
    if let Some(error) = wrong {
        let message = format!("`{level}` says nothing about logging: {error}");
        complaints.push(Complaint::error(at.origin(&["log", "level"]), message).expected(
            "`error`, `warn`, `info`, `debug`, `trace`, or directives like `info,cxwatch_kafka=debug`",
        ));
    }
    for key in ["application_id", "instance_id"] {
        let wrong = at.text(&[key]).filter(|text| {
            text.is_empty()
                || text.len() > 100
                || !text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        });
        if let Some(text) = wrong {
            complaints.push(
                Complaint::error(at.origin(&[key]), format!("`{text}` cannot be the `{key}`"))
                    .expected("up to 100 letters, digits, `.`, `_` and `-`"),
            );
        }
    }
}
