//! One rule: its kind, its durations, its guards and its measures.

use super::{Cond, FeedSet, MeasureRef, Rulebook};
use crate::{Calendar, Treatment};
use compact_str::CompactString;
use cxwatch_event::{Micro, Millis};

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
