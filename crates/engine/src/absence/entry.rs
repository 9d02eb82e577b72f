//! One event with a role, as an absence remembers it.

use crate::evidence::Evidence;
use crate::place::Pos;
use crate::{EventRef, Measures};
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{Hit, Roles, Span};
use serde::{Deserialize, Serialize};

/// An event with a role, as remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) pos: Pos,
    /// Milliseconds that a stretch of refreshes lasts; else 0.
    pub(super) lasts: u32,
    /// Of source, id and sub-index.
    #[serde(with = "postcard::fixint::le")]
    pub(crate) id: u64,
    pub(super) roles: u32,
    more: More,
}

/// What an event brings along besides its roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum More {
    Nothing,
    Key(Box<CompactString>),
    Detail(Box<Detail>),
}

/// What an event brings along that opens, joins or subtracts, names a deadline or is a detection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Detail {
    key: Option<CompactString>,
    pub(super) span: Span,
    pub(super) deadline: Option<Millis>,
    pub(super) deltas: Measures,
    pub(super) severity: u8,
    /// Of a start.
    pub(super) about: Option<Evidence>,
    /// The detection that it is.
    pub(super) detection: Option<u64>,
}

impl Entry {
    /// `event` is asked for where it is remembered by name.
    pub(crate) fn new(
        hit: Hit,
        event: impl FnOnce() -> EventRef,
        pos: Pos,
        id: u64,
        detection: Option<u64>,
    ) -> Self {
        let adds = hit.roles & (Roles::START | Roles::MINUS) != 0;
        // A detection may be taken back: it is remembered by itself.
        let more = if adds || hit.deadline.is_some() || detection.is_some() {
            More::Detail(Box::new(Detail {
                key: hit.key,
                about: (hit.roles & Roles::START != 0).then(|| Evidence::of(&event())),
                span: hit.within,
                deadline: hit.deadline,
                deltas: hit.deltas,
                severity: hit.severity,
                detection,
            }))
        } else {
            hit.key.map_or(More::Nothing, |key| More::Key(Box::new(key)))
        };
        Entry { pos, lasts: 0, id, roles: hit.roles, more }
    }

    /// Refreshes from `pos` to `end`.
    pub(super) fn stretch(stretch: Stretch) -> Self {
        let Stretch { pos, end, id } = stretch;
        let lasts = lasts(pos, end).expect("an idle stretch is as short as one in the memory");
        Entry { pos, lasts, id, roles: Roles::REFRESH, more: More::Nothing }
    }

    /// The end of a stretch of refreshes; else the event's time.
    pub(super) fn end(&self) -> Millis {
        self.pos.time + Millis::from(self.lasts)
    }

    pub(super) fn key(&self) -> Option<&CompactString> {
        match &self.more {
            More::Nothing => None,
            More::Key(key) => Some(key),
            More::Detail(detail) => detail.key.as_ref(),
        }
    }

    pub(super) fn detail(&self) -> Option<&Detail> {
        match &self.more {
            More::Detail(detail) => Some(detail),
            _ => None,
        }
    }

    pub(super) fn detail_mut(&mut self) -> Option<&mut Detail> {
        match &mut self.more {
            More::Detail(detail) => Some(detail),
            _ => None,
        }
    }

    pub(super) fn detection(&self) -> Option<u64> {
        self.detail().and_then(|d| d.detection)
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.detail().and_then(|d| d.deadline)
    }

    pub(super) fn has(&self, role: u32) -> bool {
        self.roles & role != 0
    }

    pub(super) fn concerns(&self, key: &str) -> bool {
        self.key().is_none_or(|k| k == key)
    }

    /// A refresh and nothing else, which can be remembered as part of a stretch.
    pub(super) fn is_plain_refresh(&self) -> bool {
        self.roles == Roles::REFRESH && self.detail().is_none()
    }
}

/// How long a stretch lasts, where that is short enough to be remembered as one (49 days).
pub(super) fn lasts(from: Pos, end: Millis) -> Option<u32> {
    u32::try_from(end - from.time).ok()
}

/// Refreshes without a key, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    pub(super) pos: Pos,
    pub(super) end: Millis,
    pub(super) id: u64,
}
