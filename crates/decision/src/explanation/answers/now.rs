//! How it stands.

use super::{Gathering, of};
use crate::explanation::words::{at, either};
use crate::explanation::{Answer, Basis, Because, Question, reasons};
use cxwatch_engine::WindowView;
use cxwatch_event::Millis;
use cxwatch_event::messages::Rfc3339;
use cxwatch_rulebook::Level;

impl Gathering<'_> {
    /// How it stands now.
    pub(super) fn stands(&mut self) {
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

    /// Whether an operator stands in the way of whatever comes.
    pub(super) fn stopped(&mut self) {
        let Question { book, paused, at, .. } = self.words.question;
        if paused.stops(&book.rule(self.rule).id) && self.words.basis != Basis::Remembered {
            self.because.push(Because {
                answer: Answer::Stopped,
                time: Rfc3339(*at),
                key: None,
                sentence: "an operator has stopped the requests of this rule".into(),
                otherwise: Some("`cxwatch resume` lets them go on; what was suppressed stays so".into()),
            });
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
}
