//! What `cxwatch replay` says of input that is not as it should be: the place, and what to do.

use super::{CART, carts, event, folder, gzip, replay, write};

#[test]
fn replay_refuses_bad_lines_with_reason_and_place_and_goes_on() {
    let dir = folder();
    let bad = "{\"specversion\":\n\n[1]\n";
    let unknown = event("9", "2026-01-05T10:00:00Z", "c1", "web.cart.itemadded", "{}");
    write(dir.path(), "carts.jsonl", format!("{bad}{unknown}{}", carts()));
    let ran = replay(dir.path(), &["--rejected", "dead.jsonl", "carts.jsonl"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, CART), "{}", ran.err);
    assert!(ran.err.contains("carts.jsonl:4: refused: unknown_type at /type"), "{}", ran.err);
    assert!(ran.err.contains("refused as malformed: 2"), "{}", ran.err);
    let dead = std::fs::read_to_string(dir.path().join("dead.jsonl")).expect("written");
    let letters: Vec<serde_json::Value> =
        dead.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let places: Vec<_> = letters.iter().map(|l| (l["line"].as_u64(), l["reason"].as_str())).collect();
    assert_eq!(
        places,
        [(Some(1), Some("malformed")), (Some(3), Some("malformed")), (Some(4), Some("unknown_type"))]
    );
    assert_eq!(letters[1]["value"], "[1]");
    assert_eq!(replay(dir.path(), &["--allow-rejected", "carts.jsonl"], b"").code, 0);
}

