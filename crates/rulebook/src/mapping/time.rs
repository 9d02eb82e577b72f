//! Times made of columns.

use super::expr;
use super::scope::Scope;
use crate::yaml::{Body, Map, Node};
use cxwatch_event::mapping::{Amount, Base, Clock, Expr, Pattern, Shift, Time, TimeFormat, Zone};

const FORMS: &str =
    "the name of an entry of `times`, or one of `column`, `columns`, `of`, `day` with `clock`, `at`, `first`";
const FORMATS: &str = "`iso`, `unix_s`, `unix_ms`, `unix_us`, `excel`, or a pattern such as `%d/%m/%Y %H:%M`";
const UNITS: [(&str, i64); 5] = [
    ("milliseconds", 1),
    ("seconds", 1_000),
    ("minutes", 60_000),
    ("hours", 3_600_000),
    ("days", 86_400_000),
];

/// A time: the name of one above, or a map that says how it is made.
pub(super) fn read(scope: &Scope, node: &Node) -> Option<Time> {
    let reader = scope.reader;
    match &node.body {
        Body::Scalar { text, .. } if !node.is_null() => {
            let base = Base::Named(scope.time_named(text, node.place)?);
            Some(Time { base, plus: Vec::new(), not_before: None })
        }
        Body::Map(_) => {
            let map = reader.map(node, "a time")?;
            let base = base(scope, &map, node);
            let mut plus = Vec::new();
            plus.extend(map.get("plus").map(|node| shifts(scope, node, 1)).unwrap_or_default());
            plus.extend(map.get("minus").map(|node| shifts(scope, node, -1)).unwrap_or_default());
            let not_before = map.get("not_before").and_then(|node| read(scope, node)).map(Box::new);
            map.done();
            Some(Time { base: base?, plus, not_before })
        }
        Body::Broken => None,
        _ => {
            reader.error(node.place, format!("{} is no time", node.what())).expected(FORMS);
            None
        }
    }
}

fn base(scope: &Scope, map: &Map, node: &Node) -> Option<Base> {
    let reader = scope.reader;
    if let Some(at) = map.get("at") {
        let name = reader.text(at)?;
        return scope.time_named(name, at.place).map(Base::Named);
    }
    if let Some(first) = map.get("first") {
        let items = reader.list(first);
        let times: Vec<_> = items.iter().filter_map(|item| read(scope, item)).collect();
        return (!times.is_empty() && times.len() == items.len()).then_some(Base::First(times));
    }
    if let Some(day) = map.get("day") {
        let zone = zone(scope, map);
        let day = part(scope, day, "`day`");
        let clock = map.need("clock").and_then(|node| part(scope, node, "`clock`"));
        let (day, day_format) = day?;
        let (clock, clock_format) = clock?;
        let day_pattern = pattern(scope, day_format, Pattern::of_date);
        let clock_format = match clock_format.scalar() {
            Some("hhmm") => Some(Clock::Hhmm),
            Some("seconds") => Some(Clock::Seconds),
            _ => pattern(scope, clock_format, Pattern::of_clock).map(Clock::Pattern),
        };
        let zone = zoned(scope, node, zone)?;
        let (day_format, clock_format) = (day_pattern?, clock_format?);
        return Some(Base::DayAndClock { day, day_format, clock, clock_format, zone: Some(zone) });
    }
    let text = match text(scope, map) {
        Some(text) => text?,
        None => {
            map.rest();
            reader.error(node.place, "this map says no time").expected(FORMS);
            return None;
        }
    };
    let zone = zone(scope, map);
    let format = match map.get("format") {
        None => TimeFormat::Iso,
        Some(node) => match reader.text(node)? {
            "iso" => TimeFormat::Iso,
            "unix_s" => TimeFormat::Unix { per_second: 1 },
            "unix_ms" => TimeFormat::Unix { per_second: 1_000 },
            "unix_us" => TimeFormat::Unix { per_second: 1_000_000 },
            "excel" => TimeFormat::Excel,
            text if !text.contains('%') => {
                reader.error(node.place, format!("`{text}` is no format of times")).expected(FORMATS);
                return None;
            }
            _ => TimeFormat::Pattern(pattern(scope, node, Pattern::of_date)?),
        },
    };
    let says_offset = match &format {
        TimeFormat::Pattern(pattern) => pattern.text().contains("%z"),
        TimeFormat::Excel => false,
        TimeFormat::Iso | TimeFormat::Unix { .. } => true,
    };
    let zone = if says_offset { zone } else { Some(zoned(scope, node, zone)?) };
    Some(Base::Text { text, format, zone })
}

