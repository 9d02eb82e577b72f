//! A partition as a broker holds it: records of transactions that are open, committed or aborted, and markers.

use std::cell::Cell;

/// What has become of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not decided.
    Open,
    /// Its records are to be read.
    Committed,
    /// They never will be.
    Aborted,
}

/// The number of a transaction.
pub type TxnId = usize;

/// What lies at an offset.
#[derive(Debug, Clone)]
pub enum Entry<T> {
    /// A record, in a transaction or in none.
    Record(Option<TxnId>, T),
    /// The end of a transaction; no reader sees it.
    Marker,
}

/// A partition.
#[derive(Debug, Clone)]
pub struct Log<T> {
    entries: Vec<Entry<T>>,
    start: usize,
    /// Everything before this is known to be decided, and stays so.
    decided: Cell<usize>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Log { entries: Vec::new(), start: 0, decided: Cell::new(0) }
    }
}

impl<T> Log<T> {
    /// The first offset that exists.
    pub fn start(&self) -> i64 {
        self.start as i64
    }

    /// The high watermark.
    pub fn end(&self) -> i64 {
        self.entries.len() as i64
    }

    /// Adds an entry; its offset.
    pub fn push(&mut self, entry: Entry<T>) -> i64 {
        self.entries.push(entry);
        self.end() - 1
    }

    /// The last stable offset: before the first record that is not decided.
    pub fn stable(&self, fates: &[Fate]) -> i64 {
        let open = |e: &Entry<T>| matches!(e, Entry::Record(Some(t), _) if fates[*t] == Fate::Open);
        let decided = self.decided.get();
        let more = self.entries[decided..].iter().position(open);
        self.decided.set(more.map_or(self.entries.len(), |more| decided + more));
        self.decided.get() as i64
    }

    /// The committed records from an offset on, up to the last stable one.
    pub fn committed<'l>(&'l self, from: i64, fates: &'l [Fate]) -> impl Iterator<Item = (i64, &'l T)> {
        let stable = self.stable(fates);
        let from = from.max(self.start());
        (from..stable).filter_map(|offset| match &self.entries[offset as usize] {
            Entry::Record(None, value) => Some((offset, value)),
            Entry::Record(Some(t), value) if fates[*t] == Fate::Committed => Some((offset, value)),
            _ => None,
        })
    }

    /// Deletes what lies before an offset.
    pub fn delete_before(&mut self, before: i64) {
        self.start = self.start.max(before as usize);
    }
}