/// Rows as they stand, whatever reads them: quotes over several lines, bytes that are no UTF-8, lines of logs, JSON.
#[test]
fn what_was_refused_is_written_with_its_original_bytes() {
    let dir = folder();
    let events = "customer: who
    id: { record: row }
    events: [ { type: web.error.shown, time: { column: at }, data: { code: code } } ]
";
    let mapping = format!(
        "mapping: m
feeds:
  - feed: web
    files: rows.csv
    format: csv
    zone: UTC
    {events}
  - feed: web
    files: log.csv
    format: csv
    one_line: true
    zone: UTC
    {events}
  - feed: web
    files: clicks.json
    format: json
    zone: UTC
    {}",
        events
            .replace("who", "/who")
            .replace("column: at", "column: /at")
            .replace("code: code", "code: /code")
    );
    write(dir.path(), "m.yaml", mapping);
    // The second row spans two lines, the third has bytes that are no UTF-8, and before it an empty line; the rest is more
    // than is read at once.
    let many = "a,2026-01-05T10:00:00Z,404\r\n".repeat(2_000);
    let mut rows = format!("who,at,code\r\n{many}").into_bytes();
    rows.extend_from_slice(b"a,\"never\nat all\",404\r\n\r\n\xff\xfe,soon,404\n");
    rows.extend_from_slice(many.as_bytes());
    rows.extend_from_slice(b"a,2026-01-05T10:00:00Z,404,too much");
    write(dir.path(), "rows.csv", rows);
    write(dir.path(), "log.csv", "who,at,code\n\n a,then,1 \r\na,2026-01-05T10:00:00Z,1\n");
    write(dir.path(), "clicks.json", "{\"who\":\n{\"who\":\"a\",\"at\":7}\n");
    let files = ["rows.csv", "log.csv", "clicks.json"];
    let ran =
        replay(dir.path(), &[&["--mapping", "m.yaml", "--rejected", "dead.jsonl"], &files[..]].concat(), b"");
    assert_eq!(ran.code, 1, "{}", ran.err);
    let dead = std::fs::read_to_string(dir.path().join("dead.jsonl")).expect("written");
    let letters: Vec<serde_json::Value> =
        dead.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut found: Vec<_> = letters
        .iter()
        .map(|l| {
            let text = |name: &str| l[name].as_str().map(str::to_owned);
            (text("file").expect("a file"), l["line"].as_u64(), text("value"), text("value_base64"))
        })
        .collect();
    found.sort();
    let value = |file: &str, line, text: &str| (file.to_owned(), Some(line), Some(text.to_owned()), None);
    let expected = [
        value("clicks.json", 1, "{\"who\":"),
        value("clicks.json", 2, "{\"who\":\"a\",\"at\":7}"),
        value("log.csv", 3, " a,then,1 "),
        value("rows.csv", 2_002, "a,\"never\nat all\",404"),
        // base64 of `\xff\xfe,soon,404`
        ("rows.csv".to_owned(), Some(2_005), None, Some("//4sc29vbiw0MDQ=".to_owned())),
        value("rows.csv", 4_006, "a,2026-01-05T10:00:00Z,404,too much"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn replay_refuses_the_future_unless_told_otherwise() {
    let dir = folder();
    let far = event("9", "2999-01-01T00:00:00Z", "c9", "web.page.viewed", r#"{"url":"/"}"#);
    write(dir.path(), "carts.jsonl", carts() + &far);
    let ran = replay(dir.path(), &["carts.jsonl"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, CART), "{}", ran.err);
    assert!(ran.err.contains("refused as time_in_future: 1"), "{}", ran.err);
    for more in [&["--allow-future"][..], &["--allow-future", "--sort"]] {
        let ran = replay(dir.path(), &[more, &["carts.jsonl"]].concat(), b"");
        assert_eq!((ran.code, ran.out.as_str()), (0, CART), "{}", ran.err);
        assert!(ran.err.contains("clock stopped at 2999"), "{}", ran.err);
    }
}

#[test]
fn missing_and_broken_files_are_errors_and_so_is_nothing_at_all() {
    let dir = folder();
    write(dir.path(), "empty.jsonl", "");
    let ran = replay(dir.path(), &["empty.jsonl"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the input is empty: empty.jsonl"), "{}", ran.err);
    write(dir.path(), "carts.jsonl", carts());
    assert_eq!(replay(dir.path(), &["empty.jsonl", "carts.jsonl"], b"").code, 0);
    let ran = replay(dir.path(), &["missing.jsonl"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("cannot open missing.jsonl: No such file"), "{}", ran.err);
    let ran = replay(dir.path(), &["."], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(". is a directory"), "{}", ran.err);
    write(dir.path(), "a.zip", b"PK\x03\x04rest");
    let ran = replay(dir.path(), &["a.zip"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("a.zip is a zip archive; unpack it first"), "{}", ran.err);
    let mut cut = gzip(carts().as_bytes());
    cut.truncate(cut.len() - 12);
    write(dir.path(), "cut.gz", cut);
    let ran = replay(dir.path(), &["cut.gz"], b"");
    assert_eq!(ran.code, 1);
    for part in ["cannot read on in cut.gz after line ", "cut off here; copy it again"] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
}

const MAPPING: &str = "
mapping: shop
feeds:
  - feed: web
    format: csv
    customer: who
    id: { record: row }
    times:
      at: { column: when, format: iso }
    events:
      - type: web.cart.item_added
        time: at
        data: { cart_id: cart, sku: article, quantity: pieces, unit_price: price }
";

#[test]
fn rows_become_events_by_a_mapping() {
    let dir = folder();
    write(dir.path(), "m.yaml", MAPPING);
    write(
        dir.path(),
        "carts.csv",
        "when,who,cart,article,pieces,price\n\
         2026-01-05T10:00:00Z,c1,k1,lamp,2,49.95\n\
         2026-01-05T10:05:00Z,c2,k2,lamp,two,49.95\n\
         2026-01-05T11:00:00Z,c3,k3,mug,1,1\n",
    );
    let ran = replay(dir.path(), &["-m", "m.yaml", "carts.csv"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, CART), "{}", ran.err);
    assert!(ran.err.contains("carts.csv:3: refused: wrong_type at column \"pieces\""), "{}", ran.err);
    write(dir.path(), "less.csv", "when,who,cart,article,pieces\n2026-01-05T10:00:00Z,c1,k1,lamp,2\n");
    let ran = replay(dir.path(), &["-m", "m.yaml", "less.csv"], b"");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("less.csv: missing_field at header: expected a column \"price\""),
        "{}",
        ran.err
    );
}

const HEAD: &str = "when,who,cart,article,pieces,price\n";

#[test]
fn a_header_alone_is_a_day_without_rows() {
    let dir = folder();
    write(dir.path(), "m.yaml", MAPPING);
    write(dir.path(), "head.csv", HEAD);
    let none = "rule,key,deadline_ts,level,customer,what\n";
    for (arguments, input) in [(["-m", "m.yaml", "head.csv"], ""), (["-m", "m.yaml", "-"], HEAD)] {
        let ran = replay(dir.path(), &arguments, input.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (0, none), "{}", ran.err);
        assert!(ran.err.contains("warning: no rows: nothing in "), "{}", ran.err);
        assert!(ran.err.contains("no events in the input"), "{}", ran.err);
    }
    write(dir.path(), "row.csv", format!("{HEAD}2026-01-05T10:00:00Z,c1,k1,lamp,2,49.95\n"));
    let ran = replay(dir.path(), &["-m", "m.yaml", "--until", "2026-01-06", "head.csv", "row.csv"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, CART), "{}", ran.err);
    assert!(!ran.err.contains("no rows"), "{}", ran.err);
}

#[test]
fn what_holds_nothing_is_named() {
    let dir = folder();
    write(dir.path(), "m.yaml", MAPPING);
    write(dir.path(), "blank.jsonl", "\n\n  \n");
    write(dir.path(), "blank.csv", "\n\n  \n");
    write(dir.path(), "empty.csv", "");
    let cases: [(&[&str], &str); 3] = [
        (&["blank.jsonl"], "there is nothing to replay but blank lines: blank.jsonl"),
        (&["-m", "m.yaml", "blank.csv"], "blank.csv: missing_field at header: expected the columns "),
        (&["-m", "m.yaml", "empty.csv"], "; the file is empty"),
    ];
    for (arguments, message) in cases {
        let ran = replay(dir.path(), arguments, b"");
        assert_eq!(ran.code, 1, "{arguments:?}");
        assert!(ran.err.contains(message), "{arguments:?} {}", ran.err);
    }
    let ran = replay(dir.path(), &["-m", "m.yaml", "blank.csv"], b"");
    assert!(ran.err.contains("; the first row is blank"), "{}", ran.err);
}

#[test]
fn other_columns_than_the_mapping_names_are_shown() {
    let dir = folder();
    write(dir.path(), "m.yaml", MAPPING);
    let marks = [(";", "\";\""), ("\t", "tab"), ("|", "\"|\"")];
    for (mark, said) in marks {
        write(dir.path(), "other.csv", HEAD.replace(',', mark));
        let ran = replay(dir.path(), &["-m", "m.yaml", "other.csv"], b"");
        assert_eq!(ran.code, 1);
        let hint = format!("(one column; should the mapping say `delimiter: {said}`?)");
        assert!(ran.err.contains(&hint), "{mark:?} {}", ran.err);
    }
    write(dir.path(), "carts.jsonl", carts());
    let ran = replay(dir.path(), &["carts.jsonl", "-m", "m.yaml"], b"");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("carts.jsonl: missing_field at header: expected the columns \"who\", "),
        "{}",
        ran.err
    );
}

#[test]
fn packed_files_that_are_cut_off_or_damaged_say_so_and_what_to_do() {
    let dir = folder();
    let many: String = (0..2_000)
        .map(|i| event(&i.to_string(), "2026-01-05T10:00:00Z", "c1", "web.page.viewed", "{}"))
        .collect();
    let mut cut = zstd::encode_all(many.as_bytes(), 1).expect("packed");
    cut.truncate(cut.len() / 2);
    let mut damaged = gzip(many.as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let mut no_blocks = zstd::encode_all(many.as_bytes(), 1).expect("packed");
    no_blocks[8..].fill(0xff);
    for (name, bytes, message) in [
        ("cut.zst", cut, "the compressed file is cut off here; copy it again"),
        ("damaged.gz", damaged, "the compressed file is damaged, copy it again ("),
        ("damaged.zst", no_blocks, "the compressed file is damaged, copy it again ("),
    ] {
        write(dir.path(), name, bytes);
        let ran = replay(dir.path(), &[name], b"");
        assert_eq!(ran.code, 1, "{name}");
        let place = format!("cannot read on in {name} after line ");
        assert!(ran.err.contains(&place) || ran.err.contains(&format!("cannot read {name}")), "{}", ran.err);
        assert!(ran.err.contains(message), "{name} {}", ran.err);
    }
}

/// A file that opens and cannot be read, by whomever.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_named() {
    let ran = replay(folder().path(), &["/proc/self/mem"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("error: cannot read /proc/self/mem: Input/output error"), "{}", ran.err);
}

#[test]
fn a_line_cut_off_is_refused_with_the_byte_at_which_it_ends() {
    let dir = folder();
    let whole = carts();
    write(dir.path(), "cut.jsonl", format!("{whole}{}", &whole[..60]));
    let ran = replay(dir.path(), &["cut.jsonl"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, CART));
    assert!(ran.err.contains("cut.jsonl:5: refused: malformed at byte 60: expected "), "{}", ran.err);
}

#[test]
fn absurd_times_are_refused_with_what_would_be_one() {
    let dir = folder();
    let times = ["1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "1735689600", "2026-01-01T00:00:00", ""];
    let event = |time: &&str| event("1", time, "c1", "web.page.viewed", r#"{"url":"/"}"#);
    write(dir.path(), "times.jsonl", times.iter().map(event).collect::<String>());
    let ran = replay(dir.path(), &["times.jsonl"], b"");
    assert_eq!(ran.code, 1);
    for line in 1..=5 {
        let place =
            format!("times.jsonl:{line}: refused: bad_time at /time: expected an instant as RFC 3339 says");
        assert!(ran.err.contains(&place), "{place} {}", ran.err);
    }
    write(dir.path(), "m.yaml", MAPPING);
    let times = ["9999-12-31T00:00:00Z", "1900-01-01T00:00:00Z", "2026-02-30T10:00:00Z", "soon"];
    let rows = times.map(|time| format!("{time},c1,k1,lamp,2,49.95\n"));
    write(dir.path(), "times.csv", format!("{HEAD}{}", rows.concat()));
    let ran = replay(dir.path(), &["-m", "m.yaml", "times.csv"], b"");
    assert_eq!(ran.code, 1);
    for (line, expected) in [
        (2, "a time before 9999-12-30 (a mark for no time at all goes under `missing`)"),
        (3, "a time such as 2026-11-24 12:00:00, from 1970 on"),
        (4, "a date that exists"),
        (5, "a time such as 2026-11-24 12:00:00, from 1970 on"),
    ] {
        let place = format!("times.csv:{line}: refused: bad_time at column \"when\": expected {expected}");
        assert!(ran.err.contains(&place), "{place} {}", ran.err);
    }
}

#[test]
fn a_quote_left_open_is_suspected() {
    let dir = folder();
    write(dir.path(), "m.yaml", MAPPING);
    let row = "2026-01-05T10:00:00Z,c1,k1,lamp,2,49.95\n";
    write(dir.path(), "quote.csv", format!("{HEAD}\"{row}{row}{row}"));
    let ran = replay(dir.path(), &["-m", "m.yaml", "quote.csv"], b"");
    assert_eq!(ran.code, 1);
    let said = "quote.csv:2: refused: malformed at row 1: expected 6 columns, found 1 in 4 lines; is a quote left open?";
    assert!(ran.err.contains(said), "{}", ran.err);
}

#[test]
fn what_was_refused_is_told_even_in_quiet() {
    let dir = folder();
    write(dir.path(), "carts.jsonl", format!("[1]\n[2]\n{}", carts()));
    let ran = replay(dir.path(), &["-q", "carts.jsonl"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, CART));
    let (said, rest) = ran.err.split_once(" (and 1 more); ").expect(&ran.err);
    assert!(said.starts_with("error: carts.jsonl:1: refused: malformed at byte 0: "), "{said}");
    assert_eq!(rest, "--rejected FILE writes all, --allow-rejected goes by them\n");
    let ran = replay(dir.path(), &["-q", "--allow-rejected", "carts.jsonl"], b"");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
