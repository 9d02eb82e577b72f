//! Another rulebook, or other settings, between two starts.

use crate::buffer::Buffer;
use crate::customer::{Customer, State};
use crate::due::Pending;
use crate::known::Fields;
use crate::lookahead::Lookahead;
use crate::task::{Feed, NEVER};
use crate::wheel::Wheel;
use crate::{BufferedRef, Desk, EventRef, FeedSettings, Measures, Moment, Settings, Task};
use compact_str::CompactString;
use cxwatch_rulebook::{Rule, RuleIx, Rulebook};
use std::sync::Arc;

/// What becomes of a rule.
enum Fate {
    /// It is this one now. A changed one keeps its episodes with the deadlines they had; new ones follow the new text.
    Now {
        rule: RuleIx,
        /// Sightings are kept by a guard's place: where the guards differ, they are forgotten.
        guards_kept: bool,
        /// Where the measures differ.
        moved: Option<Moved>,
    },
    /// It is gone, or has become something that its state means nothing to (another kind, another `per`): its episodes
    /// close.
    Gone,
}

/// Where the measures of a changed rule come from.
pub(crate) struct Moved {
    /// By the place of a measure now: its place before, if there was one of this name that added up in the same way.
    from: Vec<Option<usize>>,
}

impl Moved {
    fn of(old: &Rule, new: &Rule) -> Option<Self> {
        let before = |measure| old.measures.iter().position(|m| m == measure);
        (old.measures != new.measures).then(|| Moved { from: new.measures.iter().map(before).collect() })
    }

    /// Puts values into their new places; a new measure has none yet.
    pub(crate) fn apply(&self, measures: &mut Measures) {
        *measures = self.from.iter().map(|from| from.and_then(|at| *measures.get(at)?)).collect();
    }
}

impl<D: Desk> Task<D> {
    /// Goes on under another rulebook and other settings, from this instant and these read positions. Rules are the same
    /// by their ids. The reorder buffer is emptied: what was in it is returned, to be decoded for the new rules and put
    /// back with [`Task::restore_buffered`]. A snapshot that is being written is given up.
    ///
    /// Feeds and types are the same by their names. A feed that stays keeps its position and watermark; one that is gone
    /// takes its buffered events with it; a new one is to be read from [`Task::start_at`], and counts as seen to just
    /// before the instant less its `max_delay`: what happened before it joined is not waited for.
    pub fn change_rulebook(&mut self, book: Arc<Rulebook>, settings: Settings) -> Vec<BufferedRef> {
        assert_eq!(book.feeds.len(), settings.feeds.len(), "settings name the rulebook's feeds");
        let old = std::mem::replace(&mut self.book, book);
        let book = Arc::clone(&self.book);
        let fates: Vec<Fate> = old.rules.iter().map(|rule| fate(rule, &book)).collect();
        let gone: Vec<&CompactString> = old
            .rules
            .iter()
            .zip(&fates)
            .filter(|(_, fate)| matches!(fate, Fate::Gone))
            .map(|(rule, _)| &rule.id)
            .collect();
        self.settings = settings;
        self.run = None;
        self.wheel = Wheel::new();
        self.pending = Pending::new(&book);
        self.open_episodes = 0;
        let numbers = Renumbered::between(&old, &book);
        let known = Fields::between(&old, &book);
        let mut buffered = self.buffered_refs();
        self.buffer = Buffer::default();
        // What comes next had the numbers of before.
        self.lookahead = Lookahead::default();
        buffered.iter_mut().for_each(|reference| reference.feed = numbers.feed(reference.feed));
        buffered.retain(|reference| reference.feed != EventRef::FEED_GONE);
        self.move_feeds(&old);
        for mut customer in self.customers.take_all() {
            known.apply(&mut customer);
            for rule in &gone {
                let profile = customer.profile.as_deref().unwrap_or(&cxwatch_event::UNKNOWN);
                let moment = Moment { book: &book, customer: &customer.id, profile, instant: self.instant };
                self.desk.rule_removed(&moment, &mut customer.desk, rule);
            }
            move_slots(&mut customer, &fates);
            if !numbers.is_none() {
                renumber(&mut customer, &numbers);
            }
            self.insert_restored(customer.without_timers());
        }
        // The end of a step for the desk: what was proposed by removed rules is taken back now, not at the next event.
        self.desk.settled();
        buffered
    }

