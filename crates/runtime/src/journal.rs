//! The journal's records.
//!
//! A record's value: a version byte, the CRC-32C of what follows (4 bytes, little endian), the length of the packed
//! chunk (4 bytes, little endian), the chunk packed by LZ4. A chunk is a part of an entry in postcard: most entries have
//! one part; a large one is spread over several records, so that none passes 60 KB.

use cxwatch_engine::{Head, Piece, Settings, Verdict};
use cxwatch_event::Millis;
use serde::{Deserialize, Serialize};

/// The version of the format, and the first byte of every record.
pub const VERSION: u8 = 4;

/// What of an entry goes into one record at most, in bytes; with what LZ4 may add to it a record stays below 60 KB.
pub const PART_BYTES_MAX: usize = 57_000;

/// The engine's version: states and digests of another may differ. Raised with every change of meaning.
pub const ENGINE_VERSION: u32 = 4;

/// The rulebook and time settings in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The rulebook as it was written.
    pub source: String,
    /// Its hash.
    pub hash: [u8; 16],
    /// Time settings and limits.
    pub settings: Settings,
    /// By feed: its name, and the topic that it is read from. Everything that goes by feed is in this order.
    pub feeds: Vec<FeedTopic>,
}

/// A feed, where it is read from, and what its records mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedTopic {
    /// The feed's name.
    pub feed: String,
    /// The topic's.
    pub topic: String,
    /// By offset, ascending: the last is in force, those before it are of records whose events still wait. One at least.
    pub meanings: Vec<Meaning>,
}

/// What a feed's records mean from an offset on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// The first offset that is read so.
    pub from: i64,
    /// The mapping as it was written; `None`: they are CloudEvents.
    pub mapping: Option<String>,
}

impl FeedTopic {
    /// A feed whose records have meant the same from the first on.
    pub fn new(feed: &str, topic: &str, mapping: Option<String>) -> Self {
        FeedTopic {
            feed: feed.to_owned(),
            topic: topic.to_owned(),
            meanings: vec![Meaning { from: 0, mapping }],
        }
    }

    /// The mapping in force.
    pub fn mapping(&self) -> Option<&str> {
        self.meanings.last().and_then(|meaning| meaning.mapping.as_deref())
    }
}

impl Rules {
    /// Whether others would judge what comes in the same way.
    pub(crate) fn are(&self, others: &Rules) -> bool {
        let reads = |rules: &Rules| -> Vec<(String, String, Option<String>)> {
            let read = |f: &FeedTopic| (f.feed.clone(), f.topic.clone(), f.mapping().map(str::to_owned));
            rules.feeds.iter().map(read).collect()
        };
        self.hash == others.hash && self.settings == others.settings && reads(self) == reads(others)
    }

    /// These rules after others: what was read before keeps its meaning until no event of it waits. By the others' feeds:
    /// the oldest offset that an event waits of, and the next to read.
    pub(crate) fn after(&self, before: &Rules, waiting: &[(i64, i64)]) -> Rules {
        let mut rules = self.clone();
        for feed in &mut rules.feeds {
            let old = before.feeds.iter().zip(waiting).find(|(old, _)| old.feed == feed.feed);
            let Some((old, (oldest, next))) = old else { continue };
            let mapping = feed.mapping().map(str::to_owned);
            feed.meanings.clone_from(&old.meanings);
            if old.mapping() != mapping.as_deref() {
                feed.meanings.push(Meaning { from: *next, mapping });
            }
            let needed = feed.meanings.iter().rposition(|meaning| meaning.from <= *oldest);
            feed.meanings.drain(..needed.unwrap_or_default());
        }
        rules
    }
}

/// What only the first commit knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    /// By feed: where reading began.
    pub positions: Vec<i64>,
    /// Detections before this lead to no action.
    pub act_from: Millis,
}

/// What goes with every commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// Counts the task's commits from 1.
    pub seq: u64,
    /// The engine that wrote it.
    pub engine: u32,
    /// Who wrote it: a number that no other life of the task has. Two owners may both believe in a commit of one number.
    pub owner: [u8; 8],
    /// By feed: the offsets committed with it.
    pub offsets: Vec<i64>,
    /// The instant through which events and timers have been processed.
    pub instant: Millis,
    /// By feed: the next offset to read.
    pub positions: Vec<i64>,
    /// The digest there.
    pub digest: u64,
    /// Whatever the input cannot tell again, since the last commit.
    pub verdicts: Vec<Verdict>,
    /// The numbers of the decisions that came too late by the wall clock.
    pub expired: Vec<u64>,
    /// In the first.
    pub first: Option<First>,
    /// In the first, and where they have changed: in force from the commit before, its instant and read positions.
    pub rules: Option<Rules>,
    /// With them: the feeds that those before did not have, by their numbers, and where reading of each began.
    pub joined: Vec<(u8, i64)>,
}

/// The head of a snapshot: everything but the customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHead {
    /// The commit that it goes with, and the snapshot's name.
    pub seq: u64,
    /// The engine that wrote it.
    pub engine: u32,
    /// Detections before this lead to no action.
    pub act_from: Millis,
    /// In force.
    pub rules: Rules,
    /// The engine's state.
    pub head: Head,
    /// The desk's.
    pub desk: Vec<u8>,
}

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A commit.
    Commit(Box<CommitRecord>),
    /// The head of a snapshot.
    Head(Box<SnapshotHead>),
    /// Customers of a snapshot.
    Pieces {
        /// Which.
        snapshot: u64,
        /// Encoded, each.
        pieces: Vec<Vec<u8>>,
    },
    /// All of a snapshot has been written.
    End {
        /// Which.
        snapshot: u64,
    },
}

