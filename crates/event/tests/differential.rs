//! Texts at random, mostly slightly broken: scanner against `serde_json`, decoder against JSON Schema.
//!
//! The same texts are JSON to both, and mean the same, but for what [`excused`] lists.

// A test reads files: the bans are for the library.
#![allow(clippy::disallowed_methods)]

mod support;

use cxwatch_event::scan::{DEPTH_MAX, Expected, Kind, Scan, Scanner};
use cxwatch_event::{Catalogue, MICRO, Reason};
use serde_json::{Map, Value, json};
use std::fs;
use support::{Schemas, decode, folder, home, names};

/// SplitMix64 (Steele, Lea, Flood 2014): the seed reproduces a run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

fn blanks(random: &mut Random, text: &mut String) {
    if random.below(8) == 0 {
        text.push_str(random.of(&[" ", "\n", "\t\r", "  "]));
    }
}

fn string(random: &mut Random, text: &mut String) {
    const PIECES: [&str; 20] = [
        "a",
        "id",
        "data",
        "é",
        "\u{1f600}",
        "\u{7f}",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0041",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\udc00",
        "\\b",
        "\\f",
        "\\u0000",
        "0123456789abcdef",
        "}],:{[",
    ];
    text.push('"');
    for _ in 0..random.below(6) {
        text.push_str(random.of(&PIECES));
    }
    text.push('"');
}

fn number(random: &mut Random, text: &mut String) {
    const DIGITS: [&str; 8] = ["0", "1", "5", "9", "42", "000", "123456789", "99999999999999999999"];
    text.push_str(random.of(&["", "", "-"]));
    match random.below(3) {
        0 => text.push('0'),
        _ => text.push_str(random.of(&["1", "9", "12", "9200000000000", "18446744073709551616", "7"])),
    }
    if random.below(2) == 0 {
        text.push('.');
        (0..=random.below(3)).for_each(|_| text.push_str(random.of(&DIGITS)));
    }
    if random.below(3) == 0 {
        text.push_str(random.of(&["e", "E", "e+", "e-"]));
        text.push_str(random.of(&["0", "1", "2", "05", "12", "30"]));
    }
}

fn value(random: &mut Random, depth: usize, text: &mut String) {
    blanks(random, text);
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => text.push_str(random.of(&["true", "false", "null"])),
        1 | 2 => string(random, text),
        3 | 4 => number(random, text),
        5 => {
            text.push('[');
            for i in 0..random.below(4) {
                text.push_str(if i > 0 { "," } else { "" });
                value(random, depth - 1, text);
            }
            text.push(']');
        }
        _ => {
            text.push('{');
            for i in 0..random.below(4) {
                text.push_str(if i > 0 { "," } else { "" });
                blanks(random, text);
                string(random, text);
                blanks(random, text);
                text.push(':');
                value(random, depth - 1, text);
            }
            text.push('}');
        }
    }
    blanks(random, text);
}

