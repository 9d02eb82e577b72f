//! What an event does: to the rules that name it, and through their detections to the rules built on those.

use crate::absence::{Ctx, Entry, Turn};
use crate::customer::State;
use crate::customers::IdHash;
use crate::effect::{EventRef, Received};
use crate::explain::{Note, What};
use crate::identity::event_hash;
use crate::place::Pos;
use crate::window::Arrival;
use crate::{Desk, Limits, Moment, Task};
use compact_str::CompactString;
use cxwatch_event::{Millis, Profile, UNKNOWN};
use cxwatch_rulebook::{DetectionFacts, Facts, Hit, Kind, Roles, Rule, RuleIx, RuleUse, Rulebook};

/// The event, or detection, that is being delivered.
pub(crate) struct Delivery<'a> {
    pub(crate) book: &'a Rulebook,
    pub(crate) subject: Subject<'a>,
    pub(crate) pos: Pos,
    /// Of source, id and sub-index, or that of the detection.
    pub(crate) hash: u64,
}

/// What is being delivered.
pub(crate) enum Subject<'a> {
    Event(Received<'a>),
    Detection(DetectionFacts<'a>, &'a EventRef),
}

impl Delivery<'_> {
    fn facts(&self) -> Facts<'_> {
        match &self.subject {
            Subject::Event(received) => Facts::Event(received.event),
            Subject::Detection(facts, _) => Facts::Detection(*facts),
        }
    }

    /// The detection that it is.
    fn detection(&self) -> Option<u64> {
        matches!(self.subject, Subject::Detection(..)).then_some(self.hash)
    }

    /// What is remembered of it. Most events leave nothing behind that names them.
    pub(crate) fn event(&self) -> EventRef {
        match &self.subject {
            Subject::Event(received) => received.reference(self.book),
            Subject::Detection(_, event) => (*event).clone(),
        }
    }

    fn note(&self, rule: RuleIx, key: Option<CompactString>, what: What) -> Note {
        let by = self.event();
        Note { rule, key, time: by.time, by: Some(by), what }
    }
}

impl<D: Desk> Task<D> {
    /// Applies an event at the instant being processed.
    pub(crate) fn apply(&mut self, book: &Rulebook, received: Received<'_>, customer: IdHash) {
        let event = received.event;
        let (at, is_new) = self.customers.find_or_new(customer, &event.customer);
        if is_new {
            self.came_later(at);
        } else {
            self.touch(at);
        }
        let hash = event_hash(event);
        if self.is_duplicate(at, hash, event.time) {
            self.counts.duplicates += 1;
            return self.note_repeated(book, at, received);
        }
        self.counts.applied += 1;
        if book.profile == Some(event.kind) {
            // Nothing is judged again: what was known at the time counts.
            let profile = self.customers.live(at).profile.get_or_insert_default();
            #[cfg(feature = "faults")]
            if self.settings.fault == Some(crate::Fault::OlderProfileWins) {
                profile.as_of = None;
            }
            profile.update(event);
            return self.tidy_later(at);
        }
        let uses = book.uses(event.kind);
        if !uses.is_empty() || book.desk_use(event.kind).is_some() {
            let instant = self.instant;
            let customer = self.customers.live(at);
            let profile = customer.profile.as_deref().unwrap_or(&UNKNOWN);
            let moment = Moment { book, customer: &customer.id, profile, instant };
            self.desk.saw(&moment, &mut customer.desk, received);
            self.set_desk(at);
        }
        let pos = Pos::at_event(event.time, received.feed.0, received.offset, event.sub);
        let delivery = Delivery { book, subject: Subject::Event(received), pos, hash };
        self.deliver(book, at, uses, &delivery);
        self.deliver_detections(book, at);
        self.tidy_later(at);
    }

