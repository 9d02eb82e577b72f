//! The keys of the five kinds.

use super::cond::simplify;
use super::rule::{Builder, Shape};
use super::table::Values;
use crate::yaml::{Body, Map, Node, nearest};
use crate::{Cond, Kind, Roles, Span};
use cxwatch_event::{MICRO, Micro};

/// The most events that a count can ask for or look back at.
const COUNT_MAX: i64 = 1_000;
/// The most steps of a sequence.
const STEPS_MAX: usize = 8;

/// The words of `kind`.
pub(super) const KINDS: [&str; 5] = ["match", "count", "absence", "sequence", "debt"];

/// The kind that a rule most likely is of, where its `kind` is wrong: by a word that is nearly right, or by a key that
/// only one kind has.
pub(super) fn meant(rule: &Node) -> Option<&'static str> {
    let written = rule.entry("kind")?.scalar();
    let telling = [
        ("start", "absence"),
        ("deadline", "absence"),
        ("steps", "sequence"),
        ("weights", "debt"),
        ("half_life", "debt"),
        ("at_least", "count"),
        ("of_last", "count"),
    ];
    let by_key = || telling.iter().find(|(key, _)| rule.entry(key).is_some()).map(|(_, kind)| *kind);
    written.and_then(|word| nearest(word, KINDS)).or_else(by_key)
}

/// Reads the keys of a kind.
pub(super) fn shape<'s>(builder: &mut Builder<'s>, kind: &str, map: &Map<'s>) -> Option<Shape<'s>> {
    match kind {
        "match" => matching(builder, map),
        "count" => count(builder, map),
        "absence" => absence(builder, map),
        "sequence" => sequence(builder, map),
        _ => debt(builder, map),
    }
}

fn matching<'s>(builder: &mut Builder<'s>, map: &Map<'s>) -> Option<Shape<'s>> {
    let selected = builder.scope.selection(map);
    builder.play(Roles::EVENT, selected);
    builder.no_calendar(map, "a match has no duration");
    Some(Shape::new(Kind::Match, Roles::EVENT))
}

fn count<'s>(builder: &mut Builder<'s>, map: &Map<'s>) -> Option<Shape<'s>> {
    let (scope, reader) = (builder.scope, builder.scope.reader);
    let selected = scope.selection(map);
    let of_last = map.get("of_last");
    if of_last.is_some() {
        let every = selected.named.iter().map(|t| (*t, Cond::True)).collect();
        builder.play(Roles::EVENT, super::select::Selected { parts: every, named: Vec::new() });
    }
    builder.play(Roles::COUNTED, selected);
    let judged = builder.targets_with(Roles::COUNTED);

    let whole = |node: &Node| reader.integer(node, 1..=COUNT_MAX);
    let at_least = map.need("at_least").and_then(|node| scope.values(node, &judged, whole));
    let window = of_last.and_then(|node| reader.integer(node, 1..=COUNT_MAX));
    let within = within(builder, map, of_last.is_none(), false);
    if let (Some(node), Some(_)) = (of_last, map.get("within")) {
        reader.error(node.place, "`of_last` and `within` exclude each other").expected("one of the two");
    }
    if let (Some(window), Some(at_least), Some(node)) = (window, &at_least, of_last)
        && at_least.all().any(|n| n > window)
    {
        let most = at_least.all().max().unwrap_or(1);
        reader
            .error(node.place, format!("{most} of the last {window} are never found"))
            .expected(format!("at least {most}"));
    }
    let distinct = map.get("distinct").and_then(|node| Some((node.place, reader.text(node)?)));
    let distinct =
        distinct.filter(|(place, path)| scope.check_field(path, *place, &judged)).map(|(_, path)| path);
    let keep = then(builder, map);
    if let Some((_, reset)) = scope.get_selector(map, "reset") {
        builder.play(Roles::RESET, reset);
    }
    let at_least = at_least?;
    let kind = Kind::Count {
        of_last: window.map(|n| n as u32),
        distinct: map.get("distinct").is_some(),
        keep,
        at_least_max: at_least.all().max().unwrap_or(1) as u32,
    };
    let mut shape = Shape::new(kind, Roles::COUNTED);
    shape.threshold = at_least.map(|n| n * MICRO);
    shape.distinct = distinct;
    if of_last.is_none() {
        shape.within = within?;
    }
    Some(shape)
}

