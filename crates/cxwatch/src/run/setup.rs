//! Settings, rulebook and mappings: what every command of the service begins with.

// Problems are shown before anything runs.
#![allow(clippy::print_stderr)]

use crate::cli::{file, usage};
use crate::settings::{self, Complaint, FeedSettings, Settings};
use anyhow::Result;
use cxwatch_event::builtin;
use cxwatch_event::mapping::Mapping;
use cxwatch_rulebook::Rulebook;
use cxwatch_rulebook::yaml::nearest;
use cxwatch_runtime::journal::FeedTopic;
use cxwatch_runtime::settings::Expect;
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
    /// That as it was written.
    pub(crate) mapping_source: Option<String>,
    /// How long its topic may stand still.
    pub(crate) expect: Option<Expect>,
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

/// What is shown of problems. Errors always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Warnings too.
    All,
    /// Errors alone: warnings are about what the service reads, and not the business of somebody who gives it an order.
    Errors,
}

/// Reads all of it and shows every problem.
pub(crate) fn setup(config: &Path) -> Result<Setup> {
    setup_with(config, None, Shown::All)
}

/// Reads all of it to do something about a service that was started with it.
pub(crate) fn setup_of_service(config: &Path) -> Result<Setup> {
    setup_with(config, None, Shown::Errors)
}

/// Reads all of it, with another rulebook than the settings', if one is given.
pub(crate) fn setup_with(config: &Path, rulebook: Option<&Path>, shown: Shown) -> Result<Setup> {
    let loaded = settings::load(config);
    let is_shown = |complaint: &&Complaint| complaint.error || shown == Shown::All;
    loaded.complaints.iter().filter(is_shown).for_each(|complaint| eprintln!("{complaint}"));
    let mut wrong = Vec::new();
    let errors = loaded.errors();
    if errors > 0 {
        let plural = if errors == 1 { "" } else { "s" };
        wrong.push(format!("{} cannot be used: {errors} error{plural}", config.display()));
    }
    let Some(settings) = loaded.settings else { return Err(refused(&wrong)) };
    // Where the settings name no rulebook, that has been said.
    let named = Some(settings.rulebook.as_path()).filter(|path| !path.as_os_str().is_empty());
    let book = rulebook.or(named).and_then(|path| {
        let calendars: Vec<&str> =
            settings.feeds.values().filter_map(|feed| feed.expect_calendar.as_deref()).collect();
        let read = file::rulebook_with(path, &calendars, shown);
        let place = if rulebook.is_some() { String::new() } else { origin(&settings, &["rulebook"]) };
        read.map_err(|error| wrong.push(format!("{error}{place}"))).ok()
    });
    let Some((source, book)) = book else {
        for (name, feed) in &settings.feeds {
            if let Some(Err(error)) = feed.mapping.as_deref().map(file::yaml) {
                wrong.push(format!("{error}{}", origin(&settings, &["feeds", name, "mapping"])));
            }
        }
        return Err(refused(&wrong));
    };
    assemble_with(settings, source, book, wrong, shown)
}

/// Where the settings name a file, to be said of an error in it.
fn origin(settings: &Settings, path: &[&str]) -> String {
    let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
    settings.values.get(&path).map_or(String::new(), |given| format!(" (named at {})", given.origin))
}

fn refused(wrong: &[String]) -> anyhow::Error {
    usage(wrong.join("\nerror: "))
}

/// Brings settings and rulebook together.
pub(crate) fn assemble(settings: Settings, source: String, book: Arc<Rulebook>) -> Result<Setup> {
    assemble_with(settings, source, book, Vec::new(), Shown::All)
}

fn assemble_with(
    settings: Settings,
    source: String,
    mut book: Arc<Rulebook>,
    mut wrong: Vec<String>,
    shown: Shown,
) -> Result<Setup> {
    for (feed, what) in [
        (builtin::CUSTOMERS, "of customers nothing is known: consent and zone are the defaults"),
        (builtin::OUTCOMES, "what becomes of actions is not heard"),
    ] {
        if !settings.feeds.contains_key(feed)
            && let Some(without) = book.without(feed)
        {
            if shown == Shown::All {
                eprintln!(
                    "warning: the rulebook reads the feed {feed}, but the settings do not name it, so {what}; add \
                     `feeds: {{ {feed}: {{}} }}` (topic {})",
                    FeedSettings::topic_of(feed)
                );
            }
            book = Arc::new(without);
        }
    }
    let feeds = feeds(&settings, &book, &mut wrong, shown);
    if wrong.is_empty() { Ok(Setup { settings, source, book, feeds }) } else { Err(refused(&wrong)) }
}

