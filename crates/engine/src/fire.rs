//! What rules have found: deadlines and completions fire, are published, end and are taken back.

use crate::absence::{Episode, Fired, Turn};
use crate::apply::{Delivery, Subject, ctx};
use crate::customer::State;
use crate::due::Due;
use crate::effect::{Detection, Effect, Ended, EventRef};
use crate::evidence::Evidence;
use crate::explain::{Note, What, holding};
use crate::identity::{detection_hash, detection_id, mix};
use crate::place::Pos;
use crate::window::{Completion, FiredWindow};
use crate::{Desk, Measures, Moment, Task};
use compact_str::{CompactString, format_compact};
use cxwatch_event::{MICRO, Micro, Millis, Profile, UNKNOWN, Value};
use cxwatch_rulebook::{DetectionFacts, Kind, Level, MeasureRef, Rule, RuleIx, Rulebook};

/// A detection that has not reached the rules built on it yet.
#[derive(Debug)]
pub(crate) struct Undelivered {
    rule: RuleIx,
    level: Level,
    key: CompactString,
    severity: u8,
    measures: Measures,
    event: EventRef,
    pos: Pos,
    hash: u64,
}

/// The parts of a detection that rules differ in.
struct Finding {
    level: Level,
    key: CompactString,
    time: Millis,
    about: EventRef,
    deadline: Millis,
    evidence: Vec<EventRef>,
    events: u32,
    measures: Measures,
    severity: u8,
    resolved: bool,
    pos: Pos,
}

impl<D: Desk> Task<D> {
    /// Publishes what an event brought about in an absence, and sets its timers anew.
    pub(crate) fn turned(
        &mut self,
        book: &Rulebook,
        at: u32,
        ix: RuleIx,
        turn: Turn,
        by: Option<&Delivery<'_>>,
    ) {
        self.counts.evaluated_again += u64::from(turn.evaluated_again);
        self.counts.bound_hits += turn.bound_hits;
        for fired in turn.retracted {
            self.retract(book, at, ix, &fired);
        }
        for fired in turn.resolved {
            self.resolve(book, at, ix, &fired, by.map(Delivery::event));
        }
        self.schedule(at, ix);
    }

    /// Tells that the need to act is over.
    fn resolve(&mut self, book: &Rulebook, at: u32, ix: RuleIx, fired: &Fired, by: Option<EventRef>) {
        self.counts.resolutions += 1;
        let ended = self.ended(at, ix, fired, by);
        self.publish(book, at, Effect::Resolved(Box::new(ended)));
    }

    /// An event has completed a rule: it fires, unless a guard or `when` is against it, or waits for a feed.
    pub(crate) fn completed(&mut self, book: &Rulebook, at: u32, ix: RuleIx, completion: Completion) {
        let rule = book.rule(ix);
        let clock = crate::task::fire_clock(&self.feeds, &self.settings, rule.needs);
        let profile = self.customers.live(at).known().clone();
        let slot = self.customers.live(at).slot(ix).expect("the rule has just taken an event");
        let State::Window(window) = &mut slot.state else {
            unreachable!("an event completes these kinds only")
        };
        if rule.concludes_from_absence && clock < completion.time {
            window.complete(rule, &completion);
            if self.is_watched(at) {
                let what = What::Held(holding(&self.feeds, rule.needs, completion.time));
                self.note(book, at, &completion.note(ix, what));
            }
            let due = Due {
                deadline: completion.time,
                rule: ix,
                customer: self.customers.live(at).id.clone(),
                key: completion.key.clone(),
                level: Level::Breach,
            };
            let slot = self.customers.live(at).slot(ix).expect("it was there a moment ago");
            let State::Window(window) = &mut slot.state else { unreachable!("a slot keeps its kind") };
            window.held.push(completion);
            self.pending.insert(due);
            return;
        }
        if slot.guards.allow(rule, &completion.key, completion.time)
            && when_holds(rule, &completion.measures, completion.events, &profile)
        {
            window.complete(rule, &completion);
            self.found(book, at, ix, completion);
        } else {
            self.note_failed(
                book,
                at,
                &completion.note(ix, What::Emptied),
                &completion.measures,
                completion.events,
            );
        }
    }

