//! Settings, rulebook and mappings: what every command of the service begins with.

// Problems are shown before anything runs.
#![allow(clippy::print_stderr)]

use crate::cli::{file, usage};
use crate::settings::{self, FeedSettings, Settings};
use anyhow::Result;
use cxwatch_event::mapping::Mapping;
use cxwatch_rulebook::Rulebook;
use cxwatch_rulebook::yaml::nearest;
use std::path::Path;
use std::sync::Arc;

/// A feed of the rulebook and how it is read.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    /// Its name.
    pub(crate) name: String,
    /// How it is read.
    pub(crate) settings: FeedSettings,
    /// What its records mean, if they are foreign.
    pub(crate) mapping: Option<Arc<Mapping>>,
}

/// Everything that was read from files.
pub(crate) struct Setup {
    /// The settings.
    pub(crate) settings: Settings,
    /// The rulebook as it was written.
    pub(crate) source: String,
    /// The rulebook.
    pub(crate) book: Arc<Rulebook>,
    /// Its feeds, in the order of their numbers.
    pub(crate) feeds: Vec<Feed>,
}

/// Reads all of it and shows every problem.
pub(crate) fn setup(config: &Path) -> Result<Setup> {
    setup_with(config, None)
}

/// Reads all of it, with another rulebook than the settings', if one is given.
pub(crate) fn setup_with(config: &Path, rulebook: Option<&Path>) -> Result<Setup> {
    let (settings, warnings) = settings::load(config).map_err(|complaints| {
        complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
        let errors = complaints.iter().filter(|complaint| complaint.error).count();
        let plural = if errors == 1 { "" } else { "s" };
        usage(format!("{} cannot be used: {errors} error{plural}", config.display()))
    })?;
    warnings.iter().for_each(|complaint| eprintln!("{complaint}"));
    let rulebook = rulebook.unwrap_or(&settings.rulebook);
    let source = file::text(rulebook)?;
    let book = file::rulebook(rulebook)?;
    assemble(settings, source, book)
}

/// Brings settings and rulebook together.
pub(crate) fn assemble(settings: Settings, source: String, book: Arc<Rulebook>) -> Result<Setup> {
    let known: Vec<&str> = book.feeds.iter().map(|feed| feed.as_str()).collect();
    if let Some(stranger) = settings.feeds.keys().find(|name| !known.contains(&name.as_str())) {
        let instead = nearest(stranger, known.iter().copied())
            .map_or(String::new(), |name| format!("; write `{name}`?"));
        return Err(usage(format!(
            "no event type of the rulebook belongs to the feed `{stranger}`; its feeds are {}{instead}",
            known.join(", ")
        )));
    }
    let mut feeds = Vec::new();
    for name in &known {
        let settings = settings.feeds.get(*name).cloned().unwrap_or_else(|| FeedSettings::of(name));
        let mapping = match &settings.mapping {
            Some(path) => Some(Arc::new(file::mapping(path, &book.catalogue)?)),
            None => None,
        };
        if let Some(mapping) = &mapping {
            let sections = mapping.sections.iter().filter(|section| section.feed == *name).count();
            if sections != 1 {
                return Err(usage(format!(
                    "the mapping {} has {sections} entries for the feed {name}; one is needed",
                    mapping.name
                )));
            }
            if mapping.sections.iter().any(|section| section.feed == *name && !section.reads_single_records())
            {
                return Err(usage(format!(
                    "the mapping {} takes the columns of the feed {name} from a first row, which a record of a topic does not \
                     have; name the columns in the mapping",
                    mapping.name
                )));
            }
        }
        feeds.push(Feed { name: (*name).to_owned(), settings, mapping });
    }
    drop(known);
    Ok(Setup { settings, source, book, feeds })
}

impl Setup {
    /// The feeds' topics, in the order of the feeds' numbers.
    pub(crate) fn feed_topics(&self) -> Vec<String> {
        self.feeds.iter().map(|feed| feed.settings.topic.clone()).collect()
    }

    /// What the engine is told.
    pub(crate) fn engine(&self) -> cxwatch_engine::Settings {
        let Settings { time, limits, .. } = &self.settings;
        let feeds = self.feeds.iter().map(|feed| cxwatch_engine::FeedSettings {
            reorder_ms: feed.settings.reorder_ms,
            max_delay_ms: feed.settings.max_delay_ms,
            watched: feed.settings.expect_ms.is_some(),
        });
        let mut engine = cxwatch_engine::Settings::new(0);
        engine.feeds = feeds.collect();
        engine.late_horizon_ms = time.late_horizon_ms;
        engine.max_future_ms = time.max_future_ms;
        engine.dedupe_for_ms = time.dedupe_for_ms;
        engine.limits = limits.clone();
        engine
    }

    /// The names of the feeds whose silence nobody would notice.
    pub(crate) fn unwatched(&self) -> Vec<String> {
        let quiet = self.feeds.iter().filter(|feed| feed.settings.expect_ms.is_none());
        quiet.map(|feed| feed.name.clone()).collect()
    }
}
