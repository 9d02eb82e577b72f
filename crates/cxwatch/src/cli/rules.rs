//! `cxwatch rules`.

mod check;
mod diff;
mod show;
mod test;

use super::{Outcome, say};
use anyhow::Result;

/// Check, show, compare and test rulebooks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(check::Args),
    Show(show::Args),
    Diff(diff::Args),
    Test(test::Args),
    /// Print the JSON Schema of rulebooks, for editors that complete and check YAML by it.
    #[command(after_help = "Example:\n  cxwatch rules schema > rulebook.schema.json\n\n\
        Then begin a rulebook with\n  # yaml-language-server: $schema=./rulebook.schema.json")]
    Schema,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::Show(args) => show::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Test(args) => test::run(args),
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&cxwatch_rulebook::rulebook_schema())?;
            say(&format!("{schema}\n"))?;
            Ok(Outcome::Fine)
        }
    }
}
