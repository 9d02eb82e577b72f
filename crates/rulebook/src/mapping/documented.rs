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

macro_rules! examples {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_str!(concat!("../../../../examples/", $name, "/rulebook.yaml")),
            include_str!(concat!("../../../../examples/", $name, "/mapping.yaml")),
        )),*]
    };
}

#[test]
fn rulebook_and_mapping_of_every_example_fit_together() {
    let examples = examples![
        "airline_tweets",
        "anonymous_bank_1999",
        "apache_access_log",
        "boston311_2015",
        "ibm_twitter_care",
        "nycflights13",
        "olist_sample",
        "online_retail_ii",
        "taobao_userbehavior",
        "uci_incident_log",
    ];
    for (name, rulebook, mapping) in examples {
        let (book, warnings) = crate::compile(rulebook, name).unwrap_or_else(|p| panic!("{name}: {p:#?}"));
        assert!(warnings.is_empty(), "{name}: {warnings:#?}");
        let (_, warnings) = read(name, mapping, &book.catalogue).unwrap_or_else(|p| panic!("{name}: {p:#?}"));
        assert!(warnings.is_empty(), "{name}: {warnings:#?}");
    }
}

/// The week of flights in the repository has the columns that its mapping reads.
#[test]
fn the_week_of_flights_is_read_without_a_refusal() {
    let [.., (name, rulebook, mapping)] = examples!["nycflights13"];
    let (book, _) = crate::compile(rulebook, name).expect("it compiles");
    let (mapping, _) = read(name, mapping, &book.catalogue).expect("it compiles");
    let week = include_str!("../../../../examples/nycflights13/week.csv");
    let mut rows = mapping.sections[0].read(week.as_bytes()).expect("no I/O").expect("all columns are there");
    let mut events = 0;
    while let Some(row) = rows.next(&book.interest).expect("no I/O") {
        assert_eq!(row.rejected, []);
        events += row.record.events.len();
    }
    assert_eq!(events, 2 * 6_104);
}
