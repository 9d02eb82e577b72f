//! `cxwatch pause` and `cxwatch resume`: an operator's orders to the service that runs.

use crate::cli::{Outcome, usage};
use crate::cluster::{client, explained};
use crate::control::{Order, Stopped, name, read};
use crate::run::setup::{Setup, setup_of_service};
use anyhow::Result;
use clap::Args as ClapArgs;
use cxwatch_event::rfc3339;
use cxwatch_kafka::writer::Writer;
use cxwatch_rulebook::yaml::nearest;
use cxwatch_runtime::ports::{Clock, PAUSED_ALL, SystemClock};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How long one question to the cluster may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// So long a reason may be, in characters: it is a sentence in a log.
const REASON_CHARS_MAX: usize = 200;

/// Stop the requests of one rule or of all, in the service that runs: candidates end as suppressions with the reason
/// `paused`. State goes on; actions that were requested stay, and are still updated, revoked and expired.
#[derive(Debug, ClapArgs)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    order: OrderArgs,
}

/// Let requests go on that `pause` has stopped. What was suppressed meanwhile stays so.
#[derive(Debug, ClapArgs)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    order: OrderArgs,
}

#[derive(Debug, ClapArgs)]
struct OrderArgs {
    /// The service's settings file.
    #[arg(long, value_name = "FILE", env = "CXWATCH_CONFIG", default_value = "cxwatch.yaml")]
    config: PathBuf,
    /// This rule only; without it the order is about all. A rule goes on when both allow it.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Why, for the log.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Runs `pause`.
pub(crate) fn pause(args: &PauseArgs) -> Result<Outcome> {
    give(&args.order, true)
}

/// Runs `resume`.
pub(crate) fn resume(args: &ResumeArgs) -> Result<Outcome> {
    give(&args.order, false)
}

fn give(args: &OrderArgs, paused: bool) -> Result<Outcome> {
    if args.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(usage(format!("--reason has at most {REASON_CHARS_MAX} characters")));
    }
    let setup = setup_of_service(&args.config)?;
    let said = order(&setup, args, paused).map_err(|error| explained(&setup, error))?;
    writeln!(std::io::stdout(), "{said}")?;
    Ok(Outcome::Fine)
}

/// Gives the order; what to say when it is written.
fn order(setup: &Setup, args: &OrderArgs, paused: bool) -> Result<String> {
    let topic = &setup.settings.topics.control;
    let admin = client(setup, ANSWER_WITHIN)?;
    if admin.partitions(topic)?.is_none() {
        return Err(usage(format!("the topic {topic} does not exist; make it with `cxwatch topics create`")));
    }
    let before = read(setup, ANSWER_WITHIN)?;
    let rules: Vec<&str> = setup.book.rules.iter().map(|rule| rule.id.as_str()).collect();
    let rule = args.rule.as_deref().unwrap_or(PAUSED_ALL);
    check(rule, &rules, &before)?;
    let at = rfc3339::format(SystemClock::new().now());
    let value = serde_json::to_vec(&Order { paused, reason: args.reason.clone(), at })?;
    let mut writer = Writer::new(&setup.settings.kafka.properties, ANSWER_WITHIN)?;
    writer.send(topic, rule.as_bytes(), &value)?;
    writer.flush()?;
    Ok(said(rule, paused, &before))
}

/// A rule that nobody knows is a mistake, and no order. One that is stopped may have left the rulebook since.
fn check(rule: &str, rules: &[&str], before: &Stopped) -> Result<()> {
    if rule == PAUSED_ALL || rules.contains(&rule) || before.contains_key(rule) {
        return Ok(());
    }
    let instead = match nearest(rule, rules.iter().copied()) {
        Some(near) => format!("write `{near}`?"),
        None => format!("it has {}", rules.join(", ")),
    };
    Err(usage(format!("the rulebook has no rule `{rule}`; {instead}")))
}

fn said(rule: &str, paused: bool, before: &Stopped) -> String {
    let (was, of) = (before.contains_key(rule), name(rule));
    let also = if rule != PAUSED_ALL && before.contains_key(PAUSED_ALL) {
        "; all rules are paused as well, which `cxwatch resume` ends"
    } else if rule == PAUSED_ALL && !paused && before.keys().any(|key| *key != *PAUSED_ALL) {
        "; single rules stay paused, each until `cxwatch resume --rule` names it"
    } else {
        ""
    };
    match (paused, was) {
        (true, false) => {
            format!("paused: {of}. The order is written; every process obeys it within a second or so{also}")
        }
        (true, true) => format!("paused: {of}, as before; the order is written anew{also}"),
        (false, true) => {
            format!("resumed: {of}. The order is written; every process obeys it within a second or so{also}")
        }
        (false, false) => {
            format!("resumed: {of}, which was not paused; the order is written all the same{also}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(rules: &[&str]) -> Stopped {
        let order = Order { paused: true, reason: None, at: String::new() };
        rules.iter().map(|rule| ((*rule).into(), order.clone())).collect()
    }

    #[test]
    fn a_rule_that_nobody_knows_is_no_order() {
        let rules = ["cart-abandoned", "queue-wait"];
        assert!(check(PAUSED_ALL, &rules, &stopped(&[])).is_ok());
        assert!(check("queue-wait", &rules, &stopped(&[])).is_ok());
        assert!(check("gone", &rules, &stopped(&["gone"])).is_ok(), "to be let go on");
        let near = check("cart-abandonded", &rules, &stopped(&[])).expect_err("a slip");
        assert_eq!(near.to_string(), "the rulebook has no rule `cart-abandonded`; write `cart-abandoned`?");
        let far = check("x", &rules, &stopped(&[])).expect_err("no rule");
        assert_eq!(far.to_string(), "the rulebook has no rule `x`; it has cart-abandoned, queue-wait");
    }

    #[test]
    fn what_else_stands_in_the_way_is_said() {
        let resumed = said("cart", false, &stopped(&["*", "cart"]));
        assert!(resumed.starts_with("resumed: cart. ") && resumed.contains("all rules are paused as well"));
        let resumed = said(PAUSED_ALL, false, &stopped(&["*", "cart"]));
        assert!(resumed.starts_with("resumed: all rules. ") && resumed.contains("single rules stay paused"));
        assert!(said("cart", false, &stopped(&[])).contains("which was not paused"));
        assert!(said("cart", true, &stopped(&[])).ends_with("within a second or so"));
    }
}
