//! Applying again what was judged before: the engine's side of a restore.

use crate::{Desk, Task, Verdict};
use cxwatch_event::Millis;
use cxwatch_rulebook::{FeedIx, Rulebook};
use std::sync::Arc;

impl<D: Desk> Task<D> {
    /// From here on verdicts are being applied again: none are written down.
    pub fn begin_replay(&mut self) {
        self.journaling = false;
    }

    /// The task is live: what is judged from here on is written down.
    pub fn end_replay(&mut self) {
        self.journaling = true;
        self.verdicts.clear();
    }

    /// Processes through `instant`, as far as the task's watermark lets it. True when it got there.
    pub fn replay_through(&mut self, instant: Millis) -> bool {
        while self.advance(instant, usize::MAX) {}
        self.instant() >= instant
    }

    /// Applies a verdict whose instant and position have been reached. Records of a [`Verdict::Lag`] are read by the
    /// caller; a [`Verdict::Refused`] is asked for when its record is read.
    pub fn replay_verdict(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Proof { feed, watermark, .. } | Verdict::LagProof { feed, watermark, .. } => {
                let feed = &mut self.feeds[usize::from(*feed)];
                feed.watermark = feed.watermark.max(*watermark);
                if matches!(verdict, Verdict::LagProof { .. }) {
                    feed.lag_proof_at = Some(feed.position);
                }
                if matches!(verdict, Verdict::LagProof { .. }) {
                    let book = Arc::clone(&self.book);
                    self.fire_due(&book);
                }
            }
            Verdict::Blind { feed, why, .. } => self.feeds[usize::from(*feed)].blind = Some(*why),
            Verdict::See { feed, .. } => {
                let book = Arc::clone(&self.book);
                self.see_again(&book, FeedIx(*feed));
            }
            Verdict::Force { to, .. } => self.force_to(*to),
            Verdict::Pause { rule, paused, .. } => self.desk.set_paused(rule.as_deref(), *paused),
            Verdict::Lag { .. } | Verdict::Refused { .. } => {}
        }
    }

    fn see_again(&mut self, book: &Rulebook, feed: FeedIx) {
        self.feeds[usize::from(feed.0)].blind = None;
        self.fire_due(book);
    }
}
