//! The strict reader: values out of a tree, all problems onto one list.

use super::number::DurationFault;
use super::{
    Body, Entry, Node, Place, Problem, Severity, nearest, parse_decimal, parse_duration, parse_span,
};
use crate::Span;
use cxwatch_event::number::format_micro;
use cxwatch_event::{MICRO, Micro, Millis};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What a duration looks like, for messages.
const DURATION: &str = "a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d` or `2w`";
const SPAN: &str = "a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d`, `2w` or `3bd`";

/// Words that people write for keys, where the map knows the key and does not have it.
const OTHER_WORDS: [(&str, &str); 12] = [
    ("description", "about"),
    ("event", "start"),
    ("events", "event"),
    ("if", "when"),
    ("name", "id"),
    ("threshold", "at_least"),
    ("timeout", "within"),
    ("type", "event"),
    ("until", "stop"),
    ("when", "where"),
    ("where", "when"),
    ("window", "within"),
];

/// Takes values out of a tree. A getter that cannot give its value reports why and gives `None`; reading goes on.
#[derive(Debug)]
pub struct Reader {
    /// The files read, as if they stood one behind the other: the byte at which each begins, and its name. So the
    /// places of a tree that was put together from several files tell which of them each value comes from.
    files: RefCell<Vec<(usize, Arc<str>)>>,
    problems: RefCell<Vec<Problem>>,
    /// Of these, by their numbers, those that another one explains better.
    explained: RefCell<BTreeSet<usize>>,
}

/// A problem that was just reported, to add to.
pub struct Reported<'a>(&'a Reader, usize);

impl Reported<'_> {
    /// Says what would be right.
    pub fn expected(self, expected: impl Into<String>) -> Self {
        self.0.problems.borrow_mut()[self.1].expected = Some(expected.into());
        self
    }

    /// Says what to write instead.
    pub fn suggest(self, suggestion: impl Into<String>) -> Self {
        self.0.problems.borrow_mut()[self.1].suggestion = Some(suggestion.into());
        self
    }

    /// Says what would be right, if that is known.
    pub fn hint(self, expected: Option<String>) -> Self {
        match expected {
            Some(expected) => self.expected(expected),
            None => self,
        }
    }

    /// Says what to write instead, if one of the known names is near enough, and what is known otherwise.
    pub fn nearest<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match nearest(word, known.iter().copied()) {
            Some(name) => self.suggest(name),
            None => self,
        }
    }
}

impl Reader {
    /// A reader for a file of that name.
    pub fn new(file: &str) -> Self {
        Reader {
            files: RefCell::new(vec![(0, file.into())]),
            problems: RefCell::default(),
            explained: RefCell::default(),
        }
    }

    /// One more file, whose bytes begin at `start`, behind those of the files before. What was found in it by a reader
    /// of its own is taken over.
    pub(crate) fn another(&self, file: &str, start: usize, found: Vec<Problem>) {
        self.files.borrow_mut().push((start, file.into()));
        let moved =
            found.into_iter().map(|problem| Problem { place: problem.place.behind(start), ..problem });
        self.problems.borrow_mut().extend(moved);
    }

    /// The number of the file in which something stands: 0 is the first.
    pub(crate) fn file_of(&self, place: Place) -> usize {
        self.files.borrow().partition_point(|(start, _)| *start <= place.start).saturating_sub(1)
    }

    /// The name of the file in which something stands.
    pub(crate) fn name_of(&self, place: Place) -> Arc<str> {
        self.files.borrow()[self.file_of(place)].1.clone()
    }

