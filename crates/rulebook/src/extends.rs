//! Rulebooks that build on others.
//!
//! `extends: starter` takes everything of a pack that is compiled in, `extends: base.yaml` everything of a file, and the
//! rulebook that says so changes single values of it. Both become one tree before anything is compiled, and every value
//! of it keeps its place, so that what is wrong is named where it stands, also in a pack.
//!
//! What is changed how: rules by their `id`, and then key by key; actions, calendars and types by their names, and then key
//! by key; the policy, the measures of a rule and the cases of a table by their names. Everything else (a selector, a
//! condition, a list) is one value, and replaced as a whole. `~` takes a key away, `disabled: true` a rule. A rule with its
//! `kind`, or an action with its `class`, is written out whole.

mod merge;
mod show;

use crate::Rulebook;
use crate::yaml::{Body, Node, Problem, Reader, has_errors, list_of, parse};
use cxwatch_event::Catalogue;

/// The packs that are compiled in, by name.
pub const PACKS: [(&str, &str); 1] = [("starter", include_str!("../../../rulebooks/starter.yaml"))];
/// What stands before the name of a pack where a file would be named.
pub const PACK_MARK: &str = "pack:";
/// So many rulebooks may build on each other.
const DEPTH_MAX: usize = 8;

/// A file and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, as problems carry it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Reads the file that another one (the first name) names (the second).
pub type Beside<'a> = &'a dyn Fn(&str, &str) -> Result<Source, String>;

/// What came of a rulebook and those that it builds on.
#[derive(Debug)]
pub struct Compilation {
    /// The files read, the rulebook itself first.
    pub sources: Vec<Source>,
    /// The rulebook as it holds, as one file that builds on no other; with comments that say where each value comes
    /// from. Empty where there is none.
    pub shown: String,
    /// The same without comments: the text as it was written, where it builds on no other.
    pub effective: String,
    /// As of [`crate::compile`].
    pub result: Result<(Rulebook, Vec<Problem>), Vec<Problem>>,
}

impl Compilation {
    /// The text of a file read.
    pub fn text(&self, name: &str) -> &str {
        self.sources.iter().find(|source| source.name == name).map_or("", |source| source.text.as_str())
    }
}

/// Compiles a rulebook that may build on files: `beside` reads them.
pub fn compile_files(source: &str, file: &str, beside: Beside<'_>) -> Compilation {
    compile(Catalogue::builtin(), source, file, beside)
}

/// Compiles a rulebook against these event types.
pub(crate) fn compile(catalogue: Catalogue, source: &str, file: &str, beside: Beside<'_>) -> Compilation {
    let reader = Reader::new(file);
    let own = Source { name: file.to_owned(), text: source.to_owned() };
    let mut files = Files { reader: &reader, beside, sources: vec![own], bytes: source.len() + 1 };
    let tree = parse(source, &reader).and_then(|tree| {
        let written = tree.clone();
        let whole = files.whole(tree, &mut vec![file.to_owned()])?;
        Some((whole == written, whole))
    });
    let sources = files.sources;
    let (mut shown, mut effective) = (String::new(), String::new());
    if let Some((as_written, tree)) = &tree {
        shown = show::text(tree, Some(&reader));
        effective = if *as_written { source.to_owned() } else { show::text(tree, None) };
    }
    let book = tree.and_then(|(_, tree)| crate::compile::read(&reader, &tree, catalogue));
    let mut problems = reader.into_problems();
    // What a pack has beyond what is used of it is nobody's mistake.
    problems.retain(|p| *p.file == *file || !p.message.starts_with("no rule"));
    let result = match book {
        Some(book) if !has_errors(&problems) => Ok((book, problems)),
        _ => Err(problems),
    };
    Compilation { sources, shown, effective, result }
}

/// The files of a rulebook, as they are read.
struct Files<'a> {
    reader: &'a Reader,
    beside: Beside<'a>,
    sources: Vec<Source>,
    /// Where the next one begins.
    bytes: usize,
}

impl Files<'_> {
    /// A tree with everything that it builds on. `line` holds the names of those that build on it, itself last.
    fn whole(&mut self, mut tree: Node, line: &mut Vec<String>) -> Option<Node> {
        let Body::Map(entries) = &mut tree.body else { return Some(tree) };
        let named = entries.iter().position(|entry| entry.key.text == "extends");
        let base = match named.map(|at| entries.remove(at)) {
            Some(entry) => Some(self.base(&entry.value, line)?),
            None => None,
        };
        Some(merge::rulebook(self.reader, base, tree))
    }

    /// The rulebook that is built on.
    fn base(&mut self, named: &Node, line: &mut Vec<String>) -> Option<Node> {
        let source = self.find(named, line)?;
        if line.contains(&source.name) {
            let circle: Vec<&str> =
                line.iter().skip_while(|name| **name != source.name).map(String::as_str).collect();
            let message = format!("rulebooks build on each other in a circle: {}", list_of(circle.iter()));
            self.reader.error(named.place, message).expected("one of them without `extends`");
            return None;
        }
        if line.len() >= DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} rulebooks build on each other");
            self.reader.error(named.place, message);
            return None;
        }
        let (start, own) = (self.bytes, Reader::new(&source.name));
        let tree = parse(&source.text, &own);
        self.reader.another(&source.name, start, own.into_problems());
        self.bytes += source.text.len() + 1;
        line.push(source.name.clone());
        self.sources.push(source);
        let mut tree = tree?;
        merge::behind(&mut tree, start);
        let whole = self.whole(tree, line);
        line.pop();
        whole
    }

    fn find(&self, named: &Node, line: &[String]) -> Option<Source> {
        let name = self.reader.text(named)?;
        if let Some((_, text)) = PACKS.iter().find(|(pack, _)| *pack == name) {
            return Some(Source { name: format!("{PACK_MARK}{name}"), text: (*text).to_owned() });
        }
        let packs = || PACKS.iter().map(|(pack, _)| *pack);
        if !name.contains(['/', '\\', '.']) {
            let problem = self.reader.error(named.place, format!("there is no pack `{name}`"));
            problem
                .expected(format!("{}, or a file beside this one: `{name}.yaml`", list_of(packs())))
                .nearest(name, packs());
            return None;
        }
        let from = line.last().map_or("", String::as_str);
        match (self.beside)(from, name) {
            Ok(source) => Some(source),
            Err(why) => {
                self.reader.error(named.place, why).expected(format!("{}, or a file", list_of(packs())));
                None
            }
        }
    }
}
