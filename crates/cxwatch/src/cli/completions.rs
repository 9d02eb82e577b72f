//! `cxwatch completions`.

use super::{Cli, Outcome, say};
use anyhow::Result;
use clap::CommandFactory;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  cxwatch completions bash > /etc/bash_completion.d/cxwatch")]
pub(crate) struct Args {
    /// Which shell.
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cxwatch", &mut script);
    say(&String::from_utf8(script)?)?;
    Ok(Outcome::Fine)
}
