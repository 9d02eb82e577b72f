//! What detections and decisions look like on the wire.

mod decision;

use crate::Decision;
use crate::score::Case;
use cxwatch_engine::{Clock, Detection, Ended, EventRef, FOREVER, NEVER, Settings};
use cxwatch_event::messages::{
    ActionMessage, ClockState, CloudEvent, Decimal, DetectionData, DetectionKind, DetectionMessage, EndData,
    EndKind, EndMessage, EventKey, Evidence, FeedState, Health, Level, Rfc3339, RuleRef, SuppressionMessage,
};
use cxwatch_event::number::format_micro;
use cxwatch_event::{Micro, Millis};
use cxwatch_rulebook::{FieldRef, Kind, Per, RuleIx, Rulebook, SummaryPart};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a decision says on the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// For the action topic.
    Action(Box<ActionMessage>),
    /// For the suppression topic.
    Suppression(Box<SuppressionMessage>),
}

/// Turns what the tasks of one rulebook say into messages.
pub struct Messages<'b> {
    book: &'b Rulebook,
    settings: &'b Settings,
    source: String,
    hash: String,
}

impl<'b> Messages<'b> {
    /// For this rulebook, in force under these settings.
    pub fn new(book: &'b Rulebook, settings: &'b Settings) -> Self {
        let hash = book.hash.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        });
        Messages { book, settings, source: format!("/cxwatch/{}", book.name), hash }
    }

    /// A detection.
    pub fn detection(&self, partition: i32, d: &Detection) -> DetectionMessage {
        let rule = self.book.rule(d.rule);
        let data = DetectionData {
            rule: self.rule(d.rule),
            level: level(d.level),
            key: rule.per.then(|| d.key.to_string()),
            about: key(&d.about),
            deadline: matches!(rule.kind, Kind::Absence { .. }).then_some(Rfc3339(d.deadline)),
            severity: d.severity,
            measures: self.measures(d),
            summary: (!rule.summary.is_empty()).then(|| self.summary(d)),
            evidence: d.evidence.iter().map(|e| self.evidence(partition, e)).collect(),
            events: d.events,
            clock: self.clock(&d.clock),
        };
        let id = detection_id(d.id, d.level, d.time);
        let mut message =
            CloudEvent::new(DetectionKind::Detected, id, self.source.clone(), Rfc3339(d.time), data);
        message.subject = Some(d.customer.to_string());
        message.causationid = d.evidence.last().map(|e| e.id.to_string());
        message.severitynumber = Some(cxwatch_event::messages::severity_number(d.severity));
        message
    }

    /// A detection's end.
    pub fn end(&self, partition: i32, kind: EndKind, e: &Ended) -> EndMessage {
        let detection_id = detection_id(e.id, e.level, e.time);
        let data = EndData {
            detection_id: detection_id.clone(),
            rule: self.rule(e.rule),
            level: level(e.level),
            key: self.book.rule(e.rule).per.then(|| e.key.to_string()),
            about: key(&e.about),
            detected_at: Rfc3339(e.time),
            by: e.by.as_ref().map(|by| self.evidence(partition, by)),
        };
        let how = match kind {
            EndKind::Retracted => "retracted",
            EndKind::Resolved => "resolved",
        };
        let time = e.by.as_ref().map_or(e.time, |by| by.time);
        let id = format!("{detection_id}-{how}");
        let mut message = CloudEvent::new(kind, id, self.source.clone(), Rfc3339(time), data);
        message.subject = Some(e.customer.to_string());
        message.causationid = e.by.as_ref().map(|by| by.id.to_string());
        message
    }

    /// A decision. `partition` is the task's.
    pub fn decision(&self, partition: i32, decision: &Decision) -> Message {
        match decision {
            Decision::Action(change) => Message::Action(Box::new(self.action(partition, change))),
            Decision::Suppressed(suppressed) => Message::Suppression(Box::new(self.suppression(suppressed))),
        }
    }

    /// The value that a rule's first action with a value puts at stake, as far as the detection tells.
    pub fn value_at_risk(&self, d: &Detection) -> Option<Micro> {
        let rule = self.book.rule(d.rule);
        let case = Case { rule, detection: d, profile: &cxwatch_event::UNKNOWN };
        let mut actions = rule.actions.iter().map(|ix| &self.book.actions[usize::from(*ix)]);
        actions.find_map(|action| case.value_at_risk(action))
    }

    fn measures(&self, d: &Detection) -> BTreeMap<String, Decimal> {
        let named = self.book.rule(d.rule).measures.iter().zip(&d.measures);
        named.filter_map(|(m, v)| Some((m.name.to_string(), Decimal((*v)?)))).collect()
    }

    /// The name of the field that a rule's `per` reads.
    fn key_field(&self, rule: RuleIx) -> Option<&str> {
        let uses = self.book.catalogue.types().filter_map(|(kind, spec)| {
            let used = self.book.uses(kind).iter().find(|u| u.rule == rule)?;
            let Per::Field(FieldRef::Data(field)) = used.per else { return None };
            Some(spec.fields[usize::from(field.0)].name.as_str())
        });
        { uses }.next()
    }

    /// The rule's sentence about this detection.
    pub fn summary(&self, d: &Detection) -> String {
        sentence(self.book, d)
    }

    fn rule(&self, ix: RuleIx) -> RuleRef {
        self.rule_named(&self.book.rule(ix).id)
    }

    fn rule_named(&self, id: &str) -> RuleRef {
        RuleRef {
            id: id.to_string(),
            rulebook: self.book.name.to_string(),
            version: self.book.version,
            hash: self.hash.clone(),
        }
    }

    fn evidence(&self, partition: i32, e: &EventRef) -> Evidence {
        Evidence {
            feed: self.book.feeds.get(usize::from(e.feed)).map_or_else(gone, ToString::to_string),
            partition,
            offset: e.offset,
            sub: e.sub,
            event_id: e.id.to_string(),
            kind: match e.type_id() {
                Some(kind) if kind.0 == EventRef::KIND_GONE => gone(),
                Some(kind) => self.book.catalogue.spec(kind).name.to_string(),
                None => e.source.to_string(),
            },
            time: Rfc3339(e.time),
        }
    }

    fn clock(&self, clock: &Clock) -> ClockState {
        let feeds = self.book.feeds.iter().zip(&self.settings.feeds).zip(&clock.feeds);
        ClockState {
            instant: Rfc3339(clock.instant),
            watermark: seen_to(clock.watermark),
            feeds: feeds
                .map(|((feed, settings), (watermark, blind))| FeedState {
                    feed: feed.to_string(),
                    watermark: seen_to(*watermark),
                    health: match *watermark {
                        _ if *blind => Health::Blind,
                        FOREVER.. => Health::Ended,
                        _ => Health::Seeing,
                    },
                    unwatched: !settings.watched,
                })
                .collect(),
        }
    }
}

