//! Transactions, the journal's end and the proof of being caught up, against Apache Kafka.

use std::time::{Duration, Instant};

use crate::support::kafka_server::KafkaServer;
use crate::support::*;
use cxwatch_kafka::admin::{Admin, OffsetOf};
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::end_offsets::EndOffsetsWatch;
use cxwatch_kafka::journal_reader::{journal_bounds, read_journal};
use cxwatch_kafka::producer::{TopicOffset, TransactionalProducer};
use cxwatch_runtime::ports::{Answer, JournalBounds, Source};

fn values(bootstrap: &str, topic: &str) -> Vec<String> {
    let reader = properties(bootstrap, &[("group.id", "reader")]);
    let mut values = Vec::new();
    read_journal(&reader, topic, 0, 0, PATIENCE, &mut |record| {
        values.push(String::from_utf8(record.value.expect("a value").to_vec()).expect("text"));
    })
    .expect("the journal is read");
    values
}

#[test]
fn an_aborted_transaction_is_sent_again_and_seen_once() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let journal = topic(kafka.bootstrap(), "journal", 1);
    let mut producer = producer(kafka.bootstrap(), &unique("tx"));
    producer.begin().expect("begin");
    for index in 0..5_000 {
        send(&mut producer, &journal, 0, &format!("{index}"));
    }
    // With messages in flight the client's own abort would hang until its time is up.
    let start = Instant::now();
    producer.abort().expect("abort");
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    // What was thrown away may have left a gap, which the client sees only now: then this one is sent again, too.
    let mut tries = 0;
    loop {
        producer.begin().expect("begin");
        ["x", "y"].iter().for_each(|value| send(&mut producer, &journal, 0, value));
        let Err(fault) = producer.commit() else { break };
        tries += 1;
        assert!(fault.answer == Answer::Abort && tries < 3, "{fault}");
        producer.abort().expect("abort");
    }
    assert_eq!(values(kafka.bootstrap(), &journal), ["x", "y"]);
}

#[test]
fn a_commit_with_records_in_flight_does_not_wait_in_steps_of_100_ms() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let journal = topic(kafka.bootstrap(), "journal", 1);
    let mut producer = producer(kafka.bootstrap(), &unique("tx"));
    write(&mut producer, &journal, 0, &["warm"]);
    let mut took: Vec<Duration> = (0..21)
        .map(|_| {
            producer.begin().expect("begin");
            for _ in 0..100 {
                send(&mut producer, &journal, 0, "record");
            }
            let done = producer.commit().expect("commit");
            assert!(!done.renew);
            done.took
        })
        .collect();
    took.sort();
    // Without the drain not one of them would be quicker than a step.
    assert!(took[0] < Duration::from_millis(100), "{took:?}");
}

#[test]
fn a_second_producer_of_the_same_name_fences_the_first() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let journal = topic(kafka.bootstrap(), "journal", 1);
    let id = unique("tx");
    let mut zombie = producer(kafka.bootstrap(), &id);
    zombie.begin().expect("begin");
    send(&mut zombie, &journal, 0, "zombie");
    let mut heir = producer(kafka.bootstrap(), &id);
    let fault = zombie.commit().expect_err("fenced");
    assert_eq!(fault.answer, Answer::CloseDirty, "{fault}");
    write(&mut heir, &journal, 0, &["heir"]);
    assert_eq!(values(kafka.bootstrap(), &journal), ["heir"]);
}

#[test]
fn offsets_of_a_member_that_is_no_longer_one_are_refused() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let web = topic(kafka.bootstrap(), "web", 1);
    let journal = topic(kafka.bootstrap(), "journal", 1);
    let group = unique("group");
    let member = || {
        let properties = properties(
            kafka.bootstrap(),
            &[("group.id", group.as_str()), ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "200")],
        );
        FeedConsumer::subscribe(&properties, std::slice::from_ref(&web), PATIENCE).expect("member")
    };
    let mut first = member();
    let mut handler = FromZero::default();
    poll_until(&mut first, &mut handler, "assignment", |first| !first.assigned().is_empty());
    let old = first.group().expect("member");
    first.leave(&mut |c, r| handler.handle(c, r)).expect("leave");
    let mut second = member();
    poll_until(&mut second, &mut handler, "the heir", |second| !second.assigned().is_empty());

    let mut zombie = producer(kafka.bootstrap(), &unique("tx"));
    let offsets = [TopicOffset { topic: web.clone(), partition: 0, offset: 7, metadata: "seq=1".into() }];
    zombie.begin().expect("begin");
    send(&mut zombie, &journal, 0, "zombie");
    let fault = zombie
        .send_offsets(&offsets, &old)
        .and_then(|()| zombie.commit().map(|_| ()))
        .expect_err("an old generation");
    assert_eq!(fault.answer, Answer::Abort, "{fault}");
    zombie.abort().expect("abort");

    // The same producer works for a member of today.
    let new = second.group().expect("member");
    zombie.begin().expect("begin");
    send(&mut zombie, &journal, 0, "heir");
    zombie.send_offsets(&offsets, &new).expect("offsets");
    zombie.commit().expect("commit");
    let committed = second.committed(&[at(0, 0)]).expect("committed");
    assert_eq!(committed[0].as_ref().map(|c| (c.offset, c.metadata.as_str())), Some((7, "seq=1")));
    assert_eq!(values(kafka.bootstrap(), &journal), ["heir"]);
}

