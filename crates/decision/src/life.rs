//! The life of an action: one state machine (`docs/decisions.md` has the drawing).

use cxwatch_rulebook::Outcome;
use serde::{Deserialize, Serialize};

/// Where an action is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It is asked for.
    Requested,
    /// Somebody will do it.
    Accepted,
    /// The customer has been reached.
    Contacted,
    /// It was taken back.
    Revoked,
    /// Its time was over before anybody was reached.
    Expired,
    /// Over: declined or rejected.
    Refused,
    /// Over in any other way.
    Done,
}

impl Stage {
    /// Whether its life is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Stage::Requested | Stage::Accepted | Stage::Contacted)
    }

    /// Whether somebody has it, so that nothing takes its place.
    pub fn is_taken(self) -> bool {
        matches!(self, Stage::Accepted | Stage::Contacted)
    }
}

/// What happens to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Its problem is found (again).
    Found,
    /// Nobody accepted it in time.
    NotAccepted,
    /// The need to act is over.
    Resolved,
    /// The problem never was one.
    Retracted,
    /// A better action takes its place.
    Superseded,
    /// The rulebook no longer has its rule.
    RuleRemoved,
    /// Its time is over.
    EndOfLife,
    /// The router says what became of it.
    Told(Outcome),
}

/// What is published of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Please do it.
    Requested,
    /// What was asked has changed.
    Updated,
    /// Please do not do it any more.
    Revoked,
    /// Its time is over.
    Expired,
}

/// What follows, and what is published. A pair without an arrow changes nothing and says nothing.
pub fn step(stage: Stage, input: Input) -> (Stage, Option<Published>) {
    use Outcome::{Accepted, Contacted, Declined, Failed, Rejected, Saved, Unreachable};
    let open = matches!(stage, Stage::Requested | Stage::Accepted);
    match (stage, input) {
        (Stage::Requested | Stage::Accepted | Stage::Contacted, Input::Found) => {
            (stage, Some(Published::Updated))
        }
        (Stage::Revoked | Stage::Expired, Input::Found) => (Stage::Requested, Some(Published::Requested)),
        (Stage::Requested, Input::NotAccepted) => (stage, Some(Published::Updated)),
        (Stage::Contacted, Input::Resolved | Input::Retracted) => (stage, Some(Published::Updated)),
        (_, Input::Resolved | Input::Retracted | Input::RuleRemoved) if open => {
            (Stage::Revoked, Some(Published::Revoked))
        }
        (Stage::Requested, Input::Superseded) => (Stage::Revoked, Some(Published::Revoked)),
        (_, Input::EndOfLife) if open => (Stage::Expired, Some(Published::Expired)),
        (Stage::Contacted, Input::EndOfLife) => (Stage::Done, None),
        (Stage::Requested, Input::Told(Accepted)) => (Stage::Accepted, None),
        (_, Input::Told(Contacted)) if open => (Stage::Contacted, None),
        (_, Input::Told(Declined)) if open => (Stage::Refused, None),
        (_, Input::Told(Rejected)) if !stage.is_over() => (Stage::Refused, None),
        (_, Input::Told(Saved | Failed | Unreachable)) if !stage.is_over() => (Stage::Done, None),
        _ => (stage, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Stage; 7] = [
        Stage::Requested,
        Stage::Accepted,
        Stage::Contacted,
        Stage::Revoked,
        Stage::Expired,
        Stage::Refused,
        Stage::Done,
    ];

    /// By input: what becomes of each stage, in the order of [`STAGES`]. Lower case: the stage's first letter (`f` for
    /// refused, `v` for revoked); a capital letter: what is published; `.`: nothing.
    const DRAWING: [(Input, [&str; 7]); 14] = [
        (Input::Found, ["rU", "aU", "cU", "rR", "rR", "f.", "d."]),
        (Input::NotAccepted, ["rU", "a.", "c.", "v.", "e.", "f.", "d."]),
        (Input::Resolved, ["vV", "vV", "cU", "v.", "e.", "f.", "d."]),
        (Input::Retracted, ["vV", "vV", "cU", "v.", "e.", "f.", "d."]),
        (Input::Superseded, ["vV", "a.", "c.", "v.", "e.", "f.", "d."]),
        (Input::RuleRemoved, ["vV", "vV", "c.", "v.", "e.", "f.", "d."]),
        (Input::EndOfLife, ["eE", "eE", "d.", "v.", "e.", "f.", "d."]),
        (Input::Told(Outcome::Accepted), ["a.", "a.", "c.", "v.", "e.", "f.", "d."]),
        (Input::Told(Outcome::Declined), ["f.", "f.", "c.", "v.", "e.", "f.", "d."]),
        (Input::Told(Outcome::Contacted), ["c.", "c.", "c.", "v.", "e.", "f.", "d."]),
        (Input::Told(Outcome::Saved), ["d.", "d.", "d.", "v.", "e.", "f.", "d."]),
        (Input::Told(Outcome::Failed), ["d.", "d.", "d.", "v.", "e.", "f.", "d."]),
        (Input::Told(Outcome::Unreachable), ["d.", "d.", "d.", "v.", "e.", "f.", "d."]),
        (Input::Told(Outcome::Rejected), ["f.", "f.", "f.", "v.", "e.", "f.", "d."]),
    ];

    fn letters((stage, published): (Stage, Option<Published>)) -> String {
        let stage = match stage {
            Stage::Requested => 'r',
            Stage::Accepted => 'a',
            Stage::Contacted => 'c',
            Stage::Revoked => 'v',
            Stage::Expired => 'e',
            Stage::Refused => 'f',
            Stage::Done => 'd',
        };
        let published = match published {
            None => '.',
            Some(Published::Requested) => 'R',
            Some(Published::Updated) => 'U',
            Some(Published::Revoked) => 'V',
            Some(Published::Expired) => 'E',
        };
        [stage, published].iter().collect()
    }

    #[test]
    fn the_life_is_as_drawn() {
        for (input, row) in DRAWING {
            let steps = STAGES.map(|stage| letters(step(stage, input)));
            assert_eq!(steps, row, "{input:?}");
        }
    }
}
