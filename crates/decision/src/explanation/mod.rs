//! Why, and why not: what became of a customer under a rulebook, in words and as JSON.
//!
//! [`explain`] puts together what a desk was told of one customer ([`Told`], in order), what the engine knows of the
//! customer now ([`View`]) and what decisions know ([`crate::Explained`]). It is pure: the same story gives the same
//! sentences. A service has no story, only what it knows: then it says so ([`Basis::State`]).

mod again;
mod answers;
mod reasons;
mod render;
mod state;
#[cfg(test)]
mod tests;
mod words;

use crate::{Decision, Explained};
use cxwatch_engine::{Effect, EventRef, Note, View, What};
use cxwatch_event::Millis;
use cxwatch_event::messages::Rfc3339;
use cxwatch_rulebook::{RuleIx, Rulebook};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use words::Words;

/// One thing that a desk was told of the customer, or decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Something happened to a rule's state, or did not.
    Note(Note),
    /// A detection, or what became of it.
    Effect(Effect),
    /// What was decided on it.
    Decision(Decision),
}

impl Told {
    /// The rule it is about, by its id.
    fn rule<'a>(&'a self, book: &'a Rulebook) -> &'a str {
        match self {
            Told::Note(note) => &book.rule(note.rule).id,
            Told::Effect(Effect::Detected(d)) => &book.rule(d.rule).id,
            Told::Effect(Effect::Retracted(e) | Effect::Resolved(e)) => &book.rule(e.rule).id,
            Told::Decision(Decision::Action(a)) => &a.rule,
            Told::Decision(Decision::Suppressed(s)) => &s.rule,
        }
    }
}

/// An event that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The event.
    pub event: EventRef,
    /// Where it stands, where that is known.
    pub place: Option<String>,
    /// Why.
    pub why: Passed,
}

/// Why an event was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    /// Its source and id had been seen.
    Duplicate,
    /// It lies further back than the late horizon behind its feed.
    TooLate,
    /// It lies in the future.
    TimeInFuture,
}

/// What is asked, and all that is known.
pub struct Question<'a> {
    /// The rulebook in force.
    pub book: &'a Rulebook,
    /// The customer.
    pub customer: &'a str,
    /// This rule only.
    pub rule: Option<RuleIx>,
    /// The instant to which time has come; without a story also one that has passed.
    pub at: Millis,
    /// Everything that was told, each with its instant; `None`: nobody listened, only the state is known.
    pub story: Option<&'a [(Millis, Told)]>,
    /// Events of the customer that were passed over, and why.
    pub passed_over: &'a [PassedOver],
    /// What the engine knows of the customer.
    pub view: Option<&'a View>,
    /// What decisions know.
    pub desk: &'a Explained,
    /// The rules whose requests an operator has stopped.
    pub paused: &'a crate::Paused,
    /// Where an event stands: `web/3/1017`, or `web.jsonl:12`.
    pub place: &'a dyn Fn(&EventRef) -> String,
}

/// What an explanation rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Every event of the input was followed.
    Events,
    /// Only what is remembered at the instant: what left nothing behind is not told.
    State,
    /// Only what is still remembered of an instant that has passed: what has ended since is not told.
    Remembered,
}

/// Why, and why not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The customer.
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub customer: String,
    /// The instant to which time has come.
    pub at: Rfc3339,
    /// The rulebook.
    pub rulebook: String,
    /// The version its author gave it.
    pub version: u32,
    /// What it rests on.
    pub basis: Basis,
    /// By rule, in evaluation order.
    pub rules: Vec<RuleAnswer>,
    /// Why there were several requests, one sentence for each after the first.
    pub again: Vec<String>,
    /// What was seen of the customer, oldest first.
    pub seen: Vec<EventView>,
    /// Events that came and changed nothing, oldest first.
    pub passed_over: Vec<PassedOverView>,
    /// Actions that are alive or remembered.
    pub actions: Vec<ActionView>,
    /// Candidates that wait.
    pub pending: Vec<PendingView>,
    /// What keeps rules quiet.
    pub cooldowns: Vec<CooldownView>,
    /// Contacts that caps count.
    pub contacts: Vec<ContactView>,
    /// The feeds as the clock knows them.
    pub feeds: Vec<FeedView>,
}

