//! The tree.

use super::Reader;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::BTreeMap;

/// A larger file is refused, in bytes.
const SIZE_MAX_BYTES: usize = 4 << 20;
/// Deeper nesting is refused.
const DEPTH_MAX: usize = 64;

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The byte at which it begins.
    pub start: usize,
    /// The byte before which it ends.
    pub end: usize,
}

impl Place {
    /// The same place where other files of so many bytes stand before.
    pub(crate) fn behind(self, bytes: usize) -> Self {
        Place { start: self.start + bytes, end: self.end + bytes, ..self }
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// The value.
    pub body: Body,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text, a number, a truth value or nothing: which of them, the reader says.
    Scalar {
        /// The text, unescaped.
        text: String,
        /// Written without quotes, so that it may be a number, a truth value or nothing.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file. No key occurs twice.
    Map(Vec<Entry>),
    /// Something that was refused and has been reported. Readers pass over it in silence.
    Broken,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Name,
    /// The value.
    pub value: Node,
}

/// A key and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The text of the key.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// Whether it holds nothing: no text at all, `~` or `null`, without quotes.
    pub fn is_null(&self) -> bool {
        matches!(&self.body, Body::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar, however it is written; `None` for lists, maps and nothing.
    pub fn scalar(&self) -> Option<&str> {
        match &self.body {
            Body::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The value of a key, where this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Node> {
        match &self.body {
            Body::Map(entries) => entries.iter().find(|e| e.key.text == key).map(|e| &e.value),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> String {
        match &self.body {
            Body::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Body::Scalar { text, plain: true } => format!("`{text}`"),
            Body::Scalar { text, plain: false } => format!("the text \"{text}\""),
            Body::List(_) => "a list".to_owned(),
            Body::Map(_) => "a map".to_owned(),
            Body::Broken => "something broken".to_owned(),
        }
    }
}

/// A collection that is still being read.
struct Open {
    place: Place,
    body: Body,
    /// The key that waits for its value: its text (`None` if it was refused) and place.
    key: Option<Option<Name>>,
    /// The lines of the keys so far.
    seen: BTreeMap<String, usize>,
    broken: bool,
}

/// Reads a document. Problems go to the reader; a syntax error ends the reading, and there is no tree then. An empty
/// document is reported too.
pub fn parse(source: &str, reader: &Reader) -> Option<Node> {
    if source.len() > SIZE_MAX_BYTES {
        let message = format!("the file has {} bytes", source.len());
        reader.error(Place::default(), message).expected(format!("at most {SIZE_MAX_BYTES} bytes"));
        return None;
    }
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder { reader, stack: Vec::new(), root: None, documents: 0 };
    for event in Parser::new_from_str_with_options(source, options) {
        match event {
            Ok((event, span)) => builder.event(event, place_of(&span)),
            Err(error) => {
                let mark = error.marker();
                let start = mark.byte_offset().unwrap_or(0);
                let place = Place { line: mark.line(), column: mark.col() + 1, start, end: start };
                let info = error.info();
                reader
                    .error(place, format!("this is not valid YAML: {info}"))
                    .hint(syntax_hint(source, place));
                return None;
            }
        }
        if builder.documents > 1 {
            break;
        }
    }
    if builder.root.as_ref().is_none_or(Node::is_null) {
        let place = Place { line: 1, column: 1, start: 0, end: 0 };
        reader.error(place, "the file is empty").expected("a map of keys and values");
        return None;
    }
    builder.root
}

/// What people trip over most. The parser may notice a line late.
fn syntax_hint(source: &str, place: Place) -> Option<String> {
    let mut near = source.lines().skip(place.line.saturating_sub(1)).take(2);
    let tab = near.any(|line| line[..line.len() - line.trim_start().len()].contains('\t'));
    if tab {
        return Some("spaces instead of the tab that indents a line here".to_owned());
    }
    let line = source.lines().nth(place.line.saturating_sub(1))?;
    let before: String = line.chars().take(place.column.saturating_sub(1)).collect();
    if !line.chars().skip(before.chars().count()).collect::<String>().starts_with(':') {
        return None;
    }
    // A colon where no key can end: inside an unquoted text, or behind a key that stands too far in.
    let what = match before.contains(": ") {
        true => "quotes around a text that contains `: `",
        false => "the keys of one map at the same indent: this line begins too far right",
    };
    Some(what.to_owned())
}

fn place_of(span: &Span) -> Place {
    let (start, end) = (span.start.byte_offset().unwrap_or(0), span.end.byte_offset().unwrap_or(0));
    Place { line: span.start.line(), column: span.start.col() + 1, start, end: end.max(start) }
}

struct Builder<'a> {
    reader: &'a Reader,
    stack: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, place: Place) {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.reader
                        .error(place, "a second document begins here")
                        .expected("one document per file");
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.reader
                    .error(place, "an alias (`*name`) stands here")
                    .expected("the value itself; in quotes, if a pattern is meant: `\"*.failed\"`");
                self.push(Node { place, body: Body::Broken });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let broken = self.refuse(place, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                let body =
                    if broken { Body::Broken } else { Body::Scalar { text: text.into_owned(), plain } };
                self.push(Node { place, body });
            }
            Event::SequenceStart(_, anchor, tag) => {
                let broken = self.refuse(place, anchor, tag.is_some());
                self.stack.push(Open {
                    place,
                    body: Body::List(Vec::new()),
                    key: None,
                    seen: BTreeMap::new(),
                    broken,
                });
            }
            Event::MappingStart(_, anchor, tag) => {
                let broken = self.refuse(place, anchor, tag.is_some());
                self.stack.push(Open {
                    place,
                    body: Body::Map(Vec::new()),
                    key: None,
                    seen: BTreeMap::new(),
                    broken,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.stack.pop().expect("the parser closes only what it has opened");
                let place = Place { end: place.end.max(open.place.end), ..open.place };
                self.push(Node { place, body: if open.broken { Body::Broken } else { open.body } });
            }
            _ => {}
        }
    }

    fn refuse(&self, place: Place, anchor: usize, tag: bool) -> bool {
        if anchor != 0 {
            self.reader.error(place, "an anchor (`&name`) stands here").expected("the value without it");
        }
        if tag {
            self.reader.error(place, "a tag (`!name`) stands here").expected("the value without it");
        }
        anchor != 0 || tag
    }

    fn push(&mut self, node: Node) {
        let reader = self.reader;
        let Some(open) = self.stack.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        match &mut open.body {
            Body::List(items) => items.push(node),
            Body::Map(entries) => match open.key.take() {
                None => open.key = Some(key_of(reader, &mut open.seen, node)),
                Some(None) => {}
                Some(Some(key)) => entries.push(Entry { key, value: node }),
            },
            Body::Scalar { .. } | Body::Broken => unreachable!("only collections are opened"),
        }
    }
}

fn key_of(reader: &Reader, seen: &mut BTreeMap<String, usize>, node: Node) -> Option<Name> {
    let place = node.place;
    let Body::Scalar { text, .. } = node.body else {
        if node.body != Body::Broken {
            reader.error(place, "this key is not text").expected("a plain name before the colon");
        }
        return None;
    };
    if let Some(line) = seen.get(&text) {
        let expected = format!("it once: the first is in line {line}");
        reader.error(place, format!("`{text}` stands here a second time")).expected(expected);
        return None;
    }
    seen.insert(text.clone(), place.line);
    Some(Name { text, place })
}
