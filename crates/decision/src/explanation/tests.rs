//! What people ask, as scenes: a rulebook, what happened, and the very text of the answer.

mod kinds;
mod state;
mod twice;
mod why_not;

use super::{Explanation, Passed, PassedOver, Question, Told, explain};
use crate::{CustomerState, Decider, DeciderSettings, Decision, Explained, WallClock};
use compact_str::CompactString;
use cxwatch_engine::{
    Blindness, Desk, Effect, EventRef, Judge, Moment, NEVER, Note, Received, Settings, Task,
};
use cxwatch_event::{Decoder, Millis, RawRecord, Record, rfc3339};
use cxwatch_rulebook::{FeedIx, RuleIx, Rulebook};
use std::sync::Arc;

const DAY: &str = "2026-11-24";

/// The desk of the service, that keeps what it is told of `c1`.
struct Follower {
    decider: Decider,
    watched: CompactString,
    told: Vec<(Millis, Told)>,
    passed_over: Vec<PassedOver>,
}

impl Desk for Follower {
    type State = CustomerState;

    fn take(&mut self, moment: &Moment<'_>, state: &mut CustomerState, effect: &Effect) {
        if moment.customer == self.watched {
            self.told.push((moment.instant, Told::Effect(effect.clone())));
        }
        self.decider.take(moment, state, effect);
    }

    fn watched(&self) -> Option<&str> {
        Some(&self.watched)
    }

    fn note(&mut self, moment: &Moment<'_>, _: &mut CustomerState, note: &Note) {
        self.told.push((moment.instant, Told::Note(note.clone())));
    }

    fn repeated(&mut self, _: &Moment<'_>, event: &EventRef) {
        self.passed_over.push(PassedOver { event: event.clone(), place: None, why: Passed::Duplicate });
    }

    fn saw(&mut self, moment: &Moment<'_>, state: &mut CustomerState, received: Received<'_>) {
        self.decider.saw(moment, state, received);
    }

    fn next(&self, state: &CustomerState) -> Option<Millis> {
        self.decider.next(state)
    }

    fn wake(&mut self, moment: &Moment<'_>, state: &mut CustomerState) {
        self.decider.wake(moment, state);
    }

    fn settled(&mut self) {
        self.decider.settled();
        for decision in self.decider.take_decisions() {
            let (instant, customer) = match &decision {
                Decision::Action(a) => (a.instant, &a.customer),
                Decision::Suppressed(s) => (s.instant, &s.detection.customer),
            };
            if *customer == self.watched {
                self.told.push((instant, Told::Decision(decision)));
            }
        }
    }

    fn rule_removed(&mut self, moment: &Moment<'_>, state: &mut CustomerState, rule: &str) {
        self.decider.rule_removed(moment, state, rule);
    }

    fn is_idle(&self, state: &CustomerState) -> bool {
        self.decider.is_idle(state)
    }
}

/// A service on one day.
struct Scene {
    book: Arc<Rulebook>,
    task: Task<Follower>,
    decoder: Decoder,
    blind: Vec<FeedIx>,
}

/// An instant of the day: `10:00:00`, or of another: `2026-11-25T10:00:00`.
fn time(text: &str) -> Millis {
    let day = if text.contains('T') { "" } else { DAY };
    let between = if day.is_empty() { "" } else { "T" };
    rfc3339::parse(&format!("{day}{between}{text}Z")).expect("an instant")
}

impl Scene {
    fn new(source: &str) -> Self {
        Scene::acting_from(source, NEVER, WallClock::None)
    }

    fn acting_from(source: &str, act_from: Millis, wall: WallClock) -> Self {
        let source = format!("rulebook: shop\nversion: 3\n{source}");
        let book = match cxwatch_rulebook::compile(&source, "shop.yaml") {
            Ok((book, _)) => Arc::new(book),
            Err(problems) => panic!("{problems:#?}"),
        };
        let settings = Settings::new(book.feeds.len());
        let decider = Decider::new(DeciderSettings { act_from, remember_ms: 600_000, partitions: 1, wall });
        let follower = Follower { decider, watched: "c1".into(), told: Vec::new(), passed_over: Vec::new() };
        let decoder = Decoder::new(book.catalogue.clone(), book.interest.clone());
        let mut task = Task::new(Arc::clone(&book), settings, follower, 1);
        for feed in (0..book.feeds.len() as u8).map(FeedIx) {
            task.proof(feed, time("00:00:00"));
        }
        Scene { book, task, decoder, blind: Vec::new() }
    }

    /// An event of `c1`: `10:00:00 web.cart.item_added e1 cart_id=k1 quantity=1`.
    fn saw(&mut self, line: &str) -> &mut Self {
        let at = time(line.split_whitespace().next().expect("a time"));
        self.until_just_before(at);
        self.late(line)
    }

