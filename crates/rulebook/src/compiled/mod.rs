//! Rules in the form in which they run.
//!
//! Everything that can be decided once is decided here: names are numbers, `web.*` is a list of types, conditions
//! are resolved per event type, and an event type leads straight to the rules that name it
//! ([`Rulebook::uses`]). What one event means to one rule is computed by [`RuleUse::hit`]; what rules make of hits
//! over time is the engine's business.

mod cond;
mod facts;
mod hit;
mod rule;
mod rulebook;

pub use cond::{Cond, FieldRef, MeasureRef, Op, Table};
pub use facts::{DetectionFacts, Facts};
pub use hit::{Hit, Per, Roles, RuleUse, key_text};
pub use rule::{Fold, Guard, Kind, Level, Measure, Rule, Severity, Span, SummaryPart};
pub use rulebook::{FeedIx, FeedSet, REFERENCES, RuleIx, Rulebook};
