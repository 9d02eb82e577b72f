//! Instants made of a record's cells.

use super::cells::Row;
use super::pattern::{self, Civil, Pattern};
use super::{Expr, Section, number};
use crate::{MICRO, Millis, Reason, Rejection};
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

/// An instant made of a record's cells, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Time {
    /// Where it begins.
    pub base: Base,
    /// What is added to it.
    pub plus: Vec<Shift>,
    /// It is never before this one, where this one is there.
    pub not_before: Option<Box<Time>>,
}

/// Where an instant begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// A time of the section with a name, by its number.
    Named(u16),
    /// A text that says it.
    Text {
        /// The text.
        text: Expr,
        /// How it is written.
        format: TimeFormat,
        /// Where its clock hangs, where the text does not say so.
        zone: Option<Zone>,
    },
    /// A date and a time of day that stand apart.
    DayAndClock {
        /// The date.
        day: Expr,
        /// How it is written.
        day_format: Pattern,
        /// The time of day.
        clock: Expr,
        /// How it is written.
        clock_format: Clock,
        /// Where the clock hangs.
        zone: Option<Zone>,
    },
    /// The first that is there.
    First(Vec<Time>),
}

/// How an instant is written.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeFormat {
    /// ISO 8601, RFC 3339 or SQL.
    Iso,
    /// Seconds, milliseconds or so since 1970-01-01 UTC: how many of them make a second.
    Unix {
        /// 1 for seconds, 1000 for milliseconds, ...
        per_second: i64,
    },
    /// Days since 1899-12-30 with a fraction, to the second.
    Excel,
    /// By a pattern.
    Pattern(Pattern),
}

/// How a time of day is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Clock {
    /// Hours and minutes as one number: `517` is 05:17, `2400` the end of the day.
    Hhmm,
    /// Seconds since midnight.
    Seconds,
    /// By a pattern.
    Pattern(Pattern),
}

/// What is added to an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// How much.
    pub amount: Amount,
    /// In units of so many milliseconds; negative to subtract.
    pub unit_ms: i64,
}

/// How much is added.
#[derive(Debug, Clone, PartialEq)]
pub enum Amount {
    /// Always so much.
    Const(i64),
    /// A number of the record.
    Expr(Expr),
}

/// A time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of that name (`Europe/Berlin`), by the rules that are built in; or a fixed offset (`+02:00`).
    pub fn named(name: &str) -> Option<Self> {
        if name.starts_with(['+', '-']) {
            let text = format!("1970-01-01 00:00{name}");
            let offset = jiff::tz::Offset::from_seconds(pattern::iso(&text)?.offset_s?).ok()?;
            return Some(Zone(TimeZone::fixed(offset)));
        }
        TimeZoneDatabase::bundled().get(name).ok().map(Zone)
    }

    /// A local time as an instant. A time that a clock shows twice is the earlier one, one that it leaps over is as
    /// much later as it leaps.
    fn instant(&self, civil: &Civil) -> Option<Millis> {
        let date = Date::new(civil.year, civil.month, civil.day).ok()?;
        let local = date.at(0, 0, 0, 0).checked_add(SignedDuration::from_millis(civil.clock_ms)).ok()?;
        Some(self.0.to_ambiguous_timestamp(local).compatible().ok()?.as_millisecond())
    }
}

impl Time {
    /// The instant for a record.
    pub(super) fn eval(&self, row: &Row) -> Result<Option<Millis>, Rejection> {
        let Some(mut time) = self.base.eval(row)? else { return Ok(None) };
        for shift in &self.plus {
            let Some(by) = shift.eval(row)? else { return Ok(None) };
            time = time.saturating_add(by);
        }
        if let Some(earliest) = &self.not_before {
            time = earliest.eval(row)?.map_or(time, |earliest| time.max(earliest));
        }
        // The range of RFC 3339 that events have: 1970 to 9999.
        if !(0..=253_402_300_799_999).contains(&time) {
            return Err(bad_time(self.place(row.section), "a time between the years 1970 and 9999"));
        }
        Ok(Some(time))
    }

    /// Where it stands in a record.
    pub(super) fn place(&self, section: &Section) -> String {
        match &self.base {
            Base::Named(ix) => section.times[usize::from(*ix)].place(section),
            Base::Text { text, .. } => text.place(section),
            Base::DayAndClock { day, .. } => day.place(section),
            Base::First(times) => times.first().map_or_else(|| "mapping".into(), |t| t.place(section)),
        }
    }
}

