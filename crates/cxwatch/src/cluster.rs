//! The cluster as commands meet it before anything runs: a client for questions, and faults in words that say what to
//! change.

use crate::cli::usage;
use crate::run::setup::Setup;
use anyhow::Result;
use cxwatch_kafka::admin::Admin;
use cxwatch_runtime::ports::{Answer, Fault};
use std::time::Duration;

/// A client for questions. Making one asks nothing yet, but looks at all of `kafka.properties`.
pub(crate) fn client(setup: &Setup, answer_within: Duration) -> Result<Admin> {
    Admin::new(&setup.settings.kafka.properties, answer_within).map_err(|fault| {
        usage(format!("{fault}; `kafka.properties` takes librdkafka's own names and their values"))
    })
}

/// What went wrong between a command and the cluster, in words that say what to change.
pub(crate) fn explained(setup: &Setup, error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Fault>() {
        Ok(fault) => explain(setup, &fault),
        Err(error) => error,
    }
}

/// What to change where the brokers refuse something; nothing for other faults.
pub(crate) fn rights(fault: &Fault) -> Option<String> {
    permission(fault).or_else(|| entry(fault).map(ToOwned::to_owned))
}

/// What to change where the brokers know us, but do not allow something.
fn permission(fault: &Fault) -> Option<String> {
    fault.code.contains("Authorization").then(|| {
        "give the user of `kafka.properties` the rights listed in docs/operations.md (topics, group, transactional id)".to_owned()
    })
}

/// What to change where the brokers do not let us in.
fn entry(fault: &Fault) -> Option<&'static str> {
    let code = fault.code.as_str();
    if code.contains("Authentication") || code.contains("SASL") {
        Some(
            "look at security.protocol, sasl.mechanism, sasl.username and sasl.password in `kafka.properties` \
             (the password belongs into the variable CXWATCH_KAFKA__PROPERTIES__SASL_PASSWORD)",
        )
    } else if code.contains("SSL") {
        Some("look at security.protocol and ssl.* in `kafka.properties`")
    } else {
        None
    }
}

/// A fault at the start in words that say what to change.
pub(crate) fn explain(setup: &Setup, fault: &Fault) -> anyhow::Error {
    let bootstrap = &setup.settings.kafka.bootstrap;
    if let Some(rights) = permission(fault) {
        return usage(format!("the brokers refuse it: {fault}; {rights}"));
    }
    if let Some(entry) = entry(fault) {
        return usage(format!(
            "authentication failed, the brokers at {bootstrap} do not let us in: {fault}; {entry}"
        ));
    }
    if fault.answer == Answer::Retry {
        // No fault of the settings, as far as anybody can tell: whoever watches the process may start it again.
        return anyhow::anyhow!(
            "no broker answers at {bootstrap}: {fault}; is `kafka.bootstrap` right, is Kafka up, and does it expect TLS or a password (`kafka.properties`)?"
        );
    }
    usage(fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_brokers_refuse_names_the_rights() {
        for code in [
            "TopicAuthorizationFailed",
            "GroupAuthorizationFailed",
            "TransactionalIdAuthorizationFailed",
            "ClusterAuthorizationFailed",
        ] {
            let fault = Fault::new(Answer::Exit, "commit transaction", code, "refused");
            assert!(rights(&fault).is_some_and(|remedy| remedy.contains("docs/operations.md")), "{code}");
        }
        assert_eq!(
            rights(&Fault::new(Answer::Retry, "commit transaction", "OperationTimedOut", "late")),
            None
        );
    }
}
