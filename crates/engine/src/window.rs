//! The kinds whose firing is completed by an event: match, count, sequence and debt.
//!
//! Each keeps what it needs per key, takes an event with [`Window::absorb`], and says what the event completed. The
//! task judges guards and `when`, and tells with [`Window::complete`] that the completion stands.

use crate::absence::Ctx;
use crate::change::{Moved, Renumbered};
use crate::explain::{Note, What};
use crate::place::Pos;
use crate::{EventRef, Measures};
use compact_str::CompactString;
use cxwatch_event::{MICRO, Micro, Millis, Value};
use cxwatch_rulebook::{Cond, Hit, Kind, MeasureRef, Roles, Rule, RuleIx, Span};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// The largest contributions of a debt that are kept as evidence.
const CONTRIBUTIONS_MAX: usize = 5;

/// What an event completed: a detection unless guards, `when` or a blind feed are against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Completion {
    pub(crate) key: CompactString,
    pub(crate) time: Millis,
    /// Of the completing event.
    pub(crate) pos: Pos,
    pub(crate) about: EventRef,
    pub(crate) evidence: Vec<EventRef>,
    /// The detections among the evidence.
    pub(crate) detections: SmallVec<[u64; 1]>,
    pub(crate) measures: Measures,
    pub(crate) events: u32,
    pub(crate) severity: u8,
    /// The time of the oldest event that it rests on.
    first: Millis,
    /// How many events it cannot do without.
    needs: u32,
}

impl Completion {
    pub(crate) fn note(&self, rule: RuleIx, what: What) -> Note {
        Note { rule, key: Some(self.key.clone()), time: self.time, by: Some(self.about.clone()), what }
    }
}

/// A detection of these kinds, remembered while it may be retracted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FiredWindow {
    pub(crate) id: u64,
    pub(crate) key: CompactString,
    pub(crate) time: Millis,
    pub(crate) about: EventRef,
    pub(crate) detections: SmallVec<[u64; 1]>,
}

/// What one rule of these kinds knows about one customer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    keys: Vec<(CompactString, State)>,
    /// Completions that wait for a feed, as fired.
    pub(crate) held: Vec<Completion>,
    pub(crate) fired: Vec<FiredWindow>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// Of a count: its window in the naive order. Of a sequence: per prefix its chain, flattened (`chain` tells).
    items: Vec<Item>,
    /// Of a count: what came before its newest reset does not count.
    reset: Option<Pos>,
    /// Of a debt.
    debt: Option<Debt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    pos: Pos,
    event: EventRef,
    /// Of a count: whether it counts. Of a sequence: always true.
    counted: bool,
    /// Of a sequence: the length of the prefix whose chain it belongs to.
    prefix: u8,
    distinct: Option<Value>,
    deltas: Measures,
    detection: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Debt {
    sum: f64,
    at: Millis,
    disarmed: bool,
    contributions: Vec<(Micro, EventRef, Option<u64>)>,
    measures: Measures,
    events: u32,
}

/// An event with its part in the rule.
pub(crate) struct Arrival<'a> {
    pub(crate) hit: Hit,
    pub(crate) event: &'a EventRef,
    pub(crate) pos: Pos,
    pub(crate) detection: Option<u64>,
}

/// How far a window has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Of a count.
    Count {
        /// The events, or distinct values, that count.
        found: u32,
        /// So many are needed.
        needed: u32,
        /// Within this time, or
        within: Span,
        /// among the last so many.
        of_last: Option<u32>,
    },
    /// Of a sequence.
    Sequence {
        /// The longest beginning that has been seen.
        taken: u8,
        /// All steps.
        steps: u8,
        /// When that beginning began.
        began: Option<Millis>,
        /// The whole has this time.
        within: Span,
    },
    /// Of a debt.
    Debt {
        /// The points.
        points: Micro,
        /// So many are needed.
        needed: Micro,
        /// It has fired, and has not been low enough since.
        disarmed: bool,
    },
}

