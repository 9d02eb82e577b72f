//! Classes the client library's errors by what the caller has to do next.

use cxwatch_runtime::ports::{Answer, Fault};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Something that only an operator can put right.
pub(crate) fn exit(during: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(Answer::Exit, during, "InvalidSettings", message)
}

/// Classes the error of a call that is not part of a transaction.
pub(crate) fn plain(during: &'static str, error: &KafkaError) -> Fault {
    let answer = match error {
        KafkaError::ClientConfig(..)
        | KafkaError::ClientCreation(_)
        | KafkaError::Subscription(_)
        | KafkaError::Nul(_) => Answer::Exit,
        KafkaError::MessageConsumptionFatal(_) => Answer::CloseDirty,
        _ => code_of(error).map_or(Answer::Retry, answer_to),
    };
    let code = code_of(error).map_or_else(|| "Other".to_owned(), |code| format!("{code:?}"));
    Fault::new(answer, during, code, error.to_string())
}

/// Classes an error code that came without further information.
pub(crate) fn code(during: &'static str, code: Code, message: impl Into<String>) -> Fault {
    Fault::new(answer_to(code), during, format!("{code:?}"), message)
}

/// Classes what a partition gives instead of a record.
///
/// "Log truncation detected" after a change of leader is no proof that anything is lost: records that were written
/// while the leader changed can make the client see one that is none. Whoever begins anew from what is committed finds
/// out: where records are really gone, it reads beyond the end, and that is for the operator.
pub(crate) fn reading(during: &'static str, code: Code, message: String) -> Fault {
    let perhaps_lost = code == Code::AutoOffsetReset && message.to_lowercase().contains("log truncation");
    let answer = if perhaps_lost { Answer::CloseDirty } else { answer_to(code) };
    Fault::new(answer, during, format!("{code:?}"), message)
}

/// Classes the error of a transactional call, in the order that the protocol asks for: fatal first, then those that
/// only an abort ends, then those that pass.
pub(crate) fn transactional(during: &'static str, error: &KafkaError) -> Fault {
    let KafkaError::Transaction(native) = error else {
        return plain(during, error);
    };
    let answer = if is_misconfiguration(native.code()) {
        Answer::Exit
    } else if native.is_fatal() {
        Answer::CloseDirty
    } else if native.txn_requires_abort() {
        Answer::Abort
    } else if native.is_retriable() || native.code() == Code::OperationTimedOut {
        Answer::Retry
    } else {
        // A call in the wrong state, or an error that the library cannot place: this producer is not to be trusted
        // any more.
        Answer::CloseDirty
    };
    Fault::new(answer, during, format!("{:?}", native.code()), native.string())
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
        code if is_misconfiguration(code) => Answer::Exit,
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::InvalidTopic
        | Code::AutoOffsetReset
        | Code::OffsetOutOfRange
        | Code::NoOffset => Answer::Exit,
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
    fn a_log_that_seems_truncated_is_read_again_and_one_that_is_gone_is_for_the_operator() {
        let answer = |message: &str| reading("test", Code::AutoOffsetReset, message.to_owned()).answer;
        let truncated =
            "Partition log truncation detected at offset 4 (leader epoch 0): broker end offset is 3";
        assert_eq!(answer(truncated), Answer::CloseDirty);
        assert_eq!(answer("fetch failed due to requested offset not available on the broker"), Answer::Exit);
    }

    #[test]
    fn a_missing_topic_is_for_the_operator_and_a_dead_broker_is_waited_for() {
        let answer = |code| plain("test", &KafkaError::MetadataFetch(code)).answer;
        assert_eq!(answer(Code::UnknownTopicOrPartition), Answer::Exit);
        assert_eq!(answer(Code::BrokerTransportFailure), Answer::Retry);
        assert_eq!(answer(Code::OperationTimedOut), Answer::Retry);
        assert_eq!(answer(Code::UnstableOffsetCommit), Answer::Retry);
        assert_eq!(answer(Code::AutoOffsetReset), Answer::Exit);
        assert_eq!(answer(Code::UnknownMemberId), Answer::CloseDirty);
        let admin = plain("test", &KafkaError::AdminOp(Code::PolicyViolation));
        assert_eq!((admin.answer, admin.code.as_str()), (Answer::Exit, "PolicyViolation"));
    }
}
