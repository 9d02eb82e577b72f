//! Conditions: `where` on an event, `when` on measures.

use super::scope::{CUSTOMER, Holds, Scope, Target};
use crate::yaml::{Body, Entry, Name, Node, Reader, list_of, nearest};
use crate::{ActionField, Cond, FieldRef, MeasureRef, Op};
use cxwatch_event::{MICRO, Value, rfc3339};
use std::cell::RefCell;

/// The words for comparisons.
pub(super) const OPS: [&str; 11] = [
    "is",
    "is_not",
    "in",
    "not_in",
    "over",
    "at_least",
    "under",
    "at_most",
    "exists",
    "starts_with",
    "contains",
];

/// What a path leads to.
enum Found<'a, F> {
    Field(F, Holds<'a>),
    /// A field that others have, but not this one: comparisons are false.
    Missing,
    /// Reported already, and nothing is known of it.
    Unknown,
    /// Reported already, but it can only hold this.
    Misnamed(Holds<'a>),
}

/// Never holds.
pub(super) fn never<F>() -> Cond<F> {
    Cond::Any(Vec::new())
}

impl Scope<'_> {
    /// A `where` for each of the targets. `None`: it was wrong.
    pub(super) fn where_each(&self, node: &Node, targets: &[Target]) -> Option<Vec<Cond<FieldRef>>> {
        let mut sound = true;
        paths(node, &mut |name| sound &= self.check_field(&name.text, name.place, targets));
        let conds = targets.iter().map(|target| {
            let find = |name: &Name| match self.field(&name.text, *target) {
                Some((field, holds)) => Found::Field(field, holds),
                None if targets.iter().any(|t| self.field(&name.text, *t).is_some()) => Found::Missing,
                None => Found::Unknown,
            };
            condition(self.reader, node, &find).map(fold)
        });
        let conds: Vec<_> = conds.collect();
        if targets.is_empty() {
            condition::<FieldRef>(self.reader, node, &|_| Found::Unknown);
        }
        sound.then(|| conds.into_iter().collect()).flatten()
    }

    /// A condition of an action: over the measures of whichever rule proposes it, `events`, `severity` and the
    /// customer. `measures` is given those that it names.
    pub(super) fn action_when(
        &self,
        node: &Node,
        measures: &RefCell<Vec<Name>>,
    ) -> Option<Cond<ActionField>> {
        let find = |name: &Name| match self.action_field(name, measures) {
            Some((field, holds)) => Found::Field(field, holds),
            None => Found::Unknown,
        };
        condition(self.reader, node, &find).map(simplify)
    }

    /// What an action may read. Measures of rules are looked up when the rules are known.
    pub(super) fn action_field(
        &self,
        name: &Name,
        measures: &RefCell<Vec<Name>>,
    ) -> Option<(ActionField, Holds<'_>)> {
        if let Some(field) = name.text.strip_prefix(CUSTOMER) {
            let found = self.profile_field(field);
            if found.is_none() {
                self.unknown_profile_field(&name.text, name.place);
            }
            return found.map(|(ix, holds)| (ActionField::Profile(ix), holds));
        }
        Some(match name.text.as_str() {
            "events" => (ActionField::Events, Holds::Integer),
            "severity" => (ActionField::Severity, Holds::Integer),
            measure => {
                measures.borrow_mut().push(name.clone());
                (ActionField::Measure(measure.into()), Holds::Number)
            }
        })
    }

    /// A `when` over a rule's measures, `events` and the customer.
    pub(super) fn when(&self, node: &Node, measures: &[&Name]) -> Option<Cond<MeasureRef>> {
        let find = |name: &Name| {
            if name.text == "events" {
                return Found::Field(MeasureRef::Events, Holds::Integer);
            }
            if let Some(field) = name.text.strip_prefix(CUSTOMER) {
                return match self.profile_field(field) {
                    Some((ix, holds)) => Found::Field(MeasureRef::Profile(ix), holds),
                    None => {
                        self.unknown_profile_field(&name.text, name.place);
                        Found::Unknown
                    }
                };
            }
            match measures.iter().position(|m| m.text == name.text) {
                Some(at) => Found::Field(MeasureRef::Measure(at as u8), Holds::Number),
                None => {
                    self.unknown_measure(name, measures);
                    Found::Misnamed(Holds::Number)
                }
            }
        };
        condition(self.reader, node, &find).map(simplify)
    }

    fn unknown_measure(&self, name: &Name, measures: &[&Name]) {
        let known = || measures.iter().map(|m| m.text.as_str()).chain(["events"]);
        let problem = self.reader.error(name.place, format!("this rule has no measure `{}`", name.text));
        match nearest(&name.text, known()) {
            Some(near) => problem.suggest(near),
            None if name.text.contains('.') => problem.expected(format!(
                "a measure: {}; conditions on an event's fields go into `where`",
                list_of(known())
            )),
            None => problem.expected(format!("one of {}", list_of(known()))),
        };
    }
}

