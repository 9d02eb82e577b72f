//! A task on its way from a snapshot, or from its start, to the last commit.

use super::unusable;
#[cfg(feature = "faults")]
use super::{Joining, joins};
use crate::ahead::{Ahead, gone};
use crate::desk::{Publisher, Wall};
use crate::journal::{CommitRecord, Rules, SnapshotHead};
use crate::live::feed_ix;
use crate::ports::{Fault, FeedReader, Rereader};
use crate::replay::{Replayed, Stretch, replay};
use crate::settings::{Decode, Plan};
use crate::tail::Tail;
use cxwatch_engine::{BufferedRef, Task};
use cxwatch_event::{Millis, builtin};
use cxwatch_rulebook::{FeedIx, Rulebook};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A task on its way to the present.
pub(super) struct Past<D: Publisher> {
    partition: i32,
    pub(super) task: Task<D>,
    book: Arc<Rulebook>,
    pub(super) decoders: Vec<Decode>,
    pub(super) rules: Rules,
    pub(super) act_from: Millis,
    /// Events that belong into the reorder buffer and have not been fetched.
    buffered: Vec<BufferedRef>,
    commits: Vec<CommitRecord>,
}

impl<D: Publisher> Past<D> {
    pub(super) fn of(plan: &Plan<D>, partition: i32, tail: Tail) -> Result<Self, Fault> {
        let expired: BTreeSet<u64> = tail.commits.iter().flat_map(|c| &c.expired).copied().collect();
        let mut past = match tail.snapshot {
            Some((head, pieces)) => Self::of_snapshot(plan, partition, *head, &pieces)?,
            None => Self::of_start(plan, partition, tail.commits.first())?,
        };
        past.commits = tail.commits;
        past.task.begin_replay();
        past.task.desk_mut().set_wall(Wall::Recorded(expired));
        Ok(past)
    }

    fn of_snapshot(
        plan: &Plan<D>,
        partition: i32,
        head: SnapshotHead,
        pieces: &[Vec<u8>],
    ) -> Result<Self, Fault> {
        let SnapshotHead { act_from, mut rules, head, desk: kept, .. } = head;
        let (book, decoders) = in_force(plan, partition, &rules)?;
        rules.settings = settings_of(plan, &rules);
        let mut desk = (plan.desk)(act_from, &rules.settings);
        desk.restore(&kept).map_err(|e| unusable(partition, &e))?;
        let pieces = pieces.iter().map(Vec::as_slice);
        let task =
            Task::from_snapshot(Arc::clone(&book), rules.settings.clone(), desk, plan.seed, &head, pieces)
                .map_err(|e| unusable(partition, &e))?;
        let buffered = head.buffered;
        Ok(Past { partition, task, book, decoders, rules, act_from, buffered, commits: Vec::new() })
    }

    fn of_start(plan: &Plan<D>, partition: i32, first: Option<&CommitRecord>) -> Result<Self, Fault> {
        let (start, mut rules) = first
            .and_then(|c| Some((c.first.clone()?, c.rules.clone()?)))
            .ok_or_else(|| unusable(partition, "the first commit does not say where it began"))?;
        let (book, decoders) = in_force(plan, partition, &rules)?;
        rules.settings = settings_of(plan, &rules);
        let desk = (plan.desk)(start.act_from, &rules.settings);
        let mut task = Task::new(Arc::clone(&book), rules.settings.clone(), desk, plan.seed);
        for (feed, position) in start.positions.iter().enumerate() {
            task.start_at(feed_ix(feed), *position);
        }
        let act_from = start.act_from;
        let buffered = Vec::new();
        Ok(Past { partition, task, book, decoders, rules, act_from, buffered, commits: Vec::new() })
    }

    /// Replays to the last commit. Where the rulebook changed between two commits the feeds are opened anew: what was
    /// read ahead was decoded for the old one.
    pub(super) fn run<R: Rereader>(
        &mut self,
        plan: &Plan<D>,
        reread: &mut R,
        alive: &mut dyn FnMut() -> Result<bool, Fault>,
    ) -> Result<Replayed, Fault> {
        let commits = std::mem::take(&mut self.commits);
        let mut rest = commits.as_slice();
        loop {
            let changed = |c: &CommitRecord| c.rules.is_some() && c.first.is_none();
            // The first of the rest was reached by a change, which has been applied.
            let length = rest.iter().skip(1).position(changed).map_or(rest.len(), |at| at + 1);
            let (stretch, later) = rest.split_at(length);
            let stretch: Vec<&CommitRecord> = stretch.iter().collect();
            if let Some(end) = stretch.last()
                && self.stretch(reread, &stretch, end, alive)? == Replayed::GivenUp
            {
                return Ok(Replayed::GivenUp);
            }
            let Some(next) = later.first() else { break };
            rest = later;
            self.change_to(plan, reread, next)?;
        }
        // A snapshot that is the journal's end: only its buffer is to be filled.
        if commits.is_empty() {
            self.fill_buffer(reread)?;
        }
        Ok(Replayed::Whole)
    }