    /// Reports an error.
    pub fn error(&self, place: Place, message: impl Into<String>) -> Reported<'_> {
        self.report(Severity::Error, place, message.into())
    }

    /// Reports a warning.
    pub fn warning(&self, place: Place, message: impl Into<String>) -> Reported<'_> {
        self.report(Severity::Warning, place, message.into())
    }

    fn report(&self, severity: Severity, place: Place, message: String) -> Reported<'_> {
        let file = self.name_of(place);
        let problem = Problem { severity, file, place, message, expected: None, suggestion: None };
        let mut problems = self.problems.borrow_mut();
        problems.push(problem);
        Reported(self, problems.len() - 1)
    }

    /// Whether an error has been reported.
    pub fn failed(&self) -> bool {
        super::has_errors(&self.problems.borrow())
    }

    /// All problems in the order of their places, file by file. What was found twice is in it once.
    pub fn into_problems(self) -> Vec<Problem> {
        let explained = self.explained.take();
        let all = self.problems.take().into_iter().enumerate();
        let mut problems: Vec<Problem> =
            all.filter(|(number, _)| !explained.contains(number)).map(|(_, problem)| problem).collect();
        problems.sort_by(|a, b| {
            (a.place.start, a.place.end, &a.message).cmp(&(b.place.start, b.place.end, &b.message))
        });
        problems.dedup();
        let files = self.files.borrow();
        for problem in &mut problems {
            let start = files[self.file_of(problem.place)].0;
            problem.place.start -= start;
            problem.place.end = problem.place.end.saturating_sub(start);
        }
        problems
    }

    /// "expected X, found Y", unless the place is known to be broken.
    pub fn mismatch(&self, node: &Node, expected: &str) {
        if node.body != Body::Broken {
            self.error(node.place, format!("{} stands here", node.what())).expected(expected);
        }
    }

    /// The same, with what to write instead.
    pub(crate) fn mismatch_but(&self, node: &Node, expected: &str, suggestion: String) {
        if node.body != Body::Broken {
            let problem = self.error(node.place, format!("{} stands here", node.what()));
            problem.expected(expected).suggest(suggestion);
        }
    }

    /// Text: any scalar, with quotes or without.
    pub fn text<'n>(&self, node: &'n Node) -> Option<&'n str> {
        let text = node.scalar();
        if text.is_none() {
            self.mismatch(node, "text");
        }
        text
    }

    /// One of these words.
    pub fn one_of<'w>(&self, node: &Node, words: &[&'w str]) -> Option<&'w str> {
        let text = self.text(node)?;
        let found = words.iter().find(|w| **w == text).copied();
        if found.is_none() {
            let expected = format!("one of {}", list_of(words.iter()));
            self.error(node.place, format!("`{text}` is not possible here"))
                .expected(expected)
                .nearest(text, words.iter().copied());
        }
        found
    }

    /// A number without quotes, in millionths.
    pub fn decimal(&self, node: &Node) -> Option<Micro> {
        let value = match &node.body {
            Body::Scalar { text, plain: true } => parse_decimal(text),
            _ => None,
        };
        if value.is_none() {
            self.mismatch(node, "a number without quotes, at most six digits after the point");
            self.unquote(node);
        }
        value
    }

    /// A whole number without quotes within a range.
    pub fn integer(&self, node: &Node, range: RangeInclusive<i64>) -> Option<i64> {
        let value = match &node.body {
            Body::Scalar { text, plain: true } => {
                parse_decimal(text).filter(|v| v % MICRO == 0 && !text.contains('.')).map(|v| v / MICRO)
            }
            _ => None,
        };
        let value = value.filter(|v| range.contains(v));
        if value.is_none() {
            self.mismatch(node, &format!("a whole number from {} to {}", range.start(), range.end()));
            self.unquote(node);
        }
        value
    }

    /// After a number was refused: the same without quotes, if that is all.
    fn unquote(&self, node: &Node) {
        if let Body::Scalar { text, plain: false } = &node.body
            && parse_decimal(text).is_some()
            && let Some(last) = self.problems.borrow_mut().last_mut()
        {
            last.suggestion = Some(text.clone());
        }
    }

    /// `true` or `false`, without quotes.
    pub fn bool(&self, node: &Node) -> Option<bool> {
        match &node.body {
            Body::Scalar { text, plain: true } if text == "true" => Some(true),
            Body::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => {
                self.mismatch(node, "`true` or `false`");
                None
            }
        }
    }

    /// A duration in milliseconds: see [`parse_duration`].
    pub fn duration(&self, node: &Node) -> Option<Millis> {
        self.timed(node, parse_duration, DURATION)
    }

    /// A duration or business days: see [`parse_span`].
    pub fn span(&self, node: &Node) -> Option<Span> {
        self.timed(node, parse_span, SPAN)
    }

    fn timed<T>(
        &self,
        node: &Node,
        parse: fn(&str) -> Result<T, DurationFault>,
        expected: &str,
    ) -> Option<T> {
        let Some(text) = node.scalar() else {
            self.mismatch(node, expected);
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                let problem = self.error(node.place, fault.message).expected(expected);
                if let Some(suggestion) = fault.suggestion {
                    problem.suggest(suggestion);
                }
                None
            }
        }
    }

    /// A share like `80%`, in thousandths.
    pub fn permille(&self, node: &Node) -> Option<u16> {
        let share = node.scalar().and_then(|t| t.strip_suffix('%')).and_then(parse_decimal);
        let permille =
            share.filter(|m| m % (MICRO / 10) == 0).and_then(|m| u16::try_from(m / (MICRO / 10)).ok());
        if permille.is_none() && node.body != Body::Broken {
            let problem =
                self.error(node.place, format!("{} stands here", node.what())).expected("a share like `80%`");
            // Most likely meant: 80 is 80%, and 0.8 is too.
            match node.scalar().and_then(parse_decimal).filter(|share| (1..=100 * MICRO).contains(share)) {
                Some(share) if share < MICRO => problem.suggest(format!("{}%", format_micro(share * 100))),
                Some(share) => problem.suggest(format!("{}%", format_micro(share))),
                None => problem,
            };
        }
        permille
    }

    /// A list. Empty where it is none, which is reported.
    pub fn list<'n>(&self, node: &'n Node) -> &'n [Node] {
        match &node.body {
            Body::List(items) => items,
            _ => {
                self.mismatch(node, "a list");
                &[]
            }
        }
    }

    /// A list, or a single value that stands for a list of one.
    pub fn list_or_single<'n>(&self, node: &'n Node) -> &'n [Node] {
        match &node.body {
            Body::List(items) => items,
            Body::Broken => &[],
            _ if node.is_null() => {
                self.mismatch(node, "a value or a list");
                &[]
            }
            _ => std::slice::from_ref(node),
        }
    }

    /// A map. `what` says in messages what it is, with its article: "a rule", "`open`".
    pub fn map<'n>(&'n self, node: &'n Node, what: &str) -> Option<Map<'n>> {
        match &node.body {
            Body::Map(entries) => {
                let asked = entries.iter().map(|_| Cell::new(false)).collect();
                let what = what.to_owned();
                let (known, lacking) = (RefCell::default(), RefCell::default());
                Some(Map { reader: self, place: node.place, entries, asked, known, lacking, what })
            }
            _ => {
                self.mismatch(node, &format!("a map: {what} has keys and values"));
                None
            }
        }
    }
}

