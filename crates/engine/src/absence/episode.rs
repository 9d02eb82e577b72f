//! One running instance of an absence rule, and what an event does to it.

use super::Ctx;
use super::entry::{Detail, Entry};
use super::memory::push;
use crate::Measures;
use crate::change::Renumbered;
use crate::evidence::Evidence;
use crate::near::ask_for;
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{Kind, Level, Roles, Span};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// One running instance of an absence rule, or one of its warnings that is due and has not been fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) key: CompactString,
    pub(crate) about: Evidence,
    /// The newest event that joined it.
    pub(crate) last: Option<Evidence>,
    /// A warning stands apart from its episode once the episode has moved on.
    pub(crate) level: Level,
    /// The start or last refresh, or the last resume.
    pub(super) base: Millis,
    pub(super) span: Span,
    /// Time used up before `base`.
    pub(super) carried: Millis,
    pub(super) paused: bool,
    pub(crate) deadline: Option<Millis>,
    pub(crate) warn: Option<Millis>,
    /// The deadline that has been warned of.
    pub(super) warned: Option<Millis>,
    pub(crate) measures: Measures,
    pub(crate) events: u32,
    /// Of the detections among them: the sum of their numbers.
    pub(super) rests_on: u64,
    pub(crate) severity: u8,
}

impl Episode {
    /// Asks for it.
    pub(super) fn warm(&self) {
        ask_for(&self.base);
        ask_for(&self.events);
        ask_for(&self.key);
        ask_for(&self.rests_on);
    }

    /// Takes events at `time`: its deadline, where it has one, is not past.
    fn accepts(&self, time: Millis) -> bool {
        self.level == Level::Breach && self.deadline.is_none_or(|d| time <= d)
    }

    /// Feeds and types have other numbers now.
    pub(super) fn renumber(&mut self, numbers: &Renumbered) {
        self.about.renumber(numbers);
        self.last.iter_mut().for_each(|last| last.renumber(numbers));
    }

    /// Its clock stands.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// When it next wants attention, and for what.
    pub(crate) fn next(&self) -> Option<(Millis, Level)> {
        match (self.level, self.warn, self.deadline) {
            (Level::Warning, _, Some(at)) => Some((at, Level::Warning)),
            (Level::Breach, Some(at), _) => Some((at, Level::Warning)),
            (Level::Breach, None, Some(at)) => Some((at, Level::Breach)),
            (_, _, None) => None,
        }
    }

    /// The warning as a thing of its own, due at `at`.
    pub(super) fn split_warning(&mut self, at: Millis) -> Episode {
        let warning = Episode {
            level: Level::Warning,
            deadline: Some(at),
            warn: None,
            warned: self.deadline,
            ..self.clone()
        };
        self.warn = None;
        self.warned = self.deadline;
        warning
    }

    /// Its warning has been fired.
    pub(crate) fn has_warned(&mut self) {
        self.warned = self.deadline;
        self.warn = None;
    }

    /// The deadline after a start, refresh or resume at `now`.
    fn set_deadline(&mut self, ctx: Ctx<'_>, now: Millis) {
        let rest = match self.span {
            Span::Ms(ms) => Span::Ms((ms - self.carried).max(0)),
            days => days,
        };
        self.move_deadline(ctx, now, ctx.rule.due(ctx.book, self.base, rest));
    }

    fn move_deadline(&mut self, ctx: Ctx<'_>, now: Millis, deadline: Millis) {
        let deadline = deadline.max(now);
        self.deadline = Some(deadline);
        self.warn = None;
        let Kind::Absence { warn_permille: Some(permille), .. } = ctx.rule.kind else { return };
        if self.warned == Some(deadline) {
            return;
        }
        let total = i128::from(self.carried) + i128::from(ctx.rule.used(ctx.book, self.base, deadline));
        let share = (total * i128::from(permille) / 1000) as Millis - self.carried;
        let at = ctx.rule.due(ctx.book, self.base, Span::Ms(share.max(0))).max(now);
        self.warn = (at < deadline).then_some(at);
    }

    /// The deadline that a detection at `level` speaks of.
    pub(crate) fn speaks_of(&self, level: Level) -> Option<Millis> {
        match (self.level, level) {
            (Level::Breach, _) => self.deadline,
            (Level::Warning, _) => self.warned,
        }
    }
}

