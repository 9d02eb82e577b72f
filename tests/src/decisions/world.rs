//! What a desk may be told, at random: detections and what becomes of them, contacts, outcomes, profiles, pauses.
//!
//! Times are whole minutes around a change of clocks, so that ties are common and nights have the wrong length.

use super::Told;
use super::book::{CHANNELS, HOUR, MINUTE, OUTCOMES, ZONES, draw_book, profile_field};
use super::log::{Log, Terms};
use super::play::Player;
use crate::world::draw::Draw;
use compact_str::{CompactString, format_compact};
use cxwatch_engine::{Clock, Detection, Effect, Ended, EventRef};
use cxwatch_event::{Event, FieldValue, MICRO, Millis, Profile, Value};
use cxwatch_rulebook::{Level, RuleIx, Rulebook};
use std::sync::Arc;

/// Changes of clocks: Berlin, New York, Lord Howe (by half an hour), there and back; and the turn of a quarter.
const CHANGES: [&str; 7] = [
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-03-08T07:00:00Z",
    "2026-11-01T06:00:00Z",
    "2026-04-04T15:00:00Z",
    "2026-10-03T15:30:00Z",
    "2026-07-01T00:00:00Z",
];

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Time comes this far.
    At(Millis),
    /// This is known of the customer from now on.
    Profile(CompactString, Profile),
    /// The desk is told something.
    Tell(CompactString, Told),
    /// A step of the engine is over.
    Settled,
    /// An operator pauses one rule or all, or lets them go on.
    Pause(Option<CompactString>, bool),
    /// What the wall clock shows.
    Wall(Option<Millis>),
    /// Everything is written and read again.
    Restore,
    /// At this instant whoever is to be woken by now is woken before anything else happens.
    Rung,
}

/// A rulebook and what happens.
#[derive(Debug, Clone)]
pub struct World {
    /// What it was drawn from.
    pub seed: u64,
    /// The rulebook.
    pub book: Arc<Rulebook>,
    /// What holds for the whole run.
    pub terms: Terms,
    /// What happens.
    pub steps: Vec<Step>,
}

impl World {
    /// Draws a world. The same seed draws the same.
    pub fn draw(seed: u64) -> Self {
        let draw = &mut Draw::new(seed);
        let book = Arc::new(draw_book(draw));
        let change: jiff::Timestamp = draw.pick(&CHANGES).parse().expect("a time");
        let start = change.as_millisecond() - draw.range(0, 30 * 60) * MINUTE;
        let terms = Terms {
            act_from: if draw.chance(20) { start + 2 * HOUR } else { Millis::MIN },
            late_horizon_ms: *draw.pick(&[MINUTE, 10 * MINUTE, 6 * HOUR]),
            partitions: draw.range(1, 4) as u32,
        };
        let mut telling = Telling {
            draw,
            book: &book,
            terms: &terms,
            now: start,
            steps: Vec::new(),
            player: Player::default(),
            log: Log::new(Arc::clone(&book), terms.clone(), None),
            episodes: Vec::new(),
            removed: Vec::new(),
            ids: 0,
        };
        telling.step(Step::At(start));
        telling.tell_all();
        let steps = telling.steps;
        World { seed, book, terms, steps }
    }
}

#[derive(Debug, Clone)]
struct Episode {
    customer: CompactString,
    rule: RuleIx,
    key: CompactString,
    about: EventRef,
    /// The detections that stand: level and time.
    stand: Vec<(Level, Millis)>,
    /// Whether it has come to its breach, and has not been taken back since.
    breached: bool,
}

struct Telling<'a> {
    draw: &'a mut Draw,
    book: &'a Rulebook,
    terms: &'a Terms,
    now: Millis,
    steps: Vec<Step>,
    episodes: Vec<Episode>,
    removed: Vec<RuleIx>,
    /// Knows which actions there are, for outcomes to name.
    log: Log,
    player: Player,
    ids: u64,
}

