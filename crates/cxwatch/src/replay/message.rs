//! What the engine says, as messages.

use cxwatch_engine::{Clock, Detection, Ended, EventRef, NEVER, Settings};
use cxwatch_event::messages::{
    ClockState, CloudEvent, Decimal, DetectionData, DetectionKind, DetectionMessage, EndData, EndKind,
    EndMessage, EventKey, Evidence, FeedState, Health, Level, Rfc3339, RuleRef,
};
use cxwatch_event::number::format_micro;
use cxwatch_rulebook::{Kind, RuleIx, Rulebook, SummaryPart};
use std::collections::BTreeMap;
use std::fmt::Write;

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
        let measures = rule.measures.iter().zip(&d.measures);
        let data = DetectionData {
            rule: self.rule(d.rule),
            level: level(d.level),
            key: rule.per.then(|| d.key.to_string()),
            about: key(&d.about),
            deadline: matches!(rule.kind, Kind::Absence { .. }).then_some(Rfc3339(d.deadline)),
            severity: d.severity,
            measures: measures
                .filter_map(|(m, v)| Some((m.name.to_string(), Decimal((*v)?))))
                .collect::<BTreeMap<_, _>>(),
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

    /// The rule's sentence about this detection.
    pub fn summary(&self, d: &Detection) -> String {
        let mut text = String::new();
        for part in &self.book.rule(d.rule).summary {
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

    fn rule(&self, ix: RuleIx) -> RuleRef {
        RuleRef {
            id: self.book.rule(ix).id.to_string(),
            rulebook: self.book.name.to_string(),
            version: self.book.version,
            hash: self.hash.clone(),
        }
    }

    fn evidence(&self, partition: i32, e: &EventRef) -> Evidence {
        Evidence {
            feed: self.book.feeds[usize::from(e.feed)].to_string(),
            partition,
            offset: e.offset,
            sub: e.sub,
            event_id: e.id.to_string(),
            kind: match e.type_id() {
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
            watermark: Rfc3339(clock.watermark),
            feeds: feeds
                .map(|((feed, settings), (watermark, blind))| FeedState {
                    feed: feed.to_string(),
                    watermark: (*watermark > NEVER).then_some(Rfc3339(*watermark)),
                    health: if *blind { Health::Blind } else { Health::Seeing },
                    unwatched: !settings.watched,
                })
                .collect(),
        }
    }
}

fn level(level: cxwatch_rulebook::Level) -> Level {
    match level {
        cxwatch_rulebook::Level::Breach => Level::Breach,
        cxwatch_rulebook::Level::Warning => Level::Warning,
    }
}

fn key(e: &EventRef) -> EventKey {
    EventKey { source: e.source.to_string(), id: e.id.to_string(), sub: e.sub }
}

/// The name of a detection: one per problem, level and time.
fn detection_id(id: u64, level: cxwatch_rulebook::Level, time: i64) -> String {
    let level = match level {
        cxwatch_rulebook::Level::Breach => 'b',
        cxwatch_rulebook::Level::Warning => 'w',
    };
    format!("{id:016x}-{level}-{time}")
}
