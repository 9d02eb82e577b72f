//! Instants in the notation of RFC 3339.
//!
//! Strict: the date, `T` or `t`, the time with seconds, an optional fraction, and an offset or `Z` or `z`. A leap
//! second (`:60`) is refused, as are years outside 1970 to 9999 and the hour 24. Digits past the millisecond are
//! cut off.

use crate::Millis;

/// What [`parse`] takes as a regular expression of JSON Schema, but for the days of a month: `format: date-time` of
/// a validator says those, and does not say the rest.
pub const PATTERN: &str = "^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\
                           ([.][0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400 * SECOND_MS;

/// The instant that the text names, in milliseconds since the epoch.
pub fn parse(text: &str) -> Option<Millis> {
    let (head, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't', _, _, b':', _, _, b':', _, _] = head else {
        return None;
    };
    let (century, year) = (two(head, 0)?, two(head, 2)?);
    let (year, month, day) = (century * 100 + year, two(head, 5)?, two(head, 8)?);
    let (hour, minute, second) = (two(head, 11)?, two(head, 14)?, two(head, 17)?);
    if year < 1970 || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction_ms, rest) = match rest.split_first()? {
        (b'.', rest) => fraction(rest)?,
        _ => (0, rest),
    };
    let offset_min = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (two(rest, 1)?, two(rest, 4)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let size = hours * 60 + minutes;
            if *sign == b'+' { size } else { -size }
        }
        _ => return None,
    };
    let seconds = (hour * 60 + minute - offset_min) * 60 + second;
    Some(days_from_epoch(year, month, day) * DAY_MS + seconds * SECOND_MS + fraction_ms)
}

/// The two digits at `at`.
#[inline]
fn two(bytes: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (bytes[at].wrapping_sub(b'0'), bytes[at + 1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens) * 10 + i64::from(ones))
}

/// Milliseconds of at least one digit, and what follows the digits.
#[inline]
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let len = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let digit = |i: usize| if i < len { i64::from(bytes[i] - b'0') } else { 0 };
    (len > 0).then(|| (digit(0) * 100 + digit(1) * 10 + digit(2), &bytes[len..]))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days between 1970-01-01 and a date of the Gregorian calendar, by years that begin in March (so that the leap
/// day is the last one). Howard Hinnant, "chrono-compatible low-level date algorithms".
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// An instant as RFC 3339 in UTC with milliseconds: `2026-11-24T12:00:00.000Z`.
///
/// Instants outside the years 0 to 9999 have no such notation; they print as the nearest that has.
pub fn format(time: Millis) -> String {
    let time = time.clamp(-62_167_219_200_000, 253_402_300_799_999);
    let (days, ms) = (time.div_euclid(DAY_MS), time.rem_euclid(DAY_MS));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// The inverse of [`days_from_epoch`], from the same source.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * from_march + 2) / 5 + 1, (from_march + 2) % 12 + 1);
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T00:00:00.0019Z", 1),
            ("1970-01-01T00:00:00.5Z", 500),
            ("1970-01-01T01:00:00.25+01:00", 250),
            ("1970-01-01T00:00:00+01:00", -3_600_000),
            ("2026-11-24T12:00:00-00:00", 1_795_521_600_000),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("9999-12-31T23:59:59.999999999Z", 253_402_300_799_999),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T12:00:00",
            "2026-11-24 12:00:00Z",
            "2026-11-24T12:00Z",
            "2026-11-24T12:00:00.Z",
            "2026-11-24T12:00:00,5Z",
            "2026-11-24T12:00:60Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T12:60:00Z",
            "2026-02-29T12:00:00Z",
            "2100-02-29T12:00:00Z",
            "2026-04-31T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-01-00T12:00:00Z",
            "1969-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "2026-11-24T12:00:00+0100",
            "2026-11-24T12:00:00+24:00",
            "2026-11-24T12:00:00+01:60",
            "2026-11-24T12:00:00Z ",
            "2026-11-24T12:00:00[UTC]",
            "2026-11-24T12:00:00+01:00[Europe/Berlin]",
            "20é6-11-24T12:00:00Z",
            "2026-1a-24T12:00:00Z",
            "+026-11-24T12:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_goes_through_text_and_back_and_agrees_with_the_calendar() {
        let mut day = jiff::civil::date(1970, 1, 1);
        for days in 0..47_847 {
            let text = format(days * DAY_MS + 43_200_001);
            assert_eq!(text, format!("{day}T12:00:00.001Z"));
            assert_eq!(parse(&text), Some(days * DAY_MS + 43_200_001));
            day = day.tomorrow().expect("before the year 9999");
        }
        assert_eq!(day, jiff::civil::date(2101, 1, 1));
    }

    #[test]
    fn instants_without_a_notation_print_as_the_nearest() {
        assert_eq!(format(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(format(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(format(i64::MIN), "0000-01-01T00:00:00.000Z");
    }
}
