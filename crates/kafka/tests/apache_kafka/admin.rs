//! Topics, offsets and groups, against Apache Kafka.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::support::kafka_server::KafkaServer;
use crate::support::*;
use cxwatch_kafka::admin::{Admin, OffsetOf, TopicSpec, TopicState};
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::producer::{Record, TopicOffset};
use cxwatch_runtime::ports::{Answer, Source};

fn spec(name: &str, partitions: i32, settings: &[(&str, &str)]) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions,
        replication: 1,
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

#[test]
fn a_topic_is_made_once_and_compared_ever_after() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let admin = Admin::new(&properties(kafka.bootstrap(), &[]), PATIENCE).expect("admin");
    let name = unique("journal");
    assert_eq!(admin.describe_topic(&name).expect("answer"), None);
    let wanted = spec(&name, 3, &[("cleanup.policy", "delete"), ("retention.ms", "-1")]);
    assert_eq!(admin.ensure_topic(&wanted).expect("answer"), TopicState::Created);
    assert_eq!(admin.ensure_topic(&wanted).expect("answer"), TopicState::Existed);
    let other = spec(&name, 4, &[("cleanup.policy", "compact")]);
    assert_eq!(
        admin.ensure_topic(&other).expect("answer"),
        TopicState::Differs(vec![
            "partitions is 3, not 4".to_owned(),
            "cleanup.policy is delete, not compact".to_owned(),
        ])
    );
    let there = admin.describe_topic(&name).expect("answer").expect("exists");
    assert_eq!(there.partitions, 3);
    assert_eq!(there.settings["retention.ms"], "-1");
    let own: BTreeMap<_, _> = admin.own_settings(&name).expect("answer");
    assert_eq!(own.keys().collect::<Vec<_>>(), ["cleanup.policy", "retention.ms"]);
    let fault =
        admin.ensure_topic(&spec(&unique("bad"), 1, &[("retention.ms", "soon")])).expect_err("no number");
    assert_eq!((fault.answer, fault.code.as_str()), (Answer::Exit, "InvalidConfig"));
    assert!(admin.delete_topic(&name).expect("answer"));
    assert!(!admin.delete_topic(&unique("never")).expect("answer"));
}

#[test]
fn records_are_deleted_and_offsets_found_by_time() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let admin = Admin::new(&properties(kafka.bootstrap(), &[]), PATIENCE).expect("admin");
    let name = topic(kafka.bootstrap(), "feed", 2);
    let mut producer = producer(kafka.bootstrap(), &unique("tx"));
    producer.begin().expect("begin");
    for index in 0..10 {
        let record = Record {
            topic: &name,
            partition: 1,
            key: None,
            value: Some(b"v"),
            headers: &[],
            timestamp_ms: Some(1_700_000_000_000 + index * 1_000),
        };
        producer.send(&record).expect("sent");
    }
    producer.commit().expect("commit");
    let offsets = |of| admin.offsets(&name, 2, of).expect("offsets");
    assert_eq!(offsets(OffsetOf::Start), [0, 0]);
    // A commit is decided when it returns; its marker is written a moment later.
    let deadline = Instant::now() + PATIENCE;
    while offsets(OffsetOf::End) != [0, 11] {
        assert!(Instant::now() < deadline, "{:?}", offsets(OffsetOf::End));
    }
    assert_eq!(offsets(OffsetOf::Time(1_700_000_003_500)), [0, 4]);
    assert_eq!(offsets(OffsetOf::Time(1_800_000_000_000)), [0, 11]);
    assert_eq!(admin.delete_records(&name, 1, 6).expect("deleted"), 6);
    assert_eq!(offsets(OffsetOf::Start), [0, 6]);

    let compacted = unique("customers");
    admin.ensure_topic(&spec(&compacted, 1, &[("cleanup.policy", "compact")])).expect("made");
    let fault = admin.delete_records(&compacted, 0, 0).expect_err("refused");
    assert_eq!((fault.answer, fault.code.as_str()), (Answer::Exit, "PolicyViolation"));
}

#[test]
fn a_group_is_described_while_it_lives_and_reset_when_it_rests() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let admin = Admin::new(&properties(kafka.bootstrap(), &[]), PATIENCE).expect("admin");
    let web = topic(kafka.bootstrap(), "web", 2);
    let group = unique("group");
    assert_eq!(admin.describe_group(&group).expect("answer"), None);
    let settings = properties(kafka.bootstrap(), &[("group.id", group.as_str()), ("client.id", "thread-0")]);
    let mut member =
        FeedConsumer::subscribe(&settings, std::slice::from_ref(&web), PATIENCE).expect("member");
    let mut handler = FromZero::default();
    poll_until(&mut member, &mut handler, "assignment", |member| member.assigned().len() == 2);
    let there = admin.describe_group(&group).expect("answer").expect("exists");
    assert_eq!((there.state.as_str(), there.strategy.as_str()), ("Stable", "range"));
    assert_eq!(there.members.len(), 1);
    assert_eq!(there.members[0].client_id, "thread-0");
    assert_eq!(there.members[0].partitions, [(web.clone(), 0), (web.clone(), 1)]);

    let reset = [TopicOffset { topic: web.clone(), partition: 1, offset: 5, metadata: "seq=9".into() }];
    let fault = admin.alter_group_offsets(&group, &reset).expect_err("it has members");
    assert_eq!(fault.answer, Answer::Exit, "{fault}");
    let fault = admin.delete_group(&group).expect_err("it has members");
    assert_eq!((fault.answer, fault.code.as_str()), (Answer::Exit, "NonEmptyGroup"));

    member.leave(&mut |c, r| handler.handle(c, r)).expect("leave");
    admin.alter_group_offsets(&group, &reset).expect("reset");
    let offsets = admin.group_offsets(&group, &[(web.clone(), 0), (web.clone(), 1)]).expect("offsets");
    assert_eq!(offsets, [None, Some((5, "seq=9".to_owned()))]);
    assert!(admin.delete_group(&group).expect("answer"));
    assert!(!admin.delete_group(&group).expect("answer"));
}
