//! Numbers for people: always with a unit, always the same way.

/// A duration in the unit that fits: `412 µs`, `1.35 ms`, `12.4 s`.
pub fn duration_us(us: f64) -> String {
    if us < 1_000.0 {
        format!("{us:.0} µs")
    } else if us < 1_000_000.0 {
        format!("{} ms", three_digits(us / 1_000.0))
    } else {
        format!("{} s", three_digits(us / 1_000_000.0))
    }
}

/// A duration that was counted in whole milliseconds: what took none of them took some time all the same.
pub fn duration_ms(ms: u64) -> String {
    if ms == 0 { "under 1 ms".to_owned() } else { duration_us(ms as f64 * 1e3) }
}

/// A rate with thousands apart: `13,201`, `90.6`.
pub fn rate(per_second: f64) -> String {
    if per_second.abs() < 100.0 { three_digits(per_second) } else { count(per_second.round() as u64) }
}

/// Bits per second in the unit that fits, in powers of ten as networks are named: `943 Mbit/s`, `15.9 Gbit/s`.
pub fn bit_rate(per_second: f64) -> String {
    for (unit, name) in [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")] {
        if per_second >= unit {
            return format!("{} {name}", three_digits(per_second / unit));
        }
    }
    format!("{per_second:.0} bit/s")
}

/// A whole number with thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 trial`, `2 trials`, `1,000 connections`. For words that take an s.
pub fn counted(number: impl TryInto<u64>, thing: &str) -> String {
    // No machine holds more things than that.
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

/// Bytes in the unit that fits, powers of 1000.
pub fn short_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", three_digits(bytes as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{} MB", three_digits(bytes as f64 / 1e6)),
        _ => format!("{} GB", three_digits(bytes as f64 / 1e9)),
    }
}

fn three_digits(number: f64) -> String {
    match number.abs() {
        n if n < 9.995 => format!("{number:.2}"),
        n if n < 99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_no_whole_millisecond_took_some_time() {
        assert_eq!([0, 1, 1500].map(duration_ms), ["under 1 ms", "1.00 ms", "1.50 s"]);
    }

    #[test]
    fn durations_carry_their_unit() {
        let check = |us: f64, expected: &str| assert_eq!(duration_us(us), expected);
        check(396.4, "396 µs");
        check(1_350.0, "1.35 ms");
        check(43_560.0, "43.6 ms");
        check(985_330.0, "985 ms");
        check(1_370_000.0, "1.37 s");
    }

    #[test]
    fn bit_rates_carry_their_unit() {
        let check = |bits: f64, expected: &str| assert_eq!(bit_rate(bits), expected);
        check(15_863_718_247.0, "15.9 Gbit/s");
        check(943_400_000.0, "943 Mbit/s");
        check(64_000.0, "64.0 kbit/s");
        check(12.0, "12 bit/s");
    }

    #[test]
    fn rates_and_counts_have_thousands_apart() {
        assert_eq!(rate(13_200.94), "13,201");
        assert_eq!(rate(90.63), "90.6");
        assert_eq!(rate(9.5), "9.50");
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(395_847), "395,847");
        assert_eq!(counted(0, "trial"), "0 trials");
        assert_eq!(counted(1, "trial"), "1 trial");
        assert_eq!(counted(1_000, "connection"), "1,000 connections");
        assert_eq!(short_bytes(31_820_000), "31.8 MB");
    }
}
