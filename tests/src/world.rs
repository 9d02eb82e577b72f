//! Worlds made at random: rulebooks in compiled form, streams of records, and schedules of what a task does with them.
//!
//! Everything is drawn from one seed. Times are whole seconds and durations a handful of them, so that ties, overtakings
//! and deadlines met exactly are common instead of rare.

pub mod book;
pub mod draw;
pub mod profiles;
pub mod rules;
pub mod schedule;
pub mod scripted;
pub mod stream;

use crate::naive::Occurrence;
use cxwatch_event::Millis;
use cxwatch_rulebook::{FeedIx, Rulebook};
use draw::Draw;
use rules::Scope;
use std::sync::Arc;
use stream::{Bounds, Logged, Manners};

/// The grain of all times.
pub const TICK: Millis = 1_000;

/// An instant after everything that happens, deadlines included.
pub const END: Millis = 200 * TICK;

/// The types of a world. Which feed each belongs to is drawn.
pub const TYPES: [&str; 8] = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"];

/// A rulebook, the times it runs with, and everything that will have happened.
#[derive(Debug, Clone)]
pub struct World {
    /// What it was drawn from.
    pub seed: u64,
    /// The rules before they were compiled.
    pub drafts: Vec<book::Draft>,
    /// Each type's feed.
    pub feed_of_type: Vec<(&'static str, &'static str)>,
    /// The rules.
    pub book: Arc<Rulebook>,
    /// By feed: the times it promises to keep.
    pub bounds: Vec<Bounds>,
    /// No event is earlier, but what is known of customers from the beginning.
    pub start_ms: Millis,
    /// How late an event may be against its feed's watermark.
    pub late_horizon_ms: Millis,
    /// For how long ids are remembered.
    pub dedupe_for_ms: Millis,
    /// How far in the future an event may lie.
    pub max_future_ms: Millis,
    /// By feed: its records; a record's place is its offset.
    pub log: Vec<Vec<Logged>>,
}

impl World {
    /// Draws a world. The same seed, scope and manners draw the same.
    pub fn draw(seed: u64, scope: Scope, manners: Manners) -> Self {
        let draw = &mut Draw::new(seed);
        let feeds = &["f0", "f1", "f2"][..draw.range(2, 3) as usize];
        let mut feed_of_type: Vec<_> = TYPES.iter().map(|t| (*t, *draw.pick(feeds))).collect();
        let drafts = rules::draw_rules(draw, scope);
        if drafts.iter().any(book::Draft::reads_profile) {
            // At one instant before or after all others.
            feed_of_type.push((book::PROFILE, *draw.pick(&["customers", "zcustomers"])));
        }
        let book = Arc::new(book::compile(book::catalogue(&feed_of_type), &drafts));
        let bounds: Vec<_> = book.feeds.iter().map(|_| drawn_bounds(draw, manners)).collect();
        let records = draw.range(4, 40) as usize;
        let length_ms = *draw.pick(&[15, 30, 60]) * TICK;
        // Some worlds run into the closing of the opening hours.
        let start_ms = *draw.pick(&[0, 40]) * TICK;
        let mut log = stream::draw_log(draw, &book, &bounds, manners, records, (start_ms, length_ms));
        if let Some(id) = book.profile {
            let feed = usize::from(book.feed_of_type[usize::from(id.0)].expect("it has a feed").0);
            let manner = match (scope, manners) {
                (Scope::Healing, Manners::Wild) => profiles::Manner::Known,
                (_, manners) => profiles::Manner::Changing(manners),
            };
            log[feed] = profiles::draw_profiles(draw, id, bounds[feed], manner, (start_ms, length_ms));
        }
        for (records, bounds) in log.iter_mut().zip(&bounds) {
            records.push(Logged::closing(END, bounds.reorder_ms));
        }
        World {
            seed,
            start_ms,
            late_horizon_ms: *draw.pick(&[4, 10, 20, 40]) * TICK,
            dedupe_for_ms: draw.range(2, 12) * TICK,
            max_future_ms: 4 * TICK,
            log,
            drafts,
            feed_of_type,
            book,
            bounds,
        }
    }

    /// The same world with other rules or records. Compiles the rules again.
    pub fn recompiled(mut self) -> Self {
        self.book = Arc::new(book::compile(book::catalogue(&self.feed_of_type), &self.drafts));
        self
    }

    /// All events but those that `refused` names by (feed, offset, time).
    pub fn occurrences(&self, refused: &[(FeedIx, i64, Millis)]) -> Vec<Occurrence> {
        let mut all = Vec::new();
        for (feed, records) in (0..).map(FeedIx).zip(&self.log) {
            for (offset, logged) in (0..).zip(records) {
                let events =
                    logged.record.events.iter().filter(|e| !refused.contains(&(feed, offset, e.time)));
                all.extend(events.map(|event| Occurrence { feed, offset, event: event.clone() }));
            }
        }
        all
    }
}

/// Where producers keep them, they may be wide; where not, narrow ones make more events late.
fn drawn_bounds(draw: &mut Draw, manners: Manners) -> Bounds {
    let (reorder_max, more_max) = if manners == Manners::Calm { (3, 4) } else { (2, 2) };
    let reorder_ms = draw.range(0, reorder_max) * TICK;
    Bounds { reorder_ms, max_delay_ms: reorder_ms + draw.range(0, more_max) * TICK }
}
