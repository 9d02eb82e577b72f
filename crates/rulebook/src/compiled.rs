//! Rules in the form in which they run.
//!
//! Everything that can be decided once is decided here: names are numbers, `web.*` is a list of types, conditions
//! are resolved per event type, and an event type leads straight to the rules that name it
//! ([`Rulebook::uses`]). What one event means to one rule is computed by [`RuleUse::hit`]; what rules make of hits
//! over time is the engine's business.

use crate::{Action, Calendar, DeskUse, Policy, Treatment};
use compact_str::CompactString;
use cxwatch_event::{
    Catalogue, Event, FieldIx, Interest, MICRO, Micro, Millis, Profile, TypeId, Value, builtin,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// A rule's place in evaluation order: ascending (rank in the dependency graph, rule id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIx(pub u16);

/// A feed's place in the order of names, which is also the order of events at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedIx(pub u8);

/// A set of feeds (at most 64).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FeedSet(pub u64);

impl FeedSet {
    /// This set and one feed more.
    pub fn with(self, feed: FeedIx) -> Self {
        FeedSet(self.0 | 1 << feed.0)
    }

    /// Everything in either.
    pub fn union(self, other: FeedSet) -> Self {
        FeedSet(self.0 | other.0)
    }

    /// Whether the feed is in it.
    pub fn contains(self, feed: FeedIx) -> bool {
        self.0 >> feed.0 & 1 == 1
    }

    /// Its feeds in ascending order.
    pub fn iter(self) -> impl Iterator<Item = FeedIx> {
        (0..64).map(FeedIx).filter(move |f| self.contains(*f))
    }
}

/// A whole rulebook, compiled.
#[derive(Debug, Clone)]
pub struct Rulebook {
    /// Its name; part of every action's id.
    pub name: CompactString,
    /// The version its author gave it.
    pub version: u32,
    /// The first 128 bits of SHA-256 over its meaning (not its layout or comments).
    pub hash: [u8; 16],
    /// The event types it was compiled against: the built-in ones and its own.
    pub catalogue: Arc<Catalogue>,
    /// All feeds of the catalogue, in ascending order of names.
    pub feeds: Vec<CompactString>,
    /// The feed of every type; `None` for a heartbeat.
    pub feed_of_type: Vec<Option<FeedIx>>,
    /// Its calendars.
    pub calendars: Vec<Calendar>,
    /// Its rules in evaluation order: [`RuleIx`] indexes this.
    pub rules: Vec<Rule>,
    /// The actions its rules may propose.
    pub actions: Vec<Action>,
    /// What holds for all actions.
    pub policy: Policy,
    /// The type that carries the customer's profile.
    pub profile: Option<TypeId>,
    /// By [`TypeId`]: what an event of the type means to decisions.
    pub desk_uses: Vec<Option<DeskUse>>,
    /// What the decoder has to extract.
    pub interest: Interest,
    /// By [`TypeId`]: the rules that name the type, in evaluation order.
    pub by_type: Vec<Vec<RuleUse>>,
    /// By [`RuleIx`]: the rules built on a rule's detections (`[0]`) and on its warnings (`[1]`).
    pub by_detection: Vec<[Vec<RuleUse>; 2]>,
}

impl Rulebook {
    /// The rules that name an event type, in evaluation order.
    pub fn uses(&self, kind: TypeId) -> &[RuleUse] {
        &self.by_type[usize::from(kind.0)]
    }

    /// The rules built on a rule's detections or warnings, in evaluation order.
    pub fn uses_of_detection(&self, rule: RuleIx, level: Level) -> &[RuleUse] {
        &self.by_detection[usize::from(rule.0)][level as usize]
    }

    /// A rule.
    pub fn rule(&self, ix: RuleIx) -> &Rule {
        &self.rules[usize::from(ix.0)]
    }

    /// The rule of that id.
    pub fn rule_named(&self, id: &str) -> Option<RuleIx> {
        self.rules.iter().position(|r| r.id == id).map(|i| RuleIx(i as u16))
    }

    /// The feeds from which something is read: by rules, by decisions, or of the customer.
    pub fn feeds_read(&self) -> FeedSet {
        let rules = self.rules.iter().fold(FeedSet::default(), |set, rule| set.union(rule.needs));
        let uses =
            self.desk_uses.iter().zip(0..).filter(|(used, _)| used.is_some()).map(|(_, id)| TypeId(id));
        let named = uses.chain(self.profile).chain(
            self.by_type.iter().zip(0..).filter(|(uses, _)| !uses.is_empty()).map(|(_, id)| TypeId(id)),
        );
        named.filter_map(|id| self.feed_of_type[usize::from(id.0)]).fold(rules, FeedSet::with)
    }

    /// The same rulebook where a feed is not to be had: of customers nothing is known, and what becomes of actions
    /// is not heard. `None`: rules name types of this feed, or it is not one of the feeds that can be done without.
    pub fn without(&self, feed: &str) -> Option<Rulebook> {
        let gone = self.feed_named(feed)?;
        let named = |id: usize| self.feed_of_type[id] == Some(gone) && !self.by_type[id].is_empty();
        let possible = [builtin::CUSTOMERS, builtin::OUTCOMES].contains(&feed);
        if !possible || (0..self.by_type.len()).any(named) {
            return None;
        }
        let moved = |ix: FeedIx| FeedIx(ix.0 - u8::from(ix.0 > gone.0));
        let mut book = self.clone();
        book.feeds.remove(usize::from(gone.0));
        for home in &mut book.feed_of_type {
            *home = home.filter(|ix| *ix != gone).map(moved);
        }
        for rule in &mut book.rules {
            rule.needs = rule.needs.iter().map(moved).fold(FeedSet::default(), FeedSet::with);
        }
        Some(book)
    }

    /// What an event of a type means to decisions.
    pub fn desk_use(&self, kind: TypeId) -> Option<&DeskUse> {
        self.desk_uses.get(usize::from(kind.0)).and_then(Option::as_ref)
    }

    /// The feed of that name.
    pub fn feed_named(&self, name: &str) -> Option<FeedIx> {
        self.feeds.iter().position(|f| f == name).map(|i| FeedIx(i as u8))
    }
}

/// How far a detection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Level {
    /// The rule holds.
    Breach = 0,
    /// A share of the time is used up (`warn_at`).
    Warning = 1,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its id: lower case, digits and hyphens.
    pub id: CompactString,
    /// Its rank in the dependency graph: 0 where it is built on events alone, else one more than the highest rank
    /// of the rules it names.
    pub rank: u16,
    /// What it looks for.
    pub kind: Kind,
    /// Whether episodes are kept per value of a field (`per`) instead of per customer.
    pub per: bool,
    /// The feeds whose silence or speech it depends on: those of all events it names, through `rule:` too.
    pub needs: FeedSet,
    /// Whether a firing *at an event* also concludes from absence (`unless`, `reset`, guards), so that it waits
    /// for the needed feeds as a deadline does.
    pub concludes_from_absence: bool,
    /// The calendar its durations count in.
    pub calendar: Option<u16>,
    /// The longest that one of its durations (`within`, guards) can reach back, in wall time as far as known:
    /// events older than that no longer matter to it. For calendars and data deadlines this is only a hint.
    pub reach_ms: Millis,
    /// Conditions on the past that block a start or a firing.
    pub guards: Vec<Guard>,
    /// What is added up over an episode's or a window's events.
    pub measures: Vec<Measure>,
    /// Checked when it fires. Over measures.
    pub when: Cond<MeasureRef>,
    /// How severe a detection is.
    pub severity: Severity,
    /// A sentence for the agent.
    pub summary: Vec<SummaryPart>,
    /// The actions it may propose, best first.
    pub actions: Vec<u16>,
    /// For how long after a detection that won the same rule and key propose nothing.
    pub cooldown_ms: Option<Millis>,
    /// What decisions know of it beyond its actions.
    pub treatment: Treatment,
    /// A hash of the rule's meaning: tells a changed rule from an unchanged one.
    pub fingerprint: u64,
}

