//! `cxwatch explain` as people call it.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const RULEBOOK: &str = "
rulebook: shop
version: 3
rules:
  - id: cart
    kind: absence
    per: data.cart_id
    start: web.cart.item_added
    stop: order.placed
    within: 30m
    measure: { value: { sum: [ data.quantity, data.unit_price ] } }
    when: { value: { at_least: 20 } }
    actions: call
  - { id: failed, kind: count, event: payment.failed, at_least: 3, within: 10m, actions: call }
actions:
  call: { class: reply, channel: voice, queue: first, ttl: 1h }
";

fn event(id: &str, time: &str, customer: &str, kind: &str, data: &Value) -> String {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/s", "type": kind, "subject": customer,
        "time": format!("2026-11-24T{time}Z"), "data": data,
    });
    format!("{event}\n")
}

/// What it writes, what it complains of, and how it ends.
fn explain(arguments: &[&str]) -> (String, String, i32) {
    let cart = |cart, price| json!({ "cart_id": cart, "sku": "s", "quantity": 1, "unit_price": price });
    let web = [
        event("a1", "10:00:00", "anna", "web.cart.item_added", &cart("k1", 50)),
        event("b1", "10:00:01", "bert", "web.cart.item_added", &cart("k2", 12)),
        event("a2", "12:00:00", "anna", "web.page.viewed", &json!({ "url": "/" })),
    ];
    let paid =
        [event("o1", "10:20:00", "anna", "order.placed", &json!({ "order_id": "o", "cart_id": "k1" }))];
    explain_of(&web, &paid, arguments)
}

/// The same of other events.
fn explain_of(web: &[String], paid: &[String], arguments: &[&str]) -> (String, String, i32) {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "shop.yaml", RULEBOOK);
    write(dir.path(), "web.jsonl", &web.concat());
    write(dir.path(), "transaction.jsonl", &paid.concat());
    let ran = Command::new(env!("CARGO_BIN_EXE_cxwatch"))
        .args(["explain", "--rulebook", "shop.yaml"])
        .args(arguments)
        .args(["web.jsonl", "transaction.jsonl"])
        .current_dir(dir.path())
        .output()
        .expect("the binary is built");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(ran.stdout), text(ran.stderr), ran.status.code().expect("no signal"))
}

fn write(dir: &Path, name: &str, content: &str) {
    std::fs::write(dir.join(name), content).expect("written");
}

#[test]
fn files_and_lines_are_named() {
    let (out, err, code) = explain(&["--customer", "anna"]);
    assert_eq!((err.as_str(), code), ("", 0));
    let closed = "Order.placed o1 (transaction.jsonl:1)".to_lowercase();
    assert!(out.to_lowercase().contains(&closed), "{out}");
    assert!(out.contains("opened by web.cart.item_added a1 (web.jsonl:1) at 2026-11-24T10:00:00Z"), "{out}");
    assert!(
        out.contains("Rule failed\n  No payment.failed came for this customer until 2026-11-24T12:00:00Z."),
        "{out}"
    );
    assert!(!out.contains("k2"), "another customer's: {out}");
}

#[test]
fn the_clock_stops_where_it_is_told() {
    let (out, _, code) =
        explain(&["--customer", "bert", "--rule", "cart", "--at", "2026-11-24T10:10:00Z", "--json"]);
    assert_eq!(code, 0);
    let said: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(said["at"], "2026-11-24T10:10:00.000Z");
    assert_eq!(said["rules"].as_array().map(Vec::len), Some(1));
    assert_eq!(said["rules"][0]["because"][0]["answer"], "not_yet");
    assert_eq!(said["rules"][0]["episodes"][0]["deadline"], "2026-11-24T10:30:01.000Z");
    let (out, _, _) = explain(&["--customer", "bert", "--rule", "cart", "--json"]);
    let said: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(said["rules"][0]["because"][0]["answer"], "when_failed");
}

#[test]
fn what_came_twice_or_too_late_is_told() {
    let failed =
        |id: &str, time: &str| event(id, time, "anna", "payment.failed", &json!({ "order_id": "o" }));
    let paid = [
        failed("p1", "10:00:00"),
        event("x1", "10:00:00", "bert", "payment.failed", &json!({ "order_id": "x" })),
        failed("p1", "10:00:00"),
        failed("p2", "12:00:00"),
        failed("p3", "11:30:00"),
    ];
    let (out, err, code) = explain_of(&[], &paid, &["--customer", "anna", "--rule", "failed"]);
    assert_eq!((err.as_str(), code), ("", 0));
    let (_, passed) = out.split_once("Passed over\n").expect("a section of its own");
    let lines: Vec<&str> = passed.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 2, "{out}");
    let again = "  2026-11-24T10:00:00Z  payment.failed p1 (transaction.jsonl:3): a duplicate";
    assert!(lines[0].starts_with(again), "{out}");
    let late = "  2026-11-24T11:30:00Z  payment.failed p3 (transaction.jsonl:5): it came too late";
    assert!(lines[1].starts_with(late), "{out}");
    assert!(out.contains("payment.failed p1 (transaction.jsonl:1) counts: 1 of 3 within 10m"), "{out}");
}

#[test]
fn who_mistypes_is_told_near_names() {
    let (out, err, code) = explain(&["--customer", "anne"]);
    assert_eq!((out.as_str(), code), ("", 1));
    assert_eq!(err, "error: no event of the input is about the customer anne; did you mean anna?\n");
    let (_, err, code) = explain(&["--customer", "anna", "--rule", "carts"]);
    assert_eq!(code, 2);
    assert_eq!(err, "error: the rulebook has no rule carts; did you mean cart?\n");
}
