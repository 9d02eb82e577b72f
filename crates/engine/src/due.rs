//! Deadlines that are due: fired in their order as soon as the feeds they need allow it, held until then.

use crate::customer::{NONE, State};
use crate::explain::{Note, What};
use crate::packed::Packed;
use crate::wheel::Timer;
use crate::{Desk, Moment, Task};
use compact_str::CompactString;
use cxwatch_event::Millis;
use cxwatch_rulebook::{FeedSet, Level, RuleIx, Rulebook};
use std::collections::BTreeSet;

/// In place of a rule: the timer at which a customer's memory is looked through.
pub(crate) const TIDY: u16 = u16::MAX;
/// So often the pause between two looks at a customer's memory doubles at most.
const TIDIED_MAX: u8 = 20;
/// In place of a rule: the desk's timer.
pub(crate) const DESK: u16 = u16::MAX - 1;

/// A deadline that is due. The order is that of firing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) deadline: Millis,
    /// In the order of (rank, id).
    pub(crate) rule: RuleIx,
    pub(crate) customer: CompactString,
    pub(crate) key: CompactString,
    pub(crate) level: Level,
}

/// Everything due, by the set of feeds that it needs.
#[derive(Debug)]
pub(crate) struct Pending {
    groups: Vec<(FeedSet, BTreeSet<Due>)>,
    group_of_rule: Vec<usize>,
}

impl Pending {
    pub(crate) fn new(book: &Rulebook) -> Self {
        let mut groups: Vec<(FeedSet, BTreeSet<Due>)> = Vec::new();
        let group_of_rule = book.rules.iter().map(|rule| {
            groups.iter().position(|(needs, _)| *needs == rule.needs).unwrap_or_else(|| {
                groups.push((rule.needs, BTreeSet::new()));
                groups.len() - 1
            })
        });
        let group_of_rule = group_of_rule.collect();
        Pending { groups, group_of_rule }
    }

    fn is_empty(&self) -> bool {
        self.groups.iter().all(|(_, due)| due.is_empty())
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.iter().map(|(_, due)| due.len()).sum()
    }

    /// True if it is new.
    pub(crate) fn insert(&mut self, due: Due) -> bool {
        let group = self.group_of_rule[usize::from(due.rule.0)];
        self.groups[group].1.insert(due)
    }

    /// Takes the first that may fire, given the clock of each set of feeds.
    fn take_first(&mut self, clock: impl Fn(FeedSet) -> Millis) -> Option<Due> {
        let heads = self.groups.iter().enumerate().filter_map(|(group, (needs, due))| {
            due.first().filter(|first| first.deadline <= clock(*needs)).map(|first| (first, group))
        });
        let group = heads.min().map(|(_, group)| group)?;
        self.groups[group].1.pop_first()
    }
}

impl State {
    /// The earliest deadline or completion that has not been settled.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        match self {
            State::Absence(absence) => {
                absence.episodes().iter().filter_map(|e| e.next()).map(|(due, _)| due).min()
            }
            State::Window(window) => window.held.iter().map(|h| h.time).min(),
        }
    }
}

impl<D: Desk> Task<D> {
    /// Takes the timers up to the instant, fires what is due, wakes the desk.
    pub(crate) fn ring(&mut self, book: &Rulebook) {
        // At most instants there is nothing to do.
        if self.pending.is_empty() && self.wheel.peek(self.instant).is_none() {
            return self.desk.settled();
        }
        let held = self.pending.len();
        loop {
            let mut woken = Vec::new();
            self.ring_rules(book, &mut woken);
            // The wheel's order depends on when timers were set.
            woken.sort_unstable();
            for (_, _, at) in woken {
                self.wake_desk(book, at);
            }
            self.desk.settled();
            // What the desk decided may be due at once.
            if self.wheel.peek(self.instant).is_none() {
                break;
            }
        }
        self.counts.held += self.pending.len().saturating_sub(held) as u64;
    }

    /// Takes the timers up to the instant and fires what is due, until nothing of the rules is. Says who is to be woken.
    fn ring_rules(&mut self, book: &Rulebook, woken: &mut Vec<(Millis, CompactString, u32)>) {
        loop {
            let mut timers = Vec::new();
            self.wheel.take(self.instant, &mut timers);
            for timer in &timers {
                self.take_timer(book, timer, woken);
            }
            let before = self.pending.len();
            self.fire_pending(book);
            // Firing may have set timers that are already due.
            if timers.is_empty() && self.pending.len() == before && self.wheel.peek(self.instant).is_none() {
                break;
            }
        }
    }