    /// Tells why a firing came to nothing.
    fn note_failed(&mut self, book: &Rulebook, at: u32, note: &Note, measures: &Measures, events: u32) {
        if !self.is_watched(at) {
            return;
        }
        let (ix, key) = (note.rule, note.key.as_deref().unwrap_or_default());
        let Some(slot) = self.customers.live(at).slot(ix) else { return };
        let what = match slot.guards.blocking(book.rule(ix), key, note.time) {
            Some(blocking) => What::FiringBlocked(blocking),
            None => What::WhenFailed { measures: measures.clone(), events },
        };
        self.note(book, at, &Note { what, ..note.clone() });
    }

    /// A completion is a detection.
    fn found(&mut self, book: &Rulebook, at: u32, ix: RuleIx, completion: Completion) {
        let id = detection_id(&book.rule(ix).id, &completion.key, &completion.about);
        let slot = self.customers.live(at).slot(ix).expect("the rule has just completed");
        let State::Window(window) = &mut slot.state else {
            unreachable!("an event completes these kinds only")
        };
        if window.fired.iter().any(|f| f.id == id && f.time == completion.time) {
            return;
        }
        // A match is remembered to know its event again, the others to be retracted with what they rest on.
        if book.rule(ix).kind == Kind::Match || !completion.detections.is_empty() {
            window.fired.push(FiredWindow {
                id,
                key: completion.key.clone(),
                time: completion.time,
                about: completion.about.clone(),
                detections: completion.detections.clone(),
            });
        }
        let finding = Finding {
            level: Level::Breach,
            pos: completion.pos.completed(ix),
            deadline: completion.time,
            key: completion.key,
            time: completion.time,
            about: completion.about,
            evidence: completion.evidence,
            events: completion.events,
            measures: completion.measures,
            severity: completion.severity,
            resolved: false,
        };
        self.detect(book, at, ix, id, finding);
    }

    /// Fires a deadline, if it still stands.
    pub(crate) fn fire(&mut self, book: &Rulebook, at: u32, due: &Due) {
        self.touch(at);
        let (ix, rule) = (due.rule, book.rule(due.rule));
        let profile = self.customers.live(at).known().clone();
        let Some(slot) = self.customers.live(at).slot(ix) else { return };
        match &mut slot.state {
            State::Window(window) => {
                // Several events of one instant may each have completed it.
                let is_due = |h: &mut Completion| h.key == due.key && h.time == due.deadline;
                let held: Vec<Completion> = window.held.extract_if(.., is_due).collect();
                let guards = &slot.guards;
                let allowed = |c: &Completion| {
                    guards.allow(rule, &c.key, c.time) && when_holds(rule, &c.measures, c.events, &profile)
                };
                let (found, failed): (Vec<Completion>, Vec<Completion>) = held.into_iter().partition(allowed);
                for failed in failed {
                    self.note_failed(
                        book,
                        at,
                        &failed.note(ix, What::Emptied),
                        &failed.measures,
                        failed.events,
                    );
                }
                for completion in found {
                    self.found(book, at, ix, completion);
                }
            }
            State::Absence(absence) => {
                let next = Some((due.deadline, due.level));
                let is_due = |e: &Episode| e.key == due.key && e.next() == next;
                let Some(e) = absence.episodes().iter().position(is_due) else { return };
                let (episodes, _) = absence.begin_memory();
                let episode = episodes[e].clone();
                let warned = due.level == Level::Warning && episode.level == Level::Breach;
                if warned {
                    episodes[e].has_warned();
                } else {
                    episodes.remove(e);
                    self.open_episodes -= 1;
                }
                let allowed = slot.guards.allow(rule, &due.key, due.deadline);
                let holds = due.level == Level::Warning
                    || when_holds(rule, &episode.measures, episode.events, &profile);
                let about = episode.about.event();
                let id = detection_id(&rule.id, &episode.key, &about);
                let silent = !(allowed && holds);
                let fired = Fired::new(id, rule, &episode, due.level, due.deadline, silent);
                let limits = &self.settings.limits;
                let resolved = absence.remember_fired(ctx(book, ix, limits), fired);
                if silent {
                    let key = Some(episode.key.clone());
                    let note = Note { rule: ix, key, time: due.deadline, by: None, what: What::Emptied };
                    self.note_failed(book, at, &note, &episode.measures, episode.events);
                } else {
                    let last = episode.last.as_ref().map(Evidence::event);
                    let finding = Finding {
                        level: due.level,
                        deadline: episode.speaks_of(due.level).unwrap_or(due.deadline),
                        pos: Pos::of_timer(due.deadline, ix, &due.key),
                        time: due.deadline,
                        evidence: std::iter::once(about.clone()).chain(last).collect(),
                        events: episode.events,
                        key: episode.key,
                        about,
                        measures: episode.measures,
                        severity: episode.severity,
                        resolved: resolved.is_some(),
                    };
                    self.detect(book, at, ix, id, finding);
                    if let Some(fired) = resolved {
                        self.resolve(book, at, ix, &fired, None);
                    }
                }
                self.schedule(at, ix);
                self.tidy_later(at);
            }
        }
        self.deliver_detections(book, at);
    }

