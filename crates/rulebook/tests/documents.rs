//! The reference and the JSON Schema agree with the compiler.

// What is tested here are files.
#![allow(clippy::disallowed_methods)]

use cxwatch_rulebook::yaml::{Body, Node, Reader, parse, parse_decimal};
use cxwatch_rulebook::{compile, rulebook_schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Around the blocks that are rules only.
const FRAME: &str = r#"
rulebook: docs
version: 1
calendars: { desk: { zone: Europe/Berlin, open: { mon-fri: "08:00-20:00" } } }
actions: { call_back: { class: offer, purpose: service, channel: voice, queue: callbacks, ttl: 30m } }
rules:
"#;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every marked block of the reference as a whole rulebook, with the line where it begins.
fn blocks() -> Vec<(usize, String)> {
    let page = fs::read_to_string(root().join("docs/rulebook.md")).expect("the reference is there");
    let (mut blocks, mut open) = (Vec::new(), None::<(usize, String)>);
    for (number, line) in page.lines().enumerate() {
        match (line, &mut open) {
            ("```yaml rulebook", None) => open = Some((number + 1, String::new())),
            ("```yaml rule", None) => open = Some((number + 1, FRAME.to_owned())),
            ("```", Some(_)) => blocks.extend(open.take()),
            (line, Some((_, text))) => *text += &format!("{line}\n"),
            (line, None) => assert!(!line.starts_with("```yaml"), "line {}: an unmarked block", number + 1),
        }
    }
    blocks
}

/// As an editor reads it.
fn json_of(node: &Node) -> Value {
    match &node.body {
        Body::Scalar { text, plain: true } => match text.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            "~" => Value::Null,
            text => match (text.parse::<i64>(), parse_decimal(text)) {
                (Ok(n), _) => json!(n),
                (_, Some(_)) => json!(text.parse::<f64>().expect("a decimal")),
                _ => json!(text),
            },
        },
        Body::Scalar { text, .. } => json!(text),
        Body::List(items) => items.iter().map(json_of).collect(),
        Body::Map(entries) => {
            Value::Object(entries.iter().map(|e| (e.key.text.clone(), json_of(&e.value))).collect())
        }
        Body::Broken => Value::Null,
    }
}

fn as_json(source: &str) -> Value {
    let reader = Reader::new("block");
    let tree = parse(source, &reader);
    json_of(&tree.unwrap_or_else(|| panic!("{:?}", reader.into_problems())))
}

#[test]
fn every_block_of_the_reference_compiles() {
    let blocks = blocks();
    assert!(blocks.len() >= 12, "{} blocks", blocks.len());
    for (line, source) in blocks {
        if let Err(problems) = compile(&source, "block") {
            let list: String = problems.iter().map(|p| format!("\n{p}")).collect();
            panic!("the block in line {line} of docs/rulebook.md:{list}");
        }
    }
}

#[test]
fn every_block_of_the_reference_is_valid_by_the_schema() {
    let schema = jsonschema::validator_for(&rulebook_schema()).expect("a schema");
    for (line, source) in blocks() {
        let value = as_json(&source);
        let errors: String =
            schema.iter_errors(&value).map(|e| format!("\n{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "the block in line {line} of docs/rulebook.md:{errors}");
    }
}

#[test]
fn the_reference_shows_every_key_that_a_rulebook_can_have() {
    let mut known = BTreeSet::new();
    visit(&rulebook_schema(), &mut |key, value| {
        if key == "properties" {
            known.extend(value.as_object().into_iter().flat_map(|keys| keys.keys().cloned()));
        }
    });
    for (_, source) in blocks() {
        visit(&as_json(&source), &mut |key, _| {
            known.remove(key);
        });
    }
    assert_eq!(known, BTreeSet::new(), "no block of docs/rulebook.md has these keys");
}

/// Also the one that holds where nothing is written: a reader wants to see both.
#[test]
fn the_reference_shows_every_word_of_a_closed_list() {
    let mut known = BTreeSet::new();
    visit(&rulebook_schema(), &mut |key, value| {
        if key == "enum" {
            let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            // Event types are described by their own schemas.
            known.extend(words.filter(|word| !word.contains('.')).map(str::to_owned));
        }
    });
    assert!(known.contains("clear") && known.contains("keep"), "{known:?}");
    for (_, source) in blocks() {
        visit(&as_json(&source), &mut |_, value| {
            let words = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for word in words.iter().filter_map(Value::as_str) {
                known.remove(word);
            }
        });
    }
    assert_eq!(known, BTreeSet::new(), "no block of docs/rulebook.md has these words");
}

fn visit(value: &Value, each: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                each(key, value);
                visit(value, each);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| visit(value, each)),
        _ => {}
    }
}

#[test]
fn the_schema_refuses_what_the_compiler_refuses() {
    let schema = jsonschema::validator_for(&rulebook_schema()).expect("a schema");
    let good =
        "rulebook: t\nversion: 1\nrules: [{ id: a, kind: absence, start: web.login.failed, within: 5m }]\n";
    assert!(schema.is_valid(&as_json(good)));
    for (from, to) in [
        ("rulebook: t", "rulebook: T!"),
        ("version: 1", "version: soon"),
        ("within: 5m", "within: 5 minutes"),
        ("within: 5m", "witin: 5m"),
        ("kind: absence", "kind: absense"),
        ("start: web.login.failed", "start: login failed"),
        ("id: a, ", ""),
    ] {
        let bad = good.replace(from, to);
        assert!(compile(&bad, "bad").is_err(), "{bad}");
        assert!(!schema.is_valid(&as_json(&bad)), "{bad}");
    }
}

#[test]
fn the_committed_schema_is_the_current_one() {
    let file = root().join("schemas/rulebook.schema.json");
    let current = format!("{:#}\n", rulebook_schema());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&file, &current).expect("the schema can be written");
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == current,
        "schemas/rulebook.schema.json is out of date: run the tests with UPDATE_SCHEMAS=1"
    );
}

/// Every rulebook below a folder.
fn rulebooks(folder: &Path, found: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            rulebooks(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let source = fs::read_to_string(&path).expect("a readable file");
            if source.lines().any(|line| line.starts_with("rulebook:")) {
                found.push((path.display().to_string(), source));
            }
        }
    }
}

#[test]
fn every_rulebook_of_the_repository_compiles_without_a_warning_and_is_valid_by_the_schema() {
    let schema = jsonschema::validator_for(&rulebook_schema()).expect("a schema");
    let mut found = Vec::new();
    ["examples", "benches", "rulebooks"]
        .iter()
        .for_each(|folder| rulebooks(&root().join(folder), &mut found));
    assert!(found.len() >= 10, "{} rulebooks", found.len());
    let mut wrong = String::new();
    for (file, source) in found {
        let problems = match compile(&source, &file) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        };
        wrong.extend(problems.iter().map(|p| format!("{p}\n")));
        let value = as_json(&source);
        wrong.extend(
            schema
                .iter_errors(&value)
                .map(|e| format!("{file}: by the schema, {}: {e}\n", e.instance_path())),
        );
    }
    assert!(wrong.is_empty(), "{wrong}");
}