    fn take_timer(&mut self, book: &Rulebook, timer: &Timer, woken: &mut Vec<(Millis, CompactString, u32)>) {
        let packed = self.customers.packed(timer.customer);
        if timer.rule == TIDY && packed.is_some_and(Packed::can_wait_for_desk) {
            return;
        }
        let was_packed = packed.is_some();
        let Some(customer) = self.customers.at(timer.customer) else { return };
        match timer.rule {
            TIDY if customer.tidy_at == timer.time => {
                self.touch(timer.customer);
                self.customers.live(timer.customer).tidy_at = NONE;
                self.tidy(book, timer.customer);
                if was_packed {
                    self.customers.pack(timer.customer);
                }
            }
            DESK if customer.desk_at == timer.time => {
                // A snapshot that has it before it is woken has its timer, too.
                self.touch(timer.customer);
                let customer = self.customers.live(timer.customer);
                customer.desk_at = NONE;
                woken.push((timer.time, customer.id.clone(), timer.customer));
            }
            rule if rule < DESK => {
                if let Some(slot) = customer.slot(RuleIx(rule))
                    && slot.timer_at == timer.time
                {
                    slot.timer_at = NONE;
                    self.schedule(timer.customer, RuleIx(rule));
                }
            }
            _ => {}
        }
    }

    /// Queues what is due of a rule's episodes, and sets a timer for what comes next.
    pub(crate) fn schedule(&mut self, at: u32, rule: RuleIx) {
        let instant = self.instant;
        let customer = self.customers.live(at);
        let id = customer.id.clone();
        let Some(slot) = customer.slot(rule) else { return };
        let State::Absence(absence) = &slot.state else { return };
        let mut next = NONE;
        let mut fresh = Vec::new();
        let watched = self.desk.watched().is_some_and(|watched| watched == id);
        for episode in absence.episodes() {
            let Some((deadline, level)) = episode.next() else { continue };
            if deadline <= instant {
                let due = Due { deadline, rule, customer: id.clone(), key: episode.key.clone(), level };
                let is_new = self.pending.insert(due);
                if watched && is_new {
                    fresh.push((deadline, episode.key.clone()));
                }
            } else {
                next = next.min(deadline);
            }
        }
        if next < slot.timer_at && next < crate::FOREVER {
            slot.timer_at = next;
            self.wheel.insert(Timer { time: next, customer: at, rule: rule.0 });
        }
        for (deadline, key) in fresh {
            self.note_held(at, rule, key, deadline);
        }
    }

    /// Tells that a deadline that is due has to wait, if it has.
    fn note_held(&mut self, at: u32, rule: RuleIx, key: CompactString, deadline: Millis) {
        let book = std::sync::Arc::clone(&self.book);
        let held = crate::explain::holding(&self.feeds, book.rule(rule).needs, deadline);
        if !held.is_empty() {
            let note = Note { rule, key: Some(key), time: deadline, by: None, what: What::Held(held) };
            self.note(&book, at, &note);
        }
    }

    /// Fires everything due whose feeds allow it, and wakes the desk where what it decided is due already: whether time is
    /// let go on before the next record must make no difference.
    pub(crate) fn fire_due(&mut self, book: &Rulebook) {
        self.fire_pending(book);
        if self.wheel.peek(self.instant).is_some() {
            self.ring(book);
        }
    }

    /// Fires everything due whose feeds allow it, in order. A detection reaches all rules built on it before any further
    /// timer.
    fn fire_pending(&mut self, book: &Rulebook) {
        loop {
            let (feeds, settings) = (&self.feeds, &self.settings);
            let clock = |needs| crate::task::fire_clock(feeds, settings, needs);
            let Some(due) = self.pending.take_first(clock) else { break };
            let hash = self.customers.hash(&due.customer);
            let Some(at) = self.customers.find(hash, &due.customer) else { continue };
            self.fire(book, at, &due);
        }
        self.desk.settled();
    }

