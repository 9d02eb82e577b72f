use super::*;

/// The first value of a text, stepped over: where it ends, or where and what was expected.
fn skip(text: &str) -> Result<usize, (usize, &'static str)> {
    let mut scanner = Scanner::new(text);
    let fate = scanner.skip(0).and_then(|()| scanner.end());
    fate.map(|()| scanner.pos()).map_err(|e| (scanner.pos(), e.0))
}

fn string(text: &str) -> Option<String> {
    let mut scanner = Scanner::new(text);
    let value = scanner.string().ok()?;
    scanner.end().ok()?;
    Some(value.text().into_owned())
}

#[test]
fn special_bytes_are_found_at_every_place_of_a_block() {
    for byte in 0..=255u8 {
        let special = byte < 0x20 || byte == b'"' || byte == b'\\';
        for at in 0..BLOCK {
            let mut block = [b'a'; BLOCK];
            block[at] = byte;
            assert_eq!(bits_of(&block), if special { 1 << at } else { 0 }, "{byte:#x} at {at}");
        }
    }
    assert_eq!(bits_of(&[b'"'; BLOCK]), u64::MAX);
}

#[test]
fn strings_of_every_length_at_every_place_are_read() {
    for blanks in 0..70 {
        for len in 0..140 {
            let (front, body) = (" ".repeat(blanks), "x".repeat(len));
            let text = format!("{front}[\"{body}\",\"{body}\\n\"]");
            let mut scanner = Scanner::new(&text).at(0);
            scanner.blanks();
            scanner.take(b'[', "").expect("it is there");
            assert_eq!(scanner.string().expect("plain").text(), body.as_str());
            scanner.take(b',', "").expect("it is there");
            assert_eq!(scanner.string().expect("escaped").text(), format!("{body}\n"));
            assert_eq!(scanner.pos(), text.len() - 1);
            assert_eq!(skip(&text), Ok(text.len()));
            assert_eq!(skip(&text[..text.len() - 2]), Err((text.len() - 2, "expected the string to end")));
        }
    }
}

#[test]
fn escapes_have_their_meaning() {
    for (text, meaning) in [
        (r#""""#, ""),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u0041\u00e9\u20AC""#, "Aé€"),
        (r#""\ud83d\uDE00!""#, "\u{1f600}!"),
        (r#""\u0000""#, "\0"),
        ("\"\u{7f}\u{1f600}\"", "\u{7f}\u{1f600}"),
        (r#""a\\""#, "a\\"),
    ] {
        assert_eq!(string(text).as_deref(), Some(meaning), "{text}");
    }
}

#[test]
fn broken_strings_are_refused() {
    for text in [
        "\"",
        "\"a",
        r#""\"#,
        r#""\""#,
        r#""\x""#,
        r#""\u""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\u+123""#,
        r#""\ud800""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\ud800\u0041""#,
        r#""\udc00""#,
        "\"\n\"",
        "\"\0\"",
        "\"\u{1f}\"",
        "'a'",
        r#""\u00é1""#,
    ] {
        assert_eq!(string(text), None, "{text:?}");
    }
}

#[test]
fn what_is_stepped_over_is_checked() {
    for text in [
        "null",
        " true ",
        "-0.5e-3",
        "\"a\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1,[2,{\"a\":[]}],\"\\u00e9\"]",
        "{\"a\":{\"b\":{}},\"a\":1}",
        "\t[\r\n1 , 2 ]",
        "1e999",
    ] {
        assert_eq!(skip(text), Ok(text.len()), "{text}");
    }
    for (text, place) in [
        ("", 0),
        ("nul", 0),
        ("True", 0),
        ("truex", 4),
        ("[1,]", 3),
        ("[,1]", 1),
        ("[1 2]", 3),
        ("[1", 2),
        ("[1}", 2),
        ("{\"a\"}", 4),
        ("{\"a\":}", 5),
        ("{\"a\":1,}", 7),
        ("{a:1}", 1),
        ("{1:1}", 1),
        ("{\"a\":1]", 6),
        ("]", 0),
        ("[1]]", 3),
        ("01", 0),
        ("1.", 2),
        ("-", 1),
        ("- 1", 1),
        ("1e", 2),
        ("\u{a0}1", 0),
        ("[\u{c}]", 1),
        ("//1", 0),
    ] {
        assert_eq!(skip(text).map_err(|(at, _)| at), Err(place), "{text}");
    }
}

#[test]
fn depth_is_capped_and_costs_no_stack() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(skip(&nested(64)), Ok(128));
    assert_eq!(skip(&nested(65)).map_err(|(at, _)| at), Err(64));
    assert_eq!(skip(&"[".repeat(1_000_000)).map_err(|(at, _)| at), Err(64));
    let objects = "{\"a\":".repeat(64) + "1" + &"}".repeat(64);
    assert_eq!(skip(&objects), Ok(objects.len()));
    let wide = "[".to_string() + &"[[]],".repeat(100_000) + "0]";
    assert_eq!(skip(&wide), Ok(wide.len()));
}

#[test]
fn an_object_is_read_name_by_name() {
    let mut scanner = Scanner::new(r#" { "a" : 1 , "\u0062":[2] } "#);
    assert_eq!(scanner.first_name().expect("an object").expect("a name").text(), "a");
    scanner.skip(1).expect("a value");
    assert_eq!(scanner.next_name().expect("a name").expect("one more").text(), "b");
    assert_eq!(scanner.kind(), Ok(Kind::Array));
    scanner.skip(1).expect("a value");
    assert_eq!(scanner.next_name(), Ok(None));
    assert_eq!(scanner.end(), Ok(()));
    assert_eq!(Scanner::new("{ }").first_name(), Ok(None));
}
