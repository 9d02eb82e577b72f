//! Is there still something to be done, and is it not being done already?

use super::{Answer, Asked};
use crate::life::Stage;
use crate::state::Live;
use cxwatch_event::Millis;
use cxwatch_event::messages::SuppressionReason;
use cxwatch_rulebook::Class;

/// `is_past`: the life of the action is over by the wall clock.
pub(crate) fn answer(asked: &Asked<'_>, is_past: bool, act_from: Millis) -> Answer {
    if is_past {
        return Answer::against(SuppressionReason::Expired);
    }
    if asked.detection.time < act_from {
        return Answer::against_until(SuppressionReason::WarmingUp, act_from);
    }
    if asked.detection.resolved {
        return Answer::against(SuppressionReason::Resolved);
    }
    if !asked.case().holds(&asked.action.when) {
        return Answer::against(SuppressionReason::NotEligible);
    }
    if asked.action.class == Class::Offer && asked.episode.is_held_out {
        return Answer::against(SuppressionReason::Holdout);
    }
    asked.desktop.actions.iter().find(|l| l.id == asked.id).map_or(Answer::Pass, |live| known(asked, live))
}

fn known(asked: &Asked<'_>, live: &Live) -> Answer {
    match live.stage {
        Stage::Revoked | Stage::Expired => Answer::Pass,
        Stage::Refused => Answer::against_by(SuppressionReason::Declined, live.id),
        Stage::Done => Answer::against_by(SuppressionReason::Cooldown, live.id),
        _ if live.action == asked.action.id => Answer::Update,
        _ => Answer::against_by(SuppressionReason::LowerPriority, live.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, live};
    use cxwatch_rulebook::Cond;

    fn reason(scene: &Scene, is_past: bool, act_from: Millis) -> String {
        scene.name(scene.ask(|asked| answer(asked, is_past, act_from)))
    }

    #[test]
    fn the_wall_clock_comes_first_then_the_first_start_then_the_condition() {
        let mut scene = Scene::new(Class::Offer);
        scene.action.when = Cond::Not(Box::new(Cond::True));
        assert_eq!(reason(&scene, true, 101), "expired");
        assert_eq!(reason(&scene, false, 101), "warming_up");
        assert_eq!(reason(&scene, false, 100), "not_eligible");
        scene.detection.resolved = true;
        assert_eq!(reason(&scene, false, 101), "warming_up");
        assert_eq!(reason(&scene, false, 100), "resolved");
        scene.detection.resolved = false;
        scene.action.when = Cond::True;
        assert_eq!(reason(&scene, false, 100), "pass");
    }

    #[test]
    fn what_is_known_is_updated_or_says_why_not() {
        let expected = [
            (Stage::Requested, "update", "lower_priority"),
            (Stage::Accepted, "update", "lower_priority"),
            (Stage::Contacted, "update", "lower_priority"),
            (Stage::Revoked, "pass", "pass"),
            (Stage::Expired, "pass", "pass"),
            (Stage::Refused, "declined", "declined"),
            (Stage::Done, "cooldown", "cooldown"),
        ];
        for (stage, same, other) in expected {
            let mut scene = Scene::new(Class::Offer);
            let mut known = live(scene.id(), &scene.action, 0);
            known.stage = stage;
            scene.desktop.actions.push(known);
            assert_eq!(reason(&scene, false, 0), same, "{stage:?}");
            scene.desktop.actions[0].action = "another".into();
            assert_eq!(reason(&scene, false, 0), other, "{stage:?}");
        }
    }

    #[test]
    fn what_was_held_out_stays_so_but_answers_are_owed() {
        let mut scene = Scene::new(Class::Offer);
        scene.episode.is_held_out = true;
        assert_eq!(reason(&scene, false, 0), "holdout");
        scene.action.class = Class::Reply;
        assert_eq!(reason(&scene, false, 0), "pass");
    }
}
