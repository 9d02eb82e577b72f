//! Engines that are known to be wrong: each must be caught by the same comparisons that the right one passes.

#![allow(clippy::print_stdout, reason = "a property test reports what came up")]

use cxwatch_engine::Fault;
use cxwatch_tests::world::World;
use cxwatch_tests::world::draw::Draw;
use cxwatch_tests::world::rules::Scope;
use cxwatch_tests::world::schedule::{Mishaps, Step, draw_schedule};
use cxwatch_tests::world::stream::Manners;
use cxwatch_tests::{agree, drive};

/// A kind of world and what must hold in it.
#[derive(Clone, Copy)]
enum Trial {
    /// What the engine finds is what the page says, in order.
    Calm,
    /// What it found less what it retracted is.
    Wild,
}

/// The share of worlds, in percent, that a fault spoils. Fails where it spoils none.
fn spoiled(fault: Fault, trial: Trial, worlds: u64) -> u64 {
    let (scope, manners, mishaps) = match trial {
        Trial::Calm => (Scope::All, Manners::Calm, Mishaps { crashes: 30, blindness: false }),
        Trial::Wild => (Scope::Healing, Manners::Wild, Mishaps { crashes: 30, blindness: true }),
    };
    let wrong = (1..=worlds).filter(|seed| {
        let world = World::draw(*seed, scope, manners);
        let steps = draw_schedule(&mut Draw::new(*seed), &world, mishaps);
        is_spoiled(&world, &steps, fault, trial)
    });
    let wrong: Vec<u64> = wrong.collect();
    println!("{fault:?}: {} of {worlds} worlds, the first with seed {:?}", wrong.len(), wrong.first());
    wrong.len() as u64
}

fn is_spoiled(world: &World, steps: &[Step], fault: Fault, trial: Trial) -> bool {
    let mut settings = drive::settings(world);
    settings.fault = Some(fault);
    let Ok(run) = drive::run(world, &settings, steps) else { return true };
    let compared = match trial {
        Trial::Calm => agree::identical(world, &run),
        Trial::Wild => agree::net_equal(world, &run),
    };
    compared.is_err() || agree::in_sight(world, &run).is_err()
}

#[test]
fn timers_before_events_at_equal_times_are_caught() {
    assert!(spoiled(Fault::TimersFirst, Trial::Calm, 300) >= 10);
}

#[test]
fn a_watermark_that_goes_back_is_caught() {
    assert!(
        spoiled(Fault::WatermarkGoesBack, Trial::Calm, 300)
            + spoiled(Fault::WatermarkGoesBack, Trial::Wild, 600)
            >= 3
    );
}

#[test]
fn a_forgotten_retraction_is_caught() {
    assert!(spoiled(Fault::NoRetraction, Trial::Wild, 600) >= 10);
}

#[test]
fn a_needed_feed_ignored_is_caught() {
    assert!(spoiled(Fault::NeedsIgnored, Trial::Wild, 600) >= 3);
}

#[test]
fn a_duplicate_judged_on_entry_is_caught() {
    assert!(spoiled(Fault::DuplicateOnEntry, Trial::Calm, 300) >= 3);
}

#[test]
fn a_forgotten_place_of_a_late_event_is_caught() {
    assert!(spoiled(Fault::PlaceForgotten, Trial::Wild, 1_000) >= 3);
}

#[test]
fn a_profile_forgotten_at_a_restore_is_caught() {
    assert!(spoiled(Fault::ProfileForgotten, Trial::Calm, 300) >= 3);
}

#[test]
fn timers_that_are_not_packed_with_their_customer_are_caught() {
    assert!(spoiled(Fault::TimersPacked, Trial::Calm, 300) >= 3);
}

#[test]
fn what_waits_for_a_feed_and_is_forgotten_in_a_packed_customer_is_caught() {
    assert!(spoiled(Fault::WaitingPacked, Trial::Wild, 600) >= 3);
}

#[test]
fn an_older_profile_that_wins_is_caught() {
    assert!(spoiled(Fault::OlderProfileWins, Trial::Wild, 600) >= 3);
}

#[test]
fn memory_cut_at_the_tasks_clock_is_caught() {
    assert!(spoiled(Fault::MemoryCutAtTask, Trial::Wild, 1_500) >= 3);
}