impl Window {
    /// The keys that have any state, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &CompactString> {
        let mut keys: Vec<&CompactString> = self.keys.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.into_iter()
    }

    /// How far a key has come, as of an instant, or of its newest event; `None` where the kind knows no way.
    pub(crate) fn progress(
        &self,
        ctx: Ctx<'_>,
        key: &str,
        threshold: Micro,
        within: Span,
        as_of: Option<Millis>,
    ) -> Option<Progress> {
        let state = self.keys.iter().find(|(k, _)| k == key).map(|(_, state)| state);
        let items = state.map_or(&[][..], |state| &state.items);
        match ctx.rule.kind {
            Kind::Match | Kind::Absence { .. } => None,
            Kind::Count { of_last, distinct, .. } => {
                let now = as_of.or(items.last().map(|i| i.pos.time)).unwrap_or(0);
                let reaches = |time| of_last.is_some() || ctx.rule.due(ctx.book, time, within) > now;
                let inside: Vec<&Item> = items.iter().filter(|i| i.counted && reaches(i.pos.time)).collect();
                let found = if distinct { distinct_values(&inside) } else { inside.len() };
                let needed = threshold.div_euclid(MICRO) as u32;
                Some(Progress::Count { found: found as u32, needed, within, of_last })
            }
            Kind::Sequence { steps, .. } => {
                let taken = items.iter().map(|i| i.prefix).max().unwrap_or(0);
                let began = items.iter().find(|i| i.prefix == taken).map(|i| i.pos.time);
                Some(Progress::Sequence { taken, steps, began, within })
            }
            Kind::Debt { half_life_ms, .. } => {
                let debt = state.and_then(|state| state.debt.as_ref());
                let left = |debt: &Debt| {
                    let elapsed = as_of.map_or(0, |now| (now - debt.at).max(0));
                    (debt.sum * decay(elapsed, half_life_ms)) as Micro
                };
                let disarmed = debt.is_some_and(|debt| debt.disarmed);
                Some(Progress::Debt { points: debt.map_or(0, left), needed: threshold, disarmed })
            }
        }
    }

    /// What an event that has been absorbed has not brought about; before it there were so many keys.
    pub(crate) fn explain(
        &self,
        ctx: Ctx<'_>,
        arrival: &Arrival<'_>,
        keys: usize,
        completions: &[Completion],
    ) -> Vec<What> {
        let Hit { roles, key, threshold, within, .. } = &arrival.hit;
        let mut whats = Vec::new();
        if roles & (Roles::RESET | Roles::UNLESS) != 0 && keys > 0 {
            whats.push(What::Emptied);
        }
        let adds = roles & (Roles::COUNTED | Roles::WEIGHT) != 0 || roles >> 16 != 0;
        if let (true, true, Some(key)) = (adds, completions.is_empty(), key) {
            whats.extend(self.progress(ctx, key, *threshold, *within, None).map(What::NotEnough));
        }
        whats
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.held.is_empty() && self.fired.is_empty()
    }

    /// The rule's measures have changed.
    pub(crate) fn move_measures(&mut self, moved: &Moved) {
        for (_, state) in &mut self.keys {
            state.items.iter_mut().for_each(|item| moved.apply(&mut item.deltas));
            if let Some(debt) = &mut state.debt {
                moved.apply(&mut debt.measures);
            }
        }
        self.held.iter_mut().for_each(|completion| moved.apply(&mut completion.measures));
    }

    /// Feeds and types have other numbers now.
    pub(crate) fn renumber(&mut self, numbers: &Renumbered) {
        for (_, state) in &mut self.keys {
            for item in &mut state.items {
                item.pos.renumber(numbers);
                item.event.renumber(numbers);
            }
            state.reset.iter_mut().for_each(|reset| reset.renumber(numbers));
            let contributions = state.debt.iter_mut().flat_map(|debt| &mut debt.contributions);
            contributions.for_each(|(_, event, _)| event.renumber(numbers));
        }
        for held in &mut self.held {
            held.pos.renumber(numbers);
            held.about.renumber(numbers);
            held.evidence.iter_mut().for_each(|event| event.renumber(numbers));
        }
        self.fired.iter_mut().for_each(|fired| fired.about.renumber(numbers));
    }

    /// Takes an event; the completions it makes possible, by key.
    pub(crate) fn absorb(
        &mut self,
        ctx: Ctx<'_>,
        arrival: &Arrival<'_>,
        bound_hits: &mut u64,
    ) -> Vec<Completion> {
        let roles = arrival.hit.roles;
        if roles & (Roles::RESET | Roles::UNLESS) != 0 {
            self.stop(ctx, arrival);
        }
        match &ctx.rule.kind {
            Kind::Match if roles & Roles::EVENT != 0 => {
                self.named(arrival).map(|key| vec![single(key, arrival)]).unwrap_or_default()
            }
            Kind::Count { .. } if roles & (Roles::EVENT | Roles::COUNTED) != 0 => {
                let Some(key) = self.named(arrival) else { return Vec::new() };
                count(ctx, self.state(&key), &key, arrival, bound_hits).into_iter().collect()
            }
            Kind::Sequence { steps, .. } if roles >> 16 != 0 => self.sequence(ctx, *steps, arrival),
            Kind::Debt { half_life_ms, .. } if roles & Roles::WEIGHT != 0 => {
                let Some(key) = self.named(arrival) else { return Vec::new() };
                debt(ctx, *half_life_ms, self.state(&key), &key, arrival).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The completion stands: what it used up is gone.
    pub(crate) fn complete(&mut self, rule: &Rule, completion: &Completion) {
        let state = self.state(&completion.key);
        match rule.kind {
            Kind::Count { keep: false, .. } | Kind::Sequence { keep: false, .. } => state.items.clear(),
            Kind::Debt { .. } => state.debt.as_mut().expect("a debt has completed").disarmed = true,
            _ => {}
        }
        self.keys.retain(|(_, s)| !s.is_empty());
    }

    /// Takes out a retracted detection; what rested on it, to be retracted in turn.
    pub(crate) fn forget_detection(&mut self, rule: &Rule, detection: u64) -> Vec<FiredWindow> {
        for (_, state) in &mut self.keys {
            if matches!(rule.kind, Kind::Sequence { .. }) {
                let broken: Vec<u8> =
                    state.items.iter().filter(|i| i.detection == Some(detection)).map(|i| i.prefix).collect();
                state.items.retain(|i| !broken.contains(&i.prefix));
            } else {
                state.items.retain(|i| i.detection != Some(detection));
            }
            if let (Some(debt), Kind::Debt { half_life_ms, .. }) = (&mut state.debt, &rule.kind) {
                debt.forget(detection, *half_life_ms);
            }
        }
        self.held.retain(|h| !h.detections.contains(&detection));
        let rested = |f: &FiredWindow| f.detections.contains(&detection);
        let gone = self.fired.iter().filter(|f| rested(f)).cloned().collect();
        self.fired.retain(|f| !rested(f));
        gone
    }

    /// Forgets what can no longer matter at `instant`; `cut` as in an absence's memory.
    pub(crate) fn forget(&mut self, rule: &Rule, instant: Millis, cut: Millis) {
        self.fired.retain(|f| f.time >= cut);
        let oldest = instant.min(cut).saturating_sub(rule.reach_ms);
        for (_, state) in &mut self.keys {
            if !matches!(rule.kind, Kind::Count { of_last: Some(_), .. }) {
                if matches!(rule.kind, Kind::Sequence { .. }) {
                    let stale: Vec<u8> =
                        state.items.iter().filter(|i| i.pos.time < oldest).map(|i| i.prefix).collect();
                    state.items.retain(|i| !stale.contains(&i.prefix));
                } else {
                    state.items.retain(|i| i.pos.time >= oldest);
                }
            }
            if state.reset.is_some_and(|r| r.time < oldest) {
                state.reset = None;
            }
            if let (Some(debt), Kind::Debt { half_life_ms, .. }) = (&state.debt, &rule.kind)
                // While late events may still come before its newest, they are judged as of that.
                && debt.at < cut
                && debt.sum * decay(cut - debt.at, *half_life_ms) < 1.0
            {
                state.debt = None;
            }
        }
        self.keys.retain(|(_, s)| !s.is_empty());
    }

    fn named(&self, arrival: &Arrival<'_>) -> Option<CompactString> {
        arrival.hit.key.clone()
    }

    fn state(&mut self, key: &str) -> &mut State {
        let at = self.keys.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
            self.keys.push((key.into(), State::default()));
            self.keys.len() - 1
        });
        &mut self.keys[at].1
    }

    /// A reset or an `unless`.
    fn stop(&mut self, ctx: Ctx<'_>, arrival: &Arrival<'_>) {
        let (pos, key) = (arrival.pos, arrival.hit.key.as_deref());
        let concerned = |k: &str| key.is_none_or(|key| key == k);
        for (_, state) in self.keys.iter_mut().filter(|(k, _)| concerned(k)) {
            if matches!(ctx.rule.kind, Kind::Sequence { .. }) {
                // A chain that began before is broken; one that began after it is not.
                let broken: Vec<u8> = state.items.iter().filter(|i| i.pos < pos).map(|i| i.prefix).collect();
                state.items.retain(|i| !broken.contains(&i.prefix));
            } else {
                state.items.retain(|i| i.pos > pos);
                state.reset = state.reset.max(Some(pos));
            }
            state.debt = None;
        }
        self.held.retain_mut(|held| {
            let within = concerned(&held.key) && pos.time <= held.time && pos < held.pos;
            if !within {
                return true;
            }
            held.evidence.retain(|e| Pos::of_event(e) > pos);
            let left = held.evidence.len() as u32;
            held.events = left;
            matches!(ctx.rule.kind, Kind::Count { .. }) && left >= held.needs
                || matches!(ctx.rule.kind, Kind::Sequence { .. }) && pos.time < held.first
        });
        self.keys.retain(|(_, s)| !s.is_empty());
    }

    fn sequence(&mut self, ctx: Ctx<'_>, steps: u8, arrival: &Arrival<'_>) -> Vec<Completion> {
        let mut keys: Vec<CompactString> = match &arrival.hit.key {
            Some(key) => vec![key.clone()],
            None => self.keys.iter().map(|(k, _)| k.clone()).collect(),
        };
        keys.sort_unstable();
        let opens = arrival.hit.key.is_some();
        let completions =
            keys.iter().filter_map(|key| sequence(ctx, steps, self.state(key), key, arrival, opens));
        completions.collect()
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.debt.is_none() && self.reset.is_none()
    }

    fn chain(&self, prefix: u8) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |i| i.prefix == prefix)
    }
}

