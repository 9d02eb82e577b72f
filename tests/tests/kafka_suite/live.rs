//! Events as they happen, while processes are killed, frozen and started again.

use crate::client::{Ends, PARTITIONS};
use crate::lives::{Lives, RULES, Telling};
use crate::oracle::{Actions, Feeds, difference};
use crate::program::Service;
use crate::stage::{MAX_DELAY_MS, REORDER_MS, Stage, broker, now, wait_for};
use crate::{is_long, seed};
use cxwatch_tests::world::draw::Draw;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest deadline of the rules.
const WITHIN_MS: i64 = 5_000;
/// A restart, a rebalance and a restore, on a machine that has other things to do.
const AT_WORK: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_lost_and_nothing_twice_whatever_is_killed() {
    let Some(broker) = broker() else { return };
    let stage = Stage::new("live", broker.bootstrap(), RULES);
    // With a fixed name a process is back at once; without, the others take over first.
    let stage = Arc::new(if is_long() { stage } else { stage.with_static_membership() });
    stage.make_topics();
    let telling = Telling::start(&stage, Lives::new(seed(), 160), if is_long() { 30 } else { 20 });
    let names: &[&'static str] = if is_long() { &["a", "b"] } else { &["a"] };
    let mut play = Play::new(&stage, names);
    play.wait_for_all();
    for round in 0..if is_long() { 22 } else { 3 } {
        play.kill_one(round);
    }
    // A restore takes a moment only; a few tries are granted.
    let (in_restore, tries) = if is_long() { (3, 12) } else { (1, 4) };
    for _ in 0..tries {
        if play.seen.in_restore < in_restore {
            play.kill_in_restore();
        }
    }
    if is_long() {
        // Whether it was in time depends on the machine; a few tries are granted.
        while play.seen.double_failovers == 0 && play.seen.kills < 58 {
            play.double_failover();
        }
        play.freeze();
    }
    let sent = telling.stop();
    play.wait_for_all();
    let Play { seen, services, .. } = play;
    eprintln!("live: {sent} events; {seen:?}");
    let (kills, buffered, inside) = if is_long() { (20, 10, 3) } else { (3, 1, 1) };
    assert!(seen.kills >= kills && seen.with_buffer >= buffered && seen.in_transaction >= inside, "{seen:?}");
    assert!(seen.in_restore >= in_restore, "{seen:?}");
    assert!(!is_long() || (seen.double_failovers > 0 && seen.freezes > 0), "{seen:?}");
    settle(&stage);
    for mut service in services {
        service.1.stop();
    }
}

/// What was done.
#[derive(Debug, Default)]
struct Seen {
    kills: u32,
    /// With events in the reorder buffer.
    with_buffer: u32,
    /// While a transaction was open.
    in_transaction: u32,
    /// While it restored tasks, some of them not yet begun.
    in_restore: u32,
    double_failovers: u32,
    freezes: u32,
}

struct Play<'s> {
    stage: &'s Stage,
    services: Vec<(&'static str, Service)>,
    journal: Ends,
    draw: Draw,
    seen: Seen,
}

impl<'s> Play<'s> {
    fn new(stage: &'s Stage, names: &[&'static str]) -> Self {
        let services = names.iter().map(|name| (*name, stage.start(name))).collect();
        let journal = Ends::new(stage.bootstrap(), &stage.topic("journal"));
        Play { stage, services, journal, draw: Draw::new(seed() + 1), seen: Seen::default() }
    }

    fn wait_for_all(&mut self) {
        let services = &mut self.services;
        wait_for("all tasks run", AT_WORK, || {
            services.iter_mut().for_each(|(_, service)| service.assert_alive());
            services.iter().map(|(_, service)| service.metric("cxwatch_task")).sum::<f64>()
                >= f64::from(PARTITIONS)
        });
    }

    fn pause(&mut self, from: i64, to: i64) {
        std::thread::sleep(Duration::from_millis(self.draw.range(from, to) as u64));
    }

    /// Kills one process at a moment that is drawn, or while a transaction is open, and starts it again.
    fn kill_one(&mut self, round: usize) {
        let which = self.draw.index(self.services.len());
        // Mostly when it is at work; sometimes in the middle of whatever follows a start.
        if round % 4 != 3 {
            let service = &self.services[which].1;
            wait_for("it has work", AT_WORK, || service.metric("cxwatch_task") > 0.0);
        }
        self.pause(200, 2_500);
        self.kill(which, round.is_multiple_of(2));
        self.pause(0, 1_500);
        self.restart(which);
    }

    /// Kills a process; `inside`: while one of its transactions is open, if one is seen in time. What it
    /// left open, by partition.
    fn kill(&mut self, which: usize, inside: bool) -> Vec<Option<i64>> {
        let service = &mut self.services[which].1;
        service.assert_alive();
        let metrics = service.metrics();
        let metric = |name: &str| metrics.get(name).copied().unwrap_or(0.0);
        assert_eq!(metric("cxwatch_restore_alarms_total"), 0.0, "{}", service.last_words());
        if inside {
            let deadline = Instant::now() + Duration::from_secs(5);
            while Instant::now() < deadline && self.journal.open().iter().all(Option::is_none) {}
        }
        service.kill();
        self.seen.kills += 1;
        self.seen.with_buffer += u32::from(metric("cxwatch_buffered_events") > 0.0);
        // What stays open belongs to the dead: the living end theirs soon.
        let open = self.journal.open();
        std::thread::sleep(Duration::from_millis(400));
        let left_open = stays_open(&open, &self.journal.open());
        self.seen.in_transaction += u32::from(left_open.iter().any(Option::is_some));
        left_open
    }

    fn restart(&mut self, which: usize) {
        let name = self.services[which].0;
        self.services[which].1 = self.stage.start(name);
    }

    /// Kills a process, and whoever restores its tasks in the middle of that: itself, started again, or the other one.
    fn kill_in_restore(&mut self) {
        self.wait_for_all();
        let which = self.draw.index(self.services.len());
        self.kill(which, false);
        self.restart(which);
        let restores = |(_, service): &(&str, Service)| service.metric("cxwatch_tasks_restoring") > 0.0;
        let mut heir = None;
        wait_for("somebody restores", AT_WORK, || {
            heir = self.services.iter().position(restores);
            // Where it was too quick for us, all tasks run.
            heir.is_some()
                || self.services.iter().map(|(_, s)| s.metric("cxwatch_task")).sum::<f64>()
                    >= f64::from(PARTITIONS)
        });
        let Some(heir) = heir else { return };
        self.pause(0, 200);
        let (_, service) = &mut self.services[heir];
        let still = service.metric("cxwatch_tasks_restoring") > 0.0;
        service.kill();
        self.seen.kills += 1;
        self.seen.in_restore += u32::from(still);
        self.restart(heir);
    }

    /// Who takes over from the dead dies as well, before the transaction of the first has timed out; a third one, who cannot
    /// fence either, goes on.
    fn double_failover(&mut self) {
        self.wait_for_all();
        let began = Instant::now();
        let left_open = self.kill(0, true);
        let heir = &self.services[1].1;
        wait_for("the other one takes over", AT_WORK, || {
            heir.metric("cxwatch_tasks_restoring") > 0.0 || heir.works(PARTITIONS)
        });
        let open = stays_open(&left_open, &self.journal.open()).iter().any(Option::is_some);
        self.kill(1, false);
        eprintln!("live: double failover {:?}, its transaction still open: {open}", began.elapsed());
        self.seen.double_failovers += u32::from(open);
        let mut third = self.stage.start("c");
        wait_for("a third one takes over", AT_WORK, || third.works(PARTITIONS));
        self.restart(0);
        self.restart(1);
        wait_for("the first are back", AT_WORK, || {
            self.services.iter().any(|(_, service)| service.metric("cxwatch_task") > 0.0)
        });
        third.stop();
        self.wait_for_all();
    }

    /// A process that stands still for longer than its session, and then goes on as if nothing had been.
    fn freeze(&mut self) {
        self.wait_for_all();
        let frozen = &self.services[0].1;
        wait_for("it has work", AT_WORK, || frozen.metric("cxwatch_task") > 0.0);
        frozen.freeze();
        let heir = &self.services[1].1;
        wait_for("the other one takes over", AT_WORK, || heir.works(PARTITIONS));
        self.services[0].1.thaw();
        self.seen.freezes += 1;
        let back = &self.services[0].1;
        wait_for("it is back", AT_WORK, || back.metric("cxwatch_task") > 0.0);
        self.wait_for_all();
    }
}

