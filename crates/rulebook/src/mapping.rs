//! Mapping files: YAML to a [`Mapping`], checked against the catalogue, all problems at once.
//!
//! The language is described in `docs/mapping.md`, whose examples are compiled by a test. What a mapping does to a
//! record is the business of [`cxwatch_event::mapping`].

mod cond;
mod event;
mod expr;
mod scope;
mod section;
mod time;

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;

use crate::yaml::{Problem, Reader, has_errors, parse};
use cxwatch_event::Catalogue;
use cxwatch_event::mapping::Mapping;

/// Reads a mapping file. `file` is its name in messages; `catalogue` is that of the rulebook that it serves, whose
/// own types it may use.
///
/// # Errors
/// Every problem of the file, with its place. Warnings come with the mapping.
pub fn read(file: &str, text: &str, catalogue: &Catalogue) -> Result<(Mapping, Vec<Problem>), Vec<Problem>> {
    let reader = Reader::new(file);
    let mapping = parse(text, &reader).and_then(|node| top(&reader, &node, catalogue));
    let problems = reader.into_problems();
    match mapping {
        Some(mapping) if !has_errors(&problems) => Ok((mapping, problems)),
        _ => Err(problems),
    }
}

fn top(reader: &Reader, node: &crate::yaml::Node, catalogue: &Catalogue) -> Option<Mapping> {
    let map = reader.map(node, "a mapping file")?;
    let name = map.need("mapping").and_then(|node| reader.text(node));
    let mut sections = Vec::new();
    if let Some(feeds) = map.need("feeds") {
        let list = reader.list(feeds);
        if list.is_empty() && !reader.failed() {
            reader
                .error(feeds.place, "no feed is mapped")
                .expected("at least one entry with `feed`, `events`, ...");
        }
        for node in list {
            sections.extend(section::read(reader, node, name.unwrap_or_default(), catalogue));
        }
    }
    map.done();
    Some(Mapping { name: name?.into(), sections })
}
