//! The stages from *may we?* on.

use super::super::quiet::{end_of_quiet, is_open, is_quiet, next_opening, zone};
use super::super::{About, Score, When};
use super::kept::State;
use super::proposals::{Case, Verdict};
use super::{Log, Wrong};
use cxwatch_decision::ActionId;
use cxwatch_engine::Detection;
use cxwatch_event::messages::SuppressionReason as Reason;
use cxwatch_event::{MICRO, Micro, Millis, Value};
use cxwatch_rulebook::{Action, ActionField, Cap, Class, Cond, Factor};
use sha2::{Digest, Sha256};

const MINUTE_MS: Millis = 60_000;

/// Why a candidate leads to nothing: until when, and which action is in the way, where that is known.
pub(super) type Against = (Reason, Option<Millis>, Option<ActionId>);

impl Log {
    /// The stages from *may we?* to *too often?*
    pub(super) fn ask_stages(&mut self, case: Case, action: usize) -> Verdict {
        let when = case.when;
        let against = if self.is_wrong(Wrong::ModeBeforeConsent) {
            self.mode(case, action).or_else(|| self.consent(when, action))
        } else {
            self.consent(when, action).or_else(|| self.mode(case, action))
        };
        let early = self.is_wrong(Wrong::CapsBeforeHours);
        let against = against.or_else(|| if early { self.too_often(when, action) } else { None });
        let obstacle = if against.is_none() { self.obstacle(when, action) } else { None };
        if let Some(until) = obstacle {
            return Verdict::Deferred(until);
        }
        match against.or_else(|| self.too_often(when, action)) {
            Some(against) => {
                self.suppress(case, action, against, None);
                Verdict::Ended(against.0)
            }
            None => Verdict::Passed,
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
    fn mode(&self, case: Case, action: usize) -> Option<Against> {
        let Case { when, detection, .. } = case;
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
            let shares = if self.is_wrong(Wrong::BrakeNotDivided) { 1 } else { self.terms.partitions };
            brake.is_some_and(|brake| requests >= brake.div_ceil(shares))
        };
        if used_up(rule.treatment.brake, of_rule)
            || used_up(self.book.policy.brake, this_minute().count() as u32)
        {
            return Some((Reason::Brake, Some((minute + 1) * MINUTE_MS), None));
        }
        self.cooldown(case).or_else(|| self.declined(when, action))
    }

    fn cooldown(&self, case: Case) -> Option<Against> {
        let detection = case.detection;
        let rule = self.book.rule(detection.rule);
        rule.cooldown_ms?;
        let own = About::of(&self.episodes[case.proposal.episode].first);
        let others = self.cooldowns.iter().filter(|c| {
            !c.taken_back
                && !c.forgotten
                && c.customer == detection.customer
                && c.rule == rule.id
                && c.key == detection.key
                && c.about != own
        });
        let until = others.map(|c| c.until).max()?;
        (detection.time < until).then_some((Reason::Cooldown, Some(until), None))
    }

    fn declined(&self, when: When, action: usize) -> Option<Against> {
        if self.is_wrong(Wrong::DeclinedForgotten) {
            return None;
        }
        let name = &self.action(action).id;
        let mine = self.refusals.iter().filter(|r| r.customer == *when.customer && r.action == *name);
        let until = mine.map(|r| r.time + self.book.policy.declined_for_ms).max()?;
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
            Some(Value::Text(name)) if !self.is_wrong(Wrong::ZoneOfPolicy) => zone(&name),
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
        let asked = self.action(action).class == Class::Offer && !self.action(action).exempt;
        let caps = self.book.policy.caps.iter().filter(|_| asked);
        let full: Vec<Option<Millis>> = caps.filter_map(|cap| self.full(when, action, cap)).collect();
        // There is room when every cap has some.
        let known: Option<Vec<Millis>> = full.iter().copied().collect();
        let until = known.and_then(|known| known.into_iter().max());
        (!full.is_empty()).then_some((Reason::ContactPolicy, until, None))
    }

    /// If a cap is reached: when it has room again, where that is known.
    fn full(&self, when: When, action: usize, cap: &Cap) -> Option<Option<Millis>> {
        let concerns = |channel: &str, by: &str| {
            cap.channel.as_deref().is_none_or(|c| c == channel) && cap.by.as_deref().is_none_or(|b| b == by)
        };
        let action = self.action(action);
        // A cap of another channel, or of who does not act here, is not in the way.
        if !concerns(&action.channel, &action.by) {
            return None;
        }
        let spent = self.contacts.iter().filter(|contact| {
            contact.customer == *when.customer
                && contact.time > when.instant - cap.within_ms
                && concerns(&contact.channel, &contact.by)
        });
        let mut spent: Vec<Millis> = spent.map(|contact| contact.time).collect();
        spent.sort();
        let kept = self.is_wrong(Wrong::ReservationKept);
        let reserved = self.records.iter().filter(|r| {
            let reserved = &self.book.actions[r.action];
            r.customer == *when.customer
                && r.is_offer()
                && (r.state == State::Accepted || kept && r.state == State::Over)
                && concerns(&reserved.channel, &reserved.by)
        });
        let counted = spent.len() + reserved.count();
        let at_most = cap.at_most as usize;
        if counted < at_most {
            return None;
        }
        // One after the other leaves the cap's time, until there are fewer than it allows.
        let leaves = spent.iter().zip(1..).find(|(_, gone)| counted - gone < at_most);
        Some(leaves.map(|(time, _)| time + cap.within_ms))
    }

    /// Priority = propensity x context x value x lever.
    pub(super) fn score(&self, when: When, detection: &Detection, action: usize) -> Score {
        let action = self.action(action);
        let context = action.context.iter().find(|(cond, _)| self.holds(when, detection, cond));
        let context = context.map_or(MICRO, |(_, factor)| *factor);
        let value = self.factors(when, detection, action);
        let mut all = vec![action.propensity, context];
        all.extend(&value);
        all.push(action.lever);
        let Action { propensity, lever, .. } = *action;
        Score { priority: product(&all), propensity, context, value: product(&value), lever }
    }

    /// What is at stake, where the action says so.
    pub(super) fn at_risk(&self, case: Case, action: usize) -> Option<Micro> {
        let action = self.action(action);
        let factors = self.factors(case.when, case.detection, action);
        (!action.value.is_empty()).then(|| product(&factors))
    }

    fn factors(&self, when: When, detection: &Detection, action: &Action) -> Vec<Micro> {
        let factor = |factor: &Factor| match factor {
            Factor::Number(number) => *number,
            Factor::Field(field) => match self.read(when, detection, field) {
                Some(Value::Number(number)) => number,
                _ => MICRO,
            },
        };
        action.value.iter().map(factor).collect()
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
    pub(super) fn is_held_out(&self, detection: &Detection) -> bool {
        let rule = self.rule_of(detection);
        draw(&detection.customer, rule, detection.time) < self.share(detection)
    }

    /// The share that is held out.
    pub(super) fn share(&self, detection: &Detection) -> Micro {
        self.book.rule(detection.rule).treatment.holdout.unwrap_or(self.book.policy.holdout)
    }
}

/// One factor after the other, cut to whole millionths.
fn product(factors: &[Micro]) -> Micro {
    let times = |so_far: i128, factor: &Micro| so_far * i128::from(*factor) / i128::from(MICRO);
    factors.iter().fold(i128::from(MICRO), times) as Micro
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
