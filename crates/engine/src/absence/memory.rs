//! What is remembered for late events, and of what has been fired.

use super::entry::{Entry, Stretch, lasts};
use super::episode::{Episode, step};
use super::{Ctx, Turn};
use crate::Measures;
use crate::change::{Moved, Renumbered};
use crate::evidence::Evidence;
use crate::near::ask_for;
use crate::place::Pos;
use crate::window::counts_events;
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{Kind, Level, Roles, Rule};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// A detection that was fired, as long as it can still be retracted or resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fired {
    pub(crate) id: u64,
    pub(crate) level: Level,
    pub(crate) key: CompactString,
    pub(crate) time: Millis,
    pub(crate) about: Evidence,
    pub(super) measures: Measures,
    /// How many events it rested on, where the rule asks for that; else 0.
    pub(super) events: u32,
    /// As of its episode.
    pub(super) rests_on: u64,
    /// Closed by a guard or `when`: nothing was published.
    pub(crate) silent: bool,
    pub(crate) resolved: bool,
}

impl Fired {
    pub(crate) fn new(
        id: u64,
        rule: &Rule,
        episode: &Episode,
        level: Level,
        time: Millis,
        silent: bool,
    ) -> Self {
        Fired {
            id,
            level,
            key: episode.key.clone(),
            time,
            about: episode.about.clone(),
            measures: episode.measures.clone(),
            events: if counts_events(rule) { episode.events } else { 0 },
            rests_on: episode.rests_on,
            silent,
            resolved: false,
        }
    }

    /// Whether a `stop` at this time ends the need to act.
    fn is_resolved_at(&self, ctx: Ctx<'_>, time: Millis) -> bool {
        self.time < time && time <= self.time.saturating_add(ctx.resolve_ms())
    }

    fn is(&self, episode: &Episode, level: Level, time: Millis) -> bool {
        self.level == level
            && self.time == time
            && self.key == episode.key
            && self.about == episode.about
            && self.measures == episode.measures
            && self.rests_on == episode.rests_on
            && (self.events == 0 || self.events == episode.events)
    }
}

/// The state before the oldest remembered event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(super) episodes: Vec<Episode>,
    pub(super) armed: Vec<u64>,
}

/// What is remembered for late events, and of what has been fired. One cache line: what few have lies apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Past {
    pub(super) memory: Vec<Entry>,
    /// The latest end of what has been remembered: behind a stretch that ends later may stand a late event.
    pub(super) newest: Millis,
    /// What was fired before this instant stands.
    pub(super) cut: Millis,
    /// Something is remembered that could change what is: there is a checkpoint, if an empty one.
    pub(super) has_begun: bool,
    rare: Option<Box<Rare>>,
}

/// What few customers have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rare {
    /// Keys that have opened once, where a rule arms once per key.
    pub(super) armed: Vec<u64>,
    /// Empty unless the memory has begun.
    checkpoint: Checkpoint,
    fired: Vec<Fired>,
    /// The memory has been cut before this position because it was full.
    floor: Option<Pos>,
}

impl Past {
    /// What follows a stretch of refreshes.
    pub(super) fn of_idle(idle: Stretch) -> Self {
        Past { newest: idle.end.max(0), memory: vec![Entry::stretch(idle)], ..Past::default() }
    }

    /// Asks for what it has in memory of its own.
    pub(super) fn warm_memory(&self) {
        if let Some(last) = self.memory.last() {
            ask_for(&last.roles);
            ask_for(&last.pos);
            ask_for(&last.id);
        }
    }

    pub(super) fn fired(&self) -> &[Fired] {
        self.rare.as_ref().map_or(&[], |rare| &rare.fired)
    }

    pub(super) fn add_fired(&mut self, fired: Fired) {
        self.rare.get_or_insert_default().fired.push(fired);
    }

    /// Keys that have opened once, where the rule arms once per key.
    pub(super) fn armed(&mut self, rule: &Rule) -> Option<&mut Vec<u64>> {
        let once = matches!(rule.kind, Kind::Absence { once: true, .. });
        once.then(|| &mut self.rare.get_or_insert_default().armed)
    }

    pub(super) fn floor(&self) -> Option<Pos> {
        self.rare.as_ref()?.floor
    }

