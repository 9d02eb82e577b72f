//! The commands as people call them: what they write, where, and how they end. One binary, so that what waits - for brokers
//! that do not answer, for a demo's ten seconds - waits beside the others.

mod bad_input;
mod demo;
mod explain;
mod replay;
mod rules;
mod run;
mod topics;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn cxwatch(dir: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cxwatch"))
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let mut stdin = child.stdin.take().expect("piped");
    // Beside the reading: it may answer before it has read everything.
    let done = std::thread::scope(|scope| {
        scope.spawn(move || {
            // Who wants no input closes it early.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().expect("it ends")
    });
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: done.status.code().expect("no signal"), out: text(done.stdout), err: text(done.stderr) }
}

fn demo(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rulebooks").join(file).display().to_string()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("written");
    path
}

fn event(id: &str, time: &str, customer: &str, kind: &str, data: &str) -> String {
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/s\",\"type\":\"{kind}\",\"subject\":\"{customer}\",\
         \"time\":\"{time}\",\"data\":{data}}}\n"
    )
}

/// A cart left behind at ten, another one bought; an hour of quiet.
fn carts() -> String {
    let cart = |id, customer, time: &str, cart| {
        let data = format!("{{\"cart_id\":\"{cart}\",\"sku\":\"lamp\",\"quantity\":2,\"unit_price\":49.95}}");
        event(id, time, customer, "web.cart.item_added", &data)
    };
    let mut text = cart("1", "c1", "2026-01-05T10:00:00Z", "k1");
    text += &cart("2", "c2", "2026-01-05T10:01:00Z", "k2");
    let order = r#"{"order_id":"o2","cart_id":"k2","value":99.9}"#;
    text += &event("3", "2026-01-05T10:20:00Z", "c2", "order.placed", order);
    text + &event("4", "2026-01-05T11:00:00Z", "c3", "web.page.viewed", r#"{"url":"/"}"#)
}

const CART: &str = "rule,key,deadline_ts,level,customer,what
cart-abandonment,k1,2026-01-05T10:30:00.000Z,breach,c1,detected
";

fn replay(dir: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let demo = demo("demo.yaml");
    let mut all = vec!["replay", "--rulebook", &demo, "--format", "csv"];
    all.extend(arguments);
    cxwatch(dir, &all, input)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn wrong_usage_ends_with_2() {
    let dir = folder();
    write(dir.path(), "carts.jsonl", carts());
    write(dir.path(), "bad.yaml", "rulebook: r\nversion: 1\nrulez: []\n");
    let cases: [(&[&str], &str); 6] = [
        (&["replay", "carts.jsonl"], "--rulebook"),
        (&["replay", "-r", "none.yaml", "carts.jsonl"], "cannot read none.yaml"),
        (&["replay", "-r", "bad.yaml", "carts.jsonl"], "bad.yaml is not a valid rulebook: 1 error"),
        (&["generate", "--rate", "fast"], "expected a number from 0.001"),
        (&["rules", "test", "none.test"], "cannot read none.test"),
        (&["nonsense"], "unrecognized subcommand"),
    ];
    for (arguments, message) in cases {
        let ran = cxwatch(dir.path(), arguments, b"");
        assert_eq!(ran.code, 2, "{arguments:?} {}", ran.err);
        assert!(ran.err.contains(message), "{arguments:?} {}", ran.err);
    }
    let feeds = replay(dir.path(), &["--feeds", "wep", "carts.jsonl"], b"");
    assert_eq!(feeds.code, 2);
    assert!(feeds.err.contains("there is no feed wep"), "{}", feeds.err);
    let twice = replay(dir.path(), &["-", "-"], b"");
    assert_eq!(twice.code, 2);
}

#[test]
fn generated_events_go_to_a_file_per_feed_and_end_where_they_are_told_to() {
    let dir = folder();
    let ran =
        cxwatch(dir.path(), &["generate", "--profile", "throughput", "--events", "1000", "--out", "t"], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines = |feed: &str| {
        let text = std::fs::read_to_string(dir.path().join("t").join(format!("{feed}.jsonl"))).expect(feed);
        text.lines().count()
    };
    let counts = ["web", "contact-center", "transaction", "social"].map(lines);
    assert_eq!(counts.iter().sum::<usize>(), 1000);
    assert!(counts.iter().all(|n| *n > 0), "{counts:?}");
}

#[test]
fn whoever_has_read_enough_may_stop_reading() {
    let demo = demo("demo.yaml");
    let dir = folder();
    let cases: [&[&str]; 7] = [
        &["rules", "schema"],
        &["rules", "check", &demo],
        &["rules", "show", "starter"],
        &["rules", "diff", &demo, &demo],
        &["completions", "zsh"],
        &["generate", "--events", "1000"],
        &["run", "--keys"],
    ];
    for arguments in cases {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = Command::new(env!("CARGO_BIN_EXE_cxwatch"))
            .args(arguments)
            .current_dir(dir.path())
            .stdout(writer)
            .output()
            .expect("it ends");
        assert_eq!((ran.status.code(), ran.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
}

#[test]
fn completions_are_printed() {
    let ran = cxwatch(folder().path(), &["completions", "bash"], b"");
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("_cxwatch"));
}
