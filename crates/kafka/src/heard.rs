//! What a client reports beside its calls.
//!
//! A call that no broker answers says "timed out", and no more. Why nobody answers - a wrong password, a listener that
//! wants TLS - the client reports by an event, to whoever polls it. So questions are asked in steps, with a look at the
//! events between two of them: a refusal is told in its own words, and soon, instead of silence after the whole time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cxwatch_runtime::ports::{Answer, Fault};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};

use crate::fault;

/// The first step; each is twice as long as the one before, so that slow brokers are answered to as well.
const FIRST_STEP: Duration = Duration::from_millis(500);
/// A refusal counts when nothing else has happened for so long: a broker that starts or shuts down breaks connections
/// too, but then answers, or is gone.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// So many events are taken in between two steps.
const EVENTS: usize = 50;
/// A connection that ends within so many milliseconds was not wanted.
const AT_ONCE_MS: u64 = 2_000;

/// The latest report.
#[derive(Debug)]
struct Report {
    /// The code's name, where it says that the broker does not let us in.
    refused: Option<&'static str>,
    reason: String,
    /// When it was first told.
    since: Instant,
}

/// The latest that a client has reported; of it, whether brokers let us in at all.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<Option<Report>>);

impl Heard {
    fn latest(&self) -> MutexGuard<'_, Option<Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a report in.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) {
        let mut reason = reason.to_owned();
        let refused = match error.rdkafka_error_code() {
            // Says nothing that the brokers' own reports have not said.
            Some(Code::AllBrokersDown) => return,
            Some(Code::Authentication | Code::SaslAuthenticationFailed) => Some("Authentication"),
            Some(Code::UnsupportedSASLMechanism) => Some("UnsupportedSASLMechanism"),
            Some(Code::SSL) => Some("SSL"),
            _ if is_closed_at_once(&reason) => {
                reason.push_str(": it takes connections and closes them at once, as for clients without the SASL or TLS that it wants");
                Some("Authentication")
            }
            _ => None,
        };
        let mut latest = self.latest();
        let before = latest.as_ref().filter(|before| before.refused == refused);
        let since = before.map_or_else(Instant::now, |before| before.since);
        *latest = Some(Report { refused, reason, since });
    }

    /// A broker has answered.
    pub(crate) fn answered(&self) {
        *self.latest() = None;
    }

    /// The refusal, if it has stood for so long.
    fn refusal(&self, during: &'static str, stood_for: Duration) -> Option<Fault> {
        let latest = self.latest();
        let report = latest.as_ref().filter(|report| report.since.elapsed() >= stood_for)?;
        Some(Fault::new(Answer::Exit, during, report.refused?, report.reason.clone()))
    }

    /// What to say instead of "timed out": the refusal, or the same with what the client reports.
    pub(crate) fn explain(&self, mut fault: Fault) -> Fault {
        // The events of a group member have the code, and not the reason.
        if fault.answer != Answer::Retry && !["Authentication", "SSL"].contains(&fault.code.as_str()) {
            return fault;
        }
        if let Some(refusal) = self.refusal(fault.during, Duration::ZERO) {
            return refusal;
        }
        if let Some(report) = self.latest().as_ref().filter(|_| fault.answer == Answer::Retry) {
            fault.message = format!("{}; {}", fault.message, report.reason);
        }
        fault
    }
}

impl ClientContext for Heard {
    fn error(&self, error: KafkaError, reason: &str) {
        self.note(&error, reason);
        tracing::debug!(%error, reason, "client reports an error");
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // A connection that is closed by the other side is a line for the log, and no event.
        if facility == "FAIL" && is_closed_at_once(line) {
            let line = line.split_once("]: ").map_or(line, |(_, line)| line);
            self.note(&KafkaError::Global(Code::BrokerTransportFailure), line);
        }
        pass_on(level, facility, line);
    }
}

impl ConsumerContext for Heard {}

/// Writes a line of the client's to the log, as clients do that nobody listens to.
pub(crate) fn pass_on(level: RDKafkaLogLevel, facility: &str, line: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    match level {
        Emerg | Alert | Critical | Error => {
            tracing::error!(target: "librdkafka", "librdkafka: {facility} {line}");
        }
        Warning => tracing::warn!(target: "librdkafka", "librdkafka: {facility} {line}"),
        Notice | Info => tracing::info!(target: "librdkafka", "librdkafka: {facility} {line}"),
        Debug => tracing::debug!(target: "librdkafka", "librdkafka: {facility} {line}"),
    }
}

