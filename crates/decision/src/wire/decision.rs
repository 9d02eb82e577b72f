//! Actions and suppressions on the wire.

use super::{Messages, cut, key, letter, level};
use crate::life::Published;
use crate::{ActionChange, Grounds, Loser, Score, Suppressed};
use cxwatch_event::Millis;
use cxwatch_event::messages::{
    ActionData, ActionKind, ActionMessage, Alternative, Arm, Cause, CloudEvent, Decimal, Rfc3339, Route,
    SuppressionData, SuppressionKind, SuppressionMessage, TimelineEntry, Verb, Why, severity_number,
};
use cxwatch_rulebook::{Action, Class};
use std::iter;

/// A route has to fit.
const ROUTE_BYTES_MAX: usize = 2_000;

impl Messages<'_> {
    pub(super) fn action(&self, partition: i32, change: &ActionChange) -> ActionMessage {
        let kind = match change.change {
            Published::Requested => ActionKind::Requested,
            Published::Updated => ActionKind::Updated,
            Published::Revoked => ActionKind::Revoked,
            Published::Expired => ActionKind::Expired,
        };
        let detection = change.detection();
        let time = detection.map_or(change.instant, |d| d.time);
        let data = ActionData {
            action_id: change.id.to_string(),
            revision: change.revision,
            action: change.action.to_string(),
            class: class(change.class).into(),
            level: level(change.level),
            cause: change.cause.map(|reason| Cause {
                reason,
                event: change.by.as_ref().map(|by| self.evidence(partition, by)),
                by_action_id: change.by_action.map(|id| id.to_string()),
            }),
            route: self.route(partition, change, time),
            why: change.why.as_deref().map(|why| self.why(partition, why)),
        };
        let id = format!("{}-{}", change.id, change.revision);
        let mut message = CloudEvent::new(kind, id, self.source.clone(), Rfc3339(time), data);
        message.subject = Some(change.customer.to_string());
        message.expirytime = Some(Rfc3339(change.expires));
        message.correlationid = Some(change.about.id.to_string());
        let decided = change.by.as_ref().or(detection.and_then(|d| d.evidence.last()));
        message.causationid = decided.map(|e| e.id.to_string());
        message.severitynumber = detection.map(|d| severity_number(d.severity));
        message
    }

    fn route(&self, partition: i32, change: &ActionChange, time: Millis) -> Route {
        let action = self.book.actions.iter().find(|a| a.id == change.action);
        let text = |of: fn(&Action) -> &str| action.map(of).unwrap_or_default().to_string();
        let skills = action.map(|a| a.skills.join(",")).filter(|s| !s.is_empty());
        let names = self.book.rule_named(&change.rule).and_then(|rule| self.key_field(rule));
        // The event that it is about knows best, then the newest that speaks for it.
        let evidence = change.detection().map_or(&[][..], |d| &d.evidence);
        let events = || iter::once(&change.about).chain(evidence.iter().rev());
        let about = |field: &str| {
            let of_key = (names == Some(field)).then_some(change.key.as_str());
            let of_events = || events().find_map(|event| event.names.as_ref()?.get(field));
            of_key.or_else(of_events).map(str::to_owned)
        };
        let mut route = Route {
            verb: match change.class {
                Class::Offer => Verb::Offer,
                Class::Reply => Verb::Reply,
                Class::Raise => Verb::Raise,
                Class::Internal => Verb::Notify,
            },
            by: text(|a| &a.by),
            purpose: text(|a| &a.purpose),
            channel: text(|a| &a.channel),
            queue: text(|a| &a.queue),
            skills,
            priority: change.priority,
            ttl_s: u32::try_from((change.expires - time).max(0) / 1_000).unwrap_or(u32::MAX),
            partition,
            contact_id: about("contact_id"),
            conversation_id: about("conversation_id"),
            session_id: about("session_id"),
            order_id: about("order_id"),
            cart_id: about("cart_id"),
            post_id: about("post_id"),
            network: about("network"),
            sentence: String::new(),
        };
        route.sentence = cut(&change.sentence, ROUTE_BYTES_MAX.saturating_sub(length(&route)));
        route
    }

    fn why(&self, partition: i32, why: &Grounds) -> Why {
        let d = &why.detection;
        Why {
            rule: self.rule(d.rule),
            key: self.book.rule(d.rule).per.then(|| d.key.to_string()),
            about: key(&d.about),
            severity: d.severity,
            score: why.score.as_ref().map(score),
            alternatives: why.alternatives.iter().map(alternative).collect(),
            evidence: d.evidence.iter().map(|e| self.evidence(partition, e)).collect(),
            events: d.events,
            measures: self.measures(d),
            value_at_risk: why.value_at_risk.map(Decimal),
            arm: Arm::Treated,
            propensity: Decimal(why.chance),
            clock: self.clock(&d.clock),
            timeline: why
                .timeline
                .iter()
                .map(|past| TimelineEntry { time: Rfc3339(past.time), kind: past.kind.to_string() })
                .collect(),
        }
    }

    pub(super) fn suppression(&self, s: &Suppressed) -> SuppressionMessage {
        let d = &s.detection;
        let action_id = s.id.to_string();
        // Nothing of the task: as many partitions as there may be, the message is the same.
        let level_letter = letter(d.level);
        let id = format!("{action_id}-{}-{level_letter}-{}-{}", s.action, d.time, s.times);
        let data = SuppressionData {
            action_id,
            action: s.action.to_string(),
            class: class(s.class).into(),
            reason: s.reason,
            until: s.until.map(Rfc3339),
            by_action_id: s.by_action.map(|id| id.to_string()),
            rule: self.rule_named(&s.rule),
            level: level(d.level),
            key: (!d.key.is_empty()).then(|| d.key.to_string()),
            about: key(&d.about),
            score: s.score.as_ref().map(score),
            arm: s.arm,
        };
        let kind = SuppressionKind::Suppressed;
        let mut message = CloudEvent::new(kind, id, self.source.clone(), Rfc3339(d.time), data);
        message.subject = Some(d.customer.to_string());
        message
    }
}

/// At least as long as a route is in JSON: names, quotation marks and numbers take less than a third of the room.
fn length(route: &Route) -> usize {
    let skills = route.skills.as_deref();
    let texts = [&*route.by, &*route.purpose, &*route.channel, &*route.queue];
    let references = [
        &route.contact_id,
        &route.conversation_id,
        &route.session_id,
        &route.order_id,
        &route.cart_id,
        &route.post_id,
        &route.network,
    ];
    let all = texts.into_iter().chain(skills).chain(references.into_iter().filter_map(|r| r.as_deref()));
    500 + all.map(str::len).sum::<usize>()
}

fn score(score: &Score) -> cxwatch_event::messages::Score {
    cxwatch_event::messages::Score {
        priority: Decimal(score.priority),
        propensity: Decimal(score.propensity),
        context: Decimal(score.context),
        value: Decimal(score.value),
        lever: Decimal(score.lever),
    }
}

fn alternative(loser: &Loser) -> Alternative {
    Alternative {
        action: loser.action.to_string(),
        priority: loser.priority.map(Decimal),
        reason: loser.reason,
    }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Reply => "reply",
        Class::Raise => "raise",
        Class::Internal => "internal",
        Class::Offer => "offer",
    }
}
