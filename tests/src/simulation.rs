//! The stream thread's loop over a simulated cluster: several processes, transactions that abort or end ambiguously,
//! deaths at every step, frozen processes that wake up as zombies. One seed draws everything.
//!
//! What is found must be what the naive evaluator says of the same events, published once each, in order: nobody may
//! see from outside that anything went wrong.

pub mod broker;
pub mod desk;
pub mod log;
pub mod ports;

use crate::drive::{self, Run};
use crate::world::book;
use crate::world::draw::Draw;
use crate::world::rules::Scope;
use crate::world::stream::{self, Logged, Manners};
use crate::world::{END, TICK, World};
use broker::{Broker, BrokerFaults};
use compact_str::CompactString;
use cxwatch_engine::{Effect, EventRef, Settings};
use cxwatch_event::mapping::Refusal;
use cxwatch_event::{Millis, RawRecord, Record, TypeId};
use cxwatch_rulebook::{FeedIx, Rulebook, Span, Table};
use cxwatch_runtime::desk::Publisher;
use cxwatch_runtime::journal::{FeedTopic, Rules};
use cxwatch_runtime::live::{Batch, Live};
use cxwatch_runtime::ports::{Answer, Fault, PAUSED_ALL, PausedSet, ReadFrom, Topic};
use cxwatch_runtime::restore::Alarm;
use cxwatch_runtime::settings::{Bounded, Bounds, Decode, Expect, Faults, Plan, Start, Timing};
use cxwatch_runtime::thread::{Listener, Parts, StreamThread};
use desk::{Archive, Filed, SimDesk};
use ports::{Host, SimPorts, SimSink, SimSource};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

type Thread = StreamThread<SimPorts, SimDesk, SimListener>;

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

enum Slot {
    Down { until: Millis },
    Up(Box<Thread>),
    Busy,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    alive: bool,
    /// Steps until something happens to it.
    incident_in: u32,
    deadly: bool,
}

/// What all parts of a simulation share.
pub struct Sim {
    /// The cluster.
    pub broker: RefCell<Broker>,
    /// Chance.
    pub draw: RefCell<Draw>,
    /// What it was drawn with.
    pub options: Options,
    plans: Vec<Arc<Plan<SimDesk>>>,
    /// The cluster's topics.
    topics: Vec<String>,
    slots: RefCell<Vec<Slot>>,
    lives: RefCell<BTreeMap<u64, Life>>,
    incidents: Cell<u32>,
    frozen: Cell<bool>,
    drawn: Cell<u64>,
    /// What operators have stopped.
    paused: RefCell<Arc<PausedSet>>,
    tally: RefCell<BTreeMap<&'static str, u64>>,
    problem: RefCell<Option<String>>,
}

impl Sim {
    /// Something happened.
    pub fn count(&self, what: &'static str) {
        *self.tally.borrow_mut().entry(what).or_default() += 1;
    }

    /// A number that was not drawn before.
    pub fn unique(&self) -> u64 {
        self.drawn.set(self.drawn.get() + 1);
        self.drawn.get()
    }

    /// The cluster's number of a topic.
    pub fn feed_of(&self, topic: &str) -> usize {
        self.topics.iter().position(|t| t == topic).expect("a topic of the cluster")
    }

    /// The cluster's numbers of a plan's feeds.
    fn feeds_of(&self, plan: &Plan<SimDesk>) -> Vec<usize> {
        plan.rules.feeds.iter().map(|feed| self.feed_of(&feed.topic)).collect()
    }

    /// Whether everything that is read under every rulebook has been.
    fn is_read(&self) -> bool {
        let plans = self.plans.iter().map(|plan| self.feeds_of(plan));
        let always = plans.reduce(|some, others| some.into_iter().filter(|f| others.contains(f)).collect());
        self.broker.borrow().is_done(&always.unwrap_or_default())
    }

    fn problem(&self, what: String) {
        self.problem.borrow_mut().get_or_insert(what);
    }

