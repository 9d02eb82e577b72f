//! May we approach the customer through this channel, for this purpose?

use super::{Answer, Asked};
use cxwatch_event::messages::SuppressionReason;
use cxwatch_event::{FieldIx, Value};
use cxwatch_rulebook::Rulebook;

pub(crate) fn answer(asked: &Asked<'_>) -> Answer {
    let action = asked.action;
    if !action.class.reaches_out() {
        return Answer::Pass;
    }
    let field = profile_field(asked.moment.book, &format!("consent.{}.{}", action.channel, action.purpose));
    let agrees = match field.and_then(|field| asked.moment.profile.field(field)) {
        Some(Value::Bool(agrees)) => *agrees,
        _ => action.purpose == "service",
    };
    if agrees { Answer::Pass } else { Answer::against(SuppressionReason::Consent) }
}

/// A field of the profile by its name, where the rulebook reads profiles.
pub(crate) fn profile_field(book: &Rulebook, name: &str) -> Option<FieldIx> {
    book.catalogue.spec(book.profile?).field(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;
    use cxwatch_rulebook::Class;

    fn reason(scene: &Scene) -> String {
        scene.name(scene.ask(answer))
    }

    #[test]
    fn without_a_word_service_is_allowed_and_marketing_is_not() {
        let mut scene = Scene::new(Class::Offer);
        assert_eq!(reason(&scene), "pass");
        scene.action.purpose = "marketing".into();
        assert_eq!(reason(&scene), "consent");
    }

    #[test]
    fn the_profile_decides_for_channel_and_purpose() {
        let mut scene = Scene::new(Class::Reply);
        scene.know("consent.voice.service", Value::Bool(false));
        scene.know("consent.voice.marketing", Value::Bool(true));
        assert_eq!(reason(&scene), "consent");
        scene.action.purpose = "marketing".into();
        assert_eq!(reason(&scene), "pass");
        scene.action.channel = "email".into();
        assert_eq!(reason(&scene), "consent");
    }

    #[test]
    fn nothing_lifts_it_and_only_who_reaches_out_is_asked() {
        let mut scene = Scene::new(Class::Offer);
        scene.know("consent.voice.service", Value::Bool(false));
        scene.action.exempt = true;
        assert_eq!(reason(&scene), "consent");
        scene.action.class = Class::Raise;
        assert_eq!(reason(&scene), "pass");
        scene.action.class = Class::Internal;
        assert_eq!(reason(&scene), "pass");
    }
}
