//! What events and detections are known by, hashed.

use crate::EventRef;
use cxwatch_event::{Event, Millis};
use cxwatch_rulebook::{Level, RuleIx};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A hash of what identifies an event. Kept in snapshots: never change it.
pub(crate) fn event_hash(event: &Event) -> u64 {
    mix(0, &[event.source.as_bytes(), event.id.as_bytes(), &event.sub.to_le_bytes()])
}

/// The detection's number: the same for the same problem. Kept in snapshots: never change it.
pub(crate) fn detection_id(rule: &str, key: &str, about: &EventRef) -> u64 {
    let parts: [&[u8]; 5] = [
        rule.as_bytes(),
        key.as_bytes(),
        about.source.as_bytes(),
        about.id.as_bytes(),
        &about.sub.to_le_bytes(),
    ];
    mix(1, &parts)
}

/// A detection at one level and time, as evidence in other rules.
pub(crate) fn detection_hash(rule: RuleIx, level: Level, id: u64, time: Millis) -> u64 {
    mix(2, &[&rule.0.to_le_bytes(), &[level as u8], &id.to_le_bytes(), &time.to_le_bytes()])
}

/// Hashes parts, each with its length, onto a seed.
pub(crate) fn mix(seed: u64, parts: &[&[u8]]) -> u64 {
    // In one piece, where it fits: for as little as this, setting up a streaming hash costs more than the hash.
    let mut room = [0u8; 256];
    let mut len = 0;
    for part in parts {
        let end = len + 4 + part.len();
        let Some(place) = room.get_mut(len..end) else { return mix_long(seed, parts) };
        let (head, body) = place.split_at_mut(4);
        head.copy_from_slice(&(part.len() as u32).to_le_bytes());
        body.copy_from_slice(part);
        len = end;
    }
    xxh3_64_with_seed(&room[..len], seed)
}

#[cold]
fn mix_long(seed: u64, parts: &[&[u8]]) -> u64 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    xxh3_64_with_seed(&bytes, seed)
}