fn item(arrival: &Arrival<'_>, counted: bool, prefix: u8) -> Item {
    Item {
        pos: arrival.pos,
        event: arrival.event.clone(),
        counted,
        prefix,
        distinct: arrival.hit.distinct.clone(),
        deltas: arrival.hit.deltas.clone(),
        detection: arrival.detection,
    }
}

fn single(key: CompactString, arrival: &Arrival<'_>) -> Completion {
    Completion {
        key,
        time: arrival.event.time,
        pos: arrival.pos,
        about: arrival.event.clone(),
        evidence: vec![arrival.event.clone()],
        detections: arrival.detection.into_iter().collect(),
        measures: arrival.hit.deltas.clone(),
        events: 1,
        severity: arrival.hit.severity,
        first: arrival.event.time,
        needs: 1,
    }
}

fn completion(ctx: Ctx<'_>, key: &str, arrival: &Arrival<'_>, items: &[&Item], needs: u32) -> Completion {
    let newest = items.last().expect("a completion rests on something");
    let mut measures = Measures::from_elem(None, ctx.rule.measures.len());
    for (at, measure) in ctx.rule.measures.iter().enumerate() {
        measures[at] = items.iter().fold(None, |sum, i| measure.fold.add(sum, i.deltas[at]));
    }
    Completion {
        key: key.into(),
        time: newest.pos.time,
        pos: newest.pos,
        about: newest.event.clone(),
        evidence: items.iter().map(|i| i.event.clone()).collect(),
        detections: items.iter().filter_map(|i| i.detection).collect(),
        measures,
        events: items.len() as u32,
        severity: arrival.hit.severity,
        first: items[0].pos.time,
        needs,
    }
}

