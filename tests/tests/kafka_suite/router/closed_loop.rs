//! Made-up events come in, the service is killed again and again, and a routing system acts on what it says.

use super::contract::read;
use super::judge::{calls, judge};
use super::tools::Packages;
use super::watch::Watch;
use crate::client::PARTITIONS;
use crate::program::{self, Service};
use crate::stage::{Stage, broker, now, wait_for};
use crate::{is_left_out, seed};
use cxwatch_tests::world::draw::Draw;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A restart and a restore, on a machine that has other things to do.
const AT_WORK: Duration = Duration::from_secs(60);

const DEMO: &str = include_str!("../../../../crates/cxwatch/rulebooks/demo.yaml");

/// The rules of the demo with deadlines of seconds, and lives of actions short enough for some to end in the queue.
fn rulebook() -> String {
    let changes = [
        ("within: 30m\n    measure", "within: 4s\n    measure"),
        ("within: 60s", "within: 3s"),
        ("within: 1h", "within: 5s"),
        ("within: 4h", "within: 6s"),
        ("skills: [sales], ttl: 30m", "skills: [sales], ttl: 40s"),
        ("queue: service, ttl: 10m", "queue: service, ttl: 25s"),
    ];
    changes.iter().fold(DEMO.to_owned(), |book, (old, new)| {
        assert!(book.contains(old), "the rules of the demo have no {old:?}");
        book.replace(old, new)
    })
}

#[test]
fn nobody_is_called_twice_nor_when_it_is_over_whoever_is_killed() {
    if is_left_out("the router's closed loop") {
        return;
    }
    let Some(broker) = broker() else { return };
    let Some(python) = Packages::python() else { return };
    let stage = Stage::new("router", broker.bootstrap(), &rulebook()).with_static_membership();
    stage.make_topics();
    let watch = Watch::start(stage.bootstrap(), &stage.topic("actions"));
    let mut play = Play::begin(&stage, python);
    let (kills, router_kills) = (10, 3);
    for round in 0..kills {
        play.kill_the_service();
        // The last few are killed together.
        if round + router_kills >= kills {
            play.kill_the_router();
        }
    }
    wait_for("all tasks run", AT_WORK, || play.service.works(PARTITIONS));
    assert_eq!(play.service.metric("cxwatch_restore_alarms_total"), 0.0, "{}", play.service.last_words());
    play.events.end();
    let tally = play.settle(watch);
    eprintln!("router: the service killed {kills} times, the router {router_kills} times; {tally:?}");
    let enough = tally.called >= 40 && tally.withdrawn >= 1 && tally.revoked >= 2;
    assert!(enough && tally.called <= tally.actions, "too little to prove anything: {tally:?}");
    let records = stage.path("records.jsonl");
    let read = read(&play.python, &stage, &["actions", "outcomes"], &records);
    assert_eq!(read.get("outcome.accepted"), tally.outcomes.get("accepted"), "{read:?}");
    play.outcomes_were_applied(tally.outcomes.values().sum());
    if let Some(node) = Packages::node() {
        let mut validate = node.validate();
        validate.arg(&records);
        eprintln!("router: {}", program::finish(validate).trim().replace('\n', "; "));
    }
    play.router.stop();
    play.service.stop();
}

/// A process that is not under test, ended with this value at the latest.
struct Process {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl Process {
    fn start(name: &'static str, stage: &Stage, mut command: Command) -> Self {
        let log = stage.path(&format!("{name}.log"));
        let file =
            || -> File { OpenOptions::new().create(true).append(true).open(&log).expect("a log file") };
        let child = command.stdout(file()).stderr(file()).spawn().expect("it starts");
        Process { child, name, log }
    }

    /// It has not ended by itself.
    fn assert_alive(&mut self) {
        let status = self.child.try_wait().expect("it is our child");
        assert!(status.is_none(), "{} has ended with {status:?}\n{}", self.name, self.last_words());
    }

    /// SIGKILL.
    fn end(&mut self) {
        self.assert_alive();
        self.child.kill().expect("it lives");
        self.child.wait().expect("it has ended");
    }

