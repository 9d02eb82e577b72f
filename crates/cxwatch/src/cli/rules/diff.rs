//! `cxwatch rules diff`.

use crate::cli::{Outcome, file, say};
use anyhow::Result;
use std::path::PathBuf;

/// Tell what a new version of a rulebook changes. Layout, comments and the order of rules are no changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
When a service starts with a changed rulebook, unchanged rules keep everything; open episodes of a changed rule keep the \
deadline they had; those of a removed rule close, and its open actions are revoked.

Example:
  cxwatch rules diff retail-v7.yaml retail-v8.yaml

Exit code: 0 whether or not something changes, 2 a file cannot be read or is no valid rulebook.")]
pub(crate) struct Args {
    /// The rulebook in force.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The rulebook to come.
    #[arg(value_name = "NEW")]
    new: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let (old, new) = (file::rulebook(&args.old)?, file::rulebook(&args.new)?);
    let changes = cxwatch_rulebook::diff(&old, &new);
    if changes.is_empty() {
        say("nothing changes\n")?;
    }
    for change in &changes {
        say(&format!("{change}\n"))?;
    }
    if changes.iter().any(is_of_rule) && old.name == new.name && new.version <= old.version {
        eprintln!("warning: the rules change, and the version does not rise (it is {})", new.version);
    }
    Ok(Outcome::Fine)
}

fn is_of_rule(change: &cxwatch_rulebook::diff::Change) -> bool {
    change.subject == cxwatch_rulebook::diff::Subject::Rule
}
