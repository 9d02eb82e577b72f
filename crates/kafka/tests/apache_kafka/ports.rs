//! A stream thread's whole round through the runtime's ports, against Apache Kafka.

use std::time::{Duration, Instant};

use crate::support::kafka_server::KafkaServer;
use crate::support::*;
use cxwatch_kafka::consumer::FeedConsumer;
use cxwatch_kafka::end_offsets::EndOffsetsWatch;
use cxwatch_kafka::ports::{KafkaJournal, KafkaRereader, KafkaSink, TopicNames};
use cxwatch_runtime::ports::{
    Answer, Ends, FeedReader, Item, JournalStore, OffsetCommit, Outgoing, ReadFrom, Rereader, Sink, Source,
    Topic,
};

fn names(bootstrap: &str) -> TopicNames {
    TopicNames {
        actions: topic(bootstrap, "actions", 2),
        suppressions: topic(bootstrap, "suppressions", 2),
        incidents: topic(bootstrap, "incidents", 2),
        dead_letters: topic(bootstrap, "dead-letters", 2),
        journal: topic(bootstrap, "journal", 2),
    }
}

fn outgoing<'a>(topic: Topic, value: &'a [u8], headers: &'a [(String, Vec<u8>)]) -> Outgoing<'a> {
    Outgoing { topic, partition: 1, key: Some(b"c1"), value: Some(value), headers }
}

#[test]
fn effects_journal_and_offsets_move_in_one_transaction() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let bootstrap = kafka.bootstrap();
    let feeds = [topic(bootstrap, "social", 2), topic(bootstrap, "web", 2)];
    let topics = names(bootstrap);
    let mut writer = producer(bootstrap, &unique("upstream"));
    write(&mut writer, &feeds[1], 1, &["a", "b"]);

    let group = unique("group");
    let settings = properties(bootstrap, &[("group.id", group.as_str()), ("session.timeout.ms", "6000")]);
    let watch = EndOffsetsWatch::spawn(
        &settings,
        feeds.iter().map(|feed| (feed.clone(), 2)).collect(),
        Duration::from_millis(20),
        || 5,
    )
    .expect("watch");
    let mut source = FeedConsumer::subscribe(&settings, &feeds, PATIENCE).expect("member");
    let mut handler = FromZero::default();
    poll_until(&mut source, &mut handler, "assignment", |source| source.assigned().len() == 4);
    let mut read = Vec::new();
    poll_until(&mut source, &mut handler, "both records", |source| {
        source.serve(1, 10, &mut |item| {
            if let Item::Record(record) = item {
                read.push((record.partition, record.offset));
            }
        });
        read.len() == 2
    });
    assert_eq!(read, [(1, 0), (1, 1)]);

    let empty = properties(bootstrap, &[]);
    let id = unique("thread");
    let mut sink = KafkaSink::new(&empty, &id, topics.clone(), &feeds, PATIENCE).expect("sink");
    let headers = [("ce_type".to_owned(), b"action.requested".to_vec())];
    let at = at(1, 1);
    let offsets = [OffsetCommit { at, offset: 2, metadata: "seq=1".to_owned() }];
    for round in 0..2 {
        sink.begin().expect("begin");
        sink.send(&outgoing(Topic::Actions, b"call", &headers)).expect("action");
        sink.send(&outgoing(Topic::Journal, b"commit 1", &[])).expect("journal");
        sink.send_offsets(&offsets, &source.group().expect("member")).expect("offsets");
        if round == 0 {
            sink.abort().expect("abort");
            assert_eq!(source.committed(&[at]).expect("committed"), [None]);
            // As after a commit of unknown outcome.
            sink.renew().expect("renew");
        }
    }
    sink.commit().expect("commit");
    let committed = source.committed(&[at]).expect("committed");
    assert_eq!(committed[0].as_ref().map(|c| (c.offset, c.metadata.as_str())), Some((2, "seq=1")));

    let mut journal = KafkaJournal::new(&settings, &topics.journal, PATIENCE).expect("journal");
    let mut records = Vec::new();
    let bounds =
        journal.read(1, 0, &mut |offset, value| records.push((offset, value.to_vec()))).expect("read");
    assert_eq!(records.len(), 1, "the aborted one is not seen: {records:?}");
    assert_eq!(records[0].1, b"commit 1");
    assert_eq!(journal.read(1, bounds.end, &mut |_, _| panic!("nothing there")).expect("read").start, 0);
    journal.delete_before(1, records[0].0).expect("deleted");
    assert_eq!(journal.bounds(1).expect("bounds").start, records[0].0);

    let mut ends = watch.view();
    let deadline = Instant::now() + PATIENCE;
    // Both records and the marker of their transaction.
    while ends.latest().is_none_or(|ends| !ends.ends.contains(&(1, 1, 3))) {
        assert!(Instant::now() < deadline, "no end offsets");
        source.poll(Duration::from_millis(5), &mut |c, r| handler.handle(c, r)).expect("poll");
    }
    assert_eq!(ends.latest().expect("there").sent_at, 5);
    source.leave(&mut |c, r| handler.handle(c, r)).expect("leave");
}

