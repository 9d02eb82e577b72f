//! Events that a record becomes.

use super::scope::Scope;
use super::{cond, expr, time};
use crate::yaml::{Body, Node, Place, nearest};
use cxwatch_event::mapping::{Cond, Data, DataValue, EventPlan, Expr, Kind, TypePlan};
use cxwatch_event::{Catalogue, Field, FieldType, TypeId};

/// A type, where it is named, and for which value.
struct Named {
    case: Option<String>,
    id: TypeId,
    place: Place,
}

/// One entry of `events`.
pub(super) fn read(
    scope: &Scope,
    node: &Node,
    feed: Option<&str>,
    catalogue: &Catalogue,
) -> Option<EventPlan> {
    let reader = scope.reader;
    let map = reader.map(node, "an event")?;
    let kind = map.need("type").and_then(|node| kinds(scope, node, feed, catalogue));
    let when = match map.get("when") {
        Some(node) => cond::read(scope, node),
        None => Some(Cond::True),
    };
    let time = map.need("time").and_then(|node| time::read(scope, node));
    let customer = map.get("customer").map(|node| expr::read(scope, node));
    let id = map.get("id").map(|node| expr::read(scope, node));
    let data = map.get("data");
    let types = kind.as_ref().map(|(_, types, _)| types.as_slice());
    let data = types.map(|types| fields(scope, data, node, types, catalogue));
    map.done();
    let ((of, types, skip_others), data) = (kind?, data??);
    let mut plans = types.iter().map(|named| TypePlan::of(catalogue, named.id, &data));
    let kind = match of {
        None => Kind::One(plans.next()?),
        Some(of) => {
            let cases = types
                .iter()
                .zip(plans)
                .map(|(named, plan)| (named.case.clone().unwrap_or_default().into(), plan));
            Kind::Table { of, cases: cases.collect(), skip_others }
        }
    };
    Some(EventPlan { kind, when: when?, time: time?, customer: customer.flatten(), id: id.flatten(), data })
}

type Kinds = (Option<Expr>, Vec<Named>, bool);

fn kinds(scope: &Scope, node: &Node, feed: Option<&str>, catalogue: &Catalogue) -> Option<Kinds> {
    let reader = scope.reader;
    if !matches!(node.body, Body::Map(_)) {
        let named = named(scope, node, None, feed, catalogue)?;
        return Some((None, vec![named], false));
    }
    let map = reader.map(node, "`type`")?;
    let of = map.need("of").and_then(|node| expr::read(scope, node));
    let others = map.get("others").map(|node| reader.one_of(node, &["skip", "reject"]));
    let mut types = Vec::new();
    let mut failed = false;
    if let Some(table) = map.need("table").and_then(|node| reader.map(node, "`table`")) {
        for entry in table.entries() {
            match named(scope, &entry.value, Some(entry.key.text.clone()), feed, catalogue) {
                Some(named) => types.push(named),
                None => failed = true,
            }
        }
    }
    map.done();
    (!failed && !types.is_empty()).then_some((Some(of?), types, others.flatten() == Some("skip")))
}

fn named(
    scope: &Scope,
    node: &Node,
    case: Option<String>,
    feed: Option<&str>,
    catalogue: &Catalogue,
) -> Option<Named> {
    let reader = scope.reader;
    let name = reader.text(node)?;
    let Some(id) = catalogue.id(name) else {
        let names = || catalogue.types().map(|(_, spec)| spec.name.as_str());
        let problem = reader.error(node.place, format!("there is no event type `{name}`"));
        problem.expected("a type of the catalogue or of the rulebook's `types`").nearest(name, names());
        // The fields are checked against what was most likely meant.
        let id = catalogue.id(nearest(name, names())?)?;
        return Some(Named { case, id, place: node.place });
    };
    if let (Some(home), Some(feed)) = (catalogue.spec(id).feed.as_deref(), feed)
        && home != feed
    {
        let problem =
            reader.error(node.place, format!("`{name}` belongs to the feed `{home}`, not to `{feed}`"));
        problem.expected(format!("another entry of `feeds`, with `feed: {home}`, for it"));
    }
    Some(Named { case, id, place: node.place })
}

/// The data of an event, checked against its types.
fn fields(
    scope: &Scope,
    node: Option<&Node>,
    event: &Node,
    types: &[Named],
    catalogue: &Catalogue,
) -> Option<Vec<Data>> {
    let reader = scope.reader;
    let entries = match node {
        Some(node) => reader.map(node, "`data`")?.entries(),
        None => &[],
    };
    let mut data = Vec::new();
    let mut failed = false;
    for entry in entries {
        let name = entry.key.text.as_str();
        let kinds: Vec<&Field> = types
            .iter()
            .filter_map(|named| {
                let spec = catalogue.spec(named.id);
                spec.field(name).map(|ix| &spec.fields[usize::from(ix.0)])
            })
            .collect();
        let Some(field) = kinds.first() else {
            let spec = catalogue.spec(types[0].id);
            let problem = reader.error(entry.key.place, format!("`{}` has no field `{name}`", spec.name));
            let known = spec.fields.iter().map(|f| f.name.as_str());
            let list = known.clone().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
            problem.expected(format!("one of {list}")).nearest(name, known);
            failed = true;
            continue;
        };
        let value = if field.kind == FieldType::Time {
            time::read(scope, &entry.value).map(|time| DataValue::Time(Box::new(time)))
        } else {
            let expr = expr::read(scope, &entry.value);
            if let Some(expr) = &expr {
                check_constants(scope, expr, field, entry.value.place);
            }
            expr.map(DataValue::Text)
        };
        if kinds.iter().any(|other| (other.kind == FieldType::Time) != (field.kind == FieldType::Time)) {
            reader.error(
                entry.key.place,
                format!("`{name}` is a time in one of the types and none in another"),
            );
        }
        match value {
            Some(value) => data.push(Data { name: name.into(), value }),
            None => failed = true,
        }
    }
    for named in types {
        let spec = catalogue.spec(named.id);
        let required = spec.fields.iter().filter(|f| f.required);
        for field in required.filter(|f| !entries.iter().any(|e| e.key.text == f.name)) {
            let place = if types.len() == 1 { event.place } else { named.place };
            let message = format!("`{}` requires the field `{}`", spec.name, field.name);
            reader.error(place, message).expected(format!("`{}: ...` in `data`", field.name));
        }
    }
    (!failed).then_some(data)
}

/// Constants can be checked before a record comes.
fn check_constants(scope: &Scope, expr: &Expr, field: &Field, place: Place) {
    let constants: Vec<&str> = match expr {
        Expr::Const(text) => vec![text],
        Expr::Table { cases, other, .. } => {
            cases.iter().map(|(_, v)| v.as_str()).chain(other.as_deref()).collect()
        }
        Expr::First(list) => {
            list.iter().for_each(|e| check_constants(scope, e, field, place));
            return;
        }
        _ => return,
    };
    for text in constants {
        if let Err(expected) = cxwatch_event::mapping::check(text, field, scope.numbers) {
            let message = format!("`{text}` is not possible for `{}`", field.name);
            scope.reader.error(place, message).expected(expected);
        }
    }
}