    /// One step of a process: it may die here, or be frozen.
    fn step(&self, process: usize, life: u64) -> Result<(), Fault> {
        let due = {
            let mut lives = self.lives.borrow_mut();
            let state = lives.get_mut(&life).expect("every life is noted");
            if !state.alive {
                return Err(crashed());
            }
            state.incident_in = state.incident_in.saturating_sub(1);
            let due = state.incident_in == 0 && self.incidents.get() > 0 && !self.frozen.get();
            if due {
                self.incidents.set(self.incidents.get() - 1);
                state.incident_in = self.draw.borrow_mut().range(20, 600) as u32;
                if state.deadly {
                    state.alive = false;
                    self.count("died");
                    return Err(crashed());
                }
                state.deadly = self.draw.borrow_mut().chance(60);
            }
            due
        };
        if due {
            self.count("frozen");
            self.freeze(process);
        }
        Ok(())
    }

    /// One process stands still while time goes on for the others.
    fn freeze(&self, process: usize) {
        self.frozen.set(true);
        let rounds = self.draw.borrow_mut().range(1, 20);
        for _ in 0..rounds {
            self.round(Some(process));
        }
        self.frozen.set(false);
    }

    fn round(&self, but: Option<usize>) {
        {
            let mut broker = self.broker.borrow_mut();
            let draw = &mut *self.draw.borrow_mut();
            let step = if broker.is_quiet() { draw.range(500, 4_000) } else { draw.range(0, 1_000) };
            broker.pass(step, draw, self.options.mishaps);
        }
        if self.draw.borrow_mut().chance(3) {
            self.pause();
        }
        let count = self.slots.borrow().len();
        for process in 0..count {
            if Some(process) != but && self.draw.borrow_mut().chance(70) {
                self.run(process);
            }
        }
    }

    /// An operator stops the requests of a rule or of all, or lets them go on.
    fn pause(&self) {
        let draw = &mut *self.draw.borrow_mut();
        let rules = &self.plans[0].book.rules;
        let all = draw.chance(30);
        let rule = if all { PAUSED_ALL.into() } else { draw.pick(rules).id.clone() };
        let mut paused = PausedSet::clone(&self.paused.borrow());
        if !paused.remove(&rule) {
            paused.insert(rule);
        }
        self.paused.replace(Arc::new(paused));
    }

    /// What operators have stopped.
    pub fn paused(&self) -> Arc<PausedSet> {
        Arc::clone(&self.paused.borrow())
    }

    /// Every task has an owner.
    fn is_owned(&self) -> bool {
        let tasks = |slot: &Slot| match slot {
            Slot::Up(thread) => thread.tasks().keys().copied().collect(),
            _ => Vec::new(),
        };
        let owned: BTreeSet<i32> = self.slots.borrow().iter().flat_map(tasks).collect();
        owned.len() == self.broker.borrow().journal.len()
    }

    fn run(&self, process: usize) {
        let slot = std::mem::replace(&mut self.slots.borrow_mut()[process], Slot::Busy);
        let next = match slot {
            Slot::Down { until } if self.broker.borrow().now >= until => Slot::Busy,
            Slot::Up(mut thread) => match thread.turn(Duration::ZERO) {
                Ok(_) => Slot::Up(thread),
                Err(fault) => {
                    if fault.answer == Answer::Exit {
                        self.problem(format!("exit: {fault}"));
                    }
                    if fault.code != "Crashed" {
                        self.count("closed dirty");
                    }
                    if fault.code == "ReplayStuck" {
                        self.problem(fault.to_string());
                    }
                    let rest = self.draw.borrow_mut().range(0, 3_000);
                    Slot::Down { until: self.broker.borrow().now + rest }
                }
            },
            other => other,
        };
        self.slots.borrow_mut()[process] = next;
    }

    /// Processes that are down and whose time has come begin a new life.
    fn revive(self: &Rc<Self>) {
        let count = self.slots.borrow().len();
        for process in 0..count {
            let begin = match self.slots.borrow()[process] {
                Slot::Down { until } => self.broker.borrow().now >= until,
                Slot::Busy => !self.frozen.get(),
                Slot::Up(_) => false,
            };
            if begin {
                let thread = self.begin(process);
                self.slots.borrow_mut()[process] = Slot::Up(Box::new(thread));
            }
        }
    }