/// "`a`, `b`, `c`".
pub(crate) fn list_of(names: impl Iterator<Item = impl Display>) -> String {
    names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// A map that knows which keys it was asked for.
#[derive(Debug)]
pub struct Map<'n> {
    reader: &'n Reader,
    place: Place,
    entries: &'n [Entry],
    asked: Vec<Cell<bool>>,
    known: RefCell<Vec<&'static str>>,
    /// The keys that must be there and are not, and the numbers of the problems that say so.
    lacking: RefCell<Vec<(&'static str, usize)>>,
    what: String,
}

impl<'n> Map<'n> {
    /// Where the map stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The reader.
    pub fn reader(&self) -> &'n Reader {
        self.reader
    }

    /// The value of a key that may be there.
    pub fn get(&self, key: &'static str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A key that may be there, with its place and value.
    pub fn entry(&self, key: &'static str) -> Option<&'n Entry> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        let at = self.entries.iter().position(|e| e.key.text == key)?;
        self.asked[at].set(true);
        Some(&self.entries[at])
    }

    /// The value of a key that must be there.
    pub fn need(&self, key: &'static str) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            let place = Place { end: self.place.start, ..self.place };
            let problem = self.reader.error(place, format!("{} has no `{key}`", self.what));
            let problem = problem.expected(format!("`{key}: ...` in it"));
            self.lacking.borrow_mut().push((key, problem.1));
        }
        found
    }

    /// All entries, for maps whose keys are names of the author's choice. Counts as having asked for all.
    pub fn entries(&self) -> &'n [Entry] {
        self.asked.iter().for_each(|asked| asked.set(true));
        self.entries
    }

    /// The entries that nobody has asked for yet, and asks for them.
    pub fn rest(&self) -> Vec<&'n Entry> {
        let rest = self.entries.iter().zip(&self.asked).filter(|(_, asked)| !asked.replace(true));
        rest.map(|(entry, _)| entry).collect()
    }

    /// Whether a key stands here that nobody has asked for yet.
    pub fn has_unknown(&self) -> bool {
        self.asked.iter().any(|asked| !asked.get())
    }

    /// Reports every key that nobody has asked for. Where one stands for a key that must be there, that this one is
    /// missing is not said too.
    pub fn done(self) {
        let known = self.known.borrow();
        for entry in self.rest() {
            let name = &entry.key.text;
            let message = format!("{} has no key `{name}`", self.what);
            let mut sorted = known.clone();
            sorted.sort_unstable();
            let problem = self.reader.error(entry.key.place, message);
            let problem = problem.expected(format!("one of {}", list_of(sorted.iter())));
            if let Some(meant) = self.meant(name, &known) {
                problem.suggest(meant);
                let lacking = self.lacking.borrow();
                let explained = lacking.iter().filter(|(key, _)| *key == meant).map(|(_, number)| *number);
                self.reader.explained.borrow_mut().extend(explained);
            }
        }
    }

    /// The key that an unknown one most likely stands for.
    fn meant(&self, name: &str, known: &[&'static str]) -> Option<&'static str> {
        let there = |key: &str| self.entries.iter().any(|entry| entry.key.text == key);
        let other =
            OTHER_WORDS.iter().filter(|(word, key)| *word == name && known.contains(key) && !there(key));
        let other = other.map(|(_, key)| *key).next();
        other.or_else(|| {
            nearest(name, known.iter().copied()).and_then(|near| known.iter().find(|k| **k == near).copied())
        })
    }
}
