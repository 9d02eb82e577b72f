//! Candidates that wait for an obstacle to end.

use crate::ActionId;
use compact_str::CompactString;
use cxwatch_engine::{Clock, Detection, EventRef, Names};
use cxwatch_event::messages::SuppressionReason;
use cxwatch_event::{Micro, Millis};
use cxwatch_rulebook::{Class, Level, RuleIx, Rulebook};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A candidate that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) episode: u32,
    pub(crate) id: ActionId,
    pub(crate) number: u64,
    /// How often its detection had proposed before.
    pub(crate) times: u32,
    pub(crate) action: CompactString,
    pub(crate) class: Class,
    pub(crate) reason: SuppressionReason,
    pub(crate) until: Millis,
    pub(crate) expires: Millis,
    pub(crate) found: Kept,
}

impl Waiting {
    /// Whether both wait with one detection.
    pub(crate) fn is_of(&self, other: &Waiting) -> bool {
        (self.episode, self.found.level, self.found.time)
            == (other.episode, other.found.level, other.found.time)
    }
}

/// A detection, with names in place of a rulebook's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) rule: CompactString,
    pub(crate) level: Level,
    pub(crate) key: CompactString,
    pub(crate) time: Millis,
    id: u64,
    deadline: Millis,
    about: KeptEvent,
    evidence: Vec<KeptEvent>,
    events: u32,
    measures: Vec<(CompactString, Micro)>,
    severity: u8,
    instant: Millis,
    watermark: Millis,
    feeds: Vec<(CompactString, Millis, bool)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptEvent {
    feed: CompactString,
    /// `None`: a detection.
    kind: Option<CompactString>,
    sub: u32,
    offset: i64,
    time: Millis,
    id: CompactString,
    source: CompactString,
    names: Option<Arc<Names>>,
}

/// The number of a rule that the rulebook no longer has.
pub(crate) const RULE_GONE: RuleIx = RuleIx(u16::MAX);

impl Kept {
    pub(crate) fn of(book: &Rulebook, d: &Detection) -> Self {
        let rule = book.rule(d.rule);
        let measures = rule.measures.iter().zip(&d.measures);
        let feeds = book.feeds.iter().zip(&d.clock.feeds);
        Kept {
            rule: rule.id.clone(),
            level: d.level,
            key: d.key.clone(),
            time: d.time,
            id: d.id,
            deadline: d.deadline,
            about: KeptEvent::of(book, &d.about),
            evidence: d.evidence.iter().map(|e| KeptEvent::of(book, e)).collect(),
            events: d.events,
            measures: measures.filter_map(|(m, value)| Some((m.name.clone(), (*value)?))).collect(),
            severity: d.severity,
            instant: d.clock.instant,
            watermark: d.clock.watermark,
            feeds: feeds.map(|(feed, (watermark, blind))| (feed.clone(), *watermark, *blind)).collect(),
        }
    }

    /// The detection in the numbers of the rulebook in force.
    pub(crate) fn detection(&self, book: &Rulebook, customer: &str) -> Detection {
        let rule = book.rule_named(&self.rule);
        let value = |name: &str| self.measures.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
        let measures = rule.map(|ix| book.rule(ix).measures.iter().map(|m| value(&m.name)).collect());
        let feed = |name: &CompactString| {
            let known = self.feeds.iter().find(|(feed, ..)| feed == name);
            known.map_or((cxwatch_engine::NEVER, false), |(_, watermark, blind)| (*watermark, *blind))
        };
        Detection {
            id: self.id,
            rule: rule.unwrap_or(RULE_GONE),
            level: self.level,
            customer: customer.into(),
            key: self.key.clone(),
            time: self.time,
            about: self.about.reference(book),
            deadline: self.deadline,
            evidence: self.evidence.iter().map(|e| e.reference(book)).collect(),
            events: self.events,
            measures: measures.unwrap_or_default(),
            severity: self.severity,
            // What is resolved does not wait.
            resolved: false,
            clock: Clock {
                instant: self.instant,
                watermark: self.watermark,
                feeds: book.feeds.iter().map(feed).collect(),
            },
        }
    }
}

impl KeptEvent {
    fn of(book: &Rulebook, e: &EventRef) -> Self {
        let type_name = |kind: u16| match book.catalogue.types().nth(kind.into()) {
            Some((_, spec)) => spec.name.clone(),
            None => CompactString::default(),
        };
        KeptEvent {
            feed: book.feeds.get(usize::from(e.feed)).cloned().unwrap_or_default(),
            kind: e.kind.map(type_name),
            sub: e.sub,
            offset: e.offset,
            time: e.time,
            id: e.id.clone(),
            source: e.source.clone(),
            names: e.names.clone(),
        }
    }

    fn reference(&self, book: &Rulebook) -> EventRef {
        EventRef {
            feed: book.feed_named(&self.feed).map_or(EventRef::FEED_GONE, |ix| ix.0),
            kind: self.kind.as_ref().map(|k| book.catalogue.id(k).map_or(EventRef::KIND_GONE, |id| id.0)),
            sub: self.sub,
            offset: self.offset,
            time: self.time,
            id: self.id.clone(),
            source: self.source.clone(),
            names: self.names.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{book, detection, rule};
    use cxwatch_event::MICRO;
    use cxwatch_rulebook::{Fold, Measure};

    #[test]
    fn a_kept_detection_is_told_in_the_numbers_of_another_rulebook() {
        let measure = |name: &str| Measure { name: name.into(), fold: Fold::Sum };
        let mut old = book(vec![], vec![rule("a", &[]), rule("z", &[])]);
        old.rules[1].measures = vec![measure("one"), measure("two")];
        let mut found = detection("e1", 1, 100);
        found.measures = [Some(MICRO), Some(2 * MICRO)].into_iter().collect();
        let kept = Kept::of(&old, &found);
        assert_eq!(kept.detection(&old, "c1"), found);

        let mut new = book(vec![], vec![rule("z", &[])]);
        new.rules[0].measures = vec![measure("two"), measure("three")];
        let again = kept.detection(&new, "c1");
        assert_eq!(again.rule, RuleIx(0));
        assert_eq!(again.measures[..], [Some(2 * MICRO), None]);
        let gone = kept.detection(&book(vec![], vec![]), "c1");
        assert_eq!(gone.rule, RULE_GONE);
    }
}
