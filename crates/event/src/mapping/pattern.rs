//! Patterns of dates and times, in the letters of `strftime`.

use std::fmt;

/// A pattern such as `%d/%m/%Y %H:%M`, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// Any run of spaces, also none.
    Space,
    Literal(char),
    Year4,
    Year2,
    Month,
    MonthName,
    Day,
    Hour,
    Hour12,
    Minute,
    Second,
    Fraction,
    AmPm,
    WeekdayName,
    Offset,
}

/// What a text says of a date and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i16,
    pub(super) month: i8,
    pub(super) day: i8,
    /// Since midnight.
    pub(super) clock_ms: i64,
    /// East of UTC.
    pub(super) offset_s: Option<i32>,
}

/// A pattern that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// A letter that is no part of a date or time.
    Unknown(char),
    /// Ends after `%`.
    Open,
    /// Says nothing of this.
    Lacks(&'static str),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatternError::Unknown(c) => write!(
                f,
                "%{c} is not known; there are %Y %y %m %b %d %H %I %M %S %f %p %a %z, %F for %Y-%m-%d, %T for %H:%M:%S"
            ),
            PatternError::Open => f.write_str("ends after %"),
            PatternError::Lacks(what) => write!(f, "says nothing of the {what}"),
        }
    }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Pattern {
    /// A pattern of a date, with or without a time of day.
    pub fn of_date(text: &str) -> Result<Self, PatternError> {
        let pattern = Pattern::compile(text)?;
        let has = |wanted: &[Item]| pattern.items.iter().any(|i| wanted.contains(i));
        match () {
            () if !has(&[Item::Year4, Item::Year2]) => Err(PatternError::Lacks("year")),
            () if !has(&[Item::Month, Item::MonthName]) => Err(PatternError::Lacks("month")),
            () if !has(&[Item::Day]) => Err(PatternError::Lacks("day")),
            () => Ok(pattern),
        }
    }

    /// A pattern of a time of day.
    pub fn of_clock(text: &str) -> Result<Self, PatternError> {
        let pattern = Pattern::compile(text)?;
        if !pattern.items.iter().any(|i| matches!(i, Item::Hour | Item::Hour12)) {
            return Err(PatternError::Lacks("hour"));
        }
        Ok(pattern)
    }

    fn compile(text: &str) -> Result<Self, PatternError> {
        let mut items = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                items.push(if c.is_whitespace() { Item::Space } else { Item::Literal(c) });
                continue;
            }
            let letter = match chars.next() {
                Some('-' | '_' | '0') => chars.next(),
                letter => letter,
            };
            match letter.ok_or(PatternError::Open)? {
                'Y' => items.push(Item::Year4),
                'y' => items.push(Item::Year2),
                'm' => items.push(Item::Month),
                'b' | 'B' | 'h' => items.push(Item::MonthName),
                'd' | 'e' => items.push(Item::Day),
                'H' | 'k' => items.push(Item::Hour),
                'I' | 'l' => items.push(Item::Hour12),
                'M' => items.push(Item::Minute),
                'S' => items.push(Item::Second),
                'f' => items.push(Item::Fraction),
                'p' | 'P' => items.push(Item::AmPm),
                'a' | 'A' => items.push(Item::WeekdayName),
                'z' => items.push(Item::Offset),
                '%' => items.push(Item::Literal('%')),
                'F' => items.extend([
                    Item::Year4,
                    Item::Literal('-'),
                    Item::Month,
                    Item::Literal('-'),
                    Item::Day,
                ]),
                'T' => items.extend([
                    Item::Hour,
                    Item::Literal(':'),
                    Item::Minute,
                    Item::Literal(':'),
                    Item::Second,
                ]),
                c => return Err(PatternError::Unknown(c)),
            }
        }
        Ok(Pattern { text: text.into(), items })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What a text says, if it fits the pattern to its end. Numbers may have fewer digits than usual, names may be
    /// short or long, in any case.
    pub(super) fn parse(&self, text: &str) -> Option<Civil> {
        let mut rest = text.trim();
        let mut civil = Civil { year: 1970, month: 1, day: 1, clock_ms: 0, offset_s: None };
        let (mut hour, mut minute, mut second, mut fraction_ms) = (0, 0, 0, 0);
        let mut afternoon = None;
        for item in &self.items {
            match item {
                Item::Space => rest = rest.trim_start(),
                Item::Literal(c) => rest = rest.strip_prefix(*c)?,
                Item::Year4 => civil.year = digits(&mut rest, 4, 1970..=9999)? as i16,
                Item::Year2 => {
                    // POSIX: 69 to 99 lie in the 20th century. Before 1970 there are no times here.
                    let year = digits(&mut rest, 2, 0..=99)?;
                    civil.year = (if year < 70 { 2000 + year } else { 1900 + year }) as i16;
                }
                Item::Month => civil.month = digits(&mut rest, 2, 1..=12)? as i8,
                Item::MonthName => civil.month = name(&mut rest, &MONTHS)? as i8 + 1,
                Item::Day => civil.day = digits(&mut rest, 2, 1..=31)? as i8,
                Item::Hour => hour = digits(&mut rest, 2, 0..=24)?,
                Item::Hour12 => hour = digits(&mut rest, 2, 1..=12)?,
                Item::Minute => minute = digits(&mut rest, 2, 0..=59)?,
                Item::Second => second = digits(&mut rest, 2, 0..=59)?,
                Item::Fraction => fraction_ms = fraction(&mut rest)?,
                Item::AmPm => {
                    let (head, tail) = rest.split_at_checked(2)?;
                    afternoon = Some(match head.to_ascii_lowercase().as_str() {
                        "am" => false,
                        "pm" => true,
                        _ => return None,
                    });
                    rest = tail;
                }
                Item::WeekdayName => {
                    name(&mut rest, &WEEKDAYS)?;
                }
                Item::Offset => civil.offset_s = Some(offset(&mut rest)?),
            }
        }
        if let Some(afternoon) = afternoon {
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        civil.clock_ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms;
        // Hour 24 is the end of the day, and nothing comes after it.
        (rest.is_empty() && civil.clock_ms <= 86_400_000).then_some(civil)
    }
}

