//! What decisions say on the wire.

use super::*;
use crate::{Message, Messages};
use cxwatch_engine::{Received, Settings};
use cxwatch_event::messages::{ActionMessage, Arm, SuppressionMessage, SuppressionReason};
use cxwatch_event::{Event, MICRO, TypeId};
use cxwatch_rulebook::{Factor, FeedIx, SummaryPart};

fn messages(desk: &mut Desktop) -> (Vec<ActionMessage>, Vec<SuppressionMessage>) {
    let (mut actions, mut suppressions) = (vec![], vec![]);
    let decisions = desk.taken();
    let settings = Settings::new(desk.book.feeds.len());
    for decision in &decisions {
        match Messages::new(&desk.book, &settings).decision(3, decision) {
            Message::Action(action) => actions.push(*action),
            Message::Suppression(suppression) => suppressions.push(*suppression),
        }
    }
    (actions, suppressions)
}

#[test]
fn an_action_says_what_it_rests_on_and_what_else_there_was() {
    let mut desk = Desktop::of(vec![offer("x", 500_000), offer("y", 900_000)]);
    desk.book.actions[1].value = vec![Factor::Number(3 * MICRO)];
    desk.book.policy.holdout = 1;
    desk.breach(0, "e1", 100);
    let (actions, suppressions) = messages(&mut desk);
    let why = actions[0].data.why.as_ref().expect("a request says why");
    let score = why.score.as_ref().expect("an offer has a score");
    assert_eq!((score.priority.0, score.value.0), (2_700_000, 3 * MICRO));
    assert_eq!(why.value_at_risk.map(|v| v.0), Some(3 * MICRO));
    assert_eq!((why.arm, why.propensity.0), (Arm::Treated, MICRO - 1));
    assert_eq!(why.alternatives.len(), 1);
    assert_eq!(actions[0].data.route.priority, 500);
    assert_eq!(suppressions[0].data.reason, SuppressionReason::LowerPriority);
    assert_eq!(suppressions[0].data.by_action_id.as_ref(), Some(&actions[0].data.action_id));
    assert_eq!(suppressions[0].data.score.as_ref().map(|s| s.priority.0), Some(500_000));
}

#[test]
fn suppressions_of_one_problem_have_ids_of_their_own() {
    let mut desk = Desktop::of(vec![offer("x", MICRO), offer("y", MICRO)]);
    desk.book.rules[0].treatment.shadow = true;
    desk.detect(Level::Warning, "e1", 80).breach(0, "e1", 100).retract("e1", 110).breach(0, "e1", 100);
    let (_, suppressions) = messages(&mut desk);
    let id = &suppressions[0].data.action_id;
    let tails: Vec<_> =
        suppressions.iter().map(|s| s.id.strip_prefix(id.as_str()).unwrap_or_default()).collect();
    assert_eq!(tails, ["-x-w-80-0", "-y-w-80-0", "-x-b-100-0", "-y-b-100-0", "-x-b-100-1", "-y-b-100-1"]);
}

#[test]
fn a_suppression_says_the_same_on_as_many_partitions_as_there_may_be() {
    let said = |before: u64| {
        let mut desk = Desktop::calm();
        desk.book.rules[0].treatment.shadow = true;
        let candidates = before;
        desk.decider.set_head(crate::DeciderHead { candidates, ..crate::DeciderHead::default() });
        desk.breach(0, "e1", 100);
        messages(&mut desk).1
    };
    assert_eq!(said(0), said(7));
}

#[test]
fn a_route_stays_under_two_kilobytes() {
    let mut desk = Desktop::calm();
    desk.book.rules[0].summary =
        vec![SummaryPart::Text("\"a long \u{e4}nd qu\u{f6}ted sentence\" ".repeat(200).into())];
    desk.book.actions[0].skills = vec!["s".repeat(900).into()];
    desk.breach(0, "e1", 100);
    let (actions, _) = messages(&mut desk);
    let route = &actions[0].data.route;
    let json = serde_json::to_string(route).expect("JSON");
    assert!(json.len() < 2_048, "{}", json.len());
    assert!(route.sentence.ends_with('…'));
}

#[test]
fn an_action_shows_what_the_customer_did_of_late() {
    let mut desk = Desktop::calm();
    let used = cxwatch_rulebook::RuleUse {
        rule: RuleIx(0),
        per: cxwatch_rulebook::Per::Customer,
        roles: vec![],
        guards: vec![],
        within: cxwatch_rulebook::Table::plain(cxwatch_rulebook::Span::Ms(0)),
        deadline: None,
        threshold: cxwatch_rulebook::Table::plain(0),
        points: vec![],
        distinct: None,
        measures: vec![],
        minus: vec![],
        severity: cxwatch_rulebook::Table::plain(0),
    };
    desk.book.by_type = vec![vec![], vec![used]];
    for time in [50, 60] {
        let event = Event {
            kind: TypeId(1),
            time,
            sub: 0,
            customer: "c1".into(),
            id: "o".into(),
            source: "/s".into(),
            fields: vec![],
        };
        let received = Received { event: &event, feed: FeedIx(0), offset: 0 };
        desk.act(time, |decider, moment, state| decider.saw(moment, state, received));
    }
    assert!(!desk.decider.is_idle(&desk.state));
    assert_eq!(desk.decider.next(&desk.state), Some(60 + crate::TIMELINE_MS));
    desk.breach(0, "e1", 100);
    let (actions, _) = messages(&mut desk);
    let timeline = &actions[0].data.why.as_ref().expect("a request says why").timeline;
    let shown: Vec<_> = timeline.iter().map(|t| (t.time.0, t.kind.as_str())).collect();
    assert_eq!(shown, [(50, "a.done"), (60, "a.done")]);
    desk.pass(2 * crate::TIMELINE_MS);
    assert!(desk.decider.is_idle(&desk.state));
}