/// What became of the customer under one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleAnswer {
    /// The rule's id.
    pub rule: String,
    /// Why it came to what it came to, in order of time: the last is how it stands.
    pub because: Vec<Because>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// Its open episodes.
    pub episodes: Vec<EpisodeView>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Because {
    /// Which of the closed list.
    pub answer: Answer,
    /// When.
    pub time: Rfc3339,
    /// The key it is about. Absent where the rule has no `per`, or none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: Option<String>,
    /// In words.
    pub sentence: String,
    /// What would have had to be different.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
}

/// The closed list of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// No event that begins the rule has come.
    NoEvent,
    /// Of an instant that has passed: nothing is remembered.
    Forgotten,
    /// Events came, but the rule's conditions on them did not hold.
    NotMatched,
    /// An event came without the field of `per`.
    NoKey,
    /// A guard stood against the start.
    StartBlocked,
    /// The key has had its one episode.
    OnceOnly,
    /// The episode is open, and its deadline not reached.
    NotYet,
    /// The episode's clock stands.
    Paused,
    /// It is due, and waits for a feed.
    Held,
    /// What was missing came in time.
    Closed,
    /// A guard stood against the firing.
    FiringBlocked,
    /// The rule's `when` did not hold.
    WhenFailed,
    /// Not enough events.
    NotEnough,
    /// The window was emptied, the sequence broken.
    Emptied,
    /// It was detected, and the rule proposes no action.
    Detected,
    /// An action was requested.
    Requested,
    /// The action of a request was changed: a revision, no second action.
    Updated,
    /// A request was taken back.
    Revoked,
    /// A request ran out.
    Expired,
    /// A candidate led to no action.
    Suppressed,
    /// A candidate waits.
    Pending,
    /// The detection was taken back.
    Retracted,
    /// The need to act is over.
    Resolved,
    /// An operator has stopped the requests of the rule.
    Stopped,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The instant at which it was processed.
    pub at: Rfc3339,
    /// In words.
    pub sentence: String,
}

/// An event that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventView {
    /// When it happened.
    pub time: Rfc3339,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// CloudEvents `id`. Absent where only the type is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub id: Option<String>,
    /// Feed, partition and offset, or file and line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// An event that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PassedOverView {
    /// The event.
    pub event: EventView,
    /// Why.
    pub why: Passed,
    /// In words, with what would have had to be different.
    pub sentence: String,
}

/// An open episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpisodeView {
    /// Its key. Absent where the rule has no `per`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: Option<String>,
    /// What opened it.
    pub opened: EventView,
    /// When it is due. Absent while it is paused or knows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Rfc3339>,
    /// Its clock stands.
    pub paused: bool,
    /// It is due and waits for these feeds.
    pub held_by: Vec<String>,
    /// Its measures.
    pub measures: BTreeMap<String, cxwatch_event::messages::Decimal>,
}

/// An action that is alive or remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionView {
    /// Its id.
    pub action_id: String,
    /// The rule.
    pub rule: String,
    /// Its name.
    pub action: String,
    /// The episode's key; empty where the rule has no `per`.
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: String,
    /// Where it is in its life.
    pub stage: String,
    /// Its newest revision.
    pub revision: u32,
    /// The end of its life.
    pub expires: Rfc3339,
}

/// A candidate that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PendingView {
    /// The rule.
    pub rule: String,
    /// The action's name.
    pub action: String,
    /// The episode's key; empty where the rule has no `per`.
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: String,
    /// For what it waits.
    pub reason: cxwatch_event::messages::SuppressionReason,
    /// Until when.
    pub until: Rfc3339,
}

