//! Something expected that did not happen.

use super::{About, Claim, EventRef, Given};
use cxwatch_event::{Micro, Millis};
use cxwatch_rulebook::{Kind, Level, Roles, Rule, Span};

/// One key of an absence.
#[derive(Default)]
pub(super) struct State {
    open: Option<Episode>,
    has_opened: bool,
}

struct Episode {
    about: About,
    within: Span,
    base_severity: u8,
    clock: Clock,
    /// The deadline that the last warning was for.
    warned_for: Option<Millis>,
    measures: Vec<Option<Micro>>,
    evidence: Vec<EventRef>,
}

#[derive(Clone, Copy)]
enum Clock {
    /// The deadline from data is not known yet.
    Waiting,
    Running(Running),
    Paused(Paused),
}

#[derive(Clone, Copy)]
struct Running {
    /// When it was set going: the start, the last refresh or the last resume.
    since: Millis,
    /// What had been used up by then.
    used_before: Millis,
    deadline: Millis,
    warning: Option<Millis>,
}

#[derive(Clone, Copy)]
enum Paused {
    /// What has been used up, and what is left.
    With { used: Millis, left: Millis },
    /// Nothing has been used.
    Whole,
}

impl State {
    pub(super) fn take(&mut self, given: &Given, may_start: bool) {
        if given.has(Roles::STOP) {
            self.open = None;
        }
        if let Some(episode) = &mut self.open {
            episode.take(given);
        }
        if given.has(Roles::START) && given.hit.key.is_some() && may_start {
            self.start(given);
        }
    }

    fn start(&mut self, given: &Given) {
        let Kind::Absence { once, .. } = given.rule.kind else { unreachable!("only absences open") };
        if self.open.is_none() && !(once && self.has_opened) {
            self.open = Some(Episode::open(given));
            self.has_opened = true;
        }
        if let Some(episode) = &mut self.open {
            episode.measure(given, false);
            episode.evidence.push(given.fact.evidence);
        }
    }

    pub(super) fn next_timer(&self) -> Option<(Millis, Level)> {
        match self.open.as_ref()?.clock {
            Clock::Running(Running { warning: Some(at), .. }) => Some((at, Level::Warning)),
            Clock::Running(Running { deadline, .. }) => Some((deadline, Level::Breach)),
            Clock::Waiting | Clock::Paused(_) => None,
        }
    }

    /// What the next timer says. A breach closes the episode.
    pub(super) fn fire(&mut self, rule: &Rule, key: &str) -> Claim {
        let (time, level) = self.next_timer().expect("only what is due is fired");
        let episode = self.open.as_mut().expect("a timer belongs to an open episode");
        debug_assert_eq!(episode.measures.len(), rule.measures.len());
        let claim = Claim {
            time,
            key: key.into(),
            level,
            about: episode.about.clone(),
            base_severity: episode.base_severity,
            measures: episode.measures.clone(),
            evidence: episode.evidence.clone(),
        };
        match (&mut episode.clock, level) {
            (Clock::Running(running), Level::Warning) => {
                episode.warned_for = Some(running.deadline);
                running.warning = None;
            }
            _ => self.open = None,
        }
        claim
    }
}

impl Episode {
    fn open(given: &Given) -> Self {
        let mut episode = Episode {
            about: given.fact.about.clone(),
            within: given.hit.within,
            base_severity: given.hit.severity,
            clock: Clock::Waiting,
            warned_for: None,
            measures: vec![None; given.rule.measures.len()],
            evidence: Vec::new(),
        };
        episode.start_clock(given);
        episode
    }

    /// At a start or refresh: the whole time from now, or to the deadline that the event carries.
    fn start_clock(&mut self, given: &Given) {
        let Kind::Absence { data_deadline, grace, .. } = given.rule.kind else {
            unreachable!("an absence's episode")
        };
        let now = given.fact.time;
        if !data_deadline {
            self.run(given, 0, given.rule.due(given.book, now, self.within));
        } else if let Some(deadline) = given.hit.deadline {
            self.run(given, 0, given.rule.due(given.book, deadline, grace));
        }
    }

    /// Sets a new deadline, with so much of the time used up before now.
    fn run(&mut self, given: &Given, used_before: Millis, deadline: Millis) {
        let now = given.fact.time;
        let deadline = deadline.max(now);
        let warning = warning(given, used_before, deadline).filter(|_| self.warned_for != Some(deadline));
        self.clock = Clock::Running(Running { since: now, used_before, deadline, warning });
    }

    /// All that an event does to an open episode but stop and start.
    fn take(&mut self, given: &Given) {
        let Kind::Absence { data_deadline, .. } = given.rule.kind else {
            unreachable!("an absence's episode")
        };
        if data_deadline {
            if given.has(Roles::REFRESH) {
                self.start_clock(given);
            }
        } else {
            if given.has(Roles::PAUSE) {
                self.pause(given);
            }
            if given.has(Roles::RESUME) {
                self.resume(given);
            }
            if given.has(Roles::REFRESH) {
                self.refresh(given);
            }
        }
        if given.has(Roles::MINUS) {
            self.measure(given, true);
        }
    }

    fn pause(&mut self, given: &Given) {
        if let Clock::Running(running) = self.clock {
            let now = given.fact.time;
            let used = running.used_before + given.rule.used(given.book, running.since, now);
            let left = given.rule.used(given.book, now, running.deadline);
            self.clock = Clock::Paused(Paused::With { used, left });
        }
    }

    fn resume(&mut self, given: &Given) {
        match self.clock {
            Clock::Waiting | Clock::Running(_) => {}
            Clock::Paused(Paused::Whole) => self.start_clock(given),
            Clock::Paused(Paused::With { used, left }) => {
                self.run(given, used, given.rule.due(given.book, given.fact.time, Span::Ms(left)));
            }
        }
    }

    fn refresh(&mut self, given: &Given) {
        match self.clock {
            Clock::Paused(_) => self.clock = Clock::Paused(Paused::Whole),
            Clock::Waiting | Clock::Running(_) => self.start_clock(given),
        }
    }

    /// Adds to the measures that the type adds to, or subtracts from those that it subtracts from.
    fn measure(&mut self, given: &Given, minus: bool) {
        for (i, measure) in given.rule.measures.iter().enumerate() {
            if given.minus[i] == minus {
                self.measures[i] = measure.fold.add(self.measures[i], given.hit.deltas[i]);
            }
        }
    }
}

/// The warning's instant for a deadline of which so much has been used up before now: its share of the whole time, not
/// before now. `None` where it would not come before the deadline.
fn warning(given: &Given, used_before: Millis, deadline: Millis) -> Option<Millis> {
    let Kind::Absence { warn_permille, .. } = given.rule.kind else { unreachable!("only absences warn") };
    let now = given.fact.time;
    let whole = used_before + given.rule.used(given.book, now, deadline);
    let share = whole * Millis::from(warn_permille?) / 1000;
    let at = given.rule.due(given.book, now, Span::Ms((share - used_before).max(0)));
    Some(at).filter(|at| *at < deadline)
}
