//! One transaction for all tasks of a thread: sealed, sent until it has committed, never changed on the way.

use super::Core;
use super::Listener;
use crate::desk::Publisher;
use crate::live::Batch;
use crate::ports::{
    Answer, Clock, CommitDone, Fault, FeedPartition, JournalStore, OffsetCommit, Outgoing, Ports, Sink,
    Source,
};
use crate::restore::metadata;
use crate::tail::owner_of;

/// How often a rebalance tries to get its last commit through.
const LAST_TRIES: u32 = 5;

impl<P: Ports, D: Publisher, L: Listener> Core<P, D, L> {
    pub(super) fn is_commit_due(&self) -> bool {
        let timing = &self.plan.timing;
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let behind = self.tasks.values().any(|t| t.task().watermark() < now - timing.behind_ms);
        let interval = if behind { timing.commit_interval_behind_ms } else { timing.commit_interval_ms };
        elapsed >= self.retry.at && elapsed.saturating_sub(self.committed_at) >= interval
    }

    /// Commits what has come; first, alone and unchanged, what did not get through before. True if there was something.
    pub(super) fn commit(&mut self, source: &P::Source) -> Result<bool, Fault> {
        self.committed_at = self.clock.elapsed();
        if self.is_sealed() && !self.try_send(source)? {
            return Ok(true);
        }
        self.seal();
        if !self.is_sealed() {
            return Ok(false);
        }
        self.try_send(source)?;
        Ok(true)
    }

    /// Before tasks are given up: everything they have done.
    pub(super) fn commit_all(&mut self, source: &P::Source) -> Result<(), Fault> {
        for _ in 0..LAST_TRIES {
            self.commit(source)?;
            if !self.is_sealed() {
                return Ok(());
            }
        }
        // What did not get through is done again by whoever restores the task.
        Ok(())
    }

    fn is_sealed(&self) -> bool {
        self.tasks.values().any(|t| t.sealed().is_some())
    }

    fn seal(&mut self) {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        for task in self.tasks.values_mut().filter(|t| t.is_dirty()) {
            // Where the journal ends now lies before everything that this commit will write.
            let floor = task
                .wants_snapshot(elapsed)
                .then(|| self.journal.bounds(task.partition()))
                .and_then(|bounds| bounds.inspect_err(|fault| self.listener.troubled(fault)).ok());
            task.seal(now, elapsed, floor.map(|bounds| bounds.end));
        }
    }

    /// Sends what is sealed; false if it has to be sent again.
    fn try_send(&mut self, source: &P::Source) -> Result<bool, Fault> {
        if self.unclear {
            let cleared = self.clear_up();
            if self.or_later(cleared)?.is_none() {
                return Ok(false);
            }
            if !self.is_sealed() {
                return Ok(true);
            }
        }
        if self.renew {
            let renewed = self.sink.renew();
            if self.or_later(renewed)?.is_none() {
                return Ok(false);
            }
            self.renew = false;
        }
        let began = self.clock.elapsed();
        match self.send(source) {
            Ok(done) => {
                self.renew = done.renew;
                #[cfg(feature = "faults")]
                if self.plan.is_wrong(crate::Wrong::NotRenewed) {
                    self.renew = false;
                }
                self.retry.over();
                self.done(began);
                Ok(true)
            }
            Err(fault) => self.not_sent(fault).map(|()| false),
        }
    }

    fn send(&mut self, source: &P::Source) -> Result<CommitDone, Fault> {
        self.sink.begin()?;
        let mut offsets = Vec::new();
        for (&partition, task) in &mut self.tasks {
            let Some(batch) = task.sealed() else { continue };
            for (at, record) in batch.records.iter().enumerate() {
                let outgoing = Outgoing {
                    topic: record.topic,
                    partition,
                    key: record.key.as_deref(),
                    value: record.value.as_deref(),
                    headers: &record.headers,
                };
                if let Err(fault) = self.sink.send(&outgoing) {
                    if fault.answer == Answer::Reject && record.topic != crate::ports::Topic::Journal {
                        self.listener.unwritable(partition, &fault);
                        task.drop_record(at);
                    }
                    return Err(fault);
                }
            }
            offsets.extend(batch.offsets.iter().enumerate().map(|(feed, offset)| OffsetCommit {
                at: FeedPartition { feed, partition },
                offset: *offset,
                metadata: metadata(batch.seq),
            }));
        }
        self.sink.send_offsets(&offsets, &source.group()?)?;
        self.sink.commit()
    }

    /// What to do with a transaction that did not get through.
    fn not_sent(&mut self, fault: Fault) -> Result<(), Fault> {
        match fault.answer {
            Answer::Retry | Answer::Abort | Answer::Reject => {
                self.listener.troubled(&fault);
                self.retry.later(self.clock.elapsed());
                #[cfg(feature = "faults")]
                if self.plan.is_wrong(crate::Wrong::EffectsDropped) {
                    self.tasks.values_mut().for_each(crate::live::Live::drop_effects);
                }
                match self.sink.abort() {
                    Err(fault) if matches!(fault.answer, Answer::CloseDirty | Answer::Exit) => Err(fault),
                    // A producer that cannot abort is replaced; that ends its transaction too.
                    Err(_) => {
                        self.renew = true;
                        Ok(())
                    }
                    Ok(()) => Ok(()),
                }
            }
            Answer::Ambiguous => {
                self.listener.troubled(&fault);
                self.retry.later(self.clock.elapsed());
                self.unclear = true;
                Ok(())
            }
            Answer::CloseDirty | Answer::Exit => Err(fault),
        }
    }

    /// Whether an ambiguous transaction has committed: a new producer ends it one way or the other, and then the
    /// journal tells. It is one transaction, so one task speaks for all.
    fn clear_up(&mut self) -> Result<(), Fault> {
        self.sink.renew()?;
        let sealed = self.tasks.values().find_map(|t| Some((t.partition(), t.sealed()?.seq, t.owner())));
        if let Some((partition, seq, us)) = sealed {
            let (owner, last) = owner_of(&mut self.journal, partition, seq)?;
            if owner != Some(us) && last.is_some_and(|last| last >= seq) {
                // Somebody else has gone on from where we were: the task was taken from us before we heard of it.
                let message = format!("another owner of task {partition} has committed {seq}");
                return Err(Fault::new(Answer::CloseDirty, "clear up a commit", "Overtaken", message));
            }
            let committed = owner == Some(us);
            #[cfg(feature = "faults")]
            let committed = committed && !self.plan.is_wrong(crate::Wrong::SentAgain);
            if committed {
                let elapsed = self.clock.elapsed();
                self.done(elapsed);
            }
        }
        self.unclear = false;
        self.retry.over();
        Ok(())
    }

    /// The sealed content has committed.
    fn done(&mut self, began: u64) {
        let tasks = self.tasks.iter_mut();
        let batches: Vec<(i32, Batch)> =
            tasks.filter_map(|(&partition, task)| Some((partition, task.committed()?))).collect();
        for (partition, batch) in &batches {
            // Refused or failed: the journal is longer than it need be, and the next snapshot tries again.
            if let Some(before) = batch.delete_before
                && let Err(fault) = self.journal.delete_before(*partition, before)
            {
                self.listener.troubled(&fault);
            }
        }
        self.listener.committed(&batches, self.clock.elapsed() - began, self.clock.now());
    }
}
