//! What the documentation and the examples say compiles.

use super::read;
use cxwatch_event::Catalogue;

/// An entry that a block marked `section` is put into: its lines, by key.
const ENTRY: [(&str, &str); 5] = [
    ("feed", "feed: contact-center\n"),
    ("format", "format: csv\n"),
    ("customer", "customer: who\n"),
    ("id", "id: { record: row }\n"),
    (
        "events",
        "events: [{ type: contact.answered, time: { column: at }, data: { contact_id: { record: row } } }]\n",
    ),
];

fn whole(section: &str) -> String {
    let says = |key: &str| section.lines().any(|line| line.starts_with(&format!("{key}:")));
    let rest: String = ENTRY.iter().filter(|(key, _)| !says(key)).map(|(_, lines)| *lines).collect();
    let entry = format!("{rest}{section}").replace('\n', "\n    ");
    format!("mapping: documented\nfeeds:\n  - {}", entry.trim_start())
}

#[test]
fn every_example_of_the_reference_compiles() {
    let reference = include_str!("../../../../docs/mapping.md");
    let blocks: Vec<&str> = reference.split("```yaml").skip(1).collect();
    assert!(blocks.len() >= 6, "the reference has examples");
    for block in blocks {
        let (head, body) = block.split_once('\n').expect("a block has lines");
        let body = body.split("```").next().expect("a block ends");
        let text = if head.trim() == "section" { whole(body) } else { body.to_owned() };
        if let Err(problems) = read("docs/mapping.md", &text, &Catalogue::builtin()) {
            panic!("{problems:#?}\n{text}");
        }
    }
}