fn absence<'s>(builder: &mut Builder<'s>, map: &Map<'s>) -> Option<Shape<'s>> {
    let (scope, reader) = (builder.scope, builder.scope.reader);
    let start = scope.need_selector(map, "start");
    builder.play(Roles::START, start);
    let mut paused = None;
    for (key, role) in [
        ("refresh", Roles::REFRESH),
        ("stop", Roles::STOP),
        ("pause", Roles::PAUSE),
        ("resume", Roles::RESUME),
    ] {
        if let Some((place, selected)) = scope.get_selector(map, key) {
            builder.play(role, selected);
            if role == Roles::PAUSE {
                paused = Some(place);
            }
        }
    }
    for (key, other) in [("pause", "resume"), ("resume", "pause")] {
        if let (Some(entry), None) = (map.entry(key), map.get(other)) {
            let message = format!("`{key}` without `{other}`");
            reader
                .error(entry.key.place, message)
                .expected(format!("`{other}` too: the events that do the opposite"));
        }
    }

    let deadline = map.entry("deadline");
    let within = within(builder, map, deadline.is_none(), true);
    if let (Some(entry), Some(_)) = (deadline, map.get("within")) {
        reader
            .error(entry.key.place, "`deadline` and `within` exclude each other")
            .expected("one of the two");
    }
    let grace = map.entry("grace");
    if let (Some(entry), None) = (grace, deadline) {
        reader
            .error(entry.key.place, "`grace` without `deadline`")
            .expected("`grace` only beside a deadline from data");
    }
    let grace = grace.map_or(Some(Span::Ms(0)), |entry| builder.span(&entry.value, 0));
    let deadline = deadline.map(|entry| builder.deadline(&entry.value));
    if let (Some(place), Some(_)) = (paused, &deadline) {
        reader.warning(place, "a deadline taken from data ignores `pause`");
    }
    let in_days = |span| matches!(span, Span::Days(_));
    if let (Some(place), Some(within)) = (paused, &within)
        && within.all().any(in_days)
    {
        reader
            .error(place, "business days (`bd`) cannot be paused")
            .expected("a `within` in hours or minutes");
    }
    let warn_permille = map.get("warn_at").and_then(|node| {
        let permille = reader.permille(node)?;
        let possible = (10..=990).contains(&permille);
        if !possible {
            reader
                .error(node.place, format!("{} is no share for a warning", node.what()))
                .expected("from `1%` to `99%`");
        }
        possible.then_some(permille)
    });
    let once = map.get("once").and_then(|node| reader.bool(node)).unwrap_or(false);

    let data_deadline = deadline.is_some();
    let mut shape = Shape::new(Kind::Match, Roles::START);
    if data_deadline {
        shape.deadline = deadline.flatten();
    } else {
        shape.within = within?;
    }
    let shortest =
        shape.within.all().map(|span| if let Span::Ms(ms) = span { ms } else { 0 }).min().unwrap_or(0);
    let stretch_gap_ms = match warn_permille {
        _ if data_deadline => 0,
        Some(permille) => shortest * i64::from(permille) / 1000,
        None => shortest,
    };
    shape.kind = Kind::Absence { data_deadline, grace: grace?, warn_permille, once, stretch_gap_ms };
    Some(shape)
}

fn sequence<'s>(builder: &mut Builder<'s>, map: &Map<'s>) -> Option<Shape<'s>> {
    let (scope, reader) = (builder.scope, builder.scope.reader);
    let node = map.need("steps");
    let steps = node.map(|node| reader.list(node)).unwrap_or_default();
    if let Some(node @ Node { body: Body::List(_), .. }) = node
        && !(2..=STEPS_MAX).contains(&steps.len())
    {
        let problem = reader.error(node.place, format!("this sequence has {}", steps_of(steps.len())));
        problem.expected(format!("2 to {STEPS_MAX} steps (for a single event there is the kind `match`)"));
    }
    for (i, step) in steps.iter().enumerate().take(STEPS_MAX) {
        builder.play(Roles::step(i as u8), scope.selector(step));
    }
    let within = within(builder, map, true, false);
    let keep = then(builder, map);
    if let Some((_, unless)) = scope.get_selector(map, "unless") {
        builder.play(Roles::UNLESS, unless);
    }
    let count = steps.len().min(STEPS_MAX) as u8;
    let mut shape = Shape::new(
        Kind::Sequence { steps: count, keep },
        (0..count).fold(0, |bits, i| bits | Roles::step(i)),
    );
    shape.opens = Roles::step(0);
    shape.within = within?;
    Some(shape)
}