/// A journal that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Written by a version that this program does not know.
    #[error("a record of version {0}, this program reads version {VERSION}")]
    Version(u8),
    /// Damaged.
    #[error("a damaged record: {0}")]
    Damaged(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Commit,
    Head,
    Pieces,
    End,
}

#[derive(Serialize, Deserialize)]
struct Chunk<'a> {
    kind: Kind,
    seq: u64,
    part: u32,
    parts: u32,
    #[serde(borrow)]
    bytes: &'a [u8],
}

/// The records of a commit.
pub fn encode_commit(commit: &CommitRecord) -> Vec<Vec<u8>> {
    spread(Kind::Commit, commit.seq, &postcard_of(commit))
}

/// The records of a head.
pub fn encode_head(head: &SnapshotHead) -> Vec<Vec<u8>> {
    spread(Kind::Head, head.seq, &postcard_of(head))
}

/// The records of customers, many to a record.
pub fn encode_pieces(snapshot: u64, pieces: &[Piece]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut group: Vec<u8> = Vec::new();
    for piece in pieces {
        if !group.is_empty() && group.len() + 4 + piece.bytes.len() > PART_BYTES_MAX {
            records.append(&mut spread(Kind::Pieces, snapshot, &group));
            group.clear();
        }
        group.extend_from_slice(&length(&piece.bytes));
        group.extend_from_slice(&piece.bytes);
    }
    if !group.is_empty() {
        records.append(&mut spread(Kind::Pieces, snapshot, &group));
    }
    records
}

/// The record that ends a snapshot.
pub fn encode_end(snapshot: u64) -> Vec<u8> {
    record(&Chunk { kind: Kind::End, seq: snapshot, part: 0, parts: 1, bytes: &[] })
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("nothing that goes into a record has 4 GiB").to_le_bytes()
}

fn postcard_of<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("writing to memory does not fail")
}

fn spread(kind: Kind, seq: u64, bytes: &[u8]) -> Vec<Vec<u8>> {
    let parts = bytes.chunks(PART_BYTES_MAX);
    let count = parts.len() as u32;
    parts
        .enumerate()
        .map(|(part, bytes)| record(&Chunk { kind, seq, part: part as u32, parts: count, bytes }))
        .collect()
}

fn record(chunk: &Chunk<'_>) -> Vec<u8> {
    let plain = postcard_of(chunk);
    let packed = lz4_flex::block::compress(&plain);
    let mut body = Vec::with_capacity(packed.len() + 9);
    body.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
    body.extend_from_slice(&length(&plain));
    body.extend_from_slice(&packed);
    let sum = crc32c::crc32c(&body[5..]);
    body[1..5].copy_from_slice(&sum.to_le_bytes());
    body
}

/// Puts entries together from records, in the order of the journal.
#[derive(Debug, Default)]
pub struct Assembler {
    /// Of the entry whose parts are coming in: how many have, and their bytes.
    parts: u32,
    bytes: Vec<u8>,
}

impl Assembler {
    /// Takes a record; an entry if it was the last of one. A journal whose beginning was deleted may begin in the midst
    /// of an entry: parts without their beginning are passed over.
    pub fn take(&mut self, record: &[u8]) -> Result<Option<Entry>, Unreadable> {
        let plain = unpack(record)?;
        let chunk: Chunk<'_> =
            postcard::from_bytes(&plain).map_err(|_| Unreadable::Damaged("no chunk of an entry"))?;
        if chunk.part == 0 {
            self.parts = 0;
            self.bytes.clear();
        } else if chunk.part != self.parts {
            return Ok(None);
        }
        self.parts += 1;
        self.bytes.extend_from_slice(chunk.bytes);
        if self.parts < chunk.parts {
            return Ok(None);
        }
        self.parts = 0;
        let bytes = std::mem::take(&mut self.bytes);
        entry(chunk.kind, chunk.seq, &bytes).map(Some)
    }
}

fn entry(kind: Kind, seq: u64, bytes: &[u8]) -> Result<Entry, Unreadable> {
    Ok(match kind {
        Kind::Commit => Entry::Commit(parse(bytes, "no commit")?),
        Kind::Head => Entry::Head(parse(bytes, "no head of a snapshot")?),
        Kind::Pieces => Entry::Pieces { snapshot: seq, pieces: split(bytes)? },
        Kind::End => Entry::End { snapshot: seq },
    })
}

fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8], what: &'static str) -> Result<Box<T>, Unreadable> {
    postcard::from_bytes(bytes).map(Box::new).map_err(|_| Unreadable::Damaged(what))
}

fn split(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, Unreadable> {
    const CUT: Unreadable = Unreadable::Damaged("a customer is cut off");
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(CUT)?;
        let (piece, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(CUT)?;
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    Ok(pieces)
}

fn unpack(record: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (version, rest) = record.split_first().ok_or(Unreadable::Damaged("it is empty"))?;
    if *version != VERSION {
        return Err(Unreadable::Version(*version));
    }
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or(Unreadable::Damaged("it is cut off"))?;
    if crc32c::crc32c(rest) != u32::from_le_bytes(*sum) {
        return Err(Unreadable::Damaged("its checksum is wrong"));
    }
    let (length, packed) = rest.split_first_chunk::<4>().ok_or(Unreadable::Damaged("it is cut off"))?;
    let length = u32::from_le_bytes(*length) as usize;
    // What a part and its chunk's head can come to: a longer one would only exhaust memory.
    if length > PART_BYTES_MAX + 64 {
        return Err(Unreadable::Damaged("its length is impossible"));
    }
    lz4_flex::block::decompress(packed, length).map_err(|_| Unreadable::Damaged("it cannot be unpacked"))
}

#[cfg(test)]
mod tests;