    fn begin(self: &Rc<Self>, process: usize) -> Thread {
        let life = self.lives.borrow().len() as u64 + 1;
        let mut draw = self.draw.borrow_mut();
        let incident_in = draw.range(1, 500) as u32;
        let deadly = draw.chance(60);
        let plan = Arc::clone(draw.pick(&self.plans));
        drop(draw);
        self.lives.borrow_mut().insert(life, Life { alive: true, incident_in, deadly });
        let feeds = self.feeds_of(&plan).into();
        let host = Host { sim: Rc::clone(self), process, life, feeds };
        let parts = Parts {
            source: SimSource::new(host.clone()),
            sink: SimSink::new(host.clone()),
            journal: host.clone(),
            reread: host.clone(),
            ends: host.clone(),
            pauses: host.clone(),
            clock: host,
        };
        StreamThread::new(plan, parts, SimListener { sim: Rc::clone(self) })
    }
}

fn crashed() -> Fault {
    Fault::new(Answer::CloseDirty, "simulate", "Crashed", "the process is dead")
}

/// Notes what threads tell.
pub struct SimListener {
    sim: Rc<Sim>,
}

impl Listener for SimListener {
    fn restored(&mut self, partition: i32, alarms: &[Alarm], commits: usize, customers: usize, _: u64) {
        if commits > 0 || customers > 0 {
            self.sim.count("restored");
        }
        if customers > 0 {
            self.sim.count("restored from a snapshot");
        }
        if let Some(alarm) = alarms.first() {
            self.sim.problem(format!("task {partition}: {alarm:?}"));
        }
    }

    fn resumed(&mut self, _: i32) {
        self.sim.count("resumed");
    }

    fn closed(&mut self, _: i32, clean: bool) {
        self.sim.count(if clean { "task closed clean" } else { "task closed dirty" });
    }

    fn committed(&mut self, _: &[(i32, Batch)], _: u64, _: Millis) {
        self.sim.count("committed");
    }

    fn troubled(&mut self, _: &Fault) {}

    fn unwritable(&mut self, partition: i32, fault: &Fault) {
        self.sim.problem(format!("task {partition}: {fault}"));
    }

    fn turned<D: Publisher>(&mut self, _: &mut BTreeMap<i32, Live<D>>, _: usize, _: Millis) {}
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
    keep_beating(&mut worlds[0]);
    if draw.chance(50) {
        let other = another_partition(&worlds[0], &mut draw, manners);
        worlds.push(other);
    }
    let archive = Archive::default();
    let mut settings = drawn_settings(&worlds[0], &mut draw, options);
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
        books.push(other_rules(&worlds[0], &mut draw));
    }
    let plans = (0..books.len()).map(|which| {
        let mut plan = plan(&worlds, &books, which, &settings, &archive);
        adjust(&mut plan);
        Arc::new(plan)
    });
    let plans = plans.collect();
    let processes = draw.range(1, 2);
    let sim = Rc::new(Sim {
        broker: RefCell::new(broker),
        draw: RefCell::new(draw),
        options,
        plans,
        topics: worlds[0].book.feeds.iter().map(ToString::to_string).collect(),
        slots: RefCell::new((0..processes).map(|_| Slot::Down { until: 0 }).collect()),
        lives: RefCell::default(),
        incidents: Cell::new(options.incidents),
        frozen: Cell::new(false),
        drawn: Cell::new(0),
        paused: RefCell::default(),
        tally: RefCell::default(),
        problem: RefCell::default(),
    });
    let ended = run_to_end(&sim);
    sim.slots.borrow_mut().clear();
    ended?;
    if sim.plans.iter().any(|plan| plan.book.feeds != worlds[0].book.feeds) {
        sim.count("feeds changed");
    }
    let runs = (0..worlds.len()).map(|p| published(&sim, &archive, &worlds[p], p));
    let runs = runs.collect::<Result<Vec<Run>, String>>()?;
    Ok(Outcome { runs, worlds, tally: sim.tally.take() })
}

fn run_to_end(sim: &Rc<Sim>) -> Result<(), String> {
    for round in 0..4_000 {
        sim.revive();
        sim.round(None);
        if let Some(problem) = sim.problem.borrow_mut().take() {
            return Err(problem);
        }
        if sim.options.bounded && round > 20 && sim.is_owned() && sim.slots.borrow().iter().all(is_through) {
            return Ok(());
        }
        let over = !sim.options.bounded && sim.broker.borrow().now > END + 20 * TICK && sim.is_read();
        if over && sim.slots.borrow().iter().all(is_at_rest) {
            return Ok(());
        }
    }
    Err("it does not come to an end".into())
}