#[test]
fn a_task_reads_its_feeds_again_and_is_told_when_input_is_gone() {
    let Some(kafka) = KafkaServer::shared() else { return };
    let bootstrap = kafka.bootstrap();
    let feeds = [topic(bootstrap, "social", 2), topic(bootstrap, "web", 2)];
    let mut writer = producer(bootstrap, &unique("upstream"));
    write(&mut writer, &feeds[0], 1, &["s"]);
    write(&mut writer, &feeds[1], 1, &["a", "b"]);
    let settings = properties(bootstrap, &[("group.id", "restore")]);
    let mut rereader = KafkaRereader::new(&settings, PATIENCE).expect("rereader");
    let mut offsets =
        |from| feeds.iter().map(|feed| rereader.offset(feed, 1, from)).collect::<Result<Vec<_>, _>>();
    assert_eq!(offsets(ReadFrom::Earliest).expect("offsets"), [0, 0]);
    let deadline = Instant::now() + PATIENCE;
    while offsets(ReadFrom::Latest).expect("offsets") != [2, 3] {
        assert!(Instant::now() < deadline, "the markers never come");
    }
    assert_eq!(offsets(ReadFrom::Time(0)).expect("offsets"), [0, 0]);
    assert_eq!(offsets(ReadFrom::Time(i64::MAX / 2)).expect("offsets"), [2, 3]);

    let mut lines = Vec::new();
    let mut reader = rereader.open(1, &[(&feeds[0], 0), (&feeds[1], 1)]).expect("reader");
    for feed in [1, 0] {
        let deadline = Instant::now() + PATIENCE;
        while !lines.last().is_some_and(|line: &String| line.starts_with(&format!("{feed} eof"))) {
            assert!(Instant::now() < deadline, "{lines:?}");
            reader.read(feed, 10, Duration::from_millis(20), &mut |item| {
                lines.push(match item {
                    Item::Record(record) => format!("{feed} {}@{}", record.partition, record.offset),
                    Item::Eof { position, .. } => format!("{feed} eof {position}"),
                    Item::Error { fault, .. } => panic!("{fault}"),
                });
            });
        }
    }
    assert_eq!(lines, ["1 1@1", "1 eof 3", "0 1@0", "0 eof 2"]);

    let mut reader = rereader.open(1, &[(&feeds[0], 0), (&feeds[1], 99)]).expect("reader");
    let mut fault = None;
    let deadline = Instant::now() + PATIENCE;
    while fault.is_none() {
        assert!(Instant::now() < deadline, "no error");
        reader.read(1, 10, Duration::from_millis(20), &mut |item| {
            if let Item::Error { fault: error, .. } = item {
                fault = Some(error.answer);
            }
        });
    }
    assert_eq!(fault, Some(Answer::Exit));
}
