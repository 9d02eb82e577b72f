//! Whole files in, settings or complaints out.

use super::*;
use secrecy::ExposeSecret;

const LEAST: &str = "rulebook: rules.yaml\nkafka: { bootstrap: \"localhost:9092\" }\nfeeds: { web: {} }\n";

fn with(text: &str, variables: &[(&str, &str)]) -> Result<(Settings, Vec<Complaint>), Vec<String>> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    read("conf/run.yaml", text, variables, "pod-1")
        .sound()
        .map_err(|list| list.iter().map(Complaint::to_string).collect())
}

fn refused(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    with(text, variables).expect_err("these settings are wrong")
}

fn fine(text: &str, variables: &[(&str, &str)]) -> Settings {
    with(text, variables).expect("these settings are right").0
}

#[test]
fn three_lines_are_enough() {
    let settings = fine(LEAST, &[]);
    assert_eq!(settings.application_id, "cxwatch");
    assert_eq!(settings.instance_id, "pod-1");
    assert_eq!(settings.rulebook, Path::new("conf/rules.yaml"));
    assert_eq!(
        settings.kafka.properties,
        BTreeMap::from([("bootstrap.servers".to_owned(), "localhost:9092".to_owned())])
    );
    assert_eq!(
        settings.feeds["web"],
        FeedSettings {
            topic: "web".to_owned(),
            reorder_ms: 1_000,
            max_delay_ms: 3_000,
            expect_ms: None,
            expect_calendar: None,
            mapping: None
        }
    );
    assert_eq!(settings.topics.journal, "cx.journal.v1");
    assert_eq!(settings.limits, cxwatch_engine::Limits::default());
    assert_eq!(
        settings.dead_letters,
        DeadLetterSettings { original_bytes: true, rejected_in_a_row_max: 1_000 }
    );
    assert!(settings.admin.listen.ip().is_loopback());
    assert_eq!(settings.start, StartSettings { read_from: None, act_from: None });
}

#[test]
fn defaults_are_those_of_the_engine() {
    let (settings, engine) = (fine(LEAST, &[]), cxwatch_engine::Settings::new(1));
    assert_eq!(settings.time.late_horizon_ms, engine.late_horizon_ms);
    assert_eq!(settings.time.max_future_ms, engine.max_future_ms);
    assert_eq!(settings.time.dedupe_for_ms, engine.dedupe_for_ms);
    assert_eq!(settings.feeds["web"].reorder_ms, engine.feeds[0].reorder_ms);
    assert_eq!(settings.feeds["web"].max_delay_ms, engine.feeds[0].max_delay_ms);
}

#[test]
fn the_environment_wins_and_relative_paths_count_from_where_they_are_written() {
    let settings = fine(
        &format!("{LEAST}start: {{ read_from: 7d, act_from: 2026-11-24T08:00:00Z }}\nthreads: 2\n"),
        &[
            ("CXWATCH_RULEBOOK", "other.yaml"),
            ("CXWATCH_THREADS", "4"),
            ("CXWATCH_FEEDS__SOCIAL__TOPIC", "posts"),
        ],
    );
    assert_eq!(settings.rulebook, Path::new("other.yaml"));
    assert_eq!(settings.threads, 4);
    assert_eq!(settings.feeds.keys().collect::<Vec<_>>(), ["social", "web"]);
    assert_eq!(settings.feeds["social"].topic, "posts");
    assert_eq!(settings.start.read_from, Some(Moment::Ago(7 * 86_400_000)));
    assert_eq!(settings.start.act_from, Some(Moment::At(1_795_507_200_000)));
}

