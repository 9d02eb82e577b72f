//! Open time, against a clock that is read minute by minute.

use cxwatch_rulebook::Calendar;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeMap;

type Hours = Vec<(u32, u32)>;

const DAY: (u32, u32) = (8 * 60, 20 * 60);

fn calendar(zone: &str, week: [Hours; 7], special: &[(Date, Hours)]) -> Calendar {
    Calendar::new("c", zone, week, special.iter().cloned().collect()).expect("a calendar")
}

fn desk() -> Calendar {
    let work = || vec![DAY];
    let week = [work(), work(), work(), work(), work(), vec![(9 * 60, 14 * 60)], vec![]];
    calendar("Europe/Berlin", week, &[(date(2026, 12, 25), vec![])])
}

fn every_day(zone: &str, hours: Hours) -> Calendar {
    calendar(zone, std::array::from_fn(|_| hours.clone()), &[])
}

fn at(zone: &str, text: &str) -> i64 {
    let local: jiff::civil::DateTime = text.parse().expect("a local time");
    let tz = TimeZone::get(zone).expect("a zone");
    tz.to_timestamp(local).expect("an instant").as_millisecond()
}

fn berlin(text: &str) -> i64 {
    at("Europe/Berlin", text)
}

const HOUR: i64 = 3_600_000;

#[test]
fn open_time_runs_on_over_nights_weekends_and_holidays() {
    let desk = desk();
    for (from, hours, due) in [
        ("2026-11-24T10:00", 2, "2026-11-24T12:00"),
        ("2026-11-24T05:00", 1, "2026-11-24T09:00"),
        ("2026-11-24T19:00", 2, "2026-11-25T09:00"),
        ("2026-11-24T18:00", 2, "2026-11-24T20:00"), // exactly at closing
        ("2026-11-24T20:00", 1, "2026-11-25T09:00"),
        ("2026-11-27T19:00", 7, "2026-11-30T09:00"), // Friday, Saturday, Monday
        ("2026-12-24T19:00", 2, "2026-12-26T10:00"), // over a holiday
    ] {
        assert_eq!(desk.add(berlin(from), hours * HOUR), berlin(due), "{from} + {hours} h");
    }
    assert_eq!(desk.add(berlin("2026-11-29T12:00"), 0), berlin("2026-11-29T12:00"));
    assert_eq!(desk.open_between(berlin("2026-11-27T19:00"), berlin("2026-11-30T09:00")), 7 * HOUR);
    assert_eq!(desk.open_between(berlin("2026-11-30T09:00"), berlin("2026-11-27T19:00")), 0);
}

#[test]
fn business_days_end_at_their_close() {
    let desk = desk();
    for (from, days, due) in [
        ("2026-11-24T10:00", 1, "2026-11-24T20:00"),
        ("2026-11-24T10:00", 3, "2026-11-26T20:00"),
        ("2026-11-24T06:00", 1, "2026-11-24T20:00"), // not open yet: the day is still to come
        ("2026-11-24T20:00", 1, "2026-11-25T20:00"), // closed: it is over
        ("2026-11-28T15:00", 1, "2026-11-30T20:00"), // Saturday after closing
        ("2026-12-24T10:00", 2, "2026-12-26T14:00"), // the holiday is none
        ("2026-12-31T21:00", 2, "2027-01-02T14:00"), // over the turn of the year
    ] {
        assert_eq!(desk.add_days(berlin(from), days), berlin(due), "{from} + {days} bd");
    }
}

#[test]
fn a_skipped_hour_is_not_open_and_a_repeated_one_is() {
    let always = every_day("Europe/Berlin", vec![(0, 1440)]);
    let day = |text: &str| (berlin(&format!("{text}T00:00")), berlin(&format!("{text}T23:59")) + 60_000);
    let (from, to) = day("2026-03-29");
    assert_eq!(always.open_between(from, to), 23 * HOUR);
    let (from, to) = day("2026-10-25");
    assert_eq!(always.open_between(from, to), 25 * HOUR);

    // Opening in the gap: from the instant of the change; closing in it: until then.
    let early = every_day("Europe/Berlin", vec![(60, 150)]);
    let (from, to) = day("2026-03-29");
    assert_eq!(early.open_between(from, to), HOUR);
    assert_eq!(early.add(from, HOUR), berlin("2026-03-29T03:00"));
    let late = every_day("Europe/Berlin", vec![(150, 195)]);
    assert_eq!(late.open_between(from, to), HOUR / 4);
    assert_eq!(late.add(from, 1), berlin("2026-03-29T03:00") + 1);
    let inside = every_day("Europe/Berlin", vec![(130, 140), (600, 660)]);
    assert_eq!(inside.open_between(from, to), HOUR);

    // A time that occurs twice is its first occurrence.
    let (from, to) = day("2026-10-25");
    assert_eq!(early.open_between(from, to), 3 * HOUR / 2);
    assert_eq!(late.open_between(from, to), 3 * HOUR / 4 + HOUR);
    assert_eq!(inside.open_between(from, to), HOUR / 6 + HOUR);
    // The business day of a changed day closes at its local time.
    assert_eq!(late.add_days(from, 1), berlin("2026-10-25T03:15"));
}