/// A late event joins by its own time; the window is judged as of its newest event, if this one counts.
fn count(
    ctx: Ctx<'_>,
    state: &mut State,
    key: &str,
    arrival: &Arrival<'_>,
    bound_hits: &mut u64,
) -> Option<Completion> {
    let Kind::Count { of_last, distinct, at_least_max, .. } = ctx.rule.kind else {
        unreachable!("a count has this kind")
    };
    let counted = arrival.hit.roles & Roles::COUNTED != 0;
    if state.reset.is_some_and(|r| arrival.pos < r) || (of_last.is_none() && !counted) {
        return None;
    }
    let at = state.items.partition_point(|i| i.pos <= arrival.pos);
    state.items.insert(at, item(arrival, counted, 0));
    let room = match of_last {
        Some(n) => n as usize,
        // Where nothing is measured and nobody asks how many, no more than the newest so many can matter.
        None if !distinct && ctx.rule.measures.is_empty() && !counts_events(ctx.rule) => {
            at_least_max as usize
        }
        None => usize::MAX,
    };
    let room = room.min(ctx.limits.window_events_max);
    if state.items.len() > room {
        *bound_hits += u64::from(room == ctx.limits.window_events_max);
        state.items.drain(..state.items.len() - room);
    }
    let newest = state.items.last().filter(|i| i.counted && counted)?;
    let reaches = |time| ctx.rule.due(ctx.book, time, arrival.hit.within) > newest.pos.time;
    let is_inside = |i: &&Item| i.counted && (of_last.is_some() || reaches(i.pos.time));
    let inside: Vec<&Item> = state.items.iter().filter(is_inside).collect();
    let found = if distinct { distinct_values(&inside) } else { inside.len() };
    let needed = arrival.hit.threshold.div_euclid(MICRO) as usize;
    (found >= needed).then(|| completion(ctx, key, arrival, &inside, needed as u32))
}

