//! A task: partition *p* of every feed, its customers' state and its clock.

use crate::buffer::{Buffer, Turn};
use crate::customers::Customers;
use crate::due::Pending;
use crate::effect::{Clock, Counts, Received, Refused};
use crate::identity::mix;
use crate::lookahead::Lookahead;
use crate::snapshot::Run;
use crate::verdict::{Blindness, Verdict};
use crate::wheel::Wheel;
use crate::{Desk, Settings};
use cxwatch_event::{Event, Millis, Reason, Record};
use cxwatch_rulebook::{DeskUse, FeedIx, FeedSet, Rulebook};
use std::sync::Arc;

/// Before any instant: the watermark of a feed that has shown nothing.
pub const NEVER: Millis = Millis::MIN / 4;

/// After any instant: the watermark of a bounded feed that has been read to its end.
pub const FOREVER: Millis = Millis::MAX / 4;

/// One feed of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) watermark: Millis,
    /// The next offset to read.
    pub(crate) position: i64,
    pub(crate) blind: Option<Blindness>,
    /// The position at which a proof last found the feed behind the instant. What is proved further there must not be
    /// applied before that proof.
    pub(crate) lag_proof_at: Option<i64>,
}

/// The unit of parallelism. See the crate's description.
pub struct Task<D: Desk> {
    pub(crate) book: Arc<Rulebook>,
    pub(crate) settings: Settings,
    pub(crate) desk: D,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) buffer: Buffer,
    pub(crate) instant: Millis,
    pub(crate) customers: Customers<D::State>,
    pub(crate) wheel: Wheel,
    pub(crate) pending: Pending,
    pub(crate) verdicts: Vec<Verdict>,
    /// Verdicts are written down, except while they are being applied again.
    pub(crate) journaling: bool,
    pub(crate) counts: Counts,
    pub(crate) digest: u64,
    pub(crate) dead_digests: Vec<u64>,
    pub(crate) open_episodes: u64,
    pub(crate) run: Option<Run>,
    refused: Vec<Refused>,
    pub(crate) lookahead: Lookahead,
    pub(crate) undelivered: Vec<crate::fire::Undelivered>,
    #[cfg(feature = "faults")]
    pub(crate) seen_on_entry: std::collections::BTreeSet<u64>,
}

/// How a record's events are judged against the future.
#[derive(Clone, Copy)]
pub enum Judge<'a> {
    /// By the wall clock.
    Wall(Millis),
    /// By what was decided when the record was first read: is this event (by its place among the record's times)
    /// refused?
    Recorded(&'a dyn Fn(u32) -> bool),
}

impl<D: Desk> Task<D> {
    /// A task that has read nothing. `seed` spreads customers over tables and shows in no result.
    pub fn new(book: Arc<Rulebook>, settings: Settings, desk: D, seed: u64) -> Self {
        assert_eq!(book.feeds.len(), settings.feeds.len(), "settings name the rulebook's feeds");
        let feed = Feed { watermark: NEVER, position: 0, blind: None, lag_proof_at: None };
        Task {
            feeds: vec![feed; book.feeds.len()],
            pending: Pending::new(&book),
            dead_digests: vec![0; book.feeds.len()],
            book,
            settings,
            desk,
            buffer: Buffer::default(),
            instant: NEVER,
            customers: Customers::new(seed),
            wheel: Wheel::new(),
            verdicts: Vec::new(),
            journaling: true,
            counts: Counts::default(),
            digest: 0,
            open_episodes: 0,
            run: None,
            refused: Vec::new(),
            lookahead: Lookahead::default(),
            undelivered: Vec::new(),
            #[cfg(feature = "faults")]
            seen_on_entry: Default::default(),
        }
    }

    /// Sets where a feed is to be read from, before anything is read.
    pub fn start_at(&mut self, feed: FeedIx, position: i64) {
        self.feeds[usize::from(feed.0)].position = position;
    }

