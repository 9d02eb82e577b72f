//! The whole rulebook, and the numbers by which its parts are known.

use super::{Level, Rule, RuleUse};
use crate::{Action, Calendar, DeskUse, Policy};
use compact_str::CompactString;
use cxwatch_event::{Catalogue, FieldIx, Interest, TypeId, builtin};
use std::sync::Arc;

/// A rule's place in evaluation order: ascending (rank in the dependency graph, rule id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIx(pub u16);

/// A feed's place in the order of names, which is also the order of events at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedIx(pub u8);

/// A set of feeds (at most 64).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FeedSet(pub u64);

impl FeedSet {
    /// This set and one feed more.
    pub fn with(self, feed: FeedIx) -> Self {
        FeedSet(self.0 | 1 << feed.0)
    }

    /// Everything in either.
    pub fn union(self, other: FeedSet) -> Self {
        FeedSet(self.0 | other.0)
    }

    /// Whether the feed is in it.
    pub fn contains(self, feed: FeedIx) -> bool {
        self.0 >> feed.0 & 1 == 1
    }

    /// Its feeds in ascending order.
    pub fn iter(self) -> impl Iterator<Item = FeedIx> {
        (0..64).map(FeedIx).filter(move |f| self.contains(*f))
    }
}

/// A whole rulebook, compiled.
#[derive(Debug, Clone)]
pub struct Rulebook {
    /// Its name; part of every action's id.
    pub name: CompactString,
    /// The version its author gave it.
    pub version: u32,
    /// The first 128 bits of SHA-256 over its meaning (not its layout or comments).
    pub hash: [u8; 16],
    /// The event types it was compiled against: the built-in ones and its own.
    pub catalogue: Arc<Catalogue>,
    /// All feeds of the catalogue, in ascending order of names.
    pub feeds: Vec<CompactString>,
    /// The feed of every type; `None` for a heartbeat.
    pub feed_of_type: Vec<Option<FeedIx>>,
    /// Its calendars.
    pub calendars: Vec<Calendar>,
    /// Its rules in evaluation order: [`RuleIx`] indexes this.
    pub rules: Vec<Rule>,
    /// The actions its rules may propose.
    pub actions: Vec<Action>,
    /// What holds for all actions.
    pub policy: Policy,
    /// The type that carries the customer's profile.
    pub profile: Option<TypeId>,
    /// By [`TypeId`]: what an event of the type means to decisions.
    pub desk_uses: Vec<Option<DeskUse>>,
    /// What the decoder has to extract.
    pub interest: Interest,
    /// By [`TypeId`], where an action may be about an event of the type: which of its fields name what a router knows, by
    /// their place in [`REFERENCES`].
    pub references: Vec<Vec<(u8, FieldIx)>>,
    /// By [`TypeId`]: the rules that name the type, in evaluation order.
    pub by_type: Vec<Vec<RuleUse>>,
    /// By [`RuleIx`]: the rules built on a rule's detections (`[0]`) and on its warnings (`[1]`).
    pub by_detection: Vec<[Vec<RuleUse>; 2]>,
}

/// The fields by which a router knows what an event is about.
pub const REFERENCES: [&str; 7] =
    ["contact_id", "conversation_id", "session_id", "order_id", "cart_id", "post_id", "network"];

impl Rulebook {
    /// The rules that name an event type, in evaluation order.
    pub fn uses(&self, kind: TypeId) -> &[RuleUse] {
        &self.by_type[usize::from(kind.0)]
    }

    /// The rules built on a rule's detections or warnings, in evaluation order.
    pub fn uses_of_detection(&self, rule: RuleIx, level: Level) -> &[RuleUse] {
        &self.by_detection[usize::from(rule.0)][level as usize]
    }

    /// A rule.
    pub fn rule(&self, ix: RuleIx) -> &Rule {
        &self.rules[usize::from(ix.0)]
    }

    /// The rule of that id.
    pub fn rule_named(&self, id: &str) -> Option<RuleIx> {
        self.rules.iter().position(|r| r.id == id).map(|i| RuleIx(i as u16))
    }

    /// The feeds from which something is read: by rules, by decisions, or of the customer.
    pub fn feeds_read(&self) -> FeedSet {
        let rules = self.rules.iter().fold(FeedSet::default(), |set, rule| set.union(rule.needs));
        let uses =
            self.desk_uses.iter().zip(0..).filter(|(used, _)| used.is_some()).map(|(_, id)| TypeId(id));
        let named = uses.chain(self.profile).chain(
            self.by_type.iter().zip(0..).filter(|(uses, _)| !uses.is_empty()).map(|(_, id)| TypeId(id)),
        );
        named.filter_map(|id| self.feed_of_type[usize::from(id.0)]).fold(rules, FeedSet::with)
    }

    /// The same rulebook where a feed is not to be had: of customers nothing is known, and what becomes of actions
    /// is not heard. `None`: rules name types of this feed, or it is not one of the feeds that can be done without.
    pub fn without(&self, feed: &str) -> Option<Rulebook> {
        let gone = self.feed_named(feed)?;
        let named = |id: usize| self.feed_of_type[id] == Some(gone) && !self.by_type[id].is_empty();
        let possible = [builtin::CUSTOMERS, builtin::OUTCOMES].contains(&feed);
        if !possible || (0..self.by_type.len()).any(named) {
            return None;
        }
        let moved = |ix: FeedIx| FeedIx(ix.0 - u8::from(ix.0 > gone.0));
        let mut book = self.clone();
        book.feeds.remove(usize::from(gone.0));
        for home in &mut book.feed_of_type {
            *home = home.filter(|ix| *ix != gone).map(moved);
        }
        for rule in &mut book.rules {
            rule.needs = rule.needs.iter().map(moved).fold(FeedSet::default(), FeedSet::with);
        }
        Some(book)
    }

    /// What an event of a type means to decisions.
    pub fn desk_use(&self, kind: TypeId) -> Option<&DeskUse> {
        self.desk_uses.get(usize::from(kind.0)).and_then(Option::as_ref)
    }

    /// The feed of that name.
    pub fn feed_named(&self, name: &str) -> Option<FeedIx> {
        self.feeds.iter().position(|f| f == name).map(|i| FeedIx(i as u8))
    }
}