/// Whether `when` or a severity depends on the number of events.
pub(crate) fn counts_events(rule: &Rule) -> bool {
    fn reads(cond: &Cond<MeasureRef>) -> bool {
        match cond {
            Cond::True => false,
            Cond::All(all) | Cond::Any(all) => all.iter().any(reads),
            Cond::Not(cond) => reads(cond),
            Cond::Test(measure, _) => *measure == MeasureRef::Events,
        }
    }
    reads(&rule.when) || rule.severity.cases.iter().any(|(cond, _)| reads(cond))
}

fn distinct_values(items: &[&Item]) -> usize {
    let mut values: Vec<&Value> = items.iter().filter_map(|i| i.distinct.as_ref()).collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}

/// From the last step to the first, so that one event takes one step.
fn sequence(
    ctx: Ctx<'_>,
    steps: u8,
    state: &mut State,
    key: &str,
    arrival: &Arrival<'_>,
    opens: bool,
) -> Option<Completion> {
    let time = arrival.pos.time;
    let mut completed = None;
    for at in (0..steps).rev() {
        if arrival.hit.roles & Roles::step(at) == 0 {
            continue;
        }
        if at == 0 {
            let newer = state.chain(1).next().is_none_or(|first| first.pos < arrival.pos);
            if opens && newer {
                state.items.retain(|i| i.prefix != 1);
                state.items.push(item(arrival, true, 1));
            }
            continue;
        }
        let before: Vec<Item> = state.chain(at).cloned().collect();
        let (Some(first), Some(last)) = (before.first(), before.last()) else { continue };
        if last.pos >= arrival.pos {
            continue;
        }
        let next = item(arrival, true, at + 1);
        if at + 1 == steps {
            // The span is that of the completing event.
            if time > ctx.rule.due(ctx.book, first.pos.time, arrival.hit.within) {
                continue;
            }
            let chain: Vec<&Item> = before.iter().chain([&next]).collect();
            completed = Some(completion(ctx, key, arrival, &chain, u32::from(steps)));
            continue;
        }
        let newer = state.chain(at + 1).next().is_none_or(|f| f.pos <= first.pos);
        if newer {
            state.items.retain(|i| i.prefix != at + 1);
            let moved = before.into_iter().map(|i| Item { prefix: at + 1, ..i });
            state.items.extend(moved);
            state.items.push(next);
        }
    }
    completed
}

