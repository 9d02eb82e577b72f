//! What operators have stopped: orders in a topic of their own, the latest of each rule kept.
//!
//! The key of a record is a rule's id, or `*` for all. Every process reads all of them from the beginning, in no group,
//! so that a new one knows what holds before it decides anything.

use crate::run::health::Health;
use crate::run::metrics::Metrics;
use crate::run::setup::Setup;
use anyhow::Result;
use compact_str::CompactString;
use cxwatch_kafka::Properties;
use cxwatch_kafka::follower::{self, Follower};
use cxwatch_runtime::ports::{Fault, PAUSED_ALL, PausedSet, Pauses, RecordRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An operator's order, as a record's value has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Whether requests are stopped from now on.
    pub(crate) paused: bool,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// When, RFC 3339.
    #[serde(default)]
    pub(crate) at: String,
}

/// What holds: by rule (or [`PAUSED_ALL`]) the order that stopped it.
pub(crate) type Stopped = BTreeMap<CompactString, Order>;

/// Reads a record into what holds. The key that has changed, if one has.
fn obey(stopped: &mut Stopped, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<CompactString> {
    let key = key.and_then(|key| std::str::from_utf8(key).ok()).filter(|key| !key.is_empty());
    let order = value.map(serde_json::from_slice::<Order>).transpose();
    let (Some(key), Ok(order)) = (key, order) else {
        tracing::warn!("a record in the control topic is no order, and is passed over");
        return None;
    };
    let before = match order.filter(|order| order.paused) {
        Some(order) => stopped.insert(key.into(), order).is_none(),
        // Deleted, or let go on.
        None => stopped.remove(key).is_some(),
    };
    before.then(|| key.into())
}

/// A rule, in words.
pub(crate) fn name(rule: &str) -> &str {
    if rule == PAUSED_ALL { "all rules" } else { rule }
}

/// What holds now, as the topic says.
pub(crate) fn read(setup: &Setup, timeout: Duration) -> Result<Stopped, Fault> {
    let mut stopped = Stopped::new();
    let topic = &setup.settings.topics.control;
    follower::read(&reader(setup), topic, 0, timeout, &mut |record: &RecordRef<'_>| {
        obey(&mut stopped, record.key, record.value);
    })?;
    Ok(stopped)
}

/// The properties of a reader: it needs a group's name, and does not join it.
fn reader(setup: &Setup) -> Properties {
    let mut properties = setup.settings.kafka.properties.clone();
    properties.insert("group.id".to_owned(), setup.settings.application_id.clone());
    properties
}

/// What has been heard, for the stream threads. Clones see the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(Arc<Mutex<Option<Arc<PausedSet>>>>);

impl Board {
    fn show(&self, stopped: &Stopped) {
        let set: PausedSet = stopped.keys().cloned().collect();
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The same value again would have every task look.
        if shown.as_deref() != Some(&set) {
            *shown = Some(Arc::new(set));
        }
    }
}

impl Pauses for Board {
    fn latest(&mut self) -> Option<Arc<PausedSet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Follows the orders until it is dropped.
pub(crate) struct Control {
    /// What has been heard.
    pub(crate) board: Board,
    _follower: Follower,
}

impl Control {
    /// Reads all orders that there are before it returns, and goes on.
    pub(crate) fn follow(
        setup: &Setup,
        timeout: Duration,
        health: Arc<Health>,
        metrics: &Metrics,
    ) -> Result<Self, Fault> {
        let board = Board::default();
        board.show(&Stopped::new());
        let (shown, gauge) = (board.clone(), metrics.paused.clone());
        let known: Vec<String> = setup.book.rules.iter().map(|rule| rule.id.to_string()).collect();
        for rule in known.iter().map(String::as_str).chain([PAUSED_ALL]) {
            gauge.with_label_values(&[rule]).set(0);
        }
        let mut stopped = Stopped::new();
        let each = move |record: &RecordRef<'_>| {
            let Some(rule) = obey(&mut stopped, record.key, record.value) else { return };
            let is_known = rule == PAUSED_ALL || known.iter().any(|known| *known == rule);
            match stopped.get(&rule) {
                Some(Order { reason, at, .. }) => {
                    let reason = reason.as_deref().unwrap_or("none given");
                    tracing::warn!(rule = name(&rule), at, reason, "an operator has stopped requests");
                }
                None => tracing::warn!(rule = name(&rule), "an operator lets requests go on"),
            }
            // Labels are the rulebook's rules: one that was removed is of no interest.
            if is_known {
                gauge.with_label_values(&[rule.as_str()]).set(i64::from(stopped.contains_key(&rule)));
            }
            health.paused(stopped.keys().map(ToString::to_string).collect());
            shown.show(&stopped);
        };
        let topic = &setup.settings.topics.control;
        let follower = Follower::spawn(&reader(setup), topic, timeout, each)?;
        Ok(Control { board, _follower: follower })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_order_of_each_rule_holds() {
        let mut stopped = Stopped::new();
        let mut said = |key: &str, value: Option<&str>| {
            let changed = obey(&mut stopped, Some(key.as_bytes()), value.map(str::as_bytes));
            (changed.map(|key| key.to_string()), stopped.keys().map(ToString::to_string).collect::<Vec<_>>())
        };
        let keys = |list: &[&str]| list.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let pause = r#"{"paused":true,"reason":"too many calls","at":"2026-11-24T10:00:00Z"}"#;
        assert_eq!(said("cart", Some(pause)), (Some("cart".to_owned()), keys(&["cart"])));
        assert_eq!(said("cart", Some(r#"{"paused":true}"#)), (None, keys(&["cart"])));
        assert_eq!(said("*", Some(pause)), (Some("*".to_owned()), keys(&["*", "cart"])));
        assert_eq!(said("*", Some("nonsense")), (None, keys(&["*", "cart"])));
        assert_eq!(said("*", Some(r#"{"paused":false}"#)), (Some("*".to_owned()), keys(&["cart"])));
        assert_eq!(said("cart", None), (Some("cart".to_owned()), keys(&[])));
        assert_eq!(said("", Some(pause)), (None, keys(&[])));
    }

    #[test]
    fn a_board_shows_the_same_value_until_something_changes() {
        let mut board = Board::default();
        assert_eq!(board.latest(), None);
        let order = Order { paused: true, reason: None, at: String::new() };
        let stopped = Stopped::from([("cart".into(), order)]);
        board.show(&stopped);
        let first = board.latest().expect("shown");
        board.show(&stopped);
        assert!(Arc::ptr_eq(&first, &board.latest().expect("shown")));
        board.show(&Stopped::new());
        assert_eq!(board.latest().expect("shown").len(), 0);
    }
}