    /// Publishes a detection; it is yet to reach the rules built on this one.
    fn detect(&mut self, book: &Rulebook, at: u32, ix: RuleIx, id: u64, finding: Finding) {
        let rule = book.rule(ix);
        self.counts.detections += 1;
        let customer = self.customers.live(at);
        let profile = customer.known();
        let severity = severity(rule, &finding.measures, finding.events, profile, finding.severity);
        let customer = customer.id.clone();
        let detection = Detection {
            id,
            rule: ix,
            level: finding.level,
            customer,
            time: finding.time,
            deadline: finding.deadline,
            events: finding.events,
            severity,
            resolved: finding.resolved,
            clock: self.clock(),
            key: finding.key.clone(),
            about: finding.about.clone(),
            evidence: finding.evidence,
            measures: finding.measures.clone(),
        };
        self.publish(book, at, Effect::Detected(Box::new(detection)));
        if book.uses_of_detection(ix, finding.level).is_empty() {
            return;
        }
        let event = EventRef {
            kind: None,
            time: finding.time,
            source: format_compact!("rule:{}", rule.id),
            ..finding.about
        };
        self.undelivered.push(Undelivered {
            rule: ix,
            level: finding.level,
            key: finding.key,
            severity,
            measures: finding.measures,
            event,
            pos: finding.pos,
            hash: detection_hash(ix, finding.level, id, finding.time),
        });
    }

    /// Detections reach the rules built on them after what caused them, the first rule's first: in the order of [`Pos`].
    pub(crate) fn deliver_detections(&mut self, book: &Rulebook, at: u32) {
        while let Some(first) = (0..self.undelivered.len()).min_by_key(|at| self.undelivered[*at].rule) {
            let Undelivered { rule, level, key, severity, measures, event, pos, hash } =
                self.undelivered.remove(first);
            let facts = DetectionFacts { key: &key, severity, measures: &measures };
            let subject = Subject::Detection(facts, &event);
            let delivery = Delivery { book, subject, pos, hash };
            self.deliver(book, at, book.uses_of_detection(rule, level), &delivery);
        }
    }

    fn retract(&mut self, book: &Rulebook, at: u32, ix: RuleIx, fired: &Fired) {
        #[cfg(feature = "faults")]
        if self.settings.fault == Some(crate::Fault::NoRetraction) {
            return;
        }
        let ended = self.ended(at, ix, fired, None);
        let detection = detection_hash(ix, fired.level, fired.id, fired.time);
        self.withdraw(book, at, ix, fired.level, ended, detection);
    }

