//! Amounts as PostgreSQL's settings write them: `32MB`, `8kB`, `90s`, `0.5`.

/// What a unit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bytes,
    Time,
}

/// PostgreSQL's units, in bytes and in microseconds. It minds case: `MB` is a unit, `mb` is none.
const UNITS: [(&str, Kind, f64); 11] = [
    ("B", Kind::Bytes, 1.0),
    ("kB", Kind::Bytes, 1024.0),
    ("MB", Kind::Bytes, 1_048_576.0),
    ("GB", Kind::Bytes, 1_073_741_824.0),
    ("TB", Kind::Bytes, 1_099_511_627_776.0),
    ("us", Kind::Time, 1.0),
    ("ms", Kind::Time, 1e3),
    ("s", Kind::Time, 1e6),
    ("min", Kind::Time, 6e7),
    ("h", Kind::Time, 3.6e9),
    ("d", Kind::Time, 8.64e10),
];

/// An amount in bytes, in microseconds, or as the bare number it is. `unit` is the one that the setting has by itself
/// (`8kB` for `shared_buffers`): it holds where the text names none, and what the text names must measure the same.
pub fn amount(text: &str, unit: Option<&str>) -> Option<f64> {
    let own = match unit.filter(|unit| !unit.is_empty()) {
        Some(unit) => Some(measure(unit)?),
        None => None,
    };
    let (number, said) = number(text)?;
    match (said.is_empty(), own) {
        (true, None) => Some(number),
        (true, Some((_, factor))) => Some(number * factor),
        (false, None) => None,
        (false, Some((kind, _))) => {
            measure(said).filter(|(other, _)| *other == kind).map(|(_, factor)| number * factor)
        }
    }
}

/// `8kB`: a unit may be several of another.
fn measure(unit: &str) -> Option<(Kind, f64)> {
    let name = unit.trim_start_matches(|c: char| c.is_ascii_digit());
    let times = unit.strip_suffix(name).filter(|digits| !digits.is_empty()).map_or(Some(1.0), |n| n.parse().ok())?;
    UNITS.iter().find(|(known, ..)| *known == name).map(|(_, kind, factor)| (*kind, factor * times))
}

/// A number and what follows it. PostgreSQL reads hexadecimal and octal ones as C does.
fn number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let (negative, bare) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (value, rest) = match bare.strip_prefix("0x").or_else(|| bare.strip_prefix("0X")) {
        Some(digits) => {
            let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
            (u64::from_str_radix(&digits[..end], 16).ok()? as f64, &digits[end..])
        }
        None => decimal_or_octal(bare)?,
    };
    Some((if negative { -value } else { value }, rest.trim()))
}

fn decimal_or_octal(bare: &str) -> Option<(f64, &str)> {
    let mut end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
    let exponent = bare[end..].strip_prefix(['e', 'E']).map(|rest| {
        let digits = rest.trim_start_matches(['-', '+']);
        let signs = rest.len() - digits.len();
        (1 + signs, digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()))
    });
    if let Some((before, digits)) = exponent.filter(|(_, digits)| *digits > 0) {
        end += before + digits;
    }
    let digits = &bare[..end];
    let octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| (b'0'..b'8').contains(&byte));
    let value = if octal { u64::from_str_radix(digits, 8).ok()? as f64 } else { digits.parse().ok()? };
    Some((value, &bare[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_in_bytes_and_microseconds() {
        assert_eq!(amount("32MB", Some("kB")), Some(33_554_432.0));
        assert_eq!(amount("32768", Some("kB")), Some(33_554_432.0));
        assert_eq!(amount("16384", Some("8kB")), Some(134_217_728.0));
        assert_eq!(amount(" 1.5 GB ", Some("8kB")), Some(1_610_612_736.0));
        assert_eq!(amount("5min", Some("s")), Some(3e8));
        assert_eq!(amount("200ms", Some("ms")), Some(2e5));
        assert_eq!(amount("-1", Some("kB")), Some(-1024.0));
        assert_eq!(amount("0.9", None), Some(0.9));
        assert_eq!(amount("1e3", None), Some(1000.0));
        assert_eq!(amount("0x10", None), Some(16.0));
        assert_eq!(amount("010", None), Some(8.0));
        assert_eq!(amount("0.1", None), Some(0.1));
        assert_eq!(amount("0", None), Some(0.0));
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for (text, unit) in [
            ("", None),
            ("on", None),
            ("32mb", Some("kB")),
            ("32MB", None),
            ("32MB", Some("ms")),
            ("1 2", Some("kB")),
            ("5", Some("furlong")),
            ("-", None),
            ("1.2.3", None),
        ] {
            assert_eq!(amount(text, unit), None, "{text:?} in {unit:?}");
        }
    }
}
