//! What holds and where it comes from, without secrets.

use super::Settings;
use super::keys::{KEYS, Kind, find, is_secret_property};
use std::fmt::Write;

impl Settings {
    /// The effective settings, one to a line, each with its origin: what `run --check` prints.
    pub(crate) fn show(&self) -> String {
        let mut lines: Vec<(usize, String, String, String)> = self
            .values
            .iter()
            .map(|(path, given)| {
                let secret = find(path).is_some_and(|key| key.kind == Kind::Secret)
                    || (path.len() == 3 && path[1] == "properties" && is_secret_property(&path[2]));
                let value = if secret { "***".to_owned() } else { given.text.clone() };
                (place(path), path.join("."), value, given.origin.clone())
            })
            .collect();
        let host = "the host's name".to_owned();
        if !lines.iter().any(|line| line.1 == "instance_id") {
            lines.push((
                place(&["instance_id".to_owned()]),
                "instance_id".to_owned(),
                self.instance_id.clone(),
                host,
            ));
        }
        for (name, feed) in &self.feeds {
            let path = ["feeds".to_owned(), name.clone(), "topic".to_owned()];
            if !self.values.contains_key(path.as_slice()) {
                lines.push((place(&path), path.join("."), feed.topic.clone(), "the feed's name".to_owned()));
            }
        }
        lines.sort();
        let width = lines.iter().map(|(_, name, value, _)| name.len() + value.len() + 2).max().unwrap_or(0);
        lines.iter().fold(String::new(), |mut text, (_, name, value, origin)| {
            let line = format!("{name}: {value}");
            let _ = writeln!(text, "{line:width$}  # {origin}");
            text
        })
    }
}

/// The place among the documented keys.
fn place(path: &[String]) -> usize {
    let known = find(path);
    KEYS.iter().position(|key| known.is_some_and(|known| known.path == key.path)).unwrap_or(KEYS.len())
}