    /// Publishes a retraction, and takes the detection back from the rules built on this one.
    fn withdraw(&mut self, book: &Rulebook, at: u32, ix: RuleIx, level: Level, ended: Ended, detection: u64) {
        self.counts.retractions += 1;
        self.publish(book, at, Effect::Retracted(Box::new(ended)));
        for used in book.uses_of_detection(ix, level) {
            let (ix, rule) = (used.rule, book.rule(used.rule));
            let ctx = ctx(book, ix, &self.settings.limits);
            let Some(slot) = self.customers.live(at).slot(ix) else { continue };
            match &mut slot.state {
                State::Absence(absence) => {
                    let mut turn = Turn::default();
                    let before = absence.episodes().len();
                    absence.forget_detection(ctx, detection, &mut turn);
                    let open = absence.episodes().len();
                    self.open_episodes = self.open_episodes + open as u64 - before as u64;
                    self.turned(book, at, ix, turn, None);
                }
                State::Window(window) => {
                    for gone in window.forget_detection(rule, detection) {
                        let ended = Ended {
                            id: gone.id,
                            rule: ix,
                            level: Level::Breach,
                            customer: self.customers.live(at).id.clone(),
                            key: gone.key,
                            time: gone.time,
                            about: gone.about,
                            by: None,
                        };
                        let detection = detection_hash(ix, Level::Breach, gone.id, gone.time);
                        self.withdraw(book, at, ix, Level::Breach, ended, detection);
                    }
                }
            }
        }
    }

    fn ended(&mut self, at: u32, ix: RuleIx, fired: &Fired, by: Option<EventRef>) -> Ended {
        Ended {
            id: fired.id,
            rule: ix,
            level: fired.level,
            customer: self.customers.live(at).id.clone(),
            key: fired.key.clone(),
            time: fired.time,
            about: fired.about.event(),
            by,
        }
    }

    fn publish(&mut self, book: &Rulebook, at: u32, effect: Effect) {
        let (tag, rule, level, customer, key, time) = match &effect {
            Effect::Detected(d) => (0u8, d.rule, d.level, &d.customer, &d.key, d.time),
            Effect::Retracted(e) => (1, e.rule, e.level, &e.customer, &e.key, e.time),
            Effect::Resolved(e) => (2, e.rule, e.level, &e.customer, &e.key, e.time),
        };
        let parts: [&[u8]; 5] = [
            &[tag, level as u8],
            book.rule(rule).id.as_bytes(),
            customer.as_bytes(),
            key.as_bytes(),
            &time.to_le_bytes(),
        ];
        self.digest = mix(self.digest, &parts);
        let instant = self.instant;
        let customer = self.customers.live(at);
        let profile = customer.profile.as_deref().unwrap_or(&UNKNOWN);
        let moment = Moment { book, customer: &customer.id, profile, instant };
        self.desk.take(&moment, &mut customer.desk, &effect);
        self.desk_later(at);
    }
}

fn measured(measures: &Measures, events: u32, profile: &Profile, field: &MeasureRef) -> Option<Value> {
    match field {
        MeasureRef::Measure(at) => measures.get(usize::from(*at)).copied().flatten().map(Value::Number),
        MeasureRef::Events => Some(Value::Number(Micro::from(events) * MICRO)),
        MeasureRef::Profile(at) => profile.field(*at).cloned(),
    }
}

fn when_holds(rule: &Rule, measures: &Measures, events: u32, profile: &Profile) -> bool {
    rule.when.holds(&|field, op| op.holds(measured(measures, events, profile, field).as_ref()))
}

fn severity(rule: &Rule, measures: &Measures, events: u32, profile: &Profile, base: u8) -> u8 {
    let test = |field: &MeasureRef, op: &cxwatch_rulebook::Op| {
        op.holds(measured(measures, events, profile, field).as_ref())
    };
    rule.severity.cases.iter().find(|(cond, _)| cond.holds(&test)).map_or(base, |(_, severity)| *severity)
}