/// All of its tasks, and it has some or the others have them all.
fn is_through(slot: &Slot) -> bool {
    matches!(slot, Slot::Up(thread) if thread.is_done() && thread.tasks().values().all(|t| !t.is_dirty()))
}

fn is_at_rest(slot: &Slot) -> bool {
    match slot {
        Slot::Up(thread) => {
            let rests =
                |t: &Live<SimDesk>| t.sealed().is_none() && !t.is_dirty() && t.task().instant() >= END;
            thread.restoring() == 0 && thread.tasks().values().all(rests)
        }
        _ => false,
    }
}

/// After the end every feed goes on for a while: a feed that is blind comes back.
fn keep_beating(world: &mut World) {
    for (records, bounds) in world.log.iter_mut().zip(&world.bounds) {
        records.extend((1..15).map(|i| Logged::closing(END + i * 3 * TICK, bounds.reorder_ms)));
    }
}

/// The same rules, other events.
fn another_partition(world: &World, draw: &mut Draw, manners: Manners) -> World {
    let records = draw.range(4, 30) as usize;
    let length = *draw.pick(&[15, 30, 60]) * TICK;
    let mut log =
        stream::draw_log(draw, &world.book, &world.bounds, manners, records, (world.start_ms, length));
    for (records, bounds) in log.iter_mut().zip(&world.bounds) {
        records.push(Logged::closing(END, bounds.reorder_ms));
    }
    let mut other = World { log, ..world.clone() };
    keep_beating(&mut other);
    other
}

/// What a plan is drawn with.
struct Drawn {
    settings: Settings,
    timing: Timing,
    bounds: Bounds,
    ttl_ms: Millis,
    seed: u64,
}

fn drawn_settings(world: &World, draw: &mut Draw, options: Options) -> Drawn {
    let feeds = world.log.len();
    let mut settings = drive::settings(world);
    let mut timing = Timing::new(feeds);
    timing.commit_interval_ms = draw.range(1, 2_000) as u64;
    timing.commit_interval_behind_ms = timing.commit_interval_ms;
    timing.snapshot_every_ms = draw.range(1_000, 20_000) as u64;
    timing.snapshot_percent_max = 1_000_000;
    timing.slice_bytes_min = draw.range(1, 200) as usize;
    timing.blind_after_ms = u64::MAX;
    let mut ttl_ms = 10 * END;
    if options.wild {
        timing.blind_after_ms = draw.range(4_000, 15_000) as u64;
        timing.expect = (0..feeds)
            .map(|_| draw.chance(30).then(|| Expect { ms: draw.range(8_000, 20_000), calendar: None }))
            .collect();
        settings.limits.buffered_events_max = draw.range(2, 12) as usize;
        ttl_ms = draw.range(5, 60) * TICK;
    }
    let bounds = Bounds {
        slice_instants_max: draw.range(1, 20) as usize,
        ahead_ms_max: draw.range(2, 60) * TICK,
        ahead_events_max: draw.range(2, 40) as usize,
        ..Bounds::default()
    };
    Drawn { settings, timing, bounds, ttl_ms, seed: draw.range(1, 1_000) as u64 }
}

/// The same rulebook after somebody has worked on it: a rule gone, others with other deadlines, often a feed gone with all
/// that was built on it.
fn other_rules(world: &World, draw: &mut Draw) -> Arc<Rulebook> {
    let mut drafts = world.drafts.clone();
    let is_named = |id: &str| {
        let by = |c: &book::Clause| matches!(&c.of, book::Of::Rule(rule, _) if rule == id);
        world.drafts.iter().any(|d| d.clauses.iter().any(by))
    };
    if drafts.len() > 1 && draw.chance(60) {
        let at = draw.index(drafts.len());
        if !is_named(&drafts[at].id) {
            drafts.remove(at);
        }
    }
    for draft in &mut drafts {
        if draw.chance(50) {
            draft.within = Table::plain(Span::Ms(draw.range(1, 9) * TICK));
        }
    }
    let mut types = world.feed_of_type.clone();
    if world.book.feeds.len() > 1 && draw.chance(60) {
        let gone = draw.pick(&world.book.feeds).clone();
        types.retain(|(_, feed)| *feed != gone.as_str());
        let mut ids: Vec<_> = Vec::new();
        drafts.retain(|draft| {
            let stays = draft.clauses.iter().all(|clause| match &clause.of {
                book::Of::Type(name) => types.iter().any(|(kind, _)| kind == name),
                book::Of::Rule(id, _) => ids.contains(id),
            });
            ids.extend(stays.then(|| draft.id.clone()));
            stays
        });
    }
    Arc::new(book::compile(book::catalogue(&types), &drafts))
}

