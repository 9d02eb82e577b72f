//! Files as records of feeds, read in an order that keeps the feeds together in time.

use super::Original;
use super::input::{self, BytesRead, Input};
use super::lines::{Line, Lines};
use anyhow::{Context, Result, bail};
use cxwatch_event::mapping::{Mapping, Refusal, Rows, Section};
use cxwatch_event::{Decoder, Interest, Millis, Reason, Record, Rejection};
use cxwatch_rulebook::{FeedIx, FeedSet, Rulebook};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// One pass over one file.
pub(crate) struct Pass<'m> {
    pub(crate) path: PathBuf,
    /// How its rows become events; without, its lines are CloudEvents.
    pub(crate) section: Option<&'m Section>,
    /// The feeds it may hold events of.
    pub(crate) feeds: FeedSet,
}

/// A record, and where it stands.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) feed: Option<FeedIx>,
    /// The line in its file, or the offset in its partition.
    pub(crate) line: u64,
    /// Of a topic: the partition it lies in.
    pub(crate) partition: Option<usize>,
    pub(crate) record: Record,
    pub(crate) rejected: Vec<Refusal>,
}

/// What reads a pass.
enum Reader<'m> {
    Lines { lines: Lines<Input>, heartbeats: Option<FeedIx> },
    Rows { rows: Rows<'m, Input>, feed: FeedIx },
}

impl<'m> Reader<'m> {
    fn open(pass: &Pass<'m>, book: &Rulebook, bytes: &BytesRead) -> Result<Self> {
        let input = input::open(&pass.path, bytes)?;
        let name = pass.path.display();
        let Some(section) = pass.section else {
            // A file named after a feed says where its heartbeats belong, also before its first event.
            let stem = pass.path.file_name().and_then(|n| n.to_str()).and_then(|n| n.split('.').next());
            let heartbeats = stem.and_then(|stem| book.feed_named(stem));
            return Ok(Reader::Lines { lines: Lines::new(input), heartbeats });
        };
        let feed = book.feed_named(&section.feed).with_context(|| {
            format!("the mapping's feed {} has no type in the rulebook's catalogue", section.feed)
        })?;
        let rows = section.read(input).with_context(|| format!("cannot read {name}"))?;
        let rows = rows.map_err(|rejection| anyhow::anyhow!("{name}: {rejection}"))?;
        Ok(Reader::Rows { rows, feed })
    }

    /// The next record; false at the end.
    fn next(
        &mut self,
        decoder: &Decoder,
        interest: &Interest,
        homes: &Homes,
        out: &mut Taken,
    ) -> std::io::Result<bool> {
        out.rejected.clear();
        match self {
            Reader::Lines { lines, heartbeats } => {
                let Some((number, line)) = lines.next()? else { return Ok(false) };
                out.line = number;
                let fate = match line {
                    Line::Text(line) => decoder.decode_at_home(line, &mut out.record),
                    Line::TooLong => Err(too_long(out)),
                };
                out.feed = match fate {
                    Ok(kind) => match homes.0[usize::from(kind.0)] {
                        Some(feed) => {
                            *heartbeats = Some(feed);
                            Some(feed)
                        }
                        None => heartbeats.or_else(|| {
                            out.rejected.push(Refusal { sub: None, rejection: homeless() });
                            out.record.times.clear();
                            None
                        }),
                    },
                    Err(rejection) => {
                        out.rejected.push(Refusal { sub: None, rejection });
                        None
                    }
                };
                Ok(true)
            }
            Reader::Rows { rows, feed } => {
                let Some(mapped) = rows.next(interest)? else { return Ok(false) };
                out.feed = Some(*feed);
                out.line = mapped.line;
                out.record = mapped.record;
                out.rejected = mapped.rejected;
                Ok(true)
            }
        }
    }
}

/// The feed of every type.
struct Homes(Vec<Option<FeedIx>>);

fn too_long(out: &mut Taken) -> Rejection {
    out.record.events.clear();
    out.record.times.clear();
    let expected = format!("more than {} bytes in one line", cxwatch_event::decode::VALUE_BYTES_MAX);
    Rejection { reason: Reason::TooLarge, place: "value".into(), expected }
}

fn homeless() -> Rejection {
    let expected = "a heartbeat before any event: name the file after its feed (web.jsonl)".into();
    Rejection { reason: Reason::WrongFeed, place: "/type".into(), expected }
}

/// Files that share feeds: read one after the other.
struct Lane<'m> {
    passes: VecDeque<Pass<'m>>,
    reader: Option<Reader<'m>>,
    newest: Millis,
}

/// All input.
pub(crate) struct Source<'m> {
    lanes: Vec<Lane<'m>>,
    decoder: Decoder,
    interest: Interest,
    homes: Homes,
    bytes: BytesRead,
    present: FeedSet,
    current: usize,
}

/// Bounded input, record by record.
pub(crate) trait Records {
    /// Reads on.
    fn next(&mut self, book: &Rulebook, out: &mut Taken) -> Result<Step>;

    /// The file, or topic, in which the last record stands.
    fn path(&self) -> &Path;

    /// The last record as it stands there.
    fn original(&self) -> Original<'_>;

    /// The feeds that it may hold events of.
    fn present(&self) -> FeedSet;

    /// How much of it has been passed: bytes of files, or offsets of topics.
    fn passed(&self) -> u64;

    /// The task that the record belongs to; `None`: its customers tell.
    fn task(&self, taken: &Taken) -> Option<usize>;
}

