//! Measures: what is added up.

use super::rule::Builder;
use super::scope::{Holds, Target};
use super::select::Selected;
use crate::yaml::{Entry, Map, Name, Place};
use crate::{FieldRef, Fold, Measure, Roles};
use cxwatch_event::{MICRO, Value};

/// The most measures of a rule.
const MEASURES_MAX: usize = 16;
/// The most factors of a product.
const FACTORS_MAX: usize = 4;

/// What a measure takes from an event.
enum Taken<'s> {
    /// 1.
    One,
    /// The product of these fields.
    Product(Vec<(&'s str, Place)>),
}

/// Reads `measure`. `names` are the measures' names in the order of their numbers.
pub(super) fn read<'s>(
    builder: &mut Builder<'s>,
    map: &Map<'s>,
    kind: &str,
    adds: u32,
    names: &[&Name],
) -> Option<Vec<Measure>> {
    let reader = builder.scope.reader;
    let entry = map.entry("measure");
    let found = entry.and_then(|e| reader.map(&e.value, "`measure`"));
    let entries = found.as_ref().map(Map::entries).unwrap_or_default();
    if names.len() > MEASURES_MAX {
        let place = entry.map(|e| e.key.place).unwrap_or_default();
        let message = format!("this rule has {} measures", names.len());
        reader.error(place, message).expected(format!("at most {MEASURES_MAX}"));
        return None;
    }
    let mut sound = found.is_some() || entry.is_none();
    let mut measures = Vec::new();
    let adding = builder.targets_with(adds);
    let mut minus: Vec<(Place, Selected)> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let entry = entries.iter().find(|e| e.key.text == name.text)?;
        sound &= good_name(builder, &entry.key);
        match measure(builder, entry, kind) {
            Some((fold, taken, subtracting)) => {
                measures.push(Measure { name: name.text.as_str().into(), fold });
                sound &= contribute(builder, at, names.len(), &taken, &adding, &subtracting);
                minus.extend(subtracting);
            }
            None => sound = false,
        }
    }
    play_minus(builder, minus);
    for used in builder.uses.values_mut() {
        used.measures.resize(names.len(), Vec::new());
        used.minus.resize(names.len(), false);
    }
    sound.then_some(measures)
}

fn good_name(builder: &Builder<'_>, name: &Name) -> bool {
    let shape = name.text.starts_with(|c: char| c.is_ascii_lowercase())
        && name.text.len() <= 40
        && name.text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let taken = ["events", "key", "all", "any", "not"].contains(&name.text.as_str());
    if !shape || taken {
        let why = if taken { "has a meaning of its own" } else { "is no name" };
        let problem = builder.scope.reader.error(name.place, format!("`{}` {why}", name.text));
        problem.expected("a name of lower-case letters, digits and `_` that begins with a letter");
    }
    shape && !taken
}

type Read<'s> = (Fold, Taken<'s>, Option<(Place, Selected)>);

fn measure<'s>(builder: &Builder<'s>, entry: &'s Entry, kind: &str) -> Option<Read<'s>> {
    let (scope, reader) = (builder.scope, builder.scope.reader);
    if let Some(field) = entry.value.scalar().filter(|text| text.starts_with("data.")) {
        reader.mismatch_but(&entry.value, "a map: how the field is added up", format!("{{ sum: {field} }}"));
        return None;
    }
    let map = reader.map(&entry.value, "a measure")?;
    let folds = [
        ("sum", Fold::Sum),
        ("count", Fold::Sum),
        ("min", Fold::Min),
        ("max", Fold::Max),
        ("last", Fold::Last),
    ];
    let given: Vec<_> = folds.iter().filter_map(|(key, fold)| Some((*key, *fold, map.get(key)?))).collect();
    let minus = scope.get_selector(&map, "minus");
    // A key that is not known is a misspelt one: then there is a way.
    let misspelt = given.is_empty() && map.has_unknown();
    map.done();
    if misspelt {
        return None;
    }
    let [(key, fold, node)] = given.as_slice() else {
        let place = entry.key.place;
        let message = format!("measure `{}` has {} ways to add up", entry.key.text, given.len());
        reader.error(place, message).expected("one of `sum`, `count`, `min`, `max`, `last`");
        return None;
    };
    if let Some((place, _)) = &minus {
        if *fold != Fold::Sum {
            reader
                .error(*place, format!("nothing can be subtracted from `{key}`"))
                .expected("`minus` only beside `sum` or `count`");
            return None;
        }
        if kind != "absence" {
            let message = format!("`minus` in a rule of kind `{kind}`");
            reader
                .error(*place, message)
                .expected("`minus` only in rules of kind `absence`, where an episode adds up over time");
            return None;
        }
    }
    let taken = if *key == "count" {
        if reader.bool(node)? {
            Taken::One
        } else {
            reader.error(node.place, "`count: false` counts nothing").expected("`count: true`");
            return None;
        }
    } else {
        let items = if *key == "sum" { reader.list_or_single(node) } else { std::slice::from_ref(*node) };
        if items.is_empty() || items.len() > FACTORS_MAX {
            let message = format!("this product has {} fields", items.len());
            reader.error(node.place, message).expected(format!("1 to {FACTORS_MAX}"));
            return None;
        }
        let fields: Vec<_> = items.iter().map(|item| Some((reader.text(item)?, item.place))).collect();
        Taken::Product(fields.into_iter().collect::<Option<_>>()?)
    };
    Some((*fold, taken, minus))
}

