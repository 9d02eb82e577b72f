//! Numbers and durations as people write them.

use crate::Span;
use cxwatch_event::{MICRO, Micro, Millis};

/// The grammar of [`parse_duration`] as a regular expression.
pub const DURATION_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d|w)$";
/// The grammar of [`parse_span`] as a regular expression.
pub const SPAN_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w)|[0-9]+bd)$";

/// The longest duration, in milliseconds: ten years of 366 days.
const DURATION_MAX_MS: i128 = 10 * 366 * 86_400_000;
/// The most business days.
const DAYS_MAX: u32 = 2_500;

/// Units, longest name first so that `ms` is not read as `m`.
const UNITS: [(&str, i128); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// A decimal number in millionths: digits, at most one point, at most six digits after it, an optional sign.
pub fn parse_decimal(text: &str) -> Option<Micro> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let only_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let pointless = digits.contains('.') && fraction.is_empty();
    if whole.is_empty()
        || pointless
        || whole.len() > 13
        || fraction.len() > 6
        || !only_digits(whole)
        || !only_digits(fraction)
    {
        return None;
    }
    let scale = 10_i64.pow(6 - fraction.len() as u32);
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<i64>().ok()? * scale };
    let value = whole.parse::<i64>().ok()?.checked_mul(MICRO)?.checked_add(fraction)?;
    Some(if negative { -value } else { value })
}

/// A duration: one number and one unit, `500ms`, `20s`, `30m`, `1.5h`, `7d`, `2w`. A day has 24 hours.
///
/// # Errors
/// What to write instead, or a sentence on what is wrong.
pub fn parse_duration(text: &str) -> Result<Millis, DurationFault> {
    match parse_span(text)? {
        Span::Ms(ms) => Ok(ms),
        Span::Days(_) => Err(DurationFault::plain("business days (`bd`) are not possible here")),
    }
}

/// A duration, or business days: `3bd`.
///
/// # Errors
/// What to write instead, or a sentence on what is wrong.
pub fn parse_span(text: &str) -> Result<Span, DurationFault> {
    if text.starts_with('-') {
        return Err(DurationFault::plain("a duration cannot be negative"));
    }
    if let Some(days) = text.strip_suffix("bd") {
        return match days.parse::<u32>() {
            Ok(n) if (1..=DAYS_MAX).contains(&n) && days.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Span::Days(n))
            }
            Ok(_) => Err(DurationFault::plain(&format!("business days go from 1 to {DAYS_MAX}"))),
            Err(_) => Err(DurationFault::plain("business days are whole")),
        };
    }
    let Some((micros, unit)) = split(text) else { return Err(fault_of(text)) };
    let total = i128::from(micros) * unit;
    if total % i128::from(MICRO) != 0 {
        return Err(DurationFault::plain("this is no whole number of milliseconds"));
    }
    let ms = total / i128::from(MICRO);
    if ms > DURATION_MAX_MS {
        return Err(DurationFault::plain("this is longer than ten years"));
    }
    Ok(Span::Ms(ms as Millis))
}

fn split(text: &str) -> Option<(Micro, i128)> {
    let (name, unit) = UNITS.iter().find(|(name, _)| text.ends_with(name))?;
    let number = &text[..text.len() - name.len()];
    (!number.starts_with('-')).then(|| parse_decimal(number)).flatten().map(|micros| (micros, *unit))
}

/// What is wrong with a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationFault {
    /// A sentence.
    pub message: String,
    /// What to write instead, where that can be guessed.
    pub suggestion: Option<String>,
}

impl DurationFault {
    fn plain(message: &str) -> Self {
        DurationFault { message: message.to_owned(), suggestion: None }
    }
}

fn fault_of(text: &str) -> DurationFault {
    if parse_decimal(text).is_some() {
        return DurationFault::plain(&format!("`{text}` has no unit"));
    }
    let message = format!("`{text}` is not a duration");
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    DurationFault { message, suggestion: sum_of_parts(&compact).map(in_one_unit) }
}

/// `1h30m`, `90min`, `2 hours`: not our grammar, but clear.
fn sum_of_parts(mut text: &str) -> Option<i128> {
    let mut total = 0_i128;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit()).filter(|n| *n > 0 && *n < 10)?;
        let (number, rest) = text.split_at(digits);
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(letters);
        let unit = match word {
            "ms" | "millis" | "milliseconds" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            "w" | "week" | "weeks" => 604_800_000,
            _ => return None,
        };
        total += number.parse::<i128>().ok()? * unit;
        text = rest;
    }
    (total > 0).then_some(total)
}

fn in_one_unit(ms: i128) -> String {
    let (name, unit) =
        UNITS.iter().rev().find(|(name, unit)| *name != "w" && ms % unit == 0).unwrap_or(&UNITS[0]);
    format!("{}{name}", ms / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_one_number_and_one_unit() {
        let cases = [
            ("500ms", Ok(Span::Ms(500))),
            ("20s", Ok(Span::Ms(20_000))),
            ("30m", Ok(Span::Ms(1_800_000))),
            ("1.5h", Ok(Span::Ms(5_400_000))),
            ("7d", Ok(Span::Ms(604_800_000))),
            ("2w", Ok(Span::Ms(1_209_600_000))),
            ("3bd", Ok(Span::Days(3))),
            ("0s", Ok(Span::Ms(0))),
            ("0bd", Err(None)),
            ("1.5bd", Err(None)),
            ("-5m", Err(None)),
            ("30", Err(None)),
            ("0.5ms", Err(None)),
            ("1h30m", Err(Some("90m"))),
            ("2 hours", Err(Some("2h"))),
            ("90min", Err(Some("90m"))),
            ("30M", Err(Some("30m"))),
            ("soon", Err(None)),
            (".5h", Err(None)),
            ("", Err(None)),
            ("99999w", Err(None)),
        ];
        for (text, expected) in cases {
            let expected = expected.map_err(|s: Option<&str>| s.map(str::to_owned));
            assert_eq!(parse_span(text).map_err(|fault| fault.suggestion), expected, "{text:?}");
        }
    }

    #[test]
    fn decimals_have_at_most_six_digits_after_the_point() {
        let cases = [
            ("0", Some(0)),
            ("12.5", Some(12_500_000)),
            ("-0.000001", Some(-1)),
            ("1.0000001", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("+1", None),
            ("9000000000000", Some(9_000_000_000_000_000_000)),
            ("10000000000000", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_decimal(text), expected, "{text:?}");
        }
    }
}