/// The plan with the `which`-th of these rulebooks; a rulebook's source is its number.
fn plan(
    worlds: &[World],
    books: &[Arc<Rulebook>],
    which: usize,
    drawn: &Drawn,
    archive: &Archive,
) -> Plan<SimDesk> {
    let world = &worlds[0].book;
    let of_feed = |name: &CompactString| usize::from(world.feed_named(name).expect("a feed of the world").0);
    let feeds: Vec<usize> = books[which].feeds.iter().map(of_feed).collect();
    let mut settings = drawn.settings.clone();
    settings.feeds = feeds.iter().map(|feed| drawn.settings.feeds[*feed]).collect();
    let mut timing = drawn.timing.clone();
    timing.expect = feeds.iter().map(|feed| drawn.timing.expect[*feed].clone()).collect();
    let logs: Arc<Vec<Vec<Vec<Logged>>>> = Arc::new(worlds.iter().map(|w| w.log.clone()).collect());
    let (archive, ttl_ms) = (Arc::clone(archive), drawn.ttl_ms);
    Plan {
        rules: Rules {
            source: which.to_string(),
            hash: [which as u8 + 1; 16],
            settings,
            feeds: books[which]
                .feeds
                .iter()
                .map(|f| FeedTopic { feed: f.to_string(), topic: f.to_string() })
                .collect(),
        },
        compile: Box::new({
            let books = books.to_vec();
            move |source| {
                let which: usize = source.parse().map_err(|e| format!("{e}"))?;
                Ok(Arc::clone(&books[which]))
            }
        }),
        decoders: Box::new({
            let world = Arc::clone(world);
            move |book| book.feeds.iter().map(|feed| decode(&logs, &world, book, feed)).collect()
        }),
        desk: Box::new(move |_, _| SimDesk::new(Arc::clone(&archive), ttl_ms)),
        start: Some(Start { read_from: ReadFrom::Earliest, act_from: 0 }),
        timing,
        bounds: drawn.bounds.clone(),
        seed: drawn.seed,
        book: Arc::clone(&books[which]),
        faults: Faults::default(),
    }
}

fn decode(logs: &Arc<Vec<Vec<Vec<Logged>>>>, world: &Rulebook, book: &Rulebook, feed: &str) -> Decode {
    let logs = Arc::clone(logs);
    let feed = usize::from(world.feed_named(feed).expect("a feed of the world").0);
    // By the world's number of a type: the rulebook's, if a rule names it.
    let is_read = |id: &TypeId| book.profile == Some(*id) || !book.uses(*id).is_empty();
    let number = |name: &CompactString| book.catalogue.id(name).filter(is_read);
    let kinds: Vec<Option<TypeId>> = world.catalogue.types().map(|(_, t)| number(&t.name)).collect();
    Arc::new(move |raw: &RawRecord<'_>, _: i64, out: &mut Record, _: &mut Vec<Refusal>| {
        let value = raw.value.unwrap_or_default();
        let number = |at: usize| u32::from_le_bytes(value[at..at + 4].try_into().expect("4 bytes")) as usize;
        out.clone_from(&logs[number(0)][feed][number(4)].record);
        out.events.retain_mut(|event| {
            let kind = kinds[usize::from(event.kind.0)];
            event.kind = kind.unwrap_or(event.kind);
            kind.is_some()
        });
    })
}

/// What a reader of committed records finds of a task: every decision once, in order.
fn published(sim: &Sim, archive: &Archive, world: &World, partition: usize) -> Result<Run, String> {
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

/// The feeds of a world, for whoever looks at an outcome.
pub fn feeds(world: &World) -> impl Iterator<Item = FeedIx> + use<> {
    (0..world.log.len() as u8).map(FeedIx)
}