    /// Whether this id has been seen within `dedupe_for`, or, of an event that comes late, is remembered by a rule.
    fn is_duplicate(&mut self, at: u32, hash: u64, time: Millis) -> bool {
        #[cfg(feature = "faults")]
        if self.settings.fault == Some(crate::Fault::DuplicateOnEntry) {
            return false;
        }
        let (instant, limit) = (self.instant, self.settings.limits.dedupe_ids_max);
        let oldest = instant.saturating_sub(self.settings.dedupe_ms());
        let customer = self.customers.live(at);
        customer.seen.forget(oldest);
        let remembered = || {
            customer.slots.iter().any(|s| match &s.state {
                State::Absence(absence) => absence.remembers(hash),
                State::Window(_) => false,
            })
        };
        if customer.seen.contains(hash) || (time < instant && remembered()) {
            return true;
        }
        self.counts.bound_hits += u64::from(!customer.seen.add(instant, hash, limit));
        false
    }

    pub(crate) fn deliver(&mut self, book: &Rulebook, at: u32, uses: &[RuleUse], delivery: &Delivery<'_>) {
        let facts = delivery.facts();
        let watched = self.is_watched(at);
        for used in uses {
            let profile = self.profile(book, at);
            let bits = used.bits(&facts, profile);
            let is_plain_refresh = bits.is(Roles::REFRESH) && used.is_plain(&facts, profile);
            if bits.is_empty() {
                if watched {
                    self.note(book, at, &delivery.note(used.rule, None, What::PassedBy));
                }
                continue;
            }
            if is_plain_refresh && !watched && self.idles(book, at, used.rule, delivery) {
                continue;
            }
            let mut hit = used.hit_of(bits, &facts, self.profile(book, at));
            if hit.roles & Roles::SUCCESS != 0 {
                self.succeeded(book, at, used.rule, hit.key.as_deref(), &delivery.event());
                hit.roles &= !Roles::SUCCESS;
                if hit.roles == 0 && hit.guards == 0 {
                    continue;
                }
            }
            self.take(book, at, used.rule, hit, delivery);
        }
    }

    /// What is known of the customer; most rulebooks ask nothing of it.
    fn profile(&mut self, book: &Rulebook, at: u32) -> &Profile {
        if book.profile.is_some() { self.customers.live(at).known() } else { &UNKNOWN }
    }

    /// Whether an event that only refreshes meets nothing of an absence's but that the customer looks around: then there
    /// is no more to do.
    fn idles(&mut self, book: &Rulebook, at: u32, ix: RuleIx, delivery: &Delivery<'_>) -> bool {
        let rule = book.rule(ix);
        if delivery.detection().is_some() || !matches!(rule.kind, Kind::Absence { .. }) {
            return false;
        }
        let customer = self.customers.live(at);
        let slot_at = customer.slot_at(ix).unwrap_or_else(|| customer.new_slot(ix, rule));
        match &mut customer.slots[slot_at].state {
            State::Absence(absence) => absence.idles(rule, delivery.pos, delivery.hash),
            State::Window(_) => false,
        }
    }

    /// An event shows that a rule's customer was saved: that concerns the desk only.
    fn succeeded(&mut self, book: &Rulebook, at: u32, rule: RuleIx, key: Option<&str>, event: &EventRef) {
        let instant = self.instant;
        let customer = self.customers.live(at);
        let profile = customer.profile.as_deref().unwrap_or(&UNKNOWN);
        let moment = Moment { book, customer: &customer.id, profile, instant };
        self.desk.succeeded(&moment, &mut customer.desk, rule, key, event);
        self.desk_later(at);
    }

