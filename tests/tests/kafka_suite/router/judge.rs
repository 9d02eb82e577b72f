//! What was done about each action, from the router's own list of calls and from the topics; and whether that was right, of
//! the router and of the service.

use super::watch::Seen;
use crate::client::Kept;
use crate::stage::MAX_DELAY_MS;
use cxwatch_event::rfc3339;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A line of the router's list.
#[derive(Debug)]
pub(super) struct Call {
    action_id: String,
    revision: u64,
    /// In milliseconds.
    called_at: i64,
    /// Before its claim was committed, in milliseconds.
    claimed_at: i64,
    partition: i32,
    /// Everything before this offset had been read.
    position: i64,
}

/// Reads the list.
pub(super) fn calls(path: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON lines");
        let ms = |name: &str| (line[name].as_f64().expect("seconds") * 1_000.0) as i64;
        Call {
            action_id: line["action_id"].as_str().expect("an id").to_owned(),
            revision: line["revision"].as_u64().expect("a revision"),
            called_at: ms("called_at"),
            claimed_at: ms("claimed_at"),
            partition: line["partition"].as_i64().expect("a partition") as i32,
            position: line["position"].as_i64().expect("an offset"),
        }
    });
    lines.collect()
}

/// What came of all actions.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) actions: usize,
    pub(super) called: usize,
    /// Revoked or expired before anybody called.
    pub(super) withdrawn: usize,
    pub(super) revoked: usize,
    pub(super) outcomes: BTreeMap<String, usize>,
    pub(super) interrupted: usize,
    /// Updated after somebody was reached, where it would have been revoked or have expired before.
    pub(super) told_after_contact: usize,
}

/// What is known of an action.
#[derive(Debug, Default)]
struct Told<'s> {
    messages: Vec<&'s Seen>,
    /// In their order.
    outcomes: Vec<Answer>,
}

/// An outcome, committed.
#[derive(Debug)]
struct Answer {
    kind: String,
    /// When it happened.
    time: i64,
    /// When the broker took it.
    appended_at: i64,
}

/// Holds calls and outcomes against the actions.
///
/// # Errors
/// Everything that is wrong, in words. `open`: an action that nobody has done anything about, and that is still wanted.
pub(super) fn judge(
    seen: &[Seen],
    calls: &[Call],
    outcomes: &[Kept],
    now: i64,
) -> Result<Tally, Vec<String>> {
    let mut told = BTreeMap::<&str, Told<'_>>::new();
    for message in seen {
        told.entry(&message.action_id).or_default().messages.push(message);
    }
    let mut wrong = Vec::new();
    let mut tally = Tally { actions: told.len(), called: calls.len(), ..Tally::default() };
    let called: BTreeSet<&str> = calls.iter().map(|call| call.action_id.as_str()).collect();
    for call in calls {
        match told.get(call.action_id.as_str()) {
            Some(told) => wrong.extend(wrong_of_call(call, told)),
            None => wrong.push(format!("called for no action: {call:?}")),
        }
    }
    for action in &called {
        let times = calls.iter().filter(|call| call.action_id == *action).count();
        wrong.extend((times > 1).then(|| format!("called {times} times: {action}")));
    }
    for kept in outcomes {
        let outcome: Value = serde_json::from_slice(&kept.value).expect("JSON");
        let (data, kind) = (&outcome["data"], outcome["type"].as_str().unwrap_or_default());
        let kind = kind.trim_start_matches("outcome.").to_owned();
        tally.interrupted += usize::from(data["reason"] == "interrupted");
        *tally.outcomes.entry(kind.clone()).or_default() += 1;
        let Some(told) = data["action_id"].as_str().and_then(|id| told.get_mut(id)) else {
            wrong.push(format!("an outcome of no action: {outcome}"));
            continue;
        };
        let home = told.messages[0].partition;
        if kept.partition != home || data["partition"] != home {
            wrong.push(format!("partition {} instead of {home}: {outcome}", kept.partition));
        }
        let time = outcome["time"].as_str().and_then(rfc3339::parse).expect("an instant");
        told.outcomes.push(Answer { kind, time, appended_at: kept.appended_at });
    }
    for (action, told) in &told {
        wrong.extend(wrong_of_outcomes(action, told, called.contains(action), now));
        wrong.extend(wrong_after_contact(action, told));
        tally.told_after_contact += usize::from(after_contact(told).any(|seen| seen.kind == "updated"));
        let last = told.messages.last().expect("it was told of");
        tally.revoked += usize::from(last.kind == "revoked");
        tally.withdrawn +=
            usize::from(last.kind != "requested" && last.kind != "updated" && !called.contains(action));
    }
    if wrong.is_empty() { Ok(tally) } else { Err(wrong) }
}

