//! Which feeds does a file hold events of? Asked before it is read: a feed without any input must not hold the clock.

use super::input::{self, BytesRead};
use super::lines::{Line, Lines};
use anyhow::{Context, Result};
use cxwatch_rulebook::{FeedIx, FeedSet, Rulebook};
use std::collections::BTreeMap;
use std::path::Path;

/// The needed feeds that a file of CloudEvents has events of.
///
/// Looks only at what stands behind `"type":`, and no further than until all needed feeds have been seen; a feed too
/// many does no harm. Standard input cannot be read twice and may hold all.
pub(crate) fn feeds(path: &Path, book: &Rulebook, needed: FeedSet) -> Result<FeedSet> {
    if path.as_os_str() == input::STDIN {
        return Ok(needed);
    }
    let homes: BTreeMap<&str, FeedIx> = book
        .catalogue
        .types()
        .filter_map(|(id, spec)| Some((spec.name.as_str(), book.feed_of_type[usize::from(id.0)]?)))
        .collect();
    let mut seen = FeedSet::default();
    let mut lines = Lines::new(input::open(path, &BytesRead::default())?);
    let key = memchr::memmem::Finder::new(b"\"type\"");
    let mut last = 0;
    while let Some((number, line)) =
        lines.next().with_context(|| format!("cannot read on in {} after line {last}", path.display()))?
    {
        last = number;
        let Line::Text(line) = line else { continue };
        for at in key.find_iter(line) {
            let Some(kind) = text_after(&line[at + b"\"type\"".len()..]) else { continue };
            if let Some(feed) = std::str::from_utf8(kind).ok().and_then(|kind| homes.get(kind)) {
                seen = seen.with(*feed);
            } else if kind.contains(&b'\\') {
                // Too clever for a glance: it may be anything.
                return Ok(needed);
            }
        }
        if seen.0 & needed.0 == needed.0 && number >= 1 {
            break;
        }
    }
    Ok(seen)
}

/// The text of a string that follows a colon.
fn text_after(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_behind_a_colon_is_found() {
        assert_eq!(text_after(br#" : "web.x","#), Some(&b"web.x"[..]));
        assert_eq!(text_after(br#":1"#), None);
        assert_eq!(text_after(br#", "a""#), None);
    }
}
