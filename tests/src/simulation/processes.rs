//! The processes of a simulation: they begin, are run in any order, die, freeze, and begin again.

use super::Options;
use super::broker::Broker;
use super::desk::SimDesk;
use super::ports::{Host, SimPorts, SimSink, SimSource};
use crate::world::draw::Draw;
use crate::world::{END, TICK};
use cxwatch_event::Millis;
use cxwatch_runtime::desk::Publisher;
use cxwatch_runtime::live::{Batch, Live};
use cxwatch_runtime::ports::{Answer, Fault, PAUSED_ALL, PausedSet};
use cxwatch_runtime::restore::Alarm;
use cxwatch_runtime::settings::Plan;
use cxwatch_runtime::thread::{Listener, Parts, StreamThread};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

type Thread = StreamThread<SimPorts, SimDesk, SimListener>;

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
    /// A cluster and so many processes that are still down. A process draws one of the plans for each of its lives.
    pub(super) fn new(
        broker: Broker,
        draw: Draw,
        options: Options,
        plans: Vec<Arc<Plan<SimDesk>>>,
        topics: Vec<String>,
        processes: i64,
    ) -> Rc<Self> {
        Rc::new(Sim {
            broker: RefCell::new(broker),
            draw: RefCell::new(draw),
            options,
            plans,
            topics,
            slots: RefCell::new((0..processes).map(|_| Slot::Down { until: 0 }).collect()),
            lives: RefCell::default(),
            incidents: Cell::new(options.incidents),
            frozen: Cell::new(false),
            drawn: Cell::new(0),
            paused: RefCell::default(),
            tally: RefCell::default(),
            problem: RefCell::default(),
        })
    }

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

    /// What happened how often.
    pub(super) fn take_tally(&self) -> BTreeMap<&'static str, u64> {
        self.tally.take()
    }

    fn problem(&self, what: String) {
        self.problem.borrow_mut().get_or_insert(what);
    }

    /// One step of a process: it may die here, or be frozen.
    pub(super) fn step(&self, process: usize, life: u64) -> Result<(), Fault> {
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

    /// Lets time go on until all is read and at rest.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) fn run_to_end(self: &Rc<Self>) -> Result<(), String> {
        let ended = self.go_on();
        // Threads hold the simulation, and it holds them: else neither would ever be dropped.
        self.slots.borrow_mut().clear();
        ended
    }

    fn go_on(self: &Rc<Self>) -> Result<(), String> {
        for round in 0..4_000 {
            self.revive();
            self.round(None);
            if let Some(problem) = self.problem.borrow_mut().take() {
                return Err(problem);
            }
            if self.options.bounded
                && round > 20
                && self.is_owned()
                && self.slots.borrow().iter().all(is_through)
            {
                return Ok(());
            }
            let over = !self.options.bounded && self.broker.borrow().now > END + 20 * TICK && self.is_read();
            if over && self.slots.borrow().iter().all(is_at_rest) {
                return Ok(());
            }
        }
        Err("it does not come to an end".into())
    }
}

fn crashed() -> Fault {
    Fault::new(Answer::CloseDirty, "simulate", "Crashed", "the process is dead")
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
