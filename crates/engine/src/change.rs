//! Another rulebook, or other settings, between two starts.

use crate::buffer::Buffer;
use crate::customers::{Customer, State};
use crate::due::Pending;
use crate::wheel::Wheel;
use crate::{BufferedRef, Desk, Measures, Settings, Task};
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
    /// Refused where the feeds differ, or where a type's number does: state and offsets are kept by these.
    pub fn change_rulebook(
        &mut self,
        book: Arc<Rulebook>,
        settings: Settings,
    ) -> Result<Vec<BufferedRef>, String> {
        same_ground(&self.book, &book)?;
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
        let buffered = self.buffered_refs();
        self.buffer = Buffer::default();
        for mut customer in self.customers.take_all() {
            for rule in &gone {
                let id = customer.id.clone();
                self.desk.rule_removed(&id, &mut customer.desk, rule, self.instant);
            }
            move_slots(&mut customer, &fates);
            self.insert_restored(customer);
        }
        // The end of a step for the desk: what was proposed by removed rules is taken back now, not at the next event.
        self.desk.settled();
        Ok(buffered)
    }
}

fn same_ground(old: &Rulebook, new: &Rulebook) -> Result<(), String> {
    if old.feeds != new.feeds {
        return Err(format!(
            "the feeds are no longer the same ({} before, {} now); a task's state and offsets are kept by feed: begin \
             anew with `cxwatch reset --forget`, or under another group",
            old.feeds.join(", "),
            new.feeds.join(", ")
        ));
    }
    for (id, spec) in old.catalogue.types() {
        let same = usize::from(id.0) < new.catalogue.len() && new.catalogue.spec(id).name == spec.name;
        if !same {
            return Err(format!(
                "the event type {} is gone or no longer stands where it stood; state names types by their place: keep \
                 the rulebook's own types in their order and add new ones behind them",
                spec.name
            ));
        }
    }
    Ok(())
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
    customer.snapshot = 0;
    customer.forget_timers();
}
