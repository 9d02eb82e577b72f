//! Plays a world to a desk, wakes it when it wants, and compares what two of them say.

use super::log::Log;
use super::world::{Step, World};
use super::{Line, Told, Totals, When};
use compact_str::CompactString;
use cxwatch_engine::{Effect, Ended};
use cxwatch_event::{Millis, Profile};
use std::collections::BTreeMap;

/// Whoever can be told what happens.
pub trait Subject {
    /// Is told something of a customer.
    fn tell(&mut self, when: When, told: &Told);
    /// When it wants to be woken for a customer.
    fn next(&self, customer: &str) -> Option<Millis>;
    /// A step is over.
    fn settled(&mut self);
    /// An operator pauses a rule or all.
    fn set_paused(&mut self, rule: Option<&str>, paused: bool);
    /// Everything is written and read again.
    fn restore(&mut self) {}
    /// What has been decided since the last call, and what adds up now.
    fn said(&mut self) -> (Vec<Line>, Totals);
}

impl Subject for Log {
    fn tell(&mut self, when: When, told: &Told) {
        self.take(when, told);
    }

    fn next(&self, customer: &str) -> Option<Millis> {
        Log::next(self, customer)
    }

    fn settled(&mut self) {
        Log::settled(self);
    }

    fn set_paused(&mut self, rule: Option<&str>, paused: bool) {
        Log::set_paused(self, rule, paused);
    }

    fn said(&mut self) -> (Vec<Line>, Totals) {
        (self.take_new(), self.totals())
    }
}

/// What was said in one step, in order, and the totals after it.
pub type Said = (Vec<Line>, Totals);

/// All customers of a world.
pub const CUSTOMERS: [CompactString; 4] = [
    CompactString::const_new("c0"),
    CompactString::const_new("c1"),
    CompactString::const_new("c2"),
    CompactString::const_new("c3"),
];

/// Where a telling stands.
#[derive(Debug, Default)]
pub struct Player {
    instant: Option<Millis>,
    wall: Option<Millis>,
    profiles: BTreeMap<CompactString, Profile>,
}

impl Player {
    /// Tells a subject the next step.
    pub fn step(&mut self, subject: &mut impl Subject, step: &Step) {
        match step {
            Step::At(time) => self.come_to(subject, *time),
            Step::Profile(customer, profile) => {
                self.profiles.insert(customer.clone(), profile.clone());
            }
            Step::Tell(customer, told) => self.tell(subject, customer, told),
            Step::Settled => subject.settled(),
            Step::Pause(rule, paused) => subject.set_paused(rule.as_deref(), *paused),
            Step::Wall(time) => self.wall = *time,
            Step::Restore => subject.restore(),
            Step::Rung => self.wake_all(subject),
        }
    }

    /// Wakes whoever is to be woken by now.
    fn wake_all(&mut self, subject: &mut impl Subject) {
        let instant = self.instant.unwrap_or_default();
        for customer in &CUSTOMERS {
            if subject.next(customer).is_some_and(|due| due <= instant) {
                self.tell(subject, customer, &Told::Wake);
            }
        }
        subject.settled();
    }

    /// Time goes on; whoever wants to be woken on the way is.
    fn come_to(&mut self, subject: &mut impl Subject, time: Millis) {
        loop {
            let due = CUSTOMERS.iter().filter_map(|customer| subject.next(customer)).min();
            // At each instant first the events, then whoever is to be woken.
            let Some(due) = due.filter(|due| *due < time) else { break };
            let instant = self.instant.map_or(due, |instant| instant.max(due));
            self.instant = Some(instant);
            self.wake_all(subject);
        }
        self.instant = self.instant.max(Some(time));
    }

    fn tell(&self, subject: &mut impl Subject, customer: &CompactString, told: &Told) {
        let unknown = Profile::default();
        let profile = self.profiles.get(customer).unwrap_or(&unknown);
        let instant = self.instant.unwrap_or_default();
        subject.tell(When { customer, profile, instant, wall: self.wall }, told);
    }
}

/// Tells a subject everything. Returns what it said, step by step.
pub fn play(world: &World, subject: &mut impl Subject) -> Vec<Said> {
    let mut player = Player::default();
    let mut all = Vec::new();
    for step in &world.steps {
        player.step(subject, step);
        all.push(match step {
            Step::At(_) | Step::Settled => subject.said(),
            _ => Said::default(),
        });
    }
    all
}

