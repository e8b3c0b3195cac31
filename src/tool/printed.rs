//! Numbers as wrk and wrk2 print them: rounded to a few digits of a unit that they choose themselves.

/// A number read from text, in its base unit, and how far rounding may have moved it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Printed {
    /// The number in the base unit: microseconds, bytes, or one.
    pub value: f64,
    /// Half a step of the last printed digit, in the same unit.
    pub half_step: f64,
}

impl Printed {
    /// Whether the exact number would have been printed like this.
    pub fn agrees_with(self, exact: f64) -> bool {
        // The exact figures are rounded to a thousandth themselves.
        const OWN_HALF_STEP: f64 = 0.000_5;
        let noise = exact.abs() * 1e-12;
        (self.value - exact).abs() <= self.half_step + OWN_HALF_STEP + noise
    }

    fn times(self, scale: f64) -> Self {
        Self { value: self.value * scale, half_step: self.half_step * scale }
    }
}

/// A number without a unit.
pub(in crate::tool) fn plain(text: &str) -> Option<Printed> {
    scaled(text, |unit| unit.is_empty().then_some(1.0))
}

/// A time in microseconds. wrk prints no hours, since its table stops at minutes, but means them.
pub(in crate::tool) fn time_us(text: &str) -> Option<Printed> {
    scaled(text, |unit| match unit {
        "us" => Some(1.0),
        "ms" => Some(1e3),
        "s" => Some(1e6),
        "m" => Some(60e6),
        "h" => Some(3_600e6),
        _ => None,
    })
}

/// A count, in powers of 1000.
pub(in crate::tool) fn count(text: &str) -> Option<Printed> {
    scaled(text, |unit| power(unit, "k", 1_000.0))
}

/// A number of bytes, in powers of 1024.
pub(in crate::tool) fn bytes(text: &str) -> Option<Printed> {
    scaled(text.strip_suffix('B')?, |unit| power(unit, "K", 1_024.0))
}

/// A whole number of digits and nothing else.
pub(in crate::tool) fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn power(unit: &str, thousand: &str, base: f64) -> Option<f64> {
    match unit {
        "" => Some(1.0),
        unit if unit == thousand => Some(base),
        "M" => Some(base.powi(2)),
        "G" => Some(base.powi(3)),
        "T" => Some(base.powi(4)),
        "P" => Some(base.powi(5)),
        _ => None,
    }
}

/// Rust's own reader of numbers is not used on the whole: it takes `inf`, `nan`, signs and exponents.
fn scaled(text: &str, scale: impl Fn(&str) -> Option<f64>) -> Option<Printed> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || number.len() > 30 {
        return None;
    }
    let decimals = i32::try_from(number.split_once('.').map_or(0, |(_, fraction)| fraction.len())).ok()?;
    let printed = Printed { value: number.parse().ok()?, half_step: 0.5 * 10_f64.powi(-decimals) };
    Some(printed.times(scale(unit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit() {
        let check = |text: &str, us: f64, half_step: f64| {
            let printed = time_us(text).unwrap();
            assert!((printed.value - us).abs() < 1e-6 && (printed.half_step - half_step).abs() < 1e-6, "{text}");
        };
        check("396.00us", 396.0, 0.005);
        check("30.31ms", 30_310.0, 5.0);
        check("7.70s", 7_700_000.0, 5_000.0);
        check("1.37m", 82_200_000.0, 300_000.0);
        check("0.87m", 52_200_000.0, 300_000.0);
        check("5m", 300e6, 30e6);
        check("2h", 7_200e6, 1_800e6);
    }

    #[test]
    fn counts_and_bytes_are_read_in_every_unit() {
        assert_eq!(count("0.97k").unwrap().value, 970.0);
        assert_eq!(count("90.87").unwrap().value, 90.87);
        assert_eq!(count("1.5G").unwrap().value, 1.5e9);
        assert_eq!(bytes("0.00B").unwrap().value, 0.0);
        assert_eq!(bytes("435.08KB").unwrap().value, 435.08 * 1024.0);
        assert_eq!(bytes("1.50GB").unwrap().half_step, 0.005 * 1024.0 * 1024.0 * 1024.0);
        assert_eq!(whole("18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-nan", "nan", "inf", "-1", "+1", "1e3", ".5", "1.", "1.2.3", "٣", "1 ", "0x1", "1kk"] {
            let read = (plain(text), count(text), whole(text));
            assert_eq!(read, (None, None, None), "{text:?}");
            assert_eq!(bytes(&format!("{text}B")), None, "{text:?}");
            assert_eq!(time_us(&format!("{text}s")), None, "{text:?}");
        }
        assert_eq!(time_us("12"), None, "a time needs a unit");
        assert_eq!(whole("18446744073709551616"), None);
        assert_eq!(plain(&"9".repeat(400)), None);
    }

    #[test]
    fn rounding_is_granted_and_nothing_more() {
        let printed = time_us("30.31ms").unwrap();
        assert!(printed.agrees_with(30_305.0) && printed.agrees_with(30_315.0));
        assert!(!printed.agrees_with(30_304.9) && !printed.agrees_with(30_315.1));
    }
}
