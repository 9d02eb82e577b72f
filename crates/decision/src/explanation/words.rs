//! Times, durations, events, conditions and feeds, in words.

use super::{Basis, EventView, Question};
use cxwatch_engine::{Blocking, EventRef, Holding, Measures, NEVER, Progress};
use cxwatch_event::messages::Rfc3339;
use cxwatch_event::number::format_micro;
use cxwatch_event::{FieldIx, MICRO, Micro, Millis, Value, rfc3339};
use cxwatch_rulebook::{Cond, Guard, MeasureRef, Op, Roles, RuleIx, RuleUse, Span};
use std::fmt::Display;

/// Says things about a question.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) basis: Basis,
}

/// An instant, without needless zeros.
pub(super) fn at(time: Millis) -> String {
    rfc3339::format(time).replace(".000Z", "Z")
}

/// A duration: `30m`, `1h 30m`, `7d`.
pub(super) fn long(ms: Millis) -> String {
    let mut rest = ms.max(0);
    let mut parts = Vec::new();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")] {
        if rest >= unit {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if parts.is_empty() { "0s".into() } else { parts.join(" ") }
}

pub(super) fn span(span: Span) -> String {
    match span {
        Span::Ms(ms) => long(ms),
        Span::Days(1) => "1 business day".into(),
        Span::Days(days) => format!("{days} business days"),
    }
}

pub(super) fn number(micro: Micro) -> String {
    format_micro(micro)
}

/// Points decay all the time: two digits tell enough. Down, so that what is not enough does not look so.
fn hundredths(points: Micro) -> Micro {
    points - points.rem_euclid(MICRO / 100)
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn either<T: Display>(items: &[T], word: &str) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match items.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} {word} {last}", first.join(", ")),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Number(n) => number(*n),
        Value::Bool(b) => b.to_string(),
        Value::Time(t) => at(*t),
    }
}

fn must(op: &Op) -> String {
    let all = |values: &[Value]| either(&values.iter().map(value).collect::<Vec<_>>(), "or");
    match op {
        Op::In(values) => format!("be {}", all(values)),
        Op::NotIn(values) => format!("be neither of {}", all(values)),
        Op::Over(n) => format!("be over {}", number(*n)),
        Op::AtLeast(n) => format!("be at least {}", number(*n)),
        Op::Under(n) => format!("be under {}", number(*n)),
        Op::AtMost(n) => format!("be at most {}", number(*n)),
        Op::Exists(true) => "be known".into(),
        Op::Exists(false) => "not be known".into(),
        Op::StartsWith(text) => format!("begin with {text}"),
        Op::Contains(text) => format!("contain {text}"),
    }
}

impl<'a> Words<'a> {
    /// An event with its place: `order.placed o1 (transaction.jsonl:3)`.
    pub(super) fn event(&self, event: &EventRef) -> String {
        match event.kind {
            None => format!("a detection of {}", event.source),
            Some(_) => format!("{} {} ({})", self.kind(event), event.id, (self.question.place)(event)),
        }
    }

    pub(super) fn kind(&self, event: &EventRef) -> String {
        let spec = event.type_id().filter(|_| event.kind != Some(EventRef::KIND_GONE));
        spec.map_or_else(
            || event.source.to_string(),
            |id| self.question.book.catalogue.spec(id).name.to_string(),
        )
    }

    pub(super) fn event_view(&self, event: &EventRef) -> EventView {
        EventView {
            time: Rfc3339(event.time),
            kind: self.kind(event),
            id: Some(event.id.to_string()),
            place: event.kind.map(|_| (self.question.place)(event)),
        }
    }

    /// ` k1`, or nothing where the rule has no `per`.
    pub(super) fn of_key(&self, rule: RuleIx, key: Option<&str>) -> String {
        match key {
            Some(key) if self.question.book.rule(rule).per => format!(" {key}"),
            _ => String::new(),
        }
    }

    pub(super) fn key(&self, rule: RuleIx, key: Option<&str>) -> Option<String> {
        key.filter(|_| self.question.book.rule(rule).per).map(Into::into)
    }

