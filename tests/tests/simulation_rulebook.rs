//! What becomes of a task when its rulebook changes between two starts (DESIGN, section 6).

use cxwatch_engine::{Desk, Effect, EventRef, FOREVER, Filing, Judge, Moment, Settings, Task};
use cxwatch_event::{Event, Millis, Record, TypeId};
use cxwatch_rulebook::{FeedIx, Kind, Level, Roles, Rulebook, Span};
use cxwatch_tests::world::book::{Draft, catalogue, compile, type_id};
use std::sync::Arc;

const FEED: FeedIx = FeedIx(0);

/// Notes what it is told, in words.
#[derive(Default)]
struct Notes(Vec<String>);

impl Desk for Notes {
    type State = u32;

    fn take(&mut self, moment: &Moment<'_>, state: &mut u32, effect: &Effect) {
        *state += 1;
        if let Effect::Detected(d) = effect {
            assert_eq!(d.level, Level::Breach);
            self.0.push(format!("{} at {}", moment.book.rule(d.rule).id, d.time));
        }
    }

    fn next(&self, _: &u32) -> Option<Millis> {
        None
    }

    fn wake(&mut self, _: &Moment<'_>, _: &mut u32) {}

    fn rule_removed(&mut self, moment: &Moment<'_>, _: &mut u32, rule: &str) {
        let Moment { customer, instant, .. } = *moment;
        self.0.push(format!("{rule} removed for {customer} at {instant}"));
    }

    fn is_idle(&self, state: &u32) -> bool {
        *state == 0
    }
}

fn absence(id: &str, start: &'static str, within: Millis) -> Draft {
    let kind = Kind::Absence {
        data_deadline: false,
        grace: Span::Ms(0),
        warn_permille: None,
        once: false,
        stretch_gap_ms: 0,
    };
    Draft::new(id, kind).on(start, Roles::START).within(within)
}

fn book(drafts: &[Draft]) -> Arc<Rulebook> {
    Arc::new(compile(catalogue(&[("s", "f"), ("t", "f")]), drafts))
}

fn settings() -> Settings {
    let mut settings = Settings::new(1);
    settings.feeds[0].reorder_ms = 0;
    settings
}

fn task(drafts: &[Draft]) -> Task<Notes> {
    Task::new(book(drafts), settings(), Notes::default(), 1)
}

fn read(task: &mut Task<Notes>, kind: &str, customer: &str, time: Millis) {
    let offset = task.position(FEED);
    let event = Event {
        kind: type_id(task.book(), kind),
        time,
        sub: 0,
        customer: customer.into(),
        id: format!("e{offset}").into(),
        source: "s".into(),
        fields: Default::default(),
    };
    // A decoder hands over what a rule names.
    let is_named = !task.book().uses(event.kind).is_empty();
    let events = is_named.then_some(event).into_iter().collect();
    let mut record = Record { events, times: [time].into_iter().collect() };
    task.read(FEED, offset, FOREVER, &mut record, Judge::Wall(FOREVER));
    task.advance(FOREVER, usize::MAX);
}

fn end(task: &mut Task<Notes>) -> Vec<String> {
    task.proof(FEED, 1_000_000);
    task.advance(FOREVER, usize::MAX);
    task.desk_mut().0.clone()
}

#[test]
fn an_open_episode_of_a_changed_rule_keeps_its_deadline_and_new_ones_follow_the_new_text() {
    let mut task = task(&[absence("slow", "s", 5_000)]);
    read(&mut task, "s", "c1", 10_000);
    read(&mut task, "s", "c9", 10_500);
    assert_eq!(task.change_rulebook(book(&[absence("slow", "s", 2_000)]), settings()).len(), 1);
    read(&mut task, "s", "c2", 11_000);
    assert_eq!(end(&mut task), ["slow at 13000", "slow at 15000"]);
}

#[test]
fn a_removed_rule_closes_and_the_others_keep_everything_under_their_new_numbers() {
    let mut task = task(&[absence("a", "s", 5_000), absence("b", "s", 6_000)]);
    read(&mut task, "s", "c1", 10_000);
    read(&mut task, "t", "c1", 10_001);
    let kept = task.change_rulebook(book(&[absence("b", "s", 6_000), absence("c", "t", 1_000)]), settings());
    assert_eq!(kept, Vec::new());
    read(&mut task, "t", "c1", 12_000);
    assert_eq!(end(&mut task), ["a removed for c1 at 10000", "c at 13000", "b at 16000"],);
}

#[test]
fn a_rule_that_has_become_another_kind_is_another_rule() {
    let mut task = task(&[absence("a", "s", 5_000)]);
    read(&mut task, "s", "c1", 10_000);
    read(&mut task, "t", "c1", 10_001);
    let other = Draft::new("a", Kind::Match).on("t", Roles::EVENT);
    task.change_rulebook(book(&[other]), settings());
    assert_eq!(end(&mut task), ["a removed for c1 at 10000"]);
}

/// Rules over a catalogue of their own.
fn book_of(types: &[(&str, &str)], drafts: &[Draft]) -> Arc<Rulebook> {
    Arc::new(compile(catalogue(types), drafts))
}

fn settings_of(feeds: usize) -> Settings {
    let mut settings = Settings::new(feeds);
    settings.feeds.iter_mut().for_each(|feed| feed.reorder_ms = 0);
    settings
}

fn read_on(task: &mut Task<Notes>, feed: &str, kind: &str, customer: &str, time: Millis) {
    let feed = task.book().feed_named(feed).expect("a feed of the rulebook");
    let offset = task.position(feed);
    let event = Event {
        kind: type_id(task.book(), kind),
        time,
        sub: 0,
        customer: customer.into(),
        id: format!("{kind}{offset}").into(),
        source: "s".into(),
        fields: Default::default(),
    };
    let mut record = Record { events: vec![event], times: [time].into_iter().collect() };
    task.read(feed, offset, FOREVER, &mut record, Judge::Wall(FOREVER));
    task.advance(FOREVER, usize::MAX);
}

fn prove_all(task: &mut Task<Notes>, as_of: Millis) {
    (0..task.book().feeds.len() as u8).for_each(|feed| task.proof(FeedIx(feed), as_of));
    task.advance(FOREVER, usize::MAX);
}

/// What stays keeps its place by its name, although every number of feeds and types has changed: the open episode, the
/// half-full window, the buffered event, position and watermark.
#[test]
fn a_feed_that_stays_keeps_everything_whatever_joins_before_it() {
    let of_s = |more: Vec<Draft>| {
        let pair =
            Draft::new("pair", Kind::Count { of_last: None, distinct: false, keep: false, at_least_max: 2 });
        let pair = pair.on("t", Roles::EVENT | Roles::COUNTED).within(60_000).at_least(2);
        [vec![absence("slow", "s", 5_000), pair], more].concat()
    };
    let mut task =
        Task::new(book_of(&[("s", "m"), ("t", "m")], &of_s(vec![])), settings_of(1), Notes::default(), 1);
    read_on(&mut task, "m", "s", "c1", 10_000);
    read_on(&mut task, "m", "t", "c1", 10_001);
    read_on(&mut task, "m", "s", "c9", 10_500);
    let types = [("a", "b"), ("s", "m"), ("t", "m")];
    let after = book_of(&types, &of_s(vec![Draft::new("new", Kind::Match).on("a", Roles::EVENT)]));
    let buffered = task.change_rulebook(Arc::clone(&after), settings_of(2));
    let [reference] = buffered[..] else { panic!("one event was buffered: {buffered:?}") };
    assert_eq!((reference.feed, reference.offset, reference.at), (1, 2, 10_500));
    let event = Event {
        kind: type_id(&after, "s"),
        time: 10_500,
        sub: 0,
        customer: "c9".into(),
        id: "s2".into(),
        source: "s".into(),
        fields: Default::default(),
    };
    task.restore_buffered(reference, event);
    let (joined, stayed) = (FeedIx(0), FeedIx(1));
    assert_eq!((task.position(stayed), task.feed_watermark(stayed)), (3, 10_499));
    // Three seconds are how late an event of the new feed may be.
    assert_eq!((task.instant(), task.feed_watermark(joined)), (10_499, 7_498));
    task.start_at(joined, 40);
    read_on(&mut task, "b", "a", "c1", 10_600);
    read_on(&mut task, "m", "t", "c1", 10_700);
    prove_all(&mut task, 1_000_000);
    assert_eq!(task.desk().0, ["new at 10600", "pair at 10700", "slow at 15000", "slow at 15500"]);
    assert_eq!(task.position(joined), 41);
}

#[test]
fn a_feed_that_leaves_takes_its_events_along_and_holds_nothing_up() {
    let types = [("a", "b"), ("s", "m")];
    let both = absence("both", "s", 5_000).on("a", Roles::STOP);
    let before = book_of(&types, &[both, absence("left", "a", 1_000)]);
    let mut task = Task::new(before, settings_of(2), Notes::default(), 1);
    read_on(&mut task, "m", "s", "c1", 10_000);
    read_on(&mut task, "b", "a", "c2", 10_000);
    prove_all(&mut task, 13_500);
    read_on(&mut task, "b", "a", "c1", 20_000);
    let buffered =
        task.change_rulebook(book_of(&[("s", "m")], &[absence("both", "s", 5_000)]), settings_of(1));
    assert_eq!(buffered, Vec::new());
    prove_all(&mut task, 1_000_000);
    // Nothing stops it any more: the feed that could is not read.
    assert_eq!(
        task.desk().0,
        ["left removed for c1 at 10500", "left removed for c2 at 10500", "both at 15000"]
    );
    assert_eq!(task.book().feeds, ["m"]);
}

/// An episode may outlive the feed it began on; its detection still names the event.
#[test]
fn an_episode_that_began_on_a_feed_that_left_keeps_its_deadline() {
    let types = [("a", "b"), ("s", "m")];
    let mut task =
        Task::new(book_of(&types, &[absence("x", "a", 5_000)]), settings_of(2), Filing::default(), 1);
    let mut record = Record {
        events: vec![Event {
            kind: TypeId(0),
            time: 10_000,
            sub: 0,
            customer: "c1".into(),
            id: "e".into(),
            source: "s".into(),
            fields: Default::default(),
        }],
        times: [10_000].into_iter().collect(),
    };
    task.read(FeedIx(0), 0, FOREVER, &mut record, Judge::Wall(FOREVER));
    (0..2).for_each(|feed| task.proof(FeedIx(feed), 14_000));
    task.advance(FOREVER, usize::MAX);
    task.change_rulebook(book_of(&[("s", "m")], &[absence("x", "s", 2_000)]), settings_of(1));
    task.proof(FeedIx(0), 1_000_000);
    task.advance(FOREVER, usize::MAX);
    let [Effect::Detected(found)] = &task.desk().effects[..] else { panic!("{:?}", task.desk().effects) };
    assert_eq!((found.time, found.about.id.as_str()), (15_000, "e"));
    assert_eq!((found.about.feed, found.about.kind), (EventRef::FEED_GONE, Some(EventRef::KIND_GONE)));
}
