//! The job of one thread: bytes in, actions out; and the same with nothing behind the decoder.

use crate::stream::FEEDS;
use cxwatch_decision::{Decider, DeciderSettings, Message, Messages, WallClock};
use cxwatch_engine::{Desk, Effect, FOREVER, Judge, Moment, NEVER, Settings, Task};
use cxwatch_event::{Decoder, Millis, Record};
use cxwatch_rulebook::{FeedIx, Rulebook};
use std::io::Write;
use std::sync::Arc;

/// Decodes lines and does nothing with them: the reference.
pub struct DecodeOnly {
    decoder: Decoder,
    record: Record,
    /// Events that rules name.
    pub named: u64,
}

impl DecodeOnly {
    /// With the fields that the rulebook reads.
    pub fn new(book: &Rulebook) -> Self {
        let decoder = Decoder::new(Arc::clone(&book.catalogue), book.interest.clone());
        DecodeOnly { decoder, record: Record::default(), named: 0 }
    }

    /// One line.
    pub fn line(&mut self, line: &[u8]) {
        if self.decoder.decode_at_home(line, &mut self.record).is_ok() {
            self.named += self.record.events.len() as u64;
        }
    }
}

/// Events that lie ready, for the engine alone.
#[derive(Debug, Clone)]
pub struct Decoded(Vec<(FeedIx, Record)>);

impl Decoded {
    /// These lines.
    pub fn new(book: &Rulebook, lines: &[String]) -> Self {
        let decoder = Decoder::new(Arc::clone(&book.catalogue), book.interest.clone());
        let decode = |line: &String| {
            let mut record = Record::default();
            let kind = decoder.decode_at_home(line.as_bytes(), &mut record).ok()?;
            Some((book.feed_of_type[usize::from(kind.0)]?, record))
        };
        Decoded(lines.iter().filter_map(decode).collect())
    }
}

/// How far a job goes.
pub trait Stage {
    /// The desk that takes the detections.
    type Desk: Desk;

    /// A desk that has taken nothing.
    fn desk(settings: &Settings) -> Self::Desk;

    /// Takes what the desk has decided, and encodes it; how many messages that were.
    fn deliver(desk: &mut Self::Desk, messages: &Messages<'_>, out: &mut Vec<u8>) -> u64;
}

/// Decode, order and detect; detections go nowhere.
#[derive(Debug)]
pub struct Detect;

/// And decide; decisions go nowhere.
#[derive(Debug)]
pub struct Decide;

/// And encode: the whole job.
#[derive(Debug)]
pub struct Encode;

/// A desk that wants nothing.
#[derive(Debug)]
pub struct Nobody;

impl Desk for Nobody {
    type State = ();

    fn take(&mut self, _: &Moment<'_>, (): &mut (), _: &Effect) {}

    fn next(&self, (): &()) -> Option<Millis> {
        None
    }

    fn wake(&mut self, _: &Moment<'_>, (): &mut ()) {}

    fn rule_removed(&mut self, _: &Moment<'_>, (): &mut (), _: &str) {}

    fn is_idle(&self, (): &()) -> bool {
        true
    }
}

impl Stage for Detect {
    type Desk = Nobody;

    fn desk(_: &Settings) -> Nobody {
        Nobody
    }

    fn deliver(_: &mut Nobody, _: &Messages<'_>, _: &mut Vec<u8>) -> u64 {
        0
    }
}

impl Stage for Decide {
    type Desk = Decider;

    fn desk(settings: &Settings) -> Decider {
        Decider::new(DeciderSettings {
            act_from: NEVER,
            remember_ms: settings.late_horizon_ms,
            partitions: 1,
            wall: WallClock::None,
        })
    }

    fn deliver(desk: &mut Decider, _: &Messages<'_>, _: &mut Vec<u8>) -> u64 {
        desk.take_decisions().len() as u64
    }
}

impl Stage for Encode {
    type Desk = Decider;

    fn desk(settings: &Settings) -> Decider {
        Decide::desk(settings)
    }

    fn deliver(desk: &mut Decider, messages: &Messages<'_>, out: &mut Vec<u8>) -> u64 {
        let decisions = desk.take_decisions();
        for decision in &decisions {
            out.clear();
            let written = match messages.decision(0, decision) {
                Message::Action(m) => serde_json::to_writer(&mut *out, &m),
                Message::Suppression(m) => serde_json::to_writer(&mut *out, &m),
            };
            written.expect("writing to memory does not fail");
            out.flush().expect("memory needs no flushing");
        }
        decisions.len() as u64
    }
}

/// The job of one thread, as far as the stage says.
pub struct Job<S: Stage = Encode> {
    book: Arc<Rulebook>,
    settings: Settings,
    decoder: Decoder,
    record: Record,
    offsets: Vec<i64>,
    since: u32,
    /// The task, to be asked about its state.
    pub task: Task<S::Desk>,
    /// Actions and suppressions decided.
    pub messages: u64,
    out: Vec<u8>,
}

/// So many records are read before time is moved.
const SLICE: u32 = 512;

impl<S: Stage> Job<S> {
    /// A task that has read nothing.
    pub fn new(book: Arc<Rulebook>) -> Self {
        let settings = Settings::new(book.feeds.len());
        let mut task = Task::new(Arc::clone(&book), settings.clone(), S::desk(&settings), 0);
        // What the stream does not have - profiles, outcomes - must not hold the clock.
        for (at, name) in book.feeds.iter().enumerate() {
            if !FEEDS.contains(&name.as_str()) {
                task.end(FeedIx(at as u8));
            }
        }
        let decoder = Decoder::new(Arc::clone(&book.catalogue), book.interest.clone());
        let offsets = vec![0; book.feeds.len()];
        Job {
            book,
            settings,
            decoder,
            record: Record::default(),
            offsets,
            since: 0,
            task,
            messages: 0,
            out: Vec::new(),
        }
    }

    /// One line.
    pub fn line(&mut self, line: &[u8]) {
        let Ok(kind) = self.decoder.decode_at_home(line, &mut self.record) else { return };
        let Some(feed) = self.book.feed_of_type[usize::from(kind.0)] else { return };
        self.read(feed);
    }

    /// Events that were decoded before.
    pub fn decoded(&mut self, decoded: Decoded) {
        for (feed, record) in decoded.0 {
            self.record = record;
            self.read(feed);
        }
        self.advance();
    }

    fn read(&mut self, feed: FeedIx) {
        let offset = &mut self.offsets[usize::from(feed.0)];
        if self.task.feed_watermark(feed) < FOREVER {
            self.task.read(feed, *offset, FOREVER, &mut self.record, Judge::Wall(FOREVER));
        }
        *offset += 1;
        self.since += 1;
        if self.since == SLICE {
            self.since = 0;
            self.advance();
        }
    }

    fn advance(&mut self) {
        while self.task.advance(FOREVER, usize::MAX) {}
        self.task.take_verdicts();
        let messages = Messages::new(&self.book, &self.settings);
        self.messages += S::deliver(self.task.desk_mut(), &messages, &mut self.out);
    }
}