    /// What is, is what was before the oldest that is remembered from now on.
    pub(super) fn begin(&mut self, episodes: &[Episode]) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        if !episodes.is_empty() || self.rare.is_some() {
            let rare = self.rare.get_or_insert_default();
            rare.checkpoint = Checkpoint { episodes: episodes.to_vec(), armed: rare.armed.clone() };
        }
    }

    pub(super) fn remembers_anything(&self) -> bool {
        !self.memory.is_empty() || !self.fired().is_empty() || self.has_begun
    }

    /// Whether nothing is left that could ever matter.
    pub(super) fn is_empty(&self) -> bool {
        !self.remembers_anything() && self.rare.as_ref().is_none_or(|rare| rare.armed.is_empty())
    }

    /// The rule's measures have changed.
    pub(super) fn move_measures(&mut self, moved: &Moved) {
        let details = self.memory.iter_mut().filter_map(Entry::detail_mut);
        details.for_each(|d| moved.apply(&mut d.deltas));
        let Some(rare) = &mut self.rare else { return };
        rare.fired.iter_mut().for_each(|f| moved.apply(&mut f.measures));
        rare.checkpoint.episodes.iter_mut().for_each(|e| moved.apply(&mut e.measures));
    }

    /// Feeds and types have other numbers now.
    pub(super) fn renumber(&mut self, numbers: &Renumbered) {
        for entry in &mut self.memory {
            entry.pos.renumber(numbers);
            let about = entry.detail_mut().and_then(|detail| detail.about.as_mut());
            about.into_iter().for_each(|about| about.renumber(numbers));
        }
        let Some(rare) = &mut self.rare else { return };
        rare.fired.iter_mut().for_each(|fired| fired.about.renumber(numbers));
        rare.checkpoint.episodes.iter_mut().for_each(|e| e.renumber(numbers));
        rare.floor.iter_mut().for_each(|floor| floor.renumber(numbers));
    }

    /// A `stop` after their time leaves detections standing, and ends the need to act.
    pub(super) fn resolve(&mut self, ctx: Ctx<'_>, time: Millis, key: Option<&str>, turn: &mut Turn) {
        for fired in self.rare.iter_mut().flat_map(|rare| &mut rare.fired) {
            let open = !fired.resolved && !fired.silent && key.is_none_or(|k| k == fired.key);
            if open && fired.is_resolved_at(ctx, time) {
                fired.resolved = true;
                turn.resolved.push(fired.clone());
            }
        }
    }

    /// Whether such a `stop` is remembered: of a start that came late, or a deadline that was held.
    pub(super) fn has_resolved(&self, ctx: Ctx<'_>, fired: &Fired) -> bool {
        let stops = |e: &Entry| e.has(Roles::STOP) && e.concerns(&fired.key);
        !fired.silent && self.memory.iter().any(|e| stops(e) && fired.is_resolved_at(ctx, e.pos.time))
    }

    pub(super) fn remember_last(&mut self, ctx: Ctx<'_>, entry: Entry) {
        self.newest = self.newest.max(entry.end());
        if let Some(last) = self.memory.last_mut()
            && last.is_plain_refresh()
            && entry.is_plain_refresh()
            && last.key() == entry.key()
            && entry.pos.time - last.end() <= stretch_gap_ms(ctx.rule)
            && let Some(lasts) = lasts(last.pos, entry.pos.time)
        {
            last.lasts = lasts;
            return;
        }
        push(&mut self.memory, entry);
    }

    /// False where the event changes nothing: a refresh inside a stretch.
    pub(super) fn remember_late(&mut self, entry: &Entry) -> bool {
        let inside = |e: &Entry| {
            e.is_plain_refresh() && e.key() == entry.key() && e.pos <= entry.pos && entry.pos.time <= e.end()
        };
        if entry.is_plain_refresh() && self.memory.iter().any(inside) {
            return false;
        }
        let at = self.memory.partition_point(|e| e.pos <= entry.pos);
        self.memory.insert(at, entry.clone());
        true
    }

    /// Computes a key's episodes (all keys' if `None`) again from the checkpoint.
    pub(super) fn evaluate_again(
        &mut self,
        ctx: Ctx<'_>,
        episodes: &mut Vec<Episode>,
        key: Option<&str>,
        turn: &mut Turn,
    ) {
        turn.evaluated_again = true;
        let rare = self.rare.get_or_insert_default();
        let concerned = |k: &str| key.is_none_or(|key| key == k);
        let before = rare.checkpoint.episodes.iter();
        let mut again: Vec<_> = before.filter(|e| concerned(&e.key)).cloned().collect();
        let mut armed = rare.checkpoint.armed.clone();
        replay(ctx, &self.memory, |e| key.is_none_or(|k| e.concerns(k)), &mut again, &mut armed);
        let mut standing = Vec::with_capacity(rare.fired.len());
        for fired in std::mem::take(&mut rare.fired) {
            if !concerned(&fired.key) || claim(&mut again, &fired) || fired.time < self.cut {
                standing.push(fired);
            } else if !fired.silent {
                turn.retracted.push(fired);
            }
        }
        rare.fired = standing;
        episodes.retain(|e| !concerned(&e.key));
        episodes.append(&mut again);
        match key.map(|key| xxh3_64(key.as_bytes())) {
            None => rare.armed = armed,
            Some(key) => {
                rare.armed.retain(|k| *k != key);
                rare.armed.extend(armed.contains(&key).then_some(key));
            }
        }
    }

    pub(super) fn forget(&mut self, ctx: Ctx<'_>, episodes: &[Episode], cut: Millis) {
        self.cut = self.cut.max(cut);
        let cut = self.cut;
        let old = self.memory.iter().take_while(|e| e.end() < cut).count();
        self.fold(ctx, old);
        // A stretch that reaches over the cut still meets what was open when it began.
        let settled = self.memory.first().map_or(cut, |first| first.pos.time.min(cut));
        if let Some(rare) = &mut self.rare {
            rare.forget(ctx, episodes, cut, settled);
        }
        let rare = self.rare.as_deref();
        let as_before = match rare {
            Some(rare) => rare.checkpoint.is(episodes, &rare.armed),
            None => episodes.is_empty(),
        };
        if self.has_begun && self.memory.is_empty() && as_before {
            self.has_begun = false;
            self.memory = Vec::new();
            if let Some(rare) = &mut self.rare {
                rare.checkpoint = Checkpoint::default();
                rare.floor = None;
            }
        }
        if self.rare.as_deref() == Some(&Rare::default()) {
            self.rare = None;
        }
    }

    pub(super) fn forget_half(&mut self, ctx: Ctx<'_>) {
        let half = self.memory.len() / 2;
        self.rare.get_or_insert_default().floor = self.memory[..half].last().map(|e| e.pos);
        self.fold(ctx, half);
    }

    /// Moves the oldest `count` remembered events into the checkpoint.
    fn fold(&mut self, ctx: Ctx<'_>, count: usize) {
        if count > 0 {
            let checkpoint = &mut self.rare.get_or_insert_default().checkpoint;
            let old: Vec<_> = self.memory.drain(..count).collect();
            replay(ctx, &old, |_| true, &mut checkpoint.episodes, &mut checkpoint.armed);
        }
    }
}

