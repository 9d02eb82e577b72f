//! What a scenario plays on: a broker, topics of its own, settings files, and processes that read them.

use crate::client::{self, Kept, PARTITIONS};
use crate::kafka_server::KafkaServer;
use crate::program::{self, Service};
use cxwatch_rulebook::Rulebook;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The feeds, in the order of their names.
pub(crate) const FEEDS: [&str; 4] = ["contact-center", "social", "transaction", "web"];

/// How far apart two events of a feed may arrive in the wrong order.
pub(crate) const REORDER_MS: i64 = 1_000;
/// How long after it happened an event may arrive.
pub(crate) const MAX_DELAY_MS: i64 = 3_000;
/// So long after its last heartbeat a process has left the group.
pub(crate) const SESSION_MS: u64 = 3_000;
/// So long a transaction may stay open.
pub(crate) const TRANSACTION_MS: u64 = 10_000;

/// The time of arrival is the broker's, so that the suite can tell what came late.
pub(crate) const BROKER: [&str; 1] = ["log.message.timestamp.type=LogAppendTime"];

/// A broker that the tests share; `None`, loudly, where there can be none.
pub(crate) fn broker() -> Option<Arc<KafkaServer>> {
    use std::sync::{Mutex, PoisonError, Weak};
    static SHARED: Mutex<Weak<KafkaServer>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(KafkaServer::start_or_skip(&BROKER)?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// See the module.
pub(crate) struct Stage {
    name: &'static str,
    bootstrap: String,
    folder: Option<TempDir>,
    /// The stage whose feeds are read, where they are not its own.
    feeds_of: &'static str,
    pub(crate) book: Arc<Rulebook>,
    pub(crate) snapshot_every: String,
    threads: usize,
    static_membership: bool,
    /// Whom the program says it is, and the password.
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// The feed whose records are foreign, where there is one.
    mapped: Option<&'static str>,
}

impl Stage {
    /// A stage with the topics made by the program itself.
    pub(crate) fn new(name: &'static str, bootstrap: &str, rulebook: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("cxwatch-suite-").tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("rules.yaml"), rulebook).expect("written");
        let (book, _) =
            cxwatch_rulebook::compile(rulebook, "rules.yaml").expect("the suite's rulebook is right");
        Stage {
            name,
            bootstrap: bootstrap.to_owned(),
            folder: Some(folder),
            feeds_of: name,
            book: Arc::new(book),
            snapshot_every: "3s".to_owned(),
            threads: 2,
            static_membership: false,
            login: None,
            mapped: None,
        }
    }

    /// A restart within the session moves no partitions.
    pub(crate) fn with_static_membership(mut self) -> Self {
        self.static_membership = true;
        self
    }

    /// It reads another one's feeds.
    pub(crate) fn reading(mut self, other: &'static str) -> Self {
        self.feeds_of = other;
        self
    }

    /// One stream thread does it all.
    pub(crate) fn with_one_thread(mut self) -> Self {
        self.threads = 1;
        self
    }

    /// Processes started from now on have this rulebook.
    pub(crate) fn change_rulebook(&mut self, rulebook: &str) {
        std::fs::write(self.path("rules.yaml"), rulebook).expect("written");
        let (book, _) =
            cxwatch_rulebook::compile(rulebook, "rules.yaml").expect("the suite's rulebook is right");
        self.book = Arc::new(book);
    }

    /// Processes started from now on read a feed's records by this mapping.
    pub(crate) fn map(&mut self, feed: &'static str, mapping: &str) {
        std::fs::write(self.path("mapping.yaml"), mapping).expect("written");
        self.mapped = Some(feed);
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A topic of this stage.
    pub(crate) fn topic(&self, stem: &str) -> String {
        format!("{}.{stem}", self.name)
    }

    /// Writes what the topics hold beside the logs, for whoever looks for the cause of a failure: the broker goes with it.
    pub(crate) fn keep_topics(&self) {
        for stem in FEEDS.iter().chain(&["actions", "suppressions", "dead-letters"]) {
            let mut lines = Vec::new();
            for kept in self.read(stem) {
                let place = format!("{}/{} at {} ", kept.partition, kept.offset, kept.appended_at);
                lines.extend_from_slice(place.as_bytes());
                lines.extend_from_slice(&kept.value);
                lines.push(b'\n');
            }
            std::fs::write(self.path(&format!("{stem}.txt")), lines).expect("the folder is there");
        }
    }

    /// Everything committed in a topic of this stage.
    pub(crate) fn read(&self, stem: &str) -> Vec<Kept> {
        client::read(&self.bootstrap, &self.topic(stem))
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.as_ref().expect("until dropped").path().join(file)
    }

    /// The settings of one process.
    pub(crate) fn config(&self, instance: &str) -> (PathBuf, SocketAddr) {
        let admin = program::free_address();
        let mut text = format!(
            "application_id: {name}\ninstance_id: {instance}\nrulebook: rules.yaml\nthreads: {threads}\n\
             kafka:\n  bootstrap: \"{bootstrap}\"\n  static_membership: {member}\n  properties:\n    \
             session.timeout.ms: {SESSION_MS}\n    heartbeat.interval.ms: 300\n    transaction.timeout.ms: {TRANSACTION_MS}\n    \
             socket.timeout.ms: 5000\n    message.timeout.ms: 8000\n\
             start: {{ read_from: earliest, act_from: earliest }}\nsnapshot_every: {snapshots}\nadmin: {{ listen: \"{admin}\" }}\n",
            name = self.name,
            threads = self.threads,
            snapshots = self.snapshot_every,
            bootstrap = self.bootstrap,
            member = self.static_membership,
        );
        if let Some((user, password)) = self.login {
            let properties = format!(
                "\n    security.protocol: SASL_PLAINTEXT\n    sasl.mechanism: PLAIN\n    sasl.username: {user}\n    sasl.password: {password}"
            );
            text = text.replacen("\n  properties:", &format!("\n  properties:{properties}"), 1);
        }
        text.push_str("feeds:\n");
        for feed in &self.book.feeds {
            let mapping = if self.mapped == Some(feed) { ", mapping: mapping.yaml" } else { "" };
            let _ = writeln!(
                text,
                "  {feed}: {{ topic: {}.{feed}, reorder: {REORDER_MS}ms, max_delay: {MAX_DELAY_MS}ms{mapping} }}",
                self.feeds_of
            );
        }
        let _ = writeln!(text, "topics:\n  partitions: {PARTITIONS}\n  replication: 1");
        for (key, stem) in [
            ("actions", "actions"),
            ("suppressions", "suppressions"),
            ("incidents", "incidents"),
            ("dead_letters", "dead-letters"),
            ("journal", "journal"),
            ("control", "control"),
        ] {
            let _ = writeln!(text, "  {key}: {}", self.topic(stem));
        }
        let path = self.path(&format!("{instance}.yaml"));
        std::fs::write(&path, text).expect("written");
        (path, admin)
    }

    /// Makes the topics, by the program's own command.
    pub(crate) fn make_topics(&self) {
        self.expect_topics("created");
    }

    /// The same beside another one's feeds, which are there.
    pub(crate) fn make_topics_beside(&self) {
        let (config, _) = self.config("topics");
        let mut command = program::command(&["topics", "create", "--config"]);
        command.arg(&config);
        let said = program::finish(command);
        assert_eq!(said.lines().filter(|line| line.starts_with("created")).count(), 6, "{said}");
    }

    /// Runs `topics create`, which must say this of every topic.
    pub(crate) fn expect_topics(&self, expected: &str) {
        let (config, _) = self.config("topics");
        let mut command = program::command(&["topics", "create", "--config"]);
        command.arg(&config);
        let said = program::finish(command);
        assert_eq!(said.lines().count(), self.book.feeds.len() + 6, "{said}");
        assert!(said.lines().all(|line| line.starts_with(expected)), "expected {expected}:\n{said}");
    }

    /// Starts a process.
    pub(crate) fn start(&self, instance: &str) -> Service {
        self.start_with(instance, &[])
    }

    /// Starts a process with more arguments.
    pub(crate) fn start_with(&self, instance: &str, arguments: &[&str]) -> Service {
        let (config, admin) = self.config(instance);
        Service::start(&config, arguments, admin, &self.path(&format!("{instance}.log")))
    }

    /// Starts a process that has all tasks before this returns.
    pub(crate) fn start_alone(&self, instance: &str) -> Service {
        let service = self.start(instance);
        wait_for("all tasks run", Duration::from_secs(60), || service.works(PARTITIONS));
        service
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("{}: settings, rulebook and logs are kept in {}", self.name, folder.keep().display());
        }
    }
}

/// Looks until it holds.
///
/// # Panics
/// If it takes longer than `at_most`.
pub(crate) fn wait_for(what: &str, at_most: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + at_most;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {at_most:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The wall clock, in milliseconds.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time of our days")
}
