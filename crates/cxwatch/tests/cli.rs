//! The commands as people call them: what they write, where, and how they end.

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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn replay_refuses_bad_lines_with_reason_and_place_and_goes_on() {
    let dir = folder();
    let bad = "{\"specversion\":\n\n[1]\n";
    let unknown = event("9", "2026-01-05T10:00:00Z", "c1", "web.cart.itemadded", "{}");
    write(dir.path(), "carts.jsonl", format!("{bad}{unknown}{}", carts()));
    let ran = replay(dir.path(), &["--rejected", "dead.jsonl", "carts.jsonl"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, CART), "{}", ran.err);
    assert!(ran.err.contains("carts.jsonl:4: refused: unknown_type at /type"), "{}", ran.err);
    assert!(ran.err.contains("refused as malformed: 2"), "{}", ran.err);
    let dead = std::fs::read_to_string(dir.path().join("dead.jsonl")).expect("written");
    let letters: Vec<serde_json::Value> =
        dead.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let places: Vec<_> = letters.iter().map(|l| (l["line"].as_u64(), l["reason"].as_str())).collect();
    assert_eq!(
        places,
        [(Some(1), Some("malformed")), (Some(3), Some("malformed")), (Some(4), Some("unknown_type"))]
    );
    assert_eq!(letters[1]["value"], "[1]");
    assert_eq!(replay(dir.path(), &["--allow-rejected", "carts.jsonl"], b"").code, 0);
}