/// Every path in a condition.
fn paths(node: &Node, visit: &mut impl FnMut(&Name)) {
    match &node.body {
        Body::Map(entries) => {
            for Entry { key, value } in entries {
                match key.text.as_str() {
                    "all" | "any" | "not" => paths(value, visit),
                    _ => visit(key),
                }
            }
        }
        Body::List(items) => items.iter().for_each(|item| paths(item, visit)),
        _ => {}
    }
}

fn condition<'a, F: Clone>(
    reader: &Reader,
    node: &Node,
    find: &impl Fn(&Name) -> Found<'a, F>,
) -> Option<Cond<F>> {
    let map = reader.map(node, "a condition")?;
    if map.entries().is_empty() {
        reader.error(node.place, "this condition is empty").expected("a field and its value");
        return None;
    }
    // All of them are looked at, so that all their problems are found.
    let conds: Vec<_> = map.entries().iter().map(|entry| part(reader, entry, find)).collect();
    Some(Cond::All(conds.into_iter().collect::<Option<_>>()?))
}

fn part<'a, F: Clone>(
    reader: &Reader,
    entry: &Entry,
    find: &impl Fn(&Name) -> Found<'a, F>,
) -> Option<Cond<F>> {
    let several = || {
        let items = match &entry.value.body {
            Body::List(items) if items.is_empty() => {
                let problem = reader.error(entry.value.place, "this list of conditions is empty");
                problem.expected("at least one, `- field: value`");
                return None;
            }
            Body::List(items) => items,
            _ => {
                reader.mismatch(&entry.value, "a list of conditions, `- field: value`");
                return None;
            }
        };
        let conds: Vec<_> = items.iter().map(|item| condition(reader, item, find)).collect();
        conds.into_iter().collect::<Option<Vec<_>>>()
    };
    match entry.key.text.as_str() {
        "all" => several().map(Cond::All),
        "any" => several().map(Cond::Any),
        "not" => condition(reader, &entry.value, find).map(|c| Cond::Not(Box::new(c))),
        _ => match find(&entry.key) {
            Found::Field(field, holds) => comparison(reader, &entry.value, field, holds),
            Found::Missing => Some(if asks_for_absence(&entry.value) { Cond::True } else { never() }),
            Found::Unknown => {
                shape(reader, &entry.value);
                None
            }
            Found::Misnamed(holds) => {
                comparison(reader, &entry.value, entry.key.clone(), holds);
                None
            }
        },
    }
}

/// `exists: false` and nothing else.
fn asks_for_absence(node: &Node) -> bool {
    let alone = matches!(&node.body, Body::Map(entries) if entries.len() == 1);
    alone && node.entry("exists").is_some_and(|v| v.scalar() == Some("false"))
}

fn comparison<F: Clone>(reader: &Reader, node: &Node, field: F, holds: Holds<'_>) -> Option<Cond<F>> {
    let test = |op| Cond::Test(field.clone(), op);
    let Body::Map(entries) = &node.body else {
        return values(reader, node, holds).map(|v| test(Op::In(v)));
    };
    if entries.is_empty() {
        reader
            .error(node.place, "this comparison is empty")
            .expected(format!("one of {}", list_of(OPS.iter())));
        return None;
    }
    let ops: Vec<_> = entries.iter().map(|entry| operator(reader, entry, holds)).collect();
    let ops: Vec<Op> = ops.into_iter().collect::<Option<_>>()?;
    if leave_nothing(&ops) {
        reader
            .warning(node.place, "no value can meet all of these comparisons")
            .expected("room between the bounds, or several cases under `any`");
    }
    Some(Cond::All(ops.into_iter().map(test).collect()))
}

