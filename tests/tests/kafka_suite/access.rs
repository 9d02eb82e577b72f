//! Brokers that ask who somebody is.

use crate::client::{Feeder, PARTITIONS};
use crate::kafka_server::KafkaServer;
use crate::lives::{RULES, event};
use crate::program;
use crate::stage::{BROKER, Stage, now, wait_for};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// May do everything.
const ADMIN: (&str, &str) = ("admin", "admins-secret");
/// May do what tests allow.
const USER: (&str, &str) = ("watcher", "watchers-secret");

/// Being told no must not take longer.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A broker with users and rights; `None`, loudly, where there can be none.
fn guarded() -> Option<Arc<KafkaServer>> {
    static SHARED: Mutex<Weak<KafkaServer>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let users = [ADMIN, USER].map(|(name, password)| format!("{name}:{password}"));
    let arguments = ["--acl", "--user", &users[0], "--user", &users[1]];
    let server = Arc::new(KafkaServer::start_with_or_skip(&arguments, &BROKER)?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// Runs a command on the stage's settings. Its exit code and what it said.
fn run(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let (config, _) = stage.config("a");
    let mut command = program::command(arguments);
    let output = command.arg("--config").arg(config).output().expect("the program can be run");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// The same for one that is refused: at once, with the exit code for settings, and without telling secrets.
fn refused(stage: &Stage, arguments: &[&str]) -> String {
    let began = Instant::now();
    let (code, said) = run(stage, arguments);
    assert!(began.elapsed() < AT_ONCE, "{arguments:?} took {:?}\n{said}", began.elapsed());
    assert_eq!(code, Some(2), "{arguments:?}\n{said}");
    if let Some((_, password)) = stage.login {
        assert!(!said.contains(password), "{said}");
    }
    said
}

#[test]
fn a_password_opens_and_a_wrong_one_is_called_so() {
    let Some(broker) = guarded() else { return };
    let mut stage = Stage::new("password", broker.bootstrap(), RULES);
    stage.login = Some(ADMIN);
    let (code, said) = run(&stage, &["run", "--check"]);
    assert!(code == Some(0) && said.contains("sasl.password: ***") && !said.contains(ADMIN.1), "{said}");
    stage.make_topics();
    let mut service = stage.start_alone("a");
    let feeder = Feeder::as_user(stage.bootstrap(), ADMIN);
    let review = event(1, "review.posted", "c1", now(), r#""review_id":"r1","stars":1"#);
    feeder.send(&stage.topic("social"), "c1", review.as_bytes());
    feeder.flush();
    wait_for("the review is acted on", Duration::from_secs(30), || {
        service.metric("cxwatch_actions_total") >= 1.0
    });
    assert!(service.works(PARTITIONS));
    service.stop();

    let (create, run): (&[&str], &[&str]) = (&["topics", "create"], &["run"]);
    let wrong = Some((ADMIN.0, "not-the-secret"));
    for (login, commands) in [(wrong, &[create, run, &["reset"]][..]), (None, &[create, run])] {
        stage.login = login;
        for command in commands {
            let said = refused(&stage, command);
            assert!(said.contains("authentication failed"), "{command:?} as {login:?}\n{said}");
            let setting =
                "security.protocol, sasl.mechanism, sasl.username and sasl.password in `kafka.properties`";
            assert!(said.contains(setting), "{said}");
        }
    }
}

/// Allows or denies the user something, or takes that back.
fn acl(broker: &KafkaServer, what: &str, of: &[&str]) {
    let principal = format!("User:{}", USER.0);
    let (verb, kind) = what.split_once(' ').expect("two words");
    let mut arguments = vec![verb, kind, &principal];
    arguments.extend(of);
    if verb == "--remove" {
        arguments.push("--force");
    }
    broker.tool_as_first_user("AclCommand", &arguments);
}

#[test]
fn a_right_that_is_missing_is_named_with_what_it_is_needed_for() {
    let Some(broker) = guarded() else { return };
    let mut stage = Stage::new("rights", broker.bootstrap(), RULES);
    stage.login = Some(ADMIN);
    stage.make_topics();
    stage.login = Some(USER);

    let said = refused(&stage, &["run"]);
    for right in [
        "Read on the topic rights.web",
        "Write on the topic rights.actions",
        "Read on the topic rights.journal, Write on the topic rights.journal",
        "Read on the topic rights.control",
        "Read on the group rights",
        "kafka-acls --add --allow-principal User:watcher --operation",
    ] {
        assert!(said.contains(right), "{right}\n{said}");
    }

    let all =
        ["--operation", "All", "--topic", "rights", "--group", "rights", "--transactional-id", "rights"];
    acl(&broker, "--add --allow-principal", &[&all[..], &["--resource-pattern-type", "prefixed"]].concat());
    let id = ["--operation", "Write", "--transactional-id", "rights-a-0"];
    acl(&broker, "--add --deny-principal", &id);
    let said = refused(&stage, &["run"]);
    assert!(said.contains("Write on the transactional id rights-a-0"), "{said}");
    assert!(said.contains("docs/operations.md"), "{said}");

    // Taken away while it runs.
    acl(&broker, "--remove --deny-principal", &id);
    let mut service = stage.start_alone("a");
    acl(&broker, "--add --deny-principal", &["--operation", "Write", "--topic", "rights.actions"]);
    let feeder = Feeder::as_user(stage.bootstrap(), ADMIN);
    let review = event(1, "review.posted", "c1", now(), r#""review_id":"r1","stars":1"#);
    feeder.send(&stage.topic("social"), "c1", review.as_bytes());
    feeder.flush();
    let status = service.wait(Duration::from_secs(30));
    let said = service.last_words();
    assert_eq!(status.code(), Some(2), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("Write on the topic rights.actions"), "{said}");
    assert!(last.contains("docs/operations.md"), "{said}");

    acl(
        &broker,
        "--add --deny-principal",
        &["--operation", "Read", "--topic", "rights.web", "--group", "rights"],
    );
    let said = refused(&stage, &["run"]);
    let missing = "Missing: Write on the topic rights.actions, Read on the topic rights.web, Read on the group rights. ";
    assert!(said.contains(missing), "{said}");
}
