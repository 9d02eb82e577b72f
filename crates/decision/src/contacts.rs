//! Contacts with a customer: seen, reserved, spent.

use crate::decision::{Limit, Reached};
use compact_str::CompactString;
use cxwatch_event::{Event, Millis, Profile, Value};
use cxwatch_rulebook::{Action, Cap, Cond, FieldRef, Policy};
use serde::{Deserialize, Serialize};

/// Who contacts where feeds show it: campaigns and bots.
const MACHINE: &str = "machine";

/// One contact that has taken place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// When.
    pub time: Millis,
    /// Through which channel.
    pub channel: CompactString,
    /// `person` or `machine`.
    pub by: CompactString,
}

impl Contact {
    /// One by a machine, as a feed shows it.
    pub(crate) fn seen(time: Millis, channel: CompactString) -> Self {
        Contact { time, channel, by: MACHINE.into() }
    }

    pub(crate) fn counts_for(&self, cap: &Cap) -> bool {
        is_for(cap, &self.channel, &self.by)
    }
}

fn is_for(cap: &Cap, channel: &str, by: &str) -> bool {
    cap.channel.as_ref().is_none_or(|c| c == channel) && cap.by.as_ref().is_none_or(|b| b == by)
}

/// In ascending order of time, as far back as the longest cap looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contacts(pub(crate) Vec<(Millis, Contact)>);

/// Somebody has accepted to contact the customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation<'a> {
    pub(crate) channel: &'a str,
    pub(crate) by: &'a str,
}

/// A cap that stands against a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    /// When there is room again, where that is known: reservations end when they end.
    pub(crate) until: Option<Millis>,
    /// The one that has room last.
    pub(crate) reached: Reached,
}

impl Contacts {
    /// Takes a contact, if a cap will ever ask for it.
    pub(crate) fn add(&mut self, policy: &Policy, contact: Contact, instant: Millis) {
        let Some(within) = policy.caps.iter().map(|cap| cap.within_ms).max() else { return };
        let forget_at = contact.time.saturating_add(within);
        if forget_at > instant {
            let place = self.0.partition_point(|(_, c)| c.time <= contact.time);
            self.0.insert(place, (forget_at, contact));
        }
    }

