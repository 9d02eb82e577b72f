//! What a live task can tell of a customer.

use super::Live;
use crate::desk::Publisher;
use crate::ports::PAUSED_ALL;
use cxwatch_decision::explanation::{Explanation, Question, explain, explain_past};
use cxwatch_decision::{Explained, Paused};
use cxwatch_engine::EventRef;
use cxwatch_event::Millis;
use cxwatch_rulebook::RuleIx;

/// Why nothing is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untold {
    /// Nothing is known of the customer: no event has come, or what came no longer matters to any rule.
    Unknown,
    /// Time has come no further than this.
    NotYet(Millis),
}

impl<D: Publisher> Live<D> {
    /// Why, and why not, as far as it is remembered: of a customer, of one rule or of all, now or as of an instant that
    /// has passed.
    pub fn explain(
        &self,
        customer: &str,
        rule: Option<RuleIx>,
        at: Option<Millis>,
    ) -> Result<Explanation, Untold> {
        let view = self.task.view(customer).ok_or(Untold::Unknown)?;
        let (book, now) = (self.task.book(), self.task.instant());
        if at.is_some_and(|at| at > now) {
            return Err(Untold::NotYet(now));
        }
        let desk = self.task.desk_state(customer);
        let desk =
            desk.map_or_else(Explained::default, |state| self.task.desk().explained(&state, book, now));
        let mut paused = self.task.desk().paused();
        let paused = Paused { all: paused.remove(PAUSED_ALL), rules: paused };
        let place = |event: &EventRef| {
            let feed = self.rules.feeds.get(usize::from(event.feed));
            let topic = feed.map_or("?", |feed| feed.topic.as_str());
            format!("{topic}/{}/{}", self.partition, event.offset)
        };
        let question = Question {
            book,
            customer,
            rule,
            at: at.unwrap_or(now),
            story: None,
            passed_over: &[],
            view: Some(&view),
            desk: &desk,
            paused: &paused,
            place: &place,
        };
        Ok(if at.is_some_and(|at| at < now) { explain_past(&question) } else { explain(&question) })
    }
}
