//! The stream thread's loop over a simulated cluster: several processes, transactions that abort or end ambiguously,
//! deaths at every step, frozen processes that wake up as zombies. One seed draws everything.
//!
//! What is found must be what the naive evaluator says of the same events, published once each, in order: nobody may
//! see from outside that anything went wrong.

pub mod broker;
pub mod desk;
mod drawn;
pub mod log;
pub mod ports;
mod processes;
mod reader;

pub use processes::{Sim, SimListener};

use crate::drive::Run;
use crate::world::draw::Draw;
use crate::world::rules::Scope;
use crate::world::stream::Manners;
use crate::world::{END, World};
use broker::{Broker, BrokerFaults};
use cxwatch_runtime::settings::{Bounded, Plan};
use desk::{Archive, SimDesk};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a simulation is drawn with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Late events, stalled fetches, forced instants: net-equal instead of identical.
    pub wild: bool,
    /// Transactions abort, commits are ambiguous, brokers answer late.
    pub mishaps: bool,
    /// So many times a process dies or is frozen.
    pub incidents: u32,
    /// The input has an end, and all of it is there from the start.
    pub bounded: bool,
    /// Every life of a process has one of two rulebooks.
    pub rulebooks: bool,
    /// ... and one of two mappings.
    pub mappings: bool,
    /// What the cluster does wrong.
    pub faults: BrokerFaults,
}

impl Options {
    /// Everything that may go wrong does, in a calm world.
    pub fn calm() -> Self {
        Options {
            wild: false,
            mishaps: true,
            incidents: 6,
            bounded: false,
            rulebooks: false,
            mappings: false,
            faults: BrokerFaults::default(),
        }
    }

    /// The same in a wild one.
    pub fn wild() -> Self {
        Options { wild: true, ..Options::calm() }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// By partition.
    pub runs: Vec<Run>,
    /// By partition: the world of its events.
    pub worlds: Vec<World>,
    /// What happened how often.
    pub tally: BTreeMap<&'static str, u64>,
}

/// Draws and runs a simulation; `adjust` may build an error into the plan.
///
/// # Errors
/// What went wrong, in words.
pub fn simulate(seed: u64, options: Options, adjust: &dyn Fn(&mut Plan<SimDesk>)) -> Result<Outcome, String> {
    let mut draw = Draw::new(seed ^ 0x51);
    let (scope, manners) =
        if options.wild { (Scope::Healing, Manners::Wild) } else { (Scope::All, Manners::Calm) };
    // A profile is what was known when something was judged. Where its feed may be blind, that is not the page's to say.
    let is_told = |world: &World| !options.wild || world.book.profile.is_none();
    let drawn = |again: u64| World::draw(seed.wrapping_add(again * 1_000_003), scope, manners);
    let world = (0..).map(drawn).find(is_told).expect("most worlds have no profiles");
    let mut worlds = vec![world];
    drawn::keep_beating(&mut worlds[0]);
    if draw.chance(50) {
        let other = drawn::another_partition(&worlds[0], &mut draw, manners);
        worlds.push(other);
    }
    let archive = Archive::default();
    let mut settings = drawn::drawn_settings(&worlds[0], &mut draw, options);
    let logs = (0..worlds[0].log.len())
        .map(|feed| worlds.iter().map(|w| Arc::new(w.log[feed].clone())).collect())
        .collect();
    let mut broker = Broker::new(logs, options.faults);
    if options.bounded {
        let ends = broker.produce_all(&mut draw);
        settings.timing.bounded = Some(Bounded { ends, until: END });
    }
    let mut books = vec![Arc::clone(&worlds[0].book)];
    if options.rulebooks {
        books.push(drawn::other_rules(&worlds[0], &mut draw));
    }
    let mappings = if options.mappings { vec![None, Some(drawn::THIRDS)] } else { vec![None] };
    let variants = (0..books.len()).flat_map(|book| mappings.iter().map(move |mapping| (book, *mapping)));
    let plans = variants.map(|which| {
        let mut plan = drawn::plan(&worlds, &books, which, &settings, &archive);
        adjust(&mut plan);
        Arc::new(plan)
    });
    let plans = plans.collect();
    let processes = draw.range(1, 2);
    let topics: Vec<String> = worlds[0].book.feeds.iter().map(ToString::to_string).collect();
    let sim = Sim::new(broker, draw, options, plans, topics, processes);
    sim.run_to_end()?;
    if books.iter().any(|book| book.feeds != worlds[0].book.feeds) {
        sim.count("feeds changed");
    }
    let runs = (0..worlds.len()).map(|p| reader::published(&sim, &archive, &worlds[p], p));
    let runs = runs.collect::<Result<Vec<Run>, String>>()?;
    Ok(Outcome { runs, worlds, tally: sim.take_tally() })
}
