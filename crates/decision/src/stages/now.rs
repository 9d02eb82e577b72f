//! Is this the moment? The customer sleeps, or nobody is there.

use super::{Answer, Asked, allowed::profile_field};
use cxwatch_engine::Moment;
use cxwatch_event::messages::SuppressionReason;
use cxwatch_event::{Millis, Value};
use cxwatch_rulebook::{Calendar, QuietHours};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

const MINUTE_MS: Millis = 60_000;
const DAY_MS: Millis = 24 * 60 * MINUTE_MS;

pub(crate) fn answer(asked: &Asked<'_>) -> Answer {
    let instant = asked.moment.instant;
    let quiet = quiet_until(asked).map(|until| (until, SuppressionReason::QuietHours));
    let hours = asked.action.hours.and_then(|ix| asked.moment.book.calendars.get(usize::from(ix)));
    let closed = hours.and_then(|c| closed_until(c, instant)).map(|until| (until, SuppressionReason::Closed));
    // Of two that end together, the customer's sleep is named.
    match [closed, quiet].into_iter().flatten().max_by_key(|(until, _)| *until) {
        Some((until, reason)) => Answer::Defer { reason, until },
        None => Answer::Pass,
    }
}

fn quiet_until(asked: &Asked<'_>) -> Option<Millis> {
    let quiet = asked.moment.book.policy.quiet_hours.as_ref()?;
    let (action, channels) = (asked.action, &quiet.channels);
    if !action.class.reaches_out() || !(channels.is_empty() || channels.contains(&action.channel)) {
        return None;
    }
    quiet_end(quiet, &zone(asked.moment), asked.moment.instant)
}

/// Where the customer lives, or else the policy's zone.
fn zone(moment: &Moment<'_>) -> TimeZone {
    let field = profile_field(moment.book, "time_zone").and_then(|field| moment.profile.field(field));
    let named = |name: &str| TimeZoneDatabase::bundled().get(name).ok();
    let own = field.and_then(Value::as_text).and_then(named);
    own.or_else(|| named(&moment.book.policy.zone)).unwrap_or(TimeZone::UTC)
}

/// When the quiet hours end in which an instant lies, by the clock on the wall: changes of clocks are followed.
fn quiet_end(quiet: &QuietHours, zone: &TimeZone, instant: Millis) -> Option<Millis> {
    let mut at = Timestamp::from_millisecond(instant).ok()?;
    let offset = |at: Timestamp| Millis::from(zone.to_offset(at).seconds()) * 1_000;
    let of_day = |at: Timestamp| (at.as_millisecond() + offset(at)).rem_euclid(DAY_MS);
    let (from, until) = (Millis::from(quiet.from) * MINUTE_MS, Millis::from(quiet.until) * MINUTE_MS);
    let is_quiet = |time: Millis| match from <= until {
        true => (from..until).contains(&time),
        false => time >= from || time < until,
    };
    while is_quiet(of_day(at)) {
        let left = (until - of_day(at)).rem_euclid(DAY_MS);
        let end = Timestamp::from_millisecond(at.as_millisecond() + left).ok()?;
        match zone.following(at).next().map(|change| change.timestamp()) {
            // A change at the very end may show a quiet hour once more.
            Some(change) if change <= end => at = change,
            _ => {
                at = end;
                break;
            }
        }
    }
    Some(at.as_millisecond()).filter(|end| *end > instant)
}

