//! The stages from *may we?* on.

use super::log::{Log, Pending, Proposal, Record, State, Wrong};
use super::quiet::{end_of_quiet, is_open, is_quiet, next_opening, zone};
use super::{About, Arm, Cause, Said, When, end_of_life};
use cxwatch_decision::ActionId;
use cxwatch_engine::Detection;
use cxwatch_event::messages::SuppressionReason as Reason;
use cxwatch_event::{MICRO, Micro, Millis, Value};
use cxwatch_rulebook::{ActionField, Cap, Class, Cond, Factor};
use sha2::{Digest, Sha256};

const MINUTE_MS: Millis = 60_000;

/// Why a candidate leads to nothing: until when, and which action is in the way, where that is known.
type Against = (Reason, Option<Millis>, Option<ActionId>);

impl Log {
    /// Decides candidates of one detection that are alive: one that is no offer, or all its offers together.
    pub(super) fn decide(
        &mut self,
        when: When,
        detection: &Detection,
        candidates: &[usize],
        proposal: Proposal,
    ) {
        let mut now = Vec::new();
        let mut deferred = Vec::new();
        for action in candidates.iter().copied() {
            let against = if self.wrong == Some(Wrong::ModeBeforeConsent) {
                self.mode(when, detection, action).or_else(|| self.consent(when, action))
            } else {
                self.consent(when, action).or_else(|| self.mode(when, detection, action))
            };
            let early = self.wrong == Some(Wrong::CapsBeforeHours);
            let against = against.or_else(|| if early { self.too_often(when, action) } else { None });
            if let Some((reason, until, by)) = against {
                self.suppress_by(when, detection, action, reason, until, by, None);
            } else if let Some(until) = self.obstacle(when, action) {
                deferred.push((action, until));
            } else if let Some((reason, until, by)) = self.too_often(when, action) {
                self.suppress_by(when, detection, action, reason, until, by, None);
            } else {
                now.push(action);
            }
        }
        for (action, until) in &deferred {
            self.happened.push("deferred");
            let detection = Box::new(detection.clone());
            self.pending.push(Pending { detection, action: *action, proposal, until: *until });
        }
        if candidates.first().is_some_and(|a| self.action(*a).class != Class::Offer) {
            for action in now {
                self.win(when, detection, action, Arm::Treated, proposal);
            }
        } else if self.choose(when, detection, &now, proposal) {
            let (replaced, kept) = std::mem::take(&mut self.pending).into_iter().partition(|p| {
                p.proposal.number == proposal.number && self.action(p.action).class == Class::Offer
            });
            self.pending = kept;
            let replaced: Vec<Pending> = replaced;
            for pending in replaced {
                self.happened.push("replaced by another offer");
                self.suppress(when, &pending.detection, pending.action, Reason::Replaced);
            }
        }
        for at in 0..self.pending.len() {
            if self.pending[at].proposal.number == proposal.number {
                self.keep(proposal.episode, self.end_of(&self.pending[at]));
            }
        }
    }

    /// *Which one?* and *holdout*: whether one of the offers is taken or held out.
    fn choose(&mut self, when: When, detection: &Detection, offers: &[usize], proposal: Proposal) -> bool {
        let with_priority: Vec<(usize, Micro)> =
            offers.iter().map(|a| (*a, self.priority(when, detection, *a))).collect();
        let Some(highest) = with_priority.iter().map(|(_, p)| *p).max() else { return false };
        let mut best = with_priority.iter().filter(|(_, p)| *p == highest);
        let winner = if self.wrong == Some(Wrong::LastOfEquals) { best.next_back() } else { best.next() };
        let (winner, priority) = *winner.expect("one has the highest");
        for (loser, priority) in with_priority.iter().filter(|(a, _)| *a != winner) {
            self.suppress_by(when, detection, *loser, Reason::LowerPriority, None, None, Some(*priority));
        }
        let held_out = self.is_held_out(detection);
        if held_out && self.wrong == Some(Wrong::HoldoutFirst) {
            self.hold_out(when, detection, winner, priority, proposal);
            return true;
        }
        let other = (0..self.records.len()).find(|at| {
            let record = &self.records[*at];
            record.customer == *when.customer && record.is_offer() && record.is_live()
        });
        if let Some(at) = other {
            let record = &self.records[at];
            let enough = if self.wrong == Some(Wrong::AnyBetterReplaces) {
                priority > record.priority
            } else {
                i128::from(priority) * 4 >= i128::from(record.priority) * 5
            };
            if record.state != State::Requested || !enough {
                let by = Some(record.id);
                self.suppress_by(when, detection, winner, Reason::LowerPriority, None, by, Some(priority));
                return false;
            }
        }
        if held_out {
            self.hold_out(when, detection, winner, priority, proposal);
            return true;
        }
        if let Some(at) = other {
            let newcomer = self.id_of(detection, winner);
            self.is_over_by(when, at, Cause::Superseded);
            self.lines.last_mut().and_then(Option::as_mut).expect("it was live").by = Some(newcomer);
        }
        self.win(when, detection, winner, Arm::Treated, proposal);
        true
    }

