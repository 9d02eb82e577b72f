use super::*;
use crate::Reason;

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
