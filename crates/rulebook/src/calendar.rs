//! Opening hours: time that counts only while a business is open.
//!
//! A day's opening is written in local time and belongs to the day on which it begins, also where it runs past
//! midnight; a holiday is a day without openings. A local time that a change of clocks skips stands for the instant
//! of the change; one that occurs twice stands for its first occurrence.

use compact_str::CompactString;
use cxwatch_event::Millis;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Openings are known for these years. Outside of them all time counts, so that sums stay finite.
const FIRST_YEAR: i16 = 1970;
const LAST_YEAR: i16 = 2199;
const DAY_MS: Millis = 86_400_000;

/// An opening in minutes after the midnight with which its day begins: from, before. `before` goes beyond 1440 where
/// the opening runs past midnight.
pub type Hours = (u32, u32);

/// A business calendar: a time zone, weekly opening hours and holidays.
#[derive(Clone)]
pub struct Calendar {
    /// Its name in the rulebook.
    pub id: CompactString,
    zone: CompactString,
    tz: TimeZone,
    /// From Monday on; each day's in ascending order, not overlapping.
    week: [Vec<Hours>; 7],
    /// Days with hours of their own. Without any: a holiday.
    special: BTreeMap<Date, Vec<Hours>>,
    /// By year, computed when first needed.
    years: Arc<[OnceLock<Year>]>,
}

/// The openings that begin on a year's days.
#[derive(Debug)]
struct Year {
    /// In ascending order, not overlapping: opens, closes, open time of the year before it.
    openings: Vec<(Millis, Millis, Millis)>,
    /// The close of every business day.
    closes: Vec<Millis>,
    open_ms: Millis,
}

impl Calendar {
    /// A calendar in a zone of the IANA database.
    ///
    /// # Errors
    /// A sentence, where the zone is unknown, hours overlap, or it is never open.
    pub fn new(
        id: &str,
        zone: &str,
        week: [Vec<Hours>; 7],
        special: BTreeMap<Date, Vec<Hours>>,
    ) -> Result<Self, String> {
        let tz = zone_named(zone).ok_or_else(|| format!("the time zone `{zone}` is unknown"))?;
        if week.iter().all(Vec::is_empty) {
            return Err("it is never open".to_owned());
        }
        let mut calendar =
            Calendar { id: id.into(), zone: zone.into(), tz, week, special, years: Arc::new([]) };
        calendar.check_overlaps()?;
        calendar.years = (FIRST_YEAR..=LAST_YEAR).map(|_| OnceLock::new()).collect();
        Ok(calendar)
    }

    fn check_overlaps(&mut self) -> Result<(), String> {
        let ordered = |day: &[Hours]| {
            day.iter().all(|(from, before)| from < before && *from < 1440)
                && day.windows(2).all(|pair| pair[0].1 <= pair[1].0)
        };
        for hours in self.week.iter_mut().chain(self.special.values_mut()) {
            hours.sort_unstable();
            if !ordered(hours) {
                return Err("opening hours of a day overlap".to_owned());
            }
        }
        let meets = |day: &[Hours], next: &[Hours]| matches!((day.last(), next.first()), (Some(last), Some(first)) if last.1 > first.0 + 1440);
        if (0..7).any(|d| meets(&self.week[d], &self.week[(d + 1) % 7])) {
            return Err("opening hours run past midnight into those of the next day".to_owned());
        }
        for (date, hours) in &self.special {
            let neighbour =
                |by: i64| date.checked_add(by.days()).map(|d| self.hours_on(d)).unwrap_or_default();
            if meets(neighbour(-1), hours) || meets(hours, neighbour(1)) {
                return Err(format!(
                    "opening hours run past midnight into those of the next day around {date}"
                ));
            }
        }
        Ok(())
    }

    /// Its time zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Its weekly hours, from Monday on.
    pub fn week(&self) -> &[Vec<Hours>; 7] {
        &self.week
    }

    /// Its holidays and days with hours of their own.
    pub fn special(&self) -> impl Iterator<Item = (Date, &[Hours])> {
        self.special.iter().map(|(date, hours)| (*date, hours.as_slice()))
    }

    /// The earliest instant at which `open_ms` of open time have passed since `from`. With `open_ms` 0 that is
    /// `from` itself. A target that ends exactly at closing is due at closing.
    pub fn add(&self, from: Millis, open_ms: Millis) -> Millis {
        if open_ms <= 0 {
            return from;
        }
        let (mut at, mut left) = (from, open_ms);
        let begin = self.begin();
        if at < begin {
            if left <= begin - at {
                return at + left;
            }
            left -= begin - at;
            at = begin;
        }
        for year in self.years_from(at) {
            let passed = year.open_before(at);
            if left > year.open_ms - passed {
                left -= year.open_ms - passed;
                continue;
            }
            let target = passed + left;
            let next = year.openings.partition_point(|(_, _, before)| *before < target) - 1;
            let (opens, _, before) = year.openings[next];
            return opens + (target - before);
        }
        self.end().max(at).saturating_add(left)
    }

    /// The open time between two instants; 0 where `to` is not after `from`.
    pub fn open_between(&self, from: Millis, to: Millis) -> Millis {
        if to <= from {
            return 0;
        }
        let (begin, end) = (self.begin(), self.end());
        let outside = (to.min(begin) - from.min(begin)) + (to.max(end) - from.max(end));
        let mut inside = 0;
        for year in self.years_from(from) {
            inside += year.open_before(to) - year.open_before(from);
            if year.openings.last().is_some_and(|(_, closes, _)| *closes >= to) {
                break;
            }
        }
        outside + inside
    }