    /// Takes a record; its events are taken out of `record`. `recorded_at` is the record's own timestamp: no event moves
    /// the watermark beyond that (files have none: [`FOREVER`]). Returns the events that were refused.
    ///
    /// A record that was rejected before it got here must still be passed, empty, so that the position moves.
    pub fn read(
        &mut self,
        feed: FeedIx,
        offset: i64,
        recorded_at: Millis,
        record: &mut Record,
        judge: Judge<'_>,
    ) -> &[Refused] {
        let at = usize::from(feed.0);
        self.refused.clear();
        if self.feeds[at].blind.is_some() {
            self.see(&Arc::clone(&self.book), feed);
        }
        let lagging = self.feeds[at].watermark < self.instant;
        if lagging {
            self.note_lag(feed, offset);
        }
        let at_once = self.judge(feed, offset, recorded_at, record, judge);
        self.feeds[at].position = offset + 1;
        if lagging {
            let book = Arc::clone(&self.book);
            for event in at_once {
                self.counts.at_once += 1;
                let customer = self.customers.hash(&event.customer);
                self.apply(&book, Received { event: &event, feed, offset }, customer);
                self.fire_due(&book);
            }
            self.fire_due(&book);
        }
        &self.refused
    }

    /// Gives every event its place, buffers it, and moves the watermark; the events whose instant is over.
    fn judge(
        &mut self,
        feed: FeedIx,
        offset: i64,
        recorded_at: Millis,
        record: &mut Record,
        judge: Judge<'_>,
    ) -> Vec<Event> {
        let at = usize::from(feed.0);
        let before = self.feeds[at].watermark;
        let mut earliest: Option<Millis> = None;
        for (sub, time) in record.times.iter().enumerate() {
            let sub = sub as u32;
            let in_future = match judge {
                Judge::Wall(now) => *time > now.saturating_add(self.settings.max_future_ms),
                Judge::Recorded(refused) => refused(sub),
            };
            if in_future {
                if self.journaling {
                    self.verdicts.push(Verdict::Refused { feed: feed.0, offset, sub });
                }
                self.counts.in_future += 1;
                self.refuse(feed, offset, Refused { sub, reason: Reason::TimeInFuture, time: *time });
            } else {
                earliest = Some(earliest.map_or(*time, |e| e.min(*time)));
            }
        }
        let mut at_once = Vec::new();
        for event in record.events.drain(..) {
            let refused = |r: &Refused| r.reason == Reason::TimeInFuture && r.time == event.time;
            if event.customer.is_empty() || self.refused.iter().any(refused) {
                continue;
            }
            if event.time < before.saturating_sub(self.settings.late_horizon_ms) && !self.waits_for(&event) {
                self.counts.too_late += 1;
                let refused = Refused { sub: event.sub, reason: Reason::TooLate, time: event.time };
                self.refuse(feed, offset, refused);
                continue;
            }
            #[cfg(feature = "faults")]
            if self.settings.fault == Some(crate::Fault::DuplicateOnEntry)
                && !self.seen_on_entry.insert(crate::identity::event_hash(&event))
            {
                continue;
            }
            let place = if before >= event.time {
                self.counts.late += 1;
                before + 1
            } else {
                event.time
            };
            if place <= self.instant {
                at_once.push(event);
            } else {
                let customer = self.customers.hash(&event.customer);
                self.buffer.push(
                    Turn { at: place, feed: feed.0, offset, sub: event.sub, kind: event.kind.0 },
                    customer,
                    event,
                );
            }
        }
        if let Some(earliest) = earliest {
            let reorder = self.settings.feeds[at].reorder_ms;
            let shown = (earliest - reorder - 1).min(recorded_at.saturating_sub(reorder));
            self.move_watermark(feed, shown);
        }
        at_once
    }

    /// Whether an event is never too late: what is known of a customer, and what became of an action where no rule looks
    /// at it.
    fn waits_for(&self, event: &Event) -> bool {
        let outcome = matches!(self.book.desk_use(event.kind), Some(DeskUse::Outcome { .. }));
        self.book.profile == Some(event.kind) || (outcome && self.book.uses(event.kind).is_empty())
    }

