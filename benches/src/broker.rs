//! An Apache Kafka of the benchmark's own, by the script that the project brings.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// One broker in a temporary folder; ends with this value.
pub struct Broker {
    folder: TempDir,
    /// The address for clients.
    pub bootstrap: String,
}

impl Broker {
    /// Starts one, on these cores (`1-3`) if they are given.
    pub fn start(cores: Option<&str>) -> Result<Broker> {
        let folder = tempfile::tempdir()?;
        let mut command = match cores {
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["-c", cores]).arg(script());
                command
            }
            None => Command::new(script()),
        };
        command.arg("start").arg(folder.path()).args(["--port", "0"]);
        let output = command.output().with_context(|| format!("{command:?}"))?;
        if !output.status.success() {
            bail!("{command:?} ends with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        let bootstrap = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Broker { folder, bootstrap })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // What it stores goes with its folder.
        let _ = Command::new(script()).arg("kill").arg(self.folder.path()).output();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/kafka")
}
