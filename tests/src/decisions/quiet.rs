//! Quiet hours and opening hours, minute by minute.

use cxwatch_event::Millis;
use cxwatch_rulebook::{Calendar, QuietHours};
use jiff::Timestamp;
use jiff::tz::TimeZone;

const MINUTE_MS: Millis = 60_000;

/// A zone of the IANA database.
pub fn zone(name: &str) -> Option<TimeZone> {
    jiff::tz::TimeZoneDatabase::bundled().get(name).ok()
}

/// Whether the clock on the wall shows a quiet time.
pub fn is_quiet(hours: &QuietHours, zone: &TimeZone, at: Millis) -> bool {
    let shown = zone.to_datetime(Timestamp::from_millisecond(at).expect("a time of a test"));
    let minute = shown.hour() as u16 * 60 + shown.minute() as u16;
    if hours.from < hours.until {
        hours.from <= minute && minute < hours.until
    } else {
        hours.from <= minute || minute < hours.until
    }
}

/// When quiet hours that hold at an instant are over.
pub fn end_of_quiet(hours: &QuietHours, zone: &TimeZone, at: Millis) -> Millis {
    let mut minute = at - at.rem_euclid(MINUTE_MS) + MINUTE_MS;
    while is_quiet(hours, zone, minute) {
        minute += MINUTE_MS;
    }
    minute
}

/// Whether somebody is there.
pub fn is_open(calendar: &Calendar, at: Millis) -> bool {
    calendar.open_between(at, at + 1) > 0
}

/// When somebody is there again, where nobody is.
pub fn next_opening(calendar: &Calendar, at: Millis) -> Millis {
    let mut minute = at - at.rem_euclid(MINUTE_MS) + MINUTE_MS;
    while !is_open(calendar, minute) {
        minute += MINUTE_MS;
    }
    minute
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIGHT: QuietHours = QuietHours { from: 22 * 60, until: 2 * 60 + 30, channels: Vec::new() };

    fn at(text: &str) -> Millis {
        text.parse::<Timestamp>().expect("a time").as_millisecond()
    }

    #[test]
    fn a_night_ends_in_the_customers_zone() {
        let berlin = zone("Europe/Berlin").expect("a zone");
        assert!(is_quiet(&NIGHT, &berlin, at("2026-06-01T20:00:00Z")));
        assert!(!is_quiet(&NIGHT, &berlin, at("2026-06-01T19:59:59.999Z")));
        assert_eq!(end_of_quiet(&NIGHT, &berlin, at("2026-06-01T20:00:00Z")), at("2026-06-02T00:30:00Z"));
    }

    #[test]
    fn what_is_skipped_is_not_waited_for_and_what_comes_twice_is_quiet_twice() {
        let berlin = zone("Europe/Berlin").expect("a zone");
        assert_eq!(end_of_quiet(&NIGHT, &berlin, at("2026-03-28T23:00:00Z")), at("2026-03-29T01:00:00Z"));
        assert_eq!(end_of_quiet(&NIGHT, &berlin, at("2026-10-24T23:00:00Z")), at("2026-10-25T00:30:00Z"));
        assert!(is_quiet(&NIGHT, &berlin, at("2026-10-25T01:10:00Z")), "02:10 for the second time");
        assert_eq!(end_of_quiet(&NIGHT, &berlin, at("2026-10-25T01:10:00Z")), at("2026-10-25T01:30:00Z"));
    }
}
