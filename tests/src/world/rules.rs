//! Rulebooks at random.

use super::book::{Clause, Draft, NUMBER, Of, VALUE};
use super::draw::Draw;
use super::{TICK, TYPES};
use cxwatch_event::{FieldIx, MICRO, Micro, Millis, Value};
use cxwatch_rulebook::{
    Cond, FieldRef, Fold, Guard, Kind, Level, Measure, MeasureRef, Op, Roles, Span, Table,
};

/// Which rules are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All kinds with all that goes with them.
    All,
    /// Matches and absences without guards: those that late events leave right.
    Healing,
}

/// Draws 2 to 5 rules, each possibly built on those before it.
pub fn draw_rules(draw: &mut Draw, scope: Scope) -> Vec<Draft> {
    // Ids in no order, so that rank and id disagree.
    let mut ids = vec!["a", "b", "c", "d", "e"];
    let mut drafts: Vec<Draft> = Vec::new();
    for _ in 0..draw.range(2, 5) {
        let id = ids.remove(draw.index(ids.len()));
        let draft = match (scope, draw.range(0, 9)) {
            (Scope::All, 0) | (Scope::Healing, 0..=2) => one_event(draw, id, &drafts),
            (Scope::All, 1 | 2) => count(draw, id, &drafts),
            (Scope::All, 3) => sequence(draw, id, &drafts),
            (Scope::All, 4) => debt(draw, id, &drafts),
            _ => absence(draw, id, &drafts),
        };
        let draft = if scope == Scope::All && draw.chance(30) { guarded(draw, draft) } else { draft };
        drafts.push(judged(draw, draft));
    }
    drafts
}

fn one_event(draw: &mut Draw, id: &str, before: &[Draft]) -> Draft {
    let mut draft = base(draw, id, Kind::Match);
    if !before.is_empty() && draw.chance(40) {
        draft = draft.on_rule(&draw.pick(before).id, Level::Breach, Roles::EVENT);
    }
    played(draw, draft, before, Roles::EVENT, 2)
}

fn absence(draw: &mut Draw, id: &str, before: &[Draft]) -> Draft {
    let data_deadline = draw.chance(20);
    let kind = Kind::Absence {
        data_deadline,
        grace: Span::Ms(if draw.chance(50) { 0 } else { draw.range(1, 2) * TICK }),
        warn_permille: draw.chance(35).then(|| *draw.pick(&[250, 500, 800])),
        once: draw.chance(18),
        stretch_gap_ms: 0,
    };
    let draft = base(draw, id, kind);
    let mut draft = played(draw, draft, before, Roles::START, 2);
    if draw.chance(50) {
        let most = if draw.chance(30) { 4 } else { 2 };
        draft = played(draw, draft, before, Roles::REFRESH, most);
    }
    if draw.chance(75) {
        draft = played(draw, draft, before, Roles::STOP, 2);
    }
    if draw.chance(30) {
        draft = played(draw, draft, before, Roles::PAUSE, 1);
        draft = played(draw, draft, before, Roles::RESUME, 1);
    }
    if draft.measures.iter().any(|m| m.fold == Fold::Sum) && draft.measures.len() == 1 && draw.chance(60) {
        draft = subtracted(draw, draft);
    }
    draft
}

fn count(draw: &mut Draw, id: &str, before: &[Draft]) -> Draft {
    let of_last = draw.chance(30).then(|| draw.range(2, 5) as u32);
    let threshold = draw.range(2, 3);
    let kind = Kind::Count {
        of_last,
        distinct: draw.chance(25),
        keep: draw.chance(40),
        at_least_max: threshold as u32,
    };
    let draft = base(draw, id, kind).at_least(threshold);
    let mut draft = played(draw, draft, before, Roles::EVENT | Roles::COUNTED, 3);
    if of_last.is_some() {
        draft = played(draw, draft, &[], Roles::EVENT, 1);
    }
    if draw.chance(30) {
        draft = played(draw, draft, before, Roles::RESET, 1);
    }
    draft
}

fn sequence(draw: &mut Draw, id: &str, before: &[Draft]) -> Draft {
    let steps = draw.range(2, 3) as u8;
    let keep = draw.chance(40);
    let draft = base(draw, id, Kind::Sequence { steps, keep });
    let mut draft = (0..steps).fold(draft, |draft, i| played(draw, draft, before, Roles::step(i), 2));
    if draw.chance(40) {
        draft = played(draw, draft, before, Roles::UNLESS, 1);
    }
    draft
}

fn debt(draw: &mut Draw, id: &str, before: &[Draft]) -> Draft {
    let threshold = draw.range(2, 4);
    let rearm_below = draw.range(1, threshold) * MICRO;
    let half_life_ms = draw.range(1, 10) * TICK;
    let draft = base(draw, id, Kind::Debt { half_life_ms, rearm_below }).at_least(threshold);
    let mut draft = played(draw, draft, before, Roles::WEIGHT, 4);
    if draw.chance(50) {
        draft.points.push((text_is("q"), -MICRO));
    }
    draft.points.push((number_is(Op::AtLeast(5 * MICRO)), 2 * MICRO));
    if draw.chance(70) {
        draft.points.push((Cond::True, MICRO));
    }
    // What a debt measures beyond its last event is open; so is nothing here.
    draft.measures.clear();
    if draw.chance(25) {
        draft = played(draw, draft, before, Roles::RESET, 1);
    }
    draft
}

