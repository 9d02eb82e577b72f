//! The stages, one function each. `docs/decisions.md` says what they mean.

pub(crate) mod alive;
pub(crate) mod allowed;
pub(crate) mod capacity;
pub(crate) mod holdout;
pub(crate) mod incident;
pub(crate) mod mode;
pub(crate) mod now;
pub(crate) mod often;
pub(crate) mod which;

use crate::ActionId;
use crate::brake::Brake;
use crate::decision::Reached;
use crate::paused::Paused;
use crate::score::Case;
use crate::state::{Desktop, Episode};
use cxwatch_engine::{Detection, Moment};
use cxwatch_event::Millis;
use cxwatch_event::messages::SuppressionReason;
use cxwatch_rulebook::{Action, Rule};

/// A candidate, and all that is asked of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) moment: &'a Moment<'a>,
    pub(crate) rule: &'a Rule,
    pub(crate) detection: &'a Detection,
    pub(crate) action: &'a Action,
    pub(crate) id: ActionId,
    pub(crate) desktop: &'a Desktop,
    pub(crate) episode: &'a Episode,
}

impl<'a> Asked<'a> {
    pub(crate) fn case(&self) -> Case<'a> {
        Case { rule: self.rule, detection: self.detection, profile: self.moment.profile }
    }
}

/// What the task as a whole has to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modes<'a> {
    pub(crate) brake: &'a Brake,
    pub(crate) paused: &'a Paused,
    pub(crate) partitions: u32,
}

/// What a stage says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing against it.
    Pass,
    /// The problem is an action already: no further stage is asked.
    Update,
    /// It ends here.
    Against(Against),
    /// It waits.
    Defer {
        /// For what.
        reason: SuppressionReason,
        /// Until then.
        until: Millis,
    },
}

/// Why a candidate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Against {
    pub(crate) reason: SuppressionReason,
    /// When the obstacle ends, where that is known.
    pub(crate) until: Option<Millis>,
    /// The action that stands in its place.
    pub(crate) by: Option<ActionId>,
    /// The limit that was reached.
    pub(crate) reached: Option<Reached>,
}

impl Against {
    pub(crate) fn of(reason: SuppressionReason) -> Self {
        Against { reason, until: None, by: None, reached: None }
    }
}

impl Answer {
    fn against(reason: SuppressionReason) -> Self {
        Answer::Against(Against::of(reason))
    }

    fn against_until(reason: SuppressionReason, until: Millis) -> Self {
        Answer::Against(Against { until: Some(until), ..Against::of(reason) })
    }

    fn against_by(reason: SuppressionReason, by: ActionId) -> Self {
        Answer::Against(Against { by: Some(by), ..Against::of(reason) })
    }
}

/// The stages that look at a candidate alone, from consent on; the first that does not let it pass answers.
pub(crate) fn ask(asked: &Asked<'_>, modes: &Modes<'_>) -> Answer {
    let stages = [
        |asked: &Asked<'_>, _: &Modes<'_>| allowed::answer(asked),
        mode::answer,
        |asked: &Asked<'_>, _: &Modes<'_>| incident::answer(asked),
        |asked: &Asked<'_>, _: &Modes<'_>| now::answer(asked),
        |asked: &Asked<'_>, _: &Modes<'_>| capacity::answer(asked),
        |asked: &Asked<'_>, _: &Modes<'_>| often::answer(asked),
    ];
    let mut answers = stages.iter().map(|stage| stage(asked, modes));
    answers.find(|answer| *answer != Answer::Pass).unwrap_or(Answer::Pass)
}
