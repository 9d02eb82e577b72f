//! Numbers as foreign records write them.

use super::NumberStyle;
use crate::Micro;
use crate::number::Digits;

/// The number in a text, and whether it is a whole one. Spaces around it, a plus sign and leading zeros are allowed;
/// an exponent too.
pub(super) fn parse(text: &str, style: NumberStyle) -> Option<(Micro, bool)> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == style.point) {
        return None;
    }
    let mut plain = String::with_capacity(text.len() + 2);
    for c in digits.chars() {
        if c == style.point {
            plain.push('.');
        } else if c == '.' || c == ',' && style.group != Some(',') {
            // The other style's mark: a number that means something else.
            if style.group != Some(c) {
                return None;
            }
        } else if Some(c) != style.group {
            plain.push(c);
        }
    }
    let plain = plain.trim_start_matches('0');
    let lead = if plain.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    let plain = format!("{sign}{lead}{plain}");
    let plain = plain.strip_suffix('.').unwrap_or(&plain);
    let digits = Digits::parse(plain)?;
    Some((digits.micro()?, digits.is_integer()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_the_styles_of_several_countries() {
        let point = NumberStyle::default();
        let comma = NumberStyle { point: ',', group: Some('.') };
        let swiss = NumberStyle { point: '.', group: Some('\'') };
        let english = NumberStyle { point: '.', group: Some(',') };
        for (text, style, value) in [
            ("12", point, Some((12_000_000, true))),
            (" -0.5 ", point, Some((-500_000, false))),
            ("007", point, Some((7_000_000, true))),
            ("000", point, Some((0, true))),
            ("+3.0", point, Some((3_000_000, true))),
            (".5", point, Some((500_000, false))),
            ("5.", point, Some((5_000_000, true))),
            ("1e3", point, Some((1_000_000_000, true))),
            ("1,5", point, None),
            ("1,5", comma, Some((1_500_000, false))),
            ("1.234,5", comma, Some((1_234_500_000, false))),
            ("1'234.5", swiss, Some((1_234_500_000, false))),
            ("1,234", english, Some((1_234_000_000, true))),
            ("", point, None),
            ("-", point, None),
            ("abc", point, None),
            ("1 2", point, None),
            ("99999999999999", point, None),
        ] {
            assert_eq!(parse(text, style), value, "{text:?}");
        }
    }
}
