//! What became of the customer under one rule.

use super::words::{Words, at, either};
use super::{Answer, Because, RuleAnswer, Step, Told, reasons, state};
use crate::life::Published;
use crate::{ActionChange, Decision, Noted};
use cxwatch_engine::{Effect, Note, What, WindowView};
use cxwatch_event::Millis;
use cxwatch_event::messages::{CauseReason, Rfc3339};
use cxwatch_rulebook::{Level, RuleIx};

/// ` for k1`, or nothing.
fn of(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" for{key}") }
}

/// Gathers.
struct Gathering<'a> {
    words: Words<'a>,
    rule: RuleIx,
    because: Vec<Because>,
    steps: Vec<Step>,
    /// Events that the rule names, but whose conditions did not hold.
    passed_by: Vec<String>,
}

pub(super) fn of_rule(words: &Words<'_>, rule: RuleIx) -> RuleAnswer {
    let mut all =
        Gathering { words: *words, rule, because: Vec::new(), steps: Vec::new(), passed_by: Vec::new() };
    let id = &words.question.book.rule(rule).id;
    for (instant, told) in words.question.story.unwrap_or_default() {
        if told.rule(words.question.book) == id {
            all.tell(*instant, told);
        }
    }
    if words.question.story.is_none() {
        all.recall();
    }
    all.stands();
    if all.because.is_empty() {
        all.nothing();
    }
    RuleAnswer {
        rule: id.to_string(),
        because: all.because,
        steps: all.steps,
        episodes: state::episodes(words, rule),
    }
}

