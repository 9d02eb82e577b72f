//! What a rulebook means, worked out the slow way.
//!
//! All events of one task are sorted by (time, feed, offset, sub-index); each is applied in turn; between them the
//! timers fire in their stated order; no event is late, no feed is slow, nothing is forgotten. Every state is a plain
//! list that is searched from end to end. This is the page (DESIGN, sections 5 and 6) as a program, and the
//! engine must find the same detections however its input was interleaved.
//!
//! # Readings
//!
//! Where the page leaves room, this is how it is read, here and in the engine:
//!
//! **Order and identity**
//! - A duplicate (same customer, source, id and sub-index) is an event whose double was *accepted* no longer than
//!   `dedupe_for` before, both ends included. A dropped duplicate does not prolong that. Only types that a rule names, or decisions read.
//! - Timers are taken in the order (instant, rule's rank, rule id, customer, key). A timer that a firing sets for the same instant takes its place among those still due.
//! - An event first reaches all rules that name it. Then the detections that it led to reach the rules built on them,
//!   one by one, that of the first rule in evaluation order first: a cause before its effects. So with the
//!   detection of a timer, before any further timer. What is built on a detection is about that detection: source
//!   `rule:<id>`, and the id of the event that the detection is about.
//! - A detection with the rule, key, level, time and about of an earlier one is that one, and is not made again. (A rule
//!   that hears two detections about one event would else say twice what becomes one action.)
//! - The evidence of a detection (counted by [`MeasureRef::Events`] in whole numbers, like any other number of a condition):
//!   match, the event; count, the events in the window that count; absence, the starts (the opening one and those that
//!   joined); sequence, the steps; debt, what added points since it was nothing. A detection that
//!   serves as evidence counts as one.
//!
//! **Keys**
//! - In a rule with `per`, an event without the field is ignored as a start, as an event of a match, count or
//!   debt, and as the first step of a sequence. As a later step it takes that step in all open beginnings; as anything
//!   else it touches all keys.
//!
//! **Profiles**
//! - What is known of a customer is what the newest profile event says that is not after the instant; of two at the same time,
//!   the later in order. It is asked when something is judged: `where` and tables at the event, `when` and severities at the
//!   firing. It says nothing about what has been judged.
//!
//! **Absence**
//! - `within` and the base severity are those of the opening event, after a refresh too: a page view does not
//!   know the customer's tier.
//! - A start of a rule with a deadline from data that carries none opens an episode that waits for a refresh to tell
//!   it (or for a stop). A later start does not tell it. A refresh that carries none changes nothing in such a rule.
//! - Grace is counted in the rule's calendar. A deadline that is past when known is due at the event's own time, after
//!   the events of that instant: a stop at the same instant still closes it.
//! - A pause keeps what has been used and what is left; a resume lets the rest run on. A refresh while paused makes it whole
//!   again. A pause before the start, and a second pause, mean nothing.
//! - The warning is once per value of the deadline: the value as it is due (with grace, not before the event that told it).
//!   After a pause the deadline has a new value: where the warning's share was used up before the pause, the warning
//!   comes (again) at the resume. A warning that would not come before the deadline is left out.
//! - A warning needs the guards to hold and is dropped for good where they do not; `when` is not asked.
//! - A firing whose guards or `when` fail closes the episode and says nothing.
//! - Only starts add to measures; only [`Roles::MINUS`] events subtract, and only where the type is a `minus` of
//!   that measure. An event that is both subtracts from what is open first, then adds to what it opens or joins.
//! - `once`: a key that has opened never opens again.
//! - A start that guards block neither opens nor joins; its other roles act.
//!
//! **Count**
//! - The window is that of the newest event: its `within` and its threshold, over all events since the window was last
//!   emptied. In a calendar an event has left the window when its `within` is used up.
//! - `of_last`: of the last N events with role `EVENT`, those that count. Only an event that counts can fire.
//! - A firing whose guards or `when` fail leaves the window as it is.
//!
//! **Sequence**
//! - A longer beginning replaces one of its length: its start is never earlier. Its start may be the same; then the newer
//!   step stands.
//! - In a calendar, "at most `within`" is: not after the instant at which it is used up.
//! - An event that completes and clears begins nothing: it has taken its one step. A completion whose guards or `when` fail
//!   leaves the beginnings as they are.
//!
//! **Debt**
//! - The sum in millionths, as f64: `before = sum * exp2(-(dt / half_life))`, `after = max(0, before + points)`.
//!   A sum below one millionth is nothing: it is armed, and what led to it no longer counts.
//!   An event with no weight that holds leaves it alone. Fires at additions only. A firing whose guards or `when` fail leaves it
//!   armed.
//!
//! **Guards and measures**
//! - An event that is both `after` and `until` of a `while` is first the one that begins, then the one that ends: the
//!   state is over.
//! - `unless_seen` counts wall time, not the rule's calendar.
//! - Measures of a count are folded over the window's counted events, of a sequence over its steps, of a match and a
//!   debt over the one event.
//! - `minus` has a meaning for absences only.

