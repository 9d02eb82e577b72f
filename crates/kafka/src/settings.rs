//! Client properties: an operator's own pass through; a few are ours alone.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::fault;
use cxwatch_runtime::ports::Fault;

/// Properties of the client library as the operator wrote them (`bootstrap.servers`, `security.protocol`, ...).
/// Names and values are librdkafka's.
pub type Properties = BTreeMap<String, String>;

/// Lays the operator's properties over our defaults and our forced ones over both. One that is forced must not be set
/// to anything else: silently winning would leave the operator with a wrong picture.
pub(crate) fn client_config(
    during: &'static str,
    user: &Properties,
    defaults: &[(&str, &str)],
    forced: &[(&str, &str)],
) -> Result<ClientConfig, Fault> {
    let contradicted: Vec<String> = forced
        .iter()
        .filter_map(|(name, ours)| {
            let theirs = user.get(*name)?;
            (theirs != ours).then(|| format!("{name}={theirs} (always {ours})"))
        })
        .collect();
    if !contradicted.is_empty() {
        return Err(fault::exit(
            during,
            format!("these client properties cannot be chosen, remove them: {}", contradicted.join(", ")),
        ));
    }
    if !user.contains_key("bootstrap.servers") {
        return Err(fault::exit(during, "bootstrap.servers is not set"));
    }
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Info);
    for (name, value) in defaults {
        config.set(*name, *value);
    }
    for (name, value) in user {
        config.set(name, value);
    }
    for (name, value) in forced {
        config.set(*name, *value);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxwatch_runtime::ports::Answer;

    fn properties(list: &[(&str, &str)]) -> Properties {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_operator_wins_over_defaults_and_not_over_what_is_forced() {
        let user = properties(&[
            ("bootstrap.servers", "localhost:1"),
            ("heartbeat.interval.ms", "700"),
            ("isolation.level", "read_committed"),
        ]);
        let config = client_config(
            "test",
            &user,
            &[("heartbeat.interval.ms", "500"), ("fetch.min.bytes", "1")],
            &[("isolation.level", "read_committed")],
        )
        .expect("nothing contradicts");
        assert_eq!(config.get("heartbeat.interval.ms"), Some("700"));
        assert_eq!(config.get("fetch.min.bytes"), Some("1"));
        assert_eq!(config.get("isolation.level"), Some("read_committed"));
    }

    #[test]
    fn every_forbidden_property_is_named() {
        let user = properties(&[
            ("bootstrap.servers", "localhost:1"),
            ("enable.auto.commit", "true"),
            ("isolation.level", "read_uncommitted"),
        ]);
        let forced = [("enable.auto.commit", "false"), ("isolation.level", "read_committed")];
        let fault = client_config("create consumer", &user, &[], &forced).expect_err("two are wrong");
        assert_eq!(fault.answer, Answer::Exit);
        assert!(fault.message.contains("enable.auto.commit=true (always false)"));
        assert!(fault.message.contains("isolation.level=read_uncommitted (always read_committed)"));
    }
}
