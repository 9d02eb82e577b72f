//! Settings of the service: a YAML file, and the environment over it.
//!
//! [`load`] names every problem at once, each with the place it comes from. `cxwatch run --check` shows what holds
//! and where it comes from, without secrets ([`Settings::show`]).

mod build;
pub(crate) mod keys;
mod layer;
mod show;

use cxwatch_event::Millis;
use cxwatch_rulebook::yaml::{Problem, Severity};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(crate) use layer::{Given, Values};

/// What is wrong with a setting, or doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Where it was set: `run.yaml:3:12`, or the name of a variable.
    pub(crate) at: String,
    /// Whether the settings cannot be used; else it is a warning.
    pub(crate) error: bool,
    /// What is wrong.
    pub(crate) message: String,
    /// What would be right.
    pub(crate) expected: Option<String>,
    /// What to write instead.
    pub(crate) suggestion: Option<String>,
}

impl Complaint {
    fn error(at: impl Into<String>, message: impl Into<String>) -> Self {
        Complaint { at: at.into(), error: true, message: message.into(), expected: None, suggestion: None }
    }

    fn expected(self, expected: impl Into<String>) -> Self {
        Complaint { expected: Some(expected.into()), ..self }
    }

    /// The same without what was written.
    fn without_value(self) -> Self {
        Complaint { message: "this value cannot be used".to_owned(), suggestion: None, ..self }
    }
}

impl From<Problem> for Complaint {
    fn from(problem: Problem) -> Self {
        let Problem { severity, file, place, message, expected, suggestion } = problem;
        let at = if place.line == 0 {
            file.to_string()
        } else {
            format!("{file}:{}:{}", place.line, place.column)
        };
        Complaint { at, error: severity == Severity::Error, message, expected, suggestion }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.error { "error" } else { "warning" };
        write!(f, "{}: {severity}: {}", self.at, self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; write `{suggestion}`?")?;
        }
        Ok(())
    }
}

/// Everything that governs a process of the service.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Consumer group, and the first part of the transactional ids.
    pub(crate) application_id: String,
    /// This process among those of the application.
    pub(crate) instance_id: String,
    /// The rulebook's file.
    pub(crate) rulebook: PathBuf,
    /// How many stream threads.
    pub(crate) threads: usize,
    /// How to reach the brokers.
    pub(crate) kafka: KafkaSettings,
    /// The feeds by name.
    pub(crate) feeds: BTreeMap<String, FeedSettings>,
    /// The topics that are written.
    pub(crate) topics: TopicSettings,
    /// Where the first start begins.
    pub(crate) start: StartSettings,
    /// How time is judged.
    pub(crate) time: TimeSettings,
    /// How often a thread commits, in milliseconds.
    pub(crate) commit_interval_ms: Millis,
    /// How often a whole state is written, in milliseconds.
    pub(crate) snapshot_every_ms: Millis,
    /// What memory is bounded by.
    pub(crate) limits: cxwatch_engine::Limits,
    /// What is done with rejected records.
    pub(crate) dead_letters: DeadLetterSettings,
    /// The admin server.
    pub(crate) admin: AdminSettings,
    /// Logging.
    pub(crate) log: LogSettings,
    /// What holds and where it comes from.
    pub(crate) values: Values,
}

/// How to reach the brokers.
#[derive(Clone)]
pub(crate) struct KafkaSettings {
    /// `host:port`, separated by commas.
    pub(crate) bootstrap: String,
    /// Join the group under a fixed name.
    pub(crate) static_membership: bool,
    /// Client properties, `bootstrap.servers` among them. May hold secrets.
    pub(crate) properties: BTreeMap<String, String>,
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: BTreeMap<&str, &str> = self
            .properties
            .iter()
            .map(|(name, value)| (name.as_str(), if keys::is_secret_property(name) { "***" } else { value }))
            .collect();
        f.debug_struct("KafkaSettings")
            .field("bootstrap", &self.bootstrap)
            .field("static_membership", &self.static_membership)
            .field("properties", &shown)
            .finish()
    }
}

/// One feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedSettings {
    /// The topic.
    pub(crate) topic: String,
    /// How far apart two events may arrive in the wrong order, in milliseconds.
    pub(crate) reorder_ms: Millis,
    /// How long after it happened an event may still arrive, in milliseconds.
    pub(crate) max_delay_ms: Millis,
    /// How long the whole topic may stand still, in milliseconds.
    pub(crate) expect_ms: Option<Millis>,
    /// The calendar of the rulebook whose open time counts for that; without it all time does.
    pub(crate) expect_calendar: Option<String>,
    /// A mapping file.
    pub(crate) mapping: Option<PathBuf>,
}

impl FeedSettings {
    /// The topic of a feed of which nothing is said: its name, but for outcomes, which come back where actions go.
    pub(crate) fn topic_of(feed: &str) -> &str {
        if feed == cxwatch_event::builtin::OUTCOMES { "cx.outcomes.v1" } else { feed }
    }

    /// A feed that the settings do not name.
    pub(crate) fn of(name: &str) -> Self {
        let engine = cxwatch_engine::FeedSettings::default();
        FeedSettings {
            topic: FeedSettings::topic_of(name).to_owned(),
            reorder_ms: engine.reorder_ms,
            max_delay_ms: engine.max_delay_ms,
            expect_ms: None,
            expect_calendar: None,
            mapping: None,
        }
    }
}