    /// SIGTERM, after which it must end well.
    fn stop(&mut self) {
        self.assert_alive();
        let status = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(status.expect("kill can be run").success());
        wait_for("it ends when told to", AT_WORK, || {
            self.child.try_wait().expect("it is our child").is_some()
        });
        let status = self.child.wait().expect("it has ended");
        assert!(status.success(), "{} ends with {status}\n{}", self.name, self.last_words());
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // No panic while another one unwinds.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Play<'s> {
    stage: &'s Stage,
    python: Arc<Packages>,
    service: Service,
    events: Process,
    router: Process,
    draw: Draw,
    /// How many outcomes there were when the service was started last.
    outcomes_before: usize,
}

impl<'s> Play<'s> {
    fn begin(stage: &'s Stage, python: Arc<Packages>) -> Self {
        let service = stage.start_alone("a");
        let events = Process::start("events", stage, generate(stage));
        let router = Process::start("router", stage, router(stage, &python));
        Play { stage, python, service, events, router, draw: Draw::new(seed() + 2), outcomes_before: 0 }
    }

    fn pause(&mut self, from: i64, to: i64) {
        std::thread::sleep(Duration::from_millis(self.draw.range(from, to) as u64));
    }

    fn kill_the_service(&mut self) {
        let service = &self.service;
        wait_for("it has work", AT_WORK, || service.metric("cxwatch_task") > 0.0);
        self.pause(500, 2_500);
        self.service.assert_alive();
        self.router.assert_alive();
        self.events.assert_alive();
        self.service.kill();
        self.pause(0, 1_000);
        self.outcomes_before = self.stage.read("outcomes").len();
        self.service = self.stage.start("a");
    }

    /// While it calls somebody, so that it leaves a claim behind.
    fn kill_the_router(&mut self) {
        let list = self.stage.path("calls.jsonl");
        let before = calls(&list).len();
        wait_for("the router calls somebody", AT_WORK, || calls(&list).len() > before);
        self.pause(0, 300);
        self.router.end();
        self.router = Process::start("router", self.stage, router(self.stage, &self.python));
    }

    /// Waits until everything that is wanted is dealt with, and judges what was done.
    fn settle(&mut self, watch: Watch) -> super::judge::Tally {
        let list = self.stage.path("calls.jsonl");
        let deadline = Instant::now() + Duration::from_secs(120);
        // So long nothing new was said and nobody called: longer than any deadline and any life.
        let (mut quiet, mut before) = (Instant::now(), (0, 0));
        while quiet.elapsed() < Duration::from_secs(12) {
            assert!(Instant::now() < deadline, "it does not come to an end\n{}", self.router.last_words());
            std::thread::sleep(Duration::from_millis(250));
            let new = (self.stage.read("actions").len(), self.stage.read("outcomes").len());
            if new != before {
                (quiet, before) = (Instant::now(), new);
            }
        }
        self.router.assert_alive();
        let seen = watch.stop();
        assert_eq!(seen.len(), self.stage.read("actions").len(), "everything committed was seen once");
        let outcomes = self.stage.read("outcomes");
        let found = judge(&seen, &calls(&list), &outcomes, now());
        found.unwrap_or_else(|wrong| panic!("{}\n{}", wrong.join("\n"), self.router.last_words()))
    }

    /// The service has read what the router said, by its own count: what was new to its last process at least. It knew
    /// every action that was named, and refused nothing.
    fn outcomes_were_applied(&self, outcomes: usize) {
        let new = outcomes - self.outcomes_before;
        assert!(new > 0, "nothing was answered after the last kill");
        wait_for("all outcomes are read", AT_WORK, || {
            self.service.metric("cxwatch_outcomes_total") >= new as f64
        });
        let counted = self.service.metric("cxwatch_outcomes_total");
        assert!(counted <= outcomes as f64, "{counted} outcomes counted, {outcomes} written");
        assert_eq!(self.service.metric("cxwatch_unknown_action_outcomes"), 0.0);
        assert_eq!(self.stage.read("dead-letters").len(), 0);
    }
}

fn generate(stage: &Stage) -> Command {
    let (config, _) = stage.config("events");
    let mut command = program::command(&["generate", "--to-kafka", stage.bootstrap(), "--config"]);
    command.arg(config).args(["--customers", "1000", "--rate", "80", "--seed", &seed().to_string()]);
    command
}

fn router(stage: &Stage, python: &Packages) -> Command {
    let mut command = python.run_python("examples/router/router.py");
    command.args([
        "--bootstrap",
        stage.bootstrap(),
        "--group",
        "router-example",
        "--actions",
        &stage.topic("actions"),
    ]);
    command.args(["--outcomes", &stage.topic("outcomes"), "--agents", "3", "--talk", "0.6", "--calls"]);
    command.arg(stage.path("calls.jsonl"));
    command
}
