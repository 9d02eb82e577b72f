//! Drives the engine through a schedule, with a journal in memory.

use crate::naive;
use crate::world::schedule::{Silence, Step};
use crate::world::{END, World};
use cxwatch_engine::{
    Blindness, BufferedRef, Counts, Desk, Detection, Effect, FeedSettings, Filing, Head, Judge, Piece,
    Settings, Task, Verdict,
};
use cxwatch_event::{Millis, Record, TypeId};
use cxwatch_rulebook::{FeedIx, Rulebook};
use std::collections::BTreeSet;
use std::sync::Arc;

const YEAR: Millis = 365 * 86_400_000;

/// A desk that a driver takes results out of.
pub trait Driven: Desk {
    /// What comes out.
    type Out;
    /// What it keeps for the whole task: it goes with a snapshot's head.
    type Kept: Clone + PartialEq + std::fmt::Debug;

    /// Takes out what has come since the last call.
    fn take_out(&mut self) -> Vec<Self::Out>;
    /// What it keeps now.
    fn kept(&self) -> Self::Kept;
    /// Goes on from what was kept.
    fn go_on(&mut self, kept: &Self::Kept);
}

impl Driven for Filing {
    type Out = Effect;
    type Kept = ();

    fn take_out(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn kept(&self) {}

    fn go_on(&mut self, (): &()) {}
}

/// What came of a schedule.
#[derive(Debug)]
pub struct Run<T = Effect> {
    /// All effects (or what a desk made of them) that were committed, in order.
    pub effects: Vec<T>,
    /// Events that the clock refused: feed, offset, time.
    pub refused: Vec<(FeedIx, i64, Millis)>,
    /// The task's counts at the end, those of lost tasks left out.
    pub counts: Counts,
    /// How often a task was restored: from the start, and from a snapshot.
    pub restores: [u32; 2],
    /// How many of the restores had events in the buffer.
    pub restores_with_buffer: u32,
    /// The largest number of deadlines held at once.
    pub held_max: usize,
}

impl<T> Default for Run<T> {
    fn default() -> Self {
        Run {
            effects: Vec::new(),
            refused: Vec::new(),
            counts: Counts::default(),
            restores: [0; 2],
            restores_with_buffer: 0,
            held_max: 0,
        }
    }
}

/// One committed transaction.
struct Commit<K> {
    verdicts: Vec<Verdict>,
    positions: Vec<i64>,
    instant: Millis,
    digest: u64,
    /// What the desk kept.
    kept: K,
    /// What else can be seen of the task, for people.
    seen: String,
    head: Option<Head>,
    /// Of the snapshot that was being written before this commit.
    pieces: Vec<Piece>,
    /// Was it the snapshot's last?
    ends_snapshot: bool,
    /// The step after it.
    next_step: usize,
}

/// Runs a world through a schedule.
///
/// # Errors
/// Where a restore does not arrive at the state that was committed.
pub fn run(world: &World, settings: &Settings, steps: &[Step]) -> Result<Run, String> {
    run_with(world, settings, steps, &Filing::default)
}

/// Runs a world through a schedule at another desk.
///
/// # Errors
/// Where a restore does not arrive at the state that was committed.
pub fn run_with<D: Driven>(
    world: &World,
    settings: &Settings,
    steps: &[Step],
    desk: &dyn Fn() -> D,
) -> Result<Run<D::Out>, String> {
    let task = fresh(world, settings, desk());
    let mut driver = Driver { world, settings, desk, task, journal: Vec::new(), run: Run::default() };
    let mut at = 0;
    // A crash happens once; what follows it happens again.
    let mut crashed = BTreeSet::new();
    while at < steps.len() {
        at += 1;
        match steps[at - 1] {
            Step::Crash if crashed.insert(at) => {
                driver.crash()?;
                at = driver.journal.last().map_or(0, |commit| commit.next_step);
            }
            Step::Crash => {}
            Step::Commit { snapshot, slice } => driver.commit(snapshot, slice, at),
            step => driver.step(step),
        }
        driver.run.held_max = driver.run.held_max.max(driver.task.held());
    }
    driver.run.counts = driver.task.counts();
    driver.run.refused.sort();
    driver.run.refused.dedup();
    driver.outlive()?;
    Ok(driver.run)
}

/// The settings that a world names.
pub fn settings(world: &World) -> Settings {
    let mut settings = Settings::new(world.bounds.len());
    for (feed, bounds) in settings.feeds.iter_mut().zip(&world.bounds) {
        *feed = FeedSettings { reorder_ms: bounds.reorder_ms, max_delay_ms: bounds.max_delay_ms, ..*feed };
    }
    settings.late_horizon_ms = world.late_horizon_ms;
    settings.dedupe_for_ms = world.dedupe_for_ms;
    settings.max_future_ms = world.max_future_ms;
    // Worlds are small: most of the time somebody lies packed.
    settings.limits.unpacked_customers_max = 2;
    settings
}

fn fresh<D: Desk>(world: &World, settings: &Settings, desk: D) -> Task<D> {
    Task::new(Arc::clone(&world.book), settings.clone(), desk, 7)
}

struct Driver<'w, D: Driven> {
    world: &'w World,
    settings: &'w Settings,
    desk: &'w dyn Fn() -> D,
    task: Task<D>,
    journal: Vec<Commit<D::Kept>>,
    run: Run<D::Out>,
}

