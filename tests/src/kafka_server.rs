//! An Apache Kafka of a test's own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

/// The script's exit code where a program that it needs is missing.
const MISSING: i32 = 4;

/// One broker in a temporary folder; ends with this value.
pub struct KafkaServer {
    folder: TempDir,
    bootstrap: String,
    /// Further arguments of every start.
    arguments: Vec<String>,
}

impl KafkaServer {
    /// Whether a broker can be started here, and if not, why.
    pub fn available() -> Result<(), String> {
        // The script knows what is missing: Maven only until the jars are there.
        let output = Command::new(script()).arg("fetch").output().expect("the script can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => Ok(()),
            Some(MISSING) => Err(said.trim().to_owned()),
            _ => panic!("the jars of Apache Kafka cannot be fetched: {said}"),
        }
    }

    /// A broker that all tests of this process share while any of them runs; `None`, loudly, where none can be
    /// started. With `CXWATCH_REQUIRE_KAFKA=1` that is a failure instead.
    pub fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<KafkaServer>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start_or_skip(&[])?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// As [`shared`](Self::shared), but a broker of the caller's own, with further broker settings (`key=value`).
    pub fn start_or_skip(settings: &[&str]) -> Option<Self> {
        Self::start_with_or_skip(&[], settings)
    }

    /// The same with arguments of the script's `start`.
    pub fn start_with_or_skip(arguments: &[&str], settings: &[&str]) -> Option<Self> {
        if let Err(reason) = Self::available() {
            let required = std::env::var("CXWATCH_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
            assert!(!required, "Apache Kafka is required and not to be had: {reason}");
            // Written past the test harness, which keeps what a passing test prints to itself.
            let _ = writeln!(std::io::stderr(), "SKIPPED, NOT TESTED: no Apache Kafka here: {reason}");
            return None;
        }
        Some(Self::start_with(arguments, settings))
    }

    /// Starts a broker.
    ///
    /// # Panics
    /// If it does not come up; the message holds what the script says.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_with(&[], settings)
    }

    fn start_with(arguments: &[&str], settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut server = Self {
            folder,
            bootstrap: String::new(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
        };
        server.restart(settings);
        server
    }

    /// The address for clients; stays the same over restarts.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Stops it in order; what it stores stays.
    pub fn stop(&mut self) {
        run(self.command("stop"));
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        run(self.command("kill"));
    }

    /// Starts it again after `stop` or `kill`, with the same data at the same address.
    pub fn restart(&mut self, settings: &[&str]) {
        let mut command = self.command("start");
        command.args(["--port", "0"]).args(&self.arguments);
        for setting in settings {
            command.args(["--set", setting]);
        }
        self.bootstrap = run(command).trim().to_owned();
    }

    /// Runs one of Apache's tools as the broker's first user.
    pub fn tool_as_first_user(&self, class: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(script());
        command.args(["tool", class, "--bootstrap-server", &self.bootstrap, "--command-config"]);
        command.arg(self.folder.path().join("client.properties")).args(arguments);
        run(command)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(script());
        // The quick compiler only: a broker of a test does not live long enough for the other one to pay.
        command.env("CXWATCH_KAFKA_JAVA_OPTIONS", "-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1");
        command.arg(verb).arg(self.folder.path());
        command
    }
}

impl Drop for KafkaServer {
    fn drop(&mut self) {
        // No panic while another one unwinds; the folder goes either way.
        let _ = self.command("kill").output();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("deploy/kafka/kafka"))
        .find(|script| script.exists())
        .expect("deploy/kafka/kafka is part of the source tree")
}

fn run(mut command: Command) -> String {
    let output = command.output().expect("the script can be run");
    assert!(
        output.status.success(),
        "{command:?} ends with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
