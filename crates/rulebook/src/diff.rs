//! What changes from one rulebook to another.

use crate::canon::{Canon, Parts, parts_of_action, parts_of_calendar, parts_of_policy, type_text};
use crate::{RuleIx, Rulebook};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The rulebook itself: its name or version.
    Rulebook,
    /// An event type.
    Type,
    /// A calendar.
    Calendar,
    /// What holds for all actions.
    Policy,
    /// An action.
    Action,
    /// A rule.
    Rule,
}

/// How it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Only the new rulebook has it.
    Added,
    /// Only the old rulebook has it.
    Removed,
    /// Both have it, and these of its keys mean something else.
    Changed(Vec<&'static str>),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What has changed.
    pub subject: Subject,
    /// Its name.
    pub id: String,
    /// How.
    pub difference: Difference,
}

impl fmt::Display for Change {
    /// `rule cart-abandonment: changed in within, actions`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match self.subject {
            Subject::Rulebook => "rulebook",
            Subject::Type => "type",
            Subject::Calendar => "calendar",
            Subject::Policy => return write!(f, "policy: {}", self.difference),
            Subject::Action => "action",
            Subject::Rule => "rule",
        };
        write!(f, "{subject} {}: {}", self.id, self.difference)
    }
}

impl fmt::Display for Difference {
    /// `changed in within, actions`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Added => f.write_str("added"),
            Difference::Removed => f.write_str("removed"),
            Difference::Changed(keys) => write!(f, "changed in {}", keys.join(", ")),
        }
    }
}

/// What changes from `old` to `new`, sorted by subject and name. Layout, comments and the order of rules are no
/// changes. A rule whose calendar has changed has changed.
pub fn diff(old: &Rulebook, new: &Rulebook) -> Vec<Change> {
    let (old, new) = (texts(old), texts(new));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let difference = match (old.get(name), new.get(name)) {
            (None, _) => Difference::Added,
            (_, None) => Difference::Removed,
            (Some(old), Some(new)) => Difference::Changed(changed(old, new)?),
        };
        Some(Change { subject: name.0, id: name.1.clone(), difference })
    });
    changes.collect()
}

fn changed(old: &Parts, new: &Parts) -> Option<Vec<&'static str>> {
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let changed: Vec<_> = keys.into_iter().filter(|key| old.get(key) != new.get(key)).collect();
    (!changed.is_empty()).then_some(changed)
}

fn texts(book: &Rulebook) -> BTreeMap<(Subject, String), Parts> {
    let canon = Canon::new(book);
    let version = Parts::from([("version", book.version.to_string())]);
    let mut texts = BTreeMap::from([((Subject::Rulebook, book.name.to_string()), version)]);
    texts.extend(book.catalogue.types().map(|(_, spec)| {
        let parts = Parts::from([("feed", format!("{:?}", spec.feed)), ("fields", type_text(spec))]);
        ((Subject::Type, spec.name.to_string()), parts)
    }));
    let calendars =
        book.calendars.iter().map(|c| ((Subject::Calendar, c.id.to_string()), parts_of_calendar(c)));
    texts.extend(calendars);
    texts.insert((Subject::Policy, String::new()), parts_of_policy(&book.policy));
    let actions =
        book.actions.iter().map(|a| ((Subject::Action, a.id.to_string()), parts_of_action(book, a)));
    texts.extend(actions);
    let rules = book.rules.iter().enumerate();
    texts.extend(rules.map(|(ix, r)| ((Subject::Rule, r.id.to_string()), canon.rule(RuleIx(ix as u16)))));
    texts
}
