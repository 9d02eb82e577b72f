//! Times and durations on the command line.

use crate::settings::Moment;
use cxwatch_event::{Millis, rfc3339};
use cxwatch_rulebook::yaml::parse_duration;

/// A duration such as `500ms`, `30m` or `7d`, in milliseconds.
pub(crate) fn duration(text: &str) -> Result<Millis, String> {
    parse_duration(text).map_err(|fault| match fault.suggestion {
        Some(suggestion) => format!("{}; write {suggestion}?", fault.message),
        None => fault.message,
    })
}

/// An instant: RFC 3339, or a day (its first instant in UTC).
pub(crate) fn instant(text: &str) -> Result<Millis, String> {
    rfc3339::parse(text)
        .or_else(|| rfc3339::parse(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "expected a time such as 2026-11-24T12:00:00Z, or a day such as 2026-11-24".into())
}

/// A point to begin at: `earliest`, so long ago, or an instant.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if text == "earliest" {
        return Ok(Moment::Earliest);
    }
    duration(text).map(Moment::Ago).or_else(|_| instant(text).map(Moment::At)).map_err(|_| {
        "expected a duration such as 30d, a time such as 2026-11-24T12:00:00Z, a day such as 2026-11-24, or `earliest`"
            .into()
    })
}

/// The wall clock.
pub(crate) fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX))
}