/// What goes with every kind.
fn base(draw: &mut Draw, id: &str, kind: Kind) -> Draft {
    let mut draft = Draft::new(id, kind);
    draft.per = draw.chance(65);
    draft.calendar = !matches!(draft.kind, Kind::Match | Kind::Debt { .. }) && draw.chance(20);
    draft.within = Table::plain(Span::Ms(some_time(draw)));
    if draw.chance(20) {
        let cases = vec![(Value::Text("p".into()), Span::Ms(some_time(draw)))];
        draft.within = Table { by: text_field(draw), cases, ..draft.within };
    }
    for name in ["one", "two"].into_iter().take(*draw.pick(&[0, 1, 1, 2])) {
        let fold = *draw.pick(&[Fold::Sum, Fold::Sum, Fold::Min, Fold::Max, Fold::Last]);
        draft.measures.push(Measure { name: name.into(), fold });
    }
    if draw.chance(20) {
        let cases = vec![(Value::Text("p".into()), 55)];
        draft.base_severity = Table { by: text_field(draw), cases, default: 40 };
    }
    draft
}

/// `when` and cases of the severity.
fn judged(draw: &mut Draw, mut draft: Draft) -> Draft {
    if draw.chance(25) {
        draft.when = over_measures(draw, &draft);
    }
    if draw.chance(6) {
        draft.when = Cond::All(vec![draft.when, known(draw, MeasureRef::Profile)]);
    }
    if draw.chance(25) {
        draft.severity.push((over_measures(draw, &draft), 70));
    }
    if draw.chance(6) {
        draft.severity.push((known(draw, MeasureRef::Profile), 80));
    }
    draft
}

fn over_measures(draw: &mut Draw, draft: &Draft) -> Cond<MeasureRef> {
    // How much of its evidence a debt keeps is its own business.
    let may_count = !matches!(draft.kind, Kind::Debt { .. });
    if draft.measures.is_empty() && !may_count {
        return Cond::True;
    }
    if draft.measures.is_empty() || may_count && draw.chance(30) {
        return Cond::Test(MeasureRef::Events, Op::AtLeast(draw.range(1, 2) * MICRO));
    }
    let measure =
        Cond::Test(MeasureRef::Measure(draw.index(draft.measures.len()) as u8), Op::AtLeast(amount(draw)));
    if draw.chance(20) { Cond::Not(Box::new(measure)) } else { measure }
}

fn amount(draw: &mut Draw) -> Micro {
    draw.range(1, 8) * MICRO
}

fn some_time(draw: &mut Draw) -> Millis {
    draw.range(1, 6) * TICK
}

/// Gives a role to 1 to `most` types, now and then to the detections of a rule before this one.
fn played(draw: &mut Draw, mut draft: Draft, before: &[Draft], roles: u32, most: i64) -> Draft {
    for _ in 0..draw.range(1, most) {
        let of = if !before.is_empty() && draw.chance(30) {
            let below = draw.pick(before);
            let warns = matches!(below.kind, Kind::Absence { warn_permille: Some(_), .. });
            Of::Rule(below.id.clone(), if warns && draw.chance(50) { Level::Warning } else { Level::Breach })
        } else {
            Of::Type(TYPES[draw.index(TYPES.len())])
        };
        let cond = match &of {
            _ if draw.chance(3) => known(draw, FieldRef::Profile),
            Of::Type(_) if draw.chance(15) => text_is("p"),
            Of::Type(_) if draw.chance(10) => number_is(Op::Over(3 * MICRO)),
            Of::Type(_) if draw.chance(5) => Cond::Not(Box::new(text_is("q"))),
            Of::Rule(..) if draw.chance(10) => Cond::Test(FieldRef::Severity, Op::Over(40 * MICRO)),
            _ => Cond::True,
        };
        draft.clauses.push(Clause { of, roles, guards: 0, cond });
    }
    draft
}

/// Lets a type that starts nothing subtract.
fn subtracted(draw: &mut Draw, draft: Draft) -> Draft {
    let starts =
        |name: &str| draft.clauses.iter().any(|c| c.of == Of::Type(name_of(name)) && c.roles == Roles::START);
    let free: Vec<&'static str> = TYPES.iter().copied().filter(|t| !starts(t)).collect();
    let kind = *draw.pick(&free);
    draft.on(kind, Roles::MINUS)
}

fn name_of(name: &str) -> &'static str {
    TYPES.iter().copied().find(|t| *t == name).expect("one of the types")
}

fn guarded(draw: &mut Draw, draft: Draft) -> Draft {
    let (on, off) = (*draw.pick(&TYPES), *draw.pick(&TYPES));
    if draw.chance(50) {
        draft.guard(Guard::UnlessSeen { within_ms: some_time(draw) }, on, None)
    } else {
        draft.guard(Guard::While, on, Some(off))
    }
}

/// Something about the customer.
fn known<F>(draw: &mut Draw, field: fn(FieldIx) -> F) -> Cond<F> {
    let text_is = |text: &str| Cond::Test(field(VALUE), Op::In(vec![Value::Text(text.into())]));
    match draw.range(0, 2) {
        0 => text_is("p"),
        1 => Cond::Not(Box::new(text_is("q"))),
        _ => Cond::Test(field(NUMBER), Op::AtLeast(amount(draw))),
    }
}

/// The event's or the customer's.
fn text_field(draw: &mut Draw) -> FieldRef {
    if draw.chance(25) { FieldRef::Profile(VALUE) } else { FieldRef::Data(VALUE) }
}

fn text_is(text: &str) -> Cond<FieldRef> {
    Cond::Test(FieldRef::Data(VALUE), Op::In(vec![Value::Text(text.into())]))
}

fn number_is(op: Op) -> Cond<FieldRef> {
    Cond::Test(FieldRef::Data(NUMBER), op)
}