impl<D: Driven> Driver<'_, D> {
    fn step(&mut self, step: Step) {
        match step {
            Step::Read(feed, wall) => {
                let refused = read(&mut self.task, self.world, feed, Judge::Wall(wall));
                self.run.refused.extend(refused);
            }
            Step::Proof(feed, as_of) => self.task.proof(feed, as_of),
            Step::Blind(feed, silence) => {
                let why = match silence {
                    Silence::Stalled => Blindness::Stalled,
                    Silence::Silent => Blindness::Silent,
                };
                self.task.blind(feed, why);
            }
            Step::Advance(instants) => {
                self.task.advance(END, instants);
            }
            Step::AdvanceTo(until) => {
                self.task.advance(until, usize::MAX);
            }
            Step::End(feed) => self.task.end(feed),
            Step::Force => self.task.force(),
            Step::Commit { .. } | Step::Crash => unreachable!("handled where steps are counted"),
        }
    }

    fn commit(&mut self, snapshot: bool, slice: usize, next_step: usize) {
        let task = &mut self.task;
        let was_writing = task.is_in_snapshot();
        let ends_snapshot = was_writing && task.write_untouched(slice);
        let pieces = task.take_pieces();
        if ends_snapshot {
            task.end_snapshot();
        }
        let head = (snapshot && !task.is_in_snapshot()).then(|| task.begin_snapshot());
        self.run.effects.append(&mut task.desk_mut().take_out());
        self.journal.push(Commit {
            verdicts: task.take_verdicts(),
            positions: feeds(self.world).map(|f| task.position(f)).collect(),
            instant: task.instant(),
            digest: task.digest(),
            kept: task.desk().kept(),
            seen: seen(task),
            head,
            pieces,
            ends_snapshot,
            next_step,
        });
    }

    fn crash(&mut self) -> Result<(), String> {
        let snapshot = self.last_snapshot();
        self.run.restores[usize::from(snapshot.is_some())] += 1;
        let (mut task, since) = match snapshot {
            None => (fresh(self.world, self.settings, (self.desk)()), 0),
            Some((head_at, end_at)) => (self.load(head_at, end_at)?, head_at + 1),
        };
        if let Some(last) = self.journal.last() {
            task.begin_replay();
            let verdicts: Vec<&Verdict> = self.journal[since..].iter().flat_map(|c| &c.verdicts).collect();
            Replay::new(self.world, &mut task, &verdicts, (last.instant, &last.positions)).run()?;
            task.end_replay();
            if task.digest() != last.digest {
                return Err(format!(
                    "the digest differs after a restore:\n{}\nwhere it was\n{}",
                    seen(&task),
                    last.seen
                ));
            }
            if task.desk().kept() != last.kept {
                let kept = task.desk().kept();
                return Err(format!(
                    "the desk differs after a restore:\n{kept:?}\nwhere it was\n{:?}",
                    last.kept
                ));
            }
            task.desk_mut().take_out();
        }
        self.run.restores_with_buffer += u32::from(task.buffered() > 0);
        self.task = task;
        Ok(())
    }

    /// Long after everything nobody is kept of whom nothing is left.
    fn outlive(&mut self) -> Result<(), String> {
        feeds(self.world).for_each(|feed| self.task.end(feed));
        while self.task.advance(END + YEAR, usize::MAX) {}
        match self.task.kept_for_nothing() {
            0 => Ok(()),
            kept => Err(format!("a year later {kept} customers are kept of whom nothing is left")),
        }
    }

    /// The commits of the head and of the last piece of the newest complete snapshot.
    fn last_snapshot(&self) -> Option<(usize, usize)> {
        let end_at = self.journal.iter().rposition(|c| c.ends_snapshot)?;
        let head_at = self.journal[..end_at].iter().rposition(|c| c.head.is_some())?;
        Some((head_at, end_at))
    }

    fn load(&self, head_at: usize, end_at: usize) -> Result<Task<D>, String> {
        let head = self.journal[head_at].head.as_ref().expect("it was found by its head");
        let pieces =
            self.journal[head_at + 1..=end_at].iter().flat_map(|c| &c.pieces).map(|p| p.bytes.as_slice());
        let book = Arc::clone(&self.world.book);
        let mut desk = (self.desk)();
        desk.go_on(&self.journal[head_at].kept);
        let mut task = Task::from_snapshot(book, self.settings.clone(), desk, 11, head, pieces)?;
        for reference in &head.buffered {
            let BufferedRef { feed, offset, sub, .. } = *reference;
            let events = &self.world.log[usize::from(feed)][offset as usize].record.events;
            let event = events.iter().find(|e| e.sub == sub).expect("a buffered event is in its record");
            task.restore_buffered(*reference, event.clone());
        }
        Ok(task)
    }
}