    fn hold_out(
        &mut self,
        when: When,
        detection: &Detection,
        action: usize,
        priority: Micro,
        proposal: Proposal,
    ) {
        self.suppress_by(when, detection, action, Reason::Holdout, None, None, Some(priority));
        self.win(when, detection, action, Arm::HeldOut, proposal);
    }

    /// A candidate is requested, or held out.
    fn win(&mut self, when: When, detection: &Detection, action: usize, arm: Arm, proposal: Proposal) {
        let rule = self.book.rule(detection.rule).id.clone();
        let proposed = self.action(action).clone();
        let at = self.record_of(detection, action).unwrap_or_else(|| {
            self.records.push(Record {
                episode: proposal.episode,
                id: ActionId::new(&self.book.name, &rule, &detection.customer, &detection.about, &proposed),
                customer: detection.customer.clone(),
                rule: rule.clone(),
                key: detection.key.clone(),
                about: detection.about.clone(),
                class: proposed.class,
                action,
                state: State::HeldOut,
                revision: 0,
                expires: Millis::MIN,
                level: detection.level,
                priority: 0,
                requested_at: when.instant,
                reminded: false,
                reached: false,
                wins: Vec::new(),
                counted: None,
                forgotten: false,
                before: None,
            });
            self.records.len() - 1
        });
        let priority = self.priority(when, detection, action);
        let cools = arm == Arm::Treated || self.wrong != Some(Wrong::HeldOutNotCooling);
        let record = &mut self.records[at];
        let again = record.expires != Millis::MIN;
        record.action = action;
        record.level = detection.level;
        record.expires = end_of_life(detection, proposed.ttl_ms);
        record.priority = priority;
        record.requested_at = when.instant;
        (record.reminded, record.reached, record.before) = (false, false, None);
        if cools {
            record.wins.push(detection.time);
        }
        let expires = record.expires;
        if record.counted.is_none_or(|(counted, _, _)| counted != arm) {
            record.counted = Some((arm, detection.time, false));
        }
        record.state = if arm == Arm::HeldOut { State::HeldOut } else { State::Requested };
        let success_within = self.book.rule(detection.rule).treatment.success_within_ms.unwrap_or(0);
        self.keep(proposal.episode, expires.max(detection.time + success_within));
        if arm == Arm::HeldOut {
            return;
        }
        self.requests.push((rule, when.instant));
        if again {
            self.happened.push("requested again");
            self.say(when, at, Said::Requested);
        } else {
            self.say_now(when, at, Said::Requested);
        }
    }

    /// *May we?*
    fn consent(&self, when: When, action: usize) -> Option<Against> {
        let action = self.action(action);
        if !action.class.reaches_out() {
            return None;
        }
        let said = self.profile_says(when, &format!("consent.{}.{}", action.channel, action.purpose));
        let may = match said {
            Some(Value::Bool(may)) => may,
            _ => action.purpose == "service",
        };
        (!may).then_some((Reason::Consent, None, None))
    }

