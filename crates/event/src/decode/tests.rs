use super::*;
use crate::{FieldIx, TypeInterest, Value};

/// Reads every field of every type.
fn all() -> Decoder {
    let catalogue = Arc::new(Catalogue::builtin());
    let types = catalogue.types().map(|_| Some(TypeInterest { fields: u64::MAX })).collect();
    Decoder::new(catalogue, Interest { types })
}

fn decode_with(decoder: &Decoder, feed: &str, value: &str) -> Result<Record, Rejection> {
    let mut out = Record::default();
    let raw = RawRecord { feed, key: None, value: Some(value.as_bytes()), headers: &[] };
    decoder.decode(&raw, &mut out).map(|()| out)
}

fn rejected(feed: &str, value: &str) -> (Reason, String) {
    let rejection = decode_with(&all(), feed, value).expect_err(value);
    (rejection.reason, rejection.place)
}

/// An event of `kind` with this `data`.
fn event(kind: &str, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e1","source":"/shop","type":"{kind}","subject":"c1","time":"2026-11-24T12:00:00Z","data":{data}}}"#
    )
}

const NOON: i64 = 1_795_521_600_000;

/// Field names and values, as the decoder found them.
fn fields(record: &Record) -> Vec<(String, Value)> {
    let catalogue = Catalogue::builtin();
    let event = &record.events[0];
    let name = |ix: FieldIx| catalogue.spec(event.kind).fields[usize::from(ix.0)].name.to_string();
    event.fields.iter().map(|f| (name(f.field), f.value.clone())).collect()
}

#[test]
fn a_structured_event_is_read() {
    let text = event(
        "web.cart.item_added",
        r#"{"quantity":2,"cart_id":"k","sku":"s-1","unit_price":19.99,"device":"app"}"#,
    );
    let record = decode_with(&all(), "web", &text).expect("valid");
    assert_eq!(record.times.as_slice(), [NOON]);
    let event = &record.events[0];
    assert_eq!((event.time, event.sub), (NOON, 0));
    assert_eq!((event.customer.as_str(), event.id.as_str(), event.source.as_str()), ("c1", "e1", "/shop"));
    let text = |v: &str| Value::Text(v.into());
    let expected = [
        ("cart_id", text("k")),
        ("sku", text("s-1")),
        ("quantity", Value::Number(2_000_000)),
        ("unit_price", Value::Number(19_990_000)),
        ("device", text("app")),
    ];
    assert_eq!(fields(&record), expected.map(|(n, v)| (n.to_string(), v)));
}

#[test]
fn attributes_come_in_any_order_and_unknown_ones_are_stepped_over() {
    let text = r#" { "data" : {"order_id":"o", "x":{"order_id":[1,{}]}} , "traceparent":"00-1", "n":[[],{"a":null}],
        "time":"2026-11-24T13:00:00.000+01:00", "subject":"c1", "type":"order.placed","source":"s","id":"i",
        "specversion":"1.0" } "#;
    let record = decode_with(&all(), "transaction", text).expect("valid");
    assert_eq!(record.events[0].time, NOON);
    assert_eq!(fields(&record), [("order_id".to_string(), Value::Text("o".into()))]);
}

