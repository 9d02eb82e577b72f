//! What comes out of the engine: detections and what becomes of them.

use crate::change::Renumbered;
use compact_str::CompactString;
use cxwatch_event::{Event, Micro, Millis, Reason, TypeId};
use cxwatch_rulebook::{FeedIx, Level, RuleIx, Rulebook};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::sync::Arc;

/// Measures of an episode or window, in the order of [`cxwatch_rulebook::Rule::measures`].
pub type Measures = SmallVec<[Option<Micro>; 2]>;

/// An event as evidence: enough to find it again and to name it, nothing of its content.
///
/// For a detection that stands as evidence in another rule, `kind` is `None`, `source` is `rule:<id>` and `id` that
/// of the event the detection is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventRef {
    /// The feed it came in on.
    pub feed: u8,
    /// The type, or `None` for a detection.
    pub kind: Option<u16>,
    /// Which event of its record.
    pub sub: u32,
    /// The record's offset.
    pub offset: i64,
    /// When it happened.
    pub time: Millis,
    /// CloudEvents `id`.
    pub id: CompactString,
    /// CloudEvents `source`.
    pub source: CompactString,
    /// What the event names that a router knows, if anything.
    pub names: Option<Arc<Names>>,
}

/// An event as it was read: with where it lay.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The event.
    pub event: &'a Event,
    /// The feed it came in on.
    pub feed: FeedIx,
    /// The record's offset.
    pub offset: i64,
}

impl Received<'_> {
    /// What is remembered of it.
    pub fn reference(&self, book: &Rulebook) -> EventRef {
        let event = self.event;
        EventRef {
            feed: self.feed.0,
            kind: Some(event.kind.0),
            sub: event.sub,
            offset: self.offset,
            time: event.time,
            id: event.id.clone(),
            source: event.source.clone(),
            names: Names::of(book, event),
        }
    }
}

/// References that an event names: by their place in [`cxwatch_rulebook::REFERENCES`], in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Names(SmallVec<[(u8, CompactString); 2]>);

/// Longer values are no references.
const NAME_BYTES_MAX: usize = 128;

impl Names {
    fn of(book: &Rulebook, event: &Event) -> Option<Arc<Self>> {
        let fields = book.references.get(usize::from(event.kind.0)).filter(|fields| !fields.is_empty())?;
        let named = fields.iter().filter_map(|(reference, field)| {
            let text = event.field(*field).map(cxwatch_rulebook::key_text)?;
            (text.len() <= NAME_BYTES_MAX).then_some((*reference, text))
        });
        let names: SmallVec<_> = named.collect();
        (!names.is_empty()).then(|| Arc::new(Names(names)))
    }

    /// The value of a reference, by its name in an event.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = cxwatch_rulebook::REFERENCES.iter().position(|reference| *reference == name)?;
        self.0.iter().find(|(reference, _)| usize::from(*reference) == at).map(|(_, value)| value.as_str())
    }
}

impl EventRef {
    /// The feed of an event whose feed the rulebook no longer has.
    pub const FEED_GONE: u8 = u8::MAX;

    /// The type of an event whose type the rulebook no longer has.
    pub const KIND_GONE: u16 = u16::MAX;

    /// Names feed and type by the numbers of another rulebook.
    pub(crate) fn renumber(&mut self, numbers: &Renumbered) {
        self.feed = numbers.feed(self.feed);
        self.kind = self.kind.map(|kind| numbers.kind(kind));
    }

    /// The type's number, for an event.
    pub fn type_id(&self) -> Option<TypeId> {
        self.kind.map(TypeId)
    }

    /// The feed.
    pub fn feed_ix(&self) -> FeedIx {
        FeedIx(self.feed)
    }
}

/// "Rule R holds for customer C", with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// Its number within the task's customer: the same for the same problem, whatever its deadline or measures.
    pub id: u64,
    /// The rule.
    pub rule: RuleIx,
    /// Warning or breach.
    pub level: Level,
    /// The customer.
    pub customer: CompactString,
    /// The episode's key; empty where the rule has no `per`.
    pub key: CompactString,
    /// The event time at which it holds: a deadline, or the time of the completing event.
    pub time: Millis,
    /// What it is about: the opening event of an absence, the completing event of the other kinds.
    pub about: EventRef,
    /// The deadline of the episode: for a warning the one it warns of.
    pub deadline: Millis,
    /// The events it rests on, in order of time; `about` among them.
    pub evidence: Vec<EventRef>,
    /// How many events it rests on, where the evidence was cut.
    pub events: u32,
    /// Its measures.
    pub measures: Measures,
    /// 0 to 100.
    pub severity: u8,
    /// What ends the need to act is known already: the detection came late, behind a `stop`. [`Effect::Resolved`] follows.
    pub resolved: bool,
    /// What the clock knew when it was published.
    pub clock: Clock,
}

/// The state of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// The instant being processed.
    pub instant: Millis,
    /// The task's watermark.
    pub watermark: Millis,
    /// By feed: its own watermark and whether it is blind.
    pub feeds: SmallVec<[(Millis, bool); 4]>,
}

/// A detection that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// As in [`Detection`].
    pub id: u64,
    /// The rule.
    pub rule: RuleIx,
    /// Warning or breach.
    pub level: Level,
    /// The customer.
    pub customer: CompactString,
    /// The episode's key.
    pub key: CompactString,
    /// The detection's time.
    pub time: Millis,
    /// What it was about.
    pub about: EventRef,
    /// The event that ended it, where one did.
    pub by: Option<EventRef>,
}

/// One effect, in the order in which they happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A rule holds.
    Detected(Box<Detection>),
    /// It never held.
    Retracted(Box<Ended>),
    /// It held, and the need to act is over.
    Resolved(Box<Ended>),
}

/// An event of a record that the clock refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Which event of the record (by its place among the record's times).
    pub sub: u32,
    /// [`Reason::TimeInFuture`] or [`Reason::TooLate`].
    pub reason: Reason,
    /// Its time.
    pub time: Millis,
}

/// What became of things, counted since the task began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events applied.
    pub applied: u64,
    /// Events applied at once: their place was behind the instant.
    pub at_once: u64,
    /// Events that were late against their feed's watermark.
    pub late: u64,
    /// Events dropped as duplicates.
    pub duplicates: u64,
    /// Events refused as too late.
    pub too_late: u64,
    /// Events refused for lying in the future.
    pub in_future: u64,
    /// Instants forced out of a full buffer.
    pub forced: u64,
    /// Detections.
    pub detections: u64,
    /// Retractions.
    pub retractions: u64,
    /// Resolutions.
    pub resolutions: u64,
    /// Deadlines that were due but had to wait for a feed.
    pub held: u64,
    /// Key evaluations from memory.
    pub evaluated_again: u64,
    /// Times a memory bound was hit.
    pub bound_hits: u64,
    /// `start` events without the field of `per`.
    pub starts_without_key: u64,
}