    fn move_watermark(&mut self, feed: FeedIx, to: Millis) {
        let watermark = &mut self.feeds[usize::from(feed.0)].watermark;
        #[cfg(feature = "faults")]
        if self.settings.fault == Some(crate::Fault::WatermarkGoesBack) {
            *watermark = to;
            return;
        }
        *watermark = to.max(*watermark);
    }

    fn refuse(&mut self, feed: FeedIx, offset: i64, refused: Refused) {
        let digest = &mut self.dead_digests[usize::from(feed.0)];
        let text = (offset, refused.sub, refused.reason.name());
        *digest = mix(*digest, &[&text.0.to_le_bytes(), &text.1.to_le_bytes(), text.2.as_bytes()]);
        self.refused.push(refused);
    }

    /// A record that has just been read, or one of its events, was refused by the decoder. Only the digest knows of it.
    pub fn note_refusal(&mut self, feed: FeedIx, offset: i64, sub: Option<u32>, reason: Reason) {
        let digest = &mut self.dead_digests[usize::from(feed.0)];
        let sub = sub.map_or(u64::MAX, u64::from);
        let parts = [&offset.to_le_bytes()[..], &sub.to_le_bytes(), reason.name().as_bytes()];
        *digest = mix(*digest, &parts);
    }

    fn note_lag(&mut self, feed: FeedIx, offset: i64) {
        if !self.journaling {
            return;
        }
        if let Some(Verdict::Lag { instant, feed: last, to, .. }) = self.verdicts.last_mut()
            && *last == feed.0
            && *instant == self.instant
        {
            *to = offset + 1;
            return;
        }
        let instant = self.instant;
        self.verdicts.push(Verdict::Lag { instant, feed: feed.0, from: offset, to: offset + 1 });
    }

    /// The feed is caught up as of `as_of`: what had reached the broker by then has been read.
    pub fn proof(&mut self, feed: FeedIx, as_of: Millis) {
        let at = usize::from(feed.0);
        let book = Arc::clone(&self.book);
        match self.feeds[at].blind {
            Some(Blindness::Silent) => return,
            Some(Blindness::Stalled) => self.see(&book, feed),
            None => {}
        }
        let watermark = as_of.saturating_sub(self.settings.feeds[at].max_delay_ms);
        let Feed { watermark: before, position, lag_proof_at, .. } = self.feeds[at];
        if watermark <= before {
            return;
        }
        let lagging = before < self.instant;
        let in_order = lagging || lag_proof_at == Some(position);
        if in_order {
            self.feeds[at].lag_proof_at = Some(position);
        }
        if self.journaling {
            let (instant, feed) = (self.instant, feed.0);
            if in_order {
                self.verdicts.push(Verdict::LagProof { instant, feed, position, watermark });
            } else {
                self.note_proof(feed, position, watermark);
            }
        }
        self.move_watermark(feed, watermark);
        if lagging {
            self.fire_due(&book);
        }
    }

    /// Of several proofs at one position the last is enough.
    fn note_proof(&mut self, feed: u8, position: i64, watermark: Millis) {
        let same = self.verdicts.iter_mut().rev().take(self.feeds.len()).find_map(|v| match v {
            Verdict::Proof { feed: f, position: p, watermark } if *f == feed && *p == position => {
                Some(watermark)
            }
            _ => None,
        });
        match same {
            Some(last) => *last = watermark,
            None => self.verdicts.push(Verdict::Proof { feed, position, watermark }),
        }
    }

    /// Calls a feed blind.
    pub fn blind(&mut self, feed: FeedIx, why: Blindness) {
        let Feed { position, blind, .. } = &mut self.feeds[usize::from(feed.0)];
        *blind = Some(why);
        if self.journaling {
            self.verdicts.push(Verdict::Blind {
                instant: self.instant,
                feed: feed.0,
                position: *position,
                why,
            });
        }
    }

    fn see(&mut self, book: &Rulebook, feed: FeedIx) {
        let Feed { position, blind, .. } = &mut self.feeds[usize::from(feed.0)];
        *blind = None;
        if self.journaling {
            self.verdicts.push(Verdict::See { instant: self.instant, feed: feed.0, position: *position });
        }
        self.fire_due(book);
    }