    /// Whether a cap is reached for an action, given the reservations.
    pub(crate) fn full(
        &self,
        policy: &Policy,
        action: &Action,
        reserved: &[Reservation<'_>],
        instant: Millis,
    ) -> Option<Full> {
        let caps = (0..).zip(&policy.caps).filter(|(_, cap)| is_for(cap, &action.channel, &action.by));
        // There is room when every cap has some.
        let later = |full: &Full| full.until.unwrap_or(Millis::MAX);
        caps.filter_map(|(ix, cap)| self.full_by(ix, cap, reserved, instant))
            .reduce(|one, other| if later(&one) < later(&other) { other } else { one })
    }

    /// The contacts that a cap counts at an instant.
    fn counted(&self, cap: &Cap, instant: Millis) -> Vec<&Contact> {
        let oldest = instant.saturating_sub(cap.within_ms);
        self.0.iter().map(|(_, c)| c).filter(|c| c.time > oldest && c.counts_for(cap)).collect()
    }

    fn full_by(&self, ix: u16, cap: &Cap, reserved: &[Reservation<'_>], instant: Millis) -> Option<Full> {
        let reserved = reserved.iter().filter(|r| is_for(cap, r.channel, r.by)).count();
        let counted = self.counted(cap, instant);
        let count = counted.len() + reserved;
        let over = count.checked_sub(cap.at_most as usize)?;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Some(Full {
            until: counted.get(over).map(|c| c.time.saturating_add(cap.within_ms)),
            reached: Reached { limit: Limit::Cap(ix), count, at_most: cap.at_most },
        })
    }

    pub(crate) fn forget(&mut self, instant: Millis) {
        self.0.retain(|(forget_at, _)| *forget_at > instant);
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.0.iter().map(|(forget_at, _)| *forget_at).min()
    }
}

/// What a condition on an event says, for events that decisions look at.
pub(crate) fn holds(cond: &Cond<FieldRef>, event: &Event, profile: &Profile) -> bool {
    cond.holds(&|field, op| op.holds(value(field, event, profile).as_ref()))
}

/// The value of a field of an event.
pub(crate) fn value(field: &FieldRef, event: &Event, profile: &Profile) -> Option<Value> {
    match field {
        FieldRef::Data(ix) => event.field(*ix).cloned(),
        FieldRef::Profile(ix) => profile.field(*ix).cloned(),
        FieldRef::Const(value) => Some(value.clone()),
        FieldRef::Id => Some(Value::Text(event.id.clone())),
        FieldRef::Source => Some(Value::Text(event.source.clone())),
        FieldRef::Time => Some(Value::Time(event.time)),
        FieldRef::Key | FieldRef::Severity | FieldRef::Measure(_) | FieldRef::Missing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::action;
    use cxwatch_rulebook::Class;

    fn policy(caps: &[(Option<&str>, Option<&str>, u32, Millis)]) -> Policy {
        let cap = |(channel, by, at_most, within_ms): &(Option<&str>, Option<&str>, u32, Millis)| Cap {
            channel: channel.map(Into::into),
            by: by.map(Into::into),
            at_most: *at_most,
            within_ms: *within_ms,
        };
        Policy { caps: caps.iter().map(cap).collect(), ..Policy::default() }
    }

    fn contacts(policy: &Policy, list: &[(Millis, &str)]) -> Contacts {
        let mut contacts = Contacts::default();
        for (time, channel) in list {
            contacts.add(policy, Contact::seen(*time, (*channel).into()), *time);
        }
        contacts
    }

    #[test]
    fn a_cap_counts_what_lies_in_its_time_before_the_instant() {
        let policy = policy(&[(None, None, 2, 100)]);
        let contacts = contacts(&policy, &[(10, "email"), (20, "voice")]);
        let chat = action("a", Class::Offer);
        let reached = Reached { limit: Limit::Cap(0), count: 2, at_most: 2 };
        assert_eq!(contacts.full(&policy, &chat, &[], 109), Some(Full { until: Some(110), reached }));
        assert_eq!(contacts.full(&policy, &chat, &[], 110), None);
    }

    #[test]
    fn a_cap_on_a_channel_or_on_who_acts_asks_and_counts_only_those() {
        let voice = action("a", Class::Offer);
        let seen = [(10, "email"), (20, "email")];
        let of_email = policy(&[(Some("email"), None, 1, 100)]);
        assert_eq!(contacts(&of_email, &seen).full(&of_email, &voice, &[], 50), None);
        let of_voice = policy(&[(Some("voice"), None, 1, 100)]);
        assert_eq!(contacts(&of_voice, &seen).full(&of_voice, &voice, &[], 50), None);
        let by_people = policy(&[(None, Some("person"), 1, 100)]);
        assert_eq!(contacts(&by_people, &seen).full(&by_people, &voice, &[], 50), None);
    }

    #[test]
    fn a_reservation_counts_and_nobody_knows_when_it_ends() {
        let policy = policy(&[(None, Some("person"), 1, 100)]);
        let reserved = [Reservation { channel: "chat", by: "person" }];
        let voice = action("a", Class::Offer);
        let reached_by = Reached { limit: Limit::Cap(0), count: 1, at_most: 1 };
        let full = Some(Full { until: None, reached: reached_by });
        assert_eq!(Contacts::default().full(&policy, &voice, &reserved, 50), full);
    }

    #[test]
    fn contacts_are_kept_as_long_as_the_longest_cap_looks_back() {
        let policy = policy(&[(None, None, 2, 100), (Some("email"), None, 2, 300)]);
        let mut contacts = contacts(&policy, &[(10, "email")]);
        assert_eq!(contacts.next(), Some(310));
        contacts.forget(310);
        assert_eq!(contacts, Contacts::default());
    }
}
