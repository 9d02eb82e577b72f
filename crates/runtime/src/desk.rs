//! What the shell asks of a desk: its decisions as records, and what it keeps for the whole task.

use crate::ports::{PausedSet, Topic};
use compact_str::CompactString;
use cxwatch_decision::Explained;
use cxwatch_engine::Desk;
use cxwatch_event::Millis;
use cxwatch_rulebook::Rulebook;
use std::collections::BTreeSet;

/// A record to be written, to the partition of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Where to.
    pub topic: Topic,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What it counts as.
    pub label: Option<Box<Label>>,
}

/// What a decision counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The rule's id.
    pub rule: CompactString,
    /// What happened to the action, or why there is none.
    pub what: &'static str,
    /// The event time of what it answers.
    pub time: Millis,
    /// Whether its latency counts: something new is asked for.
    pub is_new: bool,
}

/// What is known where decisions become messages.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The rulebook.
    pub book: &'a Rulebook,
    /// The settings in force.
    pub settings: &'a cxwatch_engine::Settings,
    /// The task.
    pub partition: i32,
    /// The wall clock.
    pub now: Millis,
}

/// Whether a decision comes too late to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wall {
    /// By the wall clock.
    At(Millis),
    /// Never: the input is history.
    Never,
    /// By what was found when the decisions, by number, were first taken.
    Recorded(BTreeSet<u64>),
}

/// What a desk keeps books of. They are part of its state: whoever takes a task over goes on with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Book {
    /// Candidates that detections proposed. Each is one of the next three.
    Candidates,
    /// Those that ended as an action.
    Actions,
    /// Those that led to none.
    Suppressions,
    /// Those that wait.
    Pending,
    /// Episodes that were acted on.
    Treated,
    /// Of these: the customer was saved.
    TreatedSaved,
    /// Episodes that were held out.
    HeldOut,
    /// Of these: the customer was saved.
    HeldOutSaved,
    /// Tasks in which a brake is on: of a rule, or of all (`*`).
    Braked,
    /// Outcomes of actions that were not known (any more).
    UnknownActions,
}

/// A desk whose decisions are published.
pub trait Publisher: Desk {
    /// Sets the wall clock, or what stands for it.
    fn set_wall(&mut self, wall: Wall);

    /// Whether decisions wait to be published.
    fn has_decisions(&self) -> bool;

    /// Takes the decisions since the last call, in order, as records. Their clock fields are of this moment.
    fn publish(&mut self, place: &Place<'_>, out: &mut Vec<Output>);

    /// Forgets the decisions since the last call: they have been published before.
    fn discard(&mut self);

    /// Takes the numbers of the decisions found too late since the last call.
    fn take_expired(&mut self) -> Vec<u64>;

    /// Its books: what, of which rule (empty: of none), how many.
    fn books(&self, _each: &mut dyn FnMut(Book, &str, u64)) {}

    /// The brakes that the rulebook has: whose (`*`: all rules'), and whether it is on at this instant.
    fn braked(&self, _book: &Rulebook, _instant: Millis, _each: &mut dyn FnMut(&str, bool)) {}

    /// What it knows of a customer, for people.
    fn explained(&self, _state: &Self::State, _book: &Rulebook, _instant: Millis) -> Explained {
        Explained::default()
    }

    /// Whose requests an operator has stopped.
    fn paused(&self) -> PausedSet;

    /// What it keeps for the whole task.
    fn head(&self) -> Vec<u8>;

    /// Goes on from what was kept.
    fn restore(&mut self, head: &[u8]) -> Result<(), String>;

    /// A digest over its decisions so far.
    fn digest(&self) -> u64;
}