    /// One rule takes one event.
    fn take(&mut self, book: &Rulebook, at: u32, ix: RuleIx, mut hit: Hit, delivery: &Delivery<'_>) {
        let rule = book.rule(ix);
        let time = delivery.pos.time;
        let (guards_hit, key) = (hit.guards, hit.key.clone());
        let watched = self.is_watched(at);
        if watched {
            self.note(book, at, &delivery.note(ix, key.clone(), What::Took(hit.roles)));
        }
        let needs_key = Roles::START | Roles::EVENT | Roles::COUNTED | Roles::WEIGHT;
        if key.is_none() && hit.roles & needs_key != 0 {
            self.counts.starts_without_key += 1;
            hit.roles &= !needs_key;
            if watched {
                self.note(book, at, &delivery.note(ix, None, What::NoKey));
            }
        }
        let ctx = ctx(book, ix, &self.settings.limits);
        let customer = self.customers.live(at);
        let slot_at = match customer.slot_at(ix) {
            Some(slot_at) => slot_at,
            None if guards_hit == 0 && !begins(rule, hit.roles) => return,
            None => customer.new_slot(ix, rule),
        };
        let slot = &mut customer.slots[slot_at];
        if guards_hit != 0 {
            slot.guards.see(rule, guards_hit, key.as_ref(), delivery.pos, true);
        }
        if hit.roles == 0 {
            slot.guards.see(rule, guards_hit, key.as_ref(), delivery.pos, false);
            return;
        }
        match &mut slot.state {
            State::Absence(absence) => {
                // A start that a guard blocks neither opens nor joins.
                let starts = hit.roles & Roles::START != 0;
                let mut blocking = None;
                if starts && let Some(k) = &key {
                    blocking = slot.guards.blocking(rule, k, time);
                }
                if starts && (key.is_none() || blocking.is_some()) {
                    hit.roles &= !Roles::START;
                }
                let roles = hit.roles;
                let as_it_was = if watched { absence.episodes().to_vec() } else { Vec::new() };
                let Delivery { pos, hash, .. } = *delivery;
                let entry = Entry::new(hit, || delivery.event(), pos, hash, delivery.detection());
                let mut turn = Turn::default();
                let before = absence.episodes().len();
                absence.absorb(ctx, entry, &mut turn);
                let open = absence.episodes().len();
                self.open_episodes = self.open_episodes + open as u64 - before as u64;
                slot.guards.see(rule, guards_hit, key.as_ref(), delivery.pos, false);
                if watched {
                    let took = delivery.note(ix, key, What::Took(roles));
                    if let Some(blocking) = blocking {
                        self.note(book, at, &Note { what: What::StartBlocked(blocking), ..took.clone() });
                    }
                    self.note_turn(book, at, &as_it_was, &took);
                }
                // Most events meet no episode: then there is nothing to publish and no timer to set.
                if before > 0 || open > 0 || !turn.is_quiet() {
                    self.turned(book, at, ix, turn, Some(delivery));
                }
            }
            State::Window(window) => {
                let event = &delivery.event();
                let arrival = Arrival { hit, event, pos: delivery.pos, detection: delivery.detection() };
                let keys = if watched { window.keys().count() } else { 0 };
                let completions = window.absorb(ctx, &arrival, &mut self.counts.bound_hits);
                if watched {
                    let whats = window.explain(ctx, &arrival, keys, &completions);
                    for what in whats {
                        self.note(book, at, &delivery.note(ix, key.clone(), what));
                    }
                }
                for completion in completions {
                    self.completed(book, at, ix, completion);
                }
                if guards_hit != 0
                    && let Some(slot) = self.customers.live(at).slot(ix)
                {
                    slot.guards.see(rule, guards_hit, key.as_ref(), delivery.pos, false);
                }
            }
        }
    }
}

/// Whether an event with these roles leaves something behind where there was nothing. Of an absence every role is
/// remembered; what breaks, empties or goes on with the other kinds means nothing to a customer who has none.
fn begins(rule: &Rule, roles: u32) -> bool {
    let begins = Roles::EVENT | Roles::COUNTED | Roles::WEIGHT | Roles::step(0);
    matches!(rule.kind, Kind::Absence { .. }) || roles & begins != 0
}

pub(crate) fn ctx<'a>(book: &'a Rulebook, ix: RuleIx, limits: &'a Limits) -> Ctx<'a> {
    Ctx { book, rule: book.rule(ix), limits }
}
