//! What the action topic must hold, worked out from the feeds' topics alone; and what it holds.

use crate::client::Kept;
use crate::program;
use crate::stage::{FEEDS, MAX_DELAY_MS, REORDER_MS, Stage};
use cxwatch_event::{Decoder, Millis, RawRecord, Record, rfc3339};
use cxwatch_rulebook::{FeedIx, Kind, Level, Rule};
use cxwatch_tests::naive::{self, Occurrence};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// For how long the id of an event is remembered, by default.
const DEDUPE_FOR_MS: Millis = 120_000;

/// The level of a problem of which a late event left only a warning, and ended the need. Of several warnings an action
/// stands on the last, and one action may go on about another problem: what becomes of such a warning is not certain.
const PASSED: &str = "no more than a warning";

/// What an action is about: rule, customer, key, and source and id of the event.
pub(crate) type Problem = (String, String, String, String, String);

/// The feeds as they lie in their topics, decoded.
pub(crate) struct Feeds {
    /// By customer: what happened.
    by_customer: BTreeMap<String, Vec<Occurrence>>,
    /// Customers with an event that was late: for them more than one order is right.
    late: BTreeSet<String>,
    /// By feed: records in the order of their partitions and offsets.
    records: Vec<Vec<Kept>>,
    newest: Millis,
}

impl Feeds {
    /// Reads them from their beginning to their end.
    pub(crate) fn read(stage: &Stage) -> Self {
        let book = &stage.book;
        let decoder = Decoder::new(book.catalogue.clone(), book.interest.clone());
        let mut feeds =
            Feeds { by_customer: BTreeMap::new(), late: BTreeSet::new(), records: Vec::new(), newest: 0 };
        for name in FEEDS {
            let feed = book.feed_named(name).expect("every rulebook has the four feeds");
            let records = stage.read(name);
            let mut newest = BTreeMap::<i32, Millis>::new();
            for kept in &records {
                feeds.take(&decoder, name, feed, kept, newest.entry(kept.partition).or_default());
            }
            feeds.records.push(records);
        }
        feeds
    }

    fn take(&mut self, decoder: &Decoder, name: &str, feed: FeedIx, kept: &Kept, newest: &mut Millis) {
        let raw = RawRecord { feed: name, key: Some(&kept.key), value: Some(&kept.value), headers: &[] };
        let mut record = Record::default();
        if !kept.headers.is_empty() || decoder.decode(&raw, &mut record).is_err() {
            return;
        }
        let late = |time: Millis| kept.appended_at - time > MAX_DELAY_MS || time < *newest - REORDER_MS;
        if record.times.iter().any(|time| late(*time)) {
            self.late.insert(String::from_utf8_lossy(&kept.key).into_owned());
        }
        *newest = record.times.iter().copied().fold(*newest, Millis::max);
        self.newest = self.newest.max(*newest);
        for event in record.events {
            let customer = event.customer.to_string();
            self.by_customer.entry(customer).or_default().push(Occurrence {
                feed,
                offset: kept.offset,
                event,
            });
        }
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> usize {
        self.by_customer.values().map(Vec::len).sum()
    }

    /// How many customers there are, and how many of them had an event that was late.
    pub(crate) fn customers(&self) -> (usize, usize) {
        (self.by_customer.len(), self.late.len())
    }

    /// The newest time of all events.
    pub(crate) fn newest(&self) -> Millis {
        self.newest
    }

    /// Whether what the rule says of the customer has one right answer.
    fn is_certain(&self, rule: &Rule, customer: &str) -> bool {
        let orderless = matches!(rule.kind, Kind::Match | Kind::Absence { .. });
        orderless || !self.late.contains(customer)
    }

    /// The problems that actions must stand for once all deadlines have passed, and the worst that is known of each; by
    /// the evaluator that reads the meanings off the page.
    pub(crate) fn problems(&self, stage: &Stage) -> BTreeMap<Problem, &'static str> {
        let mut problems = BTreeMap::new();
        for (customer, events) in &self.by_customer {
            let until = self.newest + 3_600_000;
            for found in naive::evaluate(&stage.book, events, DEDUPE_FOR_MS, until) {
                let rule = stage.book.rule(found.rule);
                if rule.actions.is_empty() || !self.is_certain(rule, customer) {
                    continue;
                }
                let (about, level) = (found.about, self.level(customer, found.level == Level::Breach));
                let problem = (
                    rule.id.to_string(),
                    customer.clone(),
                    found.key.to_string(),
                    about.source.to_string(),
                    about.id.to_string(),
                );
                let worst = problems.entry(problem).or_insert(level);
                *worst = (*worst).min(level);
            }
        }
        problems
    }

