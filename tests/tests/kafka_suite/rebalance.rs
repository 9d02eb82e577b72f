//! Another process joins while the first one restores: partitions move in the middle of that, and nobody sees it from outside.

use crate::client::{Feeder, PARTITIONS};
use crate::live::settle;
use crate::lives::{Lives, RULES, Telling, event};
use crate::program::Service;
use crate::stage::{Stage, broker, now, wait_for};
use crate::{is_left_out, seed};
use std::sync::Arc;
use std::time::Duration;

/// What a restore reads again: customers who look around.
const LOOKS: u64 = 60_000;
/// So often a task must move while the first process still restores, of so many tries.
const MOVED: u32 = 2;
const TRIES: u64 = 6;
/// A restart, a rebalance and a restore, on a machine that has other things to do.
const AT_WORK: Duration = Duration::from_secs(120);

#[test]
fn tasks_may_move_while_they_are_restored() {
    if is_left_out("a rebalance in the middle of a restore") {
        return;
    }
    let Some(broker) = broker() else { return };
    let mut stage = Stage::new("moved", broker.bootstrap(), RULES).with_one_thread();
    // What is behind the last snapshot is read again, and a snapshot is far from whole when the process ends.
    stage.snapshot_every = "1h".to_owned();
    let stage = Arc::new(stage);
    stage.make_topics();
    let telling = Telling::start(&stage, Lives::new(seed() + 11, 400), 10);
    let feeder = Feeder::new(stage.bootstrap());
    let (mut moved, mut tries) = (0, 0);
    let mut services = vec![stage.start_alone("a")];
    while moved < MOVED {
        assert!(tries < TRIES, "a restore was over before the other one had joined, {tries} times");
        look_around(&stage, &feeder, tries, &services);
        services.iter_mut().for_each(Service::stop);
        let first = stage.start("a");
        wait_for("the first one restores", AT_WORK, || first.metric("cxwatch_tasks_restoring") > 0.0);
        let second = stage.start("b");
        services = vec![first, second];
        wait_for("both are at work", AT_WORK, || {
            services.iter_mut().for_each(Service::assert_alive);
            services.iter().all(|service| service.metric("cxwatch_task") > 0.0)
                && all(&services, "cxwatch_task") >= f64::from(PARTITIONS)
        });
        // Whoever had restored all of them before the other one came has given away what was whole.
        let restored = |service: &Service| service.metric("cxwatch_restore_seconds_count");
        moved += u32::from(restored(&services[0]) < f64::from(PARTITIONS) && restored(&services[1]) > 0.0);
        assert_eq!(all(&services, "cxwatch_restore_alarms_total"), 0.0, "{}", services[0].last_words());
        tries += 1;
    }
    let sent = telling.stop();
    eprintln!(
        "moved: {sent} events of stories; {moved} of {tries} rebalances came while the first one restored"
    );
    settle(&stage);
    for mut service in services {
        service.assert_alive();
        service.stop();
    }
}

fn all(services: &[Service], metric: &str) -> f64 {
    services.iter().map(|service| service.metric(metric)).sum()
}

/// Many who look around, all of them read; who is stopped then commits them.
fn look_around(stage: &Stage, feeder: &Feeder, round: u64, services: &[Service]) {
    let before = all(services, "cxwatch_records_total");
    for number in 0..LOOKS {
        let (id, customer) = (1_000_000 * (round + 1) + number, format!("calm-looks{number}"));
        let view = r#""url":"https://shop.example/""#;
        let json = event(id, "web.page.viewed", &customer, now(), view);
        feeder.send(&stage.topic("web"), &customer, json.as_bytes());
    }
    feeder.flush();
    let read = before + LOOKS as f64;
    wait_for("they are read", AT_WORK, || all(services, "cxwatch_records_total") >= read);
}