#[test]
fn committed_offsets_wait_for_an_open_transaction() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let web = topic(kafka.bootstrap(), "web", 1);
    let properties = properties(kafka.bootstrap(), &[("group.id", &unique("group"))]);
    let mut member = FeedConsumer::subscribe(&properties, std::slice::from_ref(&web), Duration::from_secs(2))
        .expect("member");
    poll_until(&mut member, &mut FromZero::default(), "assignment", |member| !member.assigned().is_empty());
    let mut producer = producer(kafka.bootstrap(), &unique("tx"));
    let offsets = [TopicOffset { topic: web, partition: 0, offset: 3, metadata: String::new() }];
    producer.begin().expect("begin");
    let group = member.group().expect("member");
    producer.send_offsets(&offsets, &group).expect("offsets");
    let fault = member.committed(&[at(0, 0)]).expect_err("undecided");
    assert_eq!(fault.answer, Answer::Retry, "{fault}");
    producer.commit().expect("commit");
    let committed = member.committed(&[at(0, 0)]).expect("decided");
    assert_eq!(committed[0].as_ref().map(|committed| committed.offset), Some(3));
}

#[test]
fn the_high_watermark_shows_what_an_open_transaction_hides_and_the_journal_waits_for_it() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let journal = topic(kafka.bootstrap(), "journal", 2);
    let common = properties(kafka.bootstrap(), &[("group.id", "reader")]);
    let mut producer = producer(kafka.bootstrap(), &unique("tx"));
    write(&mut producer, &journal, 0, &["a"]);
    producer.begin().expect("begin");
    send(&mut producer, &journal, 0, "open");
    let deadline = Instant::now() + PATIENCE;
    let admin = Admin::new(&common, PATIENCE).expect("admin");
    while admin.offsets(&journal, 2, OffsetOf::End).expect("ends")[0] < 3 {
        assert!(Instant::now() < deadline, "the open record never arrives");
        producer.poll().expect("alive");
    }
    assert_eq!(admin.offsets(&journal, 2, OffsetOf::End).expect("ends"), [3, 0]);
    assert_eq!(admin.offsets(&journal, 2, OffsetOf::StableEnd).expect("ends"), [2, 0]);

    let clock = std::sync::atomic::AtomicI64::new(100);
    let tick = move || clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let watch = EndOffsetsWatch::spawn(&common, vec![(journal.clone(), 2)], Duration::from_millis(10), tick)
        .expect("watch");
    let answer = watch.wait_for(102, PATIENCE).expect("answers");
    assert!(answer.sent_at >= 102);
    assert_eq!(answer.ends, [(0, 0, 3), (0, 1, 0)]);

    let fault = read_journal(&common, &journal, 0, 0, Duration::from_millis(300), &mut |_| {})
        .expect_err("the end is undecided");
    assert_eq!((fault.answer, fault.code.as_str()), (Answer::Retry, "OperationTimedOut"));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| values(kafka.bootstrap(), &journal));
        producer.commit().expect("commit");
        assert_eq!(reading.join().expect("reads"), ["a", "open"]);
    });
    let bounds = journal_bounds(&common, &journal, 0, PATIENCE).expect("bounds");
    assert_eq!(bounds, JournalBounds { start: 0, end: 4 });
    let (answers, failures, fault) = watch.health();
    assert!(answers > 0 && failures == 0 && fault.is_none());
}

#[test]
fn a_transaction_that_its_producer_abandoned_is_waited_out() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let journal = topic(kafka.bootstrap(), "journal", 1);
    let short = ["transaction.timeout.ms", "socket.timeout.ms", "message.timeout.ms"];
    let settings = properties(kafka.bootstrap(), &short.map(|name| (name, "2000")));
    let mut zombie = TransactionalProducer::new(&settings, &unique("tx"), PATIENCE).expect("producer");
    zombie.begin().expect("begin");
    send(&mut zombie, &journal, 0, "never decided");
    let admin = Admin::new(&properties(kafka.bootstrap(), &[]), PATIENCE).expect("admin");
    let deadline = Instant::now() + PATIENCE;
    while admin.offset(&journal, 0, OffsetOf::End).expect("end") < 1 {
        assert!(Instant::now() < deadline, "the record never arrives");
        zombie.poll().expect("alive");
    }
    drop(zombie);
    assert_eq!(values(kafka.bootstrap(), &journal), [""; 0]);
    // Its end is decided now: an abort marker follows the record.
    assert_eq!(admin.offset(&journal, 0, OffsetOf::StableEnd).expect("end"), 2);
}

#[test]
fn a_commit_that_a_dead_broker_leaves_open_is_ambiguous_and_can_be_repeated() {
    let Some(mut kafka) = KafkaServer::start_or_skip(&[]) else { return };
    let journal = topic(kafka.bootstrap(), "journal", 1);
    let mut producer = TransactionalProducer::new(
        &properties(kafka.bootstrap(), &[("transaction.timeout.ms", "60000")]),
        "tx",
        Duration::from_secs(3),
    )
    .expect("producer");
    producer.begin().expect("begin");
    send(&mut producer, &journal, 0, "a");
    let admin = Admin::new(&properties(kafka.bootstrap(), &[]), PATIENCE).expect("admin");
    let deadline = Instant::now() + PATIENCE;
    while admin.offsets(&journal, 1, OffsetOf::End).expect("ends")[0] < 1 {
        assert!(Instant::now() < deadline, "the record never arrives");
        producer.poll().expect("alive");
    }
    kafka.kill();
    let fault = producer.commit().expect_err("nobody answers");
    assert!(matches!(fault.answer, Answer::Ambiguous | Answer::Retry), "{fault}");
    kafka.restart(&[]);
    let deadline = Instant::now() + PATIENCE;
    let done = loop {
        match producer.commit() {
            Ok(done) => break done,
            Err(fault) => {
                assert!(matches!(fault.answer, Answer::Ambiguous | Answer::Retry), "{fault}");
                assert!(Instant::now() < deadline, "{fault}");
            }
        }
    };
    let _ = done;
    assert_eq!(values(kafka.bootstrap(), &journal), ["a"]);
}
