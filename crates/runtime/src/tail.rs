//! The end of a task's journal: the last complete snapshot, and the commits since.

use crate::journal::{Assembler, CommitRecord, Entry, Rules, SnapshotHead, Unreadable};
use crate::ports::{Answer, Fault, JournalStore};
use std::collections::BTreeMap;

/// What a restore takes from the journal.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// The last complete snapshot.
    pub(crate) snapshot: Option<(Box<SnapshotHead>, Vec<Vec<u8>>)>,
    /// The commit that it goes with, where the journal still has it.
    pub(crate) base: Option<CommitRecord>,
    /// The commits after it, in order.
    pub(crate) commits: Vec<CommitRecord>,
}

impl Tail {
    /// The rules in force at the last commit.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        let of_snapshot = || self.snapshot.as_ref().map(|(head, _)| &head.rules);
        self.commits.iter().rev().find_map(|commit| commit.rules.as_ref()).or_else(of_snapshot)
    }

    /// The last commit.
    pub(crate) fn last(&self) -> Option<&CommitRecord> {
        self.commits.last().or(self.base.as_ref())
    }
}

#[derive(Default)]
struct Reading {
    assembler: Assembler,
    tail: Tail,
    /// Snapshots whose end has not come.
    open: BTreeMap<u64, (Box<SnapshotHead>, Vec<Vec<u8>>)>,
    last_seq: Option<u64>,
    problem: Option<String>,
}

