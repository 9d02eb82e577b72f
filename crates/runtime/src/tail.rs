//! The end of a task's journal: the last complete snapshot, and the commits since.

use crate::journal::{Assembler, CommitRecord, Entry, SnapshotHead, Unreadable};
use crate::ports::{Answer, Fault, JournalStore};
use std::collections::BTreeMap;

/// What a restore takes from the journal.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// The last complete snapshot.
    pub(crate) snapshot: Option<(Box<SnapshotHead>, Vec<Vec<u8>>)>,
    /// The commit that it goes with, where the journal still has it.
    pub(crate) base: Option<Box<CommitRecord>>,
    /// The commits after it, in order.
    pub(crate) commits: Vec<Box<CommitRecord>>,
}

impl Tail {
    /// The last commit.
    pub(crate) fn last(&self) -> Option<&CommitRecord> {
        self.commits.last().or(self.base.as_ref()).map(Box::as_ref)
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
            Some(Entry::Commit(commit)) => self.commit(commit),
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

    fn commit(&mut self, commit: Box<CommitRecord>) {
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