/// Applies one event to the episodes it concerns. A refresh counts from `until`, the end of its stretch, in episodes
/// that take events at its beginning. False where an episode could not be opened for want of room.
pub(super) fn step(
    ctx: Ctx<'_>,
    episodes: &mut Vec<Episode>,
    armed: &mut Vec<u64>,
    entry: &Entry,
    until: Millis,
) -> bool {
    let time = entry.pos.time;
    let mut warnings = Vec::new();
    let mut joined = false;
    episodes.retain_mut(|episode| {
        if !episode.accepts(time) || !entry.concerns(&episode.key) {
            return true;
        }
        if let Some(at) = episode.warn.filter(|at| *at < time) {
            warnings.push(episode.split_warning(at));
        }
        if entry.has(Roles::STOP) {
            return false;
        }
        touch(ctx, episode, entry, until);
        joined |= entry.has(Roles::START) && entry.key().is_some();
        true
    });
    episodes.append(&mut warnings);
    match entry.detail() {
        Some(detail) if !joined => match &detail.about {
            Some(about) => open(ctx, episodes, armed, entry, detail, about),
            None => true,
        },
        _ => true,
    }
}

/// Pause, resume, refresh, minus and joining, in this order.
fn touch(ctx: Ctx<'_>, episode: &mut Episode, entry: &Entry, until: Millis) {
    let Kind::Absence { data_deadline, grace, .. } = ctx.rule.kind else {
        unreachable!("an absence has this kind")
    };
    let time = entry.pos.time;
    if entry.has(Roles::PAUSE) && !episode.paused && !data_deadline {
        episode.carried += ctx.rule.used(ctx.book, episode.base, time);
        episode.paused = true;
        episode.deadline = None;
        episode.warn = None;
    }
    if entry.has(Roles::RESUME) && episode.paused {
        episode.base = time;
        episode.paused = false;
        episode.set_deadline(ctx, time);
    }
    if entry.has(Roles::REFRESH) {
        if data_deadline {
            if let Some(deadline) = entry.deadline() {
                episode.base = time;
                let deadline = ctx.rule.due(ctx.book, deadline, grace);
                episode.move_deadline(ctx, time, deadline);
            }
        } else {
            episode.carried = 0;
            if !episode.paused {
                episode.base = until;
                episode.set_deadline(ctx, until);
            }
        }
    }
    let Some(detail) = entry.detail() else { return };
    if entry.has(Roles::MINUS | Roles::START) {
        for (at, measure) in ctx.rule.measures.iter().enumerate() {
            episode.measures[at] = measure.fold.add(episode.measures[at], detail.deltas[at]);
        }
    }
    if let Some(about) = &detail.about
        && entry.key().is_some()
    {
        episode.events += 1;
        episode.rests_on = episode.rests_on.wrapping_add(detail.detection.unwrap_or(0));
        episode.last = Some(about.clone());
    }
}

fn open(
    ctx: Ctx<'_>,
    episodes: &mut Vec<Episode>,
    armed: &mut Vec<u64>,
    entry: &Entry,
    detail: &Detail,
    about: &Evidence,
) -> bool {
    let Some(key) = entry.key() else { return true };
    let Kind::Absence { data_deadline, grace, once, .. } = ctx.rule.kind else {
        unreachable!("an absence has this kind")
    };
    if once {
        let hash = xxh3_64(key.as_bytes());
        if armed.contains(&hash) {
            return true;
        }
        armed.push(hash);
    }
    if episodes.len() >= ctx.limits.episodes_max {
        return false;
    }
    let time = entry.pos.time;
    let mut episode = Episode {
        key: key.clone(),
        about: about.clone(),
        last: None,
        level: Level::Breach,
        base: time,
        span: detail.span,
        carried: 0,
        paused: false,
        deadline: None,
        warn: None,
        warned: None,
        measures: detail.deltas.clone(),
        events: 1,
        rests_on: detail.detection.unwrap_or(0),
        severity: detail.severity,
    };
    if !data_deadline {
        episode.set_deadline(ctx, time);
    } else if let Some(deadline) = detail.deadline {
        let deadline = ctx.rule.due(ctx.book, deadline, grace);
        episode.move_deadline(ctx, time, deadline);
    }
    push(episodes, episode);
    true
}