/// What [`Records::next`] came to.
pub(crate) enum Step {
    /// A record lies in the [`Taken`].
    Record,
    /// Nothing is left of this partition of a feed, which is a task of its own.
    PartitionEnded(FeedIx, usize),
    /// A pass is over; these feeds have no input left.
    Ended(FeedSet),
    /// All input has been read.
    Done,
}

impl<'m> Source<'m> {
    pub(crate) fn new(passes: Vec<Pass<'m>>, book: &Rulebook, interest: Interest, bytes: BytesRead) -> Self {
        let decoder = Decoder::new(book.catalogue.clone(), interest.clone());
        let homes = Homes(book.feed_of_type.clone());
        let present = passes.iter().fold(FeedSet::default(), |set, pass| set.union(pass.feeds));
        Source { lanes: lanes(passes), decoder, interest, homes, bytes, present, current: 0 }
    }
}

impl Records for Source<'_> {
    fn present(&self) -> FeedSet {
        self.present
    }

    fn passed(&self) -> u64 {
        self.bytes.get()
    }

    fn task(&self, _: &Taken) -> Option<usize> {
        None
    }

    fn path(&self) -> &Path {
        self.lanes[self.current].passes.front().map_or(Path::new(""), |pass| &pass.path)
    }

    fn original(&self) -> Original<'_> {
        let line = match &self.lanes[self.current].reader {
            Some(Reader::Lines { lines, .. }) => lines.last(),
            Some(Reader::Rows { rows, .. }) => rows.raw(),
            None => &[],
        };
        Original { value: Some(line).filter(|line| !line.is_empty()), ..Original::default() }
    }

    /// From the lane that is least advanced in time, so that no feed runs far ahead of the others.
    fn next(&mut self, book: &Rulebook, out: &mut Taken) -> Result<Step> {
        let behind = (0..self.lanes.len())
            .filter(|i| !self.lanes[*i].passes.is_empty())
            .min_by_key(|i| self.lanes[*i].newest);
        let Some(at) = behind else { return Ok(Step::Done) };
        self.current = at;
        let lane = &mut self.lanes[at];
        let pass = lane.passes.front().expect("chosen because it has one");
        let reader = match &mut lane.reader {
            Some(reader) => reader,
            None => lane.reader.insert(Reader::open(pass, book, &self.bytes)?),
        };
        let more = reader
            .next(&self.decoder, &self.interest, &self.homes, out)
            .with_context(|| format!("cannot read on in {} after line {}", pass.path.display(), out.line))?;
        if more {
            if let Some(newest) = out.record.times.iter().max() {
                lane.newest = lane.newest.max(*newest);
            }
            return Ok(Step::Record);
        }
        lane.reader = None;
        let over = lane.passes.pop_front().expect("it was read").feeds;
        let left =
            self.lanes.iter().flat_map(|l| &l.passes).fold(FeedSet::default(), |set, p| set.union(p.feeds));
        Ok(Step::Ended(FeedSet(over.0 & !left.0)))
    }
}

/// Passes that may hold the same feed must be read in their order; the others side by side.
fn lanes(passes: Vec<Pass<'_>>) -> Vec<Lane<'_>> {
    let mut groups: Vec<(FeedSet, Vec<(usize, Pass<'_>)>)> = Vec::new();
    for (number, pass) in passes.into_iter().enumerate() {
        let (joined, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(feeds, _)| feeds.0 & pass.feeds.0 != 0);
        let mut feeds = pass.feeds;
        let mut members = vec![(number, pass)];
        for (more_feeds, more) in joined {
            feeds = feeds.union(more_feeds);
            members.extend(more);
        }
        members.sort_by_key(|(number, _)| *number);
        groups = apart;
        groups.push((feeds, members));
    }
    groups.sort_by_key(|(_, members)| members[0].0);
    groups
        .into_iter()
        .map(|(_, members)| Lane {
            passes: members.into_iter().map(|(_, pass)| pass).collect(),
            reader: None,
            newest: cxwatch_engine::NEVER,
        })
        .collect()
}

/// What is to be read of these files.
///
/// # Errors
/// A file that no section of the mapping reads, or that cannot be opened.
pub(crate) fn plan<'m>(
    files: &[PathBuf],
    mapping: Option<&'m Mapping>,
    book: &Rulebook,
    needed: FeedSet,
    declared: Option<FeedSet>,
) -> Result<Vec<Pass<'m>>> {
    let mut passes = Vec::new();
    for path in files {
        let Some(mapping) = mapping else {
            let feeds = match declared {
                Some(feeds) => feeds,
                None => super::peek::feeds(path, book, needed)?,
            };
            passes.push(Pass { path: path.clone(), section: None, feeds });
            continue;
        };
        let name = path.file_name().map_or_else(|| path.to_string_lossy(), |n| n.to_string_lossy());
        let before = passes.len();
        for section in mapping.sections.iter().filter(|s| s.reads(&name)) {
            let feed = book.feed_named(&section.feed);
            let feeds = feed.map_or(FeedSet::default(), |feed| FeedSet::default().with(feed));
            passes.push(Pass { path: path.clone(), section: Some(section), feeds });
        }
        if passes.len() == before {
            let patterns: Vec<_> =
                mapping.sections.iter().flat_map(|s| &s.files).map(|f| f.as_str()).collect();
            bail!(
                "no section of the mapping {} reads a file named {name} (it reads: {})",
                mapping.name,
                patterns.join(", ")
            );
        }
        if passes.len() > before + 1 && path.as_os_str() == input::STDIN {
            bail!(
                "{} sections of the mapping read standard input, which can be read only once; give a file",
                passes.len() - before
            );
        }
    }
    Ok(passes)
}
