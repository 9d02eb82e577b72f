//! What a stream thread is told.

use crate::desk::Publisher;
use crate::journal::{FeedTopic, Rules};
use crate::ports::ReadFrom;
use cxwatch_engine::Settings;
use cxwatch_event::mapping::Refusal;
use cxwatch_event::{Decoder, Millis, RawRecord, Record};
use cxwatch_rulebook::{Calendar, Rulebook};
use std::sync::Arc;

/// Where a task begins that nothing is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// From here history builds state.
    pub read_from: ReadFrom,
    /// Detections before this lead to no action.
    pub act_from: Millis,
}

/// How often things are done. All in milliseconds unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Between commits.
    pub commit_interval_ms: u64,
    /// Between commits while a task is far behind.
    pub commit_interval_behind_ms: u64,
    /// A task whose watermark lies further behind the wall clock than this is far behind.
    pub behind_ms: Millis,
    /// Between the beginnings of snapshots, at least.
    pub snapshot_every_ms: u64,
    /// Snapshots may take up this share of the input's bytes, in percent; their interval is stretched to that.
    pub snapshot_percent_max: u64,
    /// Of untouched customers, written with one commit at least while a snapshot runs, in bytes.
    pub slice_bytes_min: usize,
    /// A feed that has given neither record nor proof for so long is blind.
    pub blind_after_ms: u64,
    /// By feed: a topic that has stood still for longer than this is silent.
    pub expect: Vec<Option<Expect>>,
    /// For input that ends.
    pub bounded: Option<Bounded>,
}

/// How long a topic may stand still before its feed is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// So long, in milliseconds.
    pub ms: Millis,
    /// Only the time in which this is open counts: a shop that is closed at night is not blind at night.
    pub calendar: Option<Calendar>,
}

impl Expect {
    /// Whether a topic that has stood still from `since` to `now` has been silent for too long.
    pub fn is_over(&self, since: Millis, now: Millis) -> bool {
        let passed = match &self.calendar {
            Some(calendar) => calendar.open_between(since, now),
            None => now - since,
        };
        passed > self.ms
    }
}

/// Input that ends: only events and heartbeats move time, no feed is blind, a feed read to its end no longer holds the
/// clock, and nothing comes too late to act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounded {
    /// Where the feeds end, fixed at the start: (feed, partition, next offset). What lies behind is not read.
    pub ends: Vec<(usize, i32, i64)>,
    /// The instant through which to go when all feeds have been read.
    pub until: Millis,
}

impl Timing {
    /// The defaults for so many feeds.
    pub fn new(feeds: usize) -> Self {
        Timing {
            commit_interval_ms: 100,
            commit_interval_behind_ms: 1_000,
            behind_ms: 60_000,
            snapshot_every_ms: 60_000,
            snapshot_percent_max: 50,
            slice_bytes_min: 64 * 1024,
            blind_after_ms: 30_000,
            expect: vec![None; feeds],
            bounded: None,
        }
    }
}

/// What a turn of the loop is bounded by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Items of one feed served at a time.
    pub batch_items_max: usize,
    /// Instants of one task processed at a time.
    pub slice_instants_max: usize,
    /// A feed is far ahead of its task where it is ahead by this much event time ...
    pub ahead_ms_max: Millis,
    /// ... and so many events wait in the task's buffer.
    pub ahead_events_max: usize,
    /// More records of a feed than this rejected in a row stop the task.
    pub rejected_in_a_row_max: u32,
    /// Waiting for the client where there is nothing to do.
    pub idle_wait_ms: u64,
    /// Dead letters carry headers only, not the original bytes.
    pub dead_letters_headers_only: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            batch_items_max: 500,
            slice_instants_max: 5_000,
            ahead_ms_max: 10_000,
            ahead_events_max: 20_000,
            rejected_in_a_row_max: 1_000,
            idle_wait_ms: 5,
            dead_letters_headers_only: false,
        }
    }
}

/// A rulebook from its source.
pub type Compile = dyn Fn(&str) -> Result<Arc<Rulebook>, String> + Send + Sync;