impl Gathering<'_> {
    fn step(&mut self, instant: Millis, sentence: String) {
        self.steps.push(Step { at: Rfc3339(instant), sentence });
    }

    fn because(
        &mut self,
        answer: Answer,
        time: Millis,
        key: Option<&str>,
        sentence: String,
        otherwise: Option<String>,
    ) {
        let key = self.words.key(self.rule, key);
        // How far a window has come matters only as long as nothing more is known of it.
        self.because.retain(|b| b.answer != Answer::NotEnough || b.key != key);
        self.because.push(Because { answer, time: Rfc3339(time), key, sentence, otherwise });
    }

    fn episode(&self, key: Option<&str>) -> String {
        match key.filter(|_| self.words.question.book.rule(self.rule).per) {
            Some(key) => format!("the episode of {key}"),
            None => "the episode".into(),
        }
    }

    fn tell(&mut self, instant: Millis, told: &Told) {
        match told {
            Told::Note(note) => self.note(instant, note),
            Told::Effect(effect) => self.effect(instant, effect),
            Told::Decision(Decision::Action(change)) => self.change(instant, change),
            Told::Decision(Decision::Suppressed(suppressed)) => {
                let (why, otherwise) = reasons::suppressed(&self.words, suppressed);
                let detection = &suppressed.detection;
                let sentence = format!(
                    "`{}` was proposed for what was detected as of {}, about {}, but not asked for ({}): {why}",
                    suppressed.action,
                    at(detection.time),
                    self.words.event(&detection.about),
                    suppressed.reason.name()
                );
                self.step(instant, sentence.clone());
                let key = Some(&*suppressed.detection.key);
                self.because(Answer::Suppressed, instant, key, sentence, Some(otherwise));
            }
        }
    }

    fn note(&mut self, instant: Millis, note: &Note) {
        let words = self.words;
        let key = note.key.as_deref();
        let by = note.by.as_ref().map_or_else(|| "time".into(), |by| words.event(by));
        let (episode, of_key) = (self.episode(key), words.of_key(self.rule, key));
        let due = |deadline: &Option<Millis>| match deadline {
            Some(deadline) => format!("due at {}", at(*deadline)),
            None => "it knows no deadline yet".into(),
        };
        match &note.what {
            What::PassedBy => self.passed_by.push(by),
            What::Took(_) => {}
            What::NoKey => {
                let sentence =
                    format!("{by} does not carry the field of `per`, so no episode can be told from another");
                self.step(instant, sentence.clone());
                self.because(
                    Answer::NoKey,
                    note.time,
                    None,
                    sentence,
                    Some("the event would have to carry it".into()),
                );
            }
            What::StartBlocked(blocking) => {
                let (why, lifted) = words.blocking(self.rule, *blocking, note.time);
                let sentence = format!("{by} did not open {episode}: a guard stood against it, {why}");
                self.step(instant, sentence.clone());
                self.because(Answer::StartBlocked, note.time, key, sentence, Some(lifted));
            }
            What::Opened { deadline } => {
                self.step(instant, format!("{by} opened {episode}; {}", due(deadline)))
            }
            What::Joined { events } => {
                self.step(instant, format!("{by} joined {episode}, now of {events} events"))
            }
            What::OnceOnly => {
                let sentence = format!(
                    "{by} opened nothing: {episode} has been there already, and there is only one (`once`)"
                );
                self.step(instant, sentence.clone());
                self.because(Answer::OnceOnly, note.time, key, sentence, None);
            }
            What::Refreshed { deadline } => {
                self.step(instant, format!("{by} moved the deadline of {episode}; {}", due(deadline)))
            }
            What::Paused => self.step(instant, format!("{by} stopped the clock of {episode}")),
            What::Resumed { deadline } => {
                self.step(instant, format!("{by} let the clock of {episode} run on; {}", due(deadline)))
            }
            What::Closed { opened, deadline } => {
                let in_time = match deadline {
                    Some(deadline) => format!("before it was due at {}", at(*deadline)),
                    None => "while its clock stood".into(),
                };
                let sentence = format!(
                    "{by} came at {} and closed {episode}, opened by {} at {}, {in_time}",
                    at(note.time),
                    words.event(opened),
                    at(opened.time)
                );
                self.step(instant, sentence.clone());
                let missing = either(&words.with_role(self.rule, cxwatch_rulebook::Roles::STOP), "or");
                let otherwise = match deadline {
                    Some(deadline) => format!("no {missing} until {}", at(*deadline)),
                    None => format!("no {missing}"),
                };
                self.because(Answer::Closed, note.time, key, sentence, Some(otherwise));
            }
            What::Undone { opened } => {
                self.step(
                    instant,
                    format!("{by} came late and shows that {episode} of {} never was", words.event(opened)),
                );
            }
            What::Held(holding) => {
                self.step(
                    instant,
                    format!(
                        "{episode} was due at {}, and is held: {}",
                        at(note.time),
                        words.holding(holding)
                    ),
                );
            }
            What::FiringBlocked(blocking) => {
                let (why, lifted) = words.blocking(self.rule, *blocking, note.time);
                let sentence = format!(
                    "{} at {}, but a guard stood against it, {why}",
                    self.complete(key),
                    at(note.time)
                );
                self.step(instant, sentence.clone());
                self.because(Answer::FiringBlocked, note.time, key, sentence, Some(lifted));
            }
            What::WhenFailed { measures, events } => {
                let (was, must) = words.failing(self.rule, measures, *events);
                let sentence = format!(
                    "{} at {}, but its `when` did not hold: {was}",
                    self.complete(key),
                    at(note.time)
                );
                self.step(instant, sentence.clone());
                self.because(Answer::WhenFailed, note.time, key, sentence, Some(must));
            }
            What::NotEnough(progress) => {
                let (come, missing) = words.progress(progress);
                self.step(instant, format!("{by} counts{}: {come}", of(&of_key)));
                let sentence = format!(
                    "not enough has come{}: {come}, the newest {by} at {}",
                    of(&of_key),
                    at(note.time)
                );
                self.because(Answer::NotEnough, note.time, key, sentence, Some(missing));
            }
            What::Emptied => {
                let sentence =
                    format!("{by} came at {}: what had come before no longer counts", at(note.time));
                self.step(instant, sentence.clone());
                self.because(
                    Answer::Emptied,
                    note.time,
                    key,
                    sentence,
                    Some("without that event it would have counted on".into()),
                );
            }
        }
    }

    /// What has come to its firing.
    fn complete(&self, key: Option<&str>) -> String {
        match self.words.question.book.rule(self.rule).kind {
            cxwatch_rulebook::Kind::Absence { .. } => format!("{} was due", self.episode(key)),
            _ => format!("the rule{} was complete", of(&self.words.of_key(self.rule, key))),
        }
    }

    fn effect(&mut self, instant: Millis, effect: &Effect) {
        let words = self.words;
        match effect {
            Effect::Detected(d) => {
                let level = if d.level == Level::Warning { "warned of" } else { "detected" };
                let key = words.of_key(self.rule, Some(&d.key));
                let about = words.event(&d.about);
                let sentence = format!("{level}{} as of {}, about {about}", of(&key), at(d.time));
                self.step(instant, sentence.clone());
                if words.question.book.rule(self.rule).actions.is_empty() {
                    self.because(
                        Answer::Detected,
                        d.time,
                        Some(&d.key),
                        format!("{sentence}; the rule proposes no action"),
                        Some("an action in the rule's `actions`".into()),
                    );
                }
            }
            Effect::Retracted(e) | Effect::Resolved(e) => {
                let key = words.of_key(self.rule, Some(&e.key));
                let by = e.by.as_ref().map_or_else(String::new, |by| format!(" by {}", words.event(by)));
                let (answer, how) = match effect {
                    Effect::Retracted(_) => (Answer::Retracted, "was taken back: it never held"),
                    _ => (Answer::Resolved, "stands, but the need to act was ended"),
                };
                let sentence = format!("what was detected{} as of {} {how}{by}", of(&key), at(e.time));
                self.step(instant, sentence.clone());
                self.because(answer, instant, Some(&e.key), sentence, None);
            }
        }
    }

    fn change(&mut self, instant: Millis, change: &ActionChange) {
        let words = self.words;
        let by = change.by.as_ref().map_or_else(String::new, |by| format!(", by {}", words.event(by)));
        let cause = change.cause.map_or("", reasons::cause);
        let (answer, sentence) = match change.change {
            Published::Requested => (
                Answer::Requested,
                format!(
                    "`{}` was requested at {} (action {}, revision {})",
                    change.action,
                    at(change.instant),
                    change.id,
                    change.revision
                ),
            ),
            Published::Updated => (
                Answer::Updated,
                format!(
                    "`{}` was updated at {}: {cause}{by} (action {}, revision {}; the same action, not a second one)",
                    change.action,
                    at(change.instant),
                    change.id,
                    change.revision
                ),
            ),
            Published::Revoked => (
                Answer::Revoked,
                format!(
                    "`{}` was revoked at {}: {cause}{by} (action {}, revision {})",
                    change.action,
                    at(change.instant),
                    change.id,
                    change.revision
                ),
            ),
            Published::Expired => (
                Answer::Expired,
                format!(
                    "`{}` expired at {}: nobody had reached the customer (action {}, revision {})",
                    change.action,
                    at(change.instant),
                    change.id,
                    change.revision
                ),
            ),
        };
        self.step(instant, sentence.clone());
        self.because(answer, change.instant, Some(&change.key), sentence, None);
    }

    /// Where nobody listened: the last decisions that are remembered.
    fn recall(&mut self) {
        let words = self.words;
        let id = &words.question.book.rule(self.rule).id;
        for recent in words.question.desk.recent.iter().filter(|r| r.rule == *id) {
            let (action, instant) = (&recent.action, recent.instant);
            let (answer, sentence, otherwise) = match recent.what {
                Noted::Requested => {
                    (Answer::Requested, format!("`{action}` was requested at {}", at(instant)), None)
                }
                Noted::Changed(CauseReason::Expired) => {
                    (Answer::Expired, format!("`{action}` expired at {}", at(instant)), None)
                }
                Noted::Changed(
                    cause @ (CauseReason::Breached | CauseReason::Changed | CauseReason::NotAccepted),
                ) => (
                    Answer::Updated,
                    format!("`{action}` was updated at {}: {}", at(instant), reasons::cause(cause)),
                    None,
                ),
                Noted::Changed(cause) => (
                    Answer::Revoked,
                    format!(
                        "`{action}` was changed or revoked at {}: {}",
                        at(instant),
                        reasons::cause(cause)
                    ),
                    None,
                ),
                // What waits is told by `stands`, as long as it waits.
                Noted::Pending(_) => continue,
                Noted::Suppressed(reason) => {
                    let (why, otherwise) = reasons::remembered(&words, reason, self.rule, action);
                    let sentence = format!(
                        "`{action}` was proposed at {}, but not asked for ({}): {why}",
                        at(instant),
                        reason.name()
                    );
                    (Answer::Suppressed, sentence, Some(otherwise))
                }
            };
            self.step(instant, sentence.clone());
            self.because(answer, instant, None, sentence, otherwise);
        }
    }

    /// How it stands now.
    fn stands(&mut self) {
        let words = self.words;
        let now = words.question.at;
        let id = &words.question.book.rule(self.rule).id;
        for waiting in words.question.desk.pending.iter().filter(|p| p.rule == *id) {
            let why = reasons::waiting(waiting.reason);
            let sentence = format!(
                "`{}` waits until {} ({}): {why}",
                waiting.action,
                at(waiting.until),
                waiting.reason.name()
            );
            self.because(
                Answer::Pending,
                now,
                Some(&waiting.key),
                sentence,
                Some(format!("the obstacle would have to end before {}", at(waiting.expires))),
            );
        }
        let Some(view) = words.question.view.and_then(|view| view.rules.iter().find(|r| r.rule == self.rule))
        else {
            return;
        };
        for e in view.episodes.iter().filter(|e| e.level == Level::Breach || !e.held.is_empty()) {
            let opened = format!(
                "{}, opened by {} at {},",
                self.episode(Some(&e.key)),
                words.event(&e.opened),
                at(e.opened.time)
            );
            let missing = either(&words.with_role(self.rule, cxwatch_rulebook::Roles::STOP), "or");
            let missing =
                if missing.is_empty() { "nothing that stops it".into() } else { format!("no {missing}") };
            let (answer, sentence, otherwise) = match (e.held.is_empty(), e.paused, e.deadline) {
                (false, _, deadline) => (
                    Answer::Held,
                    format!(
                        "{opened} is due since {}, but nobody can say that {missing} came: {}",
                        at(deadline.unwrap_or(now)),
                        words.holding(&e.held)
                    ),
                    format!(
                        "{} would have to be seen to {}",
                        words.feeds(&e.held),
                        at(deadline.unwrap_or(now))
                    ),
                ),
                (_, true, _) => (
                    Answer::Paused,
                    format!("{opened} has its clock stopped"),
                    format!(
                        "{} would have to come",
                        either(&words.with_role(self.rule, cxwatch_rulebook::Roles::RESUME), "or")
                    ),
                ),
                (_, _, Some(deadline)) => (
                    Answer::NotYet,
                    format!("{opened} is due at {}; it is {} now", at(deadline), at(now)),
                    format!("{missing} until then"),
                ),
                (_, _, None) => (
                    Answer::NotYet,
                    format!("{opened} knows no deadline yet"),
                    "an event that carries one".into(),
                ),
            };
            self.because(answer, now, Some(&e.key), sentence, Some(otherwise));
        }
        for window in &view.windows {
            self.window(window, now);
        }
        if words.question.story.is_none() {
            for (guard, key, sight) in &view.sights {
                self.guard(*guard, key.as_deref(), *sight, now);
            }
        }
    }

    fn window(&mut self, window: &WindowView, now: Millis) {
        let words = self.words;
        let of_key = words.of_key(self.rule, Some(&window.key));
        if let Some((time, holding)) = &window.held {
            let sentence = format!(
                "the rule{} was complete at {}, but is held: {}",
                of(&of_key),
                at(*time),
                words.holding(holding)
            );
            let otherwise = format!("{} would have to be seen to {}", words.feeds(holding), at(*time));
            self.because(Answer::Held, now, Some(&window.key), sentence, Some(otherwise));
        } else if let (Some(progress), None) = (&window.progress, words.question.story) {
            let (come, missing) = words.progress(progress);
            self.because(
                Answer::NotEnough,
                now,
                Some(&window.key),
                format!("not enough has come{}: {come}", of(&of_key)),
                Some(missing),
            );
        }
    }

    /// A guard that stands in the way now.
    fn guard(&mut self, guard: u8, key: Option<&str>, sight: cxwatch_engine::Sight, now: Millis) {
        let stands = match self.words.question.book.rule(self.rule).guards.get(usize::from(guard)) {
            Some(cxwatch_rulebook::Guard::UnlessSeen { within_ms }) => sight.time > now - within_ms,
            Some(cxwatch_rulebook::Guard::While) => !sight.on,
            None => false,
        };
        if stands {
            let blocking = cxwatch_engine::Blocking { guard, by: Some(sight) };
            let (why, lifted) = self.words.blocking(self.rule, blocking, now);
            self.because(
                Answer::StartBlocked,
                now,
                key,
                format!("a guard stands against starts and firings, {why}"),
                Some(lifted),
            );
        }
    }

    /// Nothing has come of anything.
    fn nothing(&mut self) {
        let words = self.words;
        let now = words.question.at;
        let begins = either(&words.beginners(self.rule), "or");
        if let Some(last) = self.passed_by.last() {
            let sentence = format!(
                "{} of the types that the rule names came, but none met its conditions (`where`), the last {last}",
                match self.passed_by.len() {
                    1 => "1 event".into(),
                    n => format!("{n} events"),
                }
            );
            self.because(
                Answer::NotMatched,
                now,
                None,
                sentence,
                Some(format!("{begins}, as the rule's `where` says")),
            );
        } else if words.question.story.is_some() {
            let sentence = format!("no {begins} came for this customer until {}", at(now));
            self.because(Answer::NoEvent, now, None, sentence, Some(format!("{begins} would have to come")));
        } else {
            let sentence =
                format!("nothing is open and nothing is remembered: no {begins} that counts has come lately");
            self.because(Answer::NoEvent, now, None, sentence, Some(format!("{begins} would have to come")));
        }
    }
}
