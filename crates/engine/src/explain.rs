//! For people: why nothing came of something, and what a task knows of a customer. Nothing here changes any state.

use crate::absence::Episode;
use crate::apply::ctx;
use crate::customer::State;
use crate::evidence::Evidence;
use crate::place::Pos;
use crate::task::Feed;
use crate::window::Progress;
use crate::{Clock, Desk, EventRef, Measures, Moment, Received, Task};
use compact_str::CompactString;
use cxwatch_event::{Micro, Millis, Profile};
use cxwatch_rulebook::{FeedIx, FeedSet, Level, Roles, RuleIx, Rulebook, Span};

/// Something that happened to a rule's state of one customer, or did not. Told to a desk that watches the customer
/// ([`Desk::watched`]); detections and what becomes of them are [`crate::Effect`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The rule.
    pub rule: RuleIx,
    /// The key of the episode or window; `None` where the event carries none.
    pub key: Option<CompactString>,
    /// The event's time, or the deadline.
    pub time: Millis,
    /// The event that brought it about, where one did.
    pub by: Option<EventRef>,
    /// What it is.
    pub what: What,
}

/// What a note tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The rule names the event's type, but its conditions do not hold.
    PassedBy,
    /// The event has these [`Roles`] in the rule.
    Took(u32),
    /// An event that begins something lacks the field of `per`.
    NoKey,
    /// A guard stood against a start.
    StartBlocked(Blocking),
    /// An episode has opened.
    Opened {
        /// When it is due; `None`: it knows no deadline yet.
        deadline: Option<Millis>,
    },
    /// The event joined an open episode.
    Joined {
        /// The events in it now.
        events: u32,
    },
    /// A start of a key that has had its one episode.
    OnceOnly,
    /// The deadline has moved.
    Refreshed {
        /// When it is due now.
        deadline: Option<Millis>,
    },
    /// The clock of the episode stands.
    Paused,
    /// It runs on.
    Resumed {
        /// When it is due now.
        deadline: Option<Millis>,
    },
    /// The episode was closed in time.
    Closed {
        /// What had opened it.
        opened: EventRef,
        /// When it would have been due.
        deadline: Option<Millis>,
    },
    /// An event that came late shows that there was no such episode.
    Undone {
        /// What had opened it.
        opened: EventRef,
    },
    /// What is due at the note's time waits for these feeds.
    Held(Vec<Holding>),
    /// A guard stood against a firing.
    FiringBlocked(Blocking),
    /// The rule's `when` did not hold.
    WhenFailed {
        /// What was measured.
        measures: Measures,
        /// The number of events.
        events: u32,
    },
    /// The window has not got enough yet.
    NotEnough(Progress),
    /// A window was emptied, a sequence broken.
    Emptied,
}

/// A guard that stands against something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocking {
    /// Its place in [`cxwatch_rulebook::Rule::guards`].
    pub guard: u8,
    /// By what was seen; `None`: by what was not.
    pub by: Option<Sight>,
}

/// What a guard has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// When it happened.
    pub time: Millis,
    /// Feed, offset and sub-index; `None` for a detection.
    pub place: Option<(FeedIx, i64, u32)>,
    /// It begins the state, or is what must not be seen; else it ends the state.
    pub on: bool,
}

impl Sight {
    pub(crate) fn of(pos: Pos, on: bool) -> Self {
        let place = pos.event().map(|(_, feed, offset, sub)| (FeedIx(feed), offset, sub));
        Sight { time: pos.time, place, on }
    }
}

/// A feed that something waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The feed.
    pub feed: FeedIx,
    /// It cannot be seen; else it is behind.
    pub blind: bool,
    /// It has been seen up to here.
    pub watermark: Millis,
}

/// What a task knows of a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The customer.
    pub customer: CompactString,
    /// What is known of the customer.
    pub profile: Profile,
    /// What the clock knows.
    pub clock: Clock,
    /// The rules that know something, in evaluation order.
    pub rules: Vec<RuleView>,
}

/// What one rule knows of a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleView {
    /// The rule.
    pub rule: RuleIx,
    /// Open episodes of an absence.
    pub episodes: Vec<EpisodeView>,
    /// Windows of the other kinds.
    pub windows: Vec<WindowView>,
    /// What the guards have seen: guard, key, newest sighting.
    pub sights: Vec<(u8, Option<CompactString>, Sight)>,
    /// When the next timer of the rule goes off.
    pub timer: Option<Millis>,
}