#[test]
fn a_type_without_interest_gives_its_time_only_and_is_checked_all_the_same() {
    let decoder = Decoder::new(Arc::new(Catalogue::builtin()), Interest::default());
    let record =
        decode_with(&decoder, "transaction", &event("order.placed", r#"{"order_id":"o"}"#)).expect("valid");
    assert!(record.events.is_empty());
    assert_eq!(record.times.as_slice(), [NOON]);
    let bad = decode_with(&decoder, "transaction", &event("order.placed", r#"{"order_id":7}"#))
        .expect_err("no text");
    assert_eq!((bad.reason, bad.place.as_str()), (Reason::WrongType, "/data/order_id"));
}

#[test]
fn only_the_fields_of_interest_are_kept() {
    let catalogue = Arc::new(Catalogue::builtin());
    let placed = catalogue.id("order.placed").expect("built in");
    let value = catalogue.spec(placed).field("value").expect("built in");
    let mut types = vec![None; catalogue.len()];
    types[usize::from(placed.0)] = Some(TypeInterest { fields: 1 << value.0 });
    let decoder = Decoder::new(catalogue, Interest { types });
    let text = event("order.placed", r#"{"order_id":"o","value":12.5,"currency":"EUR"}"#);
    let record = decode_with(&decoder, "transaction", &text).expect("valid");
    assert_eq!(fields(&record), [("value".to_string(), Value::Number(12_500_000))]);
}

#[test]
fn a_heartbeat_needs_no_customer_and_comes_on_any_feed() {
    let text = r#"{"specversion":"1.0","id":"h","source":"s","type":"feed.heartbeat","time":"2026-11-24T12:00:00Z"}"#;
    for feed in ["web", "social", "a-feed-of-their-own"] {
        let mut out = Record::default();
        let raw = RawRecord { feed, key: Some(b"any"), value: Some(text.as_bytes()), headers: &[] };
        all().decode(&raw, &mut out).expect("valid");
        assert!(out.events.is_empty());
        assert_eq!(out.times.as_slice(), [NOON]);
    }
}

#[test]
fn null_is_absent() {
    let record =
        decode_with(&all(), "transaction", &event("order.placed", r#"{"order_id":"o","value":null}"#))
            .expect("valid");
    assert_eq!(fields(&record).len(), 1);
    let place = rejected("transaction", &event("order.placed", r#"{"order_id":null}"#));
    assert_eq!(place, (Reason::MissingField, "/data/order_id".into()));
    assert_eq!(
        rejected("transaction", &event("order.placed", "null")),
        (Reason::MissingField, "/data".into())
    );
    decode_with(&all(), "web", &event("web.login.failed", "null")).expect("requires no field");
}

#[test]
fn binary_mode_takes_attributes_from_the_headers() {
    let headers: &[(&str, &[u8])] = &[
        ("ce_specversion", b"1.0"),
        ("ce_type", b"order.placed"),
        ("ce_id", b"e1"),
        ("ce_source", b"/shop"),
        ("ce_subject", "k\u{fc}nde".as_bytes()),
        ("ce_time", b"2026-11-24T12:00:00Z"),
        ("content-type", b"application/json"),
        ("traceparent", b"\xff"),
    ];
    let mut out = Record::default();
    let raw = RawRecord {
        feed: "transaction",
        key: Some("k\u{fc}nde".as_bytes()),
        value: Some(br#"{"order_id":"o","value":1e2}"#),
        headers,
    };
    all().decode(&raw, &mut out).expect("valid");
    assert_eq!(out.events[0].customer, "k\u{fc}nde");
    assert_eq!(fields(&out)[1], ("value".to_string(), Value::Number(100_000_000)));

    let tombstone = RawRecord { value: None, ..raw };
    assert_eq!(all().decode(&tombstone, &mut out).expect_err("no data").place, "/data");
    let tail = RawRecord { value: Some(br#"{"order_id":"o"}x"#), ..raw };
    assert_eq!(all().decode(&tail, &mut out).expect_err("a tail").place, "byte 16");
    let bad = [("ce_type", b"\xff".as_slice())];
    let bad = RawRecord { headers: &bad, ..raw };
    assert_eq!(all().decode(&bad, &mut out).expect_err("not UTF-8").place, "header ce_type");
    let twice = [("ce_id", b"1".as_slice()), ("ce_id", b"1")];
    let twice = RawRecord { headers: &twice, ..raw };
    assert_eq!(all().decode(&twice, &mut out).expect_err("two ids").place, "/id");
}

#[test]
fn the_content_type_decides_the_mode() {
    let text = event("order.placed", r#"{"order_id":"o"}"#);
    let decode = |headers: Headers| {
        let raw = RawRecord { feed: "transaction", key: None, value: Some(text.as_bytes()), headers };
        all().decode(&raw, &mut Record::default()).map_err(|r| r.place)
    };
    assert_eq!(
        decode(&[("content-type", b"application/cloudevents+json; charset=UTF-8"), ("ce_id", b"x")]),
        Ok(())
    );
    assert_eq!(decode(&[("Content-Type", b"Application/CloudEvents+JSON")]), Ok(()));
    assert_eq!(decode(&[("content-type", b"application/json")]), Ok(()));
    for other in [b"application/cloudevents-batch+json".as_slice(), b"application/cloudevents+avro"] {
        assert_eq!(decode(&[("content-type", other)]), Err("header content-type".into()));
    }
    assert_eq!(decode(&[("ce_id", b"x")]), Err("/type".into()));
}

#[test]
fn the_customer_is_the_key() {
    let text = event("order.placed", r#"{"order_id":"o"}"#).replace("c1", r"c\u0031");
    let decode = |key: &[u8]| {
        let raw =
            RawRecord { feed: "transaction", key: Some(key), value: Some(text.as_bytes()), headers: &[] };
        all().decode(&raw, &mut Record::default())
    };
    assert_eq!(decode(b"c1"), Ok(()));
    let rejection = decode(b"c2").expect_err("another customer");
    assert_eq!((rejection.reason, rejection.place.as_str()), (Reason::WrongKey, "/subject"));
    assert!(!rejection.to_string().contains("c1"), "no customer in a rejection");
}

#[test]
fn reasons_and_places() {
    let ok = event("order.placed", r#"{"order_id":"o"}"#);
    let order = |data: &str| event("order.placed", data);
    let deep = |levels: usize| {
        order(&format!(r#"{{"order_id":"o","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels)))
    };
    decode_with(&all(), "transaction", &deep(62)).expect("64 levels");
    let cases = [
        (String::new(), Reason::Malformed, "byte 0"),
        ("\u{feff}{}".into(), Reason::Malformed, "byte 0"),
        ("[]".into(), Reason::Malformed, "byte 0"),
        ("{}".into(), Reason::MissingField, "/type"),
        (ok[..ok.len() - 1].into(), Reason::Malformed, "byte 138"),
        (ok.clone() + "{", Reason::Malformed, "byte 139"),
        (ok.replace("1.0", "0.3"), Reason::WrongType, "/specversion"),
        (ok.replace(r#""1.0""#, "1.0"), Reason::WrongType, "/specversion"),
        (ok.replace("specversion", "specVersion"), Reason::MissingField, "/specversion"),
        (ok.replace(r#""e1""#, r#""""#), Reason::MissingField, "/id"),
        (ok.replace(r#""e1""#, "null"), Reason::MissingField, "/id"),
        (ok.replace("/shop", &"x".repeat(1025)), Reason::WrongType, "/source"),
        (ok.replace(r#""c1""#, "17"), Reason::WrongType, "/subject"),
        (ok.replace("subject", "sub"), Reason::MissingField, "/subject"),
        (ok.replace(r#""id":"#, r#""id":"x","id":"#), Reason::Malformed, "/id"),
        (ok.replace("order.placed", "order.shiped"), Reason::UnknownType, "/type"),
        (ok.replace("order.placed", "web.click.dead"), Reason::WrongFeed, "/type"),
        (ok.replace("12:00:00Z", "12:00:00"), Reason::BadTime, "/time"),
        (ok.replace(r#""2026-11-24T12:00:00Z""#, "1795521600"), Reason::WrongType, "/time"),
        (ok.replace(r#""data""#, r#""data_base64""#), Reason::WrongType, "/data_base64"),
        (ok.replace(r#""data""#, r#""payload""#), Reason::MissingField, "/data"),
        (order("[]"), Reason::WrongType, "/data"),
        (order(r#""{}""#), Reason::WrongType, "/data"),
        (order("{}"), Reason::MissingField, "/data/order_id"),
        (order(r#"{"order_id":"a","order_id":"b"}"#), Reason::Malformed, "/data/order_id"),
        (order(r#"{"order_id":"a","promised_at":"soon"}"#), Reason::BadTime, "/data/promised_at"),
        (order(r#"{"order_id":"a","promised_at":5}"#), Reason::WrongType, "/data/promised_at"),
        (order(r#"{"order_id":"a","value":"5"}"#), Reason::WrongType, "/data/value"),
        (order(r#"{"order_id":"a","value":9.3e12}"#), Reason::WrongType, "/data/value"),
        (order(r#"{"order_id":"a","x":"\ud800"}"#), Reason::Malformed, "byte 149"),
        (deep(63), Reason::Malformed, "byte 204"),
    ];
    for (text, reason, place) in cases {
        assert_eq!(rejected("transaction", &text), (reason, place.to_string()), "{text}");
    }
    let queued = |data: &str| rejected("contact-center", &event("contact.queued", data));
    let expected = |place: &str| (Reason::WrongType, place.to_string());
    assert_eq!(queued(r#"{"contact_id":"a","channel":"fax"}"#), expected("/data/channel"));
    assert_eq!(queued(r#"{"contact_id":"a","channel":"voice","priority":1.5}"#), expected("/data/priority"));
    let review = event("review.posted", r#"{"review_id":"a","stars":1,"has_text":"yes"}"#);
    assert_eq!(rejected("social", &review), expected("/data/has_text"));
}

#[test]
fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
    let text = event("order.placed", r#"{"order_id":"o","x":"?"}"#);
    let at = text.find('?').expect("it is there");
    let mut bytes = text.into_bytes();
    bytes[at] = 0xff;
    let raw = RawRecord { feed: "transaction", key: None, value: Some(&bytes), headers: &[] };
    let rejection = all().decode(&raw, &mut Record::default()).expect_err("not UTF-8");
    assert_eq!((rejection.reason, rejection.place), (Reason::Malformed, format!("byte {at}")));
}

#[test]
fn a_record_beyond_the_limit_is_refused() {
    let text = event("order.placed", r#"{"order_id":"o"}"#);
    decode_with(&all().with_value_bytes_max(text.len()), "transaction", &text).expect("just within");
    let decoder = all().with_value_bytes_max(text.len() - 1);
    assert_eq!(decode_with(&decoder, "transaction", &text).expect_err("beyond").reason, Reason::TooLarge);
}

#[test]
fn a_rejection_leaves_nothing_behind() {
    let mut out = Record::default();
    let good = event("order.placed", r#"{"order_id":"o"}"#);
    for value in [good.as_str(), "{"] {
        let raw = RawRecord { feed: "transaction", key: None, value: Some(value.as_bytes()), headers: &[] };
        let fate = all().decode(&raw, &mut out);
        assert_eq!(
            (fate.is_ok(), out.events.len(), out.times.len()),
            if value == "{" { (false, 0, 0) } else { (true, 1, 1) }
        );
    }
}

#[test]
fn a_million_brackets_are_one_rejection() {
    for bomb in ["[".repeat(1_000_000), r#"{"a":"#.repeat(200_000)] {
        let decoder = all().with_value_bytes_max(2_000_000);
        let text = event("order.placed", &format!(r#"{{"x":{bomb}"#));
        assert_eq!(
            decode_with(&decoder, "transaction", &text).expect_err("too deep").reason,
            Reason::Malformed
        );
        assert_eq!(
            decode_with(&decoder, "transaction", &bomb).expect_err("no event").reason,
            Reason::Malformed
        );
    }
}

#[test]
fn a_line_of_a_file_belongs_to_the_home_feed_of_its_type() {
    let decoder = all();
    let mut out = Record::default();
    let line = event("order.placed", r#"{"order_id":"o1"}"#);
    let kind = decoder.decode_at_home(line.as_bytes(), &mut out).expect("valid");
    assert_eq!(decoder.catalogue().spec(kind).feed.as_deref(), Some("transaction"));
    assert_eq!((out.events.len(), out.times.as_slice()), (1, &[NOON][..]));
}
