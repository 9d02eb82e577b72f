//! Detections, and what was decided on them.

use super::{Gathering, of};
use crate::explanation::words::at;
use crate::explanation::{Answer, reasons};
use crate::life::Published;
use crate::{ActionChange, Noted, Suppressed};
use cxwatch_engine::Effect;
use cxwatch_event::Millis;
use cxwatch_event::messages::CauseReason;
use cxwatch_rulebook::Level;

impl Gathering<'_> {
    pub(super) fn effect(&mut self, instant: Millis, effect: &Effect) {
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

    pub(super) fn change(&mut self, instant: Millis, change: &ActionChange) {
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

    pub(super) fn suppressed(&mut self, instant: Millis, suppressed: &Suppressed) {
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

    /// Where nobody listened: the last decisions that are remembered.
    pub(super) fn recall(&mut self) {
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
                    let (why, otherwise) = reasons::remembered(&words, reason, self.rule, action, instant);
                    let sentence = format!(
                        "`{action}` was proposed at {}, but not asked for ({}): {why}",
                        at(instant),
                        reason.name()
                    );
                    (Answer::Suppressed, sentence, Some(otherwise))
                }
            };
            self.because(answer, instant, None, sentence, otherwise);
        }
    }
}