    fn change_to<R: Rereader>(
        &mut self,
        plan: &Plan<D>,
        reread: &mut R,
        commit: &CommitRecord,
    ) -> Result<(), Fault> {
        let Some(rules) = commit.rules.clone() else { return Ok(()) };
        let (book, decoders) = in_force(plan, self.partition, &rules)?;
        #[cfg(feature = "faults")]
        if plan.is_wrong(crate::Wrong::JoinedAgain) {
            let joining: Vec<Joining> = commit.joined.iter().map(|(feed, _)| (*feed, None)).collect();
            let joined = joins(plan, &rules, self.partition, self.task.instant(), &joining, reread)?;
            return self.change(plan, reread, rules, (book, decoders), &joined);
        }
        self.change(plan, reread, rules, (book, decoders), &commit.joined)
    }

    fn open<R: Rereader>(&self, reread: &mut R) -> Result<(R::Reader, Vec<i64>), Fault> {
        let mut from: Vec<i64> = (0..self.book.feeds.len()).map(|f| self.task.position(feed_ix(f))).collect();
        for reference in &self.buffered {
            let from = &mut from[usize::from(reference.feed)];
            *from = reference.offset.min(*from);
        }
        let topics = self.rules.feeds.iter().map(|feed| feed.topic.as_str());
        let topics: Vec<(&str, i64)> = topics.zip(from.iter().copied()).collect();
        let reader = reread.open(self.partition, &topics)?;
        Ok((reader, from))
    }

    fn stretch<R: Rereader>(
        &mut self,
        reread: &mut R,
        commits: &[&CommitRecord],
        end: &CommitRecord,
        alive: &mut dyn FnMut() -> Result<bool, Fault>,
    ) -> Result<Replayed, Fault> {
        let (reader, from) = self.open(reread)?;
        let mut ahead = Ahead::new(reader, &from, &self.decoders, &self.book);
        refill(&mut self.task, &mut ahead, &self.book, std::mem::take(&mut self.buffered))?;
        replay(&mut self.task, &mut ahead, Stretch::new(commits, end), alive)
    }

    fn fill_buffer<R: Rereader>(&mut self, reread: &mut R) -> Result<(), Fault> {
        if self.buffered.is_empty() {
            return Ok(());
        }
        let (reader, from) = self.open(reread)?;
        let mut ahead = Ahead::new(reader, &from, &self.decoders, &self.book);
        refill(&mut self.task, &mut ahead, &self.book, std::mem::take(&mut self.buffered))
    }

    /// By feed: the oldest offset that an event in the buffer is of, and the next to read.
    pub(super) fn waiting(&self) -> Vec<(i64, i64)> {
        let oldest = self.task.committable().into_iter();
        oldest.zip((0..).map(|feed| self.task.position(feed_ix(feed)))).collect()
    }

    /// A new rulebook, mapping or settings, from here on. The buffer's events are read again: the new rules may read other
    /// fields of them.
    pub(super) fn change<R: Rereader>(
        &mut self,
        plan: &Plan<D>,
        reread: &mut R,
        mut rules: Rules,
        (book, decoders): (Arc<Rulebook>, Vec<Decode>),
        joined: &[(u8, i64)],
    ) -> Result<(), Fault> {
        rules.settings = settings_of(plan, &rules);
        self.buffered = self.task.change_rulebook(Arc::clone(&book), rules.settings.clone());
        for (feed, position) in joined {
            self.task.start_at(FeedIx(*feed), *position);
        }
        self.decoders = decoders;
        self.book = book;
        self.rules = rules;
        self.fill_buffer(reread)
    }
}

