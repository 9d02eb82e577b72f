//! Absences: something expected did not happen.
//!
//! For one rule and customer there are the open episodes ([`Absence::episodes`]) and a memory: the events of the last
//! `late_horizon` in their naive order, with the state as of before the oldest of them ([`Checkpoint`]). An event that
//! comes in order steps the open episodes forward. One that belongs earlier is put into the memory, and its key is
//! evaluated again from the checkpoint; what had been fired and does not come out of that is retracted.

use crate::place::Pos;
use crate::window::counts_events;
use crate::{EventRef, Measures};
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{Hit, Kind, Level, Roles, Rule, Rulebook, Span};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

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

/// One running instance of an absence rule, or one of its warnings that is due and has not been fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) key: CompactString,
    pub(crate) about: EventRef,
    /// The newest event that joined it.
    pub(crate) last: Option<Box<EventRef>>,
    /// A warning stands apart from its episode once the episode has moved on.
    pub(crate) level: Level,
    /// The start or last refresh, or the last resume.
    base: Millis,
    span: Span,
    /// Time used up before `base`.
    carried: Millis,
    paused: bool,
    pub(crate) deadline: Option<Millis>,
    pub(crate) warn: Option<Millis>,
    /// The deadline that has been warned of.
    warned: Option<Millis>,
    pub(crate) measures: Measures,
    pub(crate) events: u32,
    /// Of the detections among them: the sum of their numbers.
    rests_on: u64,
    pub(crate) severity: u8,
}

impl Episode {
    /// Takes events at `time`: its deadline, where it has one, is not past.
    fn accepts(&self, time: Millis) -> bool {
        self.level == Level::Breach && self.deadline.is_none_or(|d| time <= d)
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
    fn split_warning(&mut self, at: Millis) -> Episode {
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

/// An event with a role, as remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) pos: Pos,
    /// The end of a stretch of refreshes; else the event's time.
    end: Millis,
    /// Of source, id and sub-index.
    pub(crate) id: u64,
    roles: u32,
    key: Option<CompactString>,
    /// `None`: a refresh and nothing else, which can be remembered as part of a stretch.
    detail: Option<Box<Detail>>,
}

/// What an event brings along, but for a plain refresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Detail {
    span: Span,
    deadline: Option<Millis>,
    deltas: Measures,
    severity: u8,
    /// Of a start.
    about: Option<EventRef>,
    /// The detection that it is.
    detection: Option<u64>,
}

impl Entry {
    pub(crate) fn new(hit: Hit, event: &EventRef, pos: Pos, id: u64, detection: Option<u64>) -> Self {
        // A detection may be taken back: it is remembered by itself.
        let plain = hit.roles == Roles::REFRESH && hit.deadline.is_none() && detection.is_none();
        let detail = || Detail {
            about: (hit.roles & Roles::START != 0).then(|| event.clone()),
            span: hit.within,
            deadline: hit.deadline,
            deltas: hit.deltas,
            severity: hit.severity,
            detection,
        };
        Entry {
            pos,
            end: pos.time,
            id,
            roles: hit.roles,
            key: hit.key,
            detail: if plain { None } else { Some(Box::new(detail())) },
        }
    }

    /// Refreshes from `pos` to `end`.
    fn stretch(stretch: Stretch) -> Self {
        let Stretch { pos, end, id } = stretch;
        Entry { pos, end, id, roles: Roles::REFRESH, key: None, detail: None }
    }

    fn detection(&self) -> Option<u64> {
        self.detail.as_ref().and_then(|d| d.detection)
    }

    fn deadline(&self) -> Option<Millis> {
        self.detail.as_ref().and_then(|d| d.deadline)
    }

    fn has(&self, role: u32) -> bool {
        self.roles & role != 0
    }

    fn concerns(&self, key: &str) -> bool {
        self.key.as_deref().is_none_or(|k| k == key)
    }

