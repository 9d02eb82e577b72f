//! The consumer against Apache Kafka.

use crate::support::kafka_server::KafkaServer;
use crate::support::*;
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::producer::{Record, TopicOffset, TransactionalProducer};
use cxwatch_runtime::ports::{Answer, CommittedOffset, Item, Rebalance, Source};

fn member(bootstrap: &str, group: &str, topics: &[String]) -> FeedConsumer {
    let properties = properties(
        bootstrap,
        &[("group.id", group), ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "200")],
    );
    FeedConsumer::subscribe(&properties, topics, PATIENCE).expect("member")
}

#[test]
fn each_feed_has_its_own_queue_and_positions_pass_transaction_markers() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let web = topic(kafka.bootstrap(), "web", 2);
    let social = topic(kafka.bootstrap(), "social", 2);
    let mut producer = producer(kafka.bootstrap(), &unique("tx"));
    write(&mut producer, &web, 0, &["a", "b"]);
    write(&mut producer, &social, 1, &["c"]);
    // An aborted transaction is invisible, but occupies offsets.
    producer.begin().expect("begin");
    send(&mut producer, &web, 0, "never");
    producer.abort().expect("abort");

    let mut consumer = member(kafka.bootstrap(), &unique("group"), &[web, social]);
    let mut handler = FromZero::default();
    let (mut of_web, mut of_social) = (Vec::new(), Vec::new());
    poll_until(&mut consumer, &mut handler, "both feeds", |consumer| {
        served(consumer, 0, &mut of_web);
        of_web.iter().filter(|line| line.contains("eof")).count() >= 2
    });
    // Not served so far, so nothing of it can have arrived anywhere.
    assert_eq!(consumer.position(at(1, 1)), Some(0));
    poll_until(&mut consumer, &mut handler, "the other feed", |consumer| {
        served(consumer, 1, &mut of_social);
        of_social.iter().filter(|line| line.contains("eof")).count() >= 2
    });
    assert_eq!(handler.assigned, [at(0, 0), at(0, 1), at(1, 0), at(1, 1)]);
    let of = |lines: &[String], partition: &str| -> Vec<String> {
        let mine = lines.iter().filter(|line| line.starts_with(partition));
        mine.cloned().collect()
    };
    let web_0 = of(&of_web, "0");
    assert_eq!(web_0[..2], ["0@0 a", "0@1 b"]);
    // Two records, a marker; perhaps the purged record and the marker of its abort.
    let end = consumer.position(at(0, 0)).expect("started");
    assert!((3..=5).contains(&end), "position {end}");
    assert_eq!(web_0.last(), Some(&format!("0 eof {end}")));
    assert_eq!(of(&of_social, "1"), ["1@0 c", "1 eof 2"]);
    assert_eq!(consumer.position(at(1, 1)), Some(2));
}

#[test]
fn a_record_comes_with_key_headers_and_timestamp() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let web = topic(kafka.bootstrap(), "web", 1);
    let mut producer = producer(kafka.bootstrap(), &unique("tx"));
    producer.begin().expect("begin");
    let record = Record {
        topic: &web,
        partition: 0,
        key: Some(b"c1"),
        value: Some(b"{}"),
        headers: &[("ce_type".to_owned(), b"web.page.viewed".to_vec()), ("empty".to_owned(), Vec::new())],
        timestamp_ms: Some(1_700_000_000_123),
    };
    producer.send(&record).expect("sent");
    let tombstone = Record { value: None, key: None, headers: &[], ..record };
    producer.send(&tombstone).expect("sent");
    producer.commit().expect("commit");

    let mut seen = Vec::new();
    let mut consumer = FeedConsumer::assign(
        &properties(kafka.bootstrap(), &[("group.id", "reader")]),
        &[web],
        &[(at(0, 0), 0)],
        PATIENCE,
    )
    .expect("reader");
    poll_until(&mut consumer, &mut FromZero::default(), "two records", |consumer| {
        consumer.serve_within(0, 10, std::time::Duration::from_millis(10), &mut |item| {
            if let Item::Record(record) = item {
                let headers: Vec<_> =
                    record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
                let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
                seen.push((key, value, headers, record.timestamp));
            }
        });
        seen.len() >= 2
    });
    let time = Some(1_700_000_000_123);
    let headers = vec![("ce_type".to_owned(), b"web.page.viewed".to_vec()), ("empty".to_owned(), Vec::new())];
    assert_eq!(seen[0], (Some(b"c1".to_vec()), Some(b"{}".to_vec()), headers, time));
    assert_eq!(seen[1], (None, None, Vec::new(), time));
}

