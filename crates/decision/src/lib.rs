//! Decisions: detections in, actions out. Pure, like the engine. `docs/decisions.md` says what is decided.
//!
//! A [`Decider`] is the desk of a task: it takes every effect at once, keeps what a customer's live actions need in the
//! customer's own state, and puts what it decides into an outbox ([`Decider::take_decisions`]). Every action of a
//! detection's rule is a candidate, which passes the stages (`stages/`) and ends as one action or one suppression, or
//! waits. The same problem is the same action ([`ActionId`]), whatever comes of it; its life is one state machine
//! ([`life::step`]).

#![forbid(unsafe_code)]

mod brake;
mod candidates;
mod contacts;
mod decider;
mod decision;
mod ends;
mod explain;
pub mod explanation;
#[cfg(feature = "faults")]
mod fault;
mod id;
pub mod life;
mod outcomes;
mod paused;
mod pending;
mod requests;
mod score;
mod stages;
mod state;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timeline;
mod wire;

pub use brake::Brake;
pub use contacts::Contact;
pub use decider::{Decider, DeciderHead, DeciderSettings};
pub use decision::{ActionChange, Decision, Grounds, Limit, Loser, Reached, Suppressed, WallClock};
pub use explain::{Explained, ExplainedAction, ExplainedCandidate, ExplainedCooldown};
#[cfg(feature = "faults")]
pub use fault::Fault;
pub use id::ActionId;
pub use life::Published;
pub use paused::Paused;
pub use score::Score;
pub use state::{CustomerState, Noted, Recent};
pub use tally::{ArmTally, RuleTally, Tally};
pub use timeline::{Past, TIMELINE_MS};
pub use wire::{Message, Messages};