/// Whether the bounds leave no value between them.
fn leave_nothing(ops: &[Op]) -> bool {
    let mut low: Option<(i64, bool)> = None;
    let mut high: Option<(i64, bool)> = None;
    for op in ops {
        // A bound itself may be met or not.
        match op {
            Op::Over(n) => low = low.max(Some((*n, true))),
            Op::AtLeast(n) => low = low.max(Some((*n, false))),
            Op::Under(n) => high = Some(high.map_or((*n, false), |bound| bound.min((*n, false)))),
            Op::AtMost(n) => high = Some(high.map_or((*n, true), |bound| bound.min((*n, true)))),
            _ => {}
        }
    }
    let (Some((low, over)), Some((high, at_most))) = (low, high) else { return false };
    low > high || (low == high && (over || !at_most))
}

/// Checks as much of a comparison as can be told without knowing what the field holds.
fn shape(reader: &Reader, node: &Node) {
    let Body::Map(entries) = &node.body else {
        let empty = matches!(&node.body, Body::List(items) if items.is_empty());
        if empty || node.is_null() {
            values(reader, node, Holds::Text(&[]));
        }
        return;
    };
    for entry in entries {
        match entry.key.text.as_str() {
            "exists" => drop(reader.bool(&entry.value)),
            known if OPS.contains(&known) => {
                if let Body::Map(_) = entry.value.body {
                    reader.mismatch(&entry.value, "a value");
                }
            }
            _ => drop(operator(reader, entry, Holds::Text(&[]))),
        }
    }
}

fn operator(reader: &Reader, entry: &Entry, holds: Holds<'_>) -> Option<Op> {
    let node = &entry.value;
    let bound = || match holds {
        Holds::Number | Holds::Integer => reader.decimal(node),
        Holds::Time => time(reader, node),
        Holds::Text(_) | Holds::Bool => {
            let problem = reader.error(
                entry.key.place,
                format!("`{}` compares by size, but this is {}", entry.key.text, holds.name()),
            );
            problem.expected("`is`, `is_not`, `in`, `not_in` or `exists`");
            None
        }
    };
    let piece = || match holds {
        Holds::Text(_) => reader.text(node).map(Into::into),
        _ => {
            let message = format!("`{}` looks into text, but this is {}", entry.key.text, holds.name());
            reader.error(entry.key.place, message).expected("a field that holds text");
            None
        }
    };
    match entry.key.text.as_str() {
        "is" | "in" => values(reader, node, holds).map(Op::In),
        "is_not" | "not_in" => values(reader, node, holds).map(Op::NotIn),
        "over" => bound().map(Op::Over),
        "at_least" => bound().map(Op::AtLeast),
        "under" => bound().map(Op::Under),
        "at_most" => bound().map(Op::AtMost),
        "exists" => reader.bool(node).map(Op::Exists),
        "starts_with" => piece().map(Op::StartsWith),
        "contains" => piece().map(Op::Contains),
        other => {
            let suggestion = match other {
                ">" | "gt" | "more_than" | "above" | "greater_than" => Some("over"),
                ">=" | "gte" | "min" => Some("at_least"),
                "<" | "lt" | "less_than" | "below" => Some("under"),
                "<=" | "lte" | "max" => Some("at_most"),
                "=" | "==" | "eq" | "equals" => Some("is"),
                "!=" | "ne" | "not" => Some("is_not"),
                _ => nearest(other, OPS),
            };
            let problem = reader.error(entry.key.place, format!("there is no comparison `{other}`"));
            let problem = problem.expected(format!("one of {}", list_of(OPS.iter())));
            if let Some(suggestion) = suggestion {
                problem.suggest(suggestion);
            }
            None
        }
    }
}