/// The five kinds. Values that may be tables are resolved per event: [`Hit`] has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One event (role [`Roles::EVENT`]).
    Match,
    /// Enough events (role [`Roles::COUNTED`]) in a window.
    Count {
        /// Among the last so many events with role [`Roles::EVENT`], instead of within a duration.
        of_last: Option<u32>,
        /// Count distinct values instead of events.
        distinct: bool,
        /// `then: keep`: every further matching event that still finds enough fires again.
        keep: bool,
        /// The largest threshold that the rule can ask for.
        at_least_max: u32,
    },
    /// Something expected did not happen.
    Absence {
        /// The deadline is taken from data ([`Hit::deadline`]) instead of a duration.
        data_deadline: bool,
        /// Added to a deadline from data.
        grace: Span,
        /// The warning's share of the time, in thousandths.
        warn_permille: Option<u16>,
        /// Arm once per key.
        once: bool,
        /// No longer than this may be the gap between two refreshes that are remembered as one stretch: the
        /// smallest `within`, or its warning share. 0: every refresh is remembered singly.
        stretch_gap_ms: Millis,
    },
    /// Events in an order (roles [`Roles::step`]).
    Sequence {
        /// How many steps (2 to 8).
        steps: u8,
        /// `then: keep`: the same beginning may be completed again.
        keep: bool,
    },
    /// Points that decay.
    Debt {
        /// After this long, half of the points are left.
        half_life_ms: Millis,
        /// It fires again only when the sum before an addition has been below this.
        rearm_below: Micro,
    },
}