impl Reading {
    fn take(&mut self, value: &[u8]) -> Result<(), Unreadable> {
        match self.assembler.take(value)? {
            None => {}
            Some(Entry::Commit(commit)) => self.commit(*commit),
            Some(Entry::Head(head)) => {
                // One that was being written is given up when the next begins.
                self.open.clear();
                self.open.insert(head.seq, (head, Vec::new()));
            }
            Some(Entry::Pieces { snapshot, mut pieces }) => {
                // Customers of a snapshot whose head was deleted belong to nothing.
                if let Some((_, all)) = self.open.get_mut(&snapshot) {
                    all.append(&mut pieces);
                }
            }
            Some(Entry::End { snapshot }) => {
                if let Some(whole) = self.open.remove(&snapshot) {
                    self.complete(snapshot, whole);
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, commit: CommitRecord) {
        if let Some(last) = self.last_seq
            && commit.seq != last + 1
        {
            self.problem.get_or_insert(format!("commit {} follows on {last}", commit.seq));
        }
        self.last_seq = Some(commit.seq);
        self.tail.commits.push(commit);
    }

    fn complete(&mut self, seq: u64, whole: (Box<SnapshotHead>, Vec<Vec<u8>>)) {
        self.tail.snapshot = Some(whole);
        let after = self.tail.commits.partition_point(|c| c.seq <= seq);
        self.tail.base = self.tail.commits.drain(..after).next_back();
    }
}

/// Reads the journal of a task to its end.
pub(crate) fn read_tail<J: JournalStore>(journal: &mut J, partition: i32) -> Result<Tail, Fault> {
    let mut reading = Reading::default();
    let mut unreadable = None;
    journal.read(partition, 0, &mut |offset, value| {
        if unreadable.is_none()
            && let Err(problem) = reading.take(value)
        {
            unreadable = Some(format!("at offset {offset}: {problem}"));
        }
    })?;
    if let Some(problem) = unreadable.or(reading.problem) {
        return Err(broken(partition, &problem));
    }
    let tail = reading.tail;
    let from_the_start = tail.commits.first().is_some_and(|c| c.first.is_some());
    if tail.snapshot.is_none() && !tail.commits.is_empty() && !from_the_start {
        return Err(broken(partition, "its beginning is gone, and there is no complete snapshot"));
    }
    Ok(tail)
}

/// Who wrote the commit of this number, if it is in the journal; and the number of the last commit there.
pub(crate) fn owner_of<J: JournalStore>(
    journal: &mut J,
    partition: i32,
    seq: u64,
) -> Result<(Option<[u8; 8]>, Option<u64>), Fault> {
    let mut assembler = Assembler::default();
    let (mut owner, mut last) = (None, None);
    journal.read(partition, 0, &mut |_, value| {
        if let Ok(Some(Entry::Commit(commit))) = assembler.take(value) {
            last = Some(commit.seq);
            owner = owner.or((commit.seq == seq).then_some(commit.owner));
        }
    })?;
    Ok((owner, last))
}

#[cold]
fn broken(partition: i32, problem: &str) -> Fault {
    let message = format!(
        "the journal of task {partition} cannot be used: {problem}; `cxwatch reset` names the ways to go on"
    );
    Fault::new(Answer::Exit, "read the journal", "JournalBroken", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{First, Rules, encode_commit, encode_end, encode_head, encode_pieces};
    use crate::ports::JournalBounds;
    use cxwatch_engine::{Head, Piece, Settings};

    /// A journal in memory; all of it is committed.
    struct Written(Vec<Vec<u8>>);

    impl JournalStore for Written {
        fn bounds(&mut self, _: i32) -> Result<JournalBounds, Fault> {
            Ok(JournalBounds { start: 0, end: self.0.len() as i64 })
        }

        fn read(&mut self, p: i32, _: i64, each: &mut dyn FnMut(i64, &[u8])) -> Result<JournalBounds, Fault> {
            self.0.iter().zip(0..).for_each(|(value, offset)| each(offset, value));
            self.bounds(p)
        }

        fn delete_before(&mut self, _: i32, _: i64) -> Result<(), Fault> {
            Ok(())
        }
    }

    fn rules() -> Rules {
        Rules { source: String::new(), hash: [0; 16], settings: Settings::new(1), feeds: Vec::new() }
    }

    fn commit(seq: u64) -> Vec<Vec<u8>> {
        let first = (seq == 1).then(|| First { positions: vec![0], act_from: 0 });
        encode_commit(&CommitRecord {
            seq,
            engine: 1,
            owner: [0; 8],
            offsets: vec![0],
            instant: 0,
            positions: vec![0],
            digest: 0,
            verdicts: Vec::new(),
            expired: Vec::new(),
            rules: first.as_ref().map(|_| rules()),
            first,
            joined: Vec::new(),
        })
    }

    fn head(seq: u64) -> Vec<Vec<u8>> {
        let head =
            Head { instant: 0, feeds: Vec::new(), buffered: Vec::new(), digest: 0, dead_digests: Vec::new() };
        encode_head(&SnapshotHead { seq, engine: 1, act_from: 0, rules: rules(), head, desk: Vec::new() })
    }

    fn pieces(snapshot: u64, byte: u8) -> Vec<Vec<u8>> {
        encode_pieces(snapshot, &[Piece { bytes: vec![byte] }])
    }

    fn read(parts: Vec<Vec<Vec<u8>>>) -> Result<Tail, Fault> {
        read_tail(&mut Written(parts.concat()), 0)
    }

    #[test]
    fn only_a_complete_snapshot_counts() {
        let tail = read(vec![
            commit(1),
            head(2),
            commit(2),
            pieces(2, 7),
            commit(3),
            pieces(2, 8),
            vec![encode_end(2)],
            commit(4),
            head(5),
            commit(5),
            pieces(5, 9),
            commit(6),
        ])
        .expect("readable");
        let (head, pieces) = tail.snapshot.as_ref().expect("one is complete");
        assert_eq!((head.seq, pieces), (2, &vec![vec![7], vec![8]]));
        assert_eq!(tail.commits.iter().map(|c| c.seq).collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(tail.base.as_ref().map(|c| c.seq), Some(2));
        assert_eq!(tail.last().map(|c| c.seq), Some(6));
    }

    #[test]
    fn a_snapshot_given_up_leaves_nothing() {
        // Its owner died; the next began anew. What the first had written is in no snapshot.
        let tail = read(vec![
            commit(1),
            head(2),
            commit(2),
            pieces(2, 7),
            commit(3),
            head(4),
            commit(4),
            pieces(4, 8),
            vec![encode_end(4)],
            commit(5),
        ]);
        let (head, pieces) = tail.expect("readable").snapshot.expect("one is complete");
        assert_eq!((head.seq, pieces), (4, vec![vec![8]]));
    }

    #[test]
    fn a_journal_with_a_hole_is_not_believed() {
        let hole = read(vec![commit(1), commit(3)]).expect_err("2 is missing");
        assert_eq!((hole.answer, hole.code.as_str()), (Answer::Exit, "JournalBroken"));
        assert!(hole.message.contains("commit 3 follows on 1"), "{hole}");
        let twice = read(vec![commit(1), commit(2), commit(2)]).expect_err("2 is there twice");
        assert!(twice.message.contains("commit 2 follows on 2"), "{twice}");
        let cut = read(vec![commit(3), commit(4)]).expect_err("there is nothing to begin with");
        assert!(cut.message.contains("its beginning is gone"), "{cut}");
        assert!(read(vec![]).expect("a new task").last().is_none());
    }
}
