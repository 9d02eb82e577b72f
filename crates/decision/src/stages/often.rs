//! Has the customer been approached often enough?

use super::{Against, Answer, Asked};
use crate::contacts::Full;
use cxwatch_event::messages::SuppressionReason;
use cxwatch_rulebook::Class;

pub(crate) fn answer(asked: &Asked<'_>) -> Answer {
    let (action, policy) = (asked.action, &asked.moment.book.policy);
    if action.class != Class::Offer || action.exempt || policy.caps.is_empty() {
        return Answer::Pass;
    }
    let desktop = asked.desktop;
    match desktop.contacts.full(policy, action, &desktop.reservations(), asked.moment.instant) {
        Some(Full { until, reached }) => {
            let reached = Some(reached);
            Answer::Against(Against { until, reached, ..Against::of(SuppressionReason::ContactPolicy) })
        }
        None => Answer::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contacts::Contact;
    use crate::life::Stage;
    use crate::testing::{Scene, live};
    use cxwatch_rulebook::Cap;

    fn scene() -> Scene {
        let mut scene = Scene::new(Class::Offer);
        scene.book.policy.caps = vec![Cap { channel: None, by: None, at_most: 1, within_ms: 50 }];
        scene
    }

    #[test]
    fn offers_are_asked_unless_they_make_good_for_us() {
        let mut scene = scene();
        let policy = scene.book.policy.clone();
        scene.desktop.contacts.add(&policy, Contact::seen(60, "email".into()), 60);
        assert_eq!(scene.name(scene.ask(answer)), "contact_policy until 110");
        scene.action.exempt = true;
        assert_eq!(scene.name(scene.ask(answer)), "pass");
        scene.action.exempt = false;
        scene.action.class = Class::Reply;
        assert_eq!(scene.name(scene.ask(answer)), "pass");
    }

    #[test]
    fn an_accepted_offer_reserves_a_contact_and_nothing_else_does() {
        let mut scene = scene();
        let mut other = live(crate::ActionId([9; 16]), &scene.action, 0);
        for (stage, expected) in [
            (Stage::Requested, "pass"),
            (Stage::Accepted, "contact_policy"),
            (Stage::Revoked, "pass"),
            (Stage::Expired, "pass"),
            (Stage::Refused, "pass"),
            (Stage::Done, "pass"),
        ] {
            other.stage = stage;
            scene.desktop.actions = vec![other.clone()];
            assert_eq!(scene.name(scene.ask(answer)), expected, "{stage:?}");
        }
        other.stage = Stage::Accepted;
        other.class = Class::Reply;
        scene.desktop.actions = vec![other];
        assert_eq!(scene.name(scene.ask(answer)), "pass");
    }
}