/// The text of a time: `None` where the map gives none, `Some(None)` where what it gives is wrong.
fn text(scope: &Scope, map: &Map) -> Option<Option<Expr>> {
    if let Some(column) = map.get("column") {
        return Some(scope.column(column).map(Expr::column));
    }
    if let Some(columns) = map.get("columns") {
        let items = scope.reader.list(columns);
        let parts: Vec<_> = items.iter().filter_map(|item| scope.column(item).map(Expr::column)).collect();
        let complete = !parts.is_empty() && parts.len() == items.len();
        return Some(complete.then_some(Expr::Join { parts, with: " ".into() }));
    }
    map.get("of").map(|of| expr::read(scope, of))
}

fn part<'n>(scope: &'n Scope, node: &'n Node, what: &str) -> Option<(Expr, &'n Node)> {
    let map = scope.reader.map(node, what)?;
    let text = text(scope, &map);
    if text.is_none() {
        scope
            .reader
            .error(node.place, format!("{what} says no value"))
            .expected("`column`, `columns` or `of` in it");
    }
    let format = map.need("format");
    map.done();
    Some((text??, format?))
}

fn pattern(
    scope: &Scope,
    node: &Node,
    compile: fn(&str) -> Result<Pattern, cxwatch_event::mapping::PatternError>,
) -> Option<Pattern> {
    let text = scope.reader.text(node)?;
    compile(text).map_err(|error| scope.reader.error(node.place, format!("`{text}`: {error}"))).ok()
}

/// The zone that a map names, else the section's.
fn zone(scope: &Scope, map: &Map) -> Option<Zone> {
    match map.get("zone") {
        Some(node) => named_zone(scope, node),
        None => scope.zone.clone(),
    }
}

/// A zone by its name.
pub(super) fn named_zone(scope: &Scope, node: &Node) -> Option<Zone> {
    let name = scope.reader.text(node)?;
    let zone = Zone::named(name);
    if zone.is_none() {
        let problem = scope.reader.error(node.place, format!("there is no time zone `{name}`"));
        problem.expected("a name such as `Europe/Berlin`, `UTC`, or an offset such as `+02:00`");
    }
    zone
}

fn zoned(scope: &Scope, node: &Node, zone: Option<Zone>) -> Option<Zone> {
    if zone.is_none() && !scope.reader.failed() {
        let problem = scope.reader.error(node.place, "where this clock hangs is not said");
        problem.expected("`zone` here or for the whole feed, such as `zone: Europe/Berlin`");
    }
    zone
}

fn shifts(scope: &Scope, node: &Node, sign: i64) -> Vec<Shift> {
    let reader = scope.reader;
    let Some(map) = reader.map(node, "a span of time") else { return Vec::new() };
    let mut shifts = Vec::new();
    for (name, unit_ms) in UNITS {
        let Some(node) = map.get(name) else { continue };
        let constant = match &node.body {
            Body::Scalar { text, plain: true } => text.parse::<i64>().ok(),
            _ => None,
        };
        let amount = match constant {
            // In a file without a header a bare number might be meant as a column.
            Some(amount) => Some(Amount::Const(amount)),
            None => expr::read(scope, node).map(Amount::Expr),
        };
        shifts.extend(amount.map(|amount| Shift { amount, unit_ms: sign * unit_ms }));
    }
    map.done();
    shifts
}
