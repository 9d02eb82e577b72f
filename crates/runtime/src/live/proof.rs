//! What has been read of the feeds: proofs, ends, and feeds that show nothing.

use super::{ASKED_MS_MAX, Live, Side, feed_ix};
use crate::desk::Publisher;
use cxwatch_engine::{Blindness, FOREVER};
use cxwatch_event::Millis;

impl<D: Publisher> Live<D> {
    /// The end of the feed's partition was met at this position.
    pub fn eof(&mut self, feed: usize, position: i64) {
        let side = &mut self.sides[feed];
        side.reached = side.reached.max(position);
    }

    /// An answer where the feed's partition ends.
    pub fn note_end(&mut self, feed: usize, sent_at: Millis, end: i64) {
        let side = &mut self.sides[feed];
        side.end = end;
        side.newest = Some((sent_at, end));
        side.oldest = side.oldest.or(side.newest);
    }

    /// Applies the proofs that reading has come to: everything that had reached the broker when the question was sent
    /// has been read.
    pub fn prove(&mut self, now: Millis) {
        for feed in 0..self.sides.len() {
            let side = &mut self.sides[feed];
            let proven = |answer: Option<(Millis, i64)>| answer.filter(|(_, end)| side.reached >= *end);
            let as_of = match (proven(side.newest), proven(side.oldest)) {
                (Some((newest, _)), _) => {
                    (side.newest, side.oldest) = (None, None);
                    newest
                }
                (None, Some((oldest, _))) => {
                    side.oldest = side.newest;
                    oldest
                }
                (None, None) => continue,
            };
            side.quiet_ms = 0;
            self.set_wall(now);
            self.task.proof(feed_ix(feed), as_of);
        }
    }

    /// Where input that ends does.
    pub(super) fn end_of(&self, feed: usize) -> Option<i64> {
        let ends = &self.plan.timing.bounded.as_ref()?.ends;
        let end = ends.iter().find(|(f, partition, _)| (*f, *partition) == (feed, self.partition));
        // A partition that nobody knew at the start is empty.
        Some(end.map_or(0, |(_, _, end)| *end))
    }

    /// Of input that ends: feeds that have been read to their end no longer hold the clock. (A proof like any other, as
    /// of the end of time; so a restore knows of it.)
    pub fn end_feeds(&mut self) {
        for feed in 0..self.sides.len() {
            let ix = feed_ix(feed);
            let over = self.end_of(feed).is_some_and(|end| self.sides[feed].reached >= end);
            if over && self.task.feed_watermark(ix) < FOREVER {
                let delay = self.task.settings().feeds[feed].max_delay_ms;
                self.task.proof(ix, FOREVER + delay);
            }
        }
    }

    /// Whether input that ends has been gone through, and everything is committed.
    pub fn is_done(&self) -> bool {
        let bounded = self.plan.timing.bounded.as_ref();
        let over = (0..self.sides.len()).all(|f| self.task.feed_watermark(feed_ix(f)) >= FOREVER);
        bounded.is_some_and(|b| over && self.task.instant() >= b.until) && self.is_settled()
    }

    /// A feed that is not served for being far ahead cannot be blamed for its silence.
    pub fn not_asked(&mut self, feed: usize) {
        self.sides[feed].quiet_ms = 0;
    }

    /// Calls feeds blind that have shown nothing for too long, unless none has shown anything: then the broker is down.
    /// What counts is the time in which they were asked: a process that was frozen, or busy with a restore, asked nobody.
    pub fn look_for_stalled(&mut self, elapsed: u64) {
        let passed = elapsed.saturating_sub(self.looked_at).min(ASKED_MS_MAX);
        self.looked_at = elapsed;
        let after = self.plan.timing.blind_after_ms;
        for side in &mut self.sides {
            side.quiet_ms = side.quiet_ms.saturating_add(passed);
        }
        let shows = |side: &Side| side.quiet_ms <= after;
        if !self.sides.iter().any(shows) {
            return;
        }
        for feed in 0..self.sides.len() {
            if !shows(&self.sides[feed]) && self.task.blindness(feed_ix(feed)).is_none() {
                self.task.blind(feed_ix(feed), Blindness::Stalled);
            }
        }
    }

    /// The whole topic has stood still for too long. Nobody is blind who has not read to its end.
    pub fn silent(&mut self, feed: usize, end: i64) {
        if self.sides[feed].reached >= end && self.task.blindness(feed_ix(feed)).is_none() {
            self.task.blind(feed_ix(feed), Blindness::Silent);
        }
    }
}
