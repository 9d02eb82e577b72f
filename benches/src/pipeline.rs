//! The job of one thread: bytes in, actions out; and the same with nothing behind the decoder.

use cxwatch_decision::{Decider, DeciderSettings, Message, Messages, WallClock};
use cxwatch_engine::{FOREVER, Judge, NEVER, Settings, Task};
use cxwatch_event::{Decoder, Record};
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

/// The whole job: decode, order, detect, decide, encode.
pub struct Job {
    book: Arc<Rulebook>,
    settings: Settings,
    decoder: Decoder,
    record: Record,
    offsets: Vec<i64>,
    since: u32,
    /// The task, to be asked about its state.
    pub task: Task<Decider>,
    /// Actions and suppressions written.
    pub messages: u64,
    out: Vec<u8>,
}

/// So many records are read before time is moved.
const SLICE: u32 = 512;

impl Job {
    /// A task that has read nothing.
    pub fn new(book: Arc<Rulebook>) -> Self {
        let settings = Settings::new(book.feeds.len());
        let desk = Decider::new(DeciderSettings {
            act_from: NEVER,
            remember_ms: settings.late_horizon_ms,
            partitions: 1,
            wall: WallClock::None,
        });
        let mut task = Task::new(Arc::clone(&book), settings.clone(), desk, 0);
        let used = book.feeds_read();
        for feed in (0..book.feeds.len() as u8).map(FeedIx).filter(|f| !used.contains(*f)) {
            task.end(feed);
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
        let decisions = self.task.desk_mut().take_decisions();
        let messages = Messages::new(&self.book, &self.settings);
        for decision in &decisions {
            self.out.clear();
            let written = match messages.decision(0, decision) {
                Message::Action(m) => serde_json::to_writer(&mut self.out, &m),
                Message::Suppression(m) => serde_json::to_writer(&mut self.out, &m),
            };
            written.expect("writing to memory does not fail");
            self.out.flush().expect("memory needs no flushing");
            self.messages += 1;
        }
    }
}
