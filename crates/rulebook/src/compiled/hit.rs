//! What one event is to one rule.

use super::facts::Known;
use super::{Cond, Facts, FieldRef, RuleIx, Span, Table};
use compact_str::CompactString;
use cxwatch_event::{MICRO, Micro, Millis, Profile, Value};
use smallvec::SmallVec;

/// What one event of one type (or one detection) is to one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleUse {
    /// The rule.
    pub rule: RuleIx,
    /// How the episode's key is found.
    pub per: Per,
    /// The roles the type can have, each with its condition.
    pub roles: Vec<(u32, Cond<FieldRef>)>,
    /// Bits of [`Hit::guards`], each with its condition.
    pub guards: Vec<(u32, Cond<FieldRef>)>,
    /// The value of `within`.
    pub within: Table<Span>,
    /// The deadline from data.
    pub deadline: Option<FieldRef>,
    /// The threshold of a count, or that of a debt in [`Micro`].
    pub threshold: Table<Micro>,
    /// The points of a debt. The first weight whose condition holds.
    pub points: Vec<(Cond<FieldRef>, Micro)>,
    /// What a count counts the distinct values of.
    pub distinct: Option<FieldRef>,
    /// Per measure: the product of these fields. Empty: the type adds nothing to it.
    pub measures: Vec<Vec<FieldRef>>,
    /// Per measure: whether this type subtracts ([`Roles::MINUS`]).
    pub minus: Vec<bool>,
    /// The base severity.
    pub severity: Table<u8>,
}

/// How an event finds its episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Per {
    /// The rule has no `per`: the one episode of the customer.
    Customer,
    /// By this field (for a detection: [`FieldRef::Key`]); an event without it touches all open episodes.
    Field(FieldRef),
}

/// The roles of an event in a rule: bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles;

impl Roles {
    /// Opens an absence.
    pub const START: u32 = 1;
    /// Moves an absence's deadline.
    pub const REFRESH: u32 = 1 << 1;
    /// Closes an absence.
    pub const STOP: u32 = 1 << 2;
    /// Stops an absence's clock.
    pub const PAUSE: u32 = 1 << 3;
    /// Lets it run on.
    pub const RESUME: u32 = 1 << 4;
    /// Subtracts from measures.
    pub const MINUS: u32 = 1 << 5;
    /// An event of a match, or of a count's `of_last`.
    pub const EVENT: u32 = 1 << 6;
    /// Counts.
    pub const COUNTED: u32 = 1 << 7;
    /// Empties a count's window or a debt.
    pub const RESET: u32 = 1 << 8;
    /// Breaks a sequence.
    pub const UNLESS: u32 = 1 << 9;
    /// Adds or removes points.
    pub const WEIGHT: u32 = 1 << 10;
    /// Shows that the customer was saved. Concerns decisions only.
    pub const SUCCESS: u32 = 1 << 11;

    /// The `i`-th step of a sequence (from 0).
    pub const fn step(i: u8) -> u32 {
        1 << (16 + i)
    }

    /// Guard `i`: an event of `unless_seen`, or of `after`.
    pub const fn guard_on(i: u8) -> u32 {
        1 << (2 * i)
    }

    /// Guard `i`: an event of `until`.
    pub const fn guard_off(i: u8) -> u32 {
        1 << (2 * i + 1)
    }
}

/// What an event is to a rule: all that the engine needs to know of the event.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// [`Roles`] whose conditions hold.
    pub roles: u32,
    /// Guard bits whose conditions hold.
    pub guards: u32,
    /// The episode's key. `None` in a rule with `per`: the event does not carry the field. Empty in a rule without.
    pub key: Option<CompactString>,
    /// The value of `within` for this event.
    pub within: Span,
    /// The deadline that it carries, without grace.
    pub deadline: Option<Millis>,
    /// The threshold for this event, in [`Micro`].
    pub threshold: Micro,
    /// The points of a debt.
    pub points: Micro,
    /// What is counted distinctly.
    pub distinct: Option<Value>,
    /// Per measure: what it contributes; `None` where a factor is missing.
    pub deltas: SmallVec<[Option<Micro>; 2]>,
    /// The base severity.
    pub severity: u8,
}

/// What an event is to a rule, at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// [`Roles`] whose conditions hold.
    pub roles: u32,
    /// Guard bits whose conditions hold.
    pub guards: u32,
}

impl Bits {
    /// Whether it is nothing to the rule.
    pub fn is_empty(self) -> bool {
        self == Bits { roles: 0, guards: 0 }
    }

    /// Whether it has these roles and is nothing else.
    pub fn is(self, roles: u32) -> bool {
        self == Bits { roles, guards: 0 }
    }
}

impl RuleUse {
    /// What an event or detection of a customer of whom that is known is to the rule; `None` where no role and no
    /// guard holds.
    pub fn hit(&self, facts: &Facts<'_>, profile: &Profile) -> Option<Hit> {
        let bits = self.bits(facts, profile);
        (!bits.is_empty()).then(|| self.hit_of(bits, facts, profile))
    }

    /// The roles and guards whose conditions hold.
    pub fn bits(&self, facts: &Facts<'_>, profile: &Profile) -> Bits {
        let facts = &Known { facts, profile };
        let bits = |list: &[(u32, Cond<FieldRef>)]| {
            list.iter().filter(|(_, cond)| facts.holds(cond)).fold(0, |bits, (bit, _)| bits | bit)
        };
        Bits { roles: bits(&self.roles), guards: bits(&self.guards) }
    }

    /// Whether it brings nothing along but its roles: no key, in a rule with `per`, and no deadline.
    pub fn is_plain(&self, facts: &Facts<'_>, profile: &Profile) -> bool {
        let facts = &Known { facts, profile };
        self.deadline.is_none()
            && matches!(&self.per, Per::Field(field) if facts.with(field, |value| value.is_none()))
    }

    /// What it is in whole, given what it is at a glance.
    pub fn hit_of(&self, Bits { roles, guards }: Bits, facts: &Facts<'_>, profile: &Profile) -> Hit {
        let facts = &Known { facts, profile };
        let deltas = self.measures.iter().zip(&self.minus).map(|(fields, minus)| {
            let value = if fields.is_empty() { None } else { facts.product(fields) };
            value.map(|v| if *minus { -v } else { v })
        });
        Hit {
            roles,
            guards,
            key: match &self.per {
                Per::Customer => Some(CompactString::default()),
                Per::Field(field) => facts.with(field, |value| value.map(key_text)),
            },
            within: facts.pick(&self.within),
            deadline: self.deadline.as_ref().and_then(|f| facts.with(f, |v| v.and_then(Value::as_time))),
            threshold: facts.pick(&self.threshold),
            points: self.points.iter().find(|(cond, _)| facts.holds(cond)).map_or(0, |(_, points)| *points),
            distinct: self.distinct.as_ref().and_then(|f| facts.with(f, |v| v.cloned())),
            deltas: deltas.collect(),
            severity: facts.pick(&self.severity),
        }
    }
}

/// A key as text: what conditions, detections and ids show of it.
pub fn key_text(value: &Value) -> CompactString {
    use compact_str::ToCompactString;
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(n) if n % MICRO == 0 => (n / MICRO).to_compact_string(),
        Value::Number(n) => n.to_compact_string(),
        Value::Bool(b) => b.to_compact_string(),
        Value::Time(t) => t.to_compact_string(),
    }
}
