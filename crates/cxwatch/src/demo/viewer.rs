//! Reads the action topic as a routing system would, and says each action in one line.

use cxwatch_event::messages::{ActionKind, ActionMessage, CauseReason};
use cxwatch_event::number::format_micro;
use cxwatch_event::{MICRO, Micro, Millis, rfc3339};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What was seen of an action.
struct Seen {
    rule: String,
    revision: u32,
    open: bool,
}

/// What has been seen so far.
#[derive(Default)]
pub(super) struct Viewer {
    actions: BTreeMap<String, Seen>,
    by_rule: BTreeMap<String, Tally>,
    value_at_risk: Micro,
}

/// The actions of a rule.
#[derive(Default)]
struct Tally {
    asked: u64,
    withdrawn: u64,
    expired: u64,
}

impl Viewer {
    /// Takes a message; what to print, if it is news.
    pub(super) fn take(&mut self, value: &[u8]) -> Option<String> {
        let message: ActionMessage = serde_json::from_slice(value).ok()?;
        let data = &message.data;
        // A reader applies only a higher revision.
        if self.actions.get(&data.action_id).is_some_and(|seen| seen.revision >= data.revision) {
            return None;
        }
        let rule = match (&data.why, self.actions.get(&data.action_id)) {
            (Some(why), _) => why.rule.id.clone(),
            (None, seen) => seen.map(|seen| seen.rule.clone()).unwrap_or_default(),
        };
        let open = !matches!(message.kind, ActionKind::Revoked | ActionKind::Expired);
        let seen = Seen { rule: rule.clone(), revision: data.revision, open };
        self.actions.insert(data.action_id.clone(), seen);
        let tally = self.by_rule.entry(rule.clone()).or_default();
        let what = match message.kind {
            ActionKind::Requested => {
                tally.asked += 1;
                let value = data.why.as_ref().and_then(|why| why.value_at_risk);
                self.value_at_risk += value.map_or(0, |value| value.0);
                "ask for "
            }
            ActionKind::Updated => "  raise ",
            ActionKind::Revoked => {
                tally.withdrawn += 1;
                "withdraw"
            }
            // Nobody took it in time; the summary counts them.
            ActionKind::Expired => {
                tally.expired += 1;
                return None;
            }
        };
        let customer = message.subject.as_deref().unwrap_or("?");
        let say = match (&data.cause, message.kind) {
            (Some(cause), ActionKind::Revoked) => {
                let event = cause.event.as_ref().map(|event| event.kind.as_str());
                match (cause.reason, event) {
                    (CauseReason::Resolved, Some(event)) => format!("no longer needed: {event}"),
                    (CauseReason::Retracted, Some(event)) => format!("never was true: {event} came late"),
                    (reason, _) => format!("{reason:?}").to_lowercase(),
                }
            }
            (_, ActionKind::Updated) => format!("{} - the time is up", data.route.sentence),
            _ => data.route.sentence.clone(),
        };
        let at = message.recordedtime.as_ref().unwrap_or(&message.time).0;
        Some(format!("{}  {what}  {:<15}  {customer}  {say}  [{rule}]", clock(at), data.action))
    }

    /// How many actions were asked for.
    pub(super) fn asked(&self) -> u64 {
        self.by_rule.values().map(|tally| tally.asked).sum()
    }

    /// The end of the day in a few lines.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        for (rule, tally) in &self.by_rule {
            let Tally { asked, withdrawn, expired } = tally;
            let _ = writeln!(
                text,
                "  {rule:<22} {asked:>4} asked for, {withdrawn:>4} withdrawn, {expired:>4} expired untaken"
            );
        }
        let open = self.actions.values().filter(|seen| seen.open).count();
        let value = format_micro(self.value_at_risk / MICRO * MICRO);
        let _ =
            writeln!(text, "  {open} are still wanted; what was at stake, where a rule knows it: {value}");
        text
    }
}

/// The time of day.
fn clock(time: Millis) -> String {
    rfc3339::format(time).get(11..19).unwrap_or_default().to_owned()
}
