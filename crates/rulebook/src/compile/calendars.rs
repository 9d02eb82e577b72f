//! The section `calendars`.

use crate::yaml::{Body, Entry, Map, Name, Node, Reader, nearest};
use crate::{Calendar, calendar};
use jiff::civil::Date;
use std::collections::BTreeMap;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HOURS: &str = "hours like `\"08:00-20:00\"`, a list of them, `24h` or `closed`";

type Hours = Vec<calendar::Hours>;

/// Reads the section: sorted by name.
pub(super) fn read(reader: &Reader, node: &Node) -> Vec<Calendar> {
    let Some(map) = reader.map(node, "`calendars`") else { return Vec::new() };
    let calendars = map.entries().iter().filter_map(|entry| {
        super::good_id(reader, &entry.key, "a calendar");
        one(reader, entry)
    });
    let mut calendars: Vec<_> = calendars.collect();
    calendars.sort_by(|a, b| a.id.cmp(&b.id));
    calendars
}

fn one(reader: &Reader, entry: &Entry) -> Option<Calendar> {
    let map = reader.map(&entry.value, "a calendar")?;
    if let Some(about) = map.get("about") {
        reader.text(about);
    }
    let zone = map.need("zone");
    let zone_name = zone.and_then(|node| reader.text(node));
    let week = map.need("open").and_then(|node| week(reader, node));
    let holidays = map.get("holidays").map_or(Some(Vec::new()), |node| {
        let days: Vec<_> = reader.list(node).iter().map(|day| date(reader, day)).collect();
        days.into_iter().collect()
    });
    let special = map.get("special").map_or(Some(Vec::new()), |node| {
        let map = reader.map(node, "`special`")?;
        special(reader, &map)
    });
    map.done();
    let mut days: BTreeMap<Date, Hours> = BTreeMap::new();
    let special = special?;
    for day in holidays? {
        days.insert(day, Vec::new());
    }
    for (day, hours) in special {
        if days.insert(day, hours).is_some() {
            reader
                .error(entry.key.place, format!("{day} is both a holiday and a special day"))
                .expected("it in one place");
        }
    }
    match Calendar::new(&entry.key.text, zone_name?, week?, days) {
        Ok(calendar) => Some(calendar),
        Err(why) if why.contains("unknown") => {
            let names = calendar::zone_names();
            let problem =
                reader.error(zone?.place, why).expected("a zone of the IANA database like `Europe/Berlin`");
            if let Some(name) = nearest(zone_name?, names.iter().map(String::as_str)) {
                problem.suggest(name);
            }
            None
        }
        Err(why) => {
            let message = format!("calendar `{}`: {why}", entry.key.text);
            reader
                .error(entry.key.place, message)
                .expected("opening hours that do not overlap, on at least one day");
            None
        }
    }
}

fn week(reader: &Reader, node: &Node) -> Option<[Hours; 7]> {
    let map = reader.map(node, "`open`")?;
    let mut week: [Option<Hours>; 7] = Default::default();
    let mut sound = true;
    for entry in map.entries() {
        let Some((from, to)) = days(&entry.key.text) else {
            no_day(reader, &entry.key);
            sound = false;
            continue;
        };
        let Some(hours) = hours(reader, &entry.value) else {
            sound = false;
            continue;
        };
        for day in &mut week[from..=to] {
            if day.replace(hours.clone()).is_some() {
                reader
                    .error(entry.key.place, format!("`{}` names a day for the second time", entry.key.text))
                    .expected("each day once: `mon-thu` and `fri`");
                sound = false;
            }
        }
    }
    sound.then(|| week.map(Option::unwrap_or_default))
}

/// Says what is wrong with a key that is no day and no range of days.
fn no_day(reader: &Reader, key: &Name) {
    let day = |word: &str| {
        let short: String = word.trim().chars().take(3).collect::<String>().to_lowercase();
        DAYS.iter().find(|day| **day == short).copied().or_else(|| nearest(word, DAYS))
    };
    let meant = match key.text.split_once('-') {
        None => day(&key.text).map(str::to_owned),
        Some((from, to)) => day(from).zip(day(to)).map(|(from, to)| format!("{from}-{to}")),
    };
    let problem = reader.error(key.place, format!("`{}` is no day", key.text));
    match meant {
        // Spelt right, but the wrong way round.
        Some(meant) if days(&meant).is_none() => {
            problem.expected("a range forward in a week that begins on Monday: `fri-sun` and `mon`")
        }
        meant => {
            let problem = problem.expected("`mon`, `tue`, ... `sun`, or a range like `mon-fri`");
            meant.into_iter().fold(problem, |problem, meant| problem.suggest(meant))
        }
    };
}

fn days(text: &str) -> Option<(usize, usize)> {
    let day = |name: &str| DAYS.iter().position(|d| *d == name);
    match text.split_once('-') {
        None => day(text).map(|d| (d, d)),
        Some((from, to)) => day(from).zip(day(to)).filter(|(from, to)| from < to),
    }
}

fn hours(reader: &Reader, node: &Node) -> Option<Hours> {
    match node.scalar() {
        Some("24h") => return Some(vec![(0, 1440)]),
        Some("closed") => return Some(Vec::new()),
        _ => {}
    }
    let ranges: Vec<_> = reader
        .list_or_single(node)
        .iter()
        .map(|item| {
            let range = item.scalar().and_then(range);
            if range.is_none() {
                reader.mismatch(item, HOURS);
            }
            range
        })
        .collect();
    if matches!(&node.body, Body::List(items) if items.is_empty()) {
        reader.mismatch(node, HOURS);
        return None;
    }
    ranges.into_iter().collect()
}

fn range(text: &str) -> Option<calendar::Hours> {
    let (from, before) = text.split_once('-')?;
    let (from, before) = (clock(from.trim())?, clock(before.trim())?);
    if from >= 1440 || from == before {
        return None;
    }
    // What ends before it begins runs past midnight.
    Some((from, if before < from { before + 1440 } else { before }))
}

pub(super) fn clock(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let two = |s: &str| {
        (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<u32>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

fn date(reader: &Reader, node: &Node) -> Option<Date> {
    let date = node.scalar().and_then(day);
    if date.is_none() {
        reader.mismatch(node, "a day like `2026-12-25`");
    }
    date
}

fn day(text: &str) -> Option<Date> {
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    shape.then(|| text.parse().ok()).flatten()
}

fn special(reader: &Reader, map: &Map<'_>) -> Option<Vec<(Date, Hours)>> {
    let days: Vec<_> = map
        .entries()
        .iter()
        .map(|entry| {
            let date = day(&entry.key.text);
            if date.is_none() {
                reader
                    .error(entry.key.place, format!("`{}` is no day", entry.key.text))
                    .expected("a day like `2026-12-24`");
            }
            Some((date?, hours(reader, &entry.value)?))
        })
        .collect();
    days.into_iter().collect()
}