/// Where two first differ: what for, and in words.
pub fn difference(world: &World, one: &[Said], other: &[Said]) -> Option<(String, String)> {
    let at = one.iter().zip(other).position(|(one, other)| one != other)?;
    let ((one, totals), (other, other_totals)) = (&one[at], &other[at]);
    let expected: Vec<&Line> = one.iter().filter(|l| !other.contains(l)).collect();
    let found: Vec<&Line> = other.iter().filter(|l| !one.contains(l)).collect();
    let kinds = |lines: &[&Line]| {
        let mut kinds: Vec<_> = lines.iter().map(|line| line.said).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    let kind = format!("{:?} {:?} {}", kinds(&expected), kinds(&found), totals == other_totals);
    let list = |lines: &[&Line]| lines.iter().map(|l| format!("  {l:?}\n")).collect::<String>();
    let order = |lines: &[Line]| {
        lines.iter().map(|l| format!(" {} {} {:?};", l.rule, l.action, l.said)).collect::<String>()
    };
    let words = format!(
        "step {at} {:?}\nexpected only:\n{}found only:\n{}expected{}\nfound   {}\nexpected {totals:?}\nfound    {other_totals:?}",
        world.steps[at],
        list(&expected),
        list(&found),
        order(one),
        order(other)
    );
    Some((kind, words))
}

/// Leaves out what a disagreement does not need.
pub fn shrink(mut world: World, still: impl Fn(&World) -> bool) -> World {
    let mut size = world.steps.len().next_power_of_two();
    while size > 0 {
        let mut from = 0;
        while from < world.steps.len() {
            let mut smaller = world.clone();
            smaller.steps.drain(from..(from + size).min(world.steps.len()));
            if can_be(&smaller) && still(&smaller) { world = smaller } else { from += size }
        }
        size /= 2;
    }
    world
}

/// Whether nothing is found before its time, nor ends that was not found.
fn can_be(world: &World) -> bool {
    let mut now = Millis::MIN;
    let mut found = Vec::new();
    world.steps.iter().all(|step| match step {
        Step::At(time) => {
            now = *time;
            true
        }
        Step::Tell(_, Told::Effect(Effect::Detected(d))) => {
            found.push((d.id, d.level));
            d.time <= now
        }
        Step::Tell(_, Told::Effect(Effect::Retracted(e) | Effect::Resolved(e))) => {
            found.contains(&(e.id, e.level))
        }
        _ => true,
    })
}

/// A world in words.
pub fn describe(world: &World) -> String {
    let mut words = format!("seed {}, {:?}\n{:?}\n", world.seed, world.terms, world.book.policy);
    for rule in &world.book.rules {
        let measures = rule.measures.len();
        words += &format!(
            "rule {} actions {:?} per {} measures {measures} cooldown {:?} {:?}\n",
            rule.id, rule.actions, rule.per, rule.cooldown_ms, rule.treatment
        );
    }
    let used = |at: usize| world.book.rules.iter().any(|r| r.actions.contains(&(at as u16)));
    for (_, action) in world.book.actions.iter().enumerate().filter(|(at, _)| used(*at)) {
        words += &format!("{action:?}\n");
    }
    for (at, step) in world.steps.iter().enumerate() {
        words += &format!("{at}: {}\n", brief(step));
    }
    words
}

/// A step in few words.
fn brief(step: &Step) -> String {
    let Step::Tell(customer, told) = step else { return format!("{step:?}") };
    let ended = |what: &str, e: &Ended| {
        let about = format!("{}-{}", e.about.id, e.about.sub);
        format!("{what} r{} {:?} key {:?} about {about} at {}", e.rule.0, e.level, e.key, e.time)
    };
    let told = match told {
        Told::Effect(Effect::Detected(d)) => format!(
            "detected r{} {:?} key {:?} about {}-{} at {} deadline {} events {} measures {:?} severity {}",
            d.rule.0,
            d.level,
            d.key,
            d.about.id,
            d.about.sub,
            d.time,
            d.deadline,
            d.events,
            d.measures,
            d.severity
        ),
        Told::Effect(Effect::Retracted(e)) => ended("retracted", e),
        Told::Effect(Effect::Resolved(e)) => ended("resolved", e),
        Told::Saw(event) => {
            let fields: Vec<_> = event.fields.iter().map(|f| &f.value).collect();
            format!("saw type {} at {} {fields:?}", event.kind.0, event.time)
        }
        Told::Succeeded(rule, key, at) => format!("succeeded r{} key {key:?} at {}", rule.0, at.time),
        Told::RuleRemoved(_) | Told::Wake => format!("{told:?}"),
    };
    format!("{customer}: {told}")
}
