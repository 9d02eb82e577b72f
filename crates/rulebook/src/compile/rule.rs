//! One rule: what all kinds have in common.

use super::kinds::{KINDS, meant, shape};
use super::measures;
use super::scope::{Holds, Scope, Target};
use super::select::Selected;
use super::table::Values;
use crate::yaml::{Body, Map, Node, Place};
use crate::{
    Calendar, Cond, FieldRef, Guard, Kind, MeasureRef, Per, Roles, Rule, RuleIx, RuleUse, Severity, Span,
    SummaryPart, Table,
};
use compact_str::CompactString;
use cxwatch_event::{Micro, Millis};
use std::collections::BTreeMap;

/// The most guards of a rule.
const GUARDS_MAX: usize = 8;
/// The longest summary, in bytes.
const SUMMARY_MAX_BYTES: usize = 500;
/// The severity of a rule that names none.
const SEVERITY: u8 = 50;

/// A rule that is checked, but does not know its place yet.
pub(super) struct Draft {
    pub(super) rule: Rule,
    pub(super) uses: BTreeMap<Target, RuleUse>,
    pub(super) actions: Vec<(CompactString, Place)>,
}

/// What the keys of a kind came to.
pub(super) struct Shape<'s> {
    pub(super) kind: Kind,
    /// The roles whose events add to measures.
    pub(super) adds: u32,
    /// The roles whose events open an episode, and so must carry the `per` field.
    pub(super) opens: u32,
    pub(super) within: Values<'s, Span>,
    pub(super) threshold: Values<'s, Micro>,
    pub(super) deadline: Option<&'s str>,
    pub(super) distinct: Option<&'s str>,
}

impl Shape<'_> {
    pub(super) fn new(kind: Kind, opens: u32) -> Self {
        let (within, threshold) = (Values::plain(Span::Ms(0)), Values::plain(0));
        Shape { kind, adds: opens, opens, within, threshold, deadline: None, distinct: None }
    }
}

/// Gathers what events are to a rule.
pub(super) struct Builder<'s> {
    pub(super) scope: &'s Scope<'s>,
    pub(super) uses: BTreeMap<Target, RuleUse>,
    guards: Vec<Guard>,
    calendar: Option<u16>,
    has_calendar: bool,
}

impl<'s> Builder<'s> {
    /// What a target's events are to the rule.
    pub(super) fn at(&mut self, target: Target) -> &mut RuleUse {
        self.uses.entry(target).or_insert_with(|| RuleUse {
            rule: RuleIx(0),
            per: Per::Customer,
            roles: Vec::new(),
            guards: Vec::new(),
            within: Table::plain(Span::Ms(0)),
            deadline: None,
            threshold: Table::plain(0),
            points: Vec::new(),
            distinct: None,
            measures: Vec::new(),
            minus: Vec::new(),
            severity: Table::plain(SEVERITY),
        })
    }

    /// Gives a role to what is selected.
    pub(super) fn play(&mut self, role: u32, selected: Selected) {
        for (target, cond) in selected.parts {
            add(&mut self.at(target).roles, role, cond);
        }
    }

    /// The targets that can have one of these roles.
    pub(super) fn targets_with(&self, roles: u32) -> Vec<Target> {
        let with = self.uses.iter().filter(|(_, used)| used.roles.iter().any(|(role, _)| role & roles != 0));
        with.map(|(target, _)| *target).collect()
    }

    /// The targets whose events carry what a duration is chosen by.
    pub(super) fn judged(&self) -> Vec<Target> {
        let steps = (0..8).fold(0, |bits, i| bits | Roles::step(i));
        self.targets_with(Roles::START | Roles::EVENT | Roles::COUNTED | steps)
    }

    /// A duration of at least `least_ms`; business days only with a calendar.
    pub(super) fn span(&self, node: &Node, least_ms: Millis) -> Option<Span> {
        let span = self.scope.reader.span(node)?;
        match span {
            Span::Days(_) if !self.has_calendar => {
                let problem = self.scope.reader.error(node.place, "business days (`bd`) need a calendar");
                problem.expected("`calendar: <name>` in this rule");
                None
            }
            Span::Ms(ms) if ms < least_ms => {
                self.scope.reader.error(node.place, "a duration of 0").expected("more than 0");
                None
            }
            span => Some(span),
        }
    }

    /// A number of points that is not 0.
    pub(super) fn nonzero(&self, node: &Node) -> Option<Micro> {
        let points = self.scope.reader.decimal(node)?;
        if points == 0 {
            self.scope
                .reader
                .error(node.place, "0 points change nothing")
                .expected("points above or below 0");
            return None;
        }
        Some(points)
    }

