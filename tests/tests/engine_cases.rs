//! Cases that random worlds have found, made small and kept.

use cxwatch_rulebook::{Cond, FeedIx, Guard, Kind, Level, MeasureRef, Op, Roles, Span};
use cxwatch_tests::world::book::Draft;
use cxwatch_tests::world::schedule::{Silence, Step};
use cxwatch_tests::world::{END, TICK, World};
use cxwatch_tests::{agree, drive};

const F0: FeedIx = FeedIx(0);
const F1: FeedIx = FeedIx(1);
const TYPES: [(&str, &str); 4] = [("a", "f0"), ("b", "f0"), ("x", "f1"), ("y", "f1")];

fn absence(warn_permille: Option<u16>, once: bool) -> Kind {
    Kind::Absence { data_deadline: false, grace: Span::Ms(0), warn_permille, once, stretch_gap_ms: 0 }
}

fn read(feed: FeedIx) -> Step {
    Step::Read(feed, 2 * END)
}

const ALL: Step = Step::Advance(usize::MAX);
const COMMIT: Step = Step::Commit { snapshot: true, slice: usize::MAX };

/// Reads what the steps leave unread, runs to the end, and compares with the page.
fn check(world: &World, steps: &[Step]) -> Vec<String> {
    let mut steps = steps.to_vec();
    for (feed, records) in [F0, F1].into_iter().zip(&world.log) {
        let read_so_far = steps.iter().filter(|s| matches!(s, Step::Read(f, _) if *f == feed)).count();
        steps.extend((read_so_far..records.len()).map(|_| read(feed)));
    }
    steps.extend([ALL, COMMIT]);
    let run = drive::run(world, &drive::settings(world), &steps).expect("it restores to what was committed");
    let story = agree::story(world, &run);
    if let Err(why) = agree::net_equal(world, &run).and_then(|_| agree::in_sight(world, &run)) {
        panic!("{why}\n{story}");
    }
    story.lines().map(|line| line.split(" by ").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_late_start_inside_a_stretch_of_refreshes_keeps_the_end_of_the_stretch() {
    let below = Draft::new("c", absence(None, false)).on("a", Roles::START).within(2 * TICK);
    let echo = Draft::new("d", Kind::Match).on_rule("c", Level::Breach, Roles::EVENT);
    let above = Draft::new("b", absence(None, false)).within(4 * TICK);
    let above = above.on_rule("c", Level::Breach, Roles::START).on_rule("d", Level::Breach, Roles::REFRESH);
    let above = above.on("x", Roles::REFRESH);
    let world = World::scripted(
        &TYPES,
        &[below, echo, above],
        "f0 30: 30
         f1 26: 26 c1 x, 29 c1 x
         f1 30: 30
         f0 34: 24 c1 a",
    );
    let steps = [read(F0), read(F1), read(F1), ALL];
    assert_eq!(
        check(&world, &steps),
        [
            "detected c Breach c1  at 26000 about e3-0",
            "detected d Breach c1  at 26000 about e3-0",
            "detected b Breach c1  at 33000 about e3-0",
        ]
    );
}

#[test]
fn a_retracted_refresh_leaves_the_refreshes_next_to_it() {
    let below =
        Draft::new("c", absence(None, false)).on("a", Roles::START).on("b", Roles::STOP).within(2 * TICK);
    let above = Draft::new("d", absence(None, false)).on("x", Roles::START).within(5 * TICK);
    let above = above.on_rule("c", Level::Breach, Roles::REFRESH).on("y", Roles::REFRESH);
    let world = World::scripted(
        &TYPES,
        &[below, above],
        "f0 1: 1 c1 a
         f1 1: 1 c1 x
         f1 4: 4 c1 y
         f0 5: 5
         f1 5: 5
         f0 6: 2 c1 b",
    );
    let steps = [read(F0), read(F1), read(F1), read(F1), read(F0), ALL];
    assert_eq!(
        check(&world, &steps),
        [
            "detected c Breach c1  at 3000 about e0-0",
            "retracted c Breach c1  at 3000 about e0-0",
            "detected d Breach c1  at 9000 about e1-0",
        ]
    );
}

#[test]
fn a_silent_closing_is_undone_by_a_late_event() {
    let mut rule =
        Draft::new("c", absence(None, false)).on("a", Roles::START).on("x", Roles::REFRESH).within(5 * TICK);
    rule.when = Cond::Test(MeasureRef::Events, Op::AtLeast(2_000_000));
    let world = World::scripted(
        &TYPES,
        &[rule],
        "f0 1: 1 c1 a
         f0 9: 9
         f1 9: 9
         f0 10: 4 c1 a",
    );
    assert_eq!(
        check(&world, &[read(F0), read(F0), read(F1), ALL]),
        ["detected c Breach c1  at 6000 about e0-0"]
    );
}

#[test]
fn two_completions_held_at_one_instant_are_both_settled() {
    let rule = Draft::new("c", Kind::Sequence { steps: 2, keep: true }).within(5 * TICK);
    let rule = rule.on("a", Roles::step(0)).on("b", Roles::step(1)).guard(
        Guard::UnlessSeen { within_ms: TICK },
        "x",
        None,
    );
    let world = World::scripted(
        &TYPES,
        &[rule],
        "f0 1: 1 c1 a
         f0 3: 3 c1 b, 3 c1 b
         f0 9: 9",
    );
    let steps =
        [Step::Blind(F1, Silence::Silent), read(F0), read(F0), read(F0), ALL, COMMIT, COMMIT, Step::Crash];
    // A sequence with a guard is outside of what heals; here nothing is late.
    assert_eq!(
        check(&world, &steps),
        ["detected c Breach c1  at 3000 about e1-0", "detected c Breach c1  at 3000 about e1-1"]
    );
}

#[test]
fn a_proof_is_not_applied_before_an_earlier_one_that_found_the_feed_behind() {
    let rule =
        Draft::new("c", absence(None, false)).on("a", Roles::START).on("x", Roles::STOP).within(2 * TICK);
    let world = World::scripted(
        &TYPES,
        &[rule],
        "f0 33: 33 c1 a
         f1 43: 31",
    );
    let steps = [
        read(F0),
        Step::Proof(F0, 40 * TICK),
        Step::Blind(F1, Silence::Silent),
        ALL,
        read(F1),
        Step::Blind(F0, Silence::Stalled),
        Step::Proof(F0, 54 * TICK),
        Step::Blind(F0, Silence::Stalled),
        Step::Proof(F1, 55 * TICK),
        Step::Proof(F1, 56 * TICK),
        COMMIT,
        Step::Crash,
    ];
    assert_eq!(check(&world, &steps), ["detected c Breach c1  at 35000 about e0-0"]);
}

#[test]
fn memory_is_kept_for_what_is_still_held() {
    let below =
        Draft::new("a", absence(None, false)).on("a", Roles::START).on("x", Roles::STOP).within(5 * TICK);
    let above = Draft::new("c", absence(Some(800), false)).on("a", Roles::START).within(TICK);
    let above = above.on_rule("a", Level::Breach, Roles::STOP);
    let mut world = World::scripted(
        &TYPES,
        &[below, above],
        "f0 20: 20 c3 a
         f0 26: 26 c3 a",
    );
    world.late_horizon_ms = 4 * TICK;
    let steps = [
        read(F0),
        read(F0),
        Step::Proof(F1, 60 * TICK),
        Step::Blind(F1, Silence::Silent),
        Step::Proof(F0, 120 * TICK),
        ALL,
    ];
    assert_eq!(check(&world, &steps).len(), 6);
}

#[test]
fn a_stretch_over_the_edge_of_memory_still_meets_what_was_open_when_it_began() {
    let rule = Draft::new("c", absence(None, false)).on("a", Roles::START).on("x", Roles::REFRESH);
    let world = World::scripted(
        &TYPES,
        &[rule.within(3 * TICK)],
        "f1 45: 45, 47 c1 x
         f0 52: 51 c1 a
         f1 54: 54, 56 c1 x
         f1 58: 53 c1 x
         f0 62: 62
         f0 65: 59 c1 a",
    );
    let mut world = world;
    (world.late_horizon_ms, world.dedupe_for_ms) = (4 * TICK, 5 * TICK);
    let steps = [read(F1), read(F0), read(F1), read(F1), read(F0), read(F0)];
    assert_eq!(check(&world, &steps), ["detected c Breach c1  at 59000 about e1-0"]);
}
