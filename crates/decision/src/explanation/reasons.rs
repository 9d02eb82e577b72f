//! The reasons and causes of decisions, in words: what stood against an action, and what would have had to be different.

use super::words::{Words, at, long};
use crate::{Contact, Limit, Reached, Suppressed};
use cxwatch_event::Millis;
use cxwatch_event::messages::{CauseReason, SuppressionReason};
use cxwatch_rulebook::{Action, Cap, RuleIx};

/// Why a candidate led to nothing, and what would have had to be different.
pub(super) fn suppressed(words: &Words<'_>, s: &Suppressed) -> (String, String) {
    let book = words.question.book;
    let action = book.actions.iter().find(|a| a.id == s.action);
    let rule = book.rule_named(&s.rule);
    let counted = s.reached.and_then(|reached| counted(words, reached, rule, s.instant));
    let (mut why, mut otherwise) = counted.unwrap_or_else(|| said(words, s.reason, rule, action));
    if let Some(by) = s.by_action {
        let other = words.question.desk.actions.iter().find(|a| a.id == by);
        let name = other.map_or_else(String::new, |a| format!("`{}` of {}, ", a.action, a.rule));
        why = format!("{why} ({name}action {by})");
    }
    if let Some(score) = &s.score {
        why = format!("{why}; its priority was {}", super::words::number(score.priority));
    }
    if let Some(until) = s.until {
        otherwise = format!("{otherwise}; the obstacle ends at {}", at(until));
    }
    if s.reason == SuppressionReason::Expired
        && let Some(action) = action
    {
        otherwise =
            format!("{otherwise}: it lived until {}", at(s.detection.time.saturating_add(action.ttl_ms)));
    }
    (why, otherwise)
}

/// The same where only the reason is remembered, and when.
pub(super) fn remembered(
    words: &Words<'_>,
    reason: SuppressionReason,
    rule: RuleIx,
    action: &str,
    instant: Millis,
) -> (String, String) {
    let action = words.question.book.actions.iter().find(|a| a.id == action);
    let counted = if reason == SuppressionReason::ContactPolicy {
        full(words, instant).and_then(|reached| counted(words, reached, Some(rule), instant))
    } else {
        None
    };
    counted.unwrap_or_else(|| said(words, reason, Some(rule), action))
}