/// Says of every target what it adds to the measure.
fn contribute<'s>(
    builder: &mut Builder<'s>,
    at: usize,
    of: usize,
    taken: &Taken<'s>,
    adding: &[Target],
    minus: &Option<(Place, Selected)>,
) -> bool {
    let subtracting = minus.as_ref().map(|(_, selected)| selected.targets()).unwrap_or_default();
    if let Some((place, _)) = minus
        && let Some(both) = subtracting.iter().find(|t| adding.contains(t))
    {
        let message = format!("`{}` would both add and subtract", builder.scope.target_name(*both));
        builder.scope.reader.error(*place, message).expected("event types that are not in `start`");
        return false;
    }
    let sound = check_product(builder, taken, adding) & check_product(builder, taken, &subtracting);
    for (target, subtracts) in adding.iter().map(|t| (t, false)).chain(subtracting.iter().map(|t| (t, true)))
    {
        let fields = match taken {
            Taken::One => Some(vec![FieldRef::Const(Value::Number(MICRO))]),
            Taken::Product(fields) => {
                let found =
                    fields.iter().map(|(path, _)| builder.scope.field(path, *target).map(|(field, _)| field));
                found.collect()
            }
        };
        let used = builder.at(*target);
        used.measures.resize(of, Vec::new());
        used.minus.resize(of, false);
        // A target without one of the fields adds nothing.
        used.measures[at] = fields.unwrap_or_default();
        used.minus[at] = subtracts;
    }
    sound
}

/// Whether the fields are numbers, and at least one target has all of them.
fn check_product(builder: &Builder<'_>, taken: &Taken<'_>, targets: &[Target]) -> bool {
    let (scope, Taken::Product(fields)) = (builder.scope, taken) else { return true };
    if targets.is_empty() {
        return true;
    }
    let mut sound = true;
    for (path, place) in fields {
        if !scope.check_field(path, *place, targets) {
            sound = false;
            continue;
        }
        let kinds = targets.iter().filter_map(|t| scope.field(path, *t)).map(|(_, holds)| holds);
        if let Some(wrong) = kinds.into_iter().find(|k| !matches!(k, Holds::Number | Holds::Integer)) {
            scope
                .reader
                .error(*place, format!("`{path}` holds {}", wrong.name()))
                .expected("a field that holds a number");
            sound = false;
        }
    }
    let complete = |t: &Target| fields.iter().all(|(path, _)| scope.field(path, *t).is_some());
    if sound && !targets.iter().any(complete) {
        let place = fields[0].1;
        scope
            .reader
            .error(place, "no event type has all the fields of this product")
            .expected("fields of one event type");
        return false;
    }
    sound
}

/// Gives the role that subtracts: once per condition, however many measures name it.
fn play_minus(builder: &mut Builder<'_>, minus: Vec<(Place, Selected)>) {
    for (at, (place, selected)) in minus.iter().enumerate() {
        let of = |s: &Selected, target: Target| {
            s.parts.iter().filter(|p| p.0 == target).cloned().collect::<Vec<_>>()
        };
        let differs = |t: &Target| {
            minus[..at].iter().any(|(_, s)| !of(s, *t).is_empty() && of(s, *t) != of(selected, *t))
        };
        if let Some(target) = selected.targets().into_iter().find(differs) {
            let name = builder.scope.target_name(target);
            let message = format!("two measures subtract `{name}` under different conditions");
            builder.scope.reader.error(*place, message).expected("one condition for all measures of a rule");
        }
    }
    for (target, cond) in minus.into_iter().flat_map(|(_, selected)| selected.parts) {
        let role = (Roles::MINUS, cond);
        let used = builder.at(target);
        if !used.roles.contains(&role) {
            used.roles.push(role);
        }
    }
}
