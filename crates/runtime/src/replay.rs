//! A task brought to where its journal ends: the same input, the same verdicts, the same state.
//!
//! Verdicts are applied in the order in which they happened. What lies between two of them is free: feeds are read and
//! time moves, as far as the coming verdicts allow - no feed beyond the position that a verdict still to come names for
//! it, time not beyond the instant of the next verdict that has one.

use crate::ahead::Ahead;
use crate::desk::Publisher;
use crate::journal::CommitRecord;
use crate::live::feed_ix;
use crate::ports::{Answer, Fault, FeedReader};
use cxwatch_engine::{Judge, Task, Verdict};
use cxwatch_event::Millis;
use std::collections::{BTreeSet, VecDeque};

/// Instants processed before it is asked whether the task is still ours.
const SLICE: usize = 2_000;

/// Records read before time moves on, where the verdicts let both be done.
const READ_AT_ONCE: usize = 256;

/// The verdicts of a stretch of commits, and where it ends.
pub(crate) struct Stretch<'c> {
    steps: Vec<&'c Verdict>,
    refused: BTreeSet<(u8, i64, u32)>,
    /// By step: the instant beyond which time must not move before it.
    instants: Vec<Millis>,
    /// By feed: (step, position beyond which the feed must not be read before it).
    bounds: Vec<VecDeque<(usize, i64)>>,
    end: &'c CommitRecord,
}

impl<'c> Stretch<'c> {
    /// What leads to the last of these commits.
    pub(crate) fn new(commits: &[&'c CommitRecord], end: &'c CommitRecord) -> Self {
        let mut steps = Vec::new();
        let mut refused = BTreeSet::new();
        for verdict in commits.iter().flat_map(|c| &c.verdicts) {
            match verdict {
                Verdict::Refused { feed, offset, sub } => {
                    refused.insert((*feed, *offset, *sub));
                }
                _ => steps.push(verdict),
            }
        }
        let mut bounds = vec![VecDeque::new(); end.positions.len()];
        for (step, verdict) in steps.iter().enumerate() {
            match verdict {
                Verdict::Proof { feed, position, .. }
                | Verdict::LagProof { feed, position, .. }
                | Verdict::Lag { feed, from: position, .. }
                | Verdict::Blind { feed, position, .. }
                | Verdict::See { feed, position, .. } => {
                    if let Some(bounds) = bounds.get_mut(usize::from(*feed)) {
                        bounds.push_back((step, *position));
                    }
                }
                Verdict::Force { positions, .. } => {
                    for (bounds, position) in bounds.iter_mut().zip(positions) {
                        bounds.push_back((step, *position));
                    }
                }
                Verdict::Pause { .. } | Verdict::Refused { .. } => {}
            }
        }
        let mut next = end.instant;
        let mut instants = vec![next; steps.len() + 1];
        for (step, verdict) in steps.iter().enumerate().rev() {
            next = instant_of(verdict).unwrap_or(next);
            instants[step] = next;
        }
        Stretch { steps, refused, instants, bounds, end }
    }
}

fn instant_of(verdict: &Verdict) -> Option<Millis> {
    match verdict {
        Verdict::LagProof { instant, .. }
        | Verdict::Lag { instant, .. }
        | Verdict::Blind { instant, .. }
        | Verdict::See { instant, .. }
        | Verdict::Force { instant, .. }
        | Verdict::Pause { instant, .. } => Some(*instant),
        Verdict::Proof { .. } | Verdict::Refused { .. } => None,
    }
}

/// How a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// At the end of the stretch.
    Whole,
    /// The task is no longer ours.
    GivenUp,
}

