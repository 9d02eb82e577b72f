//! What detections and decisions look like on the wire.

use crate::{ActionChange, Change, Decision, Suppressed};
use cxwatch_engine::{Clock, Detection, Ended, EventRef, NEVER, Settings};
use cxwatch_event::messages::{
    ActionData, ActionKind, ActionMessage, Arm, Cause, CauseReason, ClockState, CloudEvent, Decimal,
    DetectionData, DetectionKind, DetectionMessage, EndData, EndKind, EndMessage, EventKey, Evidence,
    FeedState, Health, Level, Rfc3339, Route, RuleRef, SuppressionData, SuppressionKind, SuppressionMessage,
    Verb, Why,
};
use cxwatch_event::number::format_micro;
use cxwatch_event::{Micro, Millis};
use cxwatch_rulebook::{Action, Class, FieldRef, Kind, Per, RuleIx, Rulebook, SummaryPart};
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

    fn action(&self, partition: i32, change: &ActionChange) -> ActionMessage {
        let kind = match change.change {
            Change::Requested => ActionKind::Requested,
            Change::Updated => ActionKind::Updated,
            Change::RevokedResolved | Change::RevokedRetracted | Change::RevokedRuleRemoved => {
                ActionKind::Revoked
            }
            Change::Expired => ActionKind::Expired,
        };
        let detection = change.detection.as_deref();
        let time = detection.map_or(change.instant, |d| d.time);
        let data = ActionData {
            action_id: change.id.to_string(),
            revision: change.revision,
            action: change.action.to_string(),
            class: self.action_named(&change.action).map_or("", |a| class(a.class)).into(),
            level: level(change.level),
            cause: self.cause(partition, change),
            route: self.route(partition, change, time),
            why: detection.map(|d| self.why(partition, d)),
        };
        let id = format!("{}-{}", change.id, change.revision);
        let mut message = CloudEvent::new(kind, id, self.source.clone(), Rfc3339(time), data);
        message.subject = Some(change.customer.to_string());
        message.expirytime = Some(Rfc3339(change.expires));
        message.correlationid = Some(change.about.id.to_string());
        let decided = change.by.as_ref().or(detection.and_then(|d| d.evidence.last()));
        message.causationid = decided.map(|e| e.id.to_string());
        message.severitynumber = detection.map(|d| cxwatch_event::messages::severity_number(d.severity));
        message
    }

    fn cause(&self, partition: i32, change: &ActionChange) -> Option<Cause> {
        let reason = match (change.change, change.level) {
            (Change::Requested, _) => return None,
            (Change::Updated, cxwatch_rulebook::Level::Breach) if change.revision == 1 => {
                CauseReason::Breached
            }
            (Change::Updated, _) => CauseReason::Changed,
            (Change::RevokedResolved, _) => CauseReason::Resolved,
            (Change::RevokedRetracted, _) => CauseReason::Retracted,
            (Change::RevokedRuleRemoved, _) => CauseReason::RuleRemoved,
            (Change::Expired, _) => CauseReason::Expired,
        };
        let event = change.by.as_ref().map(|by| self.evidence(partition, by));
        Some(Cause { reason, event, by_action_id: None })
    }

    fn route(&self, partition: i32, change: &ActionChange, time: Millis) -> Route {
        let action = self.action_named(&change.action);
        let text = |of: fn(&Action) -> &str| action.map(of).unwrap_or_default().to_string();
        let skills = action.map(|a| a.skills.join(",")).filter(|s| !s.is_empty());
        let names = self.book.rule_named(&change.rule).and_then(|rule| self.key_field(rule));
        let about = |field: &str| (names == Some(field)).then(|| change.key.to_string());
        let detection = change.detection.as_deref();
        Route {
            verb: match action.map(|a| a.class) {
                Some(Class::Offer) => Verb::Offer,
                Some(Class::Reply) => Verb::Reply,
                Some(Class::Raise) => Verb::Raise,
                Some(Class::Internal) | None => Verb::Notify,
            },
            by: text(|a| &a.by),
            purpose: text(|a| &a.purpose),
            channel: text(|a| &a.channel),
            queue: text(|a| &a.queue),
            skills,
            priority: detection.map_or(0, |d| u16::from(d.severity) * 10),
            ttl_s: u32::try_from((change.expires - time).max(0) / 1_000).unwrap_or(u32::MAX),
            partition,
            contact_id: about("contact_id"),
            conversation_id: about("conversation_id"),
            session_id: about("session_id"),
            order_id: about("order_id"),
            cart_id: about("cart_id"),
            post_id: about("post_id"),
            network: None,
            sentence: detection.map(|d| self.summary(d)).unwrap_or_default(),
        }
    }

    fn why(&self, partition: i32, d: &Detection) -> Why {
        let rule = self.book.rule(d.rule);
        let action = rule.actions.first().map(|a| &self.book.actions[usize::from(*a)]);
        let value = action.and_then(|a| a.measures().next()).and_then(|name| self.measure(d, name));
        Why {
            rule: self.rule(d.rule),
            key: rule.per.then(|| d.key.to_string()),
            about: key(&d.about),
            severity: d.severity,
            score: None,
            alternatives: Vec::new(),
            evidence: d.evidence.iter().map(|e| self.evidence(partition, e)).collect(),
            events: d.events,
            measures: self.measures(d),
            value_at_risk: value.map(Decimal),
            arm: Arm::Treated,
            propensity: Decimal(cxwatch_event::MICRO),
            clock: self.clock(&d.clock),
            timeline: Vec::new(),
        }
    }

    fn suppression(&self, s: &Suppressed) -> SuppressionMessage {
        let d = &s.detection;
        let action_id = s.id.to_string();
        let id = format!("{action_id}-suppressed-{}", d.time);
        let data = SuppressionData {
            action_id,
            action: s.action.to_string(),
            class: self.action_named(&s.action).map_or("", |a| class(a.class)).into(),
            reason: s.reason,
            until: None,
            by_action_id: None,
            rule: self.rule(d.rule),
            level: level(d.level),
            key: self.book.rule(d.rule).per.then(|| d.key.to_string()),
            about: key(&d.about),
            score: None,
            arm: None,
        };
        let kind = SuppressionKind::Suppressed;
        let mut message = CloudEvent::new(kind, id, self.source.clone(), Rfc3339(d.time), data);
        message.subject = Some(d.customer.to_string());
        message
    }

    /// The value that a rule's first action names as being at stake.
    pub fn value_at_risk(&self, d: &Detection) -> Option<Micro> {
        let action = self.book.rule(d.rule).actions.first().map(|a| &self.book.actions[usize::from(*a)])?;
        self.measure(d, action.measures().next()?)
    }

    fn measure(&self, d: &Detection, name: &str) -> Option<Micro> {
        let at = self.book.rule(d.rule).measures.iter().position(|m| m.name == name)?;
        d.measures.get(at).copied().flatten()
    }

    fn measures(&self, d: &Detection) -> BTreeMap<String, Decimal> {
        let named = self.book.rule(d.rule).measures.iter().zip(&d.measures);
        named.filter_map(|(m, v)| Some((m.name.to_string(), Decimal((*v)?)))).collect()
    }

    fn action_named(&self, id: &str) -> Option<&Action> {
        self.book.actions.iter().find(|a| a.id == id)
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

/// The name of a feed or type that the rulebook had when the event came in, and has no more.
fn gone() -> String {
    "gone".to_owned()
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

fn class(class: Class) -> &'static str {
    match class {
        Class::Reply => "reply",
        Class::Raise => "raise",
        Class::Internal => "internal",
        Class::Offer => "offer",
    }
}
