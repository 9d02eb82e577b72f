//! Why did they call twice?

use super::Told;
use super::words::{Words, at, long};
use crate::life::Published;
use crate::{ActionId, Decision, Noted};
use cxwatch_event::Millis;
use cxwatch_event::messages::CauseReason;

/// Something that a customer may have felt as a call.
struct Call<'a> {
    instant: Millis,
    rule: &'a str,
    action: &'a str,
    key: Option<&'a str>,
    id: Option<ActionId>,
    /// Why it was changed; `None`: it was requested.
    revision: Option<Option<CauseReason>>,
    /// The detection's time.
    detected: Option<Millis>,
}

/// A sentence for every request or update after the first.
pub(super) fn sentences(words: &Words<'_>) -> Vec<String> {
    let calls = match words.question.story {
        Some(story) => told(story),
        None => remembered(words),
    };
    let wanted = words.question.rule.map(|ix| &*words.question.book.rule(ix).id);
    let calls: Vec<Call<'_>> =
        calls.into_iter().filter(|c| wanted.is_none_or(|rule| rule == c.rule)).collect();
    (1..calls.len()).map(|i| sentence(words, &calls[..i], &calls[i])).collect()
}

fn told(story: &[(Millis, Told)]) -> Vec<Call<'_>> {
    let changes = story.iter().filter_map(|(_, told)| match told {
        Told::Decision(Decision::Action(change)) => Some(change),
        _ => None,
    });
    let calls = changes.filter_map(|c| {
        let revision = match c.change {
            Published::Requested => None,
            Published::Updated => Some(c.cause),
            Published::Revoked | Published::Expired => return None,
        };
        Some(Call {
            instant: c.instant,
            rule: &c.rule,
            action: &c.action,
            key: Some(&c.key),
            id: Some(c.id),
            revision,
            detected: c.detection().map(|d| d.time),
        })
    });
    calls.collect()
}

fn remembered<'a>(words: &Words<'a>) -> Vec<Call<'a>> {
    let calls = words.question.desk.recent.iter().filter_map(|r| {
        let revision = match r.what {
            Noted::Requested => None,
            Noted::Changed(
                cause @ (CauseReason::Breached | CauseReason::Changed | CauseReason::NotAccepted),
            ) => Some(Some(cause)),
            Noted::Changed(_) | Noted::Pending(_) | Noted::Suppressed(_) => return None,
        };
        Some(Call {
            instant: r.instant,
            rule: &r.rule,
            action: &r.action,
            key: None,
            id: None,
            revision,
            detected: None,
        })
    });
    calls.collect()
}

fn sentence(words: &Words<'_>, before: &[Call<'_>], call: &Call<'_>) -> String {
    let head = format!("`{}` at {}", call.action, at(call.instant));
    if let Some(cause) = call.revision {
        let cause = cause.map_or("something had changed", super::reasons::cause);
        return format!("{head} is a revision of the same action ({cause}), not a second one");
    }
    if let Some(first) = before.iter().find(|b| b.id.is_some() && b.id == call.id) {
        return format!(
            "{head} is the action of {} again: it had been revoked or had expired, and the problem was found again",
            at(first.instant)
        );
    }
    let Some(same) = before.iter().rev().find(|b| b.rule == call.rule) else {
        let other = before.last().expect("there is one before");
        return format!(
            "{head} comes from another rule: {}, after `{}` of {} at {}",
            call.rule,
            other.action,
            other.rule,
            at(other.instant)
        );
    };
    if same.key != call.key
        && let (Some(one), Some(other)) = (same.key, call.key)
    {
        return format!(
            "{head} is about another problem of {}: {other}, after {one} at {}",
            call.rule,
            at(same.instant)
        );
    }
    if (same.detected, same.instant) == (call.detected, call.instant) {
        return format!("{head} is another action of {} for the same problem", call.rule);
    }
    let ix = words.question.book.rule_named(call.rule);
    let cooldown = ix.and_then(|ix| words.question.book.rule(ix).cooldown_ms);
    let since = call.detected.unwrap_or(call.instant) - same.detected.unwrap_or(same.instant);
    let after = format!("{} after the one of {}", long(since), at(same.instant));
    match cooldown {
        Some(cooldown) => format!(
            "{head}: {} found it again, {after}; its cool-down of {} was over",
            call.rule,
            long(cooldown)
        ),
        None => format!("{head}: {} found it again, {after}; the rule has no `cooldown`", call.rule),
    }
}
