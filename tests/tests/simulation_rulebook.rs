//! What becomes of a task when its rulebook changes between two starts (DESIGN, section 6).

use cxwatch_engine::{Desk, Effect, FOREVER, Judge, Settings, Task};
use cxwatch_event::{Event, Millis, Record};
use cxwatch_rulebook::{FeedIx, Kind, Level, Roles, Rulebook, Span};
use cxwatch_tests::world::book::{Draft, catalogue, compile, type_id};
use std::sync::Arc;

const FEED: FeedIx = FeedIx(0);

/// Notes what it is told, in words.
#[derive(Default)]
struct Notes(Vec<String>);

impl Desk for Notes {
    type State = u32;

    fn take(&mut self, book: &Rulebook, state: &mut u32, effect: &Effect, _: Millis) {
        *state += 1;
        if let Effect::Detected(d) = effect {
            assert_eq!(d.level, Level::Breach);
            self.0.push(format!("{} at {}", book.rule(d.rule).id, d.time));
        }
    }

    fn next(&self, _: &u32) -> Option<Millis> {
        None
    }

    fn wake(&mut self, _: &Rulebook, _: &str, _: &mut u32, _: Millis) {}

    fn rule_removed(&mut self, customer: &str, _: &mut u32, rule: &str, instant: Millis) {
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
    assert_eq!(
        task.change_rulebook(book(&[absence("slow", "s", 2_000)]), settings()).map(|b| b.len()),
        Ok(1)
    );
    read(&mut task, "s", "c2", 11_000);
    assert_eq!(end(&mut task), ["slow at 13000", "slow at 15000"]);
}

#[test]
fn a_removed_rule_closes_and_the_others_keep_everything_under_their_new_numbers() {
    let mut task = task(&[absence("a", "s", 5_000), absence("b", "s", 6_000)]);
    read(&mut task, "s", "c1", 10_000);
    read(&mut task, "t", "c1", 10_001);
    let kept = task.change_rulebook(book(&[absence("b", "s", 6_000), absence("c", "t", 1_000)]), settings());
    assert_eq!(kept, Ok(Vec::new()));
    read(&mut task, "t", "c1", 12_000);
    assert_eq!(end(&mut task), ["a removed for c1 at 10000", "c at 13000", "b at 16000"],);
}

#[test]
fn a_rule_that_has_become_another_kind_is_another_rule() {
    let mut task = task(&[absence("a", "s", 5_000)]);
    read(&mut task, "s", "c1", 10_000);
    read(&mut task, "t", "c1", 10_001);
    let other = Draft::new("a", Kind::Match).on("t", Roles::EVENT);
    task.change_rulebook(book(&[other]), settings()).expect("the same feeds");
    assert_eq!(end(&mut task), ["a removed for c1 at 10000"]);
}

#[test]
fn what_state_is_kept_by_may_not_change() {
    let mut task = task(&[absence("a", "s", 5_000)]);
    let other_feeds = compile(catalogue(&[("s", "f"), ("t", "g")]), &[absence("a", "s", 5_000)]);
    let refused = task.change_rulebook(Arc::new(other_feeds), Settings::new(2)).expect_err("another feed");
    assert!(refused.contains("f before, f, g now"), "{refused}");
    let other_types = compile(catalogue(&[("r", "f"), ("s", "f")]), &[absence("a", "s", 5_000)]);
    let refused = task.change_rulebook(Arc::new(other_types), settings()).expect_err("s has moved");
    assert!(refused.contains("the event type s is gone or no longer stands where it stood"), "{refused}");
}