fn values(reader: &Reader, node: &Node, holds: Holds<'_>) -> Option<Vec<Value>> {
    let items = reader.list_or_single(node);
    if matches!(&node.body, Body::List(items) if items.is_empty()) {
        reader
            .error(node.place, "this list is empty, so nothing can equal it")
            .expected("at least one value");
    }
    let values: Vec<_> = items.iter().map(|item| value(reader, item, holds)).collect();
    let mut values = values.into_iter().collect::<Option<Vec<_>>>().filter(|v| !v.is_empty())?;
    values.sort();
    values.dedup();
    Some(values)
}

/// One value of the kind that a field holds.
fn value(reader: &Reader, node: &Node, holds: Holds<'_>) -> Option<Value> {
    if node.is_null() {
        reader
            .error(node.place, "nothing stands here")
            .expected("a value, or `{ exists: false }` for a field that is not there");
        return None;
    }
    match holds {
        Holds::Text(one_of) => {
            let text = reader.text(node)?;
            known_word(reader, text, node.place, one_of).then(|| Value::Text(text.into()))
        }
        Holds::Number => reader.decimal(node).map(Value::Number),
        Holds::Integer => {
            let number = reader.decimal(node)?;
            if number % MICRO != 0 {
                reader.error(node.place, "this field holds whole numbers only").expected("a whole number");
                return None;
            }
            Some(Value::Number(number))
        }
        Holds::Bool => reader.bool(node).map(Value::Bool),
        Holds::Time => time(reader, node).map(Value::Time),
    }
}

/// Whether a field of few words can hold this one; reports it if not.
pub(super) fn known_word(
    reader: &Reader,
    text: &str,
    place: crate::yaml::Place,
    one_of: &[compact_str::CompactString],
) -> bool {
    let known = one_of.is_empty() || one_of.iter().any(|w| w == text);
    if !known {
        reader
            .error(place, format!("this field never holds `{text}`"))
            .expected(format!("one of {}", list_of(one_of.iter())))
            .nearest(text, one_of.iter().map(|w| w.as_str()));
    }
    known
}

fn time(reader: &Reader, node: &Node) -> Option<i64> {
    let time = node.scalar().and_then(rfc3339::parse);
    if time.is_none() {
        reader.mismatch(node, "a time like `2026-12-24T18:00:00Z`");
    }
    time
}

/// Decides what is known when compiled, and simplifies.
fn fold(cond: Cond<FieldRef>) -> Cond<FieldRef> {
    fn decide(cond: Cond<FieldRef>) -> Cond<FieldRef> {
        match cond {
            Cond::Test(FieldRef::Const(value), op) if op.holds(Some(&value)) => Cond::True,
            Cond::Test(FieldRef::Const(_), _) => never(),
            Cond::All(all) => Cond::All(all.into_iter().map(decide).collect()),
            Cond::Any(any) => Cond::Any(any.into_iter().map(decide).collect()),
            Cond::Not(cond) => Cond::Not(Box::new(decide(*cond))),
            other => other,
        }
    }
    simplify(decide(cond))
}

/// One form for conditions that say the same by their shape alone: flat, without constants inside.
pub(super) fn simplify<F>(cond: Cond<F>) -> Cond<F> {
    fn is_never<F>(cond: &Cond<F>) -> bool {
        matches!(cond, Cond::Any(any) if any.is_empty())
    }
    match cond {
        Cond::All(all) => {
            let mut flat = Vec::new();
            for cond in all.into_iter().map(simplify) {
                match cond {
                    Cond::True => {}
                    Cond::All(inner) => flat.extend(inner),
                    other if is_never(&other) => return never(),
                    other => flat.push(other),
                }
            }
            match flat.len() {
                0 => Cond::True,
                1 => flat.remove(0),
                _ => Cond::All(flat),
            }
        }
        Cond::Any(any) => {
            let mut flat = Vec::new();
            for cond in any.into_iter().map(simplify) {
                match cond {
                    Cond::True => return Cond::True,
                    Cond::Any(inner) => flat.extend(inner),
                    other => flat.push(other),
                }
            }
            if flat.len() == 1 { flat.remove(0) } else { Cond::Any(flat) }
        }
        Cond::Not(cond) => match simplify(*cond) {
            Cond::True => never(),
            other if is_never(&other) => Cond::True,
            Cond::Not(inner) => *inner,
            other => Cond::Not(Box::new(other)),
        },
        other => other,
    }
}
