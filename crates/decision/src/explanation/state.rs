//! What is known now.

use super::words::Words;
use super::{ActionView, ContactView, CooldownView, EpisodeView, FeedView, PendingView};
use crate::life::Stage;
use cxwatch_engine::{FOREVER, NEVER, View};
use cxwatch_event::Millis;
use cxwatch_event::messages::{Decimal, Rfc3339};
use cxwatch_rulebook::{Level, RuleIx};

fn concerns(words: &Words<'_>, rule: &str) -> bool {
    words.question.rule.is_none_or(|ix| words.question.book.rule(ix).id == rule)
}

pub(super) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Requested => "requested",
        Stage::Accepted => "accepted",
        Stage::Contacted => "contacted",
        Stage::Revoked => "revoked",
        Stage::Expired => "expired",
        Stage::Refused => "declined or rejected",
        Stage::Done => "done",
    }
}

pub(super) fn actions(words: &Words<'_>) -> Vec<ActionView> {
    let all = words.question.desk.actions.iter().filter(|a| concerns(words, &a.rule));
    all.map(|a| ActionView {
        action_id: a.id.to_string(),
        rule: a.rule.to_string(),
        action: a.action.to_string(),
        key: a.key.to_string(),
        stage: stage(a.stage).into(),
        revision: a.revision,
        expires: Rfc3339(a.expires),
    })
    .collect()
}

pub(super) fn pending(words: &Words<'_>) -> Vec<PendingView> {
    let all = words.question.desk.pending.iter().filter(|p| concerns(words, &p.rule));
    all.map(|p| PendingView {
        rule: p.rule.to_string(),
        action: p.action.to_string(),
        key: p.key.to_string(),
        reason: p.reason,
        until: Rfc3339(p.until),
    })
    .collect()
}

pub(super) fn cooldowns(words: &Words<'_>) -> Vec<CooldownView> {
    let all = words.question.desk.cooldowns.iter().filter(|c| concerns(words, &c.rule));
    all.map(|c| CooldownView { rule: c.rule.to_string(), key: c.key.to_string(), until: Rfc3339(c.until) })
        .collect()
}

pub(super) fn contacts(words: &Words<'_>) -> Vec<ContactView> {
    let all = words.question.desk.contacts.iter();
    all.map(|c| ContactView { time: Rfc3339(c.time), channel: c.channel.to_string(), by: c.by.to_string() })
        .collect()
}

pub(super) fn feeds(words: &Words<'_>) -> Vec<FeedView> {
    let Some(view) = words.question.view else { return Vec::new() };
    let feeds = words.question.book.feeds.iter().zip(&view.clock.feeds);
    feeds
        .map(|(feed, (watermark, blind))| FeedView {
            feed: feed.to_string(),
            seen_to: (NEVER + 1..FOREVER).contains(watermark).then_some(Rfc3339(*watermark)),
            blind: *blind,
        })
        .collect()
}

pub(super) fn episodes(words: &Words<'_>, rule: RuleIx) -> Vec<EpisodeView> {
    let view = words.question.view.and_then(|view| view.rules.iter().find(|r| r.rule == rule));
    let Some(view) = view else { return Vec::new() };
    let open = view.episodes.iter().filter(|e| e.level == Level::Breach);
    open.map(|e| {
        let named = words.question.book.rule(rule).measures.iter().zip(&e.measures);
        EpisodeView {
            key: words.key(rule, Some(&e.key)),
            opened: words.event_view(&e.opened),
            deadline: e.deadline.map(Rfc3339),
            paused: e.paused,
            held_by: e
                .held
                .iter()
                .map(|h| words.question.book.feeds[usize::from(h.feed.0)].to_string())
                .collect(),
            measures: named.filter_map(|(m, v)| Some((m.name.to_string(), Decimal((*v)?)))).collect(),
        }
    })
    .collect()
}

/// What is still known of an instant that has passed: episodes that were open then and are, sightings that are no newer.
/// How far windows had come then, nobody knows.
pub(super) fn as_of(view: &View, at: Millis) -> View {
    let mut view = view.clone();
    for rule in &mut view.rules {
        rule.episodes.retain(|episode| episode.opened.time <= at);
        for episode in &mut rule.episodes {
            if episode.deadline.is_none_or(|deadline| at < deadline) {
                episode.held.clear();
            }
        }
        rule.windows.retain(|window| window.held.as_ref().is_some_and(|(time, _)| *time <= at));
        rule.sights.retain(|(_, _, sight)| sight.time <= at);
    }
    view
}
