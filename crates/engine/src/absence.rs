//! Absences: something expected did not happen.
//!
//! For one rule and customer there are the open episodes ([`Absence::episodes`]) and a memory: the events of the last
//! `late_horizon` in their naive order, with the state as of before the oldest of them ([`Checkpoint`]). An event that
//! comes in order steps the open episodes forward. One that belongs earlier is put into the memory, and its key is
//! evaluated again from the checkpoint; what had been fired and does not come out of that is retracted.

mod episode;
mod memory;

pub(crate) use episode::Episode;
pub(crate) use memory::{Entry, Fired};

use crate::change::{Moved, Renumbered};
use cxwatch_event::Millis;
use cxwatch_rulebook::{Roles, Rule, Rulebook};
use episode::step;
use memory::{Checkpoint, Past, Stretch, push, stretch_gap_ms};
use serde::{Deserialize, Serialize};

/// What the steps of an absence are taken in.
#[derive(Clone, Copy)]
pub(crate) struct Ctx<'a> {
    pub(crate) book: &'a Rulebook,
    pub(crate) rule: &'a Rule,
    pub(crate) episodes_max: usize,
    pub(crate) remembered_max: usize,
    pub(crate) window_max: usize,
    /// How long after its time a detection may still be resolved.
    pub(crate) resolve_ms: Millis,
}

/// What one rule of kind absence knows about one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Absence {
    pub(crate) episodes: Vec<Episode>,
    /// Most customers, most of the time, have none: what came within the late horizon.
    past: Option<Box<Past>>,
    /// All that there is to remember of a customer who has no episode and only refreshes: who looks around.
    idle: Option<Stretch>,
}

/// What an event has brought about, besides moved deadlines.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Detections that never held.
    pub(crate) retracted: Vec<Fired>,
    /// Detections whose need to act is over.
    pub(crate) resolved: Vec<Fired>,
    pub(crate) evaluated_again: bool,
    pub(crate) bound_hits: u64,
}

impl Turn {
    /// Whether nothing has come of it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.retracted.is_empty() && self.resolved.is_empty() && !self.evaluated_again && self.bound_hits == 0
    }
}

impl Absence {
    /// Whether nothing is left that could ever matter.
    pub(crate) fn is_empty(&self) -> bool {
        self.episodes.is_empty() && self.past.is_none() && self.idle.is_none()
    }

    /// The rule's measures have changed.
    pub(crate) fn move_measures(&mut self, moved: &Moved) {
        self.episodes.iter_mut().for_each(|e| moved.apply(&mut e.measures));
        if let Some(past) = &mut self.past {
            past.move_measures(moved);
        }
    }

    /// Feeds and types have other numbers now.
    pub(crate) fn renumber(&mut self, numbers: &Renumbered) {
        self.episodes.iter_mut().for_each(|e| e.renumber(numbers));
        if let Some(past) = &mut self.past {
            past.renumber(numbers);
        }
        self.idle.iter_mut().for_each(|idle| idle.pos.renumber(numbers));
    }

    /// Whether it holds anything that time alone will let it forget.
    pub(crate) fn will_forget(&self) -> bool {
        self.idle.is_some() || self.past.as_ref().is_some_and(|p| p.remembers_anything())
    }

    /// Reads what the next event will need, so that it is near by then. The result means nothing.
    pub(crate) fn warm(&self) -> usize {
        let past = self.past.as_deref().map_or(0, |p| p.memory.last().map_or(1, |e| e.roles as usize));
        past + self.episodes.first().map_or(0, |e| e.events as usize)
    }

    pub(crate) fn remembers(&self, id: u64) -> bool {
        self.past.as_ref().is_some_and(|p| p.memory.iter().any(|e| e.id == id))
    }

    /// Takes an event.
    pub(crate) fn absorb(&mut self, ctx: Ctx<'_>, mut entry: Entry, turn: &mut Turn) {
        if self.idles(ctx, &entry) {
            return;
        }
        self.begin_memory();
        let Absence { episodes, past: Some(past), .. } = self else { unreachable!("the memory has begun") };
        if let Some(floor) = past.floor.filter(|floor| entry.pos < *floor) {
            entry.pos = floor;
            turn.bound_hits += 1;
        }
        let (time, stops) = (entry.pos.time, entry.has(Roles::STOP));
        let key = entry.key.clone();
        let key = key.as_deref();
        let in_order = past.memory.last().is_none_or(|last| last.pos <= entry.pos)
            && past.newest <= time
            && !past.fired.iter().any(|f| f.time >= time && key.is_none_or(|k| k == f.key));
        if in_order {
            turn.bound_hits += u64::from(!step(ctx, episodes, &mut past.armed, &entry, time));
            past.remember_last(ctx, entry);
        } else if past.remember_late(&entry) {
            past.evaluate_again(ctx, episodes, key, turn);
        }
        if stops {
            past.resolve(ctx, time, key, turn);
        }
        if past.memory.len() > ctx.remembered_max {
            turn.bound_hits += 1;
            past.forget_half(ctx);
        }
    }

    /// Takes a refresh that needs no more than to lengthen the idle stretch.
    fn idles(&mut self, ctx: Ctx<'_>, entry: &Entry) -> bool {
        if !entry.is_plain_refresh()
            || entry.key.is_some()
            || self.past.is_some()
            || !self.episodes.is_empty()
        {
            return false;
        }
        let Some(idle) = &mut self.idle else {
            self.idle = Some(Stretch { pos: entry.pos, end: entry.end, id: entry.id });
            return true;
        };
        let gap = entry.pos.time - idle.end;
        if gap > stretch_gap_ms(ctx.rule) || entry.pos < idle.pos {
            return false;
        }
        idle.end = idle.end.max(entry.end);
        true
    }

    /// Takes out of the memory what a retracted detection was.
    pub(crate) fn forget_detection(&mut self, ctx: Ctx<'_>, detection: u64, turn: &mut Turn) {
        let Absence { episodes, past: Some(past), .. } = self else { return };
        let Some(at) = past.memory.iter().position(|e| e.detection() == Some(detection)) else { return };
        let entry = past.memory.remove(at);
        past.evaluate_again(ctx, episodes, entry.key.as_deref(), turn);
    }

    /// Remembers what has been fired. The memory must have begun before the episodes changed.
    pub(crate) fn remember_fired(&mut self, fired: Fired) {
        self.past.as_mut().expect("the memory has begun").fired.push(fired);
    }

    /// Must come before anything that changes the episodes.
    pub(crate) fn begin_memory(&mut self) {
        let past = self.past.get_or_insert_default();
        if past.checkpoint.is_none() {
            past.checkpoint = Some(Checkpoint { episodes: self.episodes.clone(), armed: past.armed.clone() });
        }
        if let Some(idle) = self.idle.take() {
            past.newest = past.newest.max(idle.end);
            push(&mut past.memory, Entry::stretch(idle));
        }
    }

    /// Forgets what lies before `cut`.
    pub(crate) fn forget(&mut self, ctx: Ctx<'_>, cut: Millis) {
        self.idle = self.idle.filter(|idle| idle.end >= cut);
        let Some(past) = &mut self.past else { return };
        past.forget(ctx, &self.episodes, cut);
        self.episodes.shrink_to_fit();
        if !past.remembers_anything() && past.armed.is_empty() {
            self.past = None;
        }
    }
}
