//! The decider against the naive log, on random rulebooks and streams.

#![allow(clippy::print_stdout, reason = "a property test reports what came up")]

use cxwatch_decision::{Decider, Fault};
use cxwatch_tests::decisions::desk::RealDesk;
use cxwatch_tests::decisions::log::{Log, Wrong};
use cxwatch_tests::decisions::play::{Said, describe, difference, play, shrink};
use cxwatch_tests::decisions::world::World;
use cxwatch_tests::tally::Tally;
use cxwatch_tests::{of_each_seed, seeds};
use std::sync::Arc;

const WORLDS: u64 = 6_000;

/// What must come up often enough for a run to say something.
const HAPPENINGS: [&str; 57] = [
    "Expired",
    "Requested",
    "Revoked(Resolved)",
    "Revoked(Retracted)",
    "Revoked(RuleRemoved)",
    "Revoked(Superseded)",
    "Suppressed(Brake)",
    "Suppressed(Consent)",
    "Suppressed(ContactPolicy)",
    "Suppressed(Cooldown)",
    "Suppressed(Declined)",
    "Suppressed(Expired)",
    "Suppressed(Holdout)",
    "Suppressed(LowerPriority)",
    "Suppressed(NotEligible)",
    "Suppressed(Paused)",
    "Suppressed(Replaced)",
    "Suppressed(Resolved)",
    "Suppressed(Retracted)",
    "Suppressed(Shadow)",
    "Suppressed(WarmingUp)",
    "Updated(Breached)",
    "Updated(Changed)",
    "Updated(NotAccepted)",
    "Updated(Resolved)",
    "Updated(Retracted)",
    "a held-out episode saved by an event",
    "a treated episode saved by an event",
    "accepted: contacted",
    "accepted: declined",
    "accepted: failed",
    "accepted: rejected",
    "accepted: revoked",
    "accepted: expired",
    "accepted: saved",
    "accepted: unreachable",
    "an outcome nobody knows",
    "an outcome without an arrow",
    "contacted to the end of its life",
    "contacted: failed",
    "contacted: rejected",
    "contacted: saved",
    "contacted: unreachable",
    "decided again",
    "deferred",
    "found again about something else",
    "found again in one step",
    "replaced by another offer",
    "requested again",
    "requested: accepted",
    "requested: contacted",
    "requested: declined",
    "requested: failed",
    "requested: rejected",
    "requested: saved",
    "requested: unreachable",
    "retracted while the other level stands",
];

fn log(world: &World, wrong: Option<Wrong>) -> Log {
    Log::new(Arc::clone(&world.book), world.terms.clone(), wrong)
}

fn count(log: &Log) -> Tally {
    let mut tally = Tally::default();
    for line in log.lines() {
        tally.add(&format!("{:?}", line.said), 1);
    }
    for what in &log.happened {
        tally.add(what, 1);
    }
    tally
}

/// `candidates = actions + suppressions + pending`, after every step.
fn adds_up(said: &[Said]) -> bool {
    said.iter().flat_map(|(_, totals)| totals.rules.values()).all(|rule| rule.add_up())
}

/// Where the decider disagrees with the log.
fn disagreement(world: &World, expected: &[Said]) -> Option<(String, String)> {
    let found = play(world, &mut RealDesk::new(Arc::clone(&world.book), &world.terms, Decider::new));
    assert!(adds_up(&found), "CXWATCH_SEED={}: candidates have vanished", world.seed);
    difference(world, expected, &found)
}

#[test]
fn the_decider_decides_what_the_page_says() {
    let tallies = of_each_seed(WORLDS, |seed| {
        let world = World::draw(seed);
        let mut log = log(&world, None);
        let expected = play(&world, &mut log);
        assert!(adds_up(&expected), "CXWATCH_SEED={seed}");
        if let Some((kind, _)) = disagreement(&world, &expected) {
            fail(&world, &kind);
        }
        count(&log)
    });
    let mut tally = Tally::default();
    for (what, times) in tallies.iter().flat_map(|of_one| &of_one.0) {
        tally.add(what, *times);
    }
    println!("{tally:#?}");
    if seeds(WORLDS).count() as u64 >= WORLDS {
        assert_eq!(tally.rarer_than(100, &HAPPENINGS), Vec::<String>::new());
    }
}

fn fail(world: &World, kind: &str) -> ! {
    let again = |world: &World| disagreement(world, &play(world, &mut self::log(world, None)));
    let small = shrink(world.clone(), |world| again(world).is_some_and(|(found, _)| found == kind));
    let shown = again(&small).map(|(_, words)| words).unwrap_or_default();
    panic!("CXWATCH_SEED={}: {shown}\n{}", world.seed, describe(&small));
}

/// In so many worlds at least a wrong log or decider is caught.
const CAUGHT: usize = 3;

/// Where each of these is caught first; fails where one is caught too seldom.
fn caught<W: Copy + std::fmt::Debug + PartialEq>(all: &[W], play_wrong: impl Fn(&World, W) -> Vec<Said>) {
    let worlds: Vec<World> = (1..=600).map(World::draw).collect();
    let right: Vec<Vec<Said>> = worlds.iter().map(|world| play(world, &mut log(world, None))).collect();
    let mut missed = Vec::new();
    for wrong in all {
        let spoiled = worlds
            .iter()
            .zip(&right)
            .filter(|(world, right)| difference(world, right, &play_wrong(world, *wrong)).is_some());
        let spoiled: Vec<u64> = spoiled.map(|(world, _)| world.seed).take(CAUGHT).collect();
        println!("{wrong:?}: caught with seeds {spoiled:?}");
        if spoiled.len() < CAUGHT {
            missed.push(*wrong);
        }
    }
    assert_eq!(missed, []);
}

#[test]
fn logs_known_to_be_wrong_are_caught() {
    caught(&Wrong::ALL, |world, wrong| play(world, &mut log(world, Some(wrong))));
}

#[test]
fn deciders_known_to_be_wrong_are_caught() {
    caught(&Fault::ALL, |world, fault| {
        let make = move |settings| {
            let mut decider = Decider::new(settings);
            decider.set_fault(Some(fault));
            decider
        };
        play(world, &mut RealDesk::new(Arc::clone(&world.book), &world.terms, make))
    });
}
