//! Is it held out, so that the save rate can be proved?

use cxwatch_event::{MICRO, Micro, Millis};
use cxwatch_rulebook::{Policy, Treatment};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// The share of winners that a rule holds out, in millionths.
pub(crate) fn share(treatment: &Treatment, policy: &Policy) -> Micro {
    treatment.holdout.unwrap_or(policy.holdout).clamp(0, MICRO)
}

/// The draw: the same for a customer and a rule through a calendar quarter (UTC) of the detection's time.
pub(crate) fn is_held_out(customer: &str, rule: &str, time: Millis, share: Micro) -> bool {
    share > 0 && draw(customer, rule, &quarter(time)) < share
}

fn draw(customer: &str, rule: &str, quarter: &str) -> Micro {
    let mut hasher = Sha256::new();
    for part in [customer, rule, quarter] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let hash = hasher.finalize();
    let first: [u8; 8] = hash[..8].try_into().expect("a hash has 32 bytes");
    (u64::from_be_bytes(first) % MICRO as u64) as Micro
}

fn quarter(time: Millis) -> String {
    let at = Timestamp::from_millisecond(time).unwrap_or(Timestamp::UNIX_EPOCH);
    let date = TimeZone::UTC.to_datetime(at);
    format!("{:04}-Q{}", date.year(), (date.month() - 1) / 3 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: Micro = 217937;

    #[test]
    fn the_draw_can_be_computed_again_anywhere() {
        // printf 'c1\0r\0''2026-Q4\0' | sha256sum | cut -c1-16, as a number modulo 1,000,000
        assert_eq!(draw("c1", "r", "2026-Q4"), DRAWN);
        let time = cxwatch_event::rfc3339::parse("2026-10-01T00:00:00Z").expect("an instant");
        assert!(is_held_out("c1", "r", time, DRAWN + 1));
        assert!(!is_held_out("c1", "r", time, DRAWN));
        assert!(!is_held_out("c1", "r", time, 0));
    }

    #[test]
    fn quarters_are_those_of_the_calendar() {
        let of = |text| quarter(cxwatch_event::rfc3339::parse(text).expect("an instant"));
        assert_eq!(of("2026-03-31T23:59:59.999Z"), "2026-Q1");
        assert_eq!(of("2026-04-01T00:00:00Z"), "2026-Q2");
        assert_eq!(of("2026-12-31T23:59:59.999Z"), "2026-Q4");
    }

    #[test]
    fn the_rules_share_goes_before_the_policys() {
        let policy = Policy { holdout: 5, ..Policy::default() };
        assert_eq!(share(&Treatment::default(), &policy), 5);
        assert_eq!(share(&Treatment { holdout: Some(0), ..Treatment::default() }, &policy), 0);
    }
}