/// When a calendar opens that is closed at an instant.
fn closed_until(calendar: &Calendar, instant: Millis) -> Option<Millis> {
    Some(calendar.add(instant, 1) - 1).filter(|opens| *opens > instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;
    use cxwatch_event::rfc3339;
    use cxwatch_rulebook::Class;
    use std::collections::BTreeMap;

    fn at(text: &str) -> Millis {
        rfc3339::parse(text).expect("an instant")
    }

    fn quiet(from: u16, until: u16) -> QuietHours {
        QuietHours { from, until, channels: vec![] }
    }

    fn end(quiet_hours: &QuietHours, zone: &str, instant: &str) -> Option<String> {
        let zone = TimeZoneDatabase::bundled().get(zone).expect("a zone");
        quiet_end(quiet_hours, &zone, at(instant)).map(rfc3339::format)
    }

    #[test]
    fn the_night_goes_from_one_day_into_the_next() {
        let night = quiet(22 * 60, 8 * 60);
        let berlin = |instant| end(&night, "Europe/Berlin", instant);
        assert_eq!(berlin("2026-01-05T20:59:59.999Z"), None);
        assert_eq!(berlin("2026-01-05T21:00:00Z").as_deref(), Some("2026-01-06T07:00:00.000Z"));
        assert_eq!(berlin("2026-01-06T06:59:59.999Z").as_deref(), Some("2026-01-06T07:00:00.000Z"));
        assert_eq!(berlin("2026-01-06T07:00:00Z"), None);
    }

    #[test]
    fn across_a_change_of_clocks_the_night_ends_by_the_new_clock() {
        let night = quiet(22 * 60, 8 * 60);
        // Summer time begins on 2026-03-29 at 01:00 UTC and ends on 2026-10-25 at 01:00 UTC.
        let berlin = |instant| end(&night, "Europe/Berlin", instant);
        assert_eq!(berlin("2026-03-28T22:00:00Z").as_deref(), Some("2026-03-29T06:00:00.000Z"));
        assert_eq!(berlin("2026-10-24T21:00:00Z").as_deref(), Some("2026-10-25T07:00:00.000Z"));
    }

    #[test]
    fn an_hour_that_occurs_twice_is_quiet_twice_and_one_that_is_skipped_is_not_waited_for() {
        let until_half_past_two = quiet(60, 150);
        let berlin = |instant| end(&until_half_past_two, "Europe/Berlin", instant);
        // 02:30 for the first time, 02:40 for the first time, 02:10 for the second time.
        assert_eq!(berlin("2026-10-25T00:10:00Z").as_deref(), Some("2026-10-25T00:30:00.000Z"));
        assert_eq!(berlin("2026-10-25T00:40:00Z"), None);
        assert_eq!(berlin("2026-10-25T01:10:00Z").as_deref(), Some("2026-10-25T01:30:00.000Z"));
        // It ends at 03:00, which is 02:00 once more.
        let until_three = |instant| end(&quiet(60, 180), "Europe/Berlin", instant);
        assert_eq!(until_three("2026-10-25T00:10:00Z").as_deref(), Some("2026-10-25T02:00:00.000Z"));
        // 02:00 becomes 03:00.
        assert_eq!(berlin("2026-03-29T00:30:00Z").as_deref(), Some("2026-03-29T01:00:00.000Z"));
    }

    #[test]
    fn the_customers_zone_counts_and_one_that_is_unknown_does_not() {
        let mut scene = Scene::new(Class::Offer);
        scene.book.policy.quiet_hours = Some(quiet(22 * 60, 8 * 60));
        scene.book.policy.zone = "Asia/Tokyo".into();
        scene.instant = at("2026-01-05T12:00:00Z");
        assert_eq!(scene.name(scene.ask(answer)), "pass");
        scene.instant = at("2026-01-05T13:00:00Z");
        assert_eq!(scene.name(scene.ask(answer)), "wait quiet_hours 2026-01-05T23:00:00.000Z");
        scene.know("time_zone", Value::Text("Atlantis/Capital".into()));
        assert_eq!(scene.name(scene.ask(answer)), "wait quiet_hours 2026-01-05T23:00:00.000Z");
        scene.know("time_zone", Value::Text("Europe/Berlin".into()));
        assert_eq!(scene.name(scene.ask(answer)), "pass");
    }

    #[test]
    fn only_offers_and_replies_on_the_policys_channels_wait_for_the_morning() {
        let mut scene = Scene::new(Class::Raise);
        scene.book.policy.quiet_hours = Some(quiet(0, 60));
        scene.instant = 0;
        assert_eq!(scene.name(scene.ask(answer)), "pass");
        scene.action.class = Class::Reply;
        assert_eq!(scene.name(scene.ask(answer)), "wait quiet_hours 1970-01-01T01:00:00.000Z");
        scene.book.policy.quiet_hours = Some(QuietHours { channels: vec!["sms".into()], ..quiet(0, 60) });
        assert_eq!(scene.name(scene.ask(answer)), "pass");
    }

    #[test]
    fn of_two_obstacles_the_later_end_counts() {
        let mut scene = Scene::new(Class::Internal);
        let week = [(); 7].map(|()| vec![(9 * 60, 17 * 60)]);
        let desk = Calendar::new("desk", "UTC", week, BTreeMap::new()).expect("a calendar");
        scene.book.calendars = vec![desk];
        scene.action.hours = Some(0);
        scene.instant = at("2026-01-05T06:00:00Z");
        assert_eq!(scene.name(scene.ask(answer)), "wait closed 2026-01-05T09:00:00.000Z");
        scene.action.class = Class::Offer;
        scene.book.policy.quiet_hours = Some(quiet(0, 600));
        assert_eq!(scene.name(scene.ask(answer)), "wait quiet_hours 2026-01-05T10:00:00.000Z");
        scene.instant = at("2026-01-05T16:59:59.999Z");
        assert_eq!(scene.name(scene.ask(answer)), "pass");
        scene.instant = at("2026-01-05T17:00:00Z");
        assert_eq!(scene.name(scene.ask(answer)), "wait closed 2026-01-06T09:00:00.000Z");
    }
}