/// A duration as a rulebook writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Span {
    /// Milliseconds: of open time where the rule has a calendar.
    Ms(Millis),
    /// Business days: to the close of the n-th.
    Days(u32),
}

impl Rule {
    /// The earliest instant at which `span` is used up since `from`.
    pub fn due(&self, book: &Rulebook, from: Millis, span: Span) -> Millis {
        match (span, self.calendar(book)) {
            (Span::Ms(ms), None) => from.saturating_add(ms),
            (Span::Ms(ms), Some(calendar)) => calendar.add(from, ms),
            (Span::Days(days), Some(calendar)) => calendar.add_days(from, days),
            (Span::Days(days), None) => from.saturating_add(Millis::from(days) * 86_400_000),
        }
    }

    /// The time that counts between two instants.
    pub fn used(&self, book: &Rulebook, from: Millis, to: Millis) -> Millis {
        match self.calendar(book) {
            None => (to - from).max(0),
            Some(calendar) => calendar.open_between(from, to),
        }
    }

    /// The instant of the warning for a deadline counted from `from`, where the rule warns.
    pub fn warn_due(&self, book: &Rulebook, from: Millis, deadline: Millis) -> Option<Millis> {
        let Kind::Absence { warn_permille: Some(permille), .. } = self.kind else { return None };
        let total = i128::from(self.used(book, from, deadline));
        let share = (total * i128::from(permille) / 1000) as Millis;
        Some(self.due(book, from, Span::Ms(share)))
    }

    fn calendar<'a>(&self, book: &'a Rulebook) -> Option<&'a Calendar> {
        self.calendar.map(|ix| &book.calendars[usize::from(ix)])
    }
}

/// A condition on the past that guards any start and any firing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// `unless_seen`: blocks while such an event lies within `within_ms` before (time > t - within). An event is
    /// judged by what was seen before it.
    UnlessSeen {
        /// How far back it looks.
        within_ms: Millis,
    },
    /// `while`: blocks unless the newest of `after` and `until` is an `after`. An event that is itself an `after` or
    /// an `until` counts for its own start.
    While,
}

/// What is added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Its name in conditions and summaries.
    pub name: CompactString,
    /// How.
    pub fold: Fold,
}

/// How values of several events become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Fold {
    /// Added; `minus` events subtract. The only one that `minus` goes with.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// That of the newest event.
    Last,
}

impl Fold {
    /// The value so far with one more.
    pub fn add(self, so_far: Option<Micro>, value: Option<Micro>) -> Option<Micro> {
        match (self, so_far, value) {
            (_, None, v) => v,
            (_, s, None) => s,
            (Fold::Sum, Some(s), Some(v)) => Some(s.saturating_add(v)),
            (Fold::Min, Some(s), Some(v)) => Some(s.min(v)),
            (Fold::Max, Some(s), Some(v)) => Some(s.max(v)),
            (Fold::Last, _, v) => v,
        }
    }
}

