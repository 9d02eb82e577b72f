//! The command line: one module per command, each with its arguments and what it does.

// The terminal is this module's business. What is asked for goes through `say`: `print!` would panic under `| head`.
#![allow(clippy::print_stderr)]

pub(crate) mod cluster;
mod completions;
mod explain;
pub(crate) mod file;
mod generate;
mod init;
mod input;
mod pause;
mod replay;
mod rules;
pub(crate) mod time;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Notices in Kafka's event streams when a customer's experience goes wrong, above all when something that should
/// have happened did not, and asks for the next best action.
#[derive(Debug, Parser)]
#[command(name = "cxwatch", version, max_term_width = 110, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Replay(Box<replay::Args>),
    Explain(Box<explain::Args>),
    Rules(rules::Args),
    Generate(generate::Args),
    Demo(crate::demo::Args),
    Run(crate::run::Args),
    Topics(crate::topics::Args),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Reset(crate::reset::Args),
    Completions(completions::Args),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As wished.
    Fine,
    /// Done, but there was something wrong with the input, or the result is not as expected.
    Problem,
}

/// An error of usage or configuration: the command was not begun.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error of usage.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage(message.into()).into()
}

/// Writes to standard output. Where nobody reads on, the command ends in peace.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Runs the program. Exit code 0: fine; 1: a problem in the input or the result; 2: wrong usage or configuration.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Init(args) => init::run(&args),
        Command::Replay(args) => replay::run(*args),
        Command::Explain(args) => explain::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Demo(args) => crate::demo::run(&args),
        Command::Run(args) => crate::run::run(&args),
        Command::Topics(args) => crate::topics::run(&args),
        Command::Pause(args) => pause::pause(&args),
        Command::Resume(args) => pause::resume(&args),
        Command::Reset(args) => crate::reset::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    match done {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Problem) => ExitCode::from(1),
        // Whoever reads us has had enough (`| head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
