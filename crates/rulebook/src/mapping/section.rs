//! One entry of `feeds`.

use super::scope::{Columns, Named, Scope};
use super::{cond, event, expr, time};
use crate::yaml::{Body, Map, Node, Reader};
use cxwatch_event::Catalogue;
use cxwatch_event::mapping::{Base, Cond, Csv, Format, Header, NumberStyle, Section, Time};
use std::cell::RefCell;

/// Reads one entry. `name` is the mapping's, the default of `source`.
pub(super) fn read(reader: &Reader, node: &Node, name: &str, catalogue: &Catalogue) -> Option<Section> {
    let map = reader.map(node, "an entry of `feeds`")?;
    let feed = map.need("feed").and_then(|node| feed(reader, node, catalogue));
    let files = map.get("files").map(|node| reader.list_or_single(node)).unwrap_or_default();
    let files = files.iter().filter_map(|node| reader.text(node)).map(Into::into).collect();
    let source = map.get("source").and_then(|node| reader.text(node)).unwrap_or(name);
    let numbers = numbers(reader, &map);
    let names = names(reader, &map);
    let format = format(reader, &map, names.as_deref());
    let naming = match (&format, &names) {
        (Some(Format::Json), _) => Columns::Pointers,
        (_, Some(names)) => Columns::Named(names),
        (Some(Format::Csv(Csv { header: Header::None, .. })), None) => Columns::Numbered,
        _ => Columns::InFile,
    };
    let columns = RefCell::default();
    let mut scope = Scope { reader, naming, numbers, zone: None, columns, times: RefCell::default() };
    scope.zone = map.get("zone").and_then(|node| time::named_zone(&scope, node));
    let missing = map.get("missing").map(|node| expr::texts(&scope, node)).unwrap_or_default();
    let when = match map.get("when") {
        Some(node) => cond::read(&scope, node),
        None => Some(Cond::True),
    };
    let customer = map.need("customer").and_then(|node| expr::read(&scope, node));
    let id = map.need("id").and_then(|node| expr::read(&scope, node));
    if let Some(times) = map.get("times").and_then(|node| reader.map(node, "`times`")) {
        for entry in times.entries() {
            // A broken one has its name too, so that those who refer to it are not reported.
            let broken = || Time { base: Base::First(Vec::new()), plus: Vec::new(), not_before: None };
            let time = time::read(&scope, &entry.value).unwrap_or_else(broken);
            let (name, place) = (entry.key.text.clone(), entry.key.place);
            scope.times.borrow_mut().push(Named { name, time, place, used: false });
        }
    }
    let mut events = Vec::new();
    let mut failed = false;
    if let Some(node) = map.need("events") {
        let list = reader.list(node);
        for node in list {
            match event::read(&scope, node, feed, catalogue) {
                Some(event) => events.push(event),
                None => failed = true,
            }
        }
        if list.is_empty() && matches!(node.body, Body::List(_)) {
            reader
                .error(node.place, "no event is made")
                .expected("at least one entry with `type` and `time`");
        }
    }
    map.done();
    if failed {
        return None;
    }
    let times = scope.times.into_inner();
    for time in times.iter().filter(|t| !t.used) {
        reader.warning(time.place, format!("nothing happens at the time `{}`", time.name));
    }
    Some(Section {
        feed: feed?.into(),
        files,
        format: format?,
        numbers,
        columns: scope.columns.into_inner(),
        missing,
        source: source.into(),
        when: when?,
        customer: customer?,
        id: id?,
        times: times.into_iter().map(|t| t.time).collect(),
        events,
    })
}

fn feed<'n>(reader: &Reader, node: &'n Node, catalogue: &Catalogue) -> Option<&'n str> {
    let name = reader.text(node)?;
    let feeds = || catalogue.types().filter_map(|(_, spec)| spec.feed.as_deref());
    if !feeds().any(|feed| feed == name) {
        let problem = reader.error(node.place, format!("no event type belongs to a feed `{name}`"));
        problem.expected("a feed of the catalogue or of the rulebook's `types`").nearest(name, feeds());
        return None;
    }
    Some(name)
}

fn names(reader: &Reader, map: &Map) -> Option<Vec<String>> {
    let node = map.get("columns")?;
    let names = reader.list(node).iter().filter_map(|node| reader.text(node).map(str::to_owned));
    Some(names.collect())
}

fn numbers(reader: &Reader, map: &Map) -> NumberStyle {
    let mut style = NumberStyle::default();
    if let Some(word) = map.get("decimal").and_then(|node| reader.one_of(node, &[".", ","])) {
        style.point = if word == "," { ',' } else { '.' };
    }
    if let Some(node) = map.get("thousands")
        && let Some(word) = reader.one_of(node, &[".", ",", "'", " "])
    {
        style.group = word.chars().next();
        if style.group == Some(style.point) {
            reader
                .error(node.place, "the same mark stands before the fraction")
                .expected("another mark than `decimal`");
        }
    }
    style
}

fn format(reader: &Reader, map: &Map, names: Option<&[String]>) -> Option<Format> {
    let node = map.need("format");
    let word = node.and_then(|node| reader.one_of(node, &["csv", "tsv", "json"]));
    let delimiter = map.get("delimiter").map(|node| byte(reader, node, &[("tab", b'\t'), ("space", b' ')]));
    let quote = map.get("quote").map(|node| match node.scalar() {
        Some("none") => Some(None),
        _ => byte(reader, node, &[]).map(Some),
    });
    let escape = map.get("escape").map(|node| byte(reader, node, &[]));
    let header = map.get("header").map(|node| (node, reader.bool(node)));
    let latin1 =
        map.get("encoding").and_then(|node| reader.one_of(node, &["utf-8", "latin-1"])) == Some("latin-1");
    let one_line = map.get("one_line").and_then(|node| reader.bool(node)).unwrap_or(false);
    let word = word?;
    if word == "json" {
        let keys = ["one_line", "delimiter", "quote", "escape", "header", "encoding", "columns"];
        for key in keys.into_iter().filter_map(|key| map.entry(key)) {
            reader.error(key.key.place, format!("`{}` goes with `csv` and `tsv` only", key.key.text));
        }
        return Some(Format::Json);
    }
    if let (Some((node, Some(true))), Some(_)) = (header, names) {
        let problem = reader.error(node.place, "the names of the columns stand in the file and in `columns`");
        problem.expected("one of them");
    }
    let header = match (names, header) {
        (Some(names), _) => Header::Names(names.iter().map(|n| n.as_str().into()).collect()),
        (None, Some((_, Some(false)))) => Header::None,
        _ => Header::FirstRow,
    };
    let by_word = if word == "tsv" { b'\t' } else { b',' };
    Some(Format::Csv(Csv {
        delimiter: delimiter.flatten().unwrap_or(by_word),
        quote: quote.flatten().unwrap_or(Some(b'"')),
        escape: escape.flatten(),
        header,
        latin1,
        one_line,
    }))
}

fn byte(reader: &Reader, node: &Node, words: &[(&str, u8)]) -> Option<u8> {
    let text = match &node.body {
        Body::Scalar { text, .. } => text.as_str(),
        _ => reader.text(node)?,
    };
    if let Some((_, byte)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*byte);
    }
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() => Some(*byte),
        _ => {
            let words: String = words.iter().map(|(word, _)| format!(", `{word}`")).collect();
            reader
                .error(node.place, format!("`{text}` is no single mark"))
                .expected(format!("one mark such as `;`{words}"));
            None
        }
    }
}