/// How severe a detection is: the first case that holds, else the value the event's table gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Severity {
    /// Cases over measures, in order.
    pub cases: Vec<(Cond<MeasureRef>, u8)>,
}

/// A piece of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SummaryPart {
    /// As it stands.
    Text(CompactString),
    /// A measure's value.
    Measure(u8),
    /// The episode's key.
    Key,
}

/// What one event of one type (or one detection) is to one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleUse {
    /// The rule.
    pub rule: RuleIx,
    /// How the episode's key is found.
    pub per: Per,
    /// The roles the type can have, each with its condition.
    pub roles: Vec<(u32, Cond<FieldRef>)>,
    /// Bits of [`Hit::guards`], each with its condition.
    pub guards: Vec<(u32, Cond<FieldRef>)>,
    /// The value of `within`.
    pub within: Table<Span>,
    /// The deadline from data.
    pub deadline: Option<FieldRef>,
    /// The threshold of a count, or that of a debt in [`Micro`].
    pub threshold: Table<Micro>,
    /// The points of a debt. The first weight whose condition holds.
    pub points: Vec<(Cond<FieldRef>, Micro)>,
    /// What a count counts the distinct values of.
    pub distinct: Option<FieldRef>,
    /// Per measure: the product of these fields. Empty: the type adds nothing to it.
    pub measures: Vec<Vec<FieldRef>>,
    /// Per measure: whether this type subtracts ([`Roles::MINUS`]).
    pub minus: Vec<bool>,
    /// The base severity.
    pub severity: Table<u8>,
}

/// How an event finds its episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Per {
    /// The rule has no `per`: the one episode of the customer.
    Customer,
    /// By this field (for a detection: [`FieldRef::Key`]); an event without it touches all open episodes.
    Field(FieldRef),
}

/// The roles of an event in a rule: bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles;

impl Roles {
    /// Opens an absence.
    pub const START: u32 = 1;
    /// Moves an absence's deadline.
    pub const REFRESH: u32 = 1 << 1;
    /// Closes an absence.
    pub const STOP: u32 = 1 << 2;
    /// Stops an absence's clock.
    pub const PAUSE: u32 = 1 << 3;
    /// Lets it run on.
    pub const RESUME: u32 = 1 << 4;
    /// Subtracts from measures.
    pub const MINUS: u32 = 1 << 5;
    /// An event of a match, or of a count's `of_last`.
    pub const EVENT: u32 = 1 << 6;
    /// Counts.
    pub const COUNTED: u32 = 1 << 7;
    /// Empties a count's window or a debt.
    pub const RESET: u32 = 1 << 8;
    /// Breaks a sequence.
    pub const UNLESS: u32 = 1 << 9;
    /// Adds or removes points.
    pub const WEIGHT: u32 = 1 << 10;
    /// Shows that the customer was saved. Concerns decisions only.
    pub const SUCCESS: u32 = 1 << 11;

    /// The `i`-th step of a sequence (from 0).
    pub const fn step(i: u8) -> u32 {
        1 << (16 + i)
    }

    /// Guard `i`: an event of `unless_seen`, or of `after`.
    pub const fn guard_on(i: u8) -> u32 {
        1 << (2 * i)
    }

    /// Guard `i`: an event of `until`.
    pub const fn guard_off(i: u8) -> u32 {
        1 << (2 * i + 1)
    }
}

/// A field that a condition reads, resolved for one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldRef {
    /// A field of `data`.
    Data(FieldIx),
    /// Known when compiled: `feed`, `type`, a feed's own `channel`.
    Const(Value),
    /// CloudEvents `id`.
    Id,
    /// CloudEvents `source`.
    Source,
    /// CloudEvents `time`.
    Time,
    /// A detection's key.
    Key,
    /// A detection's severity.
    Severity,
    /// A detection's measure, by its number in the rule detected.
    Measure(u8),
    /// A field of the customer's profile.
    Profile(FieldIx),
    /// This type has no such field.
    Missing,
}

