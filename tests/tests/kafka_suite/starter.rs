//! The starter rulebook on topics that hold made-up weeks, with disorder and duplicates: what somebody finds who reads
//! committed actions and suppressions is all that must come of those lives, at its instant, and nothing else.

use crate::bounded::run_and_compare;
use crate::is_long;
use crate::stage::{Stage, broker};
use cxwatch::generate::{Recipe, Weeks};
use cxwatch_event::{Millis, rfc3339};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use weeks::{OVER, RULES, Row, START, counted, evaluated, page, table, told};

#[path = "../starter/weeks.rs"]
mod weeks;

#[test]
fn all_that_must_be_found_in_made_up_lives_is_published_and_nothing_else() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new("starter", broker.bootstrap(), RULES);
    let all = Recipe::weeks(START);
    let mut weeks = Weeks::new(&if is_long() { all } else { Recipe { customers: all.customers / 5, ..all } });
    let folder = stage.path("weeks");
    std::fs::create_dir(&folder).expect("a folder");
    let (files, by_customer) = told(&mut weeks, &stage.book, &folder);
    run_and_compare(&stage, &files, &rfc3339::format(OVER));

    let published = Published::read(&stage);
    let right = evaluated(&stage.book, &by_customer);
    let missing: Vec<_> = right.difference(&published.found).take(5).collect();
    let extra: Vec<_> = published.found.difference(&right).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");

    let counts = counted(weeks.expectations(), &published.found);
    let table = table(&counts);
    for (rule, count) in &counts {
        assert_eq!((count.came, count.did_not), (count.must_come, count.must_not), "{rule}\n{table}");
    }
    assert_eq!(counts.len(), stage.book.rules.len(), "a story for every rule");
    let became = published.table();
    eprintln!("starter: {} detections and warnings\n{became}", published.found.len());
    if is_long() {
        for table in [table, became] {
            assert!(page().contains(&table), "docs/accuracy.md has other counts than\n{table}");
        }
    }
}

/// What a reader of committed records finds.
struct Published {
    found: BTreeSet<Row>,
    /// Messages by what they say.
    messages: BTreeMap<String, usize>,
}

impl Published {
    fn read(stage: &Stage) -> Self {
        let mut published = Published { found: BTreeSet::new(), messages: BTreeMap::new() };
        let mut requests = BTreeMap::<String, Value>::new();
        for kept in stage.read("actions") {
            let message: Value = serde_json::from_slice(&kept.value).expect("JSON");
            let (kind, data) = (text(&message["type"]), &message["data"]);
            let cause = data["cause"]["reason"].as_str().map(|cause| format!(", {cause}"));
            published.count(format!("{kind}{}", cause.clone().unwrap_or_default()));
            let id = text(&data["action_id"]);
            // What has a new revision because nobody takes it, or because it is over, tells of no other detection.
            let tells = match (kind.as_str(), cause.as_deref()) {
                ("action.requested", _) => true,
                ("action.updated", Some(cause)) => cause == ", breached",
                _ => false,
            };
            if tells {
                let why = data.get("why").or_else(|| requests.get(&id)).cloned().expect("a request says why");
                let life = data["route"]["ttl_s"].as_i64().expect("seconds") * 1_000;
                let time = instant(&message["expirytime"]) - life;
                published.found.insert(row(&why["rule"], data, &message, &why["key"], time));
                requests.insert(id, why);
            }
        }
        for kept in stage.read("suppressions") {
            let message: Value = serde_json::from_slice(&kept.value).expect("JSON");
            let data = &message["data"];
            published.count(format!("action.suppressed, {}", text(&data["reason"])));
            // <action_id>-<action>-<b or w>-<detection time in ms>-<n>
            let id = text(&message["id"]);
            let time = id.rsplit('-').nth(1).and_then(|time| time.parse().ok()).expect("a time in its id");
            published.found.insert(row(&data["rule"], data, &message, &data["key"], time));
        }
        published
    }

    fn count(&mut self, what: String) {
        *self.messages.entry(what).or_default() += 1;
    }

    /// The table of docs/accuracy.md.
    fn table(&self) -> String {
        let rows = self.messages.iter().map(|(what, count)| format!("| {what} | {count} |\n"));
        format!("| message | how many |\n| --- | ---: |\n{}", rows.collect::<String>())
    }
}

fn row(rule: &Value, data: &Value, message: &Value, key: &Value, time: Millis) -> Row {
    (text(&rule["id"]), text(&data["level"]), text(&message["subject"]), text(key), time)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn instant(value: &Value) -> Millis {
    rfc3339::parse(value.as_str().expect("an instant")).expect("an instant")
}
