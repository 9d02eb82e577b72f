//! The day of a small company.

use super::draw::Draw;
use super::story::{self, EVENTS_PER_STORY_CENTI};
use super::{Arrival, Recipe, event};
use cxwatch_event::Millis;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Stories of customers, told side by side. An endless source: it goes on after the day is over.
pub struct Day {
    recipe: Recipe,
    draw: Draw,
    /// The stories begun.
    stories: u64,
    /// When the next begins, in microseconds after the start.
    next_story_us: u64,
    /// The events planned.
    events: u64,
    /// By arrival and number.
    waiting: BinaryHeap<Reverse<(Millis, u64, Letter)>>,
    current: Letter,
}

/// An event on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Letter {
    feed: usize,
    customer: String,
    json: String,
}

impl Day {
    /// A day by this recipe.
    pub fn new(recipe: Recipe) -> Self {
        let draw = Draw::new(recipe.seed);
        Day {
            recipe,
            draw,
            stories: 0,
            next_story_us: 0,
            events: 0,
            waiting: BinaryHeap::new(),
            current: Letter::default(),
        }
    }

    /// The next event to arrive.
    #[allow(clippy::should_implement_trait, reason = "what it lends lives until the next call")]
    pub fn next(&mut self) -> Arrival<'_> {
        // What a story that has not begun will say comes after its beginning.
        while self.waiting.peek().is_none_or(|Reverse((at, ..))| *at >= self.next_story()) {
            self.begin_story();
        }
        let Reverse((at, _, letter)) = self.waiting.pop().expect("a story has events");
        self.current = letter;
        let Letter { feed, customer, json } = &self.current;
        Arrival { feed: *feed, at, customer, json: json.as_bytes() }
    }

    fn next_story(&self) -> Millis {
        self.recipe.start + (self.next_story_us / 1_000) as Millis
    }

    fn begin_story(&mut self) {
        let start = self.next_story();
        let customer = self.draw.below(u64::from(self.recipe.customers.max(1)));
        let customer = format!("c{customer:06}");
        for planned in story::tell(&mut self.draw, self.stories, start) {
            let number = self.events;
            self.events += 1;
            let mut json = String::with_capacity(320);
            event::write(
                &mut json,
                planned.feed,
                number,
                planned.kind,
                &customer,
                planned.time,
                &planned.data,
            );
            let letter = Letter { feed: planned.feed, customer: customer.clone(), json };
            let at = planned.time + self.draw.between(0, self.recipe.disorder_ms);
            if self.draw.permille(self.recipe.duplicates_permille) {
                let again = at + self.draw.between(0, self.recipe.disorder_ms);
                self.waiting.push(Reverse((again, number, letter.clone())));
            }
            self.waiting.push(Reverse((at, number, letter)));
        }
        self.stories += 1;
        // On average so far apart that the events come as often as wished.
        let mean_us = EVENTS_PER_STORY_CENTI * 10_000_000 / self.recipe.per_kilosecond.max(1);
        self.next_story_us += self.draw.below(2 * mean_us + 1);
    }
}