impl Base {
    fn eval(&self, row: &Row) -> Result<Option<Millis>, Rejection> {
        match self {
            Base::Named(ix) => row.section.times[usize::from(*ix)].eval(row),
            Base::First(times) => {
                for time in times {
                    if let Some(time) = time.eval(row)? {
                        return Ok(Some(time));
                    }
                }
                Ok(None)
            }
            Base::Text { text: expr, format, zone } => {
                let Some(text) = expr.eval(row)? else { return Ok(None) };
                let place = || expr.place(row.section);
                let civil = match format {
                    TimeFormat::Unix { per_second } => {
                        let ms = number::parse(&text, row.section.numbers)
                            .and_then(|(n, _)| i64::try_from(i128::from(n) * 1000 / i128::from(MICRO)).ok())
                            .map(|thousandths| thousandths / per_second);
                        return ms.map(Some).ok_or_else(|| bad_time(place(), "a number"));
                    }
                    TimeFormat::Excel => excel(&text, row),
                    TimeFormat::Iso => pattern::iso(&text),
                    TimeFormat::Pattern(pattern) => pattern.parse(&text),
                };
                let Some(civil) = civil else { return Err(bad_time(place(), &format.expected())) };
                local(&civil, zone.as_ref()).map(Some).map_err(|expected| bad_time(place(), expected))
            }
            Base::DayAndClock { day, day_format, clock, clock_format, zone } => {
                let (Some(day_text), Some(clock_text)) = (day.eval(row)?, clock.eval(row)?) else {
                    return Ok(None);
                };
                let mut civil = day_format
                    .parse(&day_text)
                    .ok_or_else(|| bad_time(day.place(row.section), day_format.text()))?;
                civil.clock_ms = clock_format
                    .parse(&clock_text, row)
                    .ok_or_else(|| bad_time(clock.place(row.section), clock_format.expected()))?;
                local(&civil, zone.as_ref()).map(Some).map_err(|e| bad_time(day.place(row.section), e))
            }
        }
    }
}

fn local(civil: &Civil, zone: Option<&Zone>) -> Result<Millis, &'static str> {
    if let Some(offset_s) = civil.offset_s {
        let utc = Zone(TimeZone::UTC).instant(civil).ok_or_else(|| no_instant(civil))?;
        return Ok(utc - i64::from(offset_s) * 1000);
    }
    let zone = zone.ok_or("an offset from UTC, or a `zone` in the mapping")?;
    zone.instant(civil).ok_or_else(|| no_instant(civil))
}

/// What was expected where a date and a time of day are no instant.
fn no_instant(civil: &Civil) -> &'static str {
    match Date::new(civil.year, civil.month, civil.day) {
        Ok(_) => "a time before 9999-12-30 (a mark for no time at all goes under `missing`)",
        Err(_) => "a date that exists",
    }
}

fn excel(text: &str, row: &Row) -> Option<Civil> {
    let (serial, _) = number::parse(text, row.section.numbers)?;
    let seconds = (i128::from(serial) * 86_400 + i128::from(MICRO) / 2).div_euclid(i128::from(MICRO));
    // 1970-01-01 is day 25569.
    let since_epoch = i64::try_from(seconds).ok()? - 25_569 * 86_400;
    let (days, clock_s) = (since_epoch.div_euclid(86_400), since_epoch.rem_euclid(86_400));
    let midnight = Timestamp::from_second(days.checked_mul(86_400)?).ok()?;
    let date = TimeZone::UTC.to_datetime(midnight).date();
    let (year, month, day) = (date.year(), date.month(), date.day());
    Some(Civil { year, month, day, clock_ms: clock_s * 1000, offset_s: None })
}

impl TimeFormat {
    fn expected(&self) -> String {
        match self {
            TimeFormat::Iso => "a time such as 2026-11-24 12:00:00, from 1970 on".into(),
            TimeFormat::Unix { .. } => "a number".into(),
            TimeFormat::Excel => "a number of days".into(),
            TimeFormat::Pattern(pattern) => pattern.text().into(),
        }
    }
}

impl Clock {
    fn parse(&self, text: &str, row: &Row) -> Option<Millis> {
        let whole =
            || number::parse(text, row.section.numbers).filter(|(_, whole)| *whole).map(|(n, _)| n / MICRO);
        match self {
            Clock::Pattern(pattern) => pattern.parse(text).map(|civil| civil.clock_ms),
            Clock::Seconds => whole().filter(|s| (0..=86_400).contains(s)).map(|s| s * 1000),
            Clock::Hhmm => {
                let (hours, minutes) = whole().map(|n| (n / 100, n % 100))?;
                let valid =
                    (0..=59).contains(&minutes) && (0..=24).contains(&hours) && hours * 100 + minutes <= 2400;
                valid.then_some((hours * 60 + minutes) * 60_000)
            }
        }
    }

    fn expected(&self) -> &str {
        match self {
            Clock::Hhmm => "hours and minutes as a number up to 2400",
            Clock::Seconds => "seconds since midnight",
            Clock::Pattern(pattern) => pattern.text(),
        }
    }
}

impl Shift {
    fn eval(&self, row: &Row) -> Result<Option<Millis>, Rejection> {
        match &self.amount {
            Amount::Const(amount) => Ok(Some(amount.saturating_mul(self.unit_ms))),
            Amount::Expr(expr) => {
                let Some(text) = expr.eval(row)? else { return Ok(None) };
                let by = number::parse(&text, row.section.numbers)
                    .map(|(n, _)| i128::from(n) * i128::from(self.unit_ms) / i128::from(MICRO))
                    .and_then(|ms| i64::try_from(ms).ok());
                by.map(Some).ok_or_else(|| bad_time(expr.place(row.section), "a number"))
            }
        }
    }
}

#[cold]
fn bad_time(place: String, expected: &str) -> Rejection {
    Rejection { reason: Reason::BadTime, place, expected: format!("expected {expected}") }
}