/// The contacts of which something is still known that a cap counted at an instant.
fn known(words: &Words<'_>, cap: &Cap, instant: Millis) -> u32 {
    let oldest = instant.saturating_sub(cap.within_ms);
    let counts = |c: &&Contact| c.time > oldest && c.time <= instant && c.counts_for(cap);
    let count = words.question.desk.contacts.iter().filter(counts).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The cap that they had filled.
fn full(words: &Words<'_>, instant: Millis) -> Option<Reached> {
    (0..).zip(&words.question.book.policy.caps).find_map(|(ix, cap)| {
        let reached =
            Reached { limit: Limit::Cap(ix), count: known(words, cap, instant), at_most: cap.at_most };
        (reached.count >= cap.at_most).then_some(reached)
    })
}

/// What had been counted, against what; and what would have had to be different.
fn counted(
    words: &Words<'_>,
    reached: Reached,
    rule: Option<RuleIx>,
    instant: Millis,
) -> Option<(String, String)> {
    let book = words.question.book;
    let Reached { limit, count, at_most } = reached;
    let brake = |limit: Option<u32>, whose: &str, whichever: &str| {
        let share = limit.filter(|limit| *limit != at_most);
        let share =
            share.map_or_else(String::new, |limit| format!(", this partition's share of {limit} a minute"));
        let why = format!(
            "the brake was on: {count} of {at_most} requests {whose} had been made in this minute{share}"
        );
        let fewer = match at_most {
            0 | 1 => "no other request".to_owned(),
            _ => format!("fewer than {at_most} requests"),
        };
        (why, format!("{fewer} {whichever} in that minute"))
    };
    Some(match limit {
        Limit::Cap(ix) => {
            let cap = book.policy.caps.get(usize::from(ix))?;
            let what = contacts(cap);
            let reserved =
                if count > known(words, cap, instant) { ", accepted offers among them" } else { "" };
            let fewer = match cap.at_most {
                0 | 1 => "no".to_owned(),
                n => format!("at most {}", n - 1),
            };
            (
                format!("the customer was contacted often enough: {count} of {at_most} {what}{reserved}"),
                format!("{fewer} {what} before it"),
            )
        }
        Limit::RuleBrake => {
            brake(rule.and_then(|ix| book.rule(ix).treatment.brake), "of this rule", "of this rule")
        }
        Limit::Brake => brake(book.policy.brake, "of all rules", "of any rule"),
    })
}

fn said(
    words: &Words<'_>,
    reason: SuppressionReason,
    rule: Option<RuleIx>,
    action: Option<&Action>,
) -> (String, String) {
    let book = words.question.book;
    let policy = &book.policy;
    let rule = rule.map(|ix| book.rule(ix));
    let channel = action.map_or("its channel", |a| a.channel.as_str());
    let purpose = action.map_or("its purpose", |a| a.purpose.as_str());
    let pair = |why: &str, otherwise: &str| (why.to_owned(), otherwise.to_owned());
    match reason {
        SuppressionReason::Consent => (
            format!("the customer has not agreed to be approached by {channel} for {purpose}"),
            format!("the profile would have to say yes to {purpose} by {channel}"),
        ),
        SuppressionReason::Cooldown => {
            let long =
                rule.and_then(|r| r.cooldown_ms).map_or_else(String::new, |ms| format!(" of {}", long(ms)));
            (
                format!("the same rule spoke about the same thing not long ago, within its cool-down{long}"),
                "it would have had to be found after the cool-down".into(),
            )
        }
        SuppressionReason::ContactPolicy => {
            let caps: Vec<String> = policy.caps.iter().map(cap).collect();
            (
                format!("the customer was contacted often enough ({})", caps.join("; ")),
                "fewer contacts in that time".into(),
            )
        }
        SuppressionReason::QuietHours => {
            pair("it is night where the customer is", "it would have had to come outside quiet hours")
        }
        SuppressionReason::Closed => {
            pair("nobody was there", "it would have had to come within the action's hours")
        }
        SuppressionReason::Capacity => pair("nobody was free", "somebody would have had to be free"),
        SuppressionReason::Incident => {
            pair("something larger was broken", "the incident would have had to be over")
        }
        SuppressionReason::Brake => {
            let limit = |n: Option<u32>, of: &str| n.map(|n| format!("{n} a minute {of}"));
            let limits: Vec<String> =
                [limit(rule.and_then(|r| r.treatment.brake), "of this rule"), limit(policy.brake, "overall")]
                    .into_iter()
                    .flatten()
                    .collect();
            (
                format!(
                    "the brake was on: so many actions had been requested in this minute ({})",
                    limits.join(", ")
                ),
                "fewer requests in that minute".into(),
            )
        }
        SuppressionReason::Paused => {
            pair("an operator had paused it", "somebody would have had to resume it before")
        }
        SuppressionReason::Shadow => {
            pair("the rule is only tried (`mode: shadow`)", "the rule without `mode: shadow`")
        }
        SuppressionReason::Holdout => pair(
            "the customer was drawn to be held out, so that the save rate can be proved",
            "nothing; it was the draw",
        ),
        SuppressionReason::LowerPriority => {
            pair("something better was done, or was there already", "a higher priority, or no other offer")
        }
        SuppressionReason::Replaced => pair(
            "another action of the rule was taken while this one waited",
            "it would have had to be possible at once",
        ),
        SuppressionReason::Declined => (
            "the same action was declined or rejected for this customer not long ago".into(),
            format!("the refusal would have to be {} back", long(policy.declined_for_ms)),
        ),
        SuppressionReason::Resolved => {
            pair("the need was over before it could be asked for", "the need would have had to last")
        }
        SuppressionReason::Retracted => {
            pair("the detection was taken back: it never held", "the detection would have had to stand")
        }
        SuppressionReason::Expired => pair(
            "its time was over before it could be asked for",
            "it would have had to be asked for earlier",
        ),
        SuppressionReason::WarmingUp => {
            pair("the detection is older than the service's first start acts on", "an earlier `act_from`")
        }
        SuppressionReason::NotEligible => pair(
            "the action's `when` did not hold, or its rule is gone",
            "the action's `when` would have to hold",
        ),
    }
}

fn cap(cap: &Cap) -> String {
    format!("at most {} {}", cap.at_most, contacts(cap))
}

/// `contacts by email by a person in 7d`.
fn contacts(cap: &Cap) -> String {
    let channel = cap.channel.as_ref().map_or_else(String::new, |c| format!(" by {c}"));
    let by = cap.by.as_ref().map_or_else(String::new, |b| format!(" by a {b}"));
    format!("contacts{channel}{by} in {}", long(cap.within_ms))
}

/// For what a candidate waits.
pub(super) fn waiting(reason: SuppressionReason) -> &'static str {
    match reason {
        SuppressionReason::QuietHours => "it is night where the customer is",
        SuppressionReason::Closed => "nobody is there yet",
        SuppressionReason::Capacity => "nobody is free",
        SuppressionReason::Incident => "something larger is broken",
        _ => "an obstacle has to end first",
    }
}

/// Why a revision followed.
pub(super) fn cause(cause: CauseReason) -> &'static str {
    match cause {
        CauseReason::Resolved => "the need was over",
        CauseReason::Retracted => "it was never true",
        CauseReason::Superseded => "a better action took over",
        CauseReason::RuleRemoved => "the rulebook no longer has the rule",
        CauseReason::Erased => "the customer was erased",
        CauseReason::Breached => "the warning became a breach",
        CauseReason::Changed => "what it rests on had changed",
        CauseReason::NotAccepted => "nobody had accepted it in time",
        CauseReason::Expired => "its time was over",
    }
}
