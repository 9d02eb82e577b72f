//! Absences: something expected did not happen.
//!
//! For one rule and customer there are the open episodes ([`Absence::episodes`]) and a memory: the events of the last
//! `late_horizon` in their naive order, with the state as of before the oldest of them. An event that
//! comes in order steps the open episodes forward. One that belongs earlier is put into the memory, and its key is
//! evaluated again from the checkpoint; what had been fired and does not come out of that is retracted.

mod entry;
mod episode;
mod memory;

pub(crate) use entry::Entry;
pub(crate) use episode::Episode;
pub(crate) use memory::Fired;

use crate::Limits;
use crate::change::{Moved, Renumbered};
use crate::near::ask_for;
use crate::place::Pos;
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{Roles, Rule, Rulebook};
use entry::{Stretch, lasts};
use episode::step;
use memory::{Past, stretch_gap_ms};
use serde::{Deserialize, Serialize};

/// What the steps of an absence are taken in.
#[derive(Clone, Copy)]
pub(crate) struct Ctx<'a> {
    pub(crate) book: &'a Rulebook,
    pub(crate) rule: &'a Rule,
    pub(crate) limits: &'a Limits,
}

impl Ctx<'_> {
    /// How long after its time a detection may still be resolved.
    fn resolve_ms(&self) -> Millis {
        let ttls = self.rule.actions.iter().map(|at| self.book.actions[usize::from(*at)].ttl_ms);
        ttls.max().unwrap_or(0)
    }
}