fn seen<D: Desk>(task: &Task<D>) -> String {
    format!(
        "instant {}, buffered {}, held {}, episodes {}, {:?}",
        task.instant(),
        task.buffered(),
        task.held(),
        task.open_episodes(),
        task.counts()
    )
}

fn feeds(world: &World) -> impl Iterator<Item = FeedIx> + use<> {
    (0..world.log.len() as u8).map(FeedIx)
}

fn read<D: Desk>(
    task: &mut Task<D>,
    world: &World,
    feed: FeedIx,
    judge: Judge<'_>,
) -> Vec<(FeedIx, i64, Millis)> {
    let offset = task.position(feed);
    let logged = &world.log[usize::from(feed.0)][offset as usize];
    let mut record: Record = logged.record.clone();
    // A decoder hands over what a rule names.
    record.events.retain(|event| is_read(&world.book, event.kind));
    let refused = task.read(feed, offset, logged.recorded_at, &mut record, judge);
    refused.iter().map(|r| (feed, offset, r.time)).collect()
}

/// Whether rules, decisions or the profile read events of a type.
fn is_read(book: &Rulebook, kind: TypeId) -> bool {
    let used = book.desk_uses.get(usize::from(kind.0)).is_some_and(Option::is_some);
    !book.uses(kind).is_empty() || used || book.profile == Some(kind)
}