    fn is_plain_refresh(&self) -> bool {
        self.detail.is_none()
    }
}

/// A detection that was fired, as long as it can still be retracted or resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fired {
    pub(crate) id: u64,
    pub(crate) level: Level,
    pub(crate) key: CompactString,
    pub(crate) time: Millis,
    pub(crate) about: EventRef,
    measures: Measures,
    /// How many events it rested on, where the rule asks for that; else 0.
    events: u32,
    /// As of its episode.
    rests_on: u64,
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
struct Checkpoint {
    episodes: Vec<Episode>,
    armed: Vec<u64>,
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

/// Refreshes without a key, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stretch {
    pos: Pos,
    end: Millis,
    id: u64,
}

/// What is remembered for late events, and of what has been fired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Past {
    /// Keys that have opened once, where a rule arms once per key.
    armed: Vec<u64>,
    /// `None`: nothing is remembered that could change what is.
    checkpoint: Option<Checkpoint>,
    memory: Vec<Entry>,
    /// The latest end of what has been remembered: behind a stretch that ends later may stand a late event.
    newest: Millis,
    fired: Vec<Fired>,
    /// The memory has been cut before this position because it was full.
    floor: Option<Pos>,
    /// What was fired before this instant stands.
    cut: Millis,
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

impl Absence {
    /// Whether nothing is left that could ever matter.
    pub(crate) fn is_empty(&self) -> bool {
        self.episodes.is_empty() && self.past.is_none() && self.idle.is_none()
    }

