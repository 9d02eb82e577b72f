//! Decisions: detections in, actions out. Pure, like the engine.
//!
//! A [`Decider`] is the desk of a task: it takes every effect at once, keeps what a customer's live actions need in the
//! customer's own state, and puts what it decides into an outbox ([`Decider::take_decisions`]). One detection proposes
//! the first action of its rule; the same problem is the same action ([`ActionId`]), whatever comes of it.

mod decider;
mod id;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use decider::{ActionChange, Change, Decider, DeciderHead, Decision, Suppressed, WallClock};
pub use id::ActionId;
pub use state::CustomerState;
pub use wire::{Message, Messages};
