//! What commands that read or write topics are told of a cluster.

use super::usage;
use crate::run::setup::{Feed, Setup, Shown, setup_with};
use crate::settings::FeedSettings;
use anyhow::Result;
use cxwatch_kafka::Properties;
use cxwatch_rulebook::Rulebook;
use std::path::Path;

/// Where to find it, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Cluster {
    /// The service's settings: names of the feeds' topics, mappings, client properties.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<std::path::PathBuf>,

    /// A property of the client library, such as security.protocol=SSL. Repeatable.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) kafka_property: Vec<String>,
}

impl Cluster {
    /// Reads the settings, if there are any. `rulebook` is taken instead of theirs.
    pub(crate) fn setup(&self, rulebook: Option<&Path>) -> Result<Option<Setup>> {
        self.config.as_deref().map(|config| setup_with(config, rulebook, Shown::All)).transpose()
    }

    /// The client's properties: those of the settings, those of the command line over them.
    pub(crate) fn properties(&self, brokers: &str, setup: Option<&Setup>) -> Result<Properties> {
        let mut properties = setup.map_or_else(Properties::new, |s| s.settings.kafka.properties.clone());
        properties.insert("bootstrap.servers".to_owned(), brokers.to_owned());
        for given in &self.kafka_property {
            let Some((name, value)) = given.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                return Err(usage(format!("--kafka-property {given}: expected NAME=VALUE")));
            };
            properties.insert(name.trim().to_owned(), value.to_owned());
        }
        Ok(properties)
    }
}

/// The feeds of a rulebook whose topics have their names.
pub(crate) fn plain_feeds(book: &Rulebook) -> Vec<Feed> {
    let names = book.feeds.iter().map(ToString::to_string);
    let plain = |name: String| Feed {
        settings: FeedSettings::of(&name),
        name,
        mapping: None,
        mapping_source: None,
        expect: None,
    };
    names.map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_the_command_line_are_names_and_values() {
        let args = |given: &str| Cluster { config: None, kafka_property: vec![given.to_owned()] };
        let properties = args("sasl.password=a=b").properties("here:9092", None).expect("a name and a value");
        let list: Vec<_> = properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(list, [("bootstrap.servers", "here:9092"), ("sasl.password", "a=b")]);
        let refused = args("=x").properties("here:9092", None).expect_err("no name");
        assert_eq!(refused.to_string(), "--kafka-property =x: expected NAME=VALUE");
    }
}
