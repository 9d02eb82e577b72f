//! The stream thread's loop over a simulated cluster (see [`cxwatch_tests::simulation`]).

#![allow(clippy::print_stdout, reason = "a test shows what happened how often, and which seed saw an error")]

use cxwatch_engine::Fault;
use cxwatch_event::mapping::Refusal;
use cxwatch_event::{RawRecord, Reason, Record, Rejection};
use cxwatch_runtime::settings::{Decode, Plan};
use cxwatch_runtime::{VerdictKind, Wrong};
use cxwatch_tests::simulation::broker::BrokerFaults;
use cxwatch_tests::simulation::desk::SimDesk;
use cxwatch_tests::simulation::{Options, Outcome, simulate};
use cxwatch_tests::{agree, of_each_seed, seeds};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const CALM: u64 = 1_000;
const WILD: u64 = 1_000;

const CHANGES: u64 = 300;
const BOUNDED: u64 = 300;

/// So many seeds at most are tried to see a known error.
const WRONG: u64 = 2_000;

fn check(seed: u64, options: Options) -> Result<Outcome, String> {
    check_with(seed, options, &|_| {})
}

fn check_with(seed: u64, options: Options, adjust: &dyn Fn(&mut Plan<SimDesk>)) -> Result<Outcome, String> {
    let outcome = simulate(seed, options, adjust)?;
    for (world, run) in outcome.worlds.iter().zip(&outcome.runs) {
        if options.wild {
            agree::net_equal(world, run)?;
        } else {
            agree::identical(world, run)?;
        }
    }
    Ok(outcome)
}

fn all(count: u64, options: Options) -> BTreeMap<&'static str, u64> {
    let tallies = of_each_seed(count, |seed| match check(seed, options) {
        Ok(outcome) => {
            let effects = outcome.runs.iter().map(|r| r.effects.len() as u64).sum::<u64>();
            outcome.tally.into_iter().chain([("effects", effects)]).collect::<Vec<_>>()
        }
        Err(why) => panic!("CXWATCH_SEED={seed}: {why}"),
    });
    let mut tally = BTreeMap::new();
    for (what, times) in tallies.into_iter().flatten() {
        *tally.entry(what).or_default() += times;
    }
    println!("{tally:#?}");
    tally
}

/// What must have happened often enough for a run to say something.
const HAPPENINGS: [&str; 12] = [
    "aborted at the commit",
    "aborted while sending",
    "ambiguous, committed",
    "ambiguous, not committed",
    "closed dirty",
    "died",
    "end sent twice",
    "frozen",
    "restored",
    "restored from a snapshot",
    "waited for an open transaction",
    "zombie's offsets refused",
];

fn enough(tally: &BTreeMap<&'static str, u64>, more: &[&'static str]) {
    if std::env::var("CXWATCH_SEED").is_ok() {
        return;
    }
    let rare = |what: &&&'static str| tally.get(**what).copied().unwrap_or_default() < 50;
    let rare: Vec<_> = HAPPENINGS.iter().chain(more).filter(rare).collect();
    assert!(rare.is_empty(), "too rare to say something: {rare:?}");
}

#[test]
fn nobody_sees_from_outside_that_processes_died() {
    enough(&all(CALM, Options::calm()), &["stopped by an operator"]);
}

#[test]
fn what_the_clock_decided_is_decided_once() {
    enough(&all(WILD, Options::wild()), &["too late to act", "stopped by an operator"]);
}

#[test]
fn input_that_ends_is_gone_through() {
    let tally = all(BOUNDED, Options { bounded: true, ..Options::calm() });
    assert!(tally["effects"] > 100 || std::env::var("CXWATCH_SEED").is_ok(), "{tally:?}");
}

/// Every restart may bring another rulebook: what was restored is what was committed, and every decision is published once.
#[test]
fn rulebooks_may_change_at_every_start() {
    let (mut restored, mut feeds_changed) = (0, 0);
    for seed in seeds(CHANGES) {
        let options = Options { rulebooks: true, ..Options::wild() };
        match simulate(seed, options, &|_| {}) {
            Ok(outcome) => {
                let times = |what| outcome.tally.get(what).copied().unwrap_or_default();
                restored += times("restored");
                feeds_changed += times("feeds changed");
            }
            Err(why) => panic!("CXWATCH_SEED={seed}: {why}"),
        }
    }
    let enough = restored > 100 && feeds_changed > 50;
    assert!(enough || std::env::var("CXWATCH_SEED").is_ok(), "{restored} {feeds_changed}");
}

/// Every restart may bring another mapping, and another rulebook too: what was read before is read again as it was.
#[test]
fn mappings_may_change_at_every_start() {
    for rulebooks in [false, true] {
        let (mut restored, mut resumed) = (0, 0);
        for seed in seeds(CHANGES) {
            match simulate(seed, Options { mappings: true, rulebooks, ..Options::wild() }, &|_| {}) {
                Ok(outcome) => {
                    let times = |what| outcome.tally.get(what).copied().unwrap_or_default();
                    restored += times("restored");
                    resumed += times("restored from a snapshot");
                }
                Err(why) => panic!("CXWATCH_SEED={seed} (rulebooks: {rulebooks}): {why}"),
            }
        }
        let enough = restored > 100 && resumed > 50;
        assert!(enough || std::env::var("CXWATCH_SEED").is_ok(), "{restored} {resumed}");
    }
}

