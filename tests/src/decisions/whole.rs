//! Worlds for engine and decider together: events through the reorder buffer, outcomes of what was asked for, and the calls
//! that the engine makes to its desk, to be told to the log.

use super::desk::{line, totals};
use super::log::{Log, Terms};
use super::play::Player;
use super::world::Step;
use super::{Line, Said, Told, Totals};
use crate::drive::{self, Driven};
use crate::world::book::{KEY, NUMBER, VALUE, type_id};
use crate::world::draw::Draw;
use crate::world::rules::Scope;
use crate::world::schedule;
use crate::world::stream::{Bounds, Logged, Manners, well_behaved};
use crate::world::{END, TICK, TYPES, World};
use compact_str::{CompactString, format_compact};
use cxwatch_decision::{CustomerState, Decider, DeciderHead, DeciderSettings, WallClock};
use cxwatch_engine::{Desk, Effect, EventRef, Moment, Received};
use cxwatch_event::{Event, FieldValue, MICRO, Millis, Profile, Record, Value};
use cxwatch_rulebook::{
    Action, ActionField, Cap, Class, Cond, DeskUse, Factor, FeedIx, FieldRef, Op, Outcome, Policy,
    QuietHours, Roles, RuleIx, Rulebook, Treatment,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The types of outcomes, and what each says.
const OUTCOMES: [(&str, Outcome); 7] = [
    ("o0", Outcome::Accepted),
    ("o1", Outcome::Declined),
    ("o2", Outcome::Contacted),
    ("o3", Outcome::Saved),
    ("o4", Outcome::Failed),
    ("o5", Outcome::Unreachable),
    ("o6", Outcome::Rejected),
];

/// The last feed.
const OUTCOMES_FEED: &str = "zz_outcomes";

/// A world of the engine in which something is decided.
#[derive(Debug, Clone)]
pub struct Whole {
    /// Rules, actions, events and outcomes.
    pub world: World,
    /// What holds for the whole run.
    pub terms: Terms,
}

impl Whole {
    /// Draws a world. The same seed, scope and manners draw the same.
    ///
    /// # Errors
    /// Where the engine does not come to an end with it.
    pub fn draw(seed: u64, scope: Scope, manners: Manners) -> Result<Self, String> {
        let mut world = World::draw(seed, scope, manners);
        let draw = &mut Draw::new(seed.wrapping_mul(31) + 7);
        world.feed_of_type.extend(OUTCOMES.iter().map(|(name, _)| (*name, OUTCOMES_FEED)));
        let mut world = world.recompiled();
        let mut book = Rulebook::clone(&world.book);
        add_decisions(draw, &mut book);
        world.book = Arc::new(book);
        let bounds = Bounds { reorder_ms: 3 * TICK, max_delay_ms: 5 * TICK };
        world.bounds.push(bounds);
        world.log.push(vec![Logged::closing(END, bounds.reorder_ms)]);
        let terms = Terms {
            act_from: if draw.chance(10) { world.start_ms + 8 * TICK } else { Millis::MIN },
            late_horizon_ms: world.late_horizon_ms,
            partitions: draw.range(1, 3) as u32,
        };
        let mut whole = Whole { world, terms };
        let asked = whole.asked_for()?;
        let outcomes = drawn_outcomes(draw, &whole.world.book, &asked, bounds, manners);
        whole.world.log.last_mut().expect("it has just been added").splice(0..0, outcomes);
        Ok(whole)
    }

    /// A decider as this world has it.
    pub fn desk(&self) -> Decider {
        let settings = DeciderSettings {
            act_from: self.terms.act_from,
            remember_ms: self.terms.late_horizon_ms,
            partitions: self.terms.partitions,
            wall: WallClock::None,
        };
        Decider::new(settings)
    }

    /// Everything is read feed by feed, then time goes on at once.
    pub fn at_once(&self) -> Vec<schedule::Step> {
        let feeds = (0..).map(FeedIx).zip(&self.world.log);
        let reads = feeds.flat_map(|(feed, records)| {
            records.iter().map(move |_| schedule::Step::Read(feed, END + 100 * TICK))
        });
        let mut steps: Vec<_> = reads.collect();
        steps.push(schedule::Step::Advance(usize::MAX));
        steps.push(schedule::Step::Commit { snapshot: false, slice: 0 });
        steps
    }

    /// What the engine tells its desk. `rung`: when somebody is woken is told too.
    ///
    /// # Errors
    /// Where the engine does not come to an end with it.
    pub fn calls(&self, steps: &[schedule::Step], rung: bool) -> Result<Vec<Step>, String> {
        let desk = || Recorder { desk: self.desk(), rung, ..Recorder::default_at(self) };
        let run = drive::run_with(&self.world, &drive::settings(&self.world), steps, &desk)?;
        let mut calls = run.effects;
        calls.push(Step::At(END + 1));
        Ok(calls)
    }

    /// What the page says to it.
    pub fn log(&self, calls: &[Step]) -> Log {
        let mut log = Log::new(Arc::clone(&self.world.book), self.terms.clone(), None);
        let mut player = Player::default();
        for call in calls {
            player.step(&mut log, call);
        }
        log
    }

    /// The actions requested if there were no outcomes: customer, id, instant.
    fn asked_for(&self) -> Result<Vec<(CompactString, CompactString, Millis)>, String> {
        let log = self.log(&self.calls(&self.at_once(), false)?);
        let asked = log.lines().filter(|l| l.said == Said::Requested);
        Ok(asked.map(|l| (l.customer.clone(), format_compact!("{}", l.id), l.instant)).collect())
    }
}

/// Gives a rulebook actions, a policy, contacts, outcomes and successes.
fn add_decisions(draw: &mut Draw, book: &mut Rulebook) {
    book.actions = (0..draw.range(2, 5)).map(|i| drawn_action(draw, book, i)).collect();
    book.policy = Policy {
        zone: "UTC".into(),
        quiet_hours: draw.chance(20).then(|| QuietHours {
            from: 0,
            until: 1,
            channels: if draw.chance(50) { vec!["p".into()] } else { Vec::new() },
        }),
        caps: (0..draw.range(0, 2)).map(|_| drawn_cap(draw)).collect(),
        brake: draw.chance(10).then(|| draw.range(2, 8) as u32),
        holdout: *draw.pick(&[0, 0, 300_000]),
        declined_for_ms: draw.range(5, 60) * TICK,
        timeline: draw.range(1, 6) as u8,
    };
    let actions = book.actions.len() as i64;
    for rule in &mut book.rules {
        let first = draw.range(0, actions - 1);
        let count = draw.range(1, 3.min(actions));
        rule.actions = (first..first + count).map(|a| (a % actions) as u16).collect();
        rule.cooldown_ms = draw.chance(40).then(|| draw.range(3, 30) * TICK);
        rule.treatment = Treatment {
            shadow: draw.chance(4),
            brake: draw.chance(10).then(|| draw.range(1, 4) as u32),
            holdout: draw.chance(20).then_some(500_000),
            success_within_ms: draw.chance(60).then(|| draw.range(5, 60) * TICK),
        };
    }
    book.desk_uses = vec![None; book.catalogue.len()];
    for (name, outcome) in OUTCOMES {
        let kind = usize::from(type_id(book, name).0);
        book.desk_uses[kind] = Some(DeskUse::Outcome { outcome, action_id: KEY });
    }
    let contact = type_id(book, TYPES[draw.index(TYPES.len())]);
    book.desk_uses[usize::from(contact.0)] =
        Some(DeskUse::Contact { when: Cond::True, channel: FieldRef::Data(VALUE) });
    for uses in &mut book.by_type {
        for used in uses.iter_mut().filter(|_| draw.chance(20)) {
            used.roles.push((Roles::SUCCESS, Cond::True));
        }
    }
}

fn drawn_action(draw: &mut Draw, book: &Rulebook, i: i64) -> Action {
    let known = book.profile.is_some() && draw.chance(60);
    let value = Op::In(vec![Value::Text("p".into())]);
    let when = match draw.range(0, 5) {
        0 => Cond::Test(ActionField::Severity, Op::AtLeast(40 * MICRO)),
        1 if known => Cond::Test(ActionField::Profile(VALUE), value),
        _ => Cond::True,
    };
    Action {
        id: format_compact!("a{i}"),
        class: *draw.pick(&[Class::Offer, Class::Offer, Class::Offer, Class::Reply, Class::Raise]),
        by: (*draw.pick(&["person", "machine"])).into(),
        purpose: if draw.chance(5) { "marketing" } else { "service" }.into(),
        channel: (*draw.pick(&["p", "q"])).into(),
        queue: "desk".into(),
        skills: Vec::new(),
        hours: draw.chance(15).then_some(0),
        ttl_ms: draw.range(4, 90) * TICK,
        accept_within_ms: draw.chance(40).then(|| draw.range(1, 15) * TICK),
        when,
        value: if known { vec![Factor::Field(ActionField::Profile(NUMBER))] } else { Vec::new() },
        context: if draw.chance(30) {
            vec![(Cond::Test(ActionField::Events, Op::Over(MICRO)), 1_500_000)]
        } else {
            Vec::new()
        },
        propensity: *draw.pick(&[400_000, 500_000, MICRO]),
        lever: *draw.pick(&[MICRO, 1_250_000, 2 * MICRO]),
        exempt: draw.chance(20),
    }
}

fn drawn_cap(draw: &mut Draw) -> Cap {
    Cap {
        channel: draw.chance(40).then(|| (*draw.pick(&["p", "q"])).into()),
        by: draw.chance(30).then(|| (*draw.pick(&["person", "machine"])).into()),
        at_most: draw.range(1, 3) as u32,
        within_ms: draw.range(10, 60) * TICK,
    }
}

/// What a router says of what it was asked for, and now and then of what it was not.
fn drawn_outcomes(
    draw: &mut Draw,
    book: &Rulebook,
    asked: &[(CompactString, CompactString, Millis)],
    bounds: Bounds,
    manners: Manners,
) -> Vec<Logged> {
    let mut records = Vec::new();
    for (customer, id, instant) in asked {
        let mut time = *instant;
        for _ in 0..draw.range(0, 3) {
            time += draw.range(0, 8) * TICK;
            let (name, _) = *draw.pick(&[
                OUTCOMES[0],
                OUTCOMES[0],
                OUTCOMES[1],
                OUTCOMES[2],
                OUTCOMES[2],
                OUTCOMES[3],
                OUTCOMES[4],
                OUTCOMES[5],
                OUTCOMES[6],
            ]);
            let id = if draw.chance(4) { "0123456789abcdef0123456789abcdef" } else { id.as_str() };
            let event = Event {
                kind: type_id(book, name),
                time,
                sub: 0,
                customer: customer.clone(),
                id: format_compact!("o{}", records.len()),
                source: "router".into(),
                fields: vec![FieldValue { field: KEY, value: Value::Text(id.into()) }],
            };
            let record = Record { events: vec![event], times: [time].into_iter().collect() };
            let most = if manners == Manners::Wild { 15 * TICK } else { bounds.max_delay_ms };
            records.push(Logged { recorded_at: time + draw.range(0, most / TICK) * TICK, record });
        }
    }
    records.retain(|r| r.record.times[0] < END);
    records.sort_by_key(|r| r.recorded_at);
    if manners == Manners::Calm { well_behaved(records, bounds) } else { records }
}

/// What comes out of a decider in the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    /// A decision.
    Line(Box<Line>),
    /// At a commit: what adds up.
    Totals(Totals),
}

