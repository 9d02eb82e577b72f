//! What happened to a rule's state, or did not.

use super::{Gathering, of};
use crate::explanation::Answer;
use crate::explanation::words::{at, either};
use cxwatch_engine::{Note, What};
use cxwatch_event::Millis;

impl Gathering<'_> {
    pub(super) fn note(&mut self, instant: Millis, note: &Note) {
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
}