/// Were the past read by the mapping of today, the digest would tell.
#[test]
fn a_past_that_is_read_by_the_mapping_of_today_is_noticed() {
    let options = Options { mappings: true, ..Options::wild() };
    let of_today = |plan: &mut Plan<SimDesk>| {
        let right = std::mem::replace(&mut plan.decoders, Box::new(|_, _| Ok(Vec::new())));
        let today = plan.rules.feeds.clone();
        plan.decoders = Box::new(move |book, _| right(book, &today));
    };
    let differs = |seed| {
        let seen = simulate(seed, options, &of_today).err().filter(|why| why.contains("DigestDiffers"));
        seen.filter(|_| simulate(seed, options, &|_| {}).is_ok())
    };
    assert!((1..=100).any(|seed| differs(seed).is_some()), "no digest tells");
}

/// A restore decides nothing again: not even where a feed joined.
#[test]
fn a_feed_that_joined_is_never_joined_again() {
    let options = Options { rulebooks: true, ..Options::wild() };
    let wrong = |plan: &mut Plan<SimDesk>| plan.faults.wrong = Some(Wrong::JoinedAgain);
    let sees =
        |seed| simulate(seed, options, &wrong).err().filter(|_| simulate(seed, options, &|_| {}).is_ok());
    let found = (1..=WRONG).find_map(|seed| sees(seed).map(|why| (seed, why)));
    let (seed, why) = found.unwrap_or_else(|| panic!("not caught by {WRONG} seeds"));
    println!("joined again: caught by seed {seed}: {}", why.lines().next().unwrap_or_default());
}

/// A decoder that refuses at a restore what it did not refuse before - another version - changes no state
/// here; the digest tells all the same.
#[test]
fn a_decoder_that_judges_otherwise_at_a_restore_is_noticed() {
    let fickle = |plan: &mut Plan<SimDesk>| {
        let made = AtomicU32::new(0);
        let right = std::mem::replace(&mut plan.decoders, Box::new(|_, _| Ok(Vec::new())));
        plan.decoders = Box::new(move |book, feeds| {
            let is_later = made.fetch_add(1, Ordering::Relaxed) > 0;
            let wrapped = |decode: Decode| -> Decode {
                Arc::new(move |raw: &RawRecord<'_>, offset, out: &mut Record, refused: &mut Vec<Refusal>| {
                    decode(raw, offset, out, refused);
                    if is_later && out.events.is_empty() {
                        let (reason, place, expected) = (Reason::Malformed, String::new(), String::new());
                        let rejection = Rejection { reason, place, expected };
                        refused.push(Refusal { sub: Some(0), rejection });
                    }
                })
            };
            Ok(right(book, feeds)?.into_iter().map(wrapped).collect())
        });
    };
    let differs =
        |seed| simulate(seed, Options::calm(), &fickle).err().filter(|why| why.contains("DigestDiffers"));
    assert!((1..=100).any(|seed| differs(seed).is_some()), "no digest tells");
}

/// Builds an error in; whether the simulation sees it.
fn catches(what: &str, options: Options, adjust: &dyn Fn(&mut Plan<SimDesk>)) {
    let right = Options { faults: BrokerFaults::default(), ..options };
    let sees = |seed| check_with(seed, options, adjust).err().filter(|_| check(seed, right).is_ok());
    let found = (1..=WRONG).find_map(|seed| sees(seed).map(|why| (seed, why)));
    match found {
        Some((seed, why)) => {
            println!("{what}: caught by seed {seed}: {}", why.lines().next().unwrap_or_default())
        }
        None => panic!("{what}: not caught by {WRONG} seeds"),
    }
}

#[test]
fn known_errors_are_caught() {
    for kind in VerdictKind::ALL {
        let wrong = Wrong::NotWritten(kind);
        catches(&format!("{wrong:?}"), Options::wild(), &|plan| {
            plan.faults.wrong = Some(wrong);
            // Instants are forced out often: feeds fall behind.
            plan.rules.settings.limits.buffered_events_max = 3;
        });
    }
    for wrong in [
        Wrong::OutOfOrder,
        Wrong::BufferedForgotten,
        Wrong::EffectsDropped,
        Wrong::SentAgain,
        Wrong::NotRenewed,
    ] {
        catches(&format!("{wrong:?}"), Options::wild(), &|plan| plan.faults.wrong = Some(wrong));
    }
    catches("a customer written after its first touch", Options::wild(), &|plan| {
        plan.rules.settings.fault = Some(Fault::WrittenAfterTouch);
    });
    let faults = BrokerFaults { restore_to_stable_end: true, ..BrokerFaults::default() };
    catches("restored to the last stable offset", Options { faults, ..Options::calm() }, &|_| {});
    let faults = BrokerFaults { offsets_outside: true, ..BrokerFaults::default() };
    catches("offsets outside of the transaction", Options { faults, ..Options::calm() }, &|_| {});
}