/// A watermark that is a time: before the first event there is none, and behind the end of the input neither.
fn seen_to(watermark: Millis) -> Option<Rfc3339> {
    (NEVER < watermark && watermark < FOREVER).then_some(Rfc3339(watermark))
}

fn level(level: cxwatch_rulebook::Level) -> Level {
    match level {
        cxwatch_rulebook::Level::Breach => Level::Breach,
        cxwatch_rulebook::Level::Warning => Level::Warning,
    }
}

/// The name of a feed or type that the rulebook had when the event came in, and has no more.
fn gone() -> String {
    "gone".to_owned()
}

fn key(e: &EventRef) -> EventKey {
    EventKey { source: e.source.to_string(), id: e.id.to_string(), sub: e.sub }
}

/// The name of a detection: one per problem, level and time.
fn detection_id(id: u64, level: cxwatch_rulebook::Level, time: i64) -> String {
    format!("{id:016x}-{}-{time}", letter(level))
}

fn letter(level: cxwatch_rulebook::Level) -> char {
    match level {
        cxwatch_rulebook::Level::Breach => 'b',
        cxwatch_rulebook::Level::Warning => 'w',
    }
}

/// A rule's sentence about a detection.
pub(crate) fn sentence(book: &Rulebook, d: &Detection) -> String {
    let mut text = String::new();
    for part in book.rules.get(usize::from(d.rule.0)).map_or(&[][..], |rule| &rule.summary) {
        match part {
            SummaryPart::Text(part) => text.push_str(part),
            SummaryPart::Key => text.push_str(&d.key),
            SummaryPart::Measure(ix) => {
                let value = d.measures.get(usize::from(*ix)).copied().flatten();
                text.push_str(&value.map_or_else(|| "?".into(), format_micro));
            }
        }
    }
    text
}

/// As much of a text as fits, in JSON, into so many bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    let in_json = |c: char| match c {
        '"' | '\\' => 2,
        c if c.is_control() => 6,
        c => c.len_utf8(),
    };
    if text.chars().map(in_json).sum::<usize>() <= bytes_max {
        return text.to_owned();
    }
    let mut left = bytes_max.saturating_sub('…'.len_utf8());
    let fits = text.chars().take_while(|c| {
        let fits = in_json(*c) <= left;
        left = left.saturating_sub(in_json(*c));
        fits
    });
    let mut short: String = fits.collect();
    if bytes_max >= '…'.len_utf8() {
        short.push('…');
    }
    short
}