impl Driven for Decider {
    type Out = Out;
    type Kept = DeciderHead;

    fn take_out(&mut self) -> Vec<Out> {
        let lines = self.take_decisions().into_iter().map(|d| Out::Line(Box::new(line(d))));
        let mut out: Vec<Out> = lines.collect();
        out.push(Out::Totals(totals(self)));
        out
    }

    fn kept(&self) -> DeciderHead {
        self.head().clone()
    }

    fn go_on(&mut self, kept: &DeciderHead) {
        self.set_head(kept.clone());
    }
}

/// Writes down what the engine tells a decider.
struct Recorder {
    desk: Decider,
    /// Whether it is written down when somebody is woken.
    rung: bool,
    instant: Option<Millis>,
    profiles: BTreeMap<CompactString, Profile>,
    calls: Vec<Step>,
}

impl Recorder {
    fn default_at(whole: &Whole) -> Self {
        Recorder {
            desk: whole.desk(),
            rung: false,
            instant: None,
            profiles: BTreeMap::new(),
            calls: Vec::new(),
        }
    }

    fn at(&mut self, moment: &Moment<'_>) {
        if self.instant != Some(moment.instant) {
            self.instant = Some(moment.instant);
            self.calls.push(Step::At(moment.instant));
        }
        let customer = CompactString::from(moment.customer);
        if self.profiles.get(&customer).unwrap_or(&cxwatch_event::UNKNOWN) != moment.profile {
            self.profiles.insert(customer.clone(), moment.profile.clone());
            self.calls.push(Step::Profile(customer, moment.profile.clone()));
        }
    }

