//! `cxwatch explain`.

use super::input::Input;
use super::{Outcome, time, usage};
use crate::explain::{Follower, near};
use crate::replay::{replay, replay_topics};
use anyhow::Result;
use cxwatch_event::Millis;
use std::io::Write;

/// Tell why nobody called a customer, or why they called twice.
///
/// Replays files of events, or the feeds' topics, as `cxwatch replay` does, and tells of one customer what was seen, which
/// episodes were open, what was decided, and what would have had to be different. docs/explain.md describes the answers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cxwatch explain --customer c1 --rule cart-abandonment --rulebook retail.yaml day/*.jsonl
  cxwatch explain --customer c1 --json --config cxwatch.yaml --from-kafka broker:9092 --since 2d

Exit code: 0 told, 1 something could not be read, or there is no such customer, 2 wrong usage, rulebook or mapping.")]
pub(crate) struct Args {
    /// The customer.
    #[arg(long, value_name = "ID")]
    customer: String,

    /// Of this rule only.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,

    /// As of this instant [default: the newest event].
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    at: Option<Millis>,

    /// As JSON: schemas/explanation.json.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    input: Input,
}

pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut opened = args.input.open()?;
    let rule = args.rule.as_deref().map(|id| {
        opened.book.rule_named(id).ok_or_else(|| {
            let rules = opened.book.rules.iter().map(|rule| rule.id.as_str());
            usage(format!("the rulebook has no rule {id}{}", near(id, rules)))
        })
    });
    let rule = rule.transpose()?;
    let topics = opened.topics.take();
    let job = opened.job(&args.input, args.at, Some(args.customer.as_str().into()));
    let mut follower = Follower::new(&job, rule);
    let report = match topics {
        Some(topics) => replay_topics(&job, topics, &mut follower),
        None => replay(&job, &mut follower),
    }?;
    let explanation = follower.finish(report.until)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &explanation)?;
        writeln!(out)?;
    } else {
        write!(out, "{explanation}")?;
    }
    Ok(Outcome::Fine)
}