    /// What is known of a problem's level: where a breach was taken back, the action may stand as a warning.
    fn level(&self, customer: &str, breach: bool) -> &'static str {
        match (self.is_calm(customer), breach) {
            (false, true) => "any",
            (false, false) => PASSED,
            (true, true) => "breach",
            (true, false) => "warning",
        }
    }

    /// The actions, of customers without late events, that `cxwatch replay` of the same events writes.
    pub(crate) fn replayed(&self, stage: &Stage) -> BTreeMap<String, Vec<Value>> {
        let mut command =
            program::command(&["replay", "--allow-future", "--sort", "--quiet", "--partitions", "4"]);
        command.args(["--allow-rejected", "--only", "actions", "--rulebook"]).arg(stage.path("rules.yaml"));
        command.args(["--until", &rfc3339::format(self.newest + 60_000)]);
        for (feed, records) in FEEDS.iter().zip(&self.records) {
            let path = stage.path(&format!("{feed}.jsonl"));
            let calm = records.iter().filter(|r| !self.late.contains(&*String::from_utf8_lossy(&r.key)));
            let lines: Vec<u8> = calm.flat_map(|r| r.value.iter().copied().chain([b'\n'])).collect();
            std::fs::write(&path, lines).expect("written");
            command.arg(path);
        }
        by_action(program::finish(command).lines())
    }

    /// Whether an action of this customer can be compared with a replay.
    pub(crate) fn is_calm(&self, customer: &str) -> bool {
        !self.late.contains(customer)
    }
}

/// The actions among messages as `replay` writes them.
pub(crate) fn by_action<'l>(lines: impl Iterator<Item = &'l str>) -> BTreeMap<String, Vec<Value>> {
    let mut actions = BTreeMap::<String, Vec<Value>>::new();
    for line in lines {
        let message: Value = serde_json::from_str(line).expect("replay writes JSON lines");
        let is_action = |kind: &str| kind.starts_with("action.") && kind != "action.suppressed";
        if message["type"].as_str().is_some_and(is_action) {
            actions.entry(text(&message["data"]["action_id"])).or_default().push(comparable(message));
        }
    }
    actions
}

/// A message without what depends on when it was decided and where its events lie.
fn comparable(mut message: Value) -> Value {
    if let Some(message) = message.as_object_mut() {
        message.remove("recordedtime");
    }
    if let Some(why) = message["data"]["why"].as_object_mut() {
        why.remove("clock");
        if let Some(evidence) = why.get_mut("evidence") {
            forget_offsets(evidence);
        }
    }
    if let Some(event) = message["data"]["cause"].as_object_mut().and_then(|cause| cause.get_mut("event")) {
        forget_offset(event);
    }
    message
}

fn forget_offsets(evidence: &mut Value) {
    evidence.as_array_mut().into_iter().flatten().for_each(forget_offset);
}

