//! `cxwatch rules show`.

use crate::cli::{Outcome, file, say, usage};
use crate::problems;
use anyhow::Result;
use cxwatch_rulebook::PACKS;
use std::path::PathBuf;

/// Print a rulebook as it holds: with everything that it builds on, and for each value where it comes from.
///
/// What is printed is a rulebook itself, of the same meaning and the same hash. The name of a pack in place of a file
/// prints the pack as it was written, with its comments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cxwatch rules show rules.yaml
  cxwatch rules show starter
  cxwatch rules show --plain rules.yaml > whole.yaml

Exit code: 0 fine, 2 the file cannot be read or is no valid rulebook.")]
pub(crate) struct Args {
    /// Without the comments that say where values come from.
    #[arg(long)]
    plain: bool,

    /// The rulebook, or the name of a pack; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let pack = PACKS.iter().find(|(name, _)| args.file.as_os_str() == *name);
    if let Some((_, text)) = pack.filter(|_| !args.file.exists()) {
        say(text)?;
        return Ok(Outcome::Fine);
    }
    let files = file::compile(&args.file).map_err(|error| {
        let packs: Vec<&str> = PACKS.iter().map(|(name, _)| *name).collect();
        let a_word = args.file.extension().is_none() && !args.file.exists() && args.file.as_os_str() != "-";
        if a_word { usage(format!("{error}, and the packs are: {}", packs.join(", "))) } else { error }
    })?;
    let name = args.file.display();
    match &files.result {
        Ok((_, warnings)) => {
            eprint!("{}", problems::render_of(&files, warnings));
            say(if args.plain { &files.effective } else { &files.shown })?;
            Ok(Outcome::Fine)
        }
        Err(found) => {
            eprint!("{}", problems::render_of(&files, found));
            Err(usage(format!("{name} is not a valid rulebook: {}", problems::count(found))))
        }
    }
}
