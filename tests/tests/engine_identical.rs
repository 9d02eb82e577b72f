//! *Identical* (DESIGN, section 5): where no event is late, forced out, in the future or from a blind feed, the engine
//! finds exactly what the page says, in the same order, for any interleaving, batching and number of crashes.

#![allow(clippy::print_stdout, reason = "a property test reports what came up")]

use cxwatch_engine::Effect;
use cxwatch_tests::tally::{Tally, was_held};
use cxwatch_tests::world::World;
use cxwatch_tests::world::draw::Draw;
use cxwatch_tests::world::rules::Scope;
use cxwatch_tests::world::schedule::{Step, calm, draw_schedule};
use cxwatch_tests::{agree, drive, seeds, shrink};

const WORLDS: u64 = 3_000;
const SCHEDULES: u64 = 2;

/// Every construct that can fire in such a world.
const CONSTRUCTS: [&str; 35] = [
    "match",
    "count within",
    "count of_last",
    "count keep",
    "count clear",
    "count distinct",
    "absence within",
    "absence by data",
    "once",
    "warning",
    "sequence keep",
    "sequence clear",
    "debt",
    "refresh",
    "stop",
    "pause",
    "minus",
    "reset",
    "unless",
    "unless_seen",
    "while",
    "per",
    "calendar",
    "rule on rules",
    "rule on rules on rules",
    "when",
    "severity",
    "measure",
    "restored from a snapshot",
    "customer in where",
    "customer in when",
    "customer in within",
    "customer in severity table",
    "customer in severity case",
    "duplicate",
];

fn check(world: &World, steps: &[Step]) -> Result<drive::Run, String> {
    let run = drive::run(world, &drive::settings(world), steps)?;
    agree::identical(world, &run)?;
    agree::in_sight(world, &run)?;
    Ok(run)
}

#[test]
fn the_engine_finds_what_the_page_says() {
    let mut tally = Tally::default();
    let (manners, mishaps) = calm(30);
    for seed in seeds(WORLDS) {
        let world = World::draw(seed, Scope::All, manners);
        for schedule in 0..SCHEDULES {
            let steps = draw_schedule(&mut Draw::new(seed * SCHEDULES + schedule), &world, mishaps);
            match check(&world, &steps) {
                Ok(run) => count(&mut tally, &world, &run),
                Err(why) => fail(seed, world, steps, &why),
            }
        }
    }
    println!("{tally:#?}");
    if std::env::var("CXWATCH_SEED").is_err() {
        assert_eq!(tally.rarer_than(100, &CONSTRUCTS), Vec::<String>::new());
    }
}

fn count(tally: &mut Tally, world: &World, run: &drive::Run) {
    for effect in &run.effects {
        if let Effect::Detected(detection) = effect {
            assert!(!was_held(detection), "nothing is held in a calm world: {detection:?}");
            tally.count(&world.book, detection.rule, detection.level);
        }
    }
    tally.add("duplicate", run.counts.duplicates);
    tally.add("restored from a snapshot", u64::from(run.restores[1]));
    tally.add("restored from the start", u64::from(run.restores[0]));
    tally.add("restored with events in the buffer", u64::from(run.restores_with_buffer));
}

fn fail(seed: u64, world: World, steps: Vec<Step>, why: &str) -> ! {
    let (world, steps) = shrink::shrink((world, steps), check);
    let small = check(&world, &steps).err().unwrap_or_default();
    panic!("CXWATCH_SEED={seed}: {why}\nmade small: {small}\n{}", agree::describe(&world, &steps));
}