mod absence;
mod count;
mod debt;
mod guards;
mod sequence;
#[cfg(test)]
mod tests;

use compact_str::{CompactString, format_compact};
use cxwatch_event::{Event, MICRO, Micro, Millis, Profile, Value};
use cxwatch_rulebook::{
    Cond, DetectionFacts, Facts, FeedIx, Hit, Kind, Level, MeasureRef, Roles, Rule, RuleIx, RuleUse, Rulebook,
};
use guards::Guarded;
use std::collections::BTreeMap;

/// One event of the task and where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// The feed it came on.
    pub feed: FeedIx,
    /// The offset of its record.
    pub offset: i64,
    /// The event. Its `sub` is its place within the record.
    pub event: Event,
}

impl Occurrence {
    /// Where it was read.
    pub fn place(&self) -> EventRef {
        EventRef { feed: self.feed, offset: self.offset, sub: self.event.sub }
    }
}

/// Where an event was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRef {
    /// The feed.
    pub feed: FeedIx,
    /// The offset of the record.
    pub offset: i64,
    /// The place within the record.
    pub sub: u32,
}

/// The event that gives a detection its identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// CloudEvents `source`, or `rule:<id>` where the deciding event was a detection of that rule.
    pub source: CompactString,
    /// CloudEvents `id`, or that of the event which the detection was about.
    pub id: CompactString,
    /// Where the event was read.
    pub place: EventRef,
}

/// The statement that a rule holds for a customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detection {
    /// When it came to hold.
    pub time: Millis,
    /// Of which rule.
    pub rule: RuleIx,
    /// For whom.
    pub customer: CompactString,
    /// For which cart, contact, order...; empty where the rule has no `per`.
    pub key: CompactString,
    /// The rule itself or its warning.
    pub level: Level,
    /// What it is about.
    pub about: About,
    /// 0 to 100.
    pub severity: u8,
    /// The rule's measures.
    pub measures: Vec<Option<Micro>>,
    /// How many events and detections it rests on.
    pub events: usize,
    /// They, in order; a detection by the event that it is about.
    pub evidence: Vec<EventRef>,
}

/// The detections that hold when all `events` have been applied and the clock stands at `until`, in the order in
/// which they came to hold. Events after `until` are not seen.
pub fn evaluate(
    book: &Rulebook,
    events: &[Occurrence],
    dedupe_for_ms: Millis,
    until: Millis,
) -> Vec<Detection> {
    let mut sorted: Vec<&Occurrence> = events.iter().filter(|o| o.event.time <= until).collect();
    sorted.sort_by_key(|o| (o.event.time, o.place()));
    let mut world = World {
        book,
        known: BTreeMap::new(),
        customers: BTreeMap::new(),
        undelivered: Vec::new(),
        out: Vec::new(),
    };
    let mut accepted: Vec<&Occurrence> = Vec::new();
    for occurrence in sorted {
        let is_profile = book.profile == Some(occurrence.event.kind);
        let is_used = !book.uses(occurrence.event.kind).is_empty();
        let is_read = is_profile || is_used || book.desk_use(occurrence.event.kind).is_some();
        if !is_read || occurrence.event.customer.is_empty() {
            continue;
        }
        world.fire_timers(|due| due < occurrence.event.time);
        if accepted.iter().any(|earlier| is_double(&earlier.event, &occurrence.event, dedupe_for_ms)) {
            continue;
        }
        accepted.push(occurrence);
        if is_profile {
            world.learn(&occurrence.event);
            continue;
        }
        world.deliver(&Fact::of_event(occurrence));
        world.deliver_detections();
    }
    world.fire_timers(|due| due <= until);
    world.out
}

fn is_double(earlier: &Event, event: &Event, dedupe_for_ms: Millis) -> bool {
    let name = |e: &Event| (e.customer.clone(), e.source.clone(), e.id.clone(), e.sub);
    name(earlier) == name(event) && event.time - earlier.time <= dedupe_for_ms
}

/// An event or a detection, as rules see it.
#[derive(Debug, Clone)]
struct Fact {
    time: Millis,
    customer: CompactString,
    about: About,
    evidence: EventRef,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Event(Event),
    Detection(Detection),
}

impl Fact {
    fn of_event(occurrence: &Occurrence) -> Self {
        let event = &occurrence.event;
        Fact {
            time: event.time,
            customer: event.customer.clone(),
            about: About { source: event.source.clone(), id: event.id.clone(), place: occurrence.place() },
            evidence: occurrence.place(),
            what: What::Event(event.clone()),
        }
    }