/// Replays a stretch. `alive` is asked now and then whether to go on.
pub(crate) fn replay<D: Publisher, R: FeedReader>(
    task: &mut Task<D>,
    ahead: &mut Ahead<'_, R>,
    mut stretch: Stretch<'_>,
    alive: &mut dyn FnMut() -> Result<bool, Fault>,
) -> Result<Replayed, Fault> {
    let mut at = 0;
    let mut since_asked = 0usize;
    let mut read = 0;
    loop {
        since_asked += 1;
        if since_asked >= SLICE {
            since_asked = 0;
            task.desk_mut().discard();
            if !alive()? {
                return Ok(Replayed::GivenUp);
            }
        }
        if at < stretch.steps.len() && is_ready(task, ahead, &stretch, at)? {
            apply(task, ahead, &stretch, at)?;
            at += 1;
            continue;
        }
        let until = stretch.instants[at].min(task.watermark());
        let may_advance = until > task.instant();
        if read < READ_AT_ONCE || !may_advance {
            if let Some(feed) = next_feed(task, ahead, &mut stretch, at)? {
                read_one(task, ahead, &stretch.refused, feed);
                read += 1;
                continue;
            }
            if !may_advance {
                if at == stretch.steps.len() && task.instant() == stretch.end.instant {
                    break;
                }
                return Err(stuck(task, &stretch, at));
            }
        }
        read = 0;
        if task.advance(until, SLICE) {
            since_asked = SLICE;
        }
    }
    task.desk_mut().discard();
    Ok(Replayed::Whole)
}

/// Whether everything that came before a verdict has been done.
fn is_ready<D: Publisher, R: FeedReader>(
    task: &Task<D>,
    ahead: &mut Ahead<'_, R>,
    stretch: &Stretch<'_>,
    at: usize,
) -> Result<bool, Fault> {
    let verdict = stretch.steps[at];
    if instant_of(verdict).is_some_and(|instant| task.instant() != instant) {
        return Ok(false);
    }
    for (feed, bounds) in stretch.bounds.iter().enumerate() {
        let mine = bounds.iter().find(|(step, _)| *step >= at).filter(|(step, _)| *step == at);
        if let Some((_, bound)) = mine
            && ahead.peek(feed, *bound)?.is_some()
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn apply<D: Publisher, R: FeedReader>(
    task: &mut Task<D>,
    ahead: &mut Ahead<'_, R>,
    stretch: &Stretch<'_>,
    at: usize,
) -> Result<(), Fault> {
    let verdict = stretch.steps[at];
    if let Verdict::Lag { feed, to, .. } = verdict {
        let feed = usize::from(*feed);
        while ahead.peek(feed, *to)?.is_some() {
            read_one(task, ahead, &stretch.refused, feed);
        }
    }
    task.replay_verdict(verdict);
    Ok(())
}

/// Of the feeds that may be read on, the one with the least watermark.
fn next_feed<D: Publisher, R: FeedReader>(
    task: &Task<D>,
    ahead: &mut Ahead<'_, R>,
    stretch: &mut Stretch<'_>,
    at: usize,
) -> Result<Option<usize>, Fault> {
    let mut best: Option<(Millis, usize)> = None;
    for (feed, bounds) in stretch.bounds.iter_mut().enumerate() {
        while bounds.front().is_some_and(|(step, _)| *step < at) {
            bounds.pop_front();
        }
        let end = stretch.end.positions[feed];
        let bound = bounds.front().map_or(end, |(_, position)| (*position).min(end));
        let watermark = task.feed_watermark(feed_ix(feed));
        if best.is_none_or(|(least, _)| watermark < least) && ahead.peek(feed, bound)?.is_some() {
            best = Some((watermark, feed));
        }
    }
    Ok(best.map(|(_, feed)| feed))
}

fn read_one<D: Publisher, R: FeedReader>(
    task: &mut Task<D>,
    ahead: &mut Ahead<'_, R>,
    refused: &BTreeSet<(u8, i64, u32)>,
    feed: usize,
) {
    let Some(mut read) = ahead.next(feed) else { return };
    let ix = feed_ix(feed);
    let is_refused = |sub: u32| refused.contains(&(ix.0, read.offset, sub));
    task.read(ix, read.offset, read.recorded_at, &mut read.record, Judge::Recorded(&is_refused));
    for refusal in &read.refusals {
        task.note_refusal(ix, read.offset, refusal.sub, refusal.rejection.reason);
    }
}

#[cold]
fn stuck<D: Publisher>(task: &Task<D>, stretch: &Stretch<'_>, at: usize) -> Fault {
    let message = match stretch.steps.get(at) {
        Some(verdict) => format!("the replay comes to {} and not to {verdict:?}", task.instant()),
        None => format!("the replay comes to {} and not to {}", task.instant(), stretch.end.instant),
    };
    Fault::new(Answer::CloseDirty, "restore", "ReplayStuck", message)
}