    fn move_feeds(&mut self, old: &Rulebook) {
        let before: Vec<Option<usize>> =
            self.book.feeds.iter().map(|feed| old.feeds.iter().position(|f| f == feed)).collect();
        let joins = |settings: &FeedSettings| Feed {
            watermark: (self.instant - settings.max_delay_ms - 1).max(NEVER),
            position: 0,
            blind: None,
            lag_proof_at: None,
        };
        let feeds = before.iter().zip(&self.settings.feeds);
        self.feeds =
            feeds.map(|(at, settings)| at.map_or_else(|| joins(settings), |at| self.feeds[at])).collect();
        self.dead_digests = before.iter().map(|at| at.map_or(0, |at| self.dead_digests[at])).collect();
    }
}

/// Old numbers of feeds and types in a new rulebook, by their names.
pub(crate) struct Renumbered {
    feeds: Vec<Option<u8>>,
    kinds: Vec<Option<u16>>,
}

impl Renumbered {
    fn between(old: &Rulebook, new: &Rulebook) -> Self {
        Renumbered {
            feeds: old.feeds.iter().map(|feed| new.feed_named(feed).map(|ix| ix.0)).collect(),
            kinds: old.catalogue.types().map(|(_, t)| new.catalogue.id(&t.name).map(|id| id.0)).collect(),
        }
    }

    /// Whether every number stays what it is.
    fn is_none(&self) -> bool {
        self.feeds.iter().zip(0..).all(|(to, from)| *to == Some(from))
            && self.kinds.iter().zip(0..).all(|(to, from)| *to == Some(from))
    }

    pub(crate) fn feed(&self, old: u8) -> u8 {
        self.feeds.get(usize::from(old)).copied().flatten().unwrap_or(EventRef::FEED_GONE)
    }

    pub(crate) fn kind(&self, old: u16) -> u16 {
        self.kinds.get(usize::from(old)).copied().flatten().unwrap_or(EventRef::KIND_GONE)
    }
}

fn renumber<S>(customer: &mut Customer<S>, numbers: &Renumbered) {
    for slot in &mut customer.slots {
        slot.guards.renumber(numbers);
        match &mut slot.state {
            State::Absence(absence) => absence.renumber(numbers),
            State::Window(window) => window.renumber(numbers),
        }
    }
}

fn fate(rule: &Rule, book: &Rulebook) -> Fate {
    let Some(ix) = book.rule_named(&rule.id) else { return Fate::Gone };
    let now = book.rule(ix);
    let same_kind = std::mem::discriminant(&now.kind) == std::mem::discriminant(&rule.kind);
    if same_kind && now.per == rule.per {
        Fate::Now { rule: ix, guards_kept: now.guards == rule.guards, moved: Moved::of(rule, now) }
    } else {
        Fate::Gone
    }
}

fn move_slots<S>(customer: &mut Customer<S>, fates: &[Fate]) {
    customer.slots.retain_mut(|slot| match fates.get(usize::from(slot.rule)) {
        Some(Fate::Now { rule, guards_kept, moved }) => {
            slot.rule = rule.0;
            if !guards_kept {
                slot.guards = Default::default();
            }
            if let Some(moved) = moved {
                match &mut slot.state {
                    State::Absence(absence) => absence.move_measures(moved),
                    State::Window(window) => window.move_measures(moved),
                }
            }
            !slot.is_empty()
        }
        _ => false,
    });
}
