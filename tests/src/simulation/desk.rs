//! A desk that numbers what it is told, and forgets nothing.

use crate::drive::told;
use cxwatch_engine::{Desk, Effect, Moment};
use cxwatch_event::Millis;
use cxwatch_runtime::desk::{Output, Place, Publisher, Wall};
use cxwatch_runtime::ports::{PAUSED_ALL, PausedSet, Topic};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// All effects of all tasks, also of those that were lost: a published record names its place here.
pub type Archive = Arc<Mutex<Vec<Filed>>>;

/// An effect, and what was found of it.
#[derive(Debug, Clone)]
pub struct Filed {
    /// It.
    pub effect: Effect,
    /// It came too late by the wall clock.
    pub late: bool,
    /// An operator had stopped its rule.
    pub paused: bool,
}

/// See the module.
pub struct SimDesk {
    archive: Archive,
    wall: Wall,
    /// A detection older than this by the wall clock comes too late.
    ttl_ms: Millis,
    decisions: u64,
    digest: u64,
    /// Number and place in the archive.
    outbox: Vec<(u64, usize)>,
    expired: Vec<u64>,
    paused: PausedSet,
}

impl SimDesk {
    /// A desk that has been told nothing.
    pub fn new(archive: Archive, ttl_ms: Millis) -> Self {
        SimDesk {
            archive,
            wall: Wall::At(0),
            ttl_ms,
            decisions: 0,
            digest: 0,
            outbox: Vec::new(),
            expired: Vec::new(),
            paused: PausedSet::new(),
        }
    }
}

impl Desk for SimDesk {
    type State = ();

    fn take(&mut self, moment: &Moment<'_>, _: &mut (), effect: &Effect) {
        let late = match (effect, &self.wall) {
            (Effect::Detected(d), Wall::At(now)) if *now > d.time + self.ttl_ms => {
                self.expired.push(self.decisions);
                true
            }
            (Effect::Detected(_), Wall::Recorded(expired)) => expired.contains(&self.decisions),
            _ => false,
        };
        let stopped = |rule: &str| self.paused.contains(PAUSED_ALL) || self.paused.contains(rule);
        let paused = matches!(effect, Effect::Detected(d) if stopped(&moment.book.rule(d.rule).id));
        let mut hasher = DefaultHasher::new();
        (self.digest, late, paused).hash(&mut hasher);
        match effect {
            Effect::Detected(d) => format!("{:?}", told(d)).hash(&mut hasher),
            Effect::Retracted(e) | Effect::Resolved(e) => format!("{e:?}").hash(&mut hasher),
        }
        self.digest = hasher.finish();
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        archive.push(Filed { effect: effect.clone(), late, paused });
        self.outbox.push((self.decisions, archive.len() - 1));
        self.decisions += 1;
    }

    fn next(&self, _: &()) -> Option<Millis> {
        None
    }

    fn wake(&mut self, _: &Moment<'_>, _: &mut ()) {}

    fn rule_removed(&mut self, _: &Moment<'_>, _: &mut (), _: &str) {}

    fn set_paused(&mut self, rule: Option<&str>, paused: bool) {
        let rule = rule.unwrap_or(PAUSED_ALL);
        if paused {
            self.paused.insert(rule.into());
        } else {
            self.paused.remove(rule);
        }
    }

    fn is_idle(&self, _: &()) -> bool {
        true
    }
}

impl Publisher for SimDesk {
    fn set_wall(&mut self, wall: Wall) {
        self.wall = wall;
    }

    fn has_decisions(&self) -> bool {
        !self.outbox.is_empty()
    }

    fn publish(&mut self, _: &Place<'_>, out: &mut Vec<Output>) {
        for (number, place) in self.outbox.drain(..) {
            let mut value = number.to_le_bytes().to_vec();
            value.extend_from_slice(&(place as u64).to_le_bytes());
            let headers = Vec::new();
            out.push(Output { topic: Topic::Actions, key: None, value: Some(value), headers, label: None });
        }
    }

    fn discard(&mut self) {
        self.outbox.clear();
    }

    fn take_expired(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.expired)
    }

    fn paused(&self) -> PausedSet {
        self.paused.clone()
    }

    fn head(&self) -> Vec<u8> {
        let paused: Vec<&str> = self.paused.iter().map(|rule| rule.as_str()).collect();
        let numbers = [self.decisions.to_le_bytes(), self.digest.to_le_bytes()].concat();
        [numbers, paused.join(" ").into_bytes()].concat()
    }

    fn restore(&mut self, head: &[u8]) -> Result<(), String> {
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|e| format!("{e}"));
        let (numbers, paused) = head.split_at(16);
        (self.decisions, self.digest) = (number(&numbers[..8])?, number(&numbers[8..])?);
        let paused = std::str::from_utf8(paused).map_err(|e| format!("{e}"))?;
        self.paused = paused.split_whitespace().map(Into::into).collect();
        Ok(())
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}