    fn profile_says(&self, when: When, field: &str) -> Option<Value> {
        let spec = self.book.catalogue.spec(self.book.profile?);
        when.profile.field(spec.field(field)?).cloned()
    }

    /// *Mode.*
    fn mode(&self, when: When, detection: &Detection, action: usize) -> Option<Against> {
        let rule = self.book.rule(detection.rule);
        if rule.treatment.shadow {
            return Some((Reason::Shadow, None, None));
        }
        if self.all_paused || self.paused.contains(&rule.id) {
            return Some((Reason::Paused, None, None));
        }
        let minute = when.instant.div_euclid(MINUTE_MS);
        let this_minute = || self.requests.iter().filter(|(_, at)| at.div_euclid(MINUTE_MS) == minute);
        let of_rule = this_minute().filter(|(by, _)| *by == rule.id).count() as u32;
        let used_up = |brake: Option<u32>, requests: u32| {
            let shares = if self.wrong == Some(Wrong::BrakeNotDivided) { 1 } else { self.terms.partitions };
            brake.is_some_and(|brake| requests >= brake.div_ceil(shares))
        };
        if used_up(rule.treatment.brake, of_rule)
            || used_up(self.book.policy.brake, this_minute().count() as u32)
        {
            return Some((Reason::Brake, Some((minute + 1) * MINUTE_MS), None));
        }
        self.cooldown(when, detection).or_else(|| self.declined(when, action))
    }

    fn cooldown(&self, when: When, detection: &Detection) -> Option<Against> {
        let rule = self.book.rule(detection.rule);
        let cooldown_ms = rule.cooldown_ms?;
        let about = About::of(&detection.about);
        let others = self.records.iter().filter(|r| {
            r.customer == detection.customer
                && r.rule == rule.id
                && r.key == detection.key
                && About::of(&r.about) != about
        });
        let ends = others.flat_map(|r| r.wins.iter().map(|won| (won + cooldown_ms, r.requested_at)));
        // It is forgotten one late horizon after its end.
        let known = |until: Millis, begun: Millis| {
            when.instant <= until + self.terms.late_horizon_ms || begun == when.instant
        };
        let ends = ends.filter(|(until, begun)| detection.time < *until && known(*until, *begun));
        let (until, _) = ends.max()?;
        Some((Reason::Cooldown, Some(until), None))
    }

    fn declined(&self, when: When, action: usize) -> Option<Against> {
        if self.wrong == Some(Wrong::DeclinedForgotten) {
            return None;
        }
        let name = &self.action(action).id;
        let mine = self.refusals.iter().filter(|(who, what, _)| who == when.customer && what == name);
        let until = mine.map(|(_, _, time)| time + self.book.policy.declined_for_ms).max()?;
        (when.instant < until).then_some((Reason::Declined, Some(until), None))
    }

    /// *Now?* When the later of two obstacles ends.
    fn obstacle(&self, when: When, action: usize) -> Option<Millis> {
        let action = self.action(action);
        let policy = &self.book.policy;
        let quiet = policy.quiet_hours.as_ref().filter(|hours| {
            action.class.reaches_out()
                && (hours.channels.is_empty() || hours.channels.contains(&action.channel))
        });
        let own = match self.profile_says(when, "time_zone") {
            Some(Value::Text(name)) if self.wrong != Some(Wrong::ZoneOfPolicy) => zone(&name),
            _ => None,
        };
        let zone = own.or_else(|| zone(&policy.zone)).expect("the policy names a zone");
        let quiet = quiet.filter(|hours| is_quiet(hours, &zone, when.instant));
        let quiet = quiet.map(|hours| end_of_quiet(hours, &zone, when.instant));
        let calendar = action.hours.map(|ix| &self.book.calendars[usize::from(ix)]);
        let closed = calendar.filter(|calendar| !is_open(calendar, when.instant));
        let closed = closed.map(|calendar| next_opening(calendar, when.instant));
        quiet.max(closed)
    }

