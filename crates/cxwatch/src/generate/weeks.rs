//! Weeks of a company: everything that the starter's rules look for, ordinary life around it, and what must come of it.

use super::draw::Draw;
use super::life::{self, Life};
use super::{Arrival, Recipe, event};
use cxwatch_event::{Millis, rfc3339};
use std::fmt::Write;

/// The feeds of [`Weeks`]: those of the others, and the customers' own.
pub const FEEDS_OF_WEEKS: [&str; 5] = ["contact-center", "social", "transaction", "web", "customers"];

/// In so long, all lives begin.
const BEGIN_WITHIN_MS: Millis = 7 * 86_400_000;

/// What must come of a story, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The rule.
    pub rule: &'static str,
    /// The customer to whom it happens.
    pub customer: String,
    /// The cart, contact, order, ...; empty for rules without `per`.
    pub key: String,
    /// When the story begins.
    pub from: Millis,
    /// When the detection must hold; where it must not come: until when none may hold since `from`.
    pub deadline: Millis,
    /// Whether it must come.
    pub comes: bool,
}

/// The lives of some customers, told side by side. It ends.
pub struct Weeks {
    letters: std::vec::IntoIter<Letter>,
    current: Letter,
    expectations: Vec<Expectation>,
}

/// An event on its way.
#[derive(Debug, Clone)]
struct Letter {
    at: Millis,
    number: u64,
    feed: usize,
    customer: String,
    json: String,
}

impl Weeks {
    /// Weeks by this recipe, whose `per_kilosecond` means nothing here: customers live as fast as they do.
    pub fn new(recipe: &Recipe) -> Self {
        let mut draw = Draw::new(recipe.seed);
        let (mut letters, mut expectations, mut number) = (Vec::new(), Vec::new(), 0);
        for at in 0..recipe.customers {
            let customer = format!("c{at:06}");
            let start = recipe.start + draw.between(0, BEGIN_WITHIN_MS);
            let life = Life::new(&mut draw, &customer, at, start);
            let told = life::tell(life, at);
            for planned in told.events {
                let mut json = String::with_capacity(320);
                let (feed, time) = (planned.feed, planned.time);
                event::write(&mut json, feed, number, planned.kind, &customer, time, &planned.data);
                let letter = |at, json| Letter { at, number, feed, customer: customer.clone(), json };
                let arrives = time + draw.between(0, recipe.disorder_ms);
                if draw.permille(recipe.duplicates_permille) {
                    let again = arrives + draw.between(0, recipe.disorder_ms);
                    letters.push(letter(again, json.clone()));
                }
                letters.push(letter(arrives, json));
                number += 1;
            }
            expectations.extend(told.expectations);
        }
        letters.sort_by_key(|letter| (letter.at, letter.number));
        let over =
            Letter { at: Millis::MAX, number: 0, feed: 0, customer: String::new(), json: String::new() };
        Weeks { letters: letters.into_iter(), current: over, expectations }
    }

    /// The next event to arrive; one without bytes, at the end of time, when it is over.
    #[allow(clippy::should_implement_trait, reason = "what it lends lives until the next call")]
    pub fn next(&mut self) -> Arrival<'_> {
        match self.letters.next() {
            Some(letter) => self.current = letter,
            None => {
                self.current.at = Millis::MAX;
                self.current.json.clear();
            }
        }
        let Letter { at, feed, customer, json, .. } = &self.current;
        Arrival { feed: *feed, at: *at, customer, json: json.as_bytes() }
    }

    /// What must come of it.
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
    }

    /// The same as CSV.
    pub fn expectations_csv(&self) -> String {
        let mut text = String::from("rule,customer,key,from,deadline,comes\n");
        for Expectation { rule, customer, key, from, deadline, comes } in &self.expectations {
            let (from, deadline) = (rfc3339::format(*from), rfc3339::format(*deadline));
            let comes = if *comes { "yes" } else { "no" };
            writeln!(text, "{rule},{customer},{key},{from},{deadline},{comes}")
                .expect("a String takes everything");
        }
        text
    }
}