    fn tell(&mut self, moment: &Moment<'_>, told: Told) {
        self.at(moment);
        self.calls.push(Step::Tell(moment.customer.into(), told));
    }
}

impl Desk for Recorder {
    type State = CustomerState;

    fn take(&mut self, moment: &Moment<'_>, state: &mut CustomerState, effect: &Effect) {
        self.tell(moment, Told::Effect(effect.clone()));
        self.desk.take(moment, state, effect);
    }

    fn saw(&mut self, moment: &Moment<'_>, state: &mut CustomerState, received: Received<'_>) {
        self.tell(moment, Told::Saw(received.event.clone()));
        self.desk.saw(moment, state, received);
    }

    fn succeeded(
        &mut self,
        moment: &Moment<'_>,
        state: &mut CustomerState,
        rule: RuleIx,
        key: Option<&str>,
        at: &EventRef,
    ) {
        self.tell(moment, Told::Succeeded(rule, key.map(Into::into), at.clone()));
        self.desk.succeeded(moment, state, rule, key, at);
    }

    fn next(&self, state: &CustomerState) -> Option<Millis> {
        self.desk.next(state)
    }

    fn wake(&mut self, moment: &Moment<'_>, state: &mut CustomerState) {
        self.at(moment);
        if self.rung && self.calls.last() != Some(&Step::Rung) {
            self.calls.push(Step::Rung);
        }
        self.desk.wake(moment, state);
    }

    fn settled(&mut self) {
        if self.calls.last().is_some_and(|last| !matches!(last, Step::Settled | Step::Rung)) {
            self.calls.push(Step::Settled);
        }
        self.desk.settled();
    }

    fn rule_removed(&mut self, moment: &Moment<'_>, state: &mut CustomerState, rule: &str) {
        self.tell(moment, Told::RuleRemoved(rule.into()));
        self.desk.rule_removed(moment, state, rule);
    }

    fn is_idle(&self, state: &CustomerState) -> bool {
        self.desk.is_idle(state)
    }
}

impl Driven for Recorder {
    type Out = Step;
    type Kept = ();

    fn take_out(&mut self) -> Vec<Step> {
        self.desk.take_decisions();
        std::mem::take(&mut self.calls)
    }

    fn kept(&self) {}

    fn go_on(&mut self, (): &()) {}
}