/// Asks until it is answered, refused, or the time is up. The client must be one that gets no records.
pub(crate) fn ask<T>(
    client: &BaseConsumer<Heard>,
    during: &'static str,
    timeout: Duration,
    mut question: impl FnMut(Duration) -> KafkaResult<T>,
) -> Result<T, Fault> {
    let heard = client.client().context();
    let deadline = Instant::now() + timeout;
    let mut step = FIRST_STEP;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let asked = Instant::now();
        let error = match question(left.min(step)) {
            Ok(answer) => {
                heard.answered();
                return Ok(answer);
            }
            Err(error) => error,
        };
        take_in(client);
        let fault = fault::plain(during, &error);
        if fault.answer != Answer::Retry {
            return Err(fault);
        }
        if let Some(refusal) = heard.refusal(during, REFUSED_FOR) {
            return Err(refusal);
        }
        if Instant::now() >= deadline {
            return Err(heard.explain(fault));
        }
        // A question that fails at once is not asked again at once.
        std::thread::sleep(Duration::from_millis(50).saturating_sub(asked.elapsed()));
        let refused = heard.latest().as_ref().is_some_and(|report| report.refused.is_some());
        step = if refused { FIRST_STEP } else { step * 2 };
    }
}

/// Whether a broker took the connection and ended it before it said anything of use; the client tells of it only in words:
/// `... (after 0ms in state UP)`.
fn is_closed_at_once(reason: &str) -> bool {
    let Some((_, rest)) = reason.rsplit_once("(after ") else { return false };
    let Some((ms, state)) = rest.split_once("ms in state ") else { return false };
    ms.parse().is_ok_and(|ms: u64| ms < AT_ONCE_MS)
        && (state.starts_with("UP") || state.starts_with("APIVERSION_QUERY"))
}

/// Lets the client tell what it has to report.
pub(crate) fn take_in(client: &BaseConsumer<Heard>) {
    // One event at a time, and a line for the log looks like none.
    for _ in 0..EVENTS {
        client.poll(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed_out() -> Fault {
        fault::plain("look up topic", &KafkaError::MetadataFetch(Code::OperationTimedOut))
    }

    #[test]
    fn a_refusal_is_told_instead_of_silence() {
        let heard = Heard::default();
        assert_eq!(heard.explain(timed_out()), timed_out());
        let report = |code, reason: &str| heard.note(&KafkaError::Global(code), reason);
        report(Code::BrokerTransportFailure, "a:9092: Connection refused");
        let fault = heard.explain(timed_out());
        assert_eq!((fault.answer, fault.code.as_str()), (Answer::Retry, "OperationTimedOut"));
        assert!(fault.message.ends_with("; a:9092: Connection refused"), "{}", fault.message);
        report(Code::Authentication, "a:9092: Invalid username or password");
        report(Code::AllBrokersDown, "1/1 brokers are down");
        assert_eq!(heard.refusal("look up topic", REFUSED_FOR), None, "it may pass");
        let fault = heard.explain(timed_out());
        assert_eq!((fault.answer, fault.code.as_str()), (Answer::Exit, "Authentication"));
        assert_eq!(fault.message, "a:9092: Invalid username or password");
        // A broker that is gone meanwhile has not refused anything.
        report(Code::BrokerTransportFailure, "a:9092: Connection refused");
        assert_eq!(heard.explain(timed_out()).answer, Answer::Retry);
        report(Code::BrokerTransportFailure, "a:9092: Disconnected (after 93412ms in state UP)");
        assert_eq!(heard.explain(timed_out()).answer, Answer::Retry);
        report(Code::BrokerTransportFailure, "a:9092: Connect failed (after 0ms in state CONNECT)");
        assert_eq!(heard.explain(timed_out()).answer, Answer::Retry);
        report(Code::BrokerTransportFailure, "a:9092: Disconnected (after 0ms in state UP)");
        assert_eq!(heard.explain(timed_out()).answer, Answer::Exit);
        heard.answered();
        assert_eq!(heard.explain(timed_out()), timed_out());
    }
}
