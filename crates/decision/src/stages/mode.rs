//! Is anything against requests of this rule now?

use super::{Against, Answer, Asked, Modes};
use crate::brake::Brake;
use crate::decision::{Limit, Reached};
use crate::state::Cooldown;
use cxwatch_event::Millis;
use cxwatch_event::messages::SuppressionReason;

pub(crate) fn answer(asked: &Asked<'_>, modes: &Modes<'_>) -> Answer {
    let (rule, policy) = (asked.rule, &asked.moment.book.policy);
    let instant = asked.moment.instant;
    if rule.treatment.shadow {
        return Answer::against(SuppressionReason::Shadow);
    }
    if modes.paused.stops(&rule.id) {
        return Answer::against(SuppressionReason::Paused);
    }
    let used_up = |limit: Limit, rule: Option<&str>, at_most: Option<u32>| {
        let at_most = Brake::share(at_most?, modes.partitions);
        let count = modes.brake.used(rule, instant);
        (count >= at_most).then_some(Reached { limit, count, at_most })
    };
    let by_rule = used_up(Limit::RuleBrake, Some(&rule.id), rule.treatment.brake);
    if let Some(reached) = by_rule.or_else(|| used_up(Limit::Brake, None, policy.brake)) {
        return Answer::Against(Against {
            until: Some((instant.div_euclid(60_000) + 1) * 60_000),
            reached: Some(reached),
            ..Against::of(SuppressionReason::Brake)
        });
    }
    if let Some(until) = cools_until(asked) {
        return Answer::against_until(SuppressionReason::Cooldown, until);
    }
    let refused = asked.desktop.refusals.iter().filter(|r| r.action == asked.action.id);
    let until = refused.map(|r| r.time.saturating_add(policy.declined_for_ms)).max();
    match until.filter(|until| instant < *until) {
        Some(until) => {
            Answer::Against(Against { until: Some(until), ..Against::of(SuppressionReason::Declined) })
        }
        None => Answer::Pass,
    }
}

/// Until when another episode of the rule and key keeps this one away.
fn cools_until(asked: &Asked<'_>) -> Option<Millis> {
    let (rule, detection) = (asked.rule, asked.detection);
    let cooldown = rule.cooldown_ms?;
    let problem = asked.episode.problem();
    let other = |c: &&Cooldown| c.rule == rule.id && c.key == detection.key && c.problem != problem;
    let won = asked.desktop.cooldowns.iter().filter(other).map(|c| c.time.saturating_add(cooldown));
    won.max().filter(|until| detection.time < *until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Refusal;
    use crate::testing::Scene;
    use cxwatch_rulebook::Class;

    fn reason(scene: &Scene) -> String {
        let modes = Modes { brake: &scene.brake, paused: &scene.paused, partitions: 1 };
        scene.name(scene.ask(|asked| answer(asked, &modes)))
    }

    fn won(scene: &mut Scene, time: Millis, problem: u64) {
        let key = scene.detection.key.clone();
        scene.desktop.cooldowns.push(Cooldown {
            rule: "r".into(),
            key,
            time,
            problem,
            until: 0,
            forget_at: 0,
        });
    }

    #[test]
    fn the_first_that_is_against_it_names_the_reason() {
        let mut scene = Scene::new(Class::Raise);
        scene.book.policy.declined_for_ms = 50;
        scene.desktop.refusals.push(Refusal { action: "a".into(), time: 51, forget_at: 101 });
        assert_eq!(reason(&scene), "declined until 101");
        scene.book.rules[0].cooldown_ms = Some(10);
        won(&mut scene, 91, 7);
        assert_eq!(reason(&scene), "cooldown until 101");
        scene.book.rules[0].treatment.brake = Some(1);
        scene.brake.count("r", 100);
        assert_eq!(reason(&scene), "brake until 60000");
        scene.paused.set(Some("r"), true);
        assert_eq!(reason(&scene), "paused");
        scene.book.rules[0].treatment.shadow = true;
        assert_eq!(reason(&scene), "shadow");
    }

    #[test]
    fn the_policys_brake_counts_all_rules() {
        let mut scene = Scene::new(Class::Raise);
        scene.book.policy.brake = Some(2);
        scene.brake.count("s", 100);
        assert_eq!(reason(&scene), "pass");
        scene.brake.count("s", 100);
        assert_eq!(reason(&scene), "brake until 60000");
    }

    #[test]
    fn a_cool_down_ends_after_its_time_counts_backwards_too_and_never_stands_against_its_own_episode() {
        let mut scene = Scene::new(Class::Raise);
        scene.book.rules[0].cooldown_ms = Some(10);
        won(&mut scene, 90, 7);
        assert_eq!(reason(&scene), "pass");
        won(&mut scene, 5_000, 7);
        assert_eq!(reason(&scene), "cooldown until 5010");
        scene.desktop.cooldowns[1].problem = scene.episode.problem();
        assert_eq!(reason(&scene), "pass");
    }

    #[test]
    fn a_refusal_keeps_away_the_action_of_that_name_for_a_while() {
        let mut scene = Scene::new(Class::Raise);
        scene.book.policy.declined_for_ms = 50;
        scene.desktop.refusals.push(Refusal { action: "a".into(), time: 50, forget_at: 100 });
        assert_eq!(reason(&scene), "pass");
        scene.desktop.refusals.push(Refusal { action: "b".into(), time: 99, forget_at: 149 });
        assert_eq!(reason(&scene), "pass");
    }
}
