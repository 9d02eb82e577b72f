//! How fast made-up events are written.

use std::str::FromStr;
use std::time::Duration;

/// So many seconds of event time in one of the clock; `None`: as fast as they are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Speed(Option<f64>);

impl Speed {
    /// How long after the beginning an event is due that comes so many milliseconds of event time after it.
    pub(crate) fn due(self, event_ms: i64) -> Option<Duration> {
        self.0.map(|speed| Duration::from_secs_f64(event_ms.max(0) as f64 / 1_000.0 / speed))
    }

    /// Whether a second is a second.
    pub(crate) fn is_real_time(self) -> bool {
        self.0 == Some(1.0)
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Speed(None));
        }
        let speed = text.parse::<f64>().ok().filter(|speed| (0.001..=1_000_000.0).contains(speed));
        speed
            .map(|speed| Speed(Some(speed)))
            .ok_or_else(|| "expected a number from 0.001 to 1000000 (1: real time), or `max`".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_due_when_its_share_of_time_has_passed() {
        let speed = |text: &str| text.parse::<Speed>();
        assert_eq!(speed("60").map(|s| s.due(90_000)), Ok(Some(Duration::from_millis(1_500))));
        assert_eq!(speed("0.5").map(|s| s.due(1_000)), Ok(Some(Duration::from_secs(2))));
        assert_eq!(speed("max").map(|s| s.due(1_000)), Ok(None));
        assert_eq!(speed("1").map(Speed::is_real_time), Ok(true));
        assert_eq!(speed("1").map(|s| s.due(-5)), Ok(Some(Duration::ZERO)));
        for wrong in ["0", "-1", "NaN", "inf", "fast", ""] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