#[test]
fn every_problem_is_named_at_once_with_its_place() {
    let text = "\
rulebok: rules.yaml
kafka: { bootstrap: \"localhost:9092\", properties: { group.id: mine, group.protocol: consumer } }
feeds:
  web: { reorder: 5s, tpoic: web.v1 }
  social: { topic: cx.actions.v1, max_delay: soon }
threads: many
dead_letters: { original: byte }
admin: { listen: 0.0.0.0:9464 }
log: { level: \"nonsense=what\" }
";
    assert_eq!(
        refused(text, &[("CXWATCH_COMMIT_INTERVAL", "1ms")]),
        [
            "conf/run.yaml:1:1: error: the settings file has no key `rulebok`; expected one of `application_id`, `instance_id`, `rulebook`, `threads`, `kafka`, `feeds`, `topics`, `start`, `time`, `commit_interval`, `snapshot_every`, `limits`, `dead_letters`, `admin`, `log`; write `rulebook`?",
            "conf/run.yaml:4:23: error: `feeds.web` has no key `tpoic`; expected one of `topic`, `reorder`, `max_delay`, `expect`, `expect_calendar`, `mapping`; write `topic`?",
            "conf/run.yaml:5:46: error: `soon` is not a duration; expected a number and a unit: `500ms`, `20s`, `30m`, `1.5h`, `7d` or `2w`",
            "conf/run.yaml:6:10: error: `many` stands here; expected a whole number from 1 to 64",
            "conf/run.yaml:7:27: error: `byte` is not possible here; expected one of `bytes`, `headers`; write `bytes`?",
            "conf/run.yaml: error: `rulebook` is not set; expected `rulebook: rules.yaml`, or the variable CXWATCH_RULEBOOK",
            "conf/run.yaml:4:19: error: `max_delay` of feed web (3000 ms) is less than its `reorder` (5000 ms); expected at least as much: an event that is out of order is also late",
            "conf/run.yaml:5:20: error: `topics.actions` is the topic cx.actions.v1, which `feeds.social.topic` is already; expected a topic of its own for each",
            "conf/run.yaml:2:63: error: the client property `group.id` is set by cxwatch itself; expected `application_id` instead of it",
            "conf/run.yaml:2:85: error: the group protocol `consumer` cannot be used: tasks move whole, with all their feeds, by the classic one; expected no `group.protocol`, or `classic`",
            "conf/run.yaml:8:18: error: the admin server would be open to everybody who reaches 0.0.0.0:9464; expected a loopback address, or the variable CXWATCH_ADMIN__TOKEN",
            "CXWATCH_COMMIT_INTERVAL: error: `commit_interval` is 1 ms; expected at least 10 ms",
            "conf/run.yaml:9:15: error: `nonsense=what` says nothing about logging: error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5; expected `error`, `warn`, `info`, `debug`, `trace`, or directives like `info,cxwatch_kafka=debug`",
        ]
    );
}

#[test]
fn nothing_at_all_names_what_is_missing() {
    assert_eq!(
        refused("# later\n", &[]),
        ["conf/run.yaml:1:1: error: the file is empty; expected a map of keys and values"]
    );
    assert_eq!(
        refused("threads: 2\n", &[]),
        [
            "conf/run.yaml: error: `rulebook` is not set; expected `rulebook: rules.yaml`, or the variable CXWATCH_RULEBOOK",
            "conf/run.yaml: error: `kafka.bootstrap` is not set; expected `kafka: { bootstrap: \"localhost:9092\" }`, or the variable CXWATCH_KAFKA__BOOTSTRAP",
        ]
    );
}

#[test]
fn of_broken_yaml_only_that_is_said() {
    let said = refused("rulebook: rules.yaml\nkafka: { bootstrap: \"localhost:9092\"\nthreads: 2\n", &[]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("this is not valid YAML"), "{said:?}");
}

#[test]
fn what_counts_as_silence_may_be_limited_to_open_hours() {
    let web = |keys: &str| LEAST.replace("web: {}", &format!("web: {{ {keys} }}"));
    let settings = fine(&web("expect: 10m, expect_calendar: shop"), &[]);
    assert_eq!(settings.feeds["web"].expect_ms, Some(600_000));
    assert_eq!(settings.feeds["web"].expect_calendar.as_deref(), Some("shop"));
    assert_eq!(
        refused(&web("expect_calendar: shop"), &[]),
        [
            "conf/run.yaml:3:34: error: `expect_calendar` of feed web says when silence counts, but not how much of it; expected `expect` with it, like `expect: 10m`"
        ]
    );
}

#[test]
fn where_others_ask_is_an_address() {
    let complaints = |text: &str| {
        let text = format!("{LEAST}admin: {{ advertised: \"{text}\" }}\n");
        with(&text, &[]).map_or_else(|complaints| complaints.len(), |_| 0)
    };
    for right in
        ["cx-1:9464", "10.0.0.7:9464", "[::1]:9464", "https://cx-1.example", "http://cx-1.example:8080"]
    {
        assert_eq!(complaints(right), 0, "{right}");
    }
    for wrong in [
        "",
        "cx-1",
        "10.0.0.7",
        "cx-1:0",
        "cx-1:http",
        "http://",
        "https://a.example/cx",
        "me@cx-1:1",
        "a b:1",
    ] {
        assert_eq!(complaints(wrong), 1, "{wrong}");
    }
}

#[test]
fn secrets_are_used_and_never_shown() {
    let text = format!("{LEAST}admin: {{ token: s3cret-a }}\n");
    let (settings, warnings) = with(
        &text.replace("9092\" }", "9092\", properties: { ssl.key.password: s3cret-b, sasl.username: me } }"),
        &[("CXWATCH_KAFKA__PROPERTIES__SASL_PASSWORD", "s3cret-c")],
    )
    .expect("right");
    assert_eq!(settings.admin.token.as_ref().map(ExposeSecret::expose_secret), Some("s3cret-a"));
    assert_eq!(settings.kafka.properties["sasl.password"], "s3cret-c");
    assert_eq!(
        warnings.iter().map(Complaint::to_string).collect::<Vec<_>>(),
        [
            "conf/run.yaml:2:71: warning: `ssl.key.password` is a secret in a file; expected the variable CXWATCH_KAFKA__PROPERTIES__SSL_KEY_PASSWORD"
        ]
    );
    let shown = settings.show() + &format!("{:?} {:?}", settings.kafka, settings.admin);
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("kafka.properties.sasl.username: me"), "{shown}");
}

#[test]
fn what_holds_is_shown_with_its_origin() {
    let settings = fine(LEAST, &[("CXWATCH_THREADS", "3")]);
    let shown = settings.show();
    let lines: Vec<String> =
        shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "application_id: cxwatch # default",
        "instance_id: pod-1 # the host's name",
        "rulebook: rules.yaml # conf/run.yaml:1:11",
        "threads: 3 # CXWATCH_THREADS",
        "feeds.web.topic: web # the feed's name",
        "feeds.web.max_delay: 3s # default",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in\n{shown}");
    }
}

#[test]
fn the_documented_example_is_right() {
    let page = include_str!("../../../../docs/configuration.md");
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert_eq!(examples.len(), 2);
    let token = ("CXWATCH_ADMIN__TOKEN", "t");
    let settings = fine(examples[1], &[token]);
    assert_eq!(settings.feeds["contact-center"].expect_ms, Some(1_200_000));
    assert_eq!(settings.feeds["contact-center"].expect_calendar.as_deref(), Some("desk"));
    assert_eq!(settings.feeds["contact-center"].mapping.as_deref(), Some(Path::new("conf/acd-mapping.yaml")));
    let least = fine(examples[0], &[]);
    assert_eq!(
        least.start,
        StartSettings { read_from: Some(Moment::Ago(604_800_000)), act_from: Some(Moment::Now) }
    );
}