    /// A field that holds a deadline.
    pub(super) fn deadline(&self, node: &'s Node) -> Option<&'s str> {
        let path = self.scope.reader.text(node)?;
        let starts = self.targets_with(Roles::START | Roles::REFRESH);
        if !self.scope.check_field(path, node.place, &starts) {
            return None;
        }
        let holds = |t: &Target| self.scope.field(path, *t).map(|(_, holds)| holds);
        if let Some(wrong) = starts.iter().filter_map(holds).find(|holds| *holds != Holds::Time) {
            let problem = self.scope.reader.error(node.place, format!("`{path}` holds {}", wrong.name()));
            problem.expected("a field that holds a time");
            return None;
        }
        let opening = self.targets_with(Roles::START);
        if !opening.is_empty() && !opening.iter().any(|t| holds(t).is_some()) {
            let problem =
                self.scope.reader.warning(node.place, format!("no event of `start` carries `{path}`"));
            problem.expected(
                "a deadline that is known from the start; here an episode waits for a `refresh` to bring it",
            );
        }
        Some(path)
    }

    /// Refuses a calendar where it would change nothing.
    pub(super) fn no_calendar(&self, map: &Map<'_>, why: &str) {
        if let Some(entry) = map.entry("calendar") {
            let problem =
                self.scope.reader.error(entry.key.place, format!("`calendar` has no meaning here: {why}"));
            problem.expected("the rule without it");
        }
    }

    fn calendar(&self) -> Option<&'s Calendar> {
        self.calendar.map(|ix| &self.scope.calendars[usize::from(ix)])
    }

    fn read_guards(&mut self, map: &Map<'s>) {
        let (scope, reader) = (self.scope, self.scope.reader);
        for node in map.get("unless_seen").iter().flat_map(|n| reader.list_or_single(n)) {
            let Some(guard) = reader.map(node, "`unless_seen`") else { continue };
            let selected = scope.selection(&guard);
            let within = guard.need("within").and_then(|n| Some((n.place, reader.duration(n)?)));
            guard.done();
            if let Some((place, 0)) = within {
                reader.error(place, "a duration of 0").expected("more than 0");
            }
            let within_ms = within.map_or(1, |(_, ms)| ms);
            self.guard(node.place, Guard::UnlessSeen { within_ms }, selected, Selected::default());
        }
        for node in map.get("while").iter().flat_map(|n| reader.list_or_single(n)) {
            let Some(guard) = reader.map(node, "`while`") else { continue };
            let (after, until) = (scope.need_selector(&guard, "after"), scope.need_selector(&guard, "until"));
            guard.done();
            self.guard(node.place, Guard::While, after, until);
        }
    }

    fn guard(&mut self, place: Place, guard: Guard, on: Selected, off: Selected) {
        if self.guards.len() == GUARDS_MAX {
            self.scope
                .reader
                .error(place, "this is one guard too many")
                .expected(format!("at most {GUARDS_MAX}"));
            return;
        }
        let number = self.guards.len() as u8;
        self.guards.push(guard);
        for (target, cond) in on.parts {
            add(&mut self.at(target).guards, Roles::guard_on(number), cond);
        }
        for (target, cond) in off.parts {
            add(&mut self.at(target).guards, Roles::guard_off(number), cond);
        }
    }

    /// Sets `per` for all targets.
    fn set_per(&mut self, entry: Option<&'s crate::yaml::Entry>, opens: u32) {
        let Some(entry) = entry else { return };
        let (scope, reader) = (self.scope, self.scope.reader);
        let Some(path) = reader.text(&entry.value) else { return };
        let place = entry.value.place;
        if !path.starts_with("data.") && !["source", "channel"].contains(&path) {
            let problem = reader.error(place, format!("`{path}` cannot tell episodes apart"));
            problem.expected("a field of the event's data, `data.cart_id`; `source`; or `channel`");
            return;
        }
        let find = |target: Target| match target {
            Target::Type(_) => scope.field(path, target).map(|(field, _)| field),
            Target::Detection(of, _) => (scope.heads[of].per == Some(path)).then_some(FieldRef::Key),
        };
        let opening = self.targets_with(opens);
        let without: Vec<Target> = opening.iter().copied().filter(|t| find(*t).is_none()).collect();
        if !opening.is_empty() && without.len() == opening.len() {
            let rules = opening.iter().all(|t| matches!(t, Target::Detection(..)));
            if rules {
                let problem = reader.error(place, format!("none of the rules named here has `per: {path}`"));
                problem.expected("the `per` of the rules whose detections this rule is built on, or none");
            } else {
                scope.check_field(path, place, &opening);
            }
            return;
        }
        if let Some(first) = without.first() {
            let name = scope.target_name(*first);
            let others =
                if without.len() > 1 { format!(" and {} more", without.len() - 1) } else { String::new() };
            let message = format!("`{name}`{others} does not carry `{path}`: such an event opens nothing");
            reader
                .warning(place, message)
                .expected("a field that all events carry which can open an episode");
        }
        for (target, used) in &mut self.uses {
            used.per = Per::Field(find(*target).unwrap_or(FieldRef::Missing));
        }
    }
}