/// Up to three edits of bytes that matter to a parser.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    const BYTES: &[u8] = b"\"\\{}[]:,0123456789-+.eEtfnul u\0\x1f\x80\xc3\xff\n";
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() + 1);
        let byte = BYTES[random.below(BYTES.len())];
        match random.below(5) {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => bytes[at] = byte,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => {
                let from = random.below(bytes.len() + 1);
                let piece = bytes[from..(from + random.below(12)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

/// The value that the scanner sees, numbers in millionths.
fn scan(scanner: &mut Scanner, depth: u32) -> Scan<Value> {
    if depth > DEPTH_MAX {
        return Err(Expected("less depth"));
    }
    Ok(match scanner.kind()? {
        Kind::String => json!(scanner.string()?.text()),
        Kind::Number => json!(scanner.number()?.micro()),
        Kind::Bool => json!(scanner.truth()?),
        Kind::Null => scanner.null().map(|()| Value::Null)?,
        // There is no walk through arrays: nothing in an event has one.
        Kind::Array => scanner.skip(depth).map(|()| json!([]))?,
        Kind::Object => {
            let mut object = Map::new();
            let mut name = scanner.first_name()?;
            while let Some(field) = name {
                object.insert(field.text().into_owned(), scan(scanner, depth + 1)?);
                name = scanner.next_name()?;
            }
            Value::Object(object)
        }
    })
}

fn agree(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((n, a), (m, b))| n == m && agree(a, b))
        }
        (_, Value::Array(_)) => *ours == json!([]),
        (Value::Number(micro), Value::Number(number)) => {
            let micro = micro.as_i64().expect("millionths");
            match number.as_i64() {
                Some(whole) => whole.checked_mul(MICRO) == Some(micro),
                // Half a millionth by rounding, and what a double lacks.
                None => {
                    let double = number.as_f64().expect("finite");
                    (micro as f64 / 1e6 - double).abs() <= 0.500_001e-6 + double.abs() * 1e-15
                }
            }
        }
        (Value::Null, Value::Number(number)) => number.as_f64().is_some_and(|n| n.abs() > 9.199_999e12),
        _ => ours == theirs,
    }
}

/// What is JSON by its grammar, and not to `serde_json`: a number beyond what a double can hold.
fn excused(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("number out of range")
}

#[test]
fn the_scanner_takes_what_serde_json_takes_and_sees_the_same() {
    let (mut taken, mut refused, mut excuses) = (0, 0, 0);
    for seed in 0..30_000 {
        let random = &mut Random(seed);
        let mut text = String::new();
        value(random, 5, &mut text);
        let mut bytes = text.into_bytes();
        mutate(random, &mut bytes);
        let shown = String::from_utf8_lossy(&bytes);
        let theirs = serde_json::from_slice::<Value>(&bytes);
        let text = std::str::from_utf8(&bytes).ok();
        let skipped = text.is_some_and(|t| {
            let mut scanner = Scanner::new(t);
            scanner.skip(0).and_then(|()| scanner.end()).is_ok()
        });
        let ours = text.and_then(|t| {
            let mut scanner = Scanner::new(t);
            let value = scan(&mut scanner, 0).ok()?;
            scanner.end().ok().map(|()| value)
        });
        assert_eq!(ours.is_some(), skipped, "seed {seed}: {shown}");
        match (ours, theirs) {
            (Some(ours), Ok(theirs)) => {
                assert!(agree(&ours, &theirs), "seed {seed}: {shown}\n{ours}\n{theirs}");
                taken += 1;
            }
            (None, Err(_)) => refused += 1,
            (Some(_), Err(error)) if excused(&error) => excuses += 1,
            (ours, theirs) => panic!("seed {seed}: {shown}\n{ours:?}\n{theirs:?}"),
        }
    }
    assert!(taken > 5_000 && refused > 5_000 && excuses < 1_000, "{taken} {refused} {excuses}");
}

#[test]
fn the_decoder_takes_what_the_schema_takes() {
    let (schemas, catalogue) = (Schemas::builtin(), Catalogue::builtin());
    let read =
        |name| fs::read(folder().join(format!("examples/valid/{name}.json"))).expect("a readable example");
    let examples: Vec<Vec<u8>> = names("examples/valid").into_iter().map(read).collect();
    let (mut taken, mut refused, mut beyond) = (0, 0, 0);
    for seed in 0..30_000 {
        let random = &mut Random(seed);
        let mut bytes = examples[random.below(examples.len())].clone();
        mutate(random, &mut bytes);
        let event = serde_json::from_slice::<Value>(&bytes);
        let feed = event.as_ref().map_or("web", |event| home(&catalogue, event));
        let valid = event.as_ref().is_ok_and(|event| event.is_object() && schemas.valid(event));
        let shown = String::from_utf8_lossy(&bytes);
        match decode(&bytes, feed, None) {
            Ok(_) if valid => taken += 1,
            Err(_) if !valid => refused += 1,
            // A name that stands twice.
            Err(why) if why.reason == Reason::Malformed && why.expected == "stands twice" => beyond += 1,
            Ok(_) if event.as_ref().is_err_and(excused) => beyond += 1,
            fate => panic!("seed {seed}: {shown}\nschema: {valid}, decoder: {fate:?}"),
        }
    }
    assert!(taken > 5_000 && refused > 5_000 && beyond < 1_000, "{taken} {refused} {beyond}");
}
