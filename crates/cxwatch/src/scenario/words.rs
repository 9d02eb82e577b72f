//! The words of a line, and times.

use cxwatch_event::{Millis, rfc3339};
use cxwatch_rulebook::yaml::parse_duration;

/// The words of a line: parted by blanks, except inside quotes; a `#` at the beginning of a word ends the line.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut inside, mut quoted) = (false, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                inside = !inside;
                quoted = true;
            }
            '\\' if inside => word.push(chars.next().ok_or("a backslash stands at the end of the line")?),
            c if c.is_whitespace() && !inside => {
                if !word.is_empty() || quoted {
                    words.push(std::mem::take(&mut word));
                    quoted = false;
                }
            }
            '#' if !inside && word.is_empty() && !quoted => break,
            c => word.push(c),
        }
    }
    if inside {
        return Err("a quote is left open".into());
    }
    if !word.is_empty() || quoted {
        words.push(word);
    }
    Ok(words)
}

/// A time: `+90m`, `+1d9h30m` after the start, or RFC 3339.
pub(super) fn time(word: &str, start: Millis) -> Result<Millis, String> {
    let wrong = || format!("`{word}` is no time; write one such as +90m, +1d9h or 2026-01-05T09:00:00Z");
    let Some(after) = word.strip_prefix('+') else {
        return rfc3339::parse(word).ok_or_else(wrong);
    };
    let mut total = start;
    let mut rest = after;
    while !rest.is_empty() {
        let number = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let unit = rest[number..].find(|c: char| !c.is_ascii_alphabetic()).map_or(rest.len(), |n| number + n);
        total += parse_duration(&rest[..unit]).map_err(|_| wrong())?;
        rest = &rest[unit..];
    }
    if after.is_empty() { Err(wrong()) } else { Ok(total) }
}

/// A time as a scenario writes it.
pub(super) fn spell(time: Millis, start: Millis) -> String {
    const UNITS: [(Millis, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    if time < start {
        return rfc3339::format(time);
    }
    let mut left = time - start;
    let mut text = String::from("+");
    for (unit, name) in UNITS {
        if left >= unit {
            text.push_str(&format!("{}{name}", left / unit));
            left %= unit;
        }
    }
    if text.len() == 1 { "+0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_blanks_outside_quotes() {
        assert_eq!(words(r#"a  b="c d" "" # rest"#), Ok(vec!["a".into(), "b=c d".into(), String::new()]));
        assert_eq!(words(r#"x#y "\"q\"""#), Ok(vec!["x#y".into(), "\"q\"".into()]));
        assert!(words("\"open").is_err());
    }

    #[test]
    fn times_are_read_and_spelt_alike() {
        for text in ["+0s", "+90ms", "+1d9h30m", "+59m59s999ms"] {
            let at = time(text, 1_000).expect(text);
            assert_eq!(spell(at, 1_000), text);
        }
        assert_eq!(time("+1.5h", 0), Ok(5_400_000));
        assert_eq!(time("1970-01-01T00:00:01Z", 0), Ok(1_000));
        for text in ["+", "5m", "+5", "+5x", "+-5m"] {
            assert!(time(text, 0).is_err(), "{text}");
        }
    }
}