/// A measure that a condition reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureRef {
    /// By number.
    Measure(u8),
    /// The number of events in the evidence.
    Events,
    /// A field of the customer's profile.
    Profile(FieldIx),
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Cond<F> {
    /// Holds always.
    True,
    /// All hold.
    All(Vec<Cond<F>>),
    /// One holds.
    Any(Vec<Cond<F>>),
    /// It does not hold.
    Not(Box<Cond<F>>),
    /// A comparison. A field that is not there makes every comparison false but `Exists(false)`.
    Test(F, Op),
}

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Equal to one of these.
    In(Vec<Value>),
    /// There, and equal to none of these.
    NotIn(Vec<Value>),
    /// More than (numbers and times).
    Over(i64),
    /// At least.
    AtLeast(i64),
    /// Less than.
    Under(i64),
    /// At most.
    AtMost(i64),
    /// There or not.
    Exists(bool),
    /// Text that begins with.
    StartsWith(CompactString),
    /// Text that contains.
    Contains(CompactString),
}

impl Op {
    /// Whether a value passes.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        let ordered = |check: fn(i64, i64) -> bool, bound: i64| match value {
            Some(Value::Number(n)) | Some(Value::Time(n)) => check(*n, bound),
            _ => false,
        };
        match self {
            Op::In(values) => value.is_some_and(|v| values.contains(v)),
            Op::NotIn(values) => value.is_some_and(|v| !values.contains(v)),
            Op::Over(bound) => ordered(|v, b| v > b, *bound),
            Op::AtLeast(bound) => ordered(|v, b| v >= b, *bound),
            Op::Under(bound) => ordered(|v, b| v < b, *bound),
            Op::AtMost(bound) => ordered(|v, b| v <= b, *bound),
            Op::Exists(there) => value.is_some() == *there,
            Op::StartsWith(text) => {
                value.and_then(Value::as_text).is_some_and(|v| v.starts_with(text.as_str()))
            }
            Op::Contains(text) => value.and_then(Value::as_text).is_some_and(|v| v.contains(text.as_str())),
        }
    }
}

impl<F> Cond<F> {
    /// Whether it holds, given the test of one comparison.
    pub fn holds(&self, test: &impl Fn(&F, &Op) -> bool) -> bool {
        match self {
            Cond::True => true,
            Cond::All(all) => all.iter().all(|c| c.holds(test)),
            Cond::Any(any) => any.iter().any(|c| c.holds(test)),
            Cond::Not(c) => !c.holds(test),
            Cond::Test(field, op) => test(field, op),
        }
    }
}

/// A value, or a table of values over a field, with a default.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<T> {
    /// The field that chooses. `Missing` where the value is plain.
    pub by: FieldRef,
    /// Its cases.
    pub cases: Vec<(Value, T)>,
    /// Where no case fits.
    pub default: T,
}

impl<T: Copy> Table<T> {
    /// A plain value.
    pub fn plain(value: T) -> Self {
        Table { by: FieldRef::Missing, cases: Vec::new(), default: value }
    }

    fn pick(&self, facts: &Known<'_>) -> T {
        if self.cases.is_empty() {
            return self.default;
        }
        facts
            .with(&self.by, |value| {
                value.and_then(|v| self.cases.iter().find(|(case, _)| case == v)).map(|(_, t)| *t)
            })
            .unwrap_or(self.default)
    }
}

/// A detection as the rules built on it see it.
#[derive(Debug, Clone, Copy)]
pub struct DetectionFacts<'a> {
    /// Its key; empty where its rule has no `per`.
    pub key: &'a str,
    /// 0 to 100.
    pub severity: u8,
    /// Its rule's measures.
    pub measures: &'a [Option<Micro>],
}

/// What conditions are judged on.
#[derive(Debug, Clone, Copy)]
pub enum Facts<'a> {
    /// An event.
    Event(&'a Event),
    /// A detection.
    Detection(DetectionFacts<'a>),
}

/// Facts with what is known of the customer.
struct Known<'a> {
    facts: &'a Facts<'a>,
    profile: &'a Profile,
}

