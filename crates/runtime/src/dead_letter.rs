//! What was refused, for people to look at.

use crate::desk::Output;
use crate::ports::{RecordRef, Topic};
use cxwatch_engine::Refused;
use cxwatch_event::mapping::Refusal;
use cxwatch_event::{Reason, rfc3339};

/// Why a record, or one event of it, was refused.
pub(crate) struct DeadLetter<'a> {
    pub(crate) reason: Reason,
    /// Which event of the record; `None`: all of it.
    sub: Option<u32>,
    place: &'a str,
    expected: std::borrow::Cow<'a, str>,
}

impl<'a> DeadLetter<'a> {
    pub(crate) fn of_decoder(Refusal { sub, rejection }: &'a Refusal) -> Self {
        DeadLetter {
            reason: rejection.reason,
            sub: *sub,
            place: &rejection.place,
            expected: rejection.expected.as_str().into(),
        }
    }

    pub(crate) fn of_event(refused: &Refused) -> Self {
        let expected = match refused.reason {
            Reason::TimeInFuture => "expected a time that is not in the future",
            _ => "expected an event that is not older than the late horizon",
        };
        let time = rfc3339::format(refused.time);
        DeadLetter {
            reason: refused.reason,
            sub: Some(refused.sub),
            place: "/time",
            expected: format!("{expected}, found {time}").into(),
        }
    }
}

/// The original key, value (unless only headers are wanted) and headers, and why.
pub(crate) fn dead_letter(
    feed: &str,
    raw: &RecordRef<'_>,
    letter: &DeadLetter<'_>,
    headers_only: bool,
) -> Output {
    let mut headers: Vec<(String, Vec<u8>)> =
        raw.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    let mut add = |name: &str, value: &str| {
        headers.push((format!("cxwatch_{name}"), value.as_bytes().to_vec()));
    };
    add("feed", feed);
    add("partition", &raw.partition.to_string());
    add("offset", &raw.offset.to_string());
    add("reason", letter.reason.name());
    add("place", letter.place);
    add("expected", &letter.expected);
    if let Some(sub) = letter.sub {
        add("sub", &sub.to_string());
    }
    let kept = |bytes: Option<&[u8]>| bytes.filter(|_| !headers_only).map(<[u8]>::to_vec);
    Output { topic: Topic::DeadLetters, key: kept(raw.key), value: kept(raw.value), headers, label: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxwatch_event::Rejection;

    fn letter(headers_only: bool) -> Output {
        let raw = RecordRef {
            partition: 3,
            offset: 17,
            timestamp: None,
            key: Some(b"c1"),
            value: Some(b"{"),
            headers: &[("trace", b"abc")],
        };
        let rejection = Rejection {
            reason: Reason::Malformed,
            place: "byte 1".into(),
            expected: "expected a name".into(),
        };
        let refusal = Refusal { sub: None, rejection };
        dead_letter("web", &raw, &DeadLetter::of_decoder(&refusal), headers_only)
    }

    #[test]
    fn a_dead_letter_has_the_original_and_says_why() {
        let letter = letter(false);
        assert_eq!(letter.topic, Topic::DeadLetters);
        assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (Some(&b"c1"[..]), Some(&b"{"[..])));
        let headers: Vec<(&str, &str)> = letter
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).expect("text")))
            .collect();
        assert_eq!(
            headers,
            [
                ("trace", "abc"),
                ("cxwatch_feed", "web"),
                ("cxwatch_partition", "3"),
                ("cxwatch_offset", "17"),
                ("cxwatch_reason", "malformed"),
                ("cxwatch_place", "byte 1"),
                ("cxwatch_expected", "expected a name"),
            ]
        );
    }

    #[test]
    fn headers_only_keeps_what_a_person_wrote_out_of_the_topic() {
        let letter = letter(true);
        assert_eq!((letter.key, letter.value), (None, None));
        assert_eq!(letter.headers.len(), 7);
    }
}
