//! What somebody finds who reads what has been committed.

use super::Sim;
use super::desk::{Archive, Filed};
use crate::drive::Run;
use crate::world::World;
use cxwatch_engine::{Effect, EventRef};
use cxwatch_runtime::ports::Topic;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// What a reader of committed records finds of a task: every decision once, in order.
pub(super) fn published(
    sim: &Sim,
    archive: &Archive,
    world: &World,
    partition: usize,
) -> Result<Run, String> {
    let broker = sim.broker.borrow();
    let archive = archive.lock().unwrap_or_else(PoisonError::into_inner);
    let places: Vec<BTreeMap<i64, usize>> = broker
        .feeds
        .iter()
        .map(|logs| logs[partition].committed(0, &broker.fates).map(|(o, fed)| (o, fed.index)).collect())
        .collect();
    let mut run = Run::default();
    let mut refused = BTreeSet::new();
    for (_, written) in broker.output[partition].committed(0, &broker.fates) {
        if written.topic == Topic::DeadLetters {
            let header = |name: &str| {
                let found = written.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice());
                found.map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default()
            };
            let feed = world.book.feed_named(&header("cxwatch_feed")).expect("a feed of the world");
            let offset: i64 = header("cxwatch_offset").parse().expect("an offset");
            let sub: usize = header("cxwatch_sub").parse().expect("a sub-index");
            let index = places[usize::from(feed.0)][&offset];
            // A feed that left and came back may be read again from where its buffer was.
            if !refused.insert((feed, index, sub)) && !sim.options.rulebooks {
                return Err(format!("task {partition}: dead letter twice: {feed:?} {index} {sub}"));
            }
            let time = world.log[usize::from(feed.0)][index].record.times[sub];
            run.refused.push((feed, index as i64, time));
            continue;
        }
        let number =
            |at: usize| u64::from_le_bytes(written.value[at..at + 8].try_into().expect("eight bytes"));
        if number(0) != run.effects.len() as u64 {
            let expected = run.effects.len();
            return Err(format!("task {partition}: decision {} where {expected} was due", number(0)));
        }
        let Filed { mut effect, late, paused } = archive[number(8) as usize].clone();
        if late {
            sim.count("too late to act");
        }
        if paused {
            sim.count("stopped by an operator");
        }
        // Under other rulebooks feeds have other numbers, and nothing to be compared with.
        if !sim.options.rulebooks {
            at_places(&mut effect, &places);
        }
        run.effects.push(effect);
    }
    run.refused.sort();
    Ok(run)
}

/// Offsets have gaps; the oracle counts records.
fn at_places(effect: &mut Effect, places: &[BTreeMap<i64, usize>]) {
    let mut place = |event: &mut EventRef| {
        event.offset = places[usize::from(event.feed)][&event.offset] as i64;
    };
    match effect {
        Effect::Detected(detection) => {
            place(&mut detection.about);
            detection.evidence.iter_mut().for_each(&mut place);
        }
        Effect::Retracted(ended) | Effect::Resolved(ended) => {
            place(&mut ended.about);
            ended.by.iter_mut().for_each(&mut place);
        }
    }
}