#[test]
fn hours_past_midnight_belong_to_the_day_they_begin() {
    let mut week: [Hours; 7] = Default::default();
    week[4] = vec![(22 * 60, 30 * 60)];
    let night = calendar("America/New_York", week, &[(date(2026, 11, 27), vec![])]);
    let ny = |text: &str| at("America/New_York", text);
    assert_eq!(night.add(ny("2026-11-21T02:00"), 5 * HOUR), ny("2026-12-04T23:00"));
    assert_eq!(night.add_days(ny("2026-11-21T02:00"), 2), ny("2026-12-05T06:00"));
    // Over the turn of the year.
    let mut week: [Hours; 7] = Default::default();
    week[3] = vec![(22 * 60, 30 * 60)];
    let night = calendar("America/New_York", week, &[]);
    assert_eq!(night.add(ny("2026-12-31T23:00"), 2 * HOUR), ny("2027-01-01T01:00"));
    assert_eq!(night.add(ny("2027-01-01T01:00"), 2 * HOUR), ny("2027-01-01T03:00"));
    assert_eq!(night.open_between(ny("2027-01-01T01:00"), ny("2027-01-01T12:00")), 5 * HOUR);
}

#[test]
fn it_agrees_with_a_clock_read_minute_by_minute() {
    let work = || vec![(9 * 60, 12 * 60 + 30), (13 * 60, 18 * 60)];
    let week =
        [work(), work(), vec![(0, 1440)], work(), vec![(20 * 60, 25 * 60)], vec![(4 * 60, 1440)], vec![]];
    let special = BTreeMap::from([(date(2026, 3, 31), vec![(600, 660)]), (date(2026, 4, 6), vec![])]);
    for (zone, first) in [
        ("Europe/Berlin", date(2026, 3, 23)),
        ("America/New_York", date(2026, 10, 26)),
        ("Australia/Lord_Howe", date(2026, 3, 30)),
        ("Asia/Kathmandu", date(2026, 3, 23)),
    ] {
        let calendar = Calendar::new("c", zone, week.clone(), special.clone()).expect("a calendar");
        let tz = TimeZone::get(zone).expect("a zone");
        let start = tz.to_timestamp(first.at(0, 0, 0, 0)).expect("an instant").as_millisecond();
        let hours =
            |day: Date| special.get(&day).unwrap_or(&week[day.weekday().to_monday_zero_offset() as usize]);
        let mut open = 0;
        for minute in 0..21 * 1440 {
            let now = start + minute * 60_000;
            assert_eq!(calendar.open_between(start, now), open, "{zone} {minute}");
            let local = tz.to_datetime(Timestamp::from_millisecond(now).expect("an instant"));
            let clock = local.hour() as u32 * 60 + local.minute() as u32;
            let yesterday = local.date().checked_sub(1.day()).expect("a day");
            let today = hours(local.date()).iter().any(|(from, to)| (*from..*to).contains(&clock));
            if today || hours(yesterday).iter().any(|(from, to)| (*from..*to).contains(&(clock + 1440))) {
                open += 60_000;
                assert_eq!(calendar.add(start, open), now + 60_000, "{zone} {minute}");
            }
        }
    }
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn what_is_added_lies_between_and_no_earlier_instant_does() {
    let mut dice = Dice(7);
    let zones = [
        "Europe/Berlin",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "UTC",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
    ];
    for round in 0..300 {
        let zone = zones[dice.below(zones.len() as u64) as usize];
        let mut week: [Hours; 7] = Default::default();
        for day in &mut week {
            let mut minute = dice.below(600) as u32;
            for _ in 0..dice.below(3) {
                let to = minute + 1 + dice.below(400) as u32;
                day.push((minute, to));
                minute = to + dice.below(30) as u32;
            }
        }
        week[dice.below(7) as usize] = vec![(300, 1440)];
        let calendar = Calendar::new("c", zone, week, BTreeMap::new()).expect("a calendar");
        for _ in 0..20 {
            // From 1960, before the first known year, to 2210, beyond the last.
            let from =
                -315_619_200_000 + dice.below(250 * 365 * 24 * 3600) as i64 * 1000 + dice.below(1000) as i64;
            let long = [100, HOUR as u64, 40 * HOUR as u64, 9_000 * HOUR as u64][dice.below(4) as usize];
            let open = dice.below(long) as i64;
            let due = calendar.add(from, open);
            assert_eq!(calendar.open_between(from, due), open, "round {round} {zone} {from} {open}");
            if open > 0 {
                assert_eq!(
                    calendar.open_between(from, due - 1),
                    open - 1,
                    "round {round} {zone} {from} {open}"
                );
            }
            let days = 1 + dice.below(9) as u32;
            let close = calendar.add_days(from, days);
            assert!(calendar.add_days(from, days + 1) > close && close > from);
            assert_eq!(calendar.open_between(close - 1, close), 1, "round {round} {zone} {from} {days}");
        }
    }
}

#[test]
fn instants_far_from_any_calendar_are_no_trap() {
    let desk = desk();
    for from in [i64::MIN / 4, -1, 0, i64::MAX / 4] {
        let due = desk.add(from, HOUR);
        assert_eq!(desk.open_between(from, due), HOUR, "{from}");
        assert!(desk.add_days(from, 2_500) > from);
    }
    assert!(desk.add(0, i64::MAX) > 0);
}

#[test]
fn what_no_calendar_can_be_is_refused() {
    let empty: [Hours; 7] = Default::default();
    let new = |zone: &str, week: [Hours; 7]| Calendar::new("c", zone, week, BTreeMap::new()).map(|_| ());
    assert_eq!(new("UTC", empty.clone()), Err("it is never open".to_owned()));
    let with = |hours: Hours| {
        let mut week = empty.clone();
        week[0] = hours;
        week
    };
    assert_eq!(
        new("Europe/Berlim", with(vec![DAY])),
        Err("the time zone `Europe/Berlim` is unknown".to_owned())
    );
    assert_eq!(
        new("UTC", with(vec![(60, 120), (90, 180)])),
        Err("opening hours of a day overlap".to_owned())
    );
    let mut night = with(vec![(1_200, 1_600)]);
    night[1] = vec![(100, 200)];
    assert!(new("UTC", night).is_err());
}
