//! Engine and decider against the naive evaluator and the naive log: events through the reorder buffer, however they are
//! interleaved and split, with crashes at any step, profiles that change, and outcomes of what was asked for.

#![allow(clippy::print_stdout, reason = "a property test reports what came up")]

use cxwatch_engine::Fault;
use cxwatch_tests::decisions::whole::{Out, Whole};
use cxwatch_tests::decisions::world::Step as Call;
use cxwatch_tests::decisions::{Cause, Line, Said, Totals};
use cxwatch_tests::tally::Tally;
use cxwatch_tests::world::draw::Draw;
use cxwatch_tests::world::rules::Scope;
use cxwatch_tests::world::schedule::{Mishaps, Step, draw_schedule};
use cxwatch_tests::world::stream::Manners;
use cxwatch_tests::{agree, drive, seeds};
use std::collections::BTreeMap;

/// A made-up world: which rules, how producers behave, what else goes wrong.
#[derive(Clone, Copy)]
struct Trial {
    scope: Scope,
    manners: Manners,
    mishaps: Mishaps,
}

const CALM: Trial =
    Trial { scope: Scope::All, manners: Manners::Calm, mishaps: Mishaps { crashes: 30, blindness: false } };

const WILD: Trial = Trial {
    scope: Scope::Healing,
    manners: Manners::Wild,
    mishaps: Mishaps { crashes: 30, blindness: true },
};

/// What must come up often enough for a run to say something.
const COMMON: [&str; 50] = [
    "Expired",
    "Requested",
    "Revoked(Resolved)",
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
    "Suppressed(Replaced)",
    "Suppressed(Resolved)",
    "Suppressed(Shadow)",
    "Suppressed(WarmingUp)",
    "Updated(Breached)",
    "Updated(Changed)",
    "Updated(NotAccepted)",
    "Updated(Resolved)",
    "a held-out episode saved by an event",
    "a treated episode saved by an event",
    "accepted: contacted",
    "accepted: declined",
    "accepted: expired",
    "accepted: failed",
    "accepted: rejected",
    "accepted: revoked",
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
    "replaced by another offer",
    "requested: accepted",
    "requested: contacted",
    "requested: declined",
    "requested: failed",
    "requested: rejected",
    "requested: saved",
    "requested: unreachable",
    "restored from a snapshot",
    "restored from the start",
];

/// What comes up besides where events are late.
const LATE: [&str; 6] = [
    "Revoked(Retracted)",
    "Suppressed(Retracted)",
    "found again about something else",
    "found again in one step",
    "requested again",
    "retracted while the other level stands",
];

/// Where nothing is late, what is decided does not depend on how the input came: the calls of a run in one go, whose detections
/// are those of the naive evaluator. Else they are those of the same schedule without crashes.
fn calls(whole: &Whole, trial: Trial, steps: &[Step]) -> Result<Vec<Call>, String> {
    if trial.manners == Manners::Calm {
        let at_once = whole.at_once();
        agree::identical(&whole.world, &drive::run(&whole.world, &drive::settings(&whole.world), &at_once)?)?;
        return whole.calls(&at_once, false);
    }
    let unbroken: Vec<Step> = steps.iter().copied().filter(|step| *step != Step::Crash).collect();
    let run = drive::run(&whole.world, &drive::settings(&whole.world), &unbroken)?;
    agree::net_equal(&whole.world, &run)?;
    whole.calls(&unbroken, true)
}

fn check(whole: &Whole, trial: Trial, steps: &[Step], tally: &mut Tally) -> Result<(), String> {
    let mut log = whole.log(&calls(whole, trial, steps)?);
    let run = drive::run_with(&whole.world, &drive::settings(&whole.world), steps, &|| whole.desk())?;
    adds_up_at_every_commit(&run.effects)?;
    let expected: Vec<Line> = log.take_new().into_iter().map(bare).collect();
    let lines = run.effects.iter().filter_map(|out| match out {
        Out::Line(line) => Some(bare(Line::clone(line))),
        Out::Totals(_) => None,
    });
    let found: Vec<Line> = lines.collect();
    for at in 0..expected.len().max(found.len()) {
        let (one, other) = (expected.get(at), found.get(at));
        if one != other {
            return Err(format!("decision {at}: expected\n  {one:?}\nfound\n  {other:?}"));
        }
    }
    let last = run.effects.iter().rev().find_map(|out| match out {
        Out::Totals(totals) => Some(totals),
        Out::Line(_) => None,
    });
    if last != Some(&log.totals()) {
        return Err(format!("expected {:?}\nfound    {last:?}", log.totals()));
    }
    for line in log.lines() {
        tally.add(&format!("{:?}", line.said), 1);
    }
    for what in &log.happened {
        tally.add(what, 1);
    }
    tally.add("restored from a snapshot", u64::from(run.restores[1]));
    tally.add("restored from the start", u64::from(run.restores[0]));
    Ok(())
}

