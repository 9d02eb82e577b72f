//! Rulebooks and mappings from files.

use super::usage;
use crate::problems;
use crate::run::setup::Shown;
use anyhow::Result;
use cxwatch_event::Catalogue;
use cxwatch_event::mapping::Mapping;
use cxwatch_rulebook::yaml::{Problem, Reader, has_errors, parse};
use cxwatch_rulebook::{Compilation, PACK_MARK, Rulebook, Source};
use std::path::Path;
use std::sync::Arc;

/// Reads a text file, or standard input for `-`.
pub(crate) fn text(path: &Path) -> Result<String> {
    let name = path.display();
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)
            .map_err(|e| usage(format!("cannot read standard input: {e}")))?;
        bytes
    } else {
        std::fs::read(path).map_err(|e| usage(format!("cannot read {name}: {e}")))?
    };
    utf8(bytes).map_err(|place| usage(format!("{name}:{place}")))
}

/// The text of a file, or `line:column: ` and what is wrong there.
pub(crate) fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let (valid, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let line = bytes[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        let begins = bytes[..valid].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&bytes[begins..valid]).chars().count() + 1;
        format!("{line}:{column}: the byte 0x{:02x} is not UTF-8; save the file as UTF-8", bytes[valid])
    })
}

/// Reads and compiles a rulebook. Problems are shown; with an error among them this is one of usage.
pub(crate) fn rulebook(path: &Path) -> Result<Arc<Rulebook>> {
    rulebook_with(path, &[], Shown::All).map(|(_, book)| book)
}

/// The same with its text as it holds, which builds on no other file; `calendars` are used by the settings, so they are
/// not idle.
pub(crate) fn rulebook_with(
    path: &Path,
    calendars: &[&str],
    shown: Shown,
) -> Result<(String, Arc<Rulebook>)> {
    let mut files = compile(path)?;
    match std::mem::replace(&mut files.result, Err(Vec::new())) {
        Ok((book, mut warnings)) => {
            let idle = |calendar: &&str| format!("no rule or action uses the calendar `{calendar}`");
            let used: Vec<String> = calendars.iter().map(idle).collect();
            warnings.retain(|warning| !used.contains(&warning.message));
            if shown == Shown::All {
                eprint!("{}", problems::render_of(&files, &warnings));
            }
            Ok((files.effective, Arc::new(book)))
        }
        Err(found) => {
            eprint!("{}", problems::render_of(&files, &found));
            Err(usage(format!("{} is not a valid rulebook: {}", path.display(), problems::count(&found))))
        }
    }
}

/// Reads and compiles a rulebook with the files that it builds on.
pub(crate) fn compile(path: &Path) -> Result<Compilation> {
    let source = text(path)?;
    Ok(cxwatch_rulebook::compile_files(&source, &path.display().to_string(), &beside))
}

/// Reads a file that a rulebook names: relative paths count from that rulebook.
fn beside(from: &str, name: &str) -> Result<Source, String> {
    if from.starts_with(PACK_MARK) {
        return Err("a pack cannot build on a file".to_owned());
    }
    let path = Path::new(from).parent().unwrap_or(Path::new("")).join(name);
    let text = text(&path).map_err(|error| error.to_string())?;
    Ok(Source { name: path.display().to_string(), text })
}

/// Reads a mapping for the types of a rulebook, with its text.
pub(crate) fn mapping(path: &Path, catalogue: &Catalogue, shown: Shown) -> Result<(String, Mapping)> {
    let source = text(path)?;
    let name = path.display().to_string();
    match cxwatch_rulebook::mapping::read(&name, &source, catalogue) {
        Ok((mapping, warnings)) => {
            if shown == Shown::All {
                eprint!("{}", problems::render(&source, &warnings));
            }
            Ok((source, mapping))
        }
        Err(found) => Err(invalid(&source, &found, &format!("{name} is not a valid mapping"))),
    }
}

/// Whether a file is there and holds YAML: what can be said of a mapping while its rulebook is broken.
pub(crate) fn yaml(path: &Path) -> Result<()> {
    let source = text(path)?;
    let name = path.display().to_string();
    let reader = Reader::new(&name);
    parse(&source, &reader);
    let found = reader.into_problems();
    if has_errors(&found) {
        return Err(invalid(&source, &found, &format!("{name} cannot be used")));
    }
    Ok(())
}

fn invalid(source: &str, found: &[Problem], what: &str) -> anyhow::Error {
    eprint!("{}", problems::render(source, found));
    usage(format!("{what}: {}", problems::count(found)))
}
