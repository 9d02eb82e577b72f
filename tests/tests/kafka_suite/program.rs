//! The program under test as a process.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The program: as built with these tests, or as `CXWATCH_BIN` says.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let program =
        std::env::var_os("CXWATCH_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_cxwatch-under-test").into());
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    // What is set for the tests is not meant for the program.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CXWATCH_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it to its end, which must be a good one. What it printed.
pub(crate) fn finish(mut command: Command) -> String {
    let output = command.output().expect("the program can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ends with {}\n{said}", output.status);
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// An address nobody listens on now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// `cxwatch run`, ended with this value at the latest.
pub(crate) struct Service {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
}

impl Service {
    /// Starts it; what it logs is added to the file.
    pub(crate) fn start(config: &Path, more: &[&str], admin: SocketAddr, log: &Path) -> Self {
        let file = || -> File { OpenOptions::new().create(true).append(true).open(log).expect("a log file") };
        let mut command = command(&["run", "--config"]);
        command.arg(config).args(more).stdout(file()).stderr(file());
        Service { child: command.spawn().expect("the program starts"), admin, log: log.to_owned() }
    }

    /// A page of the admin server; `None` while there is none.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.admin, Duration::from_secs(2)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: suite\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The address of a page of the admin server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// Its metrics by name, the sum over all labels; empty while it does not answer.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for line in self.get("/metrics").unwrap_or_default().lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            if let Ok(value) = value.parse::<f64>()
                && !line.starts_with('#')
            {
                let name = series.split('{').next().unwrap_or(series);
                *sums.entry(name.to_owned()).or_insert(0.0) += value;
                *sums.entry(series.to_owned()).or_insert(0.0) += if series == name { 0.0 } else { value };
            }
        }
        sums
    }

    /// One metric, 0 where there is none.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metrics().get(name).copied().unwrap_or(0.0)
    }

    /// Whether so many tasks are restored and run.
    pub(crate) fn works(&self, tasks: i32) -> bool {
        self.metric("cxwatch_task") >= f64::from(tasks)
    }

    /// What `/readyz` says.
    pub(crate) fn readiness(&self) -> String {
        self.get("/readyz").unwrap_or_default()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it has ended");
    }

    /// Stops its clock, so to speak.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill can be run").success(), "{signal} is delivered");
    }

    /// Asks it to end, which must go well.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.wait(Duration::from_secs(30));
        assert!(status.success(), "told to stop it ends with {status}\n{}", self.last_words());
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Nobody has ended it.
    pub(crate) fn assert_alive(&mut self) {
        let status = self.child.try_wait().expect("it is our child");
        assert!(status.is_none(), "it has ended with {status:?}\n{}", self.last_words());
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of its log.
    pub(crate) fn last_words(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // No panic while another one unwinds.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