    /// *Too often?*
    fn too_often(&self, when: When, action: usize) -> Option<Against> {
        let action = self.action(action);
        let asked = action.class == Class::Offer && !action.exempt;
        let full = |cap: &Cap| {
            let concerns = |channel: Option<&str>, by: &str| {
                cap.channel.as_deref().is_none_or(|c| Some(c) == channel)
                    && cap.by.as_deref().is_none_or(|b| b == by)
            };
            // A cap of another channel, or of who does not act here, is not in the way.
            if !concerns(Some(&action.channel), &action.by) {
                return false;
            }
            let spent = self.contacts.iter().filter(|contact| {
                contact.customer == *when.customer
                    && contact.time > when.instant - cap.within_ms
                    && concerns(contact.channel.as_deref(), &contact.by)
            });
            let kept = self.wrong == Some(Wrong::ReservationKept);
            let reserved = self.records.iter().filter(|r| {
                let reserved = &self.book.actions[r.action];
                r.customer == *when.customer
                    && r.is_offer()
                    && (r.state == State::Accepted || kept && r.state == State::Over)
                    && concerns(Some(&reserved.channel), &reserved.by)
            });
            spent.count() + reserved.count() >= cap.at_most as usize
        };
        (asked && self.book.policy.caps.iter().any(full)).then_some((Reason::ContactPolicy, None, None))
    }

    /// Priority = propensity x context x value x lever.
    fn priority(&self, when: When, detection: &Detection, action: usize) -> Micro {
        let action = self.action(action);
        let context = action.context.iter().find(|(cond, _)| self.holds(when, detection, cond));
        let mut factors = vec![action.propensity, context.map_or(MICRO, |(_, factor)| *factor)];
        factors.extend(action.value.iter().map(|factor| match factor {
            Factor::Number(number) => *number,
            Factor::Field(field) => match self.read(when, detection, field) {
                Some(Value::Number(number)) => number,
                _ => MICRO,
            },
        }));
        factors.push(action.lever);
        let product = |so_far: i128, factor: Micro| so_far * i128::from(factor) / i128::from(MICRO);
        factors.into_iter().fold(i128::from(MICRO), product) as Micro
    }

    pub(super) fn holds(&self, when: When, detection: &Detection, cond: &Cond<ActionField>) -> bool {
        cond.holds(&|field, op| op.holds(self.read(when, detection, field).as_ref()))
    }

    fn read(&self, when: When, detection: &Detection, field: &ActionField) -> Option<Value> {
        match field {
            ActionField::Measure(name) => {
                let measures = &self.book.rule(detection.rule).measures;
                let at = measures.iter().position(|m| m.name == *name)?;
                detection.measures[at].map(Value::Number)
            }
            ActionField::Events => Some(Value::Number(Micro::from(detection.events) * MICRO)),
            ActionField::Severity => Some(Value::Number(Micro::from(detection.severity) * MICRO)),
            ActionField::Profile(field) => when.profile.field(*field).cloned(),
        }
    }

    /// The draw.
    fn is_held_out(&self, detection: &Detection) -> bool {
        let rule = self.book.rule(detection.rule);
        let share = rule.treatment.holdout.unwrap_or(self.book.policy.holdout);
        draw(&detection.customer, &rule.id, detection.time) < share
    }
}

/// A number below a million for a customer, a rule and the quarter of a time.
fn draw(customer: &str, rule: &str, time: Millis) -> Micro {
    let date =
        jiff::Timestamp::from_millisecond(time).expect("a time of a test").to_zoned(jiff::tz::TimeZone::UTC);
    let quarter = format!("{:04}-Q{}", date.year(), (date.month() + 2) / 3);
    let mut hasher = Sha256::new();
    for part in [customer, rule, &quarter] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let number = u64::from_be_bytes(hash[..8].try_into().expect("eight of 32 bytes"));
    (number % 1_000_000) as Micro
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn draws_are_even_and_change_with_the_quarter() {
        let in_march =
            (0..4_000).filter(|i| draw(&format!("c{i}"), "r", 1_772_000_000_000) < 250_000).count();
        assert!((900..1_100).contains(&in_march), "{in_march}");
        assert_ne!(draw("c", "r", 1_772_000_000_000), draw("c", "r", 1_782_000_000_000));
    }
}
