//! The name of an action for life.

use cxwatch_engine::EventRef;
use cxwatch_rulebook::{Action, Class};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The first 128 bits of a SHA-256, so that any language or database can compute it again.
///
/// Hashed are, each followed by a zero byte: rulebook, rule, customer, and what the episode is about - the `source`, `id`
/// and decimal sub-index of the opening event of an absence, or of the completing event of the other kinds; for all
/// classes but `offer` the action's name as well. Never an offset, never a version: a replay elsewhere gives the same
/// ids. **Do not change this hash: the same problem would become two actions.**
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId(pub [u8; 16]);

impl ActionId {
    /// The id of an action on this problem.
    pub fn new(rulebook: &str, rule: &str, customer: &str, about: &EventRef, action: &Action) -> Self {
        let sub = about.sub.to_string();
        let name = if action.class == Class::Offer { "" } else { action.id.as_str() };
        let mut hasher = Sha256::new();
        for part in [rulebook, rule, customer, &about.source, &about.id, &sub, name] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        let hash = hasher.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        ActionId(id)
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        let mut id = [0; 16];
        for (byte, at) in id.iter_mut().zip((0..32).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(ActionId(id))
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActionId({self})")
    }
}