    /// Looks through a customer's memory and lets go of what no longer matters.
    fn tidy(&mut self, book: &Rulebook, at: u32) {
        let instant = self.instant;
        let cuts: Vec<Millis> =
            self.pending.groups.iter().map(|(needs, _)| self.memory_cut(*needs)).collect();
        let dedupe_ms = self.settings.dedupe_ms();
        let limits = &self.settings.limits;
        let customer = self.customers.live(at);
        let mut more = false;
        // What is still to be settled is judged as of its own time, and so are the rules built on it.
        let unsettled = customer.slots.iter().filter_map(|s| s.state.next_due()).min().unwrap_or(NONE);
        for slot in &mut customer.slots {
            let ix = RuleIx(slot.rule);
            let rule = book.rule(ix);
            let cut = cuts[self.pending.group_of_rule[usize::from(slot.rule)]].min(unsettled);
            slot.guards.forget(rule, cut);
            more |= !slot.guards.is_empty();
            match &mut slot.state {
                State::Absence(absence) => {
                    absence.forget(crate::apply::ctx(book, ix, limits), cut);
                    more |= absence.will_forget();
                }
                State::Window(window) => {
                    window.forget(rule, instant, cut);
                    more |= !window.is_empty();
                }
            }
        }
        customer.slots.retain(|s| !s.is_empty());
        customer.slots.shrink_to_fit();
        customer.seen.forget(instant.saturating_sub(dedupe_ms));
        customer.seen.shrink();
        more |= !customer.seen.is_empty();
        if customer.is_over(&self.desk) {
            self.customers.remove(at);
        } else if more {
            self.set_tidy(at);
            let customer = self.customers.live(at);
            customer.tidied = (customer.tidied + 1).min(TIDIED_MAX);
        }
    }

    /// Sets the timer for [`Task::tidy`] after something came in.
    pub(crate) fn tidy_later(&mut self, at: u32) {
        let customer = self.customers.live(at);
        let is_set = self.instant < customer.tidy_at && customer.tidy_at < NONE;
        // One that was set by the last that came in is earlier.
        if customer.tidied > 0 || !is_set {
            customer.tidied = 0;
            self.set_tidy(at);
        }
    }

    /// While nothing comes, the pauses double: what is kept for days is not looked through every few minutes.
    fn set_tidy(&mut self, at: u32) {
        let pause = self.settings.late_horizon_ms.max(self.settings.dedupe_ms()) + 1_000;
        let pause = pause.min(crate::settings::DEDUPE_MS_MAX);
        let customer = self.customers.live(at);
        let time = self.instant.saturating_add(pause.saturating_mul(1 << customer.tidied));
        // That of a packed customer may have gone off in vain.
        let is_earlier = time < customer.tidy_at || customer.tidy_at <= self.instant;
        if is_earlier && time < crate::FOREVER {
            customer.tidy_at = time;
            self.wheel.insert(Timer { time, customer: at, rule: TIDY });
        }
    }

    fn wake_desk(&mut self, book: &Rulebook, at: u32) {
        self.touch(at);
        let instant = self.instant;
        let Some(customer) = self.customers.at(at) else { return };
        let profile = customer.profile.as_deref().unwrap_or(&cxwatch_event::UNKNOWN);
        let moment = Moment { book, customer: &customer.id, profile, instant };
        self.desk.wake(&moment, &mut customer.desk);
        self.desk_later(at);
    }

    /// Sets the desk's timer where it wants an earlier one, and that for [`Task::tidy`].
    pub(crate) fn desk_later(&mut self, at: u32) {
        self.set_desk(at);
        #[cfg(feature = "faults")]
        if self.settings.fault == Some(crate::Fault::KeptForNothing)
            && self.desk.next(&self.customers.live(at).desk).is_none()
        {
            return;
        }
        self.tidy_later(at);
    }

    /// Sets the desk's timer where it wants an earlier one.
    pub(crate) fn set_desk(&mut self, at: u32) {
        let instant = self.instant;
        let customer = self.customers.live(at);
        let Some(time) = self.desk.next(&customer.desk) else { return };
        let time = time.max(instant);
        if time < customer.desk_at && time < crate::FOREVER {
            customer.desk_at = time;
            self.wheel.insert(Timer { time, customer: at, rule: DESK });
        }
    }
}