/// Fetches the events that belong into the reorder buffer. Their types may be named by no rule any more.
fn refill<D: Publisher, R: FeedReader>(
    task: &mut Task<D>,
    ahead: &mut Ahead<'_, R>,
    book: &Rulebook,
    buffered: Vec<BufferedRef>,
) -> Result<(), Fault> {
    let mut wanted: BTreeMap<(u8, i64), Vec<BufferedRef>> = BTreeMap::new();
    for reference in buffered {
        wanted.entry((reference.feed, reference.offset)).or_default().push(reference);
    }
    for feed in 0..book.feeds.len() {
        let ix = feed_ix(feed);
        let position = task.position(ix);
        while let Some(offset) = ahead.peek(feed, position)? {
            let Some(read) = ahead.next(feed) else { break };
            for reference in wanted.remove(&(ix.0, offset)).unwrap_or_default() {
                if let Some(event) = read.record.events.iter().find(|e| e.sub == reference.sub) {
                    task.restore_buffered(reference, event.clone());
                }
            }
        }
    }
    match wanted.keys().next() {
        Some((feed, offset)) => Err(gone(&book.feeds[usize::from(*feed)], *offset + 1)),
        None => Ok(()),
    }
}

/// The rulebook that was in force, and what decodes for it.
fn in_force<D: Publisher>(
    plan: &Plan<D>,
    partition: i32,
    rules: &Rules,
) -> Result<(Arc<Rulebook>, Vec<Decode>), Fault> {
    let has_feeds = |book: &Rulebook| book.feeds.iter().eq(rules.feeds.iter().map(|feed| feed.feed.as_str()));
    let book = if rules.hash == plan.rules.hash && has_feeds(&plan.book) {
        Arc::clone(&plan.book)
    } else {
        let book = (plan.compile)(&rules.source).map_err(|e| {
            unusable(partition, &format!("the rulebook that was in force no longer compiles: {e}"))
        })?;
        without_unread(book, rules)
    };
    if !has_feeds(&book) {
        return Err(unusable(
            partition,
            "the rulebook that was in force no longer has the feeds that it had",
        ));
    }
    let decoders = (plan.decoders)(&book, &rules.feeds).map_err(|e| {
        unusable(
            partition,
            &format!("the mappings that were in force no longer fit the rulebook of then: {e}"),
        )
    })?;
    Ok((book, decoders))
}

/// Feeds that a rulebook may do without are read where settings name them.
fn without_unread(book: Arc<Rulebook>, rules: &Rules) -> Arc<Rulebook> {
    let is_read = |feed: &str| rules.feeds.iter().any(|read| read.feed == feed);
    let optional = [builtin::CUSTOMERS, builtin::OUTCOMES].into_iter().filter(|feed| !is_read(feed));
    optional.fold(book, |book, feed| book.without(feed).map_or(book, Arc::new))
}

/// Known errors in the engine are no part of a journal.
fn settings_of<D: Publisher>(_plan: &Plan<D>, rules: &Rules) -> cxwatch_engine::Settings {
    #[cfg(feature = "faults")]
    return cxwatch_engine::Settings { fault: _plan.rules.settings.fault, ..rules.settings.clone() };
    #[cfg(not(feature = "faults"))]
    rules.settings.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::FeedTopic;
    use cxwatch_engine::Settings;

    /// The feeds of a rulebook with an offer, as it is replayed where these were read.
    fn feeds_where_read(read: &[&str], more: &str) -> Vec<String> {
        let source = format!(
            "rulebook: t\nversion: 1\nrules:\n  - {{ id: a, kind: match, event: payment.failed, actions: call }}\n{more}\
             actions:\n  call: {{ class: offer, purpose: service, channel: voice, queue: q }}\n"
        );
        let (book, _) = cxwatch_rulebook::compile(&source, "t.yaml").expect("a good rulebook");
        assert!(
            ["customers", "outcomes"].iter().all(|feed| book.feed_named(feed).is_some()),
            "{:?}",
            book.feeds
        );
        let feeds = read.iter().map(|feed| FeedTopic::new(feed, &format!("{feed}.v1"), None));
        let settings = Settings::new(read.len());
        let rules = Rules { source, hash: book.hash, settings, feeds: feeds.collect() };
        without_unread(Arc::new(book), &rules).feeds.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_feed_that_was_not_read_is_left_out_of_the_replay() {
        let all = ["contact-center", "customers", "outcomes", "social", "transaction", "web"];
        assert_eq!(feeds_where_read(&all, ""), all);
        for spared in [&["customers"][..], &["outcomes"], &["customers", "outcomes"]] {
            let read: Vec<&str> = all.into_iter().filter(|feed| !spared.contains(feed)).collect();
            assert_eq!(feeds_where_read(&read, ""), read, "without {spared:?}");
        }
    }

    #[test]
    fn a_feed_that_rules_name_cannot_be_left_out() {
        let read = ["contact-center", "customers", "social", "transaction", "web"];
        let named = "  - { id: b, kind: match, event: outcome.declined }\n";
        let feeds = feeds_where_read(&read, named);
        assert!(feeds.iter().any(|feed| feed == "outcomes"), "{feeds:?}");
    }
}
