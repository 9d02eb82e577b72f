//! `cxwatch replay` over input that is as it should be.

use super::{CART, carts, cxwatch, demo, event, folder, gzip, replay, write};
use serde_json::Value;

#[test]
fn replay_finds_the_cart_left_behind() {
    let dir = folder();
    write(dir.path(), "carts.jsonl", carts());
    let ran = replay(dir.path(), &["carts.jsonl"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, CART), "{}", ran.err);
    assert!(ran.err.contains("web: 3 records"), "{}", ran.err);
    let row = ran.err.lines().find(|l| l.contains("cart-abandonment")).expect("a row of the table");
    assert!(row.contains("99.9"), "{row}");
}

#[test]
fn replay_reads_packed_files_and_standard_input_alike() {
    let dir = folder();
    let (first, second) = carts().split_at(carts().find('\n').expect("lines") + 1).to_owned_pair();
    // Two members, as `cat a.gz b.gz` leaves them.
    let mut packed = gzip(first.as_bytes());
    packed.extend(gzip(second.as_bytes()));
    write(dir.path(), "carts.gz", packed);
    write(dir.path(), "carts.zst", zstd::encode_all(carts().as_bytes(), 1).expect("packed"));
    for (arguments, input) in
        [(["carts.gz"], String::new()), (["carts.zst"], String::new()), (["-"], carts())]
    {
        let ran = replay(dir.path(), &arguments, input.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (0, CART), "{arguments:?} {}", ran.err);
    }
}

trait OwnedPair {
    fn to_owned_pair(self) -> (String, String);
}

impl OwnedPair for (&str, &str) {
    fn to_owned_pair(self) -> (String, String) {
        (self.0.into(), self.1.into())
    }
}

#[test]
fn until_holds_the_clock_before_and_after_the_newest_event() {
    let dir = folder();
    write(dir.path(), "carts.jsonl", carts());
    let none = "rule,key,deadline_ts,level,customer,what\n";
    let before = replay(dir.path(), &["--until", "2026-01-05T10:29:59.999Z", "carts.jsonl"], b"");
    assert_eq!(before.out, none);
    let at = replay(dir.path(), &["--until", "2026-01-05T10:30:00Z", "carts.jsonl"], b"");
    assert_eq!(at.out, CART);
    let lines: Vec<String> = carts().lines().take(1).map(String::from).collect();
    write(dir.path(), "one.jsonl", lines.join("\n"));
    assert_eq!(replay(dir.path(), &["one.jsonl"], b"").out, none);
    assert_eq!(replay(dir.path(), &["--until", "2026-01-06", "one.jsonl"], b"").out, CART);
}

#[test]
fn input_out_of_order_is_put_in_order_by_sorting() {
    let dir = folder();
    let backwards: Vec<String> = carts().lines().rev().map(String::from).collect();
    write(dir.path(), "carts.jsonl", backwards.join("\n"));
    let ran = replay(dir.path(), &["--sort", "carts.jsonl"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, CART), "{}", ran.err);
    // Without, the carts lie an hour behind: too late.
    let ran = replay(dir.path(), &["carts.jsonl"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("--sort"), "{}", ran.err);
}

#[test]
fn sorting_stays_within_its_memory() {
    let dir = folder();
    write(dir.path(), "carts.jsonl", carts());
    let ran = replay(dir.path(), &["--sort", "--sort-memory", "0", "carts.jsonl"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("raise --sort-memory"), "{}", ran.err);
}

/// The clock that a detection was made by tells times, or why there is none.
#[test]
fn a_feed_that_is_over_is_called_ended_and_no_time_is_made_up() {
    let dir = folder();
    write(dir.path(), "carts.jsonl", carts());
    let demo = demo("demo.yaml");
    let clock = |more: &[&str]| -> Value {
        let all = [&["replay", "-r", &demo, "-q", "--only", "detections"], more].concat();
        let ran = cxwatch(dir.path(), &all, b"");
        assert_eq!(ran.code, 0, "{}", ran.err);
        let first = ran.out.lines().next().expect("a detection");
        serde_json::from_str::<Value>(first).expect("JSON")["data"]["clock"].take()
    };
    let health = |clock: &Value| -> Vec<String> {
        let feeds = clock["feeds"].as_array().expect("a list");
        feeds.iter().map(|f| format!("{} {} {}", f["feed"], f["health"], f["watermark"])).collect()
    };
    let over = clock(&["carts.jsonl"]);
    assert_eq!(over["watermark"], Value::Null, "{over}");
    assert!(health(&over).iter().all(|feed| feed.ends_with(" \"ended\" null")), "{over}");
    // More than one slice of input behind the deadline: the feed flows still.
    let pages = (0..3_000).map(|i| {
        let time = format!("2026-01-05T12:{:02}:{:02}Z", i / 60, i % 60);
        event(&format!("p{i}"), &time, "c4", "web.page.viewed", r#"{"url":"/"}"#)
    });
    write(
        dir.path(),
        "more.jsonl",
        carts().lines().next().expect("a cart").to_owned() + "\n" + &pages.collect::<String>(),
    );
    let flows = clock(&["--feeds", "web", "more.jsonl"]);
    assert_eq!(flows["watermark"].as_str().map(|time| &time[..14]), Some("2026-01-05T12:"), "{flows}");
    let web: Vec<_> = health(&flows).into_iter().filter(|feed| feed.contains("\"seeing\"")).collect();
    assert!(matches!(&web[..], [web] if web.starts_with("\"web\"")), "{flows}");
}

/// The output without what depends on how it was read: places in files and the clock's state.
fn content(out: &str) -> Vec<Value> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for name in ["offset", "partition", "clock"] {
                    map.remove(name);
                }
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let parse = |line| {
        let mut value = serde_json::from_str(line).expect("JSON");
        strip(&mut value);
        value
    };
    out.lines().map(parse).collect()
}

#[test]
fn a_generated_day_shows_every_rule_however_it_is_read() {
    let dir = folder();
    assert_eq!(cxwatch(dir.path(), &["generate", "--out", "day"], b"").code, 0);
    let together = cxwatch(dir.path(), &["generate"], b"");
    let demo = demo("demo.yaml");
    let run = |more: &[&str], input: &[u8]| {
        let all = [&["replay", "-r", &demo, "-q"], more].concat();
        let ran = cxwatch(dir.path(), &all, input);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let files = ["day/web.jsonl", "day/contact-center.jsonl", "day/transaction.jsonl", "day/social.jsonl"];
    let streamed = run(&files, b"");
    assert_eq!(streamed, run(&files, b""), "the same bytes");
    let said = content(&streamed);
    for rule in [
        "cart-abandonment",
        "failed-self-service",
        "voice-wait",
        "post-unanswered",
        "refund-late",
        "experience-debt",
    ] {
        let of_rule = |m: &&Value| m["type"] == "rule.detected" && m["data"]["rule"]["id"] == rule;
        assert!(said.iter().filter(of_rule).count() >= 20, "{rule}");
    }
    for kind in ["action.requested", "action.updated", "action.revoked", "action.expired", "rule.resolved"] {
        assert!(said.iter().any(|m| m["type"] == kind), "{kind}");
    }
    assert!(said == content(&run(&[&["--sort"], &files[..]].concat(), b"")), "sorted");
    assert!(said == content(&run(&[&["--partitions", "4"], &files[..]].concat(), b"")), "four partitions");
    assert!(said == content(&run(&["-"], together.out.as_bytes())), "one stream");
}
