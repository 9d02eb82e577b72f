//! Schedules at random: in which order a task reads, proves, advances, commits and dies.

use super::draw::Draw;
use super::stream::Manners;
use super::{END, TICK, World};
use cxwatch_event::Millis;
use cxwatch_rulebook::FeedIx;

/// One thing that happens to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The next record of a feed is read, at that time of the wall clock.
    Read(FeedIx, Millis),
    /// A feed is caught up as of then.
    Proof(FeedIx, Millis),
    /// A feed is called blind: stalled, or silent.
    Blind(FeedIx, Silence),
    /// So many instants are processed at most.
    Advance(usize),
    /// Everything up to an instant is processed, as far as the watermark allows.
    AdvanceTo(Millis),
    /// A bounded feed has been read to its end.
    End(FeedIx),
    /// The oldest instant is forced out of the buffer.
    Force,
    /// What has come out so far is committed.
    Commit {
        /// A snapshot begins here, unless one is being written.
        snapshot: bool,
        /// How many bytes of untouched customers are written.
        slice: usize,
    },
    /// The task is lost, and restored from its last commit; what came after that happens again.
    Crash,
}

/// Why a feed is called blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It has given neither record nor proof.
    Stalled,
    /// Its topic has stood still for too long.
    Silent,
}

/// What a schedule may contain beyond reads, truthful proofs, advances and commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mishaps {
    /// In percent of the steps.
    pub crashes: i64,
    /// Feeds are called blind, and instants forced out.
    pub blindness: bool,
}

/// Draws a schedule that reads all there is.
pub fn draw_schedule(draw: &mut Draw, world: &World, mishaps: Mishaps) -> Vec<Step> {
    let feeds = world.log.len();
    let mut drawing = Drawing {
        world,
        wall: world.start_ms,
        next: vec![0; feeds],
        silent_until: vec![None; feeds],
        // One feed of some worlds is read only when all others are done.
        lagging: draw.chance(25).then(|| draw.index(feeds)),
        steps: Vec::new(),
    };
    drawing.read_the_past();
    for _ in 0..600 {
        if drawing.is_read() {
            break;
        }
        drawing.step(draw, mishaps);
    }
    drawing.finish(draw, mishaps);
    drawing.steps
}

/// Draws manners and mishaps that fit each other.
pub fn calm(crashes: i64) -> (Manners, Mishaps) {
    (Manners::Calm, Mishaps { crashes, blindness: false })
}

struct Drawing<'w> {
    world: &'w World,
    wall: Millis,
    next: Vec<usize>,
    silent_until: Vec<Option<Millis>>,
    lagging: Option<usize>,
    steps: Vec<Step>,
}

