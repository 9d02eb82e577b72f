//! The examples on real data: every detection that independent programs expect, and no other.
//!
//! The data sets are not part of the repository (some licences forbid it). They are looked for in the folder that
//! `CXWATCH_DATA` names (it holds `anonymous_bank_1999/`, `expected/` and so on), else in an archive
//! `../shared/data/real-events.tar.xz` beside the checkout, which is unpacked once. Where there is neither, the tests say so
//! and pass.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the data sets, if there is one.
fn data() -> Option<&'static Path> {
    static DATA: OnceLock<Option<PathBuf>> = OnceLock::new();
    DATA.get_or_init(|| {
        if let Some(folder) = std::env::var_os("CXWATCH_DATA") {
            return Some(folder.into());
        }
        let archive = root().join("../shared/data/real-events.tar.xz");
        if !archive.exists() {
            // Written past the test harness, which keeps what a passing test prints to itself.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED, NOT TESTED: no real data here (CXWATCH_DATA names no folder, and {} is not there)",
                archive.display()
            );
            return None;
        }
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-events");
        std::fs::create_dir_all(&target).expect("a folder for the data can be made");
        if !target.join("dev/expected").exists() {
            let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&target).status();
            assert!(unpacked.expect("tar can be run").success(), "{} is unpacked", archive.display());
        }
        Some(target.join("dev"))
    })
    .as_deref()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

type Rows = BTreeMap<(String, i64), i64>;

/// Rows of a CSV with a header, by (key, deadline).
fn rows(text: &str, rule: Option<&str>) -> Rows {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().expect("a header").clone();
    let column = |name: &str| headers.iter().position(|h| h == name);
    let (key, deadline) = (column("key").expect("a key"), column("deadline_ts").expect("a deadline"));
    let of_rule = column("rule");
    let mut rows = Rows::new();
    for record in reader.records() {
        let record = record.expect("a row");
        if let (Some(column), Some(rule)) = (of_rule, rule)
            && &record[column] != rule
        {
            continue;
        }
        *rows.entry((record[key].to_string(), instant(&record[deadline]))).or_default() += 1;
    }
    rows
}

/// Milliseconds of `2013-01-01`, `2013-01-01 07:33:00`, `...T07:33:00Z`, with a fraction or without; UTC.
fn instant(text: &str) -> i64 {
    let mut full = text.trim().replacen(' ', "T", 1);
    if full.len() == 10 {
        full.push_str("T00:00:00");
    }
    if !full.ends_with('Z') && !full.contains('+') {
        full.push('Z');
    }
    cxwatch_event::rfc3339::parse(&full).unwrap_or_else(|| panic!("an instant: {text}"))
}

/// Runs an example and compares every row.
fn check(set: &str, oracle: &str, rules: &[&str]) {
    let Some(data) = data() else { return };
    let output = Command::new(root().join("examples").join(set).join("run"))
        .arg(data)
        .env("CXWATCH", env!("CARGO_BIN_EXE_cxwatch-under-test"))
        .output()
        .expect("the example can be run");
    let found = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{set}/run: {}", String::from_utf8_lossy(&output.stderr));
    for rule in rules {
        let expected = data.join("expected").join(format!("{oracle}.{rule}.csv"));
        let expected = rows(&std::fs::read_to_string(expected).expect("an expectation"), None);
        let found = rows(&found, Some(rule));
        let missing: Vec<_> = expected.iter().filter(|(row, n)| found.get(*row) < Some(*n)).take(3).collect();
        let extra: Vec<_> = found.iter().filter(|(row, n)| expected.get(*row) < Some(*n)).take(3).collect();
        assert!(!expected.is_empty(), "{set} {rule}: something is expected");
        assert!(missing.is_empty() && extra.is_empty(), "{set} {rule}: missing {missing:?}, extra {extra:?}");
    }
}

#[test]
fn calls_of_a_bank() {
    let waits = ["wait_over_60s", "wait_over_120s", "wait_over_180s", "wait_over_300s", "abandoned_in_queue"];
    let repeats = ["repeat_2in24h", "repeat_3in24h", "repeat_2in7d", "repeat_3in7d", "repeat_5in7d"];
    let rules = [&waits[..], &repeats, &["callback_after_abandon_60min"]].concat();
    check("anonymous_bank_1999", "o1_anonymous_bank", &rules);
}

#[test]
fn incidents_of_an_it_company() {
    let rules = ["sla_breached", "reopened", "bounced_3", "bounced_5", "repeat_2in24h", "repeat_2in7d"];
    check("uci_incident_log", "o2_incident_log", &[&rules[..], &["repeat_3in7d", "repeat_5in7d"]].concat());
}

#[test]
fn requests_to_a_city() {
    let rules =
        ["sla_breached", "call_after_self_service_7d", "repeat_2in24h", "repeat_2in7d", "repeat_3in7d"];
    check("boston311_2015", "o3_boston311", &[&rules[..], &["repeat_3in30d"]].concat());
}

#[test]
fn orders_of_a_marketplace() {
    let rules = ["promise_breached", "bad_review_after_breach", "not_approved_24h", "ship_by_breached"];
    check("olist_sample", "o4_olist", &rules);
}

#[test]
fn returns_to_a_retailer() {
    check("online_retail_ii", "o5_online_retail", &["return_invoice", "returns_2in7d", "returns_3in30d"]);
}

#[test]
fn carts_of_a_shop() {
    let rules =
        ["cart_abandoned_any_item_10min", "cart_abandoned_any_item_30min", "cart_abandoned_any_item_60min"];
    check("taobao_userbehavior", "o7_taobao", &rules);
}

#[test]
fn tweets_at_airlines() {
    let rules = ["repeat_negative_2in24h", "repeat_negative_3in24h", "repeat_negative_3in48h"];
    check("airline_tweets", "o8_airline_tweets", &rules);
}

#[test]
fn conversations_with_support() {
    let rules =
        ["first_reply_over_15min", "first_reply_over_1h", "first_reply_over_4h", "first_reply_over_24h"];
    check("ibm_twitter_care", "o9_ibm_twitter", &rules);
}

#[test]
fn departures_from_new_york() {
    let rules = ["departure_late_15min", "departure_late_60min", "departure_late_120min"];
    check("nycflights13", "o12_flights", &rules);
}

#[test]
fn errors_of_a_web_server() {
    check("apache_access_log", "o13_apache_log", &["errors_2in10min", "errors_3in10min"]);
}
