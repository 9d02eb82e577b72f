//! Configuration as a tree that knows its places, and a strict reader on it.
//!
//! Rulebooks, mappings and the service's settings are YAML 1.2, read here in three steps:
//!
//! 1. [`parse`] turns text into a [`Node`] tree. Every node and key has its [`Place`]. What makes YAML treacherous
//!    is refused: duplicate keys, anchors and aliases, tags, directives, several documents, deep nesting.
//! 2. A [`Reader`] takes values out of the tree: text, numbers, durations, lists, maps. Whatever is wrong is put on
//!    its list, and reading goes on, so that one run names *every* problem.
//! 3. A [`Map`] knows which of its keys have been asked for: [`Map::done`] reports the others, with the nearest name.
//!
//! ```
//! use cxwatch_rulebook::yaml::{parse, Reader};
//!
//! let reader = Reader::new("service.yaml");
//! let tree = parse("feeds:\n  web: { reorder: 2s, tpoic: web.v1 }\n", &reader);
//! if let Some(top) = tree.as_ref().and_then(|node| reader.map(node, "the settings")) {
//!     if let Some(feeds) = top.need("feeds").and_then(|node| reader.map(node, "`feeds`")) {
//!         for entry in feeds.entries() {
//!             let Some(feed) = reader.map(&entry.value, "a feed") else { continue };
//!             let reorder = feed.get("reorder").and_then(|node| reader.duration(node));
//!             assert_eq!(reorder, Some(2_000));
//!             let _topic = feed.get("topic").and_then(|node| reader.text(node));
//!             feed.done();
//!         }
//!     }
//!     top.done();
//! }
//! let problems = reader.into_problems();
//! assert_eq!(problems.len(), 1);
//! assert_eq!(
//!     problems[0].to_string(),
//!     "service.yaml:2:23: error: a feed has no key `tpoic`; expected one of `reorder`, `topic`; write `topic`?"
//! );
//! ```

mod number;
mod problem;
mod reader;
mod tree;

pub use number::{DURATION_PATTERN, SPAN_PATTERN, parse_decimal, parse_duration, parse_span};
pub use problem::{Problem, Severity, has_errors, nearest};
pub(crate) use reader::list_of;
pub use reader::{Map, Reader};
pub use tree::{Body, Entry, Name, Node, Place, parse};