/// Adds a bit under a condition, once: `[web.*, web.page.viewed]` names a type twice.
fn add(bits: &mut Vec<(u32, Cond<FieldRef>)>, bit: u32, cond: Cond<FieldRef>) {
    if !bits.iter().any(|(b, c)| *b == bit && *c == cond) {
        bits.push((bit, cond));
    }
}

/// Reads a rule. `None`: it is so wrong that no more can be said of it.
pub(super) fn read<'s>(scope: &'s Scope<'s>, at: usize) -> Option<Draft> {
    let (head, reader) = (&scope.heads[at], scope.reader);
    scope.reading.set(at);
    let kind = head.node.entry("kind");
    let word = kind.and_then(|node| reader.one_of(node, &KINDS)).or_else(|| meant(head.node));
    let what = word.map_or("a rule".to_owned(), |kind| format!("a rule of kind `{kind}`"));
    let map = reader.map(head.node, &what)?;
    map.need("kind");
    map.get("id");
    if let Some(about) = map.get("about") {
        reader.text(about);
    }
    let calendar = map.get("calendar").and_then(|node| scope.calendar(node));
    let mut builder = Builder {
        scope,
        uses: BTreeMap::new(),
        guards: Vec::new(),
        calendar,
        has_calendar: map.get("calendar").is_some(),
    };
    let shape = word.and_then(|word| shape(&mut builder, word, &map));
    builder.read_guards(&map);
    let treatment = super::treatment::read(&mut builder, &map);
    let people_only = map.get("people_only").and_then(|node| reader.bool(node)).unwrap_or(false);
    let (adds, opens) = shape.as_ref().map_or((0, 0), |s| (s.adds, s.opens));
    let measures = measures::read(&mut builder, &map, word.unwrap_or_default(), adds, &head.measures);
    builder.set_per(map.entry("per"), opens);
    let when = map.get("when").map_or(Some(Cond::True), |node| scope.when(node, &head.measures));
    let severity = read_severity(&builder, &map, opens, head);
    let summary = map.get("summary").map_or(Some(Vec::new()), |node| read_summary(scope, node, head));
    let actions = read_actions(scope, &map, people_only);
    super::treatment::warn_if_idle(reader, &map);
    let cooldown_ms = map.get("cooldown").and_then(|node| reader.duration(node));
    if word.is_some() {
        map.done();
    }

    let shape = shape?;
    let (cases, base) = severity?;
    fill(&mut builder, &shape, &base);
    let absence = matches!(shape.kind, Kind::Absence { .. });
    let breakable = !builder.targets_with(Roles::RESET | Roles::UNLESS).is_empty();
    let rule = Rule {
        id: head.id.clone(),
        rank: 0,
        per: map_has(head.node, "per"),
        needs: Default::default(),
        concludes_from_absence: !absence && (breakable || !builder.guards.is_empty()),
        calendar,
        reach_ms: reach_ms(&builder, &shape),
        kind: shape.kind,
        guards: builder.guards,
        measures: measures?,
        when: when?,
        severity: Severity { cases },
        summary: summary?,
        actions: Vec::new(),
        cooldown_ms,
        treatment: treatment?,
        fingerprint: 0,
    };
    Some(Draft { rule, uses: builder.uses, actions })
}

fn map_has(node: &Node, key: &str) -> bool {
    node.entry(key).is_some()
}

/// Resolves values for every target.
fn fill(builder: &mut Builder<'_>, shape: &Shape<'_>, base: &Values<'_, u8>) {
    let scope = builder.scope;
    for (target, used) in &mut builder.uses {
        let field =
            |path: Option<&str>| path.and_then(|path| scope.field(path, *target)).map(|(field, _)| field);
        used.within = scope.table(&shape.within, *target);
        used.threshold = scope.table(&shape.threshold, *target);
        used.severity = scope.table(base, *target);
        used.deadline = field(shape.deadline);
        used.distinct = field(shape.distinct);
    }
}

fn reach_ms(builder: &Builder<'_>, shape: &Shape<'_>) -> Millis {
    let wall = |span: Span| match (span, builder.calendar()) {
        (Span::Ms(ms), None) => ms,
        (Span::Ms(ms), Some(calendar)) => calendar.reach_of(ms),
        (Span::Days(days), Some(calendar)) => calendar.reach_of_days(days),
        (Span::Days(days), None) => Millis::from(days) * 86_400_000,
    };
    let guards = builder.guards.iter().map(|guard| match guard {
        Guard::UnlessSeen { within_ms } => *within_ms,
        Guard::While => 0,
    });
    let own = match shape.kind {
        Kind::Absence { data_deadline: true, grace, .. } => wall(grace),
        // After 64 half-lives nothing is left of the largest sum.
        Kind::Debt { half_life_ms, .. } => half_life_ms * 64,
        _ => 0,
    };
    shape.within.all().map(wall).chain(guards).chain([own]).max().unwrap_or(0)
}

