//! What comes back: contacts, outcomes, successes.

use super::super::{Arm, When};
use super::kept::{Contact, Past, Refusal, State};
use super::{Log, Wrong};
use cxwatch_engine::EventRef;
use cxwatch_event::{Event, Millis};
use cxwatch_rulebook::{DeskUse, FieldRef, Op, Outcome, RuleIx};
use std::sync::Arc;

impl Log {
    pub(super) fn saw(&mut self, when: When, event: &Event) {
        let book = Arc::clone(&self.book);
        let kind = usize::from(event.kind.0);
        if !book.by_type[kind].is_empty() {
            let name = book.catalogue.spec(event.kind).name.clone();
            self.past.push(Past { customer: when.customer.clone(), kind: name, time: event.time });
        }
        match &book.desk_uses[kind] {
            None => {}
            Some(DeskUse::Contact { when: cond, .. }) if !cond.holds(&|field, op| test(event, field, op)) => {
            }
            Some(DeskUse::Contact { channel, .. }) => {
                let channel = match channel {
                    FieldRef::Data(ix) => event.field(*ix).and_then(|v| v.as_text()).map(Into::into),
                    FieldRef::Const(value) => value.as_text().map(Into::into),
                    _ => None,
                };
                let Some(channel) = channel else { return };
                let (customer, time) = (when.customer.clone(), event.time);
                self.contacts.push(Contact { customer, channel, by: "machine".into(), time });
            }
            Some(DeskUse::Outcome { outcome, action_id }) => {
                let named = event.field(*action_id).and_then(|v| v.as_text()).unwrap_or_default();
                let known = self
                    .records
                    .iter()
                    .position(|r| r.customer == *when.customer && r.id.to_string() == named && !r.forgotten);
                match known {
                    Some(at) => self.outcome(at, *outcome, event.time),
                    None => {
                        self.unknown_actions += 1;
                        self.happened.push("an outcome nobody knows");
                    }
                }
            }
        }
    }

    fn outcome(&mut self, at: usize, outcome: Outcome, time: Millis) {
        let record = &mut self.records[at];
        let action = &self.book.actions[record.action];
        let reaches =
            matches!(outcome, Outcome::Contacted | Outcome::Saved | Outcome::Failed | Outcome::Rejected);
        if reaches && !record.reached {
            record.reached = true;
            self.contacts.push(Contact {
                customer: record.customer.clone(),
                channel: action.channel.clone(),
                by: action.by.clone(),
                time,
            });
        }
        if outcome == Outcome::Saved
            && let Some(counted) = self.episodes[record.episode].counted.get_mut(&Arm::Treated)
        {
            counted.saved = true;
        }
        let next = match (record.state, outcome) {
            (State::Requested, Outcome::Accepted) => Some(State::Accepted),
            (State::Requested | State::Accepted, Outcome::Contacted) => Some(State::Contacted),
            (State::Accepted, Outcome::Accepted) => None,
            (State::Requested | State::Accepted, over) => Some(State::Done(Some(over))),
            (State::Contacted, Outcome::Accepted | Outcome::Contacted | Outcome::Declined) => None,
            (State::Contacted, over) => Some(State::Done(Some(over))),
            (State::Over | State::Done(_), _) => None,
        };
        let Some(next) = next else {
            self.happened.push("an outcome without an arrow");
            return;
        };
        let from = record.state;
        record.state = next;
        if let State::Done(Some(Outcome::Declined | Outcome::Rejected)) = next {
            let (customer, action) = (record.customer.clone(), action.id.clone());
            self.refusals.push(Refusal { customer, action, time });
        }
        self.stays(at, from);
        self.happened.push(arrow(from, outcome));
    }

    /// An event of a rule's `success`: it saves the episodes of both arms.
    pub(super) fn succeeded(&mut self, when: When, rule: RuleIx, key: Option<&str>, at: &EventRef) {
        let rule = self.book.rule(rule);
        let Some(within) = rule.treatment.success_within_ms else { return };
        let treated_only = self.is_wrong(Wrong::SuccessOfTreatedOnly);
        let concerned = self.episodes.iter_mut().filter(|e| {
            !e.forgotten
                && e.customer == *when.customer
                && e.rule == rule.id
                && key.is_none_or(|key| e.key == key)
        });
        for (arm, counted) in concerned.flat_map(|e| &mut e.counted) {
            let in_time = at.time > counted.time && at.time <= counted.time + within;
            if counted.saved || !in_time || treated_only && *arm == Arm::HeldOut {
                continue;
            }
            counted.saved = true;
            self.happened.push(match arm {
                Arm::Treated => "a treated episode saved by an event",
                Arm::HeldOut => "a held-out episode saved by an event",
            });
        }
    }
}

fn arrow(from: State, outcome: Outcome) -> &'static str {
    match (from, outcome) {
        (State::Requested, Outcome::Accepted) => "requested: accepted",
        (State::Requested, Outcome::Contacted) => "requested: contacted",
        (State::Requested, Outcome::Declined) => "requested: declined",
        (State::Requested, Outcome::Saved) => "requested: saved",
        (State::Requested, Outcome::Failed) => "requested: failed",
        (State::Requested, Outcome::Unreachable) => "requested: unreachable",
        (State::Requested, Outcome::Rejected) => "requested: rejected",
        (State::Accepted, Outcome::Contacted) => "accepted: contacted",
        (State::Accepted, Outcome::Declined) => "accepted: declined",
        (State::Accepted, Outcome::Saved) => "accepted: saved",
        (State::Accepted, Outcome::Failed) => "accepted: failed",
        (State::Accepted, Outcome::Unreachable) => "accepted: unreachable",
        (State::Accepted, Outcome::Rejected) => "accepted: rejected",
        (_, Outcome::Saved) => "contacted: saved",
        (_, Outcome::Failed) => "contacted: failed",
        (_, Outcome::Unreachable) => "contacted: unreachable",
        _ => "contacted: rejected",
    }
}

fn test(event: &Event, field: &FieldRef, op: &Op) -> bool {
    match field {
        FieldRef::Data(ix) => op.holds(event.field(*ix)),
        FieldRef::Const(value) => op.holds(Some(value)),
        _ => op.holds(None),
    }
}