/// Commits where it stands when partitions are taken away, as a stream thread does.
struct CommitsOnRevoke {
    producer: TransactionalProducer,
    inner: FromZero,
}

impl Handler for CommitsOnRevoke {
    fn handle(&mut self, consumer: &mut FeedConsumer, rebalance: Rebalance<'_>) {
        if let Rebalance::Revoked(partitions) = rebalance {
            let offsets: Vec<_> = partitions
                .iter()
                .map(|at| TopicOffset {
                    topic: consumer.topic(at.feed).to_owned(),
                    partition: at.partition,
                    offset: 41 + i64::from(at.partition),
                    metadata: format!("seq={}", at.partition),
                })
                .collect();
            let group = consumer.group().expect("still a member");
            self.producer.begin().expect("begin");
            self.producer.send_offsets(&offsets, &group).expect("offsets are taken");
            self.producer.commit().expect("a commit inside the revocation");
        }
        self.inner.handle(consumer, rebalance);
    }
}

#[test]
fn a_task_commits_while_it_is_revoked_and_the_next_owner_sees_it() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let topics = [topic(kafka.bootstrap(), "web", 2), topic(kafka.bootstrap(), "social", 2)];
    let group = unique("group");
    let mut first = member(kafka.bootstrap(), &group, &topics);
    let mut handler =
        CommitsOnRevoke { producer: producer(kafka.bootstrap(), &unique("tx")), inner: FromZero::default() };
    poll_until(&mut first, &mut handler, "all four", |first| first.assigned().len() == 4);

    let mut second = member(kafka.bootstrap(), &group, &topics);
    let mut other = FromZero::default();
    poll_until(&mut first, &mut handler, "a half each", |first| {
        let _ = second.poll(std::time::Duration::from_millis(10), &mut |c, r| other.handle(c, r));
        first.assigned().len() == 2 && second.assigned().len() == 2
    });
    assert_eq!(handler.inner.revoked.len(), 4, "the classic protocol takes all back first");
    // Co-partitioning: the same partition number of both feeds.
    let numbers =
        |member: &FeedConsumer| -> Vec<i32> { member.assigned().iter().map(|at| at.partition).collect() };
    let (ours, theirs) = (numbers(&first), numbers(&second));
    assert_eq!(ours[0], ours[1]);
    assert_eq!(theirs[0], theirs[1]);
    assert_ne!(ours[0], theirs[0]);

    let partition = theirs[0];
    let committed = second.committed(&[at(0, partition), at(1, partition)]).expect("committed offsets");
    let expected =
        Some(CommittedOffset { offset: 41 + i64::from(partition), metadata: format!("seq={partition}") });
    assert_eq!(committed, [expected.clone(), expected]);

    // What was assigned twice still delivers through its feed's queue.
    let partition = ours[0];
    let mut writer = producer(kafka.bootstrap(), &unique("tx"));
    write(&mut writer, &topics[1], partition, &["again"]);
    let mut log = Vec::new();
    poll_until(&mut first, &mut handler, "the record after a rebalance", |first| {
        let _ = second.poll(std::time::Duration::ZERO, &mut |c, r| other.handle(c, r));
        served(first, 1, &mut log);
        log.contains(&format!("{partition}@0 again"))
    });

    // Leaving revokes too.
    first.leave(&mut |c, r| handler.handle(c, r)).expect("leave");
    assert_eq!(handler.inner.revoked.len(), 6);
    poll_until(&mut second, &mut other, "all of it", |second| second.assigned().len() == 4);
}