/// Reads one record into what it came to, by CloudEvents or by a mapping, and adds what of it was refused: all of it, or
/// some of its events, while the others go on. The number is the record's offset, which a mapping may use as an id.
pub type Decode = Arc<dyn Fn(&RawRecord<'_>, i64, &mut Record, &mut Vec<Refusal>) + Send + Sync>;

/// By feed, what decodes its records under a rulebook, each by the meaning that its offset has.
pub type Decoders = dyn Fn(&Rulebook, &[FeedTopic]) -> Result<Vec<Decode>, String> + Send + Sync;

/// A desk, given `act_from` and the settings.
pub type MakeDesk<D> = dyn Fn(Millis, &Settings) -> D + Send + Sync;

/// All of it.
pub struct Plan<D: Publisher> {
    /// The rulebook and settings to run with.
    pub rules: Rules,
    /// That rulebook.
    pub book: Arc<Rulebook>,
    /// Compiles the one that a journal names.
    pub compile: Box<Compile>,
    /// What decodes records.
    pub decoders: Box<Decoders>,
    /// What decides.
    pub desk: Box<MakeDesk<D>>,
    /// Where to begin; `None`: a task without a past is an error.
    pub start: Option<Start>,
    /// How often.
    pub timing: Timing,
    /// How much.
    pub bounds: Bounds,
    /// Spreads customers over tables and retries over time.
    pub seed: u64,
    /// Known errors built in: none, outside of tests.
    pub faults: Faults,
}

/// A known error built in, to show that the tests would see it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Which.
    #[cfg(feature = "faults")]
    pub wrong: Option<crate::Wrong>,
}

impl<D: Publisher> Plan<D> {
    /// Whether a known error is built in.
    #[cfg(feature = "faults")]
    pub(crate) fn is_wrong(&self, wrong: crate::Wrong) -> bool {
        self.faults.wrong == Some(wrong)
    }
}

/// A record in CloudEvents, which is taken whole or not at all.
pub fn cloud_event(decoder: &Decoder, raw: &RawRecord<'_>, out: &mut Record, refused: &mut Vec<Refusal>) {
    if let Err(rejection) = decoder.decode(raw, out) {
        *out = Record::default();
        refused.push(Refusal { sub: None, rejection });
    }
}

/// Every feed in CloudEvents.
pub fn cloud_events(book: &Rulebook, _: &[FeedTopic]) -> Result<Vec<Decode>, String> {
    let decoder = Decoder::new(Arc::clone(&book.catalogue), book.interest.clone());
    let decode: Decode = Arc::new(move |raw, _, out, refused| cloud_event(&decoder, raw, out, refused));
    Ok(vec![decode; book.feeds.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use cxwatch_event::rfc3339;
    use std::collections::BTreeMap;

    #[test]
    fn a_topic_may_stand_still_for_as_long_as_its_calendar_is_closed() {
        let mut week: [Vec<(u32, u32)>; 7] = Default::default();
        week[..5].iter_mut().for_each(|day| *day = vec![(8 * 60, 20 * 60)]);
        let desk = Calendar::new("desk", "Europe/Berlin", week, BTreeMap::new()).expect("a calendar");
        let at = |text: &str| rfc3339::parse(text).expect("an instant");
        let plain = Expect { ms: 600_000, calendar: None };
        let open = Expect { calendar: Some(desk), ..plain.clone() };
        // Friday evening, five minutes before closing, in winter time.
        let friday = at("2026-11-20T18:55:00Z");
        let over = |now: &str| (plain.is_over(friday, at(now)), open.is_over(friday, at(now)));
        assert_eq!(
            over("2026-11-20T19:05:00Z"),
            (false, false),
            "ten minutes are not longer than ten minutes"
        );
        assert_eq!(over("2026-11-20T19:05:00.001Z"), (true, false), "closed since 20:00");
        assert_eq!(over("2026-11-23T07:05:00Z"), (true, false), "Monday: five minutes on Friday, five today");
        assert_eq!(over("2026-11-23T07:05:00.001Z"), (true, true));
    }
}