/// What the clock knew differs with how the input came, and, of what waits, with when it was read again after a crash.
fn bare(mut line: Line) -> Line {
    if let Some(why) = &mut line.why {
        why.detection.clock.watermark = 0;
        why.detection.clock.feeds.clear();
    }
    line
}

/// Nothing vanishes: of what has been published by a commit, and what waits then, the sum is what was proposed.
fn adds_up_at_every_commit(outs: &[Out]) -> Result<(), String> {
    let mut ended: BTreeMap<&str, u64> = BTreeMap::new();
    for out in outs {
        match out {
            Out::Line(line) => {
                let ends = matches!(
                    line.said,
                    Said::Requested | Said::Updated(Cause::Breached | Cause::Changed) | Said::Suppressed(_)
                );
                *ended.entry(line.rule.as_str()).or_default() += u64::from(ends);
            }
            Out::Totals(Totals { rules, .. }) => {
                for (rule, totals) in rules {
                    let ended = ended.get(rule.as_str()).copied().unwrap_or(0);
                    if totals.candidates != ended + totals.pending {
                        return Err(format!("{rule}: {ended} have ended of {totals:?}"));
                    }
                }
            }
        }
    }
    Ok(())
}

fn run(trial: Trial, worlds: u64, common: &[&str]) {
    let mut tally = Tally::default();
    for seed in seeds(worlds) {
        let whole = Whole::draw(seed, trial.scope, trial.manners).expect("the engine comes to an end");
        let steps = draw_schedule(&mut Draw::new(seed), &whole.world, trial.mishaps);
        if let Err(why) = check(&whole, trial, &steps, &mut tally) {
            fail(&whole, trial, &steps, &why);
        }
    }
    println!("{tally:#?}");
    if seeds(worlds).count() as u64 >= worlds {
        assert_eq!(tally.rarer_than(15, common), Vec::<String>::new());
    }
}

/// Tells what happens in the world, without the steps and records that the disagreement does not need.
fn fail(whole: &Whole, trial: Trial, steps: &[Step], why: &str) -> ! {
    let seed = whole.world.seed;
    let still = |whole: &Whole, steps: &[Step]| check(whole, trial, steps, &mut Tally::default()).err();
    let mut small = (whole.clone(), steps.to_vec());
    let mut at = small.1.len();
    while at > 0 {
        at -= 1;
        if matches!(small.1[at], Step::Crash | Step::Commit { .. } | Step::Advance(_) | Step::AdvanceTo(_)) {
            let mut fewer = small.1.clone();
            fewer.remove(at);
            if still(&small.0, &fewer).is_some() {
                small.1 = fewer;
            }
        }
    }
    let last = still(&small.0, &small.1).unwrap_or_default();
    let calls = calls(&small.0, trial, &small.1).unwrap_or_default();
    let calls: String = calls.iter().map(|call| format!("{call:?}\n")).collect();
    panic!(
        "CXWATCH_SEED={seed}: {why}\nmade small: {last}\n{:?}\n{:?}\n{:?}\n{calls}{:?}",
        small.0.terms, small.0.world.book.policy, small.0.world.book.actions, small.1
    );
}

#[test]
fn what_is_decided_does_not_depend_on_how_the_input_came() {
    run(CALM, 1_500, &COMMON);
}

#[test]
fn what_comes_late_is_decided_as_the_page_says_and_a_crash_changes_nothing() {
    run(WILD, 2_000, &[&COMMON[..], &LATE[..]].concat());
}

#[test]
fn a_customer_who_is_kept_for_nothing_is_caught() {
    let is_caught = |seed: &u64| {
        let whole = Whole::draw(*seed, CALM.scope, CALM.manners).expect("the engine comes to an end");
        let steps = draw_schedule(&mut Draw::new(*seed), &whole.world, CALM.mishaps);
        let mut settings = drive::settings(&whole.world);
        settings.fault = Some(Fault::KeptForNothing);
        drive::run_with(&whole.world, &settings, &steps, &|| whole.desk()).is_err()
    };
    assert!((1..=50).filter(is_caught).count() >= 10);
}