    /// The types, and rules, whose events can be that to a rule.
    pub(super) fn kinds(&self, rule: RuleIx, is: impl Fn(&RuleUse) -> bool) -> Vec<String> {
        let book = self.question.book;
        let fits = |uses: &[RuleUse]| uses.iter().any(|used| used.rule == rule && is(used));
        let types = book.catalogue.types().filter(|(id, _)| fits(book.uses(*id)));
        let mut kinds: Vec<String> = types.map(|(_, spec)| spec.name.to_string()).collect();
        for (of, [breach, warning]) in book.rules.iter().zip(&book.by_detection) {
            kinds.extend(fits(breach).then(|| format!("rule:{}", of.id)));
            kinds.extend(fits(warning).then(|| format!("rule:{}.warning", of.id)));
        }
        kinds
    }

    pub(super) fn with_role(&self, rule: RuleIx, roles: u32) -> Vec<String> {
        self.kinds(rule, |used| used.roles.iter().any(|(role, _)| role & roles != 0))
    }

    /// What begins a rule.
    pub(super) fn beginners(&self, rule: RuleIx) -> Vec<String> {
        let begins = Roles::START | Roles::EVENT | Roles::COUNTED | Roles::WEIGHT | Roles::step(0);
        self.with_role(rule, begins)
    }

    /// Why a guard stands in the way, and what would lift it.
    pub(super) fn blocking(&self, rule: RuleIx, blocking: Blocking, now: Millis) -> (String, String) {
        let of = |bit: u32| self.kinds(rule, |used| used.guards.iter().any(|(bits, _)| bits & bit != 0));
        let on = either(&of(Roles::guard_on(blocking.guard)), "or");
        let off = either(&of(Roles::guard_off(blocking.guard)), "or");
        let place = |sight: &cxwatch_engine::Sight| match sight.place {
            None => format!("seen at {}", at(sight.time)),
            Some((feed, offset, sub)) => {
                let event = EventRef {
                    feed: feed.0,
                    kind: Some(EventRef::KIND_GONE),
                    sub,
                    offset,
                    time: sight.time,
                    id: "".into(),
                    source: "".into(),
                    names: None,
                };
                format!("seen at {} ({})", at(sight.time), (self.question.place)(&event))
            }
        };
        match self.question.book.rule(rule).guards.get(usize::from(blocking.guard)) {
            Some(Guard::UnlessSeen { within_ms }) => {
                let seen = blocking.by.as_ref().map_or_else(|| "seen before".into(), place);
                let until = blocking.by.map_or(now, |s| s.time.saturating_add(*within_ms));
                (
                    format!("`unless_seen`: {on} was {seen}, within {} before", long(*within_ms)),
                    format!(
                        "no {on} in the {} before; this one is forgotten at {}",
                        long(*within_ms),
                        at(until)
                    ),
                )
            }
            _ => {
                let why = match &blocking.by {
                    Some(sight) => format!("`while`: the state was over, {off} was {}", place(sight)),
                    None => format!("`while`: no {on} had been seen"),
                };
                (why, format!("{on} before it, and no {off} since"))
            }
        }
    }

    pub(super) fn holding(&self, holding: &[Holding]) -> String {
        let feeds: Vec<String> = holding
            .iter()
            .map(|h| {
                let name = &self.question.book.feeds[usize::from(h.feed.0)];
                let to = if h.watermark <= NEVER {
                    "nothing of it has been seen".into()
                } else {
                    format!("seen up to {}", at(h.watermark))
                };
                if h.blind {
                    format!("feed {name} is blind ({to})")
                } else {
                    format!("feed {name} is behind ({to})")
                }
            })
            .collect();
        feeds.join(", and ")
    }

    pub(super) fn feeds(&self, holding: &[Holding]) -> String {
        let names: Vec<&str> =
            holding.iter().map(|h| self.question.book.feeds[usize::from(h.feed.0)].as_str()).collect();
        either(&names, "and")
    }

