//! The calls of a real bank as events, for whoever has the data.

use crate::stage::Stage;
use cxwatch_event::mapping::Mapping;
use cxwatch_event::{Event, Interest, MICRO, TypeInterest, Value, rfc3339};
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};

const RULEBOOK: &str = include_str!("../../../examples/anonymous_bank_1999/rulebook.yaml");
const MAPPING: &str = include_str!("../../../examples/anonymous_bank_1999/mapping.yaml");

/// An instant after all deadlines of the bank's year.
pub(crate) const UNTIL: &str = "2000-02-01T00:00:00Z";

/// Where the real data lies, if it is here: below `CXWATCH_DATA`, or where its README unpacks it.
pub(crate) fn folder() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/cxwatch-data"));
    let root = std::env::var_os("CXWATCH_DATA").map(PathBuf::from).or(home)?;
    let found = [root.join("dev/anonymous_bank_1999"), root.join("anonymous_bank_1999")]
        .into_iter()
        .find(|f| f.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED, NOT TESTED: no calls of the bank below {}", root.display());
    }
    found
}

/// The example's rules, each with an action.
pub(crate) fn rulebook() -> String {
    let with_actions = RULEBOOK.replace("\n    kind:", "\n    actions: [call]\n    kind:");
    with_actions + "\nactions:\n  call: { class: internal, queue: care, ttl: 1h }\n"
}

/// Writes the calls as CloudEvents, in the order of their times, to files of the four feeds, of which three stay empty.
pub(crate) fn write(stage: &Stage, folder: &Path) -> Vec<PathBuf> {
    let (mapping, _) = cxwatch_rulebook::mapping::read("mapping.yaml", MAPPING, &stage.book.catalogue)
        .expect("the example's mapping");
    let mut events = Vec::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ext| ext == "tsv")) {
        calls(stage, &mapping, file, &mut events);
    }
    events.sort_by_key(|event| event.time);
    crate::stage::FEEDS
        .map(|feed| {
            let path = stage.path(&format!("{feed}.jsonl"));
            let of_feed = events
                .iter()
                .filter(|event| stage.book.catalogue.spec(event.kind).feed.as_deref() == Some(feed));
            let lines: String = of_feed.map(|event| line(stage, event) + "\n").collect();
            std::fs::write(&path, lines).expect("written");
            path
        })
        .into()
}

fn calls(stage: &Stage, mapping: &Mapping, file: &Path, events: &mut Vec<Event>) {
    let section = mapping.sections.first().expect("the mapping has a section");
    let rows = section.read(File::open(file).expect("readable")).expect("readable");
    let mut rows = rows.unwrap_or_else(|rejection| panic!("{}: {rejection}", file.display()));
    // All fields: whoever reads the files checks what an event must have.
    let everything = stage.book.catalogue.types().map(|_| Some(TypeInterest { fields: u64::MAX })).collect();
    let everything = Interest { types: everything };
    while let Some(mapped) = rows.next(&everything).expect("readable") {
        events.extend(mapped.record.events);
    }
}

fn line(stage: &Stage, event: &Event) -> String {
    let spec = stage.book.catalogue.spec(event.kind);
    let fields = event.fields.iter().map(|field| {
        let value = match &field.value {
            Value::Text(text) => json!(text.as_str()),
            Value::Number(micro) if micro % MICRO == 0 => json!(micro / MICRO),
            Value::Number(micro) => json!(*micro as f64 / MICRO as f64),
            Value::Bool(truth) => json!(truth),
            Value::Time(time) => json!(rfc3339::format(*time)),
        };
        (spec.fields[usize::from(field.field.0)].name.to_string(), value)
    });
    json!({
        "specversion": "1.0",
        "id": format!("{}-{}", event.id, event.sub),
        "source": event.source.as_str(),
        "type": spec.name.as_str(),
        "subject": event.customer.as_str(),
        "time": rfc3339::format(event.time),
        "data": fields.collect::<serde_json::Map<_, _>>(),
    })
    .to_string()
}