/// The topics that are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    /// Actions.
    pub(crate) actions: String,
    /// Suppressions.
    pub(crate) suppressions: String,
    /// Incidents.
    pub(crate) incidents: String,
    /// Rejected records.
    pub(crate) dead_letters: String,
    /// The journal.
    pub(crate) journal: String,
    /// What operators have stopped.
    pub(crate) control: String,
    /// Partitions of new topics.
    pub(crate) partitions: Option<i32>,
    /// Copies of new topics; -1 leaves it to the broker.
    pub(crate) replication: i32,
    /// How long new output topics keep their records, in milliseconds.
    pub(crate) retention_ms: Millis,
}

/// A point to begin at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The very beginning.
    Earliest,
    /// This moment.
    Now,
    /// So many milliseconds before this moment.
    Ago(Millis),
    /// An instant.
    At(Millis),
}

impl Moment {
    /// The instant meant, if `now` is the present one. The beginning is before all instants.
    pub(crate) fn instant(self, now: Millis) -> Millis {
        match self {
            Moment::Earliest => Millis::MIN,
            Moment::Now => now,
            Moment::Ago(ms) => now.saturating_sub(ms),
            Moment::At(at) => at,
        }
    }
}

/// Where the first start begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartSettings {
    /// Where to begin to read.
    pub(crate) read_from: Option<Moment>,
    /// Since when detections lead to actions.
    pub(crate) act_from: Option<Moment>,
}

/// How time is judged. All in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeSettings {
    /// How late an event may come and still be put right.
    pub(crate) late_horizon_ms: Millis,
    /// How far ahead of the clock an event's time may lie.
    pub(crate) max_future_ms: Millis,
    /// How long an id is remembered.
    pub(crate) dedupe_for_ms: Millis,
    /// How long a feed may give neither record nor proof.
    pub(crate) blind_after_ms: Millis,
}

/// What is done with rejected records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeadLetterSettings {
    /// Keep the bytes; else headers only.
    pub(crate) original_bytes: bool,
    /// More rejected ones in a row than this stop the process.
    pub(crate) rejected_in_a_row_max: u32,
}

/// The admin server.
#[derive(Debug, Clone)]
pub(crate) struct AdminSettings {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where others reach it; where that is not set, the service says what it listens on.
    pub(crate) advertised: Option<String>,
    /// What it asks for.
    pub(crate) token: Option<SecretString>,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogSettings {
    /// JSON lines; else text.
    pub(crate) json: bool,
    /// A level or directives.
    pub(crate) level: String,
}

/// What reading the settings came to.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings, as far as they could be read. With an error among the complaints they are good for nothing but
    /// finding what else is wrong.
    pub(crate) settings: Option<Settings>,
    /// Every problem.
    pub(crate) complaints: Vec<Complaint>,
}

impl Loaded {
    /// How many errors there are.
    pub(crate) fn errors(&self) -> usize {
        self.complaints.iter().filter(|complaint| complaint.error).count()
    }

    /// The settings and warnings.
    ///
    /// # Errors
    /// Every problem, if one is an error.
    pub(crate) fn sound(self) -> Result<(Settings, Vec<Complaint>), Vec<Complaint>> {
        match (self.errors(), self.settings) {
            (0, Some(settings)) => Ok((settings, self.complaints)),
            _ => Err(self.complaints),
        }
    }

    fn nothing(complaint: Complaint) -> Self {
        Loaded { settings: None, complaints: vec![complaint] }
    }
}

/// Reads the file and the environment of this process.
pub(crate) fn load(path: &Path) -> Loaded {
    let name = path.display().to_string();
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return Loaded::nothing(
                Complaint::error(&name, format!("cannot be read: {error}"))
                    .expected("a settings file; docs/configuration.md has one to begin with"),
            );
        }
    };
    let text = match crate::cli::file::utf8(bytes) {
        Ok(text) => text,
        Err(wrong) => {
            let (place, what) = wrong.split_once(": ").unwrap_or_default();
            return Loaded::nothing(Complaint::error(format!("{name}:{place}"), what));
        }
    };
    // A variable that is not UTF-8 cannot be one of ours.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    read(&name, &text, variables, &host_name())
}

/// Reads settings from a file's text and variables.
pub(crate) fn read(
    file: &str,
    text: &str,
    variables: impl IntoIterator<Item = (String, String)>,
    host: &str,
) -> Loaded {
    let mut complaints = Vec::new();
    let Some((from_file, named)) = layer::from_file(file, text, &mut complaints) else {
        // What a file says that cannot be read nobody knows: nothing else can be called missing.
        return Loaded { settings: None, complaints };
    };
    let from_environment = layer::from_environment(variables, &named, &mut complaints);
    let mut feeds = build::feed_names(&from_environment);
    feeds.extend(named);
    feeds.sort();
    feeds.dedup();
    let merged = layer::merge(&[layer::defaults(&feeds), from_file, from_environment]);
    let settings = match merged {
        Ok(values) => build::build(file, values, host, &feeds, &mut complaints),
        Err(error) => {
            complaints.push(Complaint::error(file, error.to_string()));
            None
        }
    };
    Loaded { settings, complaints }
}

/// The host's name: in a container its id, in a Kubernetes pod the pod's name.
fn host_name() -> String {
    let file = || {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .or_else(|_| std::fs::read_to_string("/etc/hostname"))
    };
    std::env::var("HOSTNAME")
        .ok()
        .or_else(|| file().ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests;