impl Drawing<'_> {
    /// All but the closing heartbeats.
    fn is_read(&self) -> bool {
        self.next.iter().zip(&self.world.log).all(|(next, log)| next + 1 >= log.len())
    }

    fn step(&mut self, draw: &mut Draw, mishaps: Mishaps) {
        let at = draw.index(self.next.len());
        let feed = FeedIx(at as u8);
        if self.silent_until[at].is_some_and(|until| self.wall >= until) {
            self.silent_until[at] = None;
        }
        let silent = self.silent_until[at].is_some();
        match draw.range(0, 99) {
            0..20 => self.wall += draw.range(0, 4) * TICK,
            20..58 if !silent && !self.is_lagging(at) => self.read(at),
            58..66 if !silent => {
                let as_of = self.wall - draw.range(0, 2) * TICK;
                if self.may_prove(at, as_of) {
                    self.steps.push(Step::Proof(feed, as_of));
                }
            }
            66..70 if mishaps.blindness => {
                let seeing = self.silent_until.iter().filter(|s| s.is_none()).count();
                if !silent && seeing > 1 && draw.chance(60) {
                    let why = *draw.pick(&[Silence::Stalled, Silence::Silent]);
                    self.steps.push(Step::Blind(feed, why));
                    self.silent_until[at] = Some(self.wall + draw.range(0, 14) * TICK);
                }
            }
            70..71 if mishaps.blindness => self.steps.push(Step::Force),
            71..86 => self.advance(draw, mishaps),
            86..95 => self.commit(draw),
            95.. if draw.chance(mishaps.crashes) => self.steps.push(Step::Crash),
            _ => {}
        }
    }

    /// What was there before anything happened is read first.
    fn read_the_past(&mut self) {
        for (at, log) in self.world.log.iter().enumerate() {
            while log[self.next[at]].recorded_at < self.world.start_ms {
                self.steps.push(Step::Read(FeedIx(at as u8), self.wall));
                self.next[at] += 1;
            }
        }
    }

    fn is_lagging(&self, at: usize) -> bool {
        let others_read =
            || (0..self.next.len()).all(|f| f == at || self.next[f] + 1 >= self.world.log[f].len());
        self.lagging == Some(at) && !others_read()
    }

    fn read(&mut self, at: usize) {
        let log = &self.world.log[at];
        if self.next[at] + 1 < log.len() && log[self.next[at]].recorded_at <= self.wall {
            self.steps.push(Step::Read(FeedIx(at as u8), self.wall));
            self.next[at] += 1;
        }
    }

    /// A proof is truthful: everything that had reached the broker by then has been read.
    fn may_prove(&self, at: usize, as_of: Millis) -> bool {
        self.world.log[at][self.next[at]..].iter().all(|logged| logged.recorded_at > as_of)
    }

    /// The input is bounded: each feed ends where its events do, its closing heartbeat is never read.
    fn end_feeds(&mut self, draw: &mut Draw) {
        let mut left: Vec<usize> = (0..self.next.len()).collect();
        while !left.is_empty() {
            let at = left.remove(draw.index(left.len()));
            while self.next[at] + 1 < self.world.log[at].len() {
                self.read(at);
                if draw.chance(20) {
                    self.steps.push(Step::Advance(2));
                }
            }
            self.steps.push(Step::End(FeedIx(at as u8)));
            self.next[at] += 1;
        }
    }

    fn advance(&mut self, draw: &mut Draw, mishaps: Mishaps) {
        self.steps.push(match draw.range(0, 2) {
            0 => Step::Advance(usize::MAX),
            // Where events come late, how far time had got is part of what happened, and must not depend on how many
            // instants had something to do.
            _ if mishaps.blindness => Step::AdvanceTo(self.wall - draw.range(0, 8) * TICK),
            _ => Step::Advance(draw.range(1, 3) as usize),
        });
    }

    fn commit(&mut self, draw: &mut Draw) {
        let slice = *draw.pick(&[0, 1, 400, 1_000_000]);
        self.steps.push(Step::Commit { snapshot: draw.chance(50), slice });
    }

    /// Reads what is left, closes all feeds, and lets time run to the end.
    fn finish(&mut self, draw: &mut Draw, mishaps: Mishaps) {
        self.wall = self.wall.max(END + 100 * TICK);
        if !mishaps.blindness && draw.chance(25) {
            self.end_feeds(draw);
        }
        loop {
            let left: Vec<usize> =
                (0..self.next.len()).filter(|f| self.next[*f] < self.world.log[*f].len()).collect();
            if left.is_empty() {
                break;
            }
            let at = *draw.pick(&left);
            self.steps.push(Step::Read(FeedIx(at as u8), self.wall));
            self.next[at] += 1;
            match draw.range(0, 9) {
                0 => self.advance(draw, mishaps),
                1 => self.commit(draw),
                2 if draw.chance(mishaps.crashes) => self.steps.push(Step::Crash),
                _ => {}
            }
        }
        self.steps.push(Step::Advance(usize::MAX));
        self.steps.push(Step::Commit { snapshot: false, slice: 0 });
    }
}