fn decay(elapsed: Millis, half_life: Millis) -> f64 {
    libm::exp2(-(elapsed as f64) / half_life as f64)
}

/// Adds points as of the newest event.
fn debt(
    ctx: Ctx<'_>,
    half_life: Millis,
    state: &mut State,
    key: &str,
    arrival: &Arrival<'_>,
) -> Option<Completion> {
    let Kind::Debt { rearm_below, .. } = ctx.rule.kind else { unreachable!("a debt has this kind") };
    let (time, points) = (arrival.pos.time, arrival.hit.points);
    let debt = state.debt.get_or_insert_with(|| Debt {
        sum: 0.0,
        at: time,
        disarmed: false,
        contributions: Vec::new(),
        measures: Measures::from_elem(None, ctx.rule.measures.len()),
        events: 0,
    });
    if time >= debt.at {
        debt.sum *= decay(time - debt.at, half_life);
        debt.at = time;
    }
    if debt.sum < 1.0 {
        // Below a millionth of a point it is gone.
        *debt = Debt { sum: 0.0, disarmed: false, contributions: Vec::new(), events: 0, ..debt.clone() };
        debt.measures.iter_mut().for_each(|m| *m = None);
    }
    if debt.sum < rearm_below as f64 {
        debt.disarmed = false;
    }
    let added = points as f64 * if time < debt.at { decay(debt.at - time, half_life) } else { 1.0 };
    debt.sum = (debt.sum + added).max(0.0);
    for (at, measure) in ctx.rule.measures.iter().enumerate() {
        debt.measures[at] = measure.fold.add(debt.measures[at], arrival.hit.deltas[at]);
    }
    debt.contribute(points, arrival, half_life);
    if points <= 0 || debt.disarmed || debt.sum < arrival.hit.threshold as f64 {
        return None;
    }
    let mut evidence: Vec<_> = debt.contributions.clone();
    evidence.sort_by_key(|(_, event, _)| Pos::of_event(event));
    Some(Completion {
        key: key.into(),
        time: debt.at,
        pos: arrival.pos,
        about: arrival.event.clone(),
        detections: evidence.iter().filter_map(|(_, _, detection)| *detection).collect(),
        first: evidence.first().map_or(time, |(_, event, _)| event.time),
        evidence: evidence.into_iter().map(|(_, event, _)| event).collect(),
        measures: debt.measures.clone(),
        events: debt.events,
        severity: arrival.hit.severity,
        needs: 1,
    })
}

impl Debt {
    /// Keeps the largest contributions, as they weigh now; the newest always.
    fn contribute(&mut self, points: Micro, arrival: &Arrival<'_>, half_life: Millis) {
        self.events += 1;
        if points <= 0 {
            return;
        }
        if self.contributions.len() == CONTRIBUTIONS_MAX {
            let weight = |(points, event, _): &(Micro, EventRef, Option<u64>)| {
                *points as f64 * decay(self.at - event.time, half_life)
            };
            let least = (0..CONTRIBUTIONS_MAX)
                .min_by(|a, b| weight(&self.contributions[*a]).total_cmp(&weight(&self.contributions[*b])));
            self.contributions.remove(least.expect("there are contributions"));
        }
        self.contributions.push((points, arrival.event.clone(), arrival.detection));
    }

    fn forget(&mut self, detection: u64, half_life: Millis) {
        for (points, event, of) in std::mem::take(&mut self.contributions) {
            if of == Some(detection) {
                self.sum = (self.sum - points as f64 * decay(self.at - event.time, half_life)).max(0.0);
            } else {
                self.contributions.push((points, event, of));
            }
        }
    }
}