/// Applies a journal's verdicts to a task, reading and processing exactly as far as they tell.
struct Replay<'a, D: Desk> {
    world: &'a World,
    task: &'a mut Task<D>,
    /// Those whose place in time counts.
    in_order: Vec<&'a Verdict>,
    proofs: Vec<(u8, i64, &'a Verdict)>,
    refused: BTreeSet<(u8, i64, u32)>,
    /// Where the last commit was.
    last: (Millis, &'a [i64]),
}

impl<'a, D: Desk> Replay<'a, D> {
    fn new(
        world: &'a World,
        task: &'a mut Task<D>,
        verdicts: &[&'a Verdict],
        last: (Millis, &'a [i64]),
    ) -> Self {
        let mut replay =
            Replay { world, task, in_order: Vec::new(), proofs: Vec::new(), refused: BTreeSet::new(), last };
        for verdict in verdicts {
            match verdict {
                Verdict::Proof { feed, position, .. } => replay.proofs.push((*feed, *position, verdict)),
                Verdict::Refused { feed, offset, sub } => {
                    replay.refused.insert((*feed, *offset, *sub));
                }
                _ => replay.in_order.push(verdict),
            }
        }
        replay
    }

    fn run(mut self) -> Result<(), String> {
        for feed in feeds(self.world) {
            self.prove(feed);
        }
        for verdict in std::mem::take(&mut self.in_order) {
            let (instant, positions) = self.place(verdict);
            self.go_to(instant, &positions).map_err(|e| format!("{e}, before {verdict:?}"))?;
            if let Verdict::Lag { feed, from, to, .. } = verdict {
                if self.task.position(FeedIx(*feed)) != *from {
                    return Err(format!("at another position before {verdict:?}"));
                }
                (*from..*to).for_each(|_| self.read(FeedIx(*feed)));
            } else {
                self.task.replay_verdict(verdict);
            }
        }
        self.go_to(self.last.0, self.last.1)
    }

    /// Where a verdict stands: after which instant, and which feed must be at which position.
    fn place(&self, verdict: &Verdict) -> (Millis, Vec<i64>) {
        let mut positions = vec![-1; self.last.1.len()];
        let instant = match verdict {
            Verdict::LagProof { instant, feed, position, .. }
            | Verdict::Blind { instant, feed, position, .. }
            | Verdict::See { instant, feed, position }
            | Verdict::Lag { instant, feed, from: position, .. } => {
                positions[usize::from(*feed)] = *position;
                *instant
            }
            Verdict::Force { instant, positions: at, .. } => {
                positions.clone_from(at);
                *instant
            }
            Verdict::Pause { instant, .. } => *instant,
            Verdict::Proof { .. } | Verdict::Refused { .. } => unreachable!("not in order"),
        };
        (instant, positions)
    }

    /// Reads the feeds named to their positions, the others as needed, and processes through the instant.
    fn go_to(&mut self, instant: Millis, positions: &[i64]) -> Result<(), String> {
        loop {
            let wanting = feeds(self.world).find(|f| self.task.position(*f) < positions[usize::from(f.0)]);
            self.task.replay_through(instant);
            if wanting.is_none() && self.task.instant() == instant {
                return Ok(());
            }
            if self.task.instant() > instant {
                return Err("beyond the instant".into());
            }
            // The feed that holds the clock, or else the one that must be read on.
            let holding = feeds(self.world)
                .filter(|f| self.task.position(*f) < self.last.1[usize::from(f.0)])
                .filter(|f| self.task.blindness(*f).is_none())
                .filter(|f| {
                    positions[usize::from(f.0)] < 0 || self.task.position(*f) < positions[usize::from(f.0)]
                })
                .min_by_key(|f| self.task.feed_watermark(*f));
            let next = if self.task.instant() < instant { holding.or(wanting) } else { wanting };
            match next {
                Some(feed) => self.read(feed),
                None => return Err(format!("stuck at {} before {instant}", self.task.instant())),
            }
        }
    }

    fn read(&mut self, feed: FeedIx) {
        let offset = self.task.position(feed);
        let refused = &self.refused;
        let recorded = |sub| refused.contains(&(feed.0, offset, sub));
        read(self.task, self.world, feed, Judge::Recorded(&recorded));
        self.prove(feed);
    }

    fn prove(&mut self, feed: FeedIx) {
        let position = self.task.position(feed);
        let proofs = self.proofs.iter().filter(|(f, p, _)| (*f, *p) == (feed.0, position));
        for (_, _, verdict) in proofs {
            self.task.replay_verdict(verdict);
        }
    }
}

/// A detection in the oracle's words. The engine cuts evidence; see [`rests_on`].
pub fn told(detection: &Detection) -> naive::Detection {
    naive::Detection {
        time: detection.time,
        rule: detection.rule,
        customer: detection.customer.clone(),
        key: detection.key.clone(),
        level: detection.level,
        about: naive::About {
            source: detection.about.source.clone(),
            id: detection.about.id.clone(),
            place: place(&detection.about),
        },
        severity: detection.severity,
        measures: detection.measures.to_vec(),
        events: detection.events as usize,
        evidence: detection.evidence.iter().map(place).collect(),
    }
}

fn place(event: &cxwatch_engine::EventRef) -> naive::EventRef {
    naive::EventRef { feed: FeedIx(event.feed), offset: event.offset, sub: event.sub }
}
