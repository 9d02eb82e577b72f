use super::*;
use cxwatch_engine::{Blindness, BufferedRef, FeedState};

fn feed(meanings: &[(i64, Option<&str>)]) -> FeedTopic {
    let meaning =
        |(from, mapping): &(i64, Option<&str>)| Meaning { from: *from, mapping: mapping.map(str::to_owned) };
    FeedTopic { meanings: meanings.iter().map(meaning).collect(), ..FeedTopic::new("web", "web.v1", None) }
}

fn rules() -> Rules {
    Rules {
        source: "rulebook: shop".into(),
        hash: [7; 16],
        settings: Settings::new(2),
        feeds: vec![feed(&[(0, None), (70, Some("mapping: calls"))])],
    }
}

fn commit() -> CommitRecord {
    CommitRecord {
        seq: 3,
        engine: 1,
        owner: [1, 2, 3, 4, 5, 6, 7, 8],
        offsets: vec![4, 5],
        instant: 1_000,
        positions: vec![6, 5],
        digest: 0x0102_0304_0506_0708,
        verdicts: vec![
            Verdict::Proof { feed: 0, position: 6, watermark: 2_000 },
            Verdict::Blind { instant: 990, feed: 1, position: 5, why: Blindness::Silent },
            Verdict::Refused { feed: 1, offset: 4, sub: 2 },
        ],
        expired: vec![9],
        first: None,
        rules: None,
        joined: vec![(1, 77)],
    }
}

fn head() -> SnapshotHead {
    let feed = FeedState { watermark: 900, position: 6, blind: Some(Blindness::Stalled) };
    let buffered = (0..30_000).map(|i| BufferedRef { feed: 0, offset: i * 7919, sub: 0, at: i * 104_729 });
    SnapshotHead {
        seq: 3,
        engine: 1,
        act_from: 5,
        rules: rules(),
        head: Head {
            instant: 1_000,
            feeds: vec![feed, feed],
            buffered: buffered.collect(),
            digest: 1,
            dead_digests: vec![0, 1],
        },
        desk: vec![1, 2, 3],
    }
}

fn assemble(records: &[Vec<u8>]) -> Vec<Entry> {
    let mut assembler = Assembler::default();
    records.iter().filter_map(|r| assembler.take(r).expect("readable")).collect()
}

#[test]
fn what_was_written_is_read() {
    let pieces: Vec<Piece> = (0u8..200).map(|i| Piece { bytes: vec![i; 700] }).collect();
    let mut records = encode_commit(&commit());
    records.extend(encode_pieces(2, &pieces));
    records.push(encode_end(2));
    let entries = assemble(&records);
    assert_eq!(entries[0], Entry::Commit(Box::new(commit())));
    assert_eq!(*entries.last().expect("an entry"), Entry::End { snapshot: 2 });
    let read: Vec<Vec<u8>> = entries
        .iter()
        .filter_map(|e| match e {
            Entry::Pieces { snapshot: 2, pieces } => Some(pieces.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(read, pieces.into_iter().map(|p| p.bytes).collect::<Vec<_>>());
}

#[test]
fn large_entries_are_spread_over_records_of_60_kb() {
    // Bytes that LZ4 cannot pack.
    let mut x = 1u64;
    let mut noise = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (x >> 56) as u8
    };
    let piece = Piece { bytes: (0..200_000).map(|_| noise()).collect() };
    let mut records = encode_head(&head());
    records.extend(encode_pieces(3, std::slice::from_ref(&piece)));
    assert!(records.len() > 5, "{} records", records.len());
    assert!(records.iter().all(|r| r.len() <= 60_000));
    let entries = assemble(&records);
    assert_eq!(entries[0], Entry::Head(Box::new(head())));
    assert_eq!(entries[1], Entry::Pieces { snapshot: 3, pieces: vec![piece.bytes] });
    // The beginning was deleted.
    assert_eq!(assemble(&records[1..]).len(), 1);
}

#[test]
fn damage_is_seen() {
    let good = encode_end(2);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(Assembler::default().take(&bad).is_err(), "byte {at}");
    }
    for length in 0..good.len() {
        assert!(Assembler::default().take(&good[..length]).is_err(), "cut at {length}");
    }
    assert_eq!(Assembler::default().take(&[9]), Err(Unreadable::Version(9)));
}

/// These bytes lie in journals: whoever can no longer read them, or writes others, must raise the version. (How well
/// they are packed is LZ4's affair.)
#[test]
fn the_bytes_of_version_4() {
    let golden = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
    };
    for (hex, entry, written) in [
        (GOLDEN_COMMIT, Entry::Commit(Box::new(commit())), encode_commit(&commit()).remove(0)),
        (GOLDEN_END, Entry::End { snapshot: 300 }, encode_end(300)),
    ] {
        let read = Assembler::default().take(&golden(hex)).expect("readable");
        assert_eq!(read, Some(entry));
        assert_eq!(unpack(&written), unpack(&golden(hex)));
    }
}

const GOLDEN_COMMIT: &str = "048145306938000000f02900030001330301010203040506070802080ad00f020c0a888e98a8c0e08081010300000ca01f03bc0f010a01060108020109000001019a01";
const GOLDEN_END: &str = "04ac3c7c58060000006003ac02000100";

/// The rules of before, whose feed has been read to 90 with its oldest waiting event at `oldest`, and then these.
fn after(before: &[(i64, Option<&str>)], oldest: i64, now: Option<&str>) -> FeedTopic {
    let before = Rules { feeds: vec![feed(before)], ..rules() };
    let now = Rules { feeds: vec![FeedTopic::new("web", "web.v1", now.map(str::to_owned))], ..rules() };
    now.after(&before, &[(oldest, 90)]).feeds.remove(0)
}

#[test]
fn a_record_keeps_the_meaning_that_it_was_first_read_with() {
    assert_eq!(after(&[(0, None)], 80, Some("b")), feed(&[(0, None), (90, Some("b"))]));
    let twice = [(0, Some("a")), (85, Some("b")), (90, Some("a"))];
    assert_eq!(after(&twice[..2], 80, Some("a")), feed(&twice), "and back");
    // Nothing waits that was read before.
    assert_eq!(after(&[(0, None)], 90, Some("b")), feed(&[(90, Some("b"))]));
    assert_eq!(after(&twice[..2], 85, Some("b")), feed(&twice[1..2]));
    assert_eq!(after(&twice[..2], 85, None), feed(&[(85, Some("b")), (90, None)]));
    assert_eq!(after(&twice[..2], 84, Some("b")), feed(&twice[..2]));
}

#[test]
fn rules_are_the_same_where_they_read_the_same_from_now_on() {
    let with = |meanings: &[(i64, Option<&str>)]| Rules { feeds: vec![feed(meanings)], ..rules() };
    assert!(with(&[(0, None), (90, Some("b"))]).are(&with(&[(0, Some("b"))])));
    assert!(!with(&[(0, Some("b")), (90, None)]).are(&with(&[(0, Some("b"))])));
}
