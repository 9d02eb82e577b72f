//! Which offer, of a detection's, and of the customer's?

use super::Against;
use crate::life::Stage;
use crate::state::{Desktop, Live};
use crate::{ActionId, score::Score};
use cxwatch_event::messages::SuppressionReason;
use cxwatch_rulebook::Class;

/// The best of a detection's offers: the highest priority, the first among equals.
pub(crate) fn best(scores: &[Score]) -> Option<usize> {
    (0..scores.len()).reduce(|best, at| if scores[at].priority > scores[best].priority { at } else { best })
}

/// What a winner means to the customer's other offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// It takes their places.
    Of(Vec<ActionId>),
    /// One of them stays.
    Taken(Against),
}

/// Whether there is a place for the winner. A newcomer replaces what nobody has accepted where it is a quarter better.
pub(crate) fn place(desktop: &Desktop, id: ActionId, score: &Score) -> Place {
    let other = |l: &&Live| l.class == Class::Offer && !l.stage.is_over() && l.id != id;
    let others: Vec<&Live> = desktop.actions.iter().filter(other).collect();
    match others.iter().find(|l| l.stage.is_taken() || !is_quarter_better(score, l)) {
        Some(stays) => {
            Place::Taken(Against { by: Some(stays.id), ..Against::of(SuppressionReason::LowerPriority) })
        }
        None => Place::Of(others.iter().map(|l| l.id).collect()),
    }
}

fn is_quarter_better(score: &Score, live: &Live) -> bool {
    debug_assert_eq!(live.stage, Stage::Requested, "nobody has accepted it");
    i128::from(score.priority) * 4 >= i128::from(live.priority) * 5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{action, live};
    use cxwatch_event::{MICRO, Micro};

    fn score(priority: Micro) -> Score {
        Score { priority, propensity: MICRO, context: MICRO, value: MICRO, lever: MICRO }
    }

    #[test]
    fn the_highest_priority_wins_and_the_first_among_equals() {
        assert_eq!(best(&[score(1), score(3), score(3)]), Some(1));
        assert_eq!(best(&[]), None);
    }

    fn against(stage: Stage, priority: Micro, newcomer: Micro) -> bool {
        let mut other = live(ActionId([1; 16]), &action("b", Class::Offer), 0);
        (other.stage, other.priority) = (stage, priority);
        let desktop = Desktop { actions: vec![other], ..Desktop::default() };
        place(&desktop, ActionId([2; 16]), &score(newcomer)) != Place::Of(vec![ActionId([1; 16])])
    }

    #[test]
    fn a_newcomer_must_be_a_quarter_better_than_what_nobody_has_accepted() {
        assert!(against(Stage::Requested, 8, 9));
        assert!(!against(Stage::Requested, 8, 10));
        assert!(against(Stage::Accepted, 8, 1_000));
        assert!(against(Stage::Contacted, 8, 1_000));
    }

    #[test]
    fn what_is_over_or_no_offer_is_in_nobodys_way() {
        let mut over = live(ActionId([1; 16]), &action("b", Class::Offer), 0);
        (over.stage, over.priority) = (Stage::Revoked, 100);
        let mut reply = live(ActionId([3; 16]), &action("c", Class::Reply), 0);
        reply.priority = 100;
        let desktop = Desktop { actions: vec![over, reply], ..Desktop::default() };
        assert_eq!(place(&desktop, ActionId([2; 16]), &score(1)), Place::Of(vec![]));
    }
}
