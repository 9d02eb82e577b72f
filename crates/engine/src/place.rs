//! Where an event stands in the naive order: all events sorted by time.

use crate::EventRef;
use crate::change::Renumbered;
use cxwatch_event::Millis;
use cxwatch_rulebook::RuleIx;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A position in the naive order. At one instant: events by (feed, offset, sub-index), each followed by the
/// detections it completed; then what timers of the instant detected, in the order of the rules.
///
/// In 24 bytes: much of what is remembered is positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pos {
    pub(crate) time: Millis,
    /// Offset, or the beginning of the key as a number.
    minor: i64,
    /// [`OF_TIMER`] for what a timer detected.
    sub: u32,
    /// Feed, or rule.
    major: u16,
    /// 0 for the event itself, else one more than the rule whose detection it caused.
    chain: u16,
}

/// No record has as many events: what a timer detected comes after all of an instant's events.
const OF_TIMER: u32 = u32::MAX;

impl PartialOrd for Pos {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pos {
    fn cmp(&self, other: &Self) -> Ordering {
        let rest = |p: &Self| (p.is_of_timer(), p.major, p.minor, p.sub, p.chain);
        self.time.cmp(&other.time).then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl Pos {
    fn is_of_timer(&self) -> bool {
        self.sub == OF_TIMER
    }

    pub(crate) fn of_event(event: &EventRef) -> Self {
        Pos::at_event(event.time, event.feed, event.offset, event.sub)
    }

    /// Of an event, from its parts.
    pub(crate) fn at_event(time: Millis, feed: u8, offset: i64, sub: u32) -> Self {
        Pos { time, major: u16::from(feed), minor: offset, sub, chain: 0 }
    }

    /// The parts, if it is that of an event: time, feed, offset, sub-index.
    pub(crate) fn event(self) -> Option<(Millis, u8, i64, u32)> {
        let feed = u8::try_from(self.major).ok()?;
        (!self.is_of_timer() && self.chain == 0).then_some((self.time, feed, self.minor, self.sub))
    }

    /// Of a detection that the event at this position completed.
    pub(crate) fn completed(self, rule: RuleIx) -> Self {
        Pos { chain: rule.0 + 1, ..self }
    }

    /// Names the feed by its number in another rulebook.
    pub(crate) fn renumber(&mut self, numbers: &Renumbered) {
        if !self.is_of_timer() {
            self.major = self.major.try_into().map_or(self.major, |feed| numbers.feed(feed).into());
        }
    }

    /// Of a detection at a deadline.
    pub(crate) fn of_timer(time: Millis, rule: RuleIx, key: &str) -> Self {
        let mut first = [0; 8];
        let taken = key.len().min(8);
        first[..taken].copy_from_slice(&key.as_bytes()[..taken]);
        // Shifted so that the order of the bytes is the order of the signed numbers.
        let minor = (u64::from_be_bytes(first) ^ 1 << 63) as i64;
        Pos { time, major: rule.0, minor, sub: OF_TIMER, chain: 0 }
    }
}