/// The rulebook's feeds as the settings want them read, and all that does not fit.
fn feeds(settings: &Settings, book: &Rulebook, wrong: &mut Vec<String>, shown: Shown) -> Vec<Feed> {
    let known: Vec<&str> = book.feeds.iter().map(|feed| feed.as_str()).collect();
    // Feeds that a rulebook may do without may be named all the same.
    let optional = [builtin::CUSTOMERS, builtin::OUTCOMES];
    let fits_in = |name: &str| known.contains(&name) || optional.contains(&name);
    for stranger in settings.feeds.keys().filter(|name| !fits_in(name)) {
        let instead = nearest(stranger, known.iter().copied())
            .map_or(String::new(), |name| format!("; write `{name}`?"));
        wrong.push(format!(
            "no event type of the rulebook belongs to the feed `{stranger}`; its feeds are {}{instead}",
            known.join(", ")
        ));
    }
    let one = |name: &&str| {
        let place = origin(settings, &["feeds", name, "mapping"]);
        let settings = settings.feeds.get(*name).cloned().unwrap_or_else(|| FeedSettings::of(name));
        let mapping = settings.mapping.as_deref().and_then(|path| {
            let read = file::mapping(path, &book.catalogue, shown).map_err(|error| format!("{error}{place}"));
            let mapping = read.and_then(|(text, mapping)| fits(&mapping, name).map(|()| (text, mapping)));
            mapping.map_err(|error| wrong.push(error)).ok()
        });
        let (mapping_source, mapping) = mapping.unzip();
        let expect = expect(name, &settings, book).map_err(|error| wrong.push(error)).unwrap_or(None);
        Feed { name: (*name).to_owned(), settings, mapping: mapping.map(Arc::new), mapping_source, expect }
    };
    known.iter().map(one).collect()
}

/// Whether a mapping tells how to read the records of a feed's topic.
fn fits(mapping: &Mapping, feed: &str) -> Result<(), String> {
    let sections: Vec<_> = mapping.sections.iter().filter(|section| section.feed == *feed).collect();
    if sections.len() != 1 {
        return Err(format!(
            "the mapping {} has {} entries for the feed {feed}; one is needed",
            mapping.name,
            sections.len()
        ));
    }
    if !sections[0].reads_single_records() {
        return Err(format!(
            "the mapping {} takes the columns of the feed {feed} from a first row, which a record of a topic does not \
             have; name the columns in the mapping",
            mapping.name
        ));
    }
    Ok(())
}

/// How long a feed may be silent, with the calendar that the settings name.
fn expect(feed: &str, settings: &FeedSettings, book: &Rulebook) -> Result<Option<Expect>, String> {
    let Some(ms) = settings.expect_ms else { return Ok(None) };
    let Some(name) = &settings.expect_calendar else { return Ok(Some(Expect { ms, calendar: None })) };
    let calendar = book.calendars.iter().find(|calendar| calendar.id == *name).cloned();
    if calendar.is_some() {
        return Ok(Some(Expect { ms, calendar }));
    }
    let known: Vec<&str> = book.calendars.iter().map(|calendar| calendar.id.as_str()).collect();
    let instead = match nearest(name, known.iter().copied()) {
        Some(near) => format!("write `{near}`?"),
        None if known.is_empty() => "it has none: declare it under `calendars`".to_owned(),
        None => format!("it has {}", known.join(", ")),
    };
    Err(format!(
        "the rulebook has no calendar `{name}`, which `feeds.{feed}.expect_calendar` names; {instead}"
    ))
}

impl Setup {
    /// The feeds' topics, in the order of the feeds' numbers.
    pub(crate) fn feed_topics(&self) -> Vec<String> {
        self.feeds.iter().map(|feed| feed.settings.topic.clone()).collect()
    }

    /// The same with their names, for the journal.
    pub(crate) fn feed_names(&self) -> Vec<FeedTopic> {
        let name =
            |feed: &Feed| FeedTopic::new(&feed.name, &feed.settings.topic, feed.mapping_source.clone());
        self.feeds.iter().map(name).collect()
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
        // Nothing is concluded from the silence of these.
        let told = |feed: &&Feed| ![builtin::CUSTOMERS, builtin::OUTCOMES].contains(&feed.name.as_str());
        let quiet = self.feeds.iter().filter(told).filter(|feed| feed.settings.expect_ms.is_none());
        quiet.map(|feed| feed.name.clone()).collect()
    }
}
