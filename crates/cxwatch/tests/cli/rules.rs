//! `cxwatch rules`.

use super::{cxwatch, demo, folder, write};

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
