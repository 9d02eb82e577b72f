//! Rule tests: scenario files that a person who knows the customers can read and write.
//!
//! A file has cases; a case has events, and what the rules are expected to say of them. The events go through the engine
//! and the desk of the service. The format is described in `docs/rule-tests.md`.

mod expect;
mod given;
mod parse;
mod run;
mod words;

pub use run::{CaseReport, run};

use cxwatch_event::Millis;
use std::fmt;
use std::path::PathBuf;

/// A scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The rulebook that it names, if it does.
    pub rulebook: Option<PathBuf>,
    /// Time settings, in milliseconds.
    pub timing: Timing,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// Time settings of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// What `+0s` stands for.
    pub start: Millis,
    /// See [`cxwatch_engine::FeedSettings`].
    pub reorder_ms: Millis,
    /// See [`cxwatch_engine::Settings`].
    pub late_horizon_ms: Millis,
    /// See [`cxwatch_engine::Settings`].
    pub dedupe_for_ms: Millis,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The line on which it begins.
    pub line: usize,
    steps: Vec<given::Step>,
    /// Where the clock stops. `None`: at the last time that stands in the case.
    until: Option<Millis>,
    expected: Vec<expect::Line>,
}

/// Something that a scenario file says wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

impl Scenario {
    /// Reads a scenario file. Whether its types, fields and rules exist is only known with a rulebook ([`run`]).
    ///
    /// # Errors
    /// All faults.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        parse::scenario(text)
    }
}

#[cfg(test)]
mod tests;
