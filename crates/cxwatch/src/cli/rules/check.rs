//! `cxwatch rules check`.

use crate::cli::{Outcome, file, say, usage};
use crate::{problems, settings};
use anyhow::Result;
use cxwatch_rulebook::{FeedIx, FeedSet, Kind, Rule, Rulebook};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Check rulebooks, and name every problem with its line and what to write instead.
///
/// For a rulebook without errors, tells what each rule is, and which feeds it needs: a missing event is concluded only
/// when every one of them is known to be caught up and alive.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  cxwatch rules check retail.yaml
  cxwatch rules check --config run.yaml retail.yaml

Exit code: 0 no errors, 1 errors, 2 a file cannot be read.")]
pub(crate) struct Args {
    /// The settings of the service: they say which feeds are watched (`expect`).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The rulebooks; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut outcome = Outcome::Fine;
    let watched = args.config.as_deref().map(watched).transpose()?;
    for path in &args.files {
        let files = file::compile(path)?;
        let name = path.display().to_string();
        match &files.result {
            Ok((book, warnings)) => {
                eprint!("{}", problems::render_of(&files, warnings));
                say(&summary(&name, book, &problems::count(warnings)))?;
                say(&unwatched(book, watched.as_deref()))?;
            }
            Err(found) => {
                eprint!("{}", problems::render_of(&files, found));
                eprintln!("{name}: {}", problems::count(found));
                outcome = Outcome::Problem;
            }
        }
    }
    Ok(outcome)
}

/// What a rulebook holds, and what it depends on.
fn summary(file: &str, book: &Rulebook, problems: &str) -> String {
    let mut text = String::new();
    let mut say = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    let hash: String = book.hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    say(format!("{file}: rulebook {} version {}, {hash}: {problems}", book.name, book.version));
    let mut rules: Vec<&Rule> = book.rules.iter().collect();
    rules.sort_by_key(|rule| &rule.id);
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    for rule in rules {
        let feeds = names(book, rule.needs);
        say(format!("  {:width$}  {:8}  needs {feeds}", rule.id, kind(&rule.kind)));
    }
    text
}

/// The feeds whose silence the settings limit.
fn watched(config: &Path) -> Result<Vec<String>> {
    let (settings, warnings) = settings::load(config).sound().map_err(|complaints| {
        complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
        usage(format!("{} cannot be used", config.display()))
    })?;
    warnings.iter().for_each(|complaint| eprintln!("{complaint}"));
    let feeds = settings.feeds.into_iter().filter(|(_, feed)| feed.expect_ms.is_some());
    Ok(feeds.map(|(name, _)| name).collect())
}

/// A warning of feeds from whose silence rules conclude, and that nobody watches. `None`: no settings are known.
fn unwatched(book: &Rulebook, watched: Option<&[String]>) -> String {
    let concludes = |rule: &&Rule| matches!(rule.kind, Kind::Absence { .. }) || rule.concludes_from_absence;
    let silent =
        book.rules.iter().filter(concludes).fold(FeedSet::default(), |set, rule| set.union(rule.needs));
    let is_watched = |feed: &FeedIx| {
        watched.is_some_and(|watched| watched.iter().any(|name| *name == book.feeds[usize::from(feed.0)]))
    };
    let feeds = silent.iter().filter(|feed| !is_watched(feed)).fold(FeedSet::default(), FeedSet::with);
    if feeds.0 == 0 {
        return String::new();
    }
    let head = match watched {
        None => "  None of these feeds is known to be watched (--config names the service's settings)",
        Some(_) => "  warning: rules conclude from the silence of feeds that nobody watches",
    };
    format!(
        "{head}: {}. Where nothing is heard of one, only `expect` in the settings, or heartbeats in it, tell silence \
         from an outage upstream.\n",
        names(book, feeds)
    )
}

fn names(book: &Rulebook, feeds: FeedSet) -> String {
    let names: Vec<_> = feeds.iter().map(|feed| book.feeds[usize::from(feed.0)].as_str()).collect();
    names.join(", ")
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Match => "match",
        Kind::Count { .. } => "count",
        Kind::Absence { .. } => "absence",
        Kind::Sequence { .. } => "sequence",
        Kind::Debt { .. } => "debt",
    }
}