    /// An operator stops the requests of a rule or of all, or lets them go on: what is detected after this instant is
    /// decided by that.
    pub fn pause(&mut self, rule: Option<&str>, paused: bool) {
        if self.journaling {
            let verdict = Verdict::Pause { instant: self.instant, rule: rule.map(Into::into), paused };
            self.verdicts.push(verdict);
        }
        self.desk.set_paused(rule, paused);
    }

    /// A bounded feed has been read to its end: it no longer holds the clock.
    pub fn end(&mut self, feed: FeedIx) {
        let book = Arc::clone(&self.book);
        self.feeds[usize::from(feed.0)].blind = None;
        self.move_watermark(feed, FOREVER);
        self.fire_due(&book);
    }

    /// Processes events and timers up to the task's watermark, but not beyond `until`, and at most `instants_max`
    /// instants. True if there is more to do.
    pub fn advance(&mut self, until: Millis, instants_max: usize) -> bool {
        let limit = self.watermark().min(until);
        self.advance_to(limit, instants_max)
    }

    fn advance_to(&mut self, limit: Millis, instants_max: usize) -> bool {
        let book = Arc::clone(&self.book);
        for _ in 0..instants_max {
            let event = self.buffer.first();
            self.lookahead.turn(&self.book, &self.buffer, &self.customers, &self.desk);
            let timer = self.wheel.peek(limit);
            let next = match (event, timer) {
                (Some(e), Some(t)) => e.min(t),
                (one, other) => one.or(other).unwrap_or(FOREVER),
            };
            if next > limit {
                self.instant = self.instant.max(limit);
                return false;
            }
            self.process(&book, next.max(self.instant));
        }
        true
    }

    /// Everything at one instant: first its events, then the timers due.
    fn process(&mut self, book: &Rulebook, instant: Millis) {
        self.instant = instant;
        self.customers.pack_all_but(self.settings.limits.unpacked_customers_max);
        #[cfg(feature = "faults")]
        if self.settings.fault == Some(crate::Fault::TimersFirst) {
            self.ring(book);
        }
        while let Some((turn, customer, event)) = self.buffer.pop(instant) {
            let received = Received { event: &event, feed: FeedIx(turn.feed), offset: turn.offset };
            self.apply(book, received, customer);
        }
        self.ring(book);
    }

    /// Forces the oldest buffered instant out, whatever the feeds' watermarks: the task's watermark moves to it;
    /// deadlines that need a feed that is behind stay held.
    pub fn force(&mut self) {
        let Some(to) = self.buffer.first() else { return };
        self.force_to(to);
    }

    pub(crate) fn force_to(&mut self, to: Millis) {
        if self.journaling {
            let positions = self.feeds.iter().map(|f| f.position).collect();
            self.verdicts.push(Verdict::Force { instant: self.instant, to, positions });
        }
        self.counts.forced += 1;
        while self.advance_to(to, usize::MAX) {}
    }

    /// The event time up to which the task believes it has seen everything: the least of its feeds' watermarks, blind
    /// ones left out. It never goes back; if no feed can be read, time waits.
    pub fn watermark(&self) -> Millis {
        let seeing = self.feeds.iter().filter(|f| f.blind.is_none()).map(|f| f.watermark);
        seeing.min().unwrap_or(self.instant).max(self.instant)
    }

    /// The instant through which events and timers have been processed.
    pub fn instant(&self) -> Millis {
        self.instant
    }

    /// The next offset to read of a feed.
    pub fn position(&self, feed: FeedIx) -> i64 {
        self.feeds[usize::from(feed.0)].position
    }

    /// A feed's own watermark.
    pub fn feed_watermark(&self, feed: FeedIx) -> Millis {
        self.feeds[usize::from(feed.0)].watermark
    }

    /// Why a feed is blind, if it is.
    pub fn blindness(&self, feed: FeedIx) -> Option<Blindness> {
        self.feeds[usize::from(feed.0)].blind
    }

    /// The offsets to commit: by feed that of the oldest record with an event still in the reorder buffer, else the
    /// next one to read.
    pub fn committable(&self) -> Vec<i64> {
        let mut offsets: Vec<i64> = self.feeds.iter().map(|f| f.position).collect();
        for turn in self.buffer.turns() {
            let offset = &mut offsets[usize::from(turn.feed)];
            *offset = turn.offset.min(*offset);
        }
        offsets
    }