/// What one rule of kind absence knows about one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Absence {
    #[default]
    Empty,
    /// All that there is to remember of a customer who has no episode and only refreshes: who looks around. A
    /// [`Stretch`], its parts laid out so that they fill no more than 40 bytes with the tag.
    Idle {
        feed: u8,
        sub: u32,
        offset: i64,
        time: Millis,
        end: Millis,
        #[serde(with = "postcard::fixint::le")]
        id: u64,
    },
    Busy {
        episodes: Vec<Episode>,
        /// What came within the late horizon.
        past: Option<Box<Past>>,
    },
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
        match self {
            Absence::Empty => true,
            Absence::Idle { .. } => false,
            Absence::Busy { episodes, past } => episodes.is_empty() && past.is_none(),
        }
    }

    pub(crate) fn episodes(&self) -> &[Episode] {
        match self {
            Absence::Busy { episodes, .. } => episodes,
            _ => &[],
        }
    }

    fn past(&self) -> Option<&Past> {
        match self {
            Absence::Busy { past, .. } => past.as_deref(),
            _ => None,
        }
    }

    /// The rule's measures have changed.
    pub(crate) fn move_measures(&mut self, moved: &Moved) {
        let Absence::Busy { episodes, past } = self else { return };
        episodes.iter_mut().for_each(|e| moved.apply(&mut e.measures));
        if let Some(past) = past {
            past.move_measures(moved);
        }
    }

    /// Feeds and types have other numbers now.
    pub(crate) fn renumber(&mut self, numbers: &Renumbered) {
        match self {
            Absence::Empty => {}
            Absence::Idle { feed, .. } => *feed = numbers.feed(*feed),
            Absence::Busy { episodes, past } => {
                episodes.iter_mut().for_each(|e| e.renumber(numbers));
                past.iter_mut().for_each(|past| past.renumber(numbers));
            }
        }
    }

    /// Whether it holds anything that time alone will let it forget.
    pub(crate) fn will_forget(&self) -> bool {
        matches!(self, Absence::Idle { .. }) || self.past().is_some_and(Past::remembers_anything)
    }

    /// Asks for what the next event will need, so that it is near by then.
    pub(crate) fn warm(&self) {
        let Absence::Busy { episodes, past } = self else { return };
        past.as_deref().into_iter().for_each(ask_for);
        episodes.first().into_iter().for_each(Episode::warm);
    }

    /// The same, where [`Absence::warm`] has led.
    pub(crate) fn warm_memory(&self) {
        self.past().into_iter().for_each(Past::warm_memory);
    }

    pub(crate) fn remembers(&self, id: u64) -> bool {
        self.past().is_some_and(|p| p.memory.iter().any(|e| e.id == id))
    }

    /// Takes an event.
    pub(crate) fn absorb(&mut self, ctx: Ctx<'_>, mut entry: Entry, turn: &mut Turn) {
        if entry.is_plain_refresh() && entry.key().is_none() && self.idles(ctx.rule, entry.pos, entry.id) {
            return;
        }
        let (episodes, past) = self.begin_memory();
        if let Some(floor) = past.floor().filter(|floor| entry.pos < *floor) {
            entry.pos = floor;
            turn.bound_hits += 1;
        }
        let (time, stops) = (entry.pos.time, entry.has(Roles::STOP));
        let key = entry.key().cloned();
        let key = key.as_deref();
        let in_order = past.memory.last().is_none_or(|last| last.pos <= entry.pos)
            && past.newest <= time
            && !past.fired().iter().any(|f| f.time >= time && key.is_none_or(|k| k == f.key));
        if in_order {
            let mut none = Vec::new();
            let armed = past.armed(ctx.rule).unwrap_or(&mut none);
            turn.bound_hits += u64::from(!step(ctx, episodes, armed, &entry, time));
            past.remember_last(ctx, entry);
        } else if past.remember_late(&entry) {
            past.evaluate_again(ctx, episodes, key, turn);
        }
        if stops {
            past.resolve(ctx, time, key, turn);
        }
        if past.memory.len() > ctx.limits.remembered_events_max {
            turn.bound_hits += 1;
            past.forget_half(ctx);
        }
    }

    /// Takes an event that refreshes and brings nothing along, if it needs no more than to lengthen the idle stretch.
    pub(crate) fn idles(&mut self, rule: &Rule, pos: Pos, id: u64) -> bool {
        if self.is_empty() {
            let Some((time, feed, offset, sub)) = pos.event() else { return false };
            *self = Absence::Idle { feed, sub, offset, time, end: time, id };
            return true;
        }
        let Absence::Idle { feed, sub, offset, time, end, .. } = self else { return false };
        let begin = Pos::at_event(*time, *feed, *offset, *sub);
        let gap = pos.time - *end;
        if gap > stretch_gap_ms(rule) || pos < begin || lasts(begin, pos.time).is_none() {
            return false;
        }
        *end = pos.time.max(*end);
        true
    }

    /// Takes out of the memory what a retracted detection was.
    pub(crate) fn forget_detection(&mut self, ctx: Ctx<'_>, detection: u64, turn: &mut Turn) {
        let Absence::Busy { episodes, past: Some(past) } = self else { return };
        let Some(at) = past.memory.iter().position(|e| e.detection() == Some(detection)) else { return };
        let entry = past.memory.remove(at);
        past.evaluate_again(ctx, episodes, entry.key().map(CompactString::as_str), turn);
    }

    /// Remembers what has been fired; that again if a `stop` that came before has ended the need to act. The memory must
    /// have begun before the episodes changed.
    pub(crate) fn remember_fired(&mut self, ctx: Ctx<'_>, mut fired: Fired) -> Option<Fired> {
        let past = self.begin_memory().1;
        fired.resolved = past.has_resolved(ctx, &fired);
        let resolved = fired.resolved.then(|| fired.clone());
        past.add_fired(fired);
        resolved
    }

    /// Must come before anything that changes the episodes.
    pub(crate) fn begin_memory(&mut self) -> (&mut Vec<Episode>, &mut Past) {
        if !matches!(self, Absence::Busy { .. }) {
            let past = match *self {
                Absence::Idle { feed, sub, offset, time, end, id } => {
                    let pos = Pos::at_event(time, feed, offset, sub);
                    Some(Box::new(Past::of_idle(Stretch { pos, end, id })))
                }
                _ => None,
            };
            *self = Absence::Busy { episodes: Vec::new(), past };
        }
        let Absence::Busy { episodes, past } = self else { unreachable!("it has just become busy") };
        let past = past.get_or_insert_default();
        past.begin(episodes);
        (episodes, past)
    }

    /// Forgets what lies before `cut`.
    pub(crate) fn forget(&mut self, ctx: Ctx<'_>, cut: Millis) {
        if matches!(self, Absence::Idle { end, .. } if *end < cut) {
            *self = Absence::Empty;
        }
        let Absence::Busy { episodes, past } = self else { return };
        episodes.shrink_to_fit();
        if let Some(remembered) = past {
            remembered.forget(ctx, episodes, cut);
            if remembered.is_empty() {
                *past = None;
            }
        }
    }
}