    /// The same, of an event that comes when time has gone on.
    fn late(&mut self, line: &str) -> &mut Self {
        let mut words = line.split_whitespace();
        let mut next = || words.next().expect("a time, a type and an id");
        let (at, kind, id) = (time(next()), next(), next());
        let mut data = serde_json::Map::new();
        for pair in words {
            let (name, value) = pair.split_once('=').expect("NAME=VALUE");
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            let mut object = &mut data;
            let mut parts: Vec<&str> = name.split('.').collect();
            let last = parts.pop().expect("a name");
            for part in parts {
                let inner = object.entry(part).or_insert_with(|| serde_json::json!({}));
                object = inner.as_object_mut().expect("an object");
            }
            object.insert(last.into(), value);
        }
        let event = serde_json::json!({
            "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "subject": "c1",
            "time": rfc3339::format(at), "data": data,
        });
        let feed = self.book.catalogue.id(kind).and_then(|id| self.book.feed_of_type[usize::from(id.0)]);
        let feed = feed.expect("a type of a feed");
        let mut record = Record::default();
        let text = event.to_string();
        let raw = RawRecord {
            feed: &self.book.feeds[usize::from(feed.0)],
            key: Some(b"c1"),
            value: Some(text.as_bytes()),
            headers: &[],
        };
        self.decoder.decode(&raw, &mut record).expect("a good event");
        let offset = self.task.position(feed);
        self.task.read(feed, offset, i64::MAX / 4, &mut record, Judge::Wall(i64::MAX / 8));
        self
    }

    fn until_just_before(&mut self, at: Millis) {
        self.move_to(at - 1);
    }

    fn move_to(&mut self, at: Millis) {
        for feed in (0..self.book.feeds.len() as u8).map(FeedIx).filter(|f| !self.blind.contains(f)) {
            let delay = self.task.settings().feeds[usize::from(feed.0)].max_delay_ms;
            self.task.proof(feed, at + delay);
        }
        self.task.advance(at, usize::MAX);
    }

    fn until(&mut self, at: &str) -> &mut Self {
        self.move_to(time(at));
        self
    }

    fn blind(&mut self, feed: &str) -> &mut Self {
        let feed = self.book.feed_named(feed).expect("a feed");
        self.task.blind(feed, Blindness::Stalled);
        self.blind.push(feed);
        self
    }

    fn pause(&mut self, rule: Option<&str>) -> &mut Self {
        self.task.desk_mut().decider.set_paused(rule, true);
        self
    }

    fn ask(&self, rule: Option<&str>, with_story: bool) -> Explanation {
        self.question(rule, with_story, explain)
    }

    /// Puts a question to whoever answers.
    fn question(
        &self,
        rule: Option<&str>,
        with_story: bool,
        answers: impl Fn(&Question<'_>) -> Explanation,
    ) -> Explanation {
        let view = self.task.view("c1");
        let at = self.task.instant();
        let desk =
            self.task.desk_state("c1").map_or_else(Explained::default, |state| state.explain(&self.book, at));
        let place =
            |event: &EventRef| format!("{}/0/{}", self.book.feeds[usize::from(event.feed)], event.offset);
        let rule: Option<RuleIx> = rule.map(|rule| self.book.rule_named(rule).expect("a rule"));
        let follower = self.task.desk();
        answers(&Question {
            book: &self.book,
            customer: "c1",
            rule,
            at,
            story: with_story.then_some(&follower.told),
            passed_over: &follower.passed_over,
            view: view.as_ref(),
            desk: &desk,
            paused: follower.decider.paused(),
            place: &place,
        })
    }

    /// The answers of the first rule: what it was, and what would have had to be different.
    fn why(&self) -> String {
        let explanation = self.ask(None, true);
        let because = explanation.rules[0].because.iter();
        let lines = because.map(|b| {
            let otherwise = b.otherwise.as_ref().map_or_else(String::new, |o| format!("\n  else: {o}"));
            format!(
                "{}: {}{otherwise}\n",
                serde_json::to_value(b.answer).expect("a name").as_str().expect("text"),
                b.sentence
            )
        });
        lines.collect()
    }

    fn again(&self) -> String {
        self.ask(None, true).again.iter().map(|sentence| format!("{sentence}\n")).collect()
    }
}

#[test]
fn the_committed_schema_is_that_of_the_type() {
    let mut schema =
        schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<Explanation>();
    schema.insert("title".into(), "explanation".into());
    let text = serde_json::to_string_pretty(&schema.to_value()).expect("JSON") + "\n";
    expect_test::expect_file!["../../../../schemas/explanation.json"].assert_eq(&text);
}