    /// Whether it holds anything that time alone will let it forget.
    pub(crate) fn will_forget(&self) -> bool {
        self.idle.is_some() || self.past.as_ref().is_some_and(|p| p.remembers_anything())
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

impl Past {
    fn remembers_anything(&self) -> bool {
        !self.memory.is_empty() || !self.fired.is_empty() || self.checkpoint.is_some()
    }

    /// A `stop` after their time leaves detections standing, and ends the need to act.
    fn resolve(&mut self, ctx: Ctx<'_>, time: Millis, key: Option<&str>, turn: &mut Turn) {
        for fired in &mut self.fired {
            let open = !fired.resolved && !fired.silent && key.is_none_or(|k| k == fired.key);
            if open && fired.time < time && time <= fired.time.saturating_add(ctx.resolve_ms) {
                fired.resolved = true;
                turn.resolved.push(fired.clone());
            }
        }
    }

    fn remember_last(&mut self, ctx: Ctx<'_>, entry: Entry) {
        self.newest = self.newest.max(entry.end);
        if let Some(last) = self.memory.last_mut()
            && last.is_plain_refresh()
            && entry.is_plain_refresh()
            && last.key == entry.key
            && entry.pos.time - last.end <= stretch_gap_ms(ctx.rule)
        {
            last.end = entry.pos.time;
            return;
        }
        push(&mut self.memory, entry);
    }

    /// False where the event changes nothing: a refresh inside a stretch.
    fn remember_late(&mut self, entry: &Entry) -> bool {
        let inside = |e: &Entry| {
            e.is_plain_refresh() && e.key == entry.key && e.pos <= entry.pos && entry.pos.time <= e.end
        };
        if entry.is_plain_refresh() && self.memory.iter().any(inside) {
            return false;
        }
        let at = self.memory.partition_point(|e| e.pos <= entry.pos);
        self.memory.insert(at, entry.clone());
        true
    }

    /// Computes a key's episodes (all keys' if `None`) again from the checkpoint.
    fn evaluate_again(
        &mut self,
        ctx: Ctx<'_>,
        episodes: &mut Vec<Episode>,
        key: Option<&str>,
        turn: &mut Turn,
    ) {
        turn.evaluated_again = true;
        let checkpoint = self.checkpoint.as_ref().expect("the memory has begun");
        let concerned = |k: &str| key.is_none_or(|key| key == k);
        let mut again: Vec<_> = checkpoint.episodes.iter().filter(|e| concerned(&e.key)).cloned().collect();
        let mut armed = checkpoint.armed.clone();
        replay(ctx, &self.memory, |e| key.is_none_or(|k| e.concerns(k)), &mut again, &mut armed);
        let mut standing = Vec::with_capacity(self.fired.len());
        for fired in std::mem::take(&mut self.fired) {
            if !concerned(&fired.key) || claim(&mut again, &fired) || fired.time < self.cut {
                standing.push(fired);
            } else if !fired.silent {
                turn.retracted.push(fired);
            }
        }
        self.fired = standing;
        episodes.retain(|e| !concerned(&e.key));
        episodes.append(&mut again);
        match key.map(|key| xxh3_64(key.as_bytes())) {
            None => self.armed = armed,
            Some(key) => {
                self.armed.retain(|k| *k != key);
                self.armed.extend(armed.contains(&key).then_some(key));
            }
        }
    }

    fn forget(&mut self, ctx: Ctx<'_>, episodes: &[Episode], cut: Millis) {
        self.cut = self.cut.max(cut);
        let cut = self.cut;
        let old = self.memory.iter().take_while(|e| e.end < cut).count();
        self.fold(ctx, old);
        let resolvable = |f: &Fired| !f.resolved && !f.silent && f.time.saturating_add(ctx.resolve_ms) >= cut;
        self.fired.retain(|f| f.time >= cut || resolvable(f));
        let Some(checkpoint) = &mut self.checkpoint else { return };
        // An episode that ran out before the cut has been settled for good, unless it is still owed.
        let owed = |e: &Episode| episodes.iter().any(|o| o.about == e.about && o.next() == e.next());
        checkpoint.episodes.retain(|e| e.deadline.is_none_or(|d| d >= cut) || owed(e));
        for episode in checkpoint.episodes.iter_mut().filter(|e| e.warn.is_some_and(|w| w < cut)) {
            if !episodes.iter().any(|o| o.about == episode.about && o.warn == episode.warn) {
                episode.has_warned();
            }
        }
        if self.memory.is_empty()
            && same(&checkpoint.episodes, episodes)
            && checkpoint.armed.len() == self.armed.len()
        {
            self.checkpoint = None;
            self.floor = None;
            self.memory = Vec::new();
        }
    }

    fn forget_half(&mut self, ctx: Ctx<'_>) {
        let half = self.memory.len() / 2;
        self.floor = self.memory[..half].last().map(|e| e.pos);
        self.fold(ctx, half);
    }

    /// Moves the oldest `count` remembered events into the checkpoint.
    fn fold(&mut self, ctx: Ctx<'_>, count: usize) {
        if count > 0 {
            let checkpoint = self.checkpoint.as_mut().expect("the memory has begun");
            let old: Vec<_> = self.memory.drain(..count).collect();
            replay(ctx, &old, |_| true, &mut checkpoint.episodes, &mut checkpoint.armed);
        }
    }
}

fn stretch_gap_ms(rule: &Rule) -> Millis {
    match rule.kind {
        Kind::Absence { stretch_gap_ms, .. } => stretch_gap_ms,
        _ => unreachable!("an absence has this kind"),
    }
}

/// Most lists here hold one item: growing by the usual four would multiply the memory.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < 2 {
        list.reserve_exact(1);
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
        step(ctx, episodes, armed, entry, entry.end);
        stretches.retain(|s| s.end > entry.pos.time);
        for stretch in &stretches {
            step(ctx, episodes, armed, stretch, stretch.end);
        }
        if entry.end > entry.pos.time {
            stretches.push(entry);
        }
    }
}

/// Applies one event to the episodes it concerns. A refresh counts from `until`, the end of its stretch, in episodes
/// that take events at its beginning. False where an episode could not be opened for want of room.
fn step(
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
        joined |= entry.has(Roles::START) && entry.key.is_some();
        true
    });
    episodes.append(&mut warnings);
    match &entry.detail {
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
    let Some(detail) = &entry.detail else { return };
    if entry.has(Roles::MINUS | Roles::START) {
        for (at, measure) in ctx.rule.measures.iter().enumerate() {
            episode.measures[at] = measure.fold.add(episode.measures[at], detail.deltas[at]);
        }
    }
    if let Some(about) = &detail.about
        && entry.key.is_some()
    {
        episode.events += 1;
        episode.rests_on = episode.rests_on.wrapping_add(detail.detection.unwrap_or(0));
        episode.last = Some(Box::new(about.clone()));
    }
}

fn open(
    ctx: Ctx<'_>,
    episodes: &mut Vec<Episode>,
    armed: &mut Vec<u64>,
    entry: &Entry,
    detail: &Detail,
    about: &EventRef,
) -> bool {
    let Some(key) = &entry.key else { return true };
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
    if episodes.len() >= ctx.episodes_max {
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