    pub(super) fn progress(&self, progress: &Progress) -> (String, String) {
        match progress {
            Progress::Count { found, needed, within, of_last } => {
                let among = match of_last {
                    Some(last) => format!("among the last {last}"),
                    None => format!("within {}", span(*within)),
                };
                let missing = needed.saturating_sub(*found);
                (format!("{found} of {needed} {among}"), format!("{missing} more {among}"))
            }
            Progress::Sequence { taken, steps, began, within } => {
                let began = began.map_or_else(String::new, |began| format!(", begun at {}", at(began)));
                (
                    format!("step {taken} of {steps}{began}"),
                    format!("the remaining {} within {} from its beginning", steps - taken, span(*within)),
                )
            }
            Progress::Debt { points, needed, disarmed: true } => (
                format!(
                    "{} points; it has fired and has not been low enough since",
                    number(hundredths(*points))
                ),
                format!("fewer points in between, and {} again", number(*needed)),
            ),
            Progress::Debt { points, needed, disarmed: false } => (
                format!("{} of {} points", number(hundredths(*points)), number(*needed)),
                format!("{} points more", number(needed - hundredths(*points))),
            ),
        }
    }

    /// The parts of a rule's `when` that do not hold: what was, and what must be.
    pub(super) fn failing(&self, rule: RuleIx, measures: &Measures, events: u32) -> (String, String) {
        let cond = &self.question.book.rule(rule).when;
        let (mut was, mut must) = (Vec::new(), Vec::new());
        let lookup = |field: &MeasureRef| self.measured(field, measures, events);
        self.collect(rule, cond, &lookup, &mut was, &mut must);
        was.dedup();
        (was.join(", "), must.join(" and "))
    }

    fn measured(&self, field: &MeasureRef, measures: &Measures, events: u32) -> Option<Value> {
        match field {
            MeasureRef::Measure(ix) => measures.get(usize::from(*ix)).copied().flatten().map(Value::Number),
            MeasureRef::Events => Some(Value::Number(Micro::from(events) * MICRO)),
            MeasureRef::Profile(ix) => self.question.view.and_then(|v| v.profile.field(*ix).cloned()),
        }
    }

    fn collect(
        &self,
        rule: RuleIx,
        cond: &Cond<MeasureRef>,
        lookup: &impl Fn(&MeasureRef) -> Option<Value>,
        was: &mut Vec<String>,
        musts: &mut Vec<String>,
    ) {
        let holds = |c: &Cond<MeasureRef>| c.holds(&|field, op| op.holds(lookup(field).as_ref()));
        if holds(cond) {
            return;
        }
        match cond {
            Cond::True => {}
            Cond::All(all) => all.iter().for_each(|c| self.collect(rule, c, lookup, was, musts)),
            Cond::Any(any) => {
                let mut ways = Vec::new();
                any.iter().for_each(|c| self.collect(rule, c, lookup, was, &mut ways));
                musts.push(ways.join(", or "));
            }
            Cond::Not(inner) => {
                if let Cond::Test(field, op) = &**inner {
                    let name = self.name(rule, field);
                    was.push(format!(
                        "{name} was {}",
                        lookup(field).as_ref().map_or("not known".into(), value)
                    ));
                    musts.push(format!("{name} must not {}", must(op)));
                } else {
                    musts.push("a condition under `not` must not hold".into());
                }
            }
            Cond::Test(field, op) => {
                let name = self.name(rule, field);
                was.push(format!("{name} was {}", lookup(field).as_ref().map_or("not known".into(), value)));
                musts.push(format!("{name} must {}", must(op)));
            }
        }
    }

    fn name(&self, rule: RuleIx, field: &MeasureRef) -> String {
        let book = self.question.book;
        match field {
            MeasureRef::Measure(ix) => book
                .rule(rule)
                .measures
                .get(usize::from(*ix))
                .map_or_else(|| "a measure".into(), |m| m.name.to_string()),
            MeasureRef::Events => "the number of events".into(),
            MeasureRef::Profile(FieldIx(ix)) => {
                let spec = book.profile.map(|id| book.catalogue.spec(id));
                let field = spec.and_then(|spec| spec.fields.get(usize::from(*ix)));
                field.map_or_else(|| "the profile".into(), |f| format!("customer.{}", f.name))
            }
        }
    }
}