/// Up to `most` digits.
fn digits(rest: &mut &str, most: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let text = rest.trim_start();
    let len = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (head, tail) = text.split_at(len);
    let value = head.parse().ok()?;
    *rest = tail;
    range.contains(&value).then_some(value)
}

/// Digits of a fraction of a second, as milliseconds; those after the third are cut off.
fn fraction(rest: &mut &str) -> Option<i64> {
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (head, tail) = rest.split_at(len);
    *rest = tail;
    let digit = |i: usize| head.as_bytes().get(i).map_or(0, |b| i64::from(b - b'0'));
    (len > 0).then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
}

/// A name in full or by its first three letters.
fn name(rest: &mut &str, names: &[&str]) -> Option<usize> {
    let len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (head, tail) = rest.split_at(len);
    let head = head.to_ascii_lowercase();
    let found = names.iter().position(|n| head.len() >= 3 && n.starts_with(head.as_str()))?;
    *rest = tail;
    Some(found)
}

/// `Z`, `+02`, `+0200` or `+02:00`, in seconds.
fn offset(rest: &mut &str) -> Option<i32> {
    if let Some(tail) = rest.strip_prefix(['Z', 'z']) {
        *rest = tail;
        return Some(0);
    }
    let sign = match rest.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let mut tail = &rest[1..];
    let hours = digits(&mut tail, 2, 0..=23)?;
    let after = tail.strip_prefix(':').unwrap_or(tail);
    let minutes = if after.starts_with(|c: char| c.is_ascii_digit()) {
        tail = after;
        digits(&mut tail, 2, 0..=59)?
    } else {
        0
    };
    *rest = tail;
    Some(sign * (hours * 60 + minutes) as i32 * 60)
}