#[test]
fn an_offset_that_is_gone_is_an_error_for_an_operator() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let web = topic(kafka.bootstrap(), "web", 1);
    let mut writer = producer(kafka.bootstrap(), &unique("tx"));
    write(&mut writer, &web, 0, &["a"]);
    let mut consumer = FeedConsumer::assign(
        &properties(kafka.bootstrap(), &[("group.id", "reader")]),
        std::slice::from_ref(&web),
        &[(at(0, 0), 1_000)],
        PATIENCE,
    )
    .expect("reader");
    let mut log = Vec::new();
    poll_until(&mut consumer, &mut FromZero::default(), "the error", |consumer| {
        served(consumer, 0, &mut log);
        !log.is_empty()
    });
    assert_eq!(log, ["0 error AutoOffsetReset Exit"]);
}

#[test]
fn a_position_after_the_end_survives_hold_and_start() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let web = topic(kafka.bootstrap(), "web", 1);
    let mut writer = producer(kafka.bootstrap(), &unique("tx"));
    write(&mut writer, &web, 0, &["a"]);
    let mut consumer = FeedConsumer::assign(
        &properties(kafka.bootstrap(), &[("group.id", "reader")]),
        std::slice::from_ref(&web),
        &[(at(0, 0), 0)],
        PATIENCE,
    )
    .expect("reader");
    let mut none = FromZero::default();
    let mut log = Vec::new();
    poll_until(&mut consumer, &mut none, "the end", |consumer| {
        served(consumer, 0, &mut log);
        log.len() == 2
    });
    assert_eq!(log, ["0@0 a", "0 eof 2"]);
    consumer.hold(&[at(0, 0)]).expect("hold");
    write(&mut writer, &web, 0, &["b"]);
    let position = consumer.position(at(0, 0)).expect("known");
    consumer.start(&[(at(0, 0), position)]).expect("start");
    poll_until(&mut consumer, &mut none, "what came meanwhile", |consumer| {
        served(consumer, 0, &mut log);
        log.len() >= 4
    });
    assert_eq!(log[2..], ["0@2 b", "0 eof 4"]);
}

#[test]
fn a_forced_property_is_refused_by_name() {
    let user =
        properties("127.0.0.1:1", &[("group.id", "g"), ("partition.assignment.strategy", "roundrobin")]);
    let Err(fault) = FeedConsumer::subscribe(&user, &[], PATIENCE) else { panic!("it must be refused") };
    assert_eq!(fault.answer, Answer::Exit);
    assert!(fault.message.contains("partition.assignment.strategy=roundrobin"));
}

#[test]
fn a_record_ends_the_wait_of_a_poll() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let web = topic(kafka.bootstrap(), "web", 1);
    let settings = properties(kafka.bootstrap(), &[("group.id", "reader")]);
    let feeds = std::slice::from_ref(&web);
    let mut consumer = FeedConsumer::assign(&settings, feeds, &[(at(0, 0), 0)], PATIENCE).expect("reader");
    let mut none = FromZero::default();
    let mut log = Vec::new();
    poll_until(&mut consumer, &mut none, "the empty end", |consumer| {
        served(consumer, 0, &mut log);
        log == ["0 eof 0"]
    });
    // Takes what has rung so far.
    let _ = consumer.poll(std::time::Duration::from_millis(50), &mut |_, _| {});
    let mut writer = producer(kafka.bootstrap(), &unique("tx"));
    let start = std::time::Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| write(&mut writer, &web, 0, &["a"]));
        while log.len() < 2 {
            assert!(start.elapsed() < PATIENCE, "{log:?}");
            let _ = consumer.poll(2 * PATIENCE, &mut |_, _| {});
            consumer.serve(0, 1, &mut |item| {
                if let Item::Record(record) = item {
                    log.push(format!("{:?}", record.value));
                }
            });
        }
    });
    assert_eq!(log[1], format!("{:?}", Some(b"a")));
}