impl Rare {
    /// Lets go of what was settled before `settled`; of what was fired, from `cut` on.
    fn forget(&mut self, ctx: Ctx<'_>, episodes: &[Episode], cut: Millis, settled: Millis) {
        let resolvable =
            |f: &Fired| !f.resolved && !f.silent && f.time.saturating_add(ctx.resolve_ms()) >= cut;
        self.fired.retain(|f| f.time >= settled || resolvable(f));
        let before = &mut self.checkpoint.episodes;
        // An episode that ran out before that has been settled for good, unless it is still owed.
        let owed = |e: &Episode| episodes.iter().any(|o| o.about == e.about && o.next() == e.next());
        before.retain(|e| e.deadline.is_none_or(|d| d >= settled) || owed(e));
        for episode in before.iter_mut().filter(|e| e.warn.is_some_and(|w| w < settled)) {
            if !episodes.iter().any(|o| o.about == episode.about && o.warn == episode.warn) {
                episode.has_warned();
            }
        }
    }
}

impl Checkpoint {
    /// Whether it is what is.
    fn is(&self, episodes: &[Episode], armed: &[u64]) -> bool {
        same(&self.episodes, episodes) && self.armed.len() == armed.len()
    }
}

pub(super) fn stretch_gap_ms(rule: &Rule) -> Millis {
    match rule.kind {
        Kind::Absence { stretch_gap_ms, .. } => stretch_gap_ms,
        _ => unreachable!("an absence has this kind"),
    }
}

/// Most lists here hold few items: growing by four and doubling would multiply the memory.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 2);
    }
    list.push(item);
}

fn same(some: &[Episode], others: &[Episode]) -> bool {
    some.len() == others.len() && some.iter().all(|e| others.contains(e))
}

/// Marks in `episodes` that this has been fired; false if nothing there would.
fn claim(episodes: &mut Vec<Episode>, fired: &Fired) -> bool {
    let found = episodes
        .iter()
        .position(|e| e.next() == Some((fired.time, fired.level)) && fired.is(e, fired.level, fired.time));
    let Some(at) = found else {
        // A breach that is due behind a warning that is, too.
        let behind = episodes.iter().position(|e| {
            fired.level == Level::Breach
                && e.level == Level::Breach
                && e.deadline == Some(fired.time)
                && fired.is(e, Level::Breach, fired.time)
        });
        return behind.is_some_and(|at| {
            let warning = episodes[at].warn.map(|w| episodes[at].split_warning(w));
            episodes.remove(at);
            episodes.extend(warning);
            true
        });
    };
    if episodes[at].level == fired.level {
        episodes.remove(at);
    } else {
        episodes[at].has_warned();
    }
    true
}

/// Steps through remembered events. A stretch of refreshes keeps alive, to its end, whatever episode it meets or an
/// event in its midst opens.
fn replay(
    ctx: Ctx<'_>,
    memory: &[Entry],
    concerns: impl Fn(&Entry) -> bool,
    episodes: &mut Vec<Episode>,
    armed: &mut Vec<u64>,
) {
    let mut stretches: Vec<&Entry> = Vec::new();
    for entry in memory.iter().filter(|e| concerns(e)) {
        step(ctx, episodes, armed, entry, entry.end());
        stretches.retain(|s| s.end() > entry.pos.time);
        for stretch in &stretches {
            step(ctx, episodes, armed, stretch, stretch.end());
        }
        if entry.lasts > 0 {
            stretches.push(entry);
        }
    }
}