/// A cool-down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CooldownView {
    /// The rule.
    pub rule: String,
    /// The episode's key; empty where the rule has no `per`.
    #[schemars(extend("x-personal" = "pseudonym"))]
    pub key: String,
    /// Until when.
    pub until: Rfc3339,
}

/// A contact that caps count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContactView {
    /// When.
    pub time: Rfc3339,
    /// Through which channel.
    pub channel: String,
    /// `person` or `machine`.
    pub by: String,
}

/// A feed as the clock knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedView {
    /// The feed.
    pub feed: String,
    /// It has been seen up to here. Absent: nothing yet, or all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_to: Option<Rfc3339>,
    /// It cannot be seen.
    pub blind: bool,
}

/// Explains.
pub fn explain(question: &Question<'_>) -> Explanation {
    let basis = if question.story.is_some() { Basis::Events } else { Basis::State };
    said(&Words { question, basis })
}

/// Explains an instant that has passed, by what is still remembered of it; of the present where there is none.
pub fn explain_past(question: &Question<'_>) -> Explanation {
    let view = question.view.map(|view| state::as_of(view, question.at));
    let desk = question.desk.clone().remembered_at(question.at);
    let question = Question { story: None, view: view.as_ref(), desk: &desk, ..*question };
    said(&Words { question: &question, basis: Basis::Remembered })
}

fn said(words: &Words<'_>) -> Explanation {
    let question = words.question;
    let book = question.book;
    let rules = (0..book.rules.len() as u16).map(RuleIx);
    let rules = rules.filter(|ix| question.rule.is_none_or(|rule| rule == *ix));
    Explanation {
        customer: question.customer.into(),
        at: Rfc3339(question.at),
        rulebook: book.name.to_string(),
        version: book.version,
        basis: words.basis,
        rules: rules.map(|ix| answers::of_rule(words, ix)).collect(),
        again: again::sentences(words),
        seen: seen(words),
        passed_over: passed_over(words),
        actions: state::actions(words),
        pending: state::pending(words),
        cooldowns: state::cooldowns(words),
        contacts: state::contacts(words),
        feeds: state::feeds(words),
    }
}

/// What came and changed nothing.
fn passed_over(words: &Words<'_>) -> Vec<PassedOverView> {
    let mut all: Vec<&PassedOver> = words.question.passed_over.iter().collect();
    all.sort_by_key(|passed| passed.event.time);
    let view = |passed: &&PassedOver| {
        let event = EventView { place: passed.place.clone(), ..words.event_view(&passed.event) };
        let sentence = match passed.why {
            Passed::Duplicate => {
                "a duplicate: this id of this source had been seen before; another event needs another id"
            }
            Passed::TooLate => {
                "it came too late, further back than `late_horizon` behind its feed; it would have had to come earlier, or the \
                 horizon be longer"
            }
            Passed::TimeInFuture => {
                "it lies in the future; the clock of whoever wrote it would have to be right"
            }
        };
        PassedOverView { event, why: passed.why, sentence: sentence.into() }
    };
    all.iter().map(view).collect()
}

/// Every event that some rule names, once.
fn seen(words: &Words<'_>) -> Vec<EventView> {
    let Some(story) = words.question.story else {
        let past = words.question.desk.timeline.iter();
        let view = |kind: String, time| EventView { time: Rfc3339(time), kind, id: None, place: None };
        return past.map(|p| view(p.kind.to_string(), p.time)).collect();
    };
    let mut seen: Vec<EventView> = Vec::new();
    for (_, told) in story {
        let Told::Note(note) = told else { continue };
        if !matches!(note.what, What::Took(_) | What::PassedBy)
            || words.question.rule.is_some_and(|rule| rule != note.rule)
        {
            continue;
        }
        let Some(event) = note.by.as_ref().filter(|event| event.kind.is_some()) else { continue };
        let view = words.event_view(event);
        if !seen.contains(&view) {
            seen.push(view);
        }
    }
    seen
}
