//! What goes into a transaction, sealed until it has committed.

use super::{Batch, Live};
use crate::desk::{Output, Place, Publisher};
use crate::journal::{self, CommitRecord, ENGINE_VERSION};
use crate::ports::Topic;
use cxwatch_event::Millis;

impl<D: Publisher> Live<D> {
    /// Whether there is something to commit. A task that only let time pass has nothing: time will pass again.
    pub fn is_dirty(&self) -> bool {
        self.first.is_some()
            || self.rules_due.is_some()
            || !self.dead.is_empty()
            || self.task.desk().has_decisions()
            || self.task.is_in_snapshot()
            || self.has_ended()
            || self.positions() != self.sealed_positions
    }

    /// Whether the last instant of input that ends has been reached and not yet written down.
    fn has_ended(&self) -> bool {
        let bounded = self.plan.timing.bounded.as_ref();
        self.task.has_verdicts() && bounded.is_some_and(|b| self.task.instant() >= b.until)
    }

    /// Whether everything it has done is committed, so that it may go on later where it stands, if nobody else has gone
    /// on meanwhile.
    pub(crate) fn is_settled(&self) -> bool {
        let nothing_due = self.first.is_none() && self.rules_due.is_none() && self.sealed.is_none();
        let nothing_new = self.dead.is_empty() && !self.task.desk().has_decisions();
        self.seq > 0 && nothing_due && nothing_new && self.positions() == self.sealed_positions
    }

    /// Seals what has come since the last commit. `snapshot_floor` begins a snapshot with it: an offset of the journal
    /// that lies at or before what this commit will write.
    pub fn seal(&mut self, now: Millis, elapsed: u64, snapshot_floor: Option<i64>) {
        debug_assert!(self.sealed.is_none(), "one at a time");
        self.seq += 1;
        let mut records = Vec::new();
        let (book, settings) = (&self.plan.book, &self.rules.settings);
        let place = Place { book, settings, partition: self.partition, now };
        self.task.desk_mut().publish(&place, &mut records);
        records.append(&mut self.dead);
        let delete_before = self.write_slice(&mut records);
        let commit = self.commit_record();
        if let Some(floor) = snapshot_floor {
            self.begin_snapshot(floor, elapsed, &mut records);
        }
        let entries = journal::encode_commit(&commit);
        self.tally.commit_bytes += entries.iter().map(|e| e.len() as u64).sum::<u64>();
        records.extend(entries.into_iter().map(journal_record));
        self.sealed = Some(Batch {
            seq: self.seq,
            records,
            offsets: commit.offsets,
            delete_before,
            ends_snapshot: delete_before.is_some(),
        });
    }

    fn commit_record(&mut self) -> CommitRecord {
        let digest = self.digest();
        self.sealed_positions = self.positions();
        let mut verdicts = self.task.take_verdicts();
        let mut expired = self.task.desk_mut().take_expired();
        self.spoil(&mut verdicts, &mut expired);
        let changed = self.rules_due.take();
        let rules = changed.is_some().then(|| self.rules.clone());
        CommitRecord {
            seq: self.seq,
            engine: ENGINE_VERSION,
            owner: self.owner,
            offsets: self.task.committable(),
            instant: self.task.instant(),
            positions: self.sealed_positions.clone(),
            digest,
            verdicts,
            expired,
            first: self.first.take(),
            rules,
            joined: changed.unwrap_or_default().joined,
        }
    }

    #[cfg(not(feature = "faults"))]
    fn spoil(&self, _: &mut [cxwatch_engine::Verdict], _: &mut [u64]) {}

    #[cfg(feature = "faults")]
    fn spoil(&self, verdicts: &mut Vec<cxwatch_engine::Verdict>, expired: &mut Vec<u64>) {
        use cxwatch_engine::Verdict as V;
        match self.plan.faults.wrong {
            Some(crate::Wrong::NotWritten(kind)) => {
                verdicts.retain(|v| crate::VerdictKind::of(v) != kind);
                if kind == crate::VerdictKind::Expired {
                    expired.clear();
                }
            }
            Some(crate::Wrong::OutOfOrder) => {
                // Those that have a place among the others come in the order of their kinds.
                verdicts.sort_by_key(|v| match v {
                    V::Blind { .. } => 0,
                    V::See { .. } => 1,
                    V::Force { .. } => 2,
                    _ => 3,
                });
            }
            _ => {}
        }
    }

    /// What is sealed and has not committed.
    pub fn sealed(&self) -> Option<&Batch> {
        self.sealed.as_ref()
    }

    /// The sealed content has committed.
    pub fn committed(&mut self) -> Option<Batch> {
        self.sealed.take()
    }

    /// A record of the sealed content can never be written: it is left out.
    pub(crate) fn drop_record(&mut self, at: usize) {
        if let Some(batch) = &mut self.sealed
            && at < batch.records.len()
        {
            batch.records.remove(at);
        }
    }

    #[cfg(feature = "faults")]
    pub(crate) fn drop_effects(&mut self) {
        if let Some(batch) = &mut self.sealed {
            batch.records.retain(|r| r.topic == Topic::Journal);
        }
    }
}

pub(super) fn journal_record(value: Vec<u8>) -> Output {
    Output { topic: Topic::Journal, key: None, value: Some(value), headers: Vec::new(), label: None }
}