fn steps_of(count: usize) -> String {
    if count == 1 { "one step".to_owned() } else { format!("{count} steps") }
}

fn debt<'s>(builder: &mut Builder<'s>, map: &Map<'s>) -> Option<Shape<'s>> {
    let (scope, reader) = (builder.scope, builder.scope.reader);
    let node = map.need("weights");
    let weights = node.map(|node| reader.list(node)).unwrap_or_default();
    if let (Some(node @ Node { body: Body::List(_), .. }), []) = (node, weights) {
        reader
            .error(node.place, "this list is empty: nothing adds up")
            .expected("weights like `- { event: payment.failed, points: 30 }`");
    }
    let mut all_take = !weights.is_empty();
    for weight in weights {
        let Some(map) = reader.map(weight, "a weight") else { continue };
        let selected = scope.selection(&map);
        let points = map.need("points").and_then(|node| builder.nonzero(node));
        map.done();
        all_take &= points.is_some_and(|points| points < 0);
        for (target, cond) in selected.parts {
            builder.at(target).points.push((cond, points.unwrap_or(MICRO)));
        }
    }
    if let (Some(node), true) = (node, all_take) {
        reader
            .error(node.place, "no weight adds points, so the sum never rises")
            .expected("at least one with points above 0");
    }
    builder.weigh();
    builder.no_calendar(map, "points decay by wall time");

    let judged = builder.targets_with(Roles::WEIGHT);
    let half_life = map.need("half_life").and_then(|node| positive(builder, node));
    let threshold = map
        .need("threshold")
        .and_then(|node| scope.values(node, &judged, |node| points_over_zero(builder, node)));
    let rearm = map.need("rearm_below").and_then(|node| points_over_zero(builder, node));
    if let (Some(node), Some(threshold), Some(rearm)) = (map.get("rearm_below"), &threshold, rearm)
        && threshold.all().any(|t| t <= rearm)
    {
        reader
            .error(node.place, "`rearm_below` is not below `threshold`")
            .expected("less than the smallest `threshold`");
    }
    if let Some((_, reset)) = scope.get_selector(map, "reset") {
        builder.play(Roles::RESET, reset);
    }
    let mut shape = Shape::new(Kind::Debt { half_life_ms: half_life?, rearm_below: rearm? }, Roles::WEIGHT);
    shape.threshold = threshold?;
    Some(shape)
}

fn points_over_zero(builder: &Builder<'_>, node: &Node) -> Option<Micro> {
    let points = builder.scope.reader.decimal(node)?;
    if points <= 0 {
        builder
            .scope
            .reader
            .error(node.place, format!("{} is not above 0", node.what()))
            .expected("points above 0");
        return None;
    }
    Some(points)
}

fn positive(builder: &Builder<'_>, node: &Node) -> Option<i64> {
    let ms = builder.scope.reader.duration(node)?;
    if ms == 0 {
        builder.scope.reader.error(node.place, "a duration of 0").expected("more than 0");
        return None;
    }
    Some(ms)
}

/// `within`: a duration above 0, or a table of them.
fn within<'s>(builder: &Builder<'s>, map: &Map<'s>, required: bool, days: bool) -> Option<Values<'s, Span>> {
    let node = if required { map.need("within") } else { map.get("within") }?;
    let judged = builder.judged();
    builder.scope.values(node, &judged, |node| {
        let span = builder.span(node, 1)?;
        if let (false, Span::Days(_)) = (days, span) {
            let reader = builder.scope.reader;
            reader
                .error(node.place, "a window cannot be counted in business days")
                .expected("hours, days or weeks");
            return None;
        }
        Some(span)
    })
}

/// `then`: what becomes of the events of a firing.
fn then(builder: &Builder<'_>, map: &Map<'_>) -> bool {
    map.get("then").and_then(|node| builder.scope.reader.one_of(node, &["clear", "keep"])) == Some("keep")
}

impl Builder<'_> {
    /// The role of all that have points.
    fn weigh(&mut self) {
        for used in self.uses.values_mut().filter(|used| !used.points.is_empty()) {
            let any = used.points.iter().map(|(cond, _)| cond.clone()).collect();
            used.roles.push((Roles::WEIGHT, simplify(Cond::Any(any))));
        }
    }
}