type Severities<'s> = (Vec<(Cond<MeasureRef>, u8)>, Values<'s, u8>);

fn read_severity<'s>(
    builder: &Builder<'s>,
    map: &Map<'s>,
    opens: u32,
    head: &super::scope::Head<'_>,
) -> Option<Severities<'s>> {
    let (scope, reader) = (builder.scope, builder.scope.reader);
    let judged = builder.targets_with(opens);
    let number = |node: &Node| reader.integer(node, 0..=100).map(|n| n as u8);
    let value = |node: &'s Node| scope.values(node, &judged, number);
    let Some(node) = map.get("severity") else { return Some((Vec::new(), Values::plain(SEVERITY))) };
    let Body::List(items) = &node.body else { return Some((Vec::new(), value(node)?)) };
    let (mut cases, mut base, mut sound) = (Vec::new(), None, true);
    for item in items {
        let Some(case) = reader.map(item, "a case") else { continue };
        if base.is_some() {
            reader.warning(item.place, "this case is never reached: one before it has no `when`");
        }
        let (when, is) = (case.get("when"), case.need("is"));
        case.done();
        match (when, is) {
            (Some(when), Some(is)) => match (scope.when(when, &head.measures), number(is)) {
                (Some(when), Some(is)) if base.is_none() => cases.push((when, is)),
                (Some(_), Some(_)) => {}
                _ => sound = false,
            },
            (None, Some(is)) => match value(is) {
                Some(values) => base = base.or(Some(values)),
                None => sound = false,
            },
            (_, None) => sound = false,
        }
    }
    if base.is_none() && sound {
        reader
            .error(node.place, "no case is left where none of the conditions hold")
            .expected("a last case `- is: 40`");
    }
    sound.then_some((cases, base?))
}

fn read_summary(scope: &Scope<'_>, node: &Node, head: &super::scope::Head<'_>) -> Option<Vec<SummaryPart>> {
    let reader = scope.reader;
    let text = reader.text(node)?;
    if text.len() > SUMMARY_MAX_BYTES {
        let message = format!("this summary has {} bytes", text.len());
        reader.error(node.place, message).expected(format!("at most {SUMMARY_MAX_BYTES}"));
        return None;
    }
    let (mut parts, mut sound, mut rest) = (Vec::new(), true, text);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            reader.error(node.place, "`{` without `}`").expected("`{key}` or a measure like `{value}`");
            return None;
        };
        if !before.is_empty() {
            parts.push(SummaryPart::Text(before.into()));
        }
        match head.measures.iter().position(|m| m.text == name) {
            _ if name == "key" => parts.push(SummaryPart::Key),
            Some(at) => parts.push(SummaryPart::Measure(at as u8)),
            None => {
                let known = || head.measures.iter().map(|m| m.text.as_str()).chain(["key"]);
                let problem = reader.error(node.place, format!("this rule has no measure `{name}`"));
                let problem = problem.expected(format!("one of {}", crate::yaml::list_of(known())));
                if let Some(near) = crate::yaml::nearest(name, known()) {
                    problem.suggest(format!("{{{near}}}"));
                }
                sound = false;
            }
        }
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(SummaryPart::Text(rest.into()));
    }
    sound.then_some(parts)
}

fn read_actions(scope: &Scope<'_>, map: &Map<'_>, people_only: bool) -> Vec<(CompactString, Place)> {
    let reader = scope.reader;
    let mut actions: Vec<(CompactString, Place)> = Vec::new();
    for node in map.get("actions").iter().flat_map(|node| reader.list_or_single(node)) {
        let Some(name) = reader.text(node) else { continue };
        let Some(reads) = scope.actions.get(name) else {
            let problem = reader.error(node.place, format!("there is no action `{name}`"));
            problem.expected("a name from `actions`").nearest(name, scope.actions.keys().map(|k| k.as_str()));
            continue;
        };
        scope.used_actions.borrow_mut().insert(name.into());
        if actions.iter().any(|(other, _)| other == name) {
            reader
                .error(node.place, format!("action `{name}` stands here a second time"))
                .expected("each action once");
            continue;
        }
        if people_only && reads.machine {
            reader
                .error(node.place, format!("`people_only`, but the action `{name}` is done by a machine"))
                .expected("an action with `by: person`");
        }
        actions.push((name.into(), node.place));
    }
    actions
}