    /// Takes the verdicts since the last call, in the order in which they came.
    pub fn take_verdicts(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }

    /// Whether verdicts wait to be taken.
    pub fn has_verdicts(&self) -> bool {
        !self.verdicts.is_empty()
    }

    /// A digest over the effects so far and over cheap state. Two tasks that have read the same input with the same
    /// verdicts and processed through the same instant agree on it.
    pub fn digest(&self) -> u64 {
        let places = self.buffer.turns().fold(0i64, |sum, t| sum.wrapping_add(t.at));
        let mut digest = mix(
            self.digest,
            &[
                &self.instant.to_le_bytes(),
                &(self.buffer.len() as u64).to_le_bytes(),
                &places.to_le_bytes(),
                &self.open_episodes.to_le_bytes(),
            ],
        );
        for (feed, dead) in self.feeds.iter().zip(&self.dead_digests) {
            let blind = [feed.blind.map_or(0, |b| b as u8 + 1)];
            let parts = [
                &feed.watermark.to_le_bytes()[..],
                &feed.position.to_le_bytes(),
                &dead.to_le_bytes(),
                &blind,
            ];
            digest = mix(digest, &parts);
        }
        digest
    }

    /// Counts since the task began.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Events in the reorder buffer.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the reorder buffer is at its bound, so that [`Task::force`] is called for.
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= self.settings.limits.buffered_events_max
    }

    /// Customers with any state.
    pub fn customers(&self) -> usize {
        self.customers.len()
    }

    /// Of these, whose state lies unpacked.
    pub fn unpacked_customers(&self) -> usize {
        self.customers.unpacked()
    }

    /// Customers of whom nothing is left: none, once time has gone on.
    pub fn kept_for_nothing(&self) -> usize {
        self.customers.iter().filter(|customer| customer.is_over(&self.desk)).count()
    }

    /// Deadlines that are due and wait for a feed.
    pub fn held(&self) -> usize {
        self.pending.len()
    }

    /// Timers set.
    pub fn timers(&self) -> usize {
        self.wheel.len()
    }

    /// Open episodes of absences.
    pub fn open_episodes(&self) -> u64 {
        self.open_episodes
    }

    /// The rulebook in force.
    pub fn book(&self) -> &Arc<Rulebook> {
        &self.book
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The desk.
    pub fn desk(&self) -> &D {
        &self.desk
    }

    /// The desk, to take out what it has decided.
    pub fn desk_mut(&mut self) -> &mut D {
        &mut self.desk
    }

    /// The clock's state, for evidence.
    pub(crate) fn clock(&self) -> Clock {
        Clock {
            instant: self.instant,
            watermark: self.watermark(),
            feeds: self.feeds.iter().map(|f| (f.watermark, f.blind.is_some())).collect(),
        }
    }

    /// What is remembered for late events of these feeds reaches back to here.
    pub(crate) fn memory_cut(&self, needs: FeedSet) -> Millis {
        let least = needs.iter().map(|f| self.feeds[usize::from(f.0)].watermark).min().unwrap_or(FOREVER);
        #[cfg(feature = "faults")]
        if self.settings.fault == Some(crate::Fault::MemoryCutAtTask) {
            return self.instant.saturating_sub(self.settings.late_horizon_ms);
        }
        least.min(self.instant).saturating_sub(self.settings.late_horizon_ms)
    }
}

/// The clock of deadlines that need these feeds: nothing fires while one of them is blind.
pub(crate) fn fire_clock(feeds: &[Feed], _settings: &Settings, needs: FeedSet) -> Millis {
    #[cfg(feature = "faults")]
    if _settings.fault == Some(crate::Fault::NeedsIgnored) {
        return FOREVER;
    }
    let clocks = needs.iter().map(|f| {
        let feed = &feeds[usize::from(f.0)];
        if feed.blind.is_some() { NEVER } else { feed.watermark }
    });
    clocks.min().unwrap_or(FOREVER)
}