/// Nobody is called whose action had been withdrawn: neither to whom could see it before the call was decided on, nor in what
/// the router itself had read; nor after the end of its life.
fn wrong_of_call(call: &Call, told: &Told<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let seen_by_others: Vec<&Seen> =
        told.messages.iter().filter(|seen| seen.at < call.claimed_at).copied().collect();
    let read: Vec<&Seen> = told.messages.iter().filter(|seen| seen.offset < call.position).copied().collect();
    for (who, known) in [("others had seen", seen_by_others), ("the router had read", read)] {
        if let Some(last) = known.iter().max_by_key(|seen| seen.revision)
            && ["revoked", "expired"].contains(&last.kind.as_str())
        {
            wrong.push(format!("called although {who} that it was {}: {call:?}, {last:?}", last.kind));
        }
    }
    let asked = told.messages.iter().find(|seen| seen.revision == call.revision);
    match asked {
        Some(asked) if asked.partition != call.partition => {
            wrong.push(format!("another partition: {call:?}, {asked:?}"))
        }
        Some(asked) if asked.expires <= call.called_at => {
            wrong.push(format!("called too late: {call:?}, {asked:?}"))
        }
        Some(_) => {}
        None => wrong.push(format!("called for a revision that nobody wrote: {call:?}")),
    }
    wrong
}

/// Each kind of outcome at most once, in an order that makes sense; everything that is still wanted is dealt with.
fn wrong_of_outcomes(action: &str, told: &Told<'_>, called: bool, now: i64) -> Option<String> {
    let outcomes: Vec<&str> = told.outcomes.iter().map(|answer| answer.kind.as_str()).collect();
    let last = told.messages.last().expect("it was told of");
    let wanted = ["requested", "updated"].contains(&last.kind.as_str()) && last.expires > now;
    let right = match (called, outcomes.as_slice()) {
        (_, ["accepted", "contacted", "saved" | "failed"]) => called,
        // A router was killed between claim and call, or between call and its outcome.
        (_, ["accepted", "failed"]) => true,
        // Withdrawn between claim and call.
        (false, ["accepted", "declined"] | ["declined"]) => true,
        (false, []) => !wanted,
        _ => false,
    };
    (!right).then(|| format!("{action}: called {called}, outcomes {outcomes:?}, last told {last:?}"))
}

/// What was said of an action after somebody had been reached; nothing if that was known too late.
fn after_contact<'t>(told: &'t Told<'_>) -> impl Iterator<Item = &'t Seen> {
    let in_time = |answer: &&Answer| answer.appended_at - answer.time <= MAX_DELAY_MS;
    let contacted = told.outcomes.iter().filter(|answer| answer.kind == "contacted").find(in_time);
    let after = contacted.map_or(i64::MAX, |answer| answer.time);
    told.messages.iter().copied().filter(move |seen| seen.time > after)
}

/// Nothing is taken back, and nothing expires, once the customer was reached: that is the service's part.
fn wrong_after_contact(action: &str, told: &Told<'_>) -> Vec<String> {
    let taken_back = after_contact(told).filter(|seen| ["revoked", "expired"].contains(&seen.kind.as_str()));
    taken_back.map(|seen| format!("{action}: {} after a contact: {seen:?}", seen.kind)).collect()
}

mod wrong_routers;
