//! Python and Node.js with the packages that the tests need.

use crate::is_left_out;
use std::io::Write;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// Whether clients in other languages are required: what needs them fails where they cannot be had.
fn are_required() -> bool {
    std::env::var("CXWATCH_REQUIRE_CLIENTS").is_ok_and(|value| value == "1")
}

/// Whether a part that needs clients in other languages is left out: it waits for package registries, so it belongs to the
/// long suite unless it is required.
pub(super) fn are_left_out(what: &str) -> bool {
    !are_required() && is_left_out(what)
}

/// A file of the source tree.
pub(super) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace").join(path)
}

/// Packages in a temporary folder, which goes with this value.
pub(super) struct Packages {
    folder: TempDir,
}

type Shared = Mutex<Weak<Packages>>;

impl Packages {
    /// What the tests share while one of them runs; `None`, loudly, where it cannot be had.
    fn shared(shared: &Shared, install: impl FnOnce(&Path) -> Result<(), String>) -> Option<Arc<Self>> {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(packages) = shared.upgrade() {
            return Some(packages);
        }
        let folder =
            tempfile::Builder::new().prefix("cxwatch-clients-").tempdir().expect("a temporary folder");
        match install(folder.path()) {
            Ok(()) => {
                let packages = Arc::new(Packages { folder });
                *shared = Arc::downgrade(&packages);
                Some(packages)
            }
            Err(reason) => {
                assert!(
                    !are_required(),
                    "clients in other languages are required and not to be had: {reason}"
                );
                // Written past the test harness, which keeps what a passing test prints to itself.
                let _ = writeln!(std::io::stderr(), "SKIPPED, NOT TESTED: {reason}");
                None
            }
        }
    }

    /// Python with the clients for Kafka and CloudEvents.
    pub(super) fn python() -> Option<Arc<Self>> {
        static SHARED: Shared = Mutex::new(Weak::new());
        Packages::shared(&SHARED, |folder| {
            try_run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            let mut pip = Command::new(folder.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]);
            for list in ["tests/contract/requirements.txt", "examples/router/requirements.txt"] {
                pip.arg("-r").arg(source(list));
            }
            try_run(&mut pip)
        })
    }

    /// Node.js with the parser for AsyncAPI, exactly as locked; no script of a package is run.
    pub(super) fn node() -> Option<Arc<Self>> {
        static SHARED: Shared = Mutex::new(Weak::new());
        Packages::shared(&SHARED, |folder| {
            for file in ["package.json", "package-lock.json", "validate.mjs"] {
                std::fs::copy(source("tests/contract").join(file), folder.join(file)).expect("copied");
            }
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1"]);
            try_run(npm.current_dir(folder))
        })
    }

    /// Python and Node.js, installed beside each other.
    pub(super) fn both() -> Option<(Arc<Self>, Arc<Self>)> {
        let (python, node) = std::thread::scope(|scope| {
            let node = scope.spawn(Packages::node);
            (Packages::python(), node.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        python.zip(node)
    }

    /// A Python program of the source tree.
    pub(super) fn run_python(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.path().join("bin/python"));
        // Nothing is written into the source tree.
        command.arg("-B").arg(source(program)).stdin(Stdio::null());
        command
    }

    /// The unit tests in a folder of the source tree.
    pub(super) fn unit_tests(&self, folder: &str) -> Command {
        let mut command = Command::new(self.folder.path().join("bin/python"));
        command.args(["-B", "-m", "unittest", "discover", "-s"]).arg(source(folder)).stdin(Stdio::null());
        command
    }

    /// `validate.mjs`.
    pub(super) fn validate(&self) -> Command {
        let mut command = Command::new("node");
        command.arg(self.folder.path().join("validate.mjs")).arg(source("schemas/asyncapi.json"));
        command
    }
}

fn try_run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{:?} cannot be run: {error}", command.get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    output
        .status
        .success()
        .then_some(())
        .ok_or_else(|| format!("{command:?} ends with {}: {last:?}", output.status))
}
