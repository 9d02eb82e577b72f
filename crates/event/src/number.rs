//! Decimal numbers, exactly: text to millionths and back.

use crate::{MICRO, Micro};
use std::fmt::Write;

/// The largest magnitude of a number of an event: 9.2e12, in [`Micro`].
pub const MICRO_MAX: Micro = 9_200_000_000_000 * MICRO;

const TENS: [i64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// A JSON number taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    /// Held within ±1e9: more than any text has digits.
    exponent: i64,
}

impl<'a> Digits<'a> {
    /// The number that begins at `from`, and where it ends. On failure: where, and what was expected.
    #[inline]
    pub(crate) fn prefix(bytes: &'a [u8], from: usize) -> Result<(Self, usize), (usize, &'static str)> {
        let run = |from: usize| {
            from + bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count())
        };
        let negative = bytes.get(from) == Some(&b'-');
        let start = from + usize::from(negative);
        let mut pos = run(start);
        if pos == start {
            return Err((pos, "expected a digit"));
        }
        let whole = &bytes[start..pos];
        if whole.len() > 1 && whole[0] == b'0' {
            return Err((start, "expected no leading zero"));
        }
        let mut number = Digits { negative, whole, fraction: &[], exponent: 0 };
        if bytes.get(pos) == Some(&b'.') {
            let end = run(pos + 1);
            if end == pos + 1 {
                return Err((end, "expected a digit"));
            }
            number.fraction = &bytes[pos + 1..end];
            pos = end;
        }
        if let Some(b'e' | b'E') = bytes.get(pos) {
            let sign = bytes.get(pos + 1);
            let start = pos + 1 + usize::from(matches!(sign, Some(b'+' | b'-')));
            let end = run(start);
            if end == start {
                return Err((end, "expected a digit"));
            }
            let size =
                bytes[start..end].iter().fold(0i64, |e, d| (e * 10 + i64::from(d - b'0')).min(1_000_000_000));
            number.exponent = if sign == Some(&b'-') { -size } else { size };
            pos = end;
        }
        Ok((number, pos))
    }

    /// A number in the grammar of JSON, and nothing else.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (number, end) = Self::prefix(text.as_bytes(), 0).ok()?;
        (end == text.len()).then_some(number)
    }

    /// Its value in millionths, rounded half away from zero; `None` beyond ±[`MICRO_MAX`].
    #[inline]
    pub fn micro(self) -> Option<Micro> {
        let fold = |digits: &[u8]| digits.iter().fold(0, |value, d| value * 10 + i64::from(d - b'0'));
        if self.exponent == 0 && self.whole.len() <= 12 && self.fraction.len() <= 6 {
            let value = fold(self.whole) * MICRO + fold(self.fraction) * TENS[6 - self.fraction.len()];
            return Some(if self.negative { -value } else { value });
        }
        self.micro_by_digit()
    }

    #[cold]
    fn micro_by_digit(self) -> Option<Micro> {
        // Only the first digit dropped decides how "half away from zero" rounds.
        let kept = self.whole.len() as i64 + self.exponent + 6;
        let mut value: i64 = 0;
        let mut place = 0;
        for digit in self.whole.iter().chain(self.fraction) {
            let digit = i64::from(digit - b'0');
            if place == kept {
                value += i64::from(digit >= 5);
                break;
            }
            if place > kept {
                break;
            }
            value = value.checked_mul(10)?.checked_add(digit)?;
            place += 1;
        }
        while place < kept && value != 0 {
            value = value.checked_mul(10)?;
            place += 1;
        }
        (value <= MICRO_MAX).then_some(if self.negative { -value } else { value })
    }

    /// Whether it has no fraction: `3`, `3.0` and `0.3e1` have none.
    #[inline]
    pub fn is_integer(self) -> bool {
        if self.exponent == 0 {
            return self.fraction.iter().all(|d| *d == b'0');
        }
        let whole_places = self.whole.len() as i64 + self.exponent;
        let after = self.whole.iter().chain(self.fraction).skip(usize::try_from(whole_places).unwrap_or(0));
        after.into_iter().all(|d| *d == b'0')
    }
}

/// A number in decimal notation, without an exponent and without idle zeros: `-12.5`.
pub fn format_micro(value: Micro) -> String {
    let (whole, fraction) = (value.unsigned_abs() / MICRO as u64, value.unsigned_abs() % MICRO as u64);
    let mut text = String::from(if value < 0 { "-" } else { "" });
    write!(text, "{whole}").expect("a String takes everything");
    if fraction != 0 {
        write!(text, ".{fraction:06}").expect("a String takes everything");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micro(text: &str) -> Option<Micro> {
        Digits::parse(text).expect("JSON number").micro()
    }

    #[test]
    fn decimals_are_exact() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0e5", 0),
            ("1", 1_000_000),
            ("19.99", 19_990_000),
            ("-12.5", -12_500_000),
            ("0.1", 100_000),
            ("1e3", 1_000_000_000),
            ("1E+3", 1_000_000_000),
            ("125e-2", 1_250_000),
            ("0.000001", 1),
            ("1e-6", 1),
            ("0e999999999999", 0),
            ("1e-999999999999", 0),
            ("0.00000000000000000000000000001e29", 1_000_000),
            ("9200000000000", MICRO_MAX),
            ("-9.2e12", -MICRO_MAX),
        ] {
            assert_eq!(micro(text), Some(value), "{text}");
        }
    }

    #[test]
    fn halves_go_away_from_zero() {
        for (text, value) in [
            ("0.0000005", 1),
            ("0.00000049999999999999999999999", 0),
            ("-0.0000005", -1),
            ("1.0000015", 1_000_002),
            ("0.9999999", 1_000_000),
            ("5e-7", 1),
            ("9e-8", 0),
            ("49e-8", 0),
            ("51e-8", 1),
        ] {
            assert_eq!(micro(text), Some(value), "{text}");
        }
    }

    #[test]
    fn too_large_is_nothing() {
        for text in ["9200000000000.000001", "-9.3e12", "1e13", "1e400", "123456789012345678901234567890"] {
            assert_eq!(micro(text), None, "{text}");
        }
    }

    #[test]
    fn integers_have_no_fraction() {
        for (text, integer) in [
            ("3", true),
            ("3.0", true),
            ("0.3e1", true),
            ("30e-1", true),
            ("1e999999", true),
            ("3.5", false),
            ("35e-1", false),
            ("1e-999999", false),
            ("1.00000000000000000001", false),
        ] {
            assert_eq!(Digits::parse(text).expect("JSON number").is_integer(), integer, "{text}");
        }
    }

    #[test]
    fn the_grammar_is_that_of_json() {
        for text in
            ["", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1 ", " 1", "0x1", "1_000", "NaN", "1.e3"]
        {
            assert_eq!(Digits::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn decimals_print_without_idle_zeros() {
        for (value, text) in
            [(0, "0"), (12_500_000, "12.5"), (-1, "-0.000001"), (19_990_000, "19.99"), (3_000_000, "3")]
        {
            assert_eq!(format_micro(value), text);
        }
        assert_eq!(format_micro(i64::MIN), "-9223372036854.775808");
    }
}
