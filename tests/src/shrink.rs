//! Makes a failing case small: leaves out rules, clauses, records, events and steps while it still fails.

use crate::world::World;
use crate::world::book::Of;
use crate::world::schedule::Step;
use cxwatch_rulebook::FeedIx;

/// A world and a schedule.
pub type Case = (World, Vec<Step>);

/// The smallest case on the way down that still fails, in the same words at their beginning.
pub fn shrink<T>(case: Case, check: impl Fn(&World, &[Step]) -> Result<T, String>) -> Case {
    let beginning = |why: &str| why.chars().take(16).collect::<String>();
    let mut best = case;
    let Some(first) = check(&best.0, &best.1).err() else { return best };
    let fails = |world: &World, steps: &[Step]| {
        check(world, steps).is_err_and(|why| beginning(&why) == beginning(&first))
    };
    loop {
        let smaller = candidates(&best).into_iter().find(|(world, steps)| fails(world, steps));
        match smaller {
            Some(case) => best = case,
            None => return best,
        }
    }
}

fn candidates(case: &Case) -> Vec<Case> {
    let (world, steps) = case;
    let mut all = Vec::new();
    let no_steps = |keep: &dyn Fn(&Step) -> bool| -> Case {
        (
            world.clone(),
            steps.iter().copied().filter(|s| matches!(s, Step::Read(..) | Step::End(_)) || keep(s)).collect(),
        )
    };
    let without_crashes = no_steps(&|s| !matches!(s, Step::Crash));
    if without_crashes.1.len() < steps.len() {
        all.push(without_crashes);
    }
    for at in 0..world.drafts.len() {
        let id = &world.drafts[at].id;
        let is_needed = |of: &Of| matches!(of, Of::Rule(rule, _) if rule == id);
        if world.drafts.iter().any(|d| d.clauses.iter().any(|c| is_needed(&c.of))) {
            continue;
        }
        let mut smaller = world.clone();
        smaller.drafts.remove(at);
        all.push((smaller.recompiled(), steps.clone()));
    }
    for (feed, records) in (0..).map(FeedIx).zip(&world.log) {
        for offset in (0..records.len().saturating_sub(1)).rev() {
            all.push(without_record(world, steps, feed, offset));
        }
    }
    for (at, step) in steps.iter().enumerate().rev().skip(2) {
        if !matches!(step, Step::Read(..) | Step::End(_)) {
            let mut fewer = steps.clone();
            fewer.remove(at);
            all.push((world.clone(), fewer));
        }
    }
    for (at, draft) in world.drafts.iter().enumerate() {
        for clause in 0..draft.clauses.len() {
            let mut smaller = world.clone();
            smaller.drafts[at].clauses.remove(clause);
            all.push((smaller.recompiled(), steps.clone()));
        }
        for simpler in simpler_drafts(draft) {
            let mut smaller = world.clone();
            smaller.drafts[at] = simpler;
            all.push((smaller.recompiled(), steps.clone()));
        }
    }
    for (feed, records) in world.log.iter().enumerate() {
        for (offset, logged) in records.iter().enumerate() {
            for event in 0..logged.record.events.len() {
                let mut smaller = world.clone();
                smaller.log[feed][offset].record.events.remove(event);
                all.push((smaller, steps.clone()));
            }
        }
    }
    all
}

fn simpler_drafts(draft: &crate::world::book::Draft) -> Vec<crate::world::book::Draft> {
    let mut all = Vec::new();
    if draft.when != cxwatch_rulebook::Cond::True {
        all.push(crate::world::book::Draft { when: cxwatch_rulebook::Cond::True, ..draft.clone() });
    }
    if !draft.severity.is_empty() {
        all.push(crate::world::book::Draft { severity: Vec::new(), ..draft.clone() });
    }
    for clause in 0..draft.clauses.len() {
        if draft.clauses[clause].cond != cxwatch_rulebook::Cond::True {
            let mut simpler = draft.clone();
            simpler.clauses[clause].cond = cxwatch_rulebook::Cond::True;
            all.push(simpler);
        }
    }
    all
}

/// Without a record and the step that reads it.
fn without_record(world: &World, steps: &[Step], feed: FeedIx, offset: usize) -> Case {
    let mut smaller = world.clone();
    smaller.log[usize::from(feed.0)].remove(offset);
    let mut reads = 0;
    let mut fewer = steps.to_vec();
    fewer.retain(|step| match step {
        Step::Read(f, _) if *f == feed => {
            reads += 1;
            reads != offset + 1
        }
        _ => true,
    });
    (smaller, fewer)
}
