//! *Net-equal* (DESIGN, section 5): with late events, feeds that go blind and return, and instants forced out, what was
//! detected less what was retracted is, for matches and absences without guards, what the page says of the same events in
//! order. And for all kinds: a crash changes nothing.

#![allow(clippy::print_stdout, reason = "a property test reports what came up")]

use cxwatch_engine::Effect;
use cxwatch_rulebook::Level;
use cxwatch_tests::tally::{Tally, was_held};
use cxwatch_tests::world::World;
use cxwatch_tests::world::draw::Draw;
use cxwatch_tests::world::rules::Scope;
use cxwatch_tests::world::schedule::{Mishaps, Step, draw_schedule};
use cxwatch_tests::world::stream::Manners;
use cxwatch_tests::{agree, drive, seeds, shrink};

const WORLDS: u64 = 7_500;
const MISHAPS: Mishaps = Mishaps { crashes: 15, blindness: true };

/// What must have happened often enough, each in a run.
const HAPPENINGS: [&str; 6] =
    ["late", "at once", "too late", "in the future", "forced out", "restored from a snapshot"];

/// What heals, and must have fired, been retracted and been held often enough.
const HEALING: [&str; 23] = [
    "absence within",
    "absence by data",
    "once",
    "warning",
    "refresh",
    "stop",
    "pause",
    "minus",
    "per",
    "calendar",
    "rule on rules",
    "rule on rules on rules",
    "when",
    "severity",
    "measure",
    "match",
    "match on rules",
    "absence on rules",
    "customer in where",
    "customer in when",
    "customer in within",
    "customer in severity table",
    "customer in severity case",
];

fn check_net(world: &World, steps: &[Step]) -> Result<drive::Run, String> {
    let run = drive::run(world, &drive::settings(world), steps)?;
    agree::net_equal(world, &run)?;
    agree::in_sight(world, &run)?;
    Ok(run)
}

#[test]
fn what_was_wrong_for_a_while_is_put_right() {
    let (mut fired, mut retracted, mut held, mut happened) =
        (Tally::default(), Tally::default(), Tally::default(), Tally::default());
    for seed in seeds(WORLDS) {
        let world = World::draw(seed, Scope::Healing, Manners::Wild);
        let steps = draw_schedule(&mut Draw::new(seed), &world, MISHAPS);
        let run = check_net(&world, &steps).unwrap_or_else(|why| fail(seed, &world, &steps, &why, check_net));
        for effect in &run.effects {
            match effect {
                Effect::Detected(d) => {
                    fired.count(&world.book, d.rule, d.level);
                    if was_held(d) {
                        held.count(&world.book, d.rule, d.level);
                    }
                }
                Effect::Retracted(e) => retracted.count(&world.book, e.rule, e.level),
                Effect::Resolved(_) => {}
            }
        }
        happened.add("late", run.counts.late);
        happened.add("at once", run.counts.at_once);
        happened.add("too late", run.counts.too_late);
        happened.add("in the future", run.counts.in_future);
        happened.add("forced out", run.counts.forced);
        happened.add("restored from a snapshot", u64::from(run.restores[1]));
    }
    println!("fired {fired:#?}\nretracted {retracted:#?}\nheld {held:#?}\n{happened:#?}");
    if std::env::var("CXWATCH_SEED").is_err() {
        assert_eq!(happened.rarer_than(100, &HAPPENINGS), Vec::<String>::new());
        assert_eq!(fired.rarer_than(100, &HEALING), Vec::<String>::new());
        // A match on an event alone is never untrue, and waits for nothing.
        let healing: Vec<&str> = HEALING.iter().copied().filter(|c| *c != "match").collect();
        // What a rule asks of the customer is no reason to take it back.
        let taken_back: Vec<&str> = healing.iter().copied().filter(|c| !c.starts_with("customer")).collect();
        assert_eq!(retracted.rarer_than(100, &taken_back), Vec::<String>::new());
        assert_eq!(held.rarer_than(100, &healing), Vec::<String>::new());
    }
}

fn fail(
    seed: u64,
    world: &World,
    steps: &[Step],
    why: &str,
    check: fn(&World, &[Step]) -> Result<drive::Run, String>,
) -> ! {
    let case = (world.clone(), steps.to_vec());
    let (world, steps) = shrink::shrink(case, check);
    let small = check(&world, &steps).err().unwrap_or_default();
    let run = drive::run(&world, &drive::settings(&world), &steps);
    let story = run.map(|run| agree::story(&world, &run)).unwrap_or_default();
    panic!("CXWATCH_SEED={seed}: {why}\nmade small: {small}\n{story}{}", agree::describe(&world, &steps));
}

/// With and without the crashes of the schedule.
fn check_crashes(world: &World, steps: &[Step]) -> Result<drive::Run, String> {
    let settings = drive::settings(world);
    let uninterrupted: Vec<Step> = steps.iter().copied().filter(|s| *s != Step::Crash).collect();
    let right = drive::run(world, &settings, &uninterrupted)?;
    let run = drive::run(world, &settings, steps)?;
    agree::in_sight(world, &run)?;
    let difference = (0..right.effects.len().max(run.effects.len())).find(|at| {
        let bare = |run: &drive::Run| run.effects.get(*at).cloned().map(without_clock);
        bare(&right) != bare(&run)
    });
    match difference {
        Some(at) => {
            Err(format!("with crashes\n  {:?}\nwithout\n  {:?}", run.effects.get(at), right.effects.get(at)))
        }
        None if run.refused != right.refused => Err("refused differs".into()),
        None => Ok(run),
    }
}

/// What the clock knew when a detection was published is no part of its meaning.
fn without_clock(mut effect: Effect) -> Effect {
    if let Effect::Detected(detection) = &mut effect {
        detection.clock.watermark = 0;
        detection.clock.feeds.clear();
    }
    effect
}

#[test]
fn a_crash_changes_nothing() {
    let (mut fired, mut held, mut happened) = (Tally::default(), Tally::default(), Tally::default());
    for seed in seeds(WORLDS / 2) {
        let world = World::draw(seed, Scope::All, Manners::Wild);
        let mishaps = Mishaps { crashes: 40, ..MISHAPS };
        let steps = draw_schedule(&mut Draw::new(seed), &world, mishaps);
        let run = check_crashes(&world, &steps)
            .unwrap_or_else(|why| fail(seed, &world, &steps, &why, check_crashes));
        for effect in &run.effects {
            if let Effect::Detected(d) = effect {
                fired.count(&world.book, d.rule, d.level);
                if was_held(d) && d.level == Level::Breach {
                    held.count(&world.book, d.rule, d.level);
                }
            }
        }
        happened.add("restored from a snapshot", u64::from(run.restores[1]));
        happened.add("restored from the start", u64::from(run.restores[0]));
        happened.add("restored with events in the buffer", u64::from(run.restores_with_buffer));
    }
    println!("fired {fired:#?}\nheld {held:#?}\n{happened:#?}");
    if std::env::var("CXWATCH_SEED").is_err() {
        let kinds = ["match", "count within", "count of_last", "debt", "absence within", "warning", "reset"];
        assert_eq!(fired.rarer_than(100, &kinds), Vec::<String>::new());
        let waiting = ["count within", "count of_last", "reset", "unless_seen", "while", "calendar"];
        assert_eq!(held.rarer_than(100, &waiting), Vec::<String>::new());
        let restores = ["restored from a snapshot", "restored with events in the buffer"];
        assert_eq!(happened.rarer_than(1_000, &restores), Vec::<String>::new());
    }
}