    /// The close of the `days`-th business day: that of the day of `from` is the first if it is still open then.
    /// A day that has not opened yet is still to come; at its close a day is over.
    pub fn add_days(&self, from: Millis, days: u32) -> Millis {
        if days == 0 {
            return from;
        }
        let mut left = days as usize;
        for year in self.years_from(from) {
            let first = year.closes.partition_point(|close| *close <= from);
            match year.closes.get(first + left - 1) {
                Some(close) => return *close,
                None => left -= year.closes.len() - first,
            }
        }
        self.end().max(from).saturating_add(left as Millis * DAY_MS)
    }

    /// A length of wall time that holds so much open time, however it lies, special days aside.
    pub(crate) fn reach_of(&self, open_ms: Millis) -> Millis {
        let minutes: u32 = self.week.iter().flatten().map(|(from, before)| before - from).sum();
        (open_ms / (Millis::from(minutes) * 60_000) + 2) * 7 * DAY_MS
    }

    /// A length of wall time that holds so many business days, special days aside.
    pub(crate) fn reach_of_days(&self, days: u32) -> Millis {
        let per_week = self.week.iter().filter(|d| !d.is_empty()).count() as Millis;
        (Millis::from(days) / per_week + 2) * 7 * DAY_MS
    }

    fn begin(&self) -> Millis {
        self.midnight(Date::constant(FIRST_YEAR, 1, 1))
    }

    /// Where the last known opening ends, or the last known year.
    fn end(&self) -> Millis {
        let midnight = self.midnight(Date::constant(LAST_YEAR + 1, 1, 1));
        let last = self.year(LAST_YEAR).openings.last().map_or(midnight, |(_, closes, _)| *closes);
        midnight.max(last)
    }

    /// The years whose openings may still lie ahead of an instant.
    fn years_from(&self, from: Millis) -> impl Iterator<Item = &Year> {
        let year = Timestamp::from_millisecond(from).map_or(i16::MAX, |t| self.tz.to_datetime(t).year());
        let year = if from < 0 && year == i16::MAX { FIRST_YEAR } else { year };
        // The last opening of the year before may run past midnight.
        (year.saturating_sub(1).max(FIRST_YEAR)..=LAST_YEAR).map(|y| self.year(y))
    }

    fn year(&self, year: i16) -> &Year {
        self.years[usize::from((year - FIRST_YEAR) as u16)].get_or_init(|| self.openings_of(year))
    }

    fn openings_of(&self, year: i16) -> Year {
        let mut computed = Year { openings: Vec::new(), closes: Vec::new(), open_ms: 0 };
        let mut date = Date::constant(year, 1, 1);
        while date.year() == year {
            let hours = self.hours_on(date);
            let before_day = computed.openings.len();
            for (from, before) in hours {
                let (opens, closes) = (self.instant(date, *from), self.instant(date, *before));
                if opens < closes {
                    computed.openings.push((opens, closes, computed.open_ms));
                    computed.open_ms += closes - opens;
                }
            }
            // A day that a zone skips is none.
            if let Some((_, closes, _)) = computed.openings[before_day..].last() {
                computed.closes.push(*closes);
            }
            date = date.tomorrow().expect("the last year is far from the end of the calendar");
        }
        computed
    }

    fn hours_on(&self, date: Date) -> &[Hours] {
        let weekly = || &self.week[date.weekday().to_monday_zero_offset() as usize];
        self.special.get(&date).unwrap_or_else(weekly)
    }

    fn midnight(&self, date: Date) -> Millis {
        self.instant(date, 0)
    }

    /// The instant at which a local clock shows so many minutes after a date's midnight.
    fn instant(&self, date: Date, minutes: u32) -> Millis {
        let days = i64::from(minutes / 1440);
        let local = date
            .checked_add(days.days())
            .expect("the last year is far from the end of the calendar")
            .at((minutes % 1440 / 60) as i8, (minutes % 60) as i8, 0, 0);
        let ambiguous = self.tz.to_ambiguous_timestamp(local);
        let offset = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { before, .. } => {
                let after = before.to_timestamp(local).expect("a known year");
                let just_after = after.checked_add(1.second()).expect("a known year");
                let change =
                    self.tz.preceding(just_after).next().expect("a gap comes from a change of clocks");
                return change.timestamp().as_millisecond();
            }
        };
        offset.to_timestamp(local).expect("a known year").as_millisecond()
    }
}

impl Year {
    /// The open time of this year before an instant.
    fn open_before(&self, at: Millis) -> Millis {
        match self.openings.partition_point(|(opens, _, _)| *opens < at) {
            0 => 0,
            n => {
                let (opens, closes, before) = self.openings[n - 1];
                before + (at.min(closes) - opens)
            }
        }
    }
}

/// A zone of the bundled IANA database.
pub(crate) fn zone_named(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|tz| tz.iana_name().is_some())
}

/// The names of all zones.
pub(crate) fn zone_names() -> Vec<String> {
    TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.zone == other.zone
            && self.week == other.week
            && self.special == other.special
    }
}

impl Eq for Calendar {}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Calendar { id, zone, week, special, .. } = self;
        f.debug_struct("Calendar")
            .field("id", id)
            .field("zone", zone)
            .field("week", week)
            .field("special", special)
            .finish_non_exhaustive()
    }
}