/// An open episode.
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodeView {
    /// Its key.
    pub key: CompactString,
    /// What opened it.
    pub opened: EventRef,
    /// The newest event that joined it.
    pub joined: Option<EventRef>,
    /// Its warning, which stands apart, or the episode itself.
    pub level: Level,
    /// When it is due; `None` while it is paused or knows none.
    pub deadline: Option<Millis>,
    /// When it warns, if that is to come.
    pub warning: Option<Millis>,
    /// Its clock stands.
    pub paused: bool,
    /// Its measures.
    pub measures: Measures,
    /// The events in it.
    pub events: u32,
    /// It is due, and waits for these feeds.
    pub held: Vec<Holding>,
}

/// A window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowView {
    /// Its key.
    pub key: CompactString,
    /// How far it has come; `None` of a completion that is held.
    pub progress: Option<Progress>,
    /// It is complete since then, and waits for these feeds.
    pub held: Option<(Millis, Vec<Holding>)>,
}

/// The feeds among these that have not come to `deadline`, or cannot be seen.
pub(crate) fn holding(feeds: &[Feed], needs: FeedSet, deadline: Millis) -> Vec<Holding> {
    let holds = needs.iter().filter_map(|ix| {
        let Feed { watermark, blind, .. } = feeds[usize::from(ix.0)];
        let holding = Holding { feed: ix, blind: blind.is_some(), watermark };
        (blind.is_some() || watermark < deadline).then_some(holding)
    });
    holds.collect()
}

/// What a rule asks for where no table says otherwise: the threshold, and the time.
fn asked(book: &Rulebook, ix: RuleIx) -> (Micro, Span) {
    let used = book.by_type.iter().chain(book.by_detection.iter().flatten()).flatten().find(|used| {
        let begins = |(role, _): &(u32, _)| role & (Roles::COUNTED | Roles::WEIGHT) != 0 || role >> 16 != 0;
        used.rule == ix && used.roles.iter().any(begins)
    });
    used.map_or((0, Span::Ms(0)), |used| (used.threshold.default, used.within.default))
}

impl<D: Desk> Task<D> {
    /// Whether the desk wants to know about this customer.
    pub(crate) fn is_watched(&mut self, at: u32) -> bool {
        match self.desk.watched() {
            None => false,
            Some(watched) => self.customers.at(at).is_some_and(|c| c.id == watched),
        }
    }

    /// Tells the desk.
    pub(crate) fn note(&mut self, book: &Rulebook, at: u32, note: &Note) {
        let instant = self.instant;
        let customer = self.customers.live(at);
        let profile = customer.profile.as_deref().unwrap_or(&cxwatch_event::UNKNOWN);
        let moment = Moment { book, customer: &customer.id, profile, instant };
        self.desk.note(&moment, &mut customer.desk, note);
    }

    /// Tells of an event that was dropped as a duplicate.
    #[cold]
    pub(crate) fn note_repeated(&mut self, book: &Rulebook, at: u32, received: Received<'_>) {
        if self.is_watched(at) {
            let instant = self.instant;
            let customer = self.customers.live(at);
            let profile = customer.profile.as_deref().unwrap_or(&cxwatch_event::UNKNOWN);
            let moment = Moment { book, customer: &customer.id, profile, instant };
            self.desk.repeated(&moment, &received.reference(book));
        }
    }

    /// Tells what an event has done to a rule's episodes.
    pub(crate) fn note_turn(&mut self, book: &Rulebook, at: u32, before: &[Episode], took: &Note) {
        let rule = took.rule;
        let Some(slot) = self.customers.live(at).slot(rule) else { return };
        let State::Absence(absence) = &slot.state else { return };
        let whats = turned(before, absence.episodes(), took);
        for (key, what) in whats {
            let note = Note { key: Some(key), what, ..took.clone() };
            self.note(book, at, &note);
        }
    }