    fn of_detection(detection: &Detection, rule: &Rule) -> Self {
        let About { id, place, .. } = &detection.about;
        Fact {
            time: detection.time,
            customer: detection.customer.clone(),
            about: About { source: format_compact!("rule:{}", rule.id), id: id.clone(), place: *place },
            evidence: *place,
            what: What::Detection(detection.clone()),
        }
    }

    fn uses<'b>(&self, book: &'b Rulebook) -> &'b [RuleUse] {
        match &self.what {
            What::Event(event) => book.uses(event.kind),
            What::Detection(d) => book.uses_of_detection(d.rule, d.level),
        }
    }

    fn hit(&self, rule_use: &RuleUse, known: &Profile) -> Option<Hit> {
        match &self.what {
            What::Event(event) => rule_use.hit(&Facts::Event(event), known),
            What::Detection(d) => {
                let facts = DetectionFacts { key: &d.key, severity: d.severity, measures: &d.measures };
                rule_use.hit(&Facts::Detection(facts), known)
            }
        }
    }
}

/// A fact as one rule takes it.
struct Given<'a> {
    book: &'a Rulebook,
    rule: &'a Rule,
    /// Per measure: does this type subtract?
    minus: &'a [bool],
    fact: &'a Fact,
    hit: &'a Hit,
    /// What is known of the customer.
    known: &'a Profile,
}

impl Given<'_> {
    fn has(&self, role: u32) -> bool {
        self.hit.roles & role != 0
    }

    fn part(&self) -> Part {
        Part { time: self.fact.time, deltas: self.hit.deltas.to_vec(), evidence: self.fact.evidence }
    }
}

/// A fact's share in a detection.
#[derive(Debug, Clone)]
struct Part {
    time: Millis,
    deltas: Vec<Option<Micro>>,
    evidence: EventRef,
}

/// What a rule would say, if guards and `when` let it.
struct Claim {
    time: Millis,
    key: CompactString,
    level: Level,
    about: About,
    base_severity: u8,
    measures: Vec<Option<Micro>>,
    evidence: Vec<EventRef>,
}

impl Claim {
    /// A claim that `given` completes, resting on `parts`.
    fn completed(given: &Given, key: &str, parts: &[Part]) -> Self {
        Claim {
            time: given.fact.time,
            key: key.into(),
            level: Level::Breach,
            about: given.fact.about.clone(),
            base_severity: given.hit.severity,
            measures: folded(given.rule, parts.iter().map(|p| &p.deltas)),
            evidence: parts.iter().map(|p| p.evidence).collect(),
        }
    }

    fn judge(&self, cond: &Cond<MeasureRef>, known: &Profile) -> bool {
        cond.holds(&|field, op| {
            let value = match field {
                MeasureRef::Measure(ix) => self.measures[usize::from(*ix)].map(Value::Number),
                MeasureRef::Events => Some(Value::Number(self.evidence.len() as Micro * MICRO)),
                MeasureRef::Profile(ix) => known.field(*ix).cloned(),
            };
            op.holds(value.as_ref())
        })
    }

    fn severity(&self, rule: &Rule, known: &Profile) -> u8 {
        rule.severity
            .cases
            .iter()
            .find(|(cond, _)| self.judge(cond, known))
            .map_or(self.base_severity, |(_, is)| *is)
    }
}

/// The measures of a rule over these contributions, in their order.
fn folded<'p>(rule: &Rule, parts: impl Iterator<Item = &'p Vec<Option<Micro>>>) -> Vec<Option<Micro>> {
    let mut measures = vec![None; rule.measures.len()];
    for deltas in parts {
        for ((so_far, delta), measure) in measures.iter_mut().zip(deltas).zip(&rule.measures) {
            *so_far = measure.fold.add(*so_far, *delta);
        }
    }
    measures
}

/// What one rule knows of one customer.
#[derive(Default)]
struct RuleState {
    guarded: Guarded,
    keys: BTreeMap<CompactString, KeyState>,
}

/// What one rule knows of one key.
#[derive(Default)]
struct KeyState {
    absence: absence::State,
    window: count::Window,
    beginnings: sequence::Beginnings,
    debt: debt::Debt,
}

struct World<'b> {
    book: &'b Rulebook,
    /// What is known of customers.
    known: BTreeMap<CompactString, Profile>,
    customers: BTreeMap<CompactString, BTreeMap<RuleIx, RuleState>>,
    /// Detections that have not reached the rules built on them yet.
    undelivered: Vec<Detection>,
    out: Vec<Detection>,
}

