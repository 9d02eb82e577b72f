//! Conditions on a record.

use super::expr::texts;
use super::scope::Scope;
use crate::yaml::{Body, Node};
use cxwatch_event::mapping::{Cond, Expr, Test};

/// A condition: a map of columns and what is asked of them, all of which must hold; `all`, `any` and `not` combine
/// conditions.
pub(super) fn read(scope: &Scope, node: &Node) -> Option<Cond> {
    let reader = scope.reader;
    let map = reader.map(node, "a condition")?;
    let mut all = Vec::new();
    let mut failed = false;
    let mut add = |cond: Option<Cond>| match cond {
        Some(cond) => all.push(cond),
        None => failed = true,
    };
    if let Some(node) = map.get("all") {
        add(list(scope, node).map(Cond::All));
    }
    if let Some(node) = map.get("any") {
        add(list(scope, node).map(Cond::Any));
    }
    if let Some(node) = map.get("not") {
        add(read(scope, node).map(|cond| Cond::Not(Box::new(cond))));
    }
    for entry in map.rest() {
        let column = scope.column_named(&entry.key.text, entry.key.place);
        let tests = tests(scope, &entry.value);
        let Some(column) = column else {
            add(None);
            continue;
        };
        for test in tests {
            add(Some(Cond::Test(Expr::column(column), test)));
        }
    }
    if matches!(&node.body, Body::Map(entries) if entries.is_empty()) {
        reader.error(node.place, "the condition is empty").expected("a column and a value");
        return None;
    }
    (!failed).then(|| if all.len() == 1 { all.remove(0) } else { Cond::All(all) })
}

fn list(scope: &Scope, node: &Node) -> Option<Vec<Cond>> {
    let items = scope.reader.list(node);
    let conds: Vec<_> = items.iter().filter_map(|item| read(scope, item)).collect();
    (conds.len() == items.len() && !items.is_empty()).then_some(conds)
}

/// What is asked of a value: a text, a list of texts of which it must be one, or comparisons, all of which must hold.
pub(super) fn tests(scope: &Scope, node: &Node) -> Vec<Test> {
    let reader = scope.reader;
    if !matches!(node.body, Body::Map(_)) {
        return vec![Test::In(texts(scope, node))];
    }
    let Some(map) = reader.map(node, "a comparison") else { return Vec::new() };
    let mut tests = Vec::new();
    for key in ["is", "in"] {
        tests.extend(map.get(key).map(|node| Test::In(texts(scope, node))));
    }
    for key in ["is_not", "not_in"] {
        tests.extend(map.get(key).map(|node| Test::NotIn(texts(scope, node))));
    }
    tests.extend(map.get("exists").and_then(|node| reader.bool(node)).map(Test::Exists));
    let text = |node: Option<&Node>| node.and_then(|node| reader.text(node)).map(Into::into);
    tests.extend(text(map.get("starts_with")).map(Test::StartsWith));
    tests.extend(text(map.get("contains")).map(Test::Contains));
    tests.extend(text(map.get("lacks")).map(Test::Lacks));
    let number = |node: Option<&Node>| node.and_then(|node| reader.decimal(node));
    tests.extend(number(map.get("over")).map(Test::Over));
    tests.extend(number(map.get("at_least")).map(Test::AtLeast));
    tests.extend(number(map.get("under")).map(Test::Under));
    tests.extend(number(map.get("at_most")).map(Test::AtMost));
    map.done();
    if tests.is_empty() && !reader.failed() {
        reader.error(node.place, "nothing is compared").expected("a comparison such as `{ over: 5 }`");
    }
    tests
}