impl Telling<'_> {
    fn tell_all(&mut self) {
        for customer in ["c0", "c1", "c2"] {
            if self.draw.chance(60) {
                self.profile(customer.into());
            }
        }
        for _ in 0..self.draw.range(10, 60) {
            let gap = *self.draw.pick(&[0, 0, 0, 1, 2, 5, 10, 20, 60, 240]);
            if gap > 0 {
                self.settle();
                self.now += gap * MINUTE;
                self.step(Step::At(self.now));
            }
            self.happen();
            // Often much happens in one step.
            if self.draw.chance(70) {
                self.settle();
                if self.draw.chance(15) {
                    self.step(Step::Restore);
                }
            }
        }
        self.settle();
        self.step(Step::At(self.now + 100 * HOUR));
        self.step(Step::Settled);
    }

    fn happen(&mut self) {
        match self.draw.range(0, 99) {
            0..29 => self.begin(),
            29..37 => self.breach(),
            37..45 => self.resolve(),
            45..52 => self.retract(),
            52..57 => self.again_in_one_step(),
            57..61 => self.again_later(),
            61..80 => self.outcome(),
            80..86 => self.contact(),
            86..90 => self.success(),
            90..93 => self.pause(),
            93..95 => {
                let customer = self.customer();
                self.profile(customer);
            }
            95 => self.remove_rule(),
            96 => self.wall(),
            97 => {
                let customer = self.customer();
                self.tell(customer, Told::Wake);
            }
            _ => {
                // A step is done or not begun.
                self.settle();
                self.step(Step::Restore);
            }
        }
    }

    fn settle(&mut self) {
        self.step(Step::Settled);
    }

    fn step(&mut self, step: Step) {
        self.player.step(&mut self.log, &step);
        self.steps.push(step);
    }

    fn tell(&mut self, customer: CompactString, told: Told) {
        self.step(Step::Tell(customer, told));
    }

    fn customer(&mut self) -> CompactString {
        (*self.draw.pick(&["c0", "c0", "c1", "c2"])).into()
    }

    fn rule(&mut self) -> Option<RuleIx> {
        let left: Vec<RuleIx> =
            (0..self.book.rules.len() as u16).map(RuleIx).filter(|r| !self.removed.contains(r)).collect();
        if left.is_empty() { None } else { Some(*self.draw.pick(&left)) }
    }

    /// A time not long before now.
    fn time(&mut self) -> Millis {
        self.now - *self.draw.pick(&[0, 0, 0, 0, 1, 4, 30, 180]) * MINUTE
    }

    fn event(&mut self, time: Millis) -> EventRef {
        self.ids += 1;
        let id = format_compact!("e{}", self.ids);
        EventRef {
            feed: 0,
            kind: Some(0),
            sub: 0,
            offset: self.ids as i64,
            time,
            id,
            source: "s".into(),
            names: None,
        }
    }

    fn begin(&mut self) {
        let Some(rule) = self.rule() else { return };
        let customer = self.customer();
        let key = self.key(rule);
        self.begin_for(customer, rule, key);
        // Often several at once: they compete, and brakes are used up.
        while self.draw.chance(30) {
            let Some(rule) = self.rule() else { return };
            let customer = self.customer();
            let key = self.key(rule);
            self.begin_for(customer, rule, key);
        }
    }

    fn key(&mut self, rule: RuleIx) -> CompactString {
        if self.book.rule(rule).per { (*self.draw.pick(&["x", "x", "y"])).into() } else { "".into() }
    }

    fn begin_for(&mut self, customer: CompactString, rule: RuleIx, key: CompactString) {
        let time = self.time();
        let about = self.event(time);
        let level = *self.draw.pick(&[Level::Warning, Level::Breach, Level::Breach]);
        self.episodes.push(Episode { customer, rule, key, about, stand: Vec::new(), breached: false });
        self.detect(self.episodes.len() - 1, level, time);
    }

    fn detect(&mut self, at: usize, level: Level, time: Millis) {
        let episode = &mut self.episodes[at];
        episode.stand.push((level, time));
        episode.breached |= level == Level::Breach;
        let episode = episode.clone();
        let measures = &self.book.rule(episode.rule).measures;
        let measures =
            measures.iter().map(|_| self.draw.chance(85).then(|| self.draw.range(1, 6) * MICRO)).collect();
        let detection = Detection {
            id: at as u64,
            rule: episode.rule,
            level,
            customer: episode.customer.clone(),
            key: episode.key,
            time,
            deadline: time,
            evidence: vec![episode.about.clone()],
            about: episode.about,
            events: self.draw.range(1, 5) as u32,
            measures,
            severity: self.draw.range(1, 9) as u8 * 10,
            resolved: self.draw.chance(6),
            clock: Clock {
                instant: self.now,
                watermark: self.now,
                feeds: self.book.feeds.iter().map(|_| (self.now, false)).collect(),
            },
        };
        let resolved = detection.resolved;
        self.tell(episode.customer.clone(), Told::Effect(Effect::Detected(Box::new(detection))));
        if resolved {
            let ended = self.ended(at, level, time);
            self.tell(episode.customer, Told::Effect(Effect::Resolved(ended)));
        }
    }

    fn ended(&mut self, at: usize, level: Level, time: Millis) -> Box<Ended> {
        let by = if self.draw.chance(70) { Some(self.event(self.now)) } else { None };
        let Episode { customer, rule, key, about, .. } = self.episodes[at].clone();
        Box::new(Ended { id: at as u64, rule, level, customer, key, time, about, by })
    }

    /// One of the episodes that fit, rather a young one.
    fn pick(&mut self, fits: impl Fn(&Episode) -> bool) -> Option<usize> {
        let fit: Vec<usize> = (0..self.episodes.len())
            .filter(|at| !self.removed.contains(&self.episodes[*at].rule) && fits(&self.episodes[*at]))
            .collect();
        let young = fit.len().saturating_sub(3);
        let from = if self.draw.chance(70) { young } else { 0 };
        if fit.is_empty() { None } else { Some(*self.draw.pick(&fit[from..])) }
    }

    fn breach(&mut self) {
        match self.pick(|e| !e.breached && !e.stand.is_empty()) {
            Some(at) => {
                let earliest = self.episodes[at].stand[0].1;
                let time = self.time().max(earliest);
                self.detect(at, Level::Breach, time);
            }
            None => self.begin(),
        }
    }

    fn resolve(&mut self) {
        let Some(at) = self.pick(|e| !e.stand.is_empty()) else { return };
        for (level, time) in std::mem::take(&mut self.episodes[at].stand) {
            let ended = self.ended(at, level, time);
            self.tell(ended.customer.clone(), Told::Effect(Effect::Resolved(ended)));
        }
    }

    fn retract(&mut self) {
        let Some(at) = self.pick(|e| !e.stand.is_empty()) else { return };
        let only_breach = self.draw.chance(20);
        self.retract_of(at, only_breach);
    }

    fn retract_of(&mut self, at: usize, only_breach: bool) {
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.episodes[at].stand)
            .into_iter()
            .partition(|(level, _)| !only_breach || *level == Level::Breach);
        self.episodes[at].stand = kept;
        self.episodes[at].breached = false;
        for (level, time) in gone {
            let ended = self.ended(at, level, time);
            self.tell(ended.customer.clone(), Told::Effect(Effect::Retracted(ended)));
        }
    }

    fn again_in_one_step(&mut self) {
        let Some(at) = self.pick(|e| !e.stand.is_empty()) else { return };
        let levels = self.episodes[at].stand.clone();
        self.retract_of(at, false);
        if self.draw.chance(60) {
            for (level, time) in levels {
                let time = if self.draw.chance(50) { time } else { self.time() };
                self.detect(at, level, time);
            }
        } else {
            let Episode { customer, rule, key, .. } = self.episodes[at].clone();
            self.begin_for(customer, rule, key);
        }
    }

    fn again_later(&mut self) {
        let Some(at) = self.pick(|e| e.stand.is_empty()) else { return };
        let time = self.time();
        let level = if self.episodes[at].breached {
            Level::Breach
        } else {
            *self.draw.pick(&[Level::Warning, Level::Breach])
        };
        self.detect(at, level, time);
    }

    fn outcome(&mut self) {
        let (_, name) = *self.draw.pick(&[
            OUTCOMES[0],
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
        let (customer, id) = self.some_action();
        let back = *self.draw.pick(&[0, 0, 1, 5]) * MINUTE;
        self.see(customer, name, self.now - back, "action_id", &id, None);
    }

    /// Rather an action that is live.
    fn some_action(&mut self) -> (CompactString, CompactString) {
        let known = self.log.known_actions();
        let at_least = *self.draw.pick(&[2, 2, 2, 1, 1, 0]);
        let fit: Vec<_> = known.iter().filter(|(_, _, open)| *open >= at_least).collect();
        let fit = if fit.is_empty() { known.iter().filter(|(_, _, open)| *open > 0).collect() } else { fit };
        if fit.is_empty() || self.draw.chance(4) {
            return (self.customer(), "0123456789abcdef0123456789abcdef".into());
        }
        let (customer, id, _) = self.draw.pick(&fit);
        (customer.clone(), format_compact!("{id}"))
    }

    fn contact(&mut self) {
        let customer = self.customer();
        let channel = *self.draw.pick(&CHANNELS);
        let back = *self.draw.pick(&[0, 0, 1, 30]) * MINUTE;
        if self.draw.chance(50) {
            self.see(customer, "campaign.sent", self.now - back, "channel", channel, None);
        } else {
            let by = *self.draw.pick(&["agent", "system", "bot"]);
            self.see(customer, "contact.message_sent", self.now - back, "channel", channel, Some(by));
        }
    }

    fn see(
        &mut self,
        customer: CompactString,
        kind: &str,
        time: Millis,
        field: &str,
        text: &str,
        by: Option<&str>,
    ) {
        let kind = self.book.catalogue.id(kind).expect("a built-in type");
        let spec = self.book.catalogue.spec(kind);
        let value = |name: &str, text: &str| FieldValue {
            field: spec.field(name).expect("a field of the type"),
            value: Value::Text(text.into()),
        };
        let mut fields = vec![value(field, text)];
        fields.extend(by.map(|by| value("by", by)));
        fields.sort_by_key(|f| f.field.0);
        let event = Event {
            kind,
            time,
            sub: 0,
            customer: customer.clone(),
            id: self.event(time).id,
            source: "s".into(),
            fields,
        };
        self.tell(customer, Told::Saw(event));
    }

    fn success(&mut self) {
        let Some(at) = self.pick(|_| true) else { return };
        let episode = self.episodes[at].clone();
        let key = if self.draw.chance(30) { None } else { Some(episode.key) };
        let back = (*self.draw.pick(&[0, 0, 1, 10]) * MINUTE).min(self.terms.late_horizon_ms);
        let event = self.event(self.now - back);
        self.tell(episode.customer, Told::Succeeded(episode.rule, key, event));
    }

    fn pause(&mut self) {
        let rule = if self.draw.chance(40) { None } else { Some(self.draw.index(self.book.rules.len())) };
        let rule = rule.map(|i| self.book.rules[i].id.clone());
        let paused = self.draw.chance(40);
        self.step(Step::Pause(rule, paused));
    }

    fn remove_rule(&mut self) {
        if self.book.rules.len() < 2 || self.draw.chance(50) {
            return;
        }
        let Some(rule) = self.rule() else { return };
        self.removed.push(rule);
        for customer in ["c0", "c1", "c2"] {
            self.tell(customer.into(), Told::RuleRemoved(self.book.rule(rule).id.clone()));
        }
    }

    fn wall(&mut self) {
        let lead = *self.draw.pick(&[0, 5, 60, 600]) * MINUTE;
        let wall = if self.draw.chance(40) { None } else { Some(self.now + lead) };
        self.step(Step::Wall(wall));
    }

    fn profile(&mut self, customer: CompactString) {
        let catalogue = &self.book.catalogue;
        let mut fields = Vec::new();
        let mut say = |name: &str, value: Value| {
            fields.push(FieldValue { field: profile_field(catalogue, name), value });
        };
        if self.draw.chance(60) {
            say("tier", Value::Text((*self.draw.pick(&["gold", "basic"])).into()));
        }
        if self.draw.chance(50) {
            say("lifetime_value", Value::Number(self.draw.range(1, 4) * MICRO));
        }
        if self.draw.chance(75) {
            say("time_zone", Value::Text((*self.draw.pick(&ZONES)).into()));
        }
        for channel in CHANNELS {
            for purpose in ["service", "marketing"] {
                if self.draw.chance(40) {
                    say(&format!("consent.{channel}.{purpose}"), Value::Bool(self.draw.chance(65)));
                }
            }
        }
        fields.sort_by_key(|f| f.field.0);
        self.step(Step::Profile(customer, Profile { as_of: Some(self.now), fields }));
    }
}
