//! Snapshots of a live task: when one begins, and how much of it goes with each commit.

use super::Live;
use super::seal::journal_record;
use crate::desk::{Output, Publisher};
use crate::journal::{self, ENGINE_VERSION, SnapshotHead};

/// Of untouched customers, written with one commit at most, in bytes: a transaction must not take long.
const SLICE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The snapshot being written, and when the next is due.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    pub(super) running: Option<Running>,
    pub(super) begun_at: Option<u64>,
    pub(super) bytes_in: u64,
    pub(super) bytes_last: u64,
}

#[derive(Debug)]
pub(super) struct Running {
    seq: u64,
    floor: i64,
    bytes: u64,
}

impl<D: Publisher> Live<D> {
    /// Whether a snapshot should begin with the next commit.
    pub fn wants_snapshot(&self, elapsed: u64) -> bool {
        let Snapshots { running, begun_at, bytes_in, bytes_last } = &self.snapshots;
        let timing = &self.plan.timing;
        let due = begun_at.is_none_or(|at| elapsed.saturating_sub(at) >= timing.snapshot_every_ms);
        let affordable = bytes_in * timing.snapshot_percent_max >= bytes_last * 100;
        running.is_none() && due && affordable
    }

    pub(super) fn begin_snapshot(&mut self, floor: i64, elapsed: u64, records: &mut Vec<Output>) {
        #[allow(unused_mut, reason = "a known error may be built in")]
        let mut head = self.task.begin_snapshot();
        #[cfg(feature = "faults")]
        if self.plan.is_wrong(crate::Wrong::BufferedForgotten) {
            head.buffered.pop();
        }
        let head = SnapshotHead {
            seq: self.seq,
            engine: ENGINE_VERSION,
            act_from: self.act_from,
            rules: self.rules.clone(),
            head,
            desk: self.task.desk().head(),
        };
        let entries = journal::encode_head(&head);
        let bytes = entries.iter().map(|e| e.len() as u64).sum();
        self.tally.snapshot_bytes += bytes;
        self.snapshots.running = Some(Running { seq: self.seq, floor, bytes });
        self.snapshots.begun_at = Some(elapsed);
        self.snapshots.bytes_in = 0;
        records.extend(entries.into_iter().map(journal_record));
    }

    /// Writes customers touched since the last commit and a slice of the others; where all are written, the end. Then
    /// the journal before the snapshot is no longer needed.
    pub(super) fn write_slice(&mut self, records: &mut Vec<Output>) -> Option<i64> {
        let timing = &self.plan.timing;
        let running = self.snapshots.running.as_mut()?;
        // A snapshot should be done in half of its interval.
        let commits = (timing.snapshot_every_ms / timing.commit_interval_ms.max(1) / 2).max(1);
        // Of the first nobody knows how large it will be: its slices grow with it.
        let slice = (self.snapshots.bytes_last / commits).max(running.bytes / 16).min(SLICE_BYTES_MAX);
        let done = self.task.write_untouched((slice as usize).max(timing.slice_bytes_min));
        let mut entries = journal::encode_pieces(running.seq, &self.task.take_pieces());
        if done {
            entries.push(journal::encode_end(running.seq));
        }
        let bytes: u64 = entries.iter().map(|e| e.len() as u64).sum();
        running.bytes += bytes;
        self.tally.snapshot_bytes += bytes;
        records.extend(entries.into_iter().map(journal_record));
        if !done {
            return None;
        }
        self.task.end_snapshot();
        let Running { floor, bytes, .. } = self.snapshots.running.take()?;
        self.snapshots.bytes_last = bytes;
        Some(floor)
    }
}
