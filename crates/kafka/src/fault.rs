//! What went wrong, by what the caller has to do next.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// The one right answer to a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Nothing is lost and nothing is decided: the same call again, after a pause.
    Retry,
    /// The open transaction can only be aborted; its content may then be sent again.
    Abort,
    /// This one record can never be written (too large); the transaction around it is sound.
    Reject,
    /// This client is at an end (fenced, fatal, broken): drop it and all that hangs on it, and start from what is
    /// committed.
    CloseDirty,
    /// Nobody knows whether the commit took effect: commit again, or look at the journal's end. Never abort.
    Ambiguous,
    /// Settings, rights or topics are wrong; waiting does not help, an operator does.
    Config,
}

/// A failed call to Kafka.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{during}: {message} ({code})")]
pub struct Fault {
    /// What to do next.
    pub answer: Answer,
    /// What was being done, for people: `commit transaction`.
    pub during: &'static str,
    /// The client library's name of the error, for labels and tests: `Fenced`, `OperationTimedOut`.
    pub code: String,
    /// The reason in words.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(
        answer: Answer,
        during: &'static str,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { answer, during, code: code.into(), message: message.into() }
    }

    pub(crate) fn config(during: &'static str, message: impl Into<String>) -> Self {
        Self::new(Answer::Config, during, "InvalidSettings", message)
    }

    /// Classes the error of a call that is not part of a transaction.
    pub(crate) fn plain(during: &'static str, error: &KafkaError) -> Self {
        let answer = match error {
            KafkaError::ClientConfig(..)
            | KafkaError::ClientCreation(_)
            | KafkaError::Subscription(_)
            | KafkaError::Nul(_) => Answer::Config,
            KafkaError::MessageConsumptionFatal(_) => Answer::CloseDirty,
            _ => code_of(error).map_or(Answer::Retry, answer_to),
        };
        Self::of(answer, during, error)
    }

    /// Classes an error code that came without further information.
    pub(crate) fn code(during: &'static str, code: Code, message: impl Into<String>) -> Self {
        Self::new(answer_to(code), during, format!("{code:?}"), message)
    }

    /// Classes the error of a transactional call, in the order that the protocol asks for: fatal first, then those
    /// that only an abort ends, then those that pass.
    pub(crate) fn transactional(during: &'static str, error: &KafkaError) -> Self {
        let KafkaError::Transaction(native) = error else {
            return Self::plain(during, error);
        };
        let answer = if is_misconfiguration(native.code()) {
            Answer::Config
        } else if native.is_fatal() {
            Answer::CloseDirty
        } else if native.txn_requires_abort() {
            Answer::Abort
        } else if native.is_retriable() || native.code() == Code::OperationTimedOut {
            Answer::Retry
        } else {
            // A call in the wrong state, or an error that the library cannot place: this producer is not to be
            // trusted any more.
            Answer::CloseDirty
        };
        Self::new(answer, during, format!("{:?}", native.code()), native.string())
    }

    fn of(answer: Answer, during: &'static str, error: &KafkaError) -> Self {
        let code = code_of(error).map_or_else(|| "Other".to_owned(), |code| format!("{code:?}"));
        Self::new(answer, during, code, error.to_string())
    }
}

/// The error's code; the library's own accessor leaves out those of admin calls.
fn code_of(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

fn answer_to(code: Code) -> Answer {
    match code {
        code if is_misconfiguration(code) => Answer::Config,
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::InvalidTopic
        | Code::AutoOffsetReset
        | Code::OffsetOutOfRange
        | Code::NoOffset => Answer::Config,
        Code::Fatal
        | Code::Fenced
        | Code::FencedInstanceId
        | Code::UnknownMemberId
        | Code::IllegalGeneration
        | Code::AssignmentLost
        | Code::BadMessage
        | Code::InvalidMessage => Answer::CloseDirty,
        Code::MessageSizeTooLarge => Answer::Reject,
        _ => Answer::Retry,
    }
}

/// Errors that stay until somebody changes settings or rights.
fn is_misconfiguration(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::InvalidTransactionTimeout
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::SSL
            | Code::InvalidConfig
            | Code::InvalidArgument
            | Code::PolicyViolation
            | Code::InvalidReplicationFactor
            | Code::InvalidPartitions
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::InconsistentGroupProtocol
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_topic_is_for_the_operator_and_a_dead_broker_is_waited_for() {
        let answer = |code| Fault::plain("test", &KafkaError::MetadataFetch(code)).answer;
        assert_eq!(answer(Code::UnknownTopicOrPartition), Answer::Config);
        assert_eq!(answer(Code::BrokerTransportFailure), Answer::Retry);
        assert_eq!(answer(Code::OperationTimedOut), Answer::Retry);
        assert_eq!(answer(Code::UnstableOffsetCommit), Answer::Retry);
        assert_eq!(answer(Code::AutoOffsetReset), Answer::Config);
        assert_eq!(answer(Code::UnknownMemberId), Answer::CloseDirty);
        let admin = Fault::plain("test", &KafkaError::AdminOp(Code::PolicyViolation));
        assert_eq!((admin.answer, admin.code.as_str()), (Answer::Config, "PolicyViolation"));
    }
}