fn forget_offset(event: &mut Value) {
    if let Some(event) = event.as_object_mut() {
        event.remove("offset");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// All that a committed action topic says, checked as a reader would.
#[derive(Default)]
pub(crate) struct Actions {
    /// By action id: its messages in order.
    messages: BTreeMap<String, Vec<Value>>,
}

impl Actions {
    /// Reads the topic.
    ///
    /// # Errors
    /// An action that is not told as promised, in words: revisions from 0 on, each once, all in the partition of the
    /// customer.
    pub(crate) fn read(stage: &Stage) -> Result<Self, String> {
        let mut actions = Actions::default();
        for kept in stage.read("actions") {
            let message: Value = serde_json::from_slice(&kept.value).map_err(|error| error.to_string())?;
            let id = text(&message["data"]["action_id"]);
            let told = actions.messages.entry(id.clone()).or_default();
            let revision = message["data"]["revision"].as_u64();
            if revision != Some(told.len() as u64) {
                return Err(format!(
                    "revision {revision:?} of {id} comes after {} others: {message}",
                    told.len()
                ));
            }
            let home = cxwatch_event::partition::murmur2_partition(&kept.key, 4);
            if home != kept.partition as u32
                || message["subject"].as_str().map(str::as_bytes) != Some(&kept.key)
            {
                return Err(format!("{id} lies in partition {}, not {home}: {message}", kept.partition));
            }
            told.push(message);
        }
        Ok(actions)
    }

    /// How many actions there are.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many messages of this type, or with this cause, there are.
    pub(crate) fn count(&self, what: &str) -> usize {
        let all = self.messages.values().flatten();
        all.filter(|m| m["type"] == what || m["data"]["cause"]["reason"] == what).count()
    }

    /// What stands: the problems of all actions that were not taken back, and the level of each. `right`: what should; an
    /// action that was over before its detection turned out never to have been true is not taken back again.
    pub(crate) fn problems(
        &self,
        stage: &Stage,
        feeds: &Feeds,
        right: &BTreeMap<Problem, &'static str>,
    ) -> BTreeMap<Problem, &'static str> {
        let mut problems = BTreeMap::new();
        for messages in self.messages.values() {
            let last = messages.last().expect("an action has a message");
            let why = messages.iter().rev().map(|m| &m["data"]["why"]).find(|why| why.is_object());
            let why = why.expect("a request says why");
            let (rule, customer) = (text(&why["rule"]["id"]), text(&last["subject"]));
            let compiled = stage.book.rule(stage.book.rule_named(&rule).expect("a rule of ours"));
            let reason = &last["data"]["cause"]["reason"];
            if reason == "retracted" || !feeds.is_certain(compiled, &customer) {
                continue;
            }
            let breach = messages.iter().any(|m| m["data"]["level"] == "breach");
            let is_calm = feeds.is_calm(&customer);
            let known = if is_calm { feeds.level(&customer, breach) } else { "any" };
            let over_before = reason == "resolved" && !is_calm;
            let about = &why["about"];
            let problem = (rule, customer, text(&why["key"]), text(&about["source"]), text(&about["id"]));
            if !over_before || right.contains_key(&problem) {
                problems.insert(problem, known);
            }
        }
        // Of a late customer the need may have been over before it was known.
        for kept in stage.read("suppressions") {
            let message: Value = serde_json::from_slice(&kept.value).expect("a suppression is JSON");
            let (data, customer) = (&message["data"], text(&message["subject"]));
            let about = &data["about"];
            let rule = text(&data["rule"]["id"]);
            let problem = (rule, customer, text(&data["key"]), text(&about["source"]), text(&about["id"]));
            if data["reason"] == "resolved" && !feeds.is_calm(&problem.1) && right.contains_key(&problem) {
                problems.insert(problem, "any");
            }
        }
        problems.extend(right.iter().filter(|(_, level)| **level == PASSED).map(|(p, l)| (p.clone(), *l)));
        problems
    }

    /// All of them, as they can be compared with a replay.
    pub(crate) fn all(&self) -> BTreeMap<String, Vec<Value>> {
        let all = self.messages.iter();
        all.map(|(id, messages)| (id.clone(), messages.iter().cloned().map(comparable).collect())).collect()
    }

    /// Those of calm customers.
    pub(crate) fn comparable(&self, feeds: &Feeds) -> BTreeMap<String, Vec<Value>> {
        let mut all = self.all();
        all.retain(|_, messages| feeds.is_calm(&text(&messages[0]["subject"])));
        all
    }
}

/// What one map has and the other does not, or has otherwise; nothing if they are equal.
pub(crate) fn difference<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    found: &BTreeMap<K, V>,
    right: &BTreeMap<K, V>,
) -> String {
    let mut lines = Vec::new();
    for (key, value) in right {
        match found.get(key) {
            None => lines.push(format!("lost: {key:?} {value:?}")),
            Some(other) if other != value => {
                lines.push(format!("otherwise: {key:?}\n  is     {other:?}\n  should {value:?}"))
            }
            Some(_) => {}
        }
    }
    lines.extend(
        found
            .iter()
            .filter(|(key, _)| !right.contains_key(key))
            .map(|(k, v)| format!("too much: {k:?} {v:?}")),
    );
    let rest = lines.len().saturating_sub(20);
    lines.truncate(20);
    if rest > 0 {
        lines.push(format!("... and {rest} more"));
    }
    lines.join("\n")
}