impl Known<'_> {
    fn with<R>(&self, field: &FieldRef, then: impl FnOnce(Option<&Value>) -> R) -> R {
        match (field, self.facts) {
            (FieldRef::Const(value), _) => then(Some(value)),
            (FieldRef::Profile(ix), _) => then(self.profile.field(*ix)),
            (FieldRef::Data(ix), Facts::Event(event)) => then(event.field(*ix)),
            (FieldRef::Id, Facts::Event(event)) => then(Some(&Value::Text(event.id.clone()))),
            (FieldRef::Source, Facts::Event(event)) => then(Some(&Value::Text(event.source.clone()))),
            (FieldRef::Time, Facts::Event(event)) => then(Some(&Value::Time(event.time))),
            (FieldRef::Key, Facts::Detection(d)) if !d.key.is_empty() => {
                then(Some(&Value::Text(d.key.into())))
            }
            (FieldRef::Severity, Facts::Detection(d)) => {
                then(Some(&Value::Number(i64::from(d.severity) * MICRO)))
            }
            (FieldRef::Measure(ix), Facts::Detection(d)) => {
                then(d.measures.get(usize::from(*ix)).copied().flatten().map(Value::Number).as_ref())
            }
            _ => then(None),
        }
    }

    fn holds(&self, cond: &Cond<FieldRef>) -> bool {
        cond.holds(&|field, op| self.with(field, |value| op.holds(value)))
    }

    fn product(&self, fields: &[FieldRef]) -> Option<Micro> {
        fields.iter().try_fold(MICRO, |product, field| {
            let factor = self.with(field, |v| v.and_then(Value::as_number))?;
            let scaled = i128::from(product) * i128::from(factor) / i128::from(MICRO);
            Micro::try_from(scaled).ok()
        })
    }
}

/// What an event is to a rule: all that the engine needs to know of the event.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// [`Roles`] whose conditions hold.
    pub roles: u32,
    /// Guard bits whose conditions hold.
    pub guards: u32,
    /// The episode's key. `None` in a rule with `per`: the event does not carry the field. Empty in a rule without.
    pub key: Option<CompactString>,
    /// The value of `within` for this event.
    pub within: Span,
    /// The deadline that it carries, without grace.
    pub deadline: Option<Millis>,
    /// The threshold for this event, in [`Micro`].
    pub threshold: Micro,
    /// The points of a debt.
    pub points: Micro,
    /// What is counted distinctly.
    pub distinct: Option<Value>,
    /// Per measure: what it contributes; `None` where a factor is missing.
    pub deltas: SmallVec<[Option<Micro>; 2]>,
    /// The base severity.
    pub severity: u8,
}

impl RuleUse {
    /// What an event or detection of a customer of whom that is known is to the rule; `None` where no role and no
    /// guard holds.
    pub fn hit(&self, facts: &Facts<'_>, profile: &Profile) -> Option<Hit> {
        let facts = &Known { facts, profile };
        let bits = |list: &[(u32, Cond<FieldRef>)]| {
            list.iter().filter(|(_, cond)| facts.holds(cond)).fold(0, |bits, (bit, _)| bits | bit)
        };
        let (roles, guards) = (bits(&self.roles), bits(&self.guards));
        if roles == 0 && guards == 0 {
            return None;
        }
        let deltas = self.measures.iter().zip(&self.minus).map(|(fields, minus)| {
            let value = if fields.is_empty() { None } else { facts.product(fields) };
            value.map(|v| if *minus { -v } else { v })
        });
        Some(Hit {
            roles,
            guards,
            key: match &self.per {
                Per::Customer => Some(CompactString::default()),
                Per::Field(field) => facts.with(field, |value| value.map(key_text)),
            },
            within: self.within.pick(facts),
            deadline: self.deadline.as_ref().and_then(|f| facts.with(f, |v| v.and_then(Value::as_time))),
            threshold: self.threshold.pick(facts),
            points: self.points.iter().find(|(cond, _)| facts.holds(cond)).map_or(0, |(_, points)| *points),
            distinct: self.distinct.as_ref().and_then(|f| facts.with(f, |v| v.cloned())),
            deltas: deltas.collect(),
            severity: self.severity.pick(facts),
        })
    }
}

/// A key as text: what conditions, detections and ids show of it.
fn key_text(value: &Value) -> CompactString {
    use compact_str::ToCompactString;
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(n) if n % MICRO == 0 => (n / MICRO).to_compact_string(),
        Value::Number(n) => n.to_compact_string(),
        Value::Bool(b) => b.to_compact_string(),
        Value::Time(t) => t.to_compact_string(),
    }
}
