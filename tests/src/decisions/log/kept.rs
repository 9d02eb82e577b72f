//! What the log keeps of each thing that happened.

use super::super::{About, Arm};
use compact_str::CompactString;
use cxwatch_decision::ActionId;
use cxwatch_engine::{Detection, EventRef};
use cxwatch_event::{Micro, Millis};
use cxwatch_rulebook::{Class, Level, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// What has become of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Requested,
    Accepted,
    Contacted,
    /// Revoked or expired.
    Over,
    /// Over by this outcome, or by the end of its life after it was contacted.
    Done(Option<Outcome>),
}

/// An action.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub id: ActionId,
    /// The number of its episode.
    pub episode: usize,
    pub customer: CompactString,
    pub rule: CompactString,
    pub key: CompactString,
    /// What the last detection that asked for it was about.
    pub about: EventRef,
    pub class: Class,
    pub action: usize,
    pub state: State,
    pub revision: u32,
    pub expires: Millis,
    /// The latest that its life, and the deadline of a detection that it came of, ever were.
    pub latest: Millis,
    pub level: Level,
    pub severity: u8,
    pub priority: Micro,
    pub requested_at: Millis,
    pub reminded: bool,
    /// The customer was reached since the request.
    pub reached: bool,
    pub forgotten: bool,
    /// As it was before it was retracted in this step, and the line that says so.
    pub before: Option<(Box<Record>, usize)>,
}

impl Record {
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Requested | State::Accepted | State::Contacted)
    }

    pub(super) fn is_offer(&self) -> bool {
        self.class == Class::Offer
    }
}

/// How an episode is counted under an arm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// The time of the detection.
    pub time: Millis,
    pub saved: bool,
}

/// A rule's problem with a customer.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    pub customer: CompactString,
    pub rule: CompactString,
    pub key: CompactString,
    /// What it was about first.
    pub first: EventRef,
    /// What it is about now.
    pub now: EventRef,
    pub resolved: bool,
    /// The levels whose detections stand.
    pub stands: BTreeSet<Level>,
    pub counted: BTreeMap<Arm, Counted>,
    pub held_out: bool,
    /// It is remembered one late horizon longer than this. `None`: nothing came of it so far.
    pub latest: Option<Millis>,
    pub forgotten: bool,
}

impl Episode {
    pub(super) fn is_about(&self, about: &EventRef) -> bool {
        let about = About::of(about);
        About::of(&self.first) == about || About::of(&self.now) == about
    }
}

/// An episode that was retracted in this step.
#[derive(Debug, Clone)]
pub(super) struct Retracted {
    /// Its number.
    pub episode: usize,
    pub before: Episode,
    /// Which cool-downs were taken back with it.
    pub cooldowns: Vec<usize>,
}

/// A detection won.
#[derive(Debug, Clone)]
pub(super) struct Cooldown {
    pub customer: CompactString,
    pub rule: CompactString,
    pub key: CompactString,
    /// What its episode was about first.
    pub about: About,
    pub until: Millis,
    pub taken_back: bool,
    pub forgotten: bool,
}

/// A detection that proposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Proposal {
    /// Its place among the detections.
    pub number: u64,
    /// The number of its episode.
    pub episode: usize,
    /// How often it had proposed before.
    pub times: u32,
}

/// How often a detection has proposed.
#[derive(Debug, Clone)]
pub(super) struct Proposed {
    /// Customer, rule, what the episode was about first, level and time.
    pub what: (CompactString, CompactString, About, Level, Millis),
    pub times: u32,
    pub known_until: Millis,
}

/// A candidate that waits.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub detection: Box<Detection>,
    pub action: usize,
    pub proposal: Proposal,
    /// Its place among what the detection proposed.
    pub place: usize,
    pub until: Millis,
}

/// A contact with a customer.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    pub customer: CompactString,
    pub channel: CompactString,
    pub by: CompactString,
    pub time: Millis,
}

/// An action was declined or rejected.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub customer: CompactString,
    pub action: CompactString,
    pub time: Millis,
}

/// An event that a rule names.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub customer: CompactString,
    pub kind: CompactString,
    pub time: Millis,
}
