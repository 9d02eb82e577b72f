//! Values made of columns.

use super::cond;
use super::scope::Scope;
use crate::yaml::{Body, Map, Node};
use cxwatch_event::mapping::Expr;

const FORMS: &str = "a column, or one of `column`, `first`, `join`, `table`, `const`, `record`";

/// A value: a column's name, or a map that says how it is made.
pub(super) fn read(scope: &Scope, node: &Node) -> Option<Expr> {
    let reader = scope.reader;
    match &node.body {
        Body::Scalar { .. } if !node.is_null() => scope.column(node).map(Expr::column),
        Body::Map(_) => {
            let map = reader.map(node, "a value")?;
            let expr = form(scope, &map, node);
            map.done();
            expr
        }
        Body::Broken => None,
        _ => {
            reader.error(node.place, format!("{} is no value", node.what())).expected(FORMS);
            None
        }
    }
}

fn form(scope: &Scope, map: &Map, node: &Node) -> Option<Expr> {
    let reader = scope.reader;
    if let Some(column) = map.get("column") {
        let column = scope.column(column);
        let missing = map.get("missing").map(|node| texts(scope, node)).unwrap_or_default();
        let tests = map.get("where").map(|node| cond::tests(scope, node)).unwrap_or_default();
        return Some(Expr::Column { column: column?, missing, tests });
    }
    if let Some(first) = map.get("first") {
        return list(scope, first).map(Expr::First);
    }
    if let Some(join) = map.get("join") {
        let with = map.get("with").and_then(|node| text_or_empty(scope, node)).unwrap_or("|");
        return Some(Expr::Join { parts: list(scope, join)?, with: with.into() });
    }
    if let Some(table) = map.get("table") {
        let of = map.need("of").and_then(|node| read(scope, node));
        let other = map.get("other").and_then(|node| reader.text(node));
        let cases = reader.map(table, "`table`")?.entries().iter().filter_map(|entry| {
            reader.text(&entry.value).map(|value| (entry.key.text.as_str().into(), value.into()))
        });
        let cases = cases.collect();
        return Some(Expr::Table { of: Box::new(of?), cases, other: other.map(Into::into) });
    }
    if let Some(constant) = map.get("const") {
        return reader.text(constant).map(|text| Expr::Const(text.into()));
    }
    if let Some(record) = map.get("record") {
        return reader.one_of(record, &["row", "line"]).map(|word| match word {
            "row" => Expr::Row,
            _ => Expr::Line,
        });
    }
    map.rest();
    reader.error(node.place, "this map says no value").expected(FORMS);
    None
}

fn list(scope: &Scope, node: &Node) -> Option<Vec<Expr>> {
    let items = scope.reader.list(node);
    let exprs: Vec<_> = items.iter().filter_map(|item| read(scope, item)).collect();
    if items.is_empty() && matches!(node.body, Body::List(_)) {
        scope.reader.error(node.place, "the list is empty").expected("at least one value");
    }
    (!items.is_empty() && exprs.len() == items.len()).then_some(exprs)
}

/// One text or several. Empty text is possible.
pub(super) fn texts<T: for<'a> From<&'a str>>(scope: &Scope, node: &Node) -> Vec<T> {
    let items = match &node.body {
        Body::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items.iter().filter_map(|item| text_or_empty(scope, item)).map(T::from).collect()
}

fn text_or_empty<'n>(scope: &Scope, node: &'n Node) -> Option<&'n str> {
    match &node.body {
        Body::Scalar { text, plain: false } => Some(text),
        _ => scope.reader.text(node),
    }
}