/// Transactions, by partition and their first offset, that are open before and after.
fn stays_open(before: &[Option<i64>], after: &[Option<i64>]) -> Vec<Option<i64>> {
    before.iter().zip(after).map(|(before, after)| before.filter(|_| before == after)).collect()
}

/// Waits until all that must be said has been said; holds it against the page and against a replay.
pub(crate) fn settle(stage: &Stage) {
    let feeds = Feeds::read(stage);
    let right = feeds.problems(stage);
    let over = feeds.newest() + WITHIN_MS + MAX_DELAY_MS + REORDER_MS + 3_000;
    let deadline = Instant::now() + Duration::from_secs(180);
    let actions = loop {
        let actions = Actions::read(stage).unwrap_or_else(|wrong| panic!("{wrong}"));
        let last = difference(&actions.problems(stage, &feeds, &right), &right);
        if last.is_empty() && now() > over {
            break actions;
        }
        if Instant::now() >= deadline {
            stage.keep_topics();
            panic!("{} problems are right:\n{last}", right.len());
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    let (customers, late) = feeds.customers();
    let (comparable, replayed) = (actions.comparable(&feeds), feeds.replayed(stage));
    eprintln!(
        "{}: {} events of {customers} customers, {late} with late ones; {} actions, of them retracted {}, resolved {}, updated {}; {} compared with a replay",
        stage.topic("all"),
        feeds.events(),
        actions.len(),
        actions.count("retracted"),
        actions.count("resolved"),
        actions.count("action.updated"),
        replayed.len(),
    );
    let differs = difference(&comparable, &replayed);
    assert!(differs.is_empty(), "live and replay differ:\n{differs}");
    for silent in ["suppressions", "dead-letters"] {
        let mut said = stage.read(silent);
        // What a late customer's deadline says behind its stop is no request.
        let over = |value: &[u8]| String::from_utf8_lossy(value).contains(r#""reason":"resolved""#);
        said.retain(|kept| feeds.is_calm(&String::from_utf8_lossy(&kept.key)) || !over(&kept.value));
        let first = said.first().map(|kept| String::from_utf8_lossy(&kept.value).into_owned());
        assert!(first.is_none(), "{} {silent}: {first:?}", said.len());
    }
    assert!(replayed.len() > 10, "too few actions to prove anything");
}