    /// What is known of a customer; `None`: nothing.
    pub fn view(&self, customer: &str) -> Option<View> {
        let at = self.customers.find(self.customers.hash(customer), customer)?;
        let known = self.customers.look_at(at)?;
        let rules = known.slots.iter().map(|slot| {
            let (ix, rule) = (RuleIx(slot.rule), self.book.rule(RuleIx(slot.rule)));
            let held = |time: Millis| holding(&self.feeds, rule.needs, time);
            let mut view = RuleView {
                rule: ix,
                episodes: Vec::new(),
                windows: Vec::new(),
                sights: slot.guards.newest(),
                timer: Some(slot.timer_at).filter(|at| *at < crate::FOREVER),
            };
            match &slot.state {
                State::Absence(absence) => {
                    view.episodes = absence.episodes().iter().map(|e| self.episode(e, held)).collect();
                }
                State::Window(window) => {
                    let ctx = ctx(&self.book, ix, &self.settings.limits);
                    let (threshold, within) = asked(&self.book, ix);
                    let open = window.keys().filter_map(|key| {
                        let progress = window.progress(ctx, key, threshold, within, Some(self.instant))?;
                        Some(WindowView { key: key.clone(), progress: Some(progress), held: None })
                    });
                    let complete = window.held.iter().map(|c| WindowView {
                        key: c.key.clone(),
                        progress: None,
                        held: Some((c.time, held(c.time))),
                    });
                    view.windows = open.chain(complete).collect();
                }
            }
            view
        });
        let mut rules: Vec<RuleView> = rules.collect();
        rules.sort_by_key(|view| view.rule);
        Some(View { customer: known.id.clone(), profile: known.known().clone(), clock: self.clock(), rules })
    }

    fn episode(&self, episode: &Episode, held: impl Fn(Millis) -> Vec<Holding>) -> EpisodeView {
        let due = episode.next().map(|(due, _)| due).filter(|due| *due <= self.instant);
        EpisodeView {
            key: episode.key.clone(),
            opened: episode.about.event(),
            joined: episode.last.as_ref().map(Evidence::event),
            level: episode.level,
            deadline: episode.deadline,
            warning: episode.warn,
            paused: episode.is_paused(),
            measures: episode.measures.clone(),
            events: episode.events,
            held: due.map(held).unwrap_or_default(),
        }
    }

    /// What the desk keeps of a customer.
    pub fn desk_state(&self, customer: &str) -> Option<D::State> {
        let at = self.customers.find(self.customers.hash(customer), customer)?;
        self.customers.look_at(at).map(|known| known.into_owned().desk)
    }

    /// The ids of customers who are known and whose ids are nearest to this one: for whoever has mistyped it.
    pub fn customers_like(&self, near: impl Fn(&str) -> bool, most: usize) -> Vec<CompactString> {
        let mut found: Vec<CompactString> =
            self.customers.ids().filter(|id| near(id)).map(CompactString::from).collect();
        found.sort_unstable();
        found.truncate(most);
        found
    }
}

/// What has become of episodes through one event.
fn turned(before: &[Episode], after: &[Episode], took: &Note) -> Vec<(CompactString, What)> {
    let What::Took(roles) = took.what else { return Vec::new() };
    let is_same = |a: &Episode, b: &Episode| a.level == b.level && a.about == b.about && a.key == b.key;
    let mut whats = Vec::new();
    for old in before.iter().filter(|e| e.level == Level::Breach) {
        let Some(new) = after.iter().find(|e| is_same(e, old)) else {
            let opened = old.about.event();
            let what = if roles & Roles::STOP != 0 {
                What::Closed { opened, deadline: old.deadline }
            } else {
                What::Undone { opened }
            };
            whats.push((old.key.clone(), what));
            continue;
        };
        let deadline = new.deadline;
        let what = match (old.is_paused(), new.is_paused()) {
            (false, true) => Some(What::Paused),
            (true, false) => Some(What::Resumed { deadline }),
            _ if new.deadline != old.deadline => Some(What::Refreshed { deadline }),
            _ => None,
        };
        let joined = (new.events > old.events).then_some(What::Joined { events: new.events });
        whats.extend(joined.into_iter().chain(what).map(|what| (old.key.clone(), what)));
    }
    for new in after.iter().filter(|e| e.level == Level::Breach) {
        if !before.iter().any(|old| is_same(old, new)) {
            whats.push((new.key.clone(), What::Opened { deadline: new.deadline }));
        }
    }
    let begun = whats.iter().any(|(_, what)| matches!(what, What::Opened { .. } | What::Joined { .. }));
    if roles & Roles::START != 0
        && !begun
        && let Some(key) = &took.key
    {
        whats.push((key.clone(), What::OnceOnly));
    }
    whats
}
