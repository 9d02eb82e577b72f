//! Actions and suppressions as records.

use crate::desk::{Book, Label, Output, Place, Publisher, Wall};
use crate::ports::{PAUSED_ALL, PausedSet, Topic};
use cxwatch_decision::{
    ActionChange, CustomerState, Decider, Decision, Explained, Message, Messages, Published, WallClock,
};
use cxwatch_event::Millis;
use cxwatch_event::messages::CauseReason;
use cxwatch_rulebook::Rulebook;
use serde::Serialize;

fn record<T: Serialize>(topic: Topic, key: &str, message: &T, label: Label) -> Output {
    let value = serde_json::to_vec(message).expect("messages have text for keys and no endless numbers");
    Output {
        topic,
        key: Some(key.as_bytes().to_vec()),
        value: Some(value),
        headers: vec![("content-type".into(), b"application/cloudevents+json".to_vec())],
        label: Some(Box::new(label)),
    }
}

fn customer(decision: &Decision) -> &str {
    match decision {
        Decision::Action(action) => &action.customer,
        Decision::Suppressed(suppressed) => &suppressed.detection.customer,
    }
}

/// What happened to an action; of a revocation also why.
fn what(action: &ActionChange) -> &'static str {
    match (action.change, action.cause) {
        (Published::Requested, _) => "requested",
        (Published::Updated, _) => "updated",
        (Published::Expired, _) => "expired",
        (Published::Revoked, Some(CauseReason::Resolved)) => "revoked_resolved",
        (Published::Revoked, Some(CauseReason::Retracted)) => "revoked_retracted",
        (Published::Revoked, Some(CauseReason::Superseded)) => "revoked_superseded",
        (Published::Revoked, _) => "revoked_rule_removed",
    }
}

fn label(decision: &Decision) -> Label {
    match decision {
        Decision::Action(action) => Label {
            rule: action.rule.clone(),
            what: what(action),
            time: action.detection().map_or(action.instant, |d| d.time),
            is_new: action.change == Published::Requested,
        },
        Decision::Suppressed(suppressed) => Label {
            rule: suppressed.rule.clone(),
            what: suppressed.reason.name(),
            time: suppressed.detection.time,
            is_new: false,
        },
    }
}

impl Publisher for Decider {
    fn set_wall(&mut self, wall: Wall) {
        Decider::set_wall(
            self,
            match wall {
                Wall::At(now) => WallClock::At(now),
                Wall::Never => WallClock::None,
                Wall::Recorded(expired) => WallClock::Recorded(expired),
            },
        );
    }

    fn has_decisions(&self) -> bool {
        Decider::has_decisions(self)
    }

    fn publish(&mut self, place: &Place<'_>, out: &mut Vec<Output>) {
        let messages = Messages::new(place.book, place.settings);
        for decision in self.take_decisions() {
            let key = customer(&decision);
            let label = label(&decision);
            out.push(match messages.decision(place.partition, &decision) {
                Message::Action(mut message) => {
                    message.recordedtime = Some(cxwatch_event::messages::Rfc3339(place.now));
                    record(Topic::Actions, key, &message, label)
                }
                Message::Suppression(mut message) => {
                    message.recordedtime = Some(cxwatch_event::messages::Rfc3339(place.now));
                    record(Topic::Suppressions, key, &message, label)
                }
            });
        }
    }

    fn discard(&mut self) {
        self.take_decisions();
    }

    fn take_expired(&mut self) -> Vec<u64> {
        Decider::take_expired(self)
    }

    fn books(&self, each: &mut dyn FnMut(Book, &str, u64)) {
        for (rule, tally) in self.tally().rules() {
            for (book, count) in [
                (Book::Candidates, tally.candidates),
                (Book::Actions, tally.actions),
                (Book::Suppressions, tally.suppressions),
                (Book::Pending, tally.pending),
                (Book::Treated, tally.treated.episodes),
                (Book::TreatedSaved, tally.treated.saved),
                (Book::HeldOut, tally.held_out.episodes),
                (Book::HeldOutSaved, tally.held_out.saved),
            ] {
                each(book, rule, count);
            }
        }
        each(Book::UnknownActions, "", self.unknown_actions());
    }

    fn braked(&self, book: &Rulebook, instant: Millis, each: &mut dyn FnMut(&str, bool)) {
        for (rule, is_on) in self.brakes(book, instant) {
            each(rule.unwrap_or(PAUSED_ALL), is_on);
        }
    }

    fn explained(&self, state: &CustomerState, book: &Rulebook, instant: Millis) -> Explained {
        state.explain(book, instant)
    }

    fn paused(&self) -> PausedSet {
        let paused = Decider::paused(self);
        let all = paused.all.then(|| PAUSED_ALL.into());
        paused.rules.iter().cloned().chain(all).collect()
    }

    fn head(&self) -> Vec<u8> {
        postcard::to_allocvec(Decider::head(self)).expect("writing to memory does not fail")
    }

    fn restore(&mut self, head: &[u8]) -> Result<(), String> {
        let head = postcard::from_bytes(head).map_err(|e| format!("the desk's state: {e}"))?;
        self.set_head(head);
        Ok(())
    }

    fn digest(&self) -> u64 {
        Decider::digest(self)
    }
}