/// A date with a time of day as ISO 8601 and SQL write it: `2017-07-09 21:57:05.123+02:00`. Seconds, fraction and
/// offset may be left out, the time of day too.
pub(super) fn iso(text: &str) -> Option<Civil> {
    let mut rest = text.trim();
    let mut civil = Civil { year: 1970, month: 1, day: 1, clock_ms: 0, offset_s: None };
    civil.year = digits(&mut rest, 4, 1970..=9999)? as i16;
    rest = rest.strip_prefix('-')?;
    civil.month = digits(&mut rest, 2, 1..=12)? as i8;
    rest = rest.strip_prefix('-')?;
    civil.day = digits(&mut rest, 2, 1..=31)? as i8;
    if rest.is_empty() {
        return Some(civil);
    }
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let hour = digits(&mut rest, 2, 0..=24)?;
    rest = rest.strip_prefix(':')?;
    let minute = digits(&mut rest, 2, 0..=59)?;
    let mut second = 0;
    let mut fraction_ms = 0;
    if let Some(tail) = rest.strip_prefix(':') {
        rest = tail;
        second = digits(&mut rest, 2, 0..=59)?;
        if let Some(tail) = rest.strip_prefix(['.', ',']) {
            rest = tail;
            fraction_ms = fraction(&mut rest)?;
        }
    }
    civil.clock_ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms;
    if !rest.is_empty() {
        rest = rest.trim_start();
        civil.offset_s = Some(offset(&mut rest)?);
    }
    (rest.is_empty() && civil.clock_ms <= 86_400_000).then_some(civil)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn civil(year: i16, month: i8, day: i8, clock_s: i64) -> Civil {
        Civil { year, month, day, clock_ms: clock_s * 1000, offset_s: None }
    }

    #[test]
    fn patterns_of_many_sources() {
        for (pattern, text, expected) in [
            ("%d/%m/%Y %H:%M", "29/2/2016 01:16", Some(civil(2016, 2, 29, 4560))),
            ("%d-%m-%Y %H.%M", "24-02-2015 9.42", Some(civil(2015, 2, 24, 34_920))),
            ("%m/%d/%Y %I:%M:%S %p", "01/02/2015 12:25:02 AM", Some(civil(2015, 1, 2, 1502))),
            ("%m/%d/%Y %I:%M:%S %p", "01/02/2015 12:25:02 PM", Some(civil(2015, 1, 2, 44_702))),
            ("%y%m%d %T", "990201 7:02:47", Some(civil(1999, 2, 1, 25_367))),
            ("%F %H", "2015-02-24 24", Some(civil(2015, 2, 24, 86_400))),
            ("%A, %B %d %Y", "tuesday, Mar 3 2015", Some(civil(2015, 3, 3, 0))),
            ("%F %H:%M", "2015-02-24 24:01", None),
            ("%F", "2015-13-01", None),
            ("%F", "2015-01-01 ", Some(civil(2015, 1, 1, 0))),
            ("%F", "2015-01-01x", None),
            ("%Y", "", None),
        ] {
            assert_eq!(
                Pattern::compile(pattern).expect("known letters").parse(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn offsets() {
        let pattern = Pattern::of_date("[%d/%b/%Y:%H:%M:%S %z]").expect("a date");
        for (text, offset_s) in [
            ("[17/May/2015:10:05:03 +0000]", Some(0)),
            ("[17/May/2015:10:05:03 -0830]", Some(-30_600)),
            ("[17/May/2015:10:05:03 +02:00]", Some(7200)),
            ("[17/May/2015:10:05:03 +02]", Some(7200)),
            ("[17/May/2015:10:05:03 Z]", Some(0)),
            ("[17/May/2015:10:05:03 CET]", None),
        ] {
            assert_eq!(pattern.parse(text).and_then(|c| c.offset_s), offset_s, "{text}");
        }
    }

    #[test]
    fn iso_and_sql() {
        for (text, expected) in [
            ("2017-07-09 21:57:05", Some((79_025_000, None))),
            ("2017-07-09T21:57:05.1234Z", Some((79_025_123, Some(0)))),
            ("2017-07-09 21:57", Some((79_020_000, None))),
            ("2017-07-09", Some((0, None))),
            ("2017-07-09 21:57:05+02", Some((79_025_000, Some(7200)))),
            ("2017-07-09 21", None),
            ("2017-07-09 21:57:05x", None),
            ("09.07.2017", None),
        ] {
            assert_eq!(iso(text).map(|c| (c.clock_ms, c.offset_s)), expected, "{text}");
        }
    }

    #[test]
    fn refused_patterns() {
        assert_eq!(Pattern::of_date("%Y-%q"), Err(PatternError::Unknown('q')));
        assert_eq!(Pattern::of_date("%Y-%m-%"), Err(PatternError::Open));
        assert_eq!(Pattern::of_date("%H:%M"), Err(PatternError::Lacks("year")));
        assert_eq!(Pattern::of_date("%Y-%m"), Err(PatternError::Lacks("day")));
        assert_eq!(Pattern::of_clock("%M"), Err(PatternError::Lacks("hour")));
    }
}
