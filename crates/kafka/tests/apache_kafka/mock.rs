//! The in-process mock cluster carries a group and a writer.

use crate::support::*;
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::mock::MockCluster;

#[test]
fn a_member_reads_what_a_producer_wrote() {
    let cluster = MockCluster::new(1).expect("mock cluster");
    let topics = ["web".to_owned(), "social".to_owned()];
    for topic in &topics {
        cluster.create_topic(topic, 2).expect("topic");
    }
    let mut writer = producer(&cluster.bootstrap(), "tx");
    write(&mut writer, "web", 1, &["a"]);
    write(&mut writer, "social", 1, &["b"]);
    let settings = properties(&cluster.bootstrap(), &[("group.id", "g"), ("session.timeout.ms", "6000")]);
    let mut consumer = FeedConsumer::subscribe(&settings, &topics, PATIENCE).expect("member");
    let mut handler = FromZero::default();
    let (mut web, mut social) = (Vec::new(), Vec::new());
    poll_until(&mut consumer, &mut handler, "both records", |consumer| {
        served(consumer, 0, &mut web);
        served(consumer, 1, &mut social);
        web.contains(&"1@0 a".to_owned()) && social.contains(&"1@0 b".to_owned())
    });
    assert_eq!(consumer.assigned().len(), 4);
}
