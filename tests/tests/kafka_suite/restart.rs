//! A broker that goes away and comes back.

use crate::client::PARTITIONS;
use crate::kafka_server::KafkaServer;
use crate::live::settle;
use crate::lives::{Lives, RULES, Telling};
use crate::stage::{BROKER, Stage, wait_for};
use crate::{is_left_out, seed};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_broker_may_be_restarted_in_the_middle() {
    if is_left_out("a broker that is restarted") {
        return;
    }
    let Some(mut broker) = KafkaServer::start_or_skip(&BROKER) else { return };
    let stage = Arc::new(Stage::new("restart", broker.bootstrap(), RULES));
    stage.make_topics();
    let mut service = stage.start_alone("a");
    let telling = Telling::start(&stage, Lives::new(seed() + 7, 4_000), 15);
    let some = |more: f64| {
        let from = service.metric("cxwatch_records_total");
        wait_for("events are read", Duration::from_secs(60), || {
            service.metric("cxwatch_records_total") > from + more
        });
    };
    some(60.0);
    for crash in [false, true] {
        if crash {
            broker.kill()
        } else {
            broker.stop()
        }
        std::thread::sleep(Duration::from_secs(2));
        broker.restart(&BROKER);
        some(150.0);
    }
    telling.stop();
    service.assert_alive();
    settle(&stage);
    service.assert_alive();
    assert!(service.works(PARTITIONS), "{}", service.readiness());
    service.stop();
}
