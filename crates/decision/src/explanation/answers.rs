//! What became of the customer under one rule.

mod decisions;
mod notes;
mod now;

use super::words::{Words, at, either};
use super::{Answer, Basis, Because, RuleAnswer, Step, Told, state};
use crate::Decision;
use cxwatch_event::Millis;
use cxwatch_event::messages::Rfc3339;
use cxwatch_rulebook::RuleIx;

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
    all.stopped();
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
            Told::Decision(Decision::Suppressed(suppressed)) => self.suppressed(instant, suppressed),
        }
    }

    /// What has come to its firing.
    fn complete(&self, key: Option<&str>) -> String {
        match self.words.question.book.rule(self.rule).kind {
            cxwatch_rulebook::Kind::Absence { .. } => format!("{} was due", self.episode(key)),
            _ => format!("the rule{} was complete", of(&self.words.of_key(self.rule, key))),
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
        } else if words.basis == Basis::Remembered {
            let sentence = format!("nothing is remembered of {}: what ended since is forgotten", at(now));
            let instead = "`cxwatch explain --at` on the topics tells what was".to_owned();
            self.because(Answer::Forgotten, now, None, sentence, Some(instead));
        } else {
            let sentence =
                format!("nothing is open and nothing is remembered: no {begins} that counts has come lately");
            self.because(Answer::NoEvent, now, None, sentence, Some(format!("{begins} would have to come")));
        }
    }
}
