//! A tree as YAML: in block style down to the keys of rules, then one value a line; each with where it comes from.

use crate::yaml::{Body, Entry, Node, Reader};
use std::fmt::Write;

/// A longer value is laid out over several lines.
const LINE_MAX: usize = 100;
/// Where comments begin, if the line leaves room.
const COMMENT_AT: usize = 72;

/// Writes a tree. With a reader each line says where its value stands.
pub(super) fn text(tree: &Node, origins: Option<&Reader>) -> String {
    let mut writer = Writer { out: String::new(), origins };
    if let Body::Map(entries) = &tree.body {
        for entry in entries {
            if matches!(&entry.value.body, Body::Map(inner) if !inner.is_empty())
                || matches!(&entry.value.body, Body::List(inner) if !inner.is_empty())
            {
                writer.out.push('\n');
            }
            writer.entry(entry, 0, 2);
        }
    }
    writer.out.trim_start().to_owned()
}

struct Writer<'a> {
    out: String,
    origins: Option<&'a Reader>,
}

impl Writer<'_> {
    /// A key and its value; `open` levels are laid out over lines however short they are.
    fn entry(&mut self, entry: &Entry, indent: usize, open: usize) {
        let head = format!("{:indent$}{}:", "", key(&entry.key.text));
        self.value(&head, &entry.value, indent + 2, open);
    }

    /// What stands behind `head`, on its line if it fits there.
    fn value(&mut self, head: &str, node: &Node, indent: usize, open: usize) {
        let flat = flow(node);
        let fits = head.len() + 1 + flat.len() <= LINE_MAX && self.is_of_one_file(node);
        match &node.body {
            Body::Map(entries) if !entries.is_empty() && (open > 0 || !fits) => {
                self.out.push_str(head);
                self.out.push('\n');
                entries.iter().for_each(|entry| self.entry(entry, indent, open.saturating_sub(1)));
            }
            Body::List(items) if !items.is_empty() && (open > 1 || !fits) => {
                self.out.push_str(head);
                self.out.push('\n');
                items.iter().for_each(|item| self.item(item, indent, open.saturating_sub(1)));
            }
            _ => self.line(&format!("{head} {flat}"), node),
        }
    }

    /// An item of a list: the first key of a map stands behind the dash.
    fn item(&mut self, item: &Node, indent: usize, open: usize) {
        let dash = format!("{:indent$}-", "");
        match &item.body {
            Body::Map(entries) if !entries.is_empty() && (open > 0 || !self.fits(&dash, item)) => {
                for (i, entry) in entries.iter().enumerate() {
                    let lead = if i == 0 { format!("{dash} ") } else { " ".repeat(indent + 2) };
                    let head = format!("{lead}{}:", key(&entry.key.text));
                    self.value(&head, &entry.value, indent + 4, 0);
                }
            }
            _ => self.line(&format!("{dash} {}", flow(item)), item),
        }
    }

    fn fits(&self, head: &str, node: &Node) -> bool {
        head.len() + 1 + flow(node).len() <= LINE_MAX && self.is_of_one_file(node)
    }

    fn line(&mut self, text: &str, node: &Node) {
        self.out.push_str(text);
        if let Some(reader) = self.origins {
            let width = text.chars().count();
            let gap = COMMENT_AT.saturating_sub(width).max(2);
            let name = reader.name_of(node.place);
            let _ = write!(self.out, "{:gap$}# {}:{}", "", name.replace(['\n', '\r'], " "), node.place.line);
        }
        self.out.push('\n');
    }

    /// Whether one comment can say where all of it stands.
    fn is_of_one_file(&self, node: &Node) -> bool {
        self.origins.is_none_or(|reader| is_all_of(node, reader, reader.file_of(node.place)))
    }
}

fn is_all_of(node: &Node, reader: &Reader, file: usize) -> bool {
    reader.file_of(node.place) == file
        && match &node.body {
            Body::List(items) => items.iter().all(|item| is_all_of(item, reader, file)),
            Body::Map(entries) => entries.iter().all(|entry| is_all_of(&entry.value, reader, file)),
            Body::Scalar { .. } | Body::Broken => true,
        }
}

/// A value on one line.
fn flow(node: &Node) -> String {
    match &node.body {
        Body::Scalar { text, plain: true } if node.is_null() || is_plain(text) => text.clone(),
        Body::Scalar { text, .. } => quoted(text),
        Body::List(items) if items.is_empty() => "[]".to_owned(),
        Body::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Body::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Body::Map(entries) => {
            let all = entries.iter().map(|entry| format!("{}: {}", key(&entry.key.text), flow(&entry.value)));
            format!("{{ {} }}", all.collect::<Vec<_>>().join(", "))
        }
        Body::Broken => "~".to_owned(),
    }
}

fn key(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether a text means the same without quotes, wherever it stands.
fn is_plain(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.:/%+*".contains(c);
    let negative = text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (text.starts_with(begins) || negative) && text.chars().all(fits) && !text.ends_with(':')
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || matches!(c as u32, 0x7f..=0x9f | 0x2028 | 0x2029 | 0xfeff) => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