impl World<'_> {
    fn learn(&mut self, event: &Event) {
        let profile = Profile { as_of: Some(event.time), fields: event.fields.clone() };
        self.known.insert(event.customer.clone(), profile);
    }

    fn known(&self, customer: &CompactString) -> Profile {
        self.known.get(customer).cloned().unwrap_or_default()
    }

    fn deliver(&mut self, fact: &Fact) {
        let known = &self.known(&fact.customer);
        for rule_use in fact.uses(self.book) {
            let Some(hit) = fact.hit(rule_use, known) else { continue };
            let rule = self.book.rule(rule_use.rule);
            let given = Given { book: self.book, rule, minus: &rule_use.minus, fact, hit: &hit, known };
            let state =
                self.customers.entry(fact.customer.clone()).or_default().entry(rule_use.rule).or_default();
            let claims = state.take(&given);
            for claim in claims {
                self.detect(rule_use.rule, &fact.customer, claim);
            }
        }
    }

    fn detect(&mut self, ix: RuleIx, customer: &CompactString, claim: Claim) {
        let detection = Detection {
            time: claim.time,
            rule: ix,
            customer: customer.clone(),
            severity: claim.severity(self.book.rule(ix), &self.known(customer)),
            key: claim.key,
            level: claim.level,
            about: claim.about,
            measures: claim.measures,
            events: claim.evidence.len(),
            evidence: claim.evidence,
        };
        let name =
            |d: &Detection| (d.rule, d.customer.clone(), d.key.clone(), d.level, d.time, d.about.clone());
        if self.out.iter().any(|earlier| name(earlier) == name(&detection)) {
            return;
        }
        self.out.push(detection.clone());
        self.undelivered.push(detection);
    }

    fn deliver_detections(&mut self) {
        while let Some(first) = (0..self.undelivered.len()).min_by_key(|at| self.undelivered[*at].rule) {
            let detection = self.undelivered.remove(first);
            self.deliver(&Fact::of_detection(&detection, self.book.rule(detection.rule)));
        }
    }

    /// Fires the timers whose instant passes `is_due`, one by one.
    fn fire_timers(&mut self, is_due: impl Fn(Millis) -> bool) {
        while let Some((_, ix, customer, key, _)) = self.next_timer().filter(|timer| is_due(timer.0)) {
            let known = self.known(&customer);
            let rule = self.book.rule(ix);
            let state =
                self.customers.get_mut(&customer).and_then(|c| c.get_mut(&ix)).expect("it has a timer");
            let claim = state.keys.get_mut(&key).expect("it has a timer").absence.fire(rule, &key);
            let allowed = state.guarded.allow(rule, &key, claim.time);
            if allowed && (claim.level == Level::Warning || claim.judge(&rule.when, &known)) {
                self.detect(ix, &customer, claim);
                self.deliver_detections();
            }
        }
    }

    fn next_timer(&self) -> Option<(Millis, RuleIx, CompactString, CompactString, bool)> {
        let mut timers = Vec::new();
        for (customer, rules) in &self.customers {
            for (ix, state) in rules {
                for (key, key_state) in &state.keys {
                    if let Some((due, level)) = key_state.absence.next_timer() {
                        timers.push((due, *ix, customer.clone(), key.clone(), level == Level::Breach));
                    }
                }
            }
        }
        timers.into_iter().min()
    }
}

impl RuleState {
    /// Applies a fact to its keys. Returns what fires.
    fn take(&mut self, given: &Given) -> Vec<Claim> {
        self.guarded.learn_states(given);
        let mut claims = Vec::new();
        for key in self.keys_of(given) {
            let guarded = &self.guarded;
            let may_fire = |claim: &Claim| {
                guarded.allow(given.rule, &claim.key, claim.time)
                    && claim.judge(&given.rule.when, given.known)
            };
            let state = self.keys.entry(key.clone()).or_default();
            claims.extend(match given.rule.kind {
                Kind::Match => match_one(given, &key, may_fire),
                Kind::Count { .. } => state.window.take(given, &key, may_fire),
                Kind::Sequence { .. } => state.beginnings.take(given, &key, may_fire),
                Kind::Debt { .. } => state.debt.take(given, &key, may_fire),
                Kind::Absence { .. } => {
                    let may_start = guarded.allow(given.rule, &key, given.fact.time);
                    state.absence.take(given, may_start);
                    None
                }
            });
        }
        self.guarded.learn_seen(given);
        claims
    }

    /// The keys that a fact touches: its own, or all there are.
    fn keys_of(&self, given: &Given) -> Vec<CompactString> {
        match &given.hit.key {
            Some(key) => vec![key.clone()],
            None => self.keys.keys().cloned().collect(),
        }
    }
}

fn match_one(given: &Given, key: &str, may_fire: impl Fn(&Claim) -> bool) -> Option<Claim> {
    if !given.has(Roles::EVENT) || given.hit.key.is_none() {
        return None;
    }
    Some(Claim::completed(given, key, &[given.part()])).filter(may_fire)
}
