//! `cxwatch init`.

use super::{Outcome, say, usage};
use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// What is written: each file and its text.
const FILES: [(&str, &str); 3] = [
    ("rules.yaml", include_str!("init/rules.yaml")),
    ("rules.test", include_str!("init/rules.test")),
    ("cxwatch.yaml", include_str!("init/cxwatch.yaml")),
];
/// What stands in the files for the company's name.
const NAME: &str = "my-company";

/// Begin: write a rulebook that builds on the starter, a test of it, and the settings of the service.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  cxwatch init shop --name acme
  cxwatch rules check shop/rules.yaml

Exit code: 0 fine, 2 one of the files is there already: nothing is written then.")]
pub(crate) struct Args {
    /// The name of the rulebook and of the application. It is part of every action's id: choose it once.
    #[arg(long, default_value = NAME, value_parser = name)]
    name: String,

    /// The folder; it is made where it does not exist.
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// A name that both rulebooks and consumer groups may have.
fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good =
        text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits) && text.len() <= 60;
    good.then(|| text.to_owned()).ok_or_else(|| "expected lower-case letters, digits and `-`".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let dir = args.dir.display();
    fs::create_dir_all(&args.dir).map_err(|error| usage(format!("cannot make the folder {dir}: {error}")))?;
    let paths: Vec<PathBuf> = FILES.iter().map(|(name, _)| args.dir.join(name)).collect();
    let there: Vec<String> =
        paths.iter().filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
    if !there.is_empty() {
        return Err(usage(format!(
            "{} there already; nothing is written. Name another folder, or move it away",
            if let [one] = &there[..] { format!("{one} is") } else { format!("{} are", there.join(", ")) }
        )));
    }
    for (path, (_, text)) in paths.iter().zip(FILES) {
        // Never over a file that has come meanwhile.
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
            let why = if error.kind() == ErrorKind::AlreadyExists {
                "it is there already".to_owned()
            } else {
                error.to_string()
            };
            usage(format!("cannot write {}: {why}", path.display()))
        })?;
        file.write_all(text.replace(NAME, &args.name).as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let [rules, test, settings] = &paths[..] else { unreachable!("three files") };
    let (rules, test, settings) = (rules.display(), test.display(), settings.display());
    let written = table(&[
        (rules.to_string(), "your rules: the starter, and what you change of it"),
        (test.to_string(), "a test of them"),
        (settings.to_string(), "the settings of the service"),
    ]);
    let next = table(&[
        (format!("cxwatch rules show {rules}"), "all rules as they hold, and where each value comes from"),
        ("cxwatch rules show starter".to_owned(), "the starter itself, with its reasons"),
        (format!("cxwatch rules check {rules}"), "after each change"),
        (format!("cxwatch rules test {test}"), "the same"),
        (
            format!("cxwatch run --config {settings} --check"),
            "whether the service could begin; then `topics create` and `run`",
        ),
    ]);
    say(&format!(
        "Written:\n{written}\nNext:\n{next}\nWhat they find in a made-up day, before you try your own events:\n  \
         cxwatch generate --out day && cxwatch replay --rulebook {rules} day/*.jsonl --sort\n"
    ))?;
    Ok(Outcome::Fine)
}

/// Two columns, the first as wide as it must be.
fn table(rows: &[(String, &str)]) -> String {
    let width = rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(left, right)| format!("  {left:width$}   {right}\n")).collect()
}