#[test]
fn replay_refuses_the_future_unless_told_otherwise() {
    let dir = folder();
    let far = event("9", "2999-01-01T00:00:00Z", "c9", "web.page.viewed", r#"{"url":"/"}"#);
    write(dir.path(), "carts.jsonl", carts() + &far);
    let ran = replay(dir.path(), &["carts.jsonl"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, CART), "{}", ran.err);
    assert!(ran.err.contains("refused as time_in_future: 1"), "{}", ran.err);
    for more in [&["--allow-future"][..], &["--allow-future", "--sort"]] {
        let ran = replay(dir.path(), &[more, &["carts.jsonl"]].concat(), b"");
        assert_eq!((ran.code, ran.out.as_str()), (0, CART), "{}", ran.err);
        assert!(ran.err.contains("clock stopped at 2999"), "{}", ran.err);
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
fn missing_and_broken_files_are_errors_and_so_is_nothing_at_all() {
    let dir = folder();
    write(dir.path(), "empty.jsonl", "");
    let ran = replay(dir.path(), &["empty.jsonl"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the input is empty: empty.jsonl"), "{}", ran.err);
    write(dir.path(), "carts.jsonl", carts());
    assert_eq!(replay(dir.path(), &["empty.jsonl", "carts.jsonl"], b"").code, 0);
    let ran = replay(dir.path(), &["missing.jsonl"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("cannot open missing.jsonl: No such file"), "{}", ran.err);
    let ran = replay(dir.path(), &["."], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(". is a directory"), "{}", ran.err);
    write(dir.path(), "a.zip", b"PK\x03\x04rest");
    let ran = replay(dir.path(), &["a.zip"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("a.zip is a zip archive; unpack it first"), "{}", ran.err);
    let mut cut = gzip(carts().as_bytes());
    cut.truncate(cut.len() - 12);
    write(dir.path(), "cut.gz", cut);
    let ran = replay(dir.path(), &["cut.gz"], b"");
    assert_eq!(ran.code, 1);
    for part in ["cannot read on in cut.gz after line ", "cut off here; copy it again"] {
        assert!(ran.err.contains(part), "{part} in {}", ran.err);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let dir = folder();
    write(dir.path(), "carts.jsonl", carts());
    write(dir.path(), "bad.yaml", "rulebook: r\nversion: 1\nrulez: []\n");
    let cases: [(&[&str], &str); 6] = [
        (&["replay", "carts.jsonl"], "--rulebook"),
        (&["replay", "-r", "none.yaml", "carts.jsonl"], "cannot read none.yaml"),
        (&["replay", "-r", "bad.yaml", "carts.jsonl"], "bad.yaml is not a valid rulebook: 2 errors"),
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
fn sorting_stays_within_its_memory() {
    let dir = folder();
    write(dir.path(), "carts.jsonl", carts());
    let ran = replay(dir.path(), &["--sort", "--sort-memory", "0", "carts.jsonl"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("raise --sort-memory"), "{}", ran.err);
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

const MAPPING: &str = "
mapping: shop
feeds:
  - feed: web
    format: csv
    customer: who
    id: { record: row }
    times:
      at: { column: when, format: iso }
    events:
      - type: web.cart.item_added
        time: at
        data: { cart_id: cart, sku: article, quantity: pieces, unit_price: price }
";

#[test]
fn rows_become_events_by_a_mapping() {
    let dir = folder();
    write(dir.path(), "m.yaml", MAPPING);
    write(
        dir.path(),
        "carts.csv",
        "when,who,cart,article,pieces,price\n\
         2026-01-05T10:00:00Z,c1,k1,lamp,2,49.95\n\
         2026-01-05T10:05:00Z,c2,k2,lamp,two,49.95\n\
         2026-01-05T11:00:00Z,c3,k3,mug,1,1\n",
    );
    let ran = replay(dir.path(), &["-m", "m.yaml", "carts.csv"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, CART), "{}", ran.err);
    assert!(ran.err.contains("carts.csv:3: refused: wrong_type at column \"pieces\""), "{}", ran.err);
    write(dir.path(), "less.csv", "when,who,cart,article,pieces\n2026-01-05T10:00:00Z,c1,k1,lamp,2\n");
    let ran = replay(dir.path(), &["-m", "m.yaml", "less.csv"], b"");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("less.csv: missing_field at header: expected a column \"price\""),
        "{}",
        ran.err
    );
}

/// The output without what depends on how it was read: places in files and the clock's state.
fn content(out: &str) -> Vec<serde_json::Value> {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                for name in ["offset", "partition", "clock"] {
                    map.remove(name);
                }
                map.values_mut().for_each(strip);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(strip),
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
        let of_rule =
            |m: &&serde_json::Value| m["type"] == "rule.detected" && m["data"]["rule"]["id"] == rule;
        assert!(said.iter().filter(of_rule).count() >= 20, "{rule}");
    }
    for kind in ["action.requested", "action.updated", "action.revoked", "action.expired", "rule.resolved"] {
        assert!(said.iter().any(|m| m["type"] == kind), "{kind}");
    }
    assert!(said == content(&run(&[&["--sort"], &files[..]].concat(), b"")), "sorted");
    assert!(said == content(&run(&[&["--partitions", "4"], &files[..]].concat(), b"")), "four partitions");
    assert!(said == content(&run(&["-"], together.out.as_bytes())), "one stream");
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
fn rules_check_names_problems_and_what_rules_need() {
    let dir = folder();
    let ran = cxwatch(dir.path(), &["rules", "check", &demo("demo.yaml")], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let line = ran.out.lines().find(|l| l.contains("cart-abandonment")).expect("a line");
    assert!(line.ends_with("absence   needs transaction, web"), "{line}");
    assert!(ran.out.contains("None of these feeds is known to be watched"), "{}", ran.out);

    let demo_path = demo("demo.yaml");
    let config = format!(
        "rulebook: {demo_path}\nkafka: {{ bootstrap: localhost }}\nfeeds:\n  web: {{ expect: 5m }}\n"
    );
    write(dir.path(), "run.yaml", config);
    let ran = cxwatch(dir.path(), &["rules", "check", "--config", "run.yaml", &demo_path], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let line = ran.out.lines().last().expect("a warning");
    assert!(line.contains("nobody watches: contact-center, social, transaction."), "{line}");

    let source = std::fs::read_to_string(demo("demo.yaml")).expect("there");
    write(dir.path(), "bad.yaml", source.replace("within: 30m\n    measure", "within: 30q\n    mesure"));
    let ran = cxwatch(dir.path(), &["rules", "check", "bad.yaml"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`30q` is not a duration"), "{}", ran.err);
    assert!(ran.err.contains("help: write `measure`?"), "{}", ran.err);
    assert!(ran.err.contains("--> bad.yaml:"), "{}", ran.err);
}

#[test]
fn rules_diff_names_what_changes() {
    let dir = folder();
    let source = std::fs::read_to_string(demo("demo.yaml")).expect("there");
    write(dir.path(), "new.yaml", source.replace("within: 1h", "within: 2h"));
    let ran = cxwatch(dir.path(), &["rules", "diff", &demo("demo.yaml"), "new.yaml"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, "rule post-unanswered: changed in within\n"), "{}", ran.err);
    assert!(ran.err.contains("the version does not rise"), "{}", ran.err);
    let ran = cxwatch(dir.path(), &["rules", "diff", "new.yaml", "new.yaml"], b"");
    assert_eq!(ran.out, "nothing changes\n");
}

#[test]
fn rules_schema_is_json_schema() {
    let ran = cxwatch(folder().path(), &["rules", "schema"], b"");
    let schema: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert!(schema["properties"]["rules"].is_object());
}

#[test]
fn rules_test_runs_the_scenarios_of_the_demo_and_tells_differences() {
    let dir = folder();
    let ran = cxwatch(dir.path(), &["rules", "test", &demo("demo.test")], b"");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.ends_with("cases as expected, 0 not\n"), "{}", ran.out);
    let source = std::fs::read_to_string(demo("demo.test")).expect("there");
    write(dir.path(), "demo.yaml", std::fs::read(demo("demo.yaml")).expect("there"));
    write(dir.path(), "demo.test", source.replace("items=2 value=99.8", "items=2 value=99"));
    let ran = cxwatch(dir.path(), &["rules", "test", "demo.test"], b"");
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("  - +35m c1 cart-abandonment key=k1 items=2 value=99 severity=40"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("  + +35m c1 cart-abandonment key=k1 severity=40 events=1 items=2 value=99.8"));
    write(dir.path(), "demo.test", "case: a\n+0s c1 web.page.vewed url=/\nexpect:\n");
    let ran = cxwatch(dir.path(), &["rules", "test", "demo.test"], b"");
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("demo.test:2: there is no event type `web.page.vewed`; write `web.page.viewed`?")
    );
}

#[test]
fn completions_are_printed() {
    let ran = cxwatch(folder().path(), &["completions", "bash"], b"");
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("_cxwatch"));
}
