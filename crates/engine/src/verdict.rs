//! What the input cannot tell again.

use compact_str::CompactString;
use cxwatch_event::Millis;
use serde::{Deserialize, Serialize};

/// Why a feed is called blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blindness {
    /// It has given neither record nor proof for `blind_after` although it was asked. A proof ends it.
    Stalled,
    /// The whole topic has stood still for longer than its `expect`. Only a record ends it.
    Silent,
}

/// A judgement that came from the wall clock or from the order in which feeds happened to be read. Written with the
/// commit that contains its consequences; a replay applies it where it stands: after processing exactly through
/// `instant`, and reading `feed` exactly to `position`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// A watermark moved by proof, at or past the instant: may be applied as soon as the position is reached.
    Proof {
        /// The feed.
        feed: u8,
        /// The next offset to read.
        position: i64,
        /// The feed's watermark from then on.
        watermark: Millis,
    },
    /// The same while the feed's watermark was behind the instant: it may settle held deadlines, so its order counts.
    LagProof {
        /// The instant processed.
        instant: Millis,
        /// The feed.
        feed: u8,
        /// The next offset to read.
        position: i64,
        /// The feed's watermark from then on.
        watermark: Millis,
    },
    /// A run of records read from a feed whose watermark was behind the instant.
    Lag {
        /// The instant processed.
        instant: Millis,
        /// The feed.
        feed: u8,
        /// The first record's offset.
        from: i64,
        /// The position behind the last.
        to: i64,
    },
    /// A feed called blind.
    Blind {
        /// The instant processed.
        instant: Millis,
        /// The feed.
        feed: u8,
        /// The next offset to read.
        position: i64,
        /// Why.
        why: Blindness,
    },
    /// A blind feed seeing again.
    See {
        /// The instant processed.
        instant: Millis,
        /// The feed.
        feed: u8,
        /// The next offset to read.
        position: i64,
    },
    /// An instant forced out of a full buffer.
    Force {
        /// The instant processed before.
        instant: Millis,
        /// The instant forced.
        to: Millis,
        /// By feed: the next offset to read.
        positions: Vec<i64>,
    },
    /// An event refused because it lay in the future; `sub` is its place among the record's times.
    Refused {
        /// The feed.
        feed: u8,
        /// The record.
        offset: i64,
        /// Which event of it.
        sub: u32,
    },
    /// An operator stopped requests, or let them go on. Its place among the others tells which of the events applied at
    /// once came before.
    Pause {
        /// The instant processed.
        instant: Millis,
        /// Whose requests: a rule's, or all.
        rule: Option<CompactString>,
        /// Stopped, or let go on.
        paused: bool,
    },
}
