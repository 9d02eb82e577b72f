use super::dead_letter::base64;
use super::*;
use crate::{RawRecord, Reason, Rejection};

#[test]
fn decimals_are_numbers_in_json() {
    for (micro, text) in
        [(0, "0"), (19_990_000, "19.99"), (-1, "-0.000001"), (3_000_000, "3"), (100_000, "0.1")]
    {
        let json = serde_json::to_string(&Decimal(micro)).expect("a number");
        assert_eq!(json.parse::<f64>().expect("a number"), text.parse::<f64>().expect("a number"));
        assert_eq!(serde_json::from_str::<Decimal>(text).expect("a number"), Decimal(micro));
    }
    assert_eq!(serde_json::to_string(&Decimal(19_990_000)).expect("a number"), "19.99");
    assert!(serde_json::from_str::<Decimal>("9.3e12").is_err());
}

#[test]
fn reasons_have_the_same_name_everywhere() {
    for reason in SuppressionReason::ALL {
        assert_eq!(serde_json::to_value(reason).expect("a name"), reason.name());
    }
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).expect("a name"), reason.name());
    }
}

#[test]
fn base64_is_that_of_rfc_4648() {
    for (text, code) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(text.as_bytes()), code);
    }
    assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
}

#[test]
fn a_dead_letter_leads_back_to_its_record() {
    let raw = RawRecord { feed: "web", key: Some(b"c1"), value: Some(b"{"), headers: &[("h", b"\xff")] };
    let why =
        Rejection { reason: Reason::Malformed, place: "byte 1".into(), expected: "expected a name".into() };
    let letter = |content| DeadLetterData::of(&raw, (3, 42), Some(1), &why, content);
    let message = DeadLetterMessage::rejected("/cxwatch/shop".into(), Rfc3339(0), letter(true));
    let json = serde_json::to_value(&message).expect("JSON");
    assert_eq!(
        json,
        serde_json::json!({
            "specversion": "1.0", "id": "web-3-42-1", "source": "/cxwatch/shop", "type": "record.rejected",
            "time": "1970-01-01T00:00:00.000Z", "datacontenttype": "application/json",
            "data": {
                "feed": "web", "partition": 3, "offset": 42, "sub": 1, "reason": "malformed", "place": "byte 1",
                "expected": "expected a name", "key_base64": "YzE=", "value_base64": "ew==", "value_bytes": 1,
                "headers": [{ "name": "h", "value_base64": "/w==" }],
            },
        })
    );
    assert_eq!(serde_json::from_value::<DeadLetterMessage>(json).expect("the same"), message);
    let without = letter(false);
    assert_eq!((without.key_base64, without.value_base64, without.value_bytes), (None, None, 1));
}

#[test]
fn an_outcome_is_read_tolerantly() {
    let text = r#"{"specversion":"1.0","id":"o1","source":"/acd","type":"outcome.saved","subject":"c1",
        "time":"2026-11-24T13:00:00+01:00","traceparent":"00-1",
        "data":{"action_id":"00112233445566778899aabbccddeeff","revision":1,"value":12.5,"desk":7}}"#;
    let outcome: OutcomeMessage = serde_json::from_str(text).expect("an outcome");
    assert_eq!(outcome.kind, OutcomeKind::Saved);
    assert_eq!(outcome.time, Rfc3339(1_795_521_600_000));
    assert_eq!((outcome.data.revision, outcome.data.value), (1, Some(Decimal(12_500_000))));
}

#[test]
fn severities_map_to_opentelemetry() {
    assert_eq!([0, 24, 25, 49, 50, 74, 75, 100].map(severity_number), [9, 9, 13, 13, 17, 17, 21, 21]);
}
