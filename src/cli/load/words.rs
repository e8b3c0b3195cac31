//! Numbers, times, rates and lists as people write them. Each is read whole or told to be wrong, with what would be right.

use std::time::Duration;

/// A message and a hint.
pub type Wrong = (String, String);

/// What a number may be, and what to do where it is not.
pub struct Bounds {
    /// What it is, as the messages begin: `-c/--connections`.
    pub name: &'static str,
    /// The smallest.
    pub least: u64,
    /// The largest.
    pub most: u64,
    /// What to do.
    pub hint: &'static str,
}

/// A whole number, with wrk's `k`, `M` and `G`.
pub fn whole(bounds: &Bounds, text: &str) -> Result<u64, Wrong> {
    let name = bounds.name;
    let number = scaled(text).filter(|number| number.fract() == 0.0 && *number <= 1e15);
    let Some(number) = number else {
        return Err((format!("{name}: `{text}` is no whole number"), bounds.hint.to_owned()));
    };
    let number = number as u64;
    if number < bounds.least {
        return Err((format!("{name}: {text} is too few: at least {}", bounds.least), bounds.hint.to_owned()));
    }
    if number > bounds.most {
        return Err((format!("{name}: {text} is too many: at most {}", bounds.most), bounds.hint.to_owned()));
    }
    Ok(number)
}

/// `4000`, `0.5`, `4k`, `1.5M`. Signs, infinities and the like are no numbers of things.
pub fn scaled(text: &str) -> Option<f64> {
    let (digits, factor) = match text.char_indices().last()? {
        (end, 'k' | 'K') => (&text[..end], 1e3),
        (end, 'm' | 'M') => (&text[..end], 1e6),
        (end, 'g' | 'G') => (&text[..end], 1e9),
        _ => (text, 1.0),
    };
    plain(digits).map(|number| number * factor)
}

fn plain(digits: &str) -> Option<f64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_plain || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A duration: seconds where no unit stands, as wrk takes them; several parts may follow one another (`1m30s`).
pub fn duration(name: &str, text: &str) -> Result<Duration, Wrong> {
    let wrong = || {
        let hint = "write a number and a unit: 30s, 500ms, 5m, 1h; without a unit it is seconds";
        (format!("{name}: `{text}` is no duration"), hint.to_owned())
    };
    if let Some(seconds) = plain(text) {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let (mut rest, mut all) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (digits, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let seconds = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            _ => return Err(wrong()),
        };
        let number = plain(digits).ok_or_else(wrong)?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        all = all.checked_add(part).ok_or_else(wrong)?;
        rest = next;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(all) }
}

/// A duration within bounds.
pub fn duration_within(name: &str, text: &str, least: Duration, most: Duration) -> Result<Duration, Wrong> {
    let duration = duration(name, text)?;
    let words = |time: Duration| crate::metric::duration_us(time.as_nanos() as f64 / 1e3);
    let hint = || format!("write a time from {} to {}", words(least), words(most));
    if duration < least {
        return Err((format!("{name}: {text} is too short"), hint()));
    }
    if duration > most {
        return Err((format!("{name}: {text} is too long"), hint()));
    }
    Ok(duration)
}

/// Rates over the time of a load.
#[derive(Debug, Clone, PartialEq)]
pub enum Rates {
    /// One.
    Constant(f64),
    /// From one to another.
    Ramp(f64, f64),
    /// One after the other.
    Steps(Vec<f64>),
}

/// More than any machine sends.
const MOST_RATE: f64 = 1e8;

/// `4000`, `1000..5000`, `1000,2000,4000`.
pub fn rates(text: &str) -> Result<Rates, Wrong> {
    let one = |part: &str| rate(part.trim(), text);
    if let Some((first, last)) = text.split_once("..") {
        let (first, last) = (one(first)?, one(last)?);
        // A ramp may begin or end at nothing, but has to have something.
        return if first + last > 0.0 { Ok(Rates::Ramp(first, last)) } else { Err(nothing(text)) };
    }
    let all: Vec<f64> = text.split(',').map(one).collect::<Result<_, _>>()?;
    match all[..] {
        [rate] if rate > 0.0 => Ok(Rates::Constant(rate)),
        _ if all.len() > 1 && all.iter().any(|rate| *rate > 0.0) => Ok(Rates::Steps(all)),
        _ => Err(nothing(text)),
    }
}

fn nothing(text: &str) -> Wrong {
    let hint = "leave -R out for a closed loop, which sends as fast as answers come";
    (format!("-R/--rate: {text} asks for no request"), hint.to_owned())
}

fn rate(part: &str, text: &str) -> Result<f64, Wrong> {
    let Some(rate) = scaled(part) else {
        let hint = "write requests a second: 4000 or 4k; 1000..5000 grows evenly; 1000,2000,4000 are steps";
        return Err((format!("-R/--rate: `{text}` is no rate"), hint.to_owned()));
    };
    if rate > MOST_RATE {
        let hint = "no machine sends more than 100 million requests a second";
        return Err((format!("-R/--rate: {text} is absurd"), hint.to_owned()));
    }
    Ok(rate)
}

/// `0,1`, `0-3`, `0-1,4`.
pub fn list(name: &str, text: &str, most: u32) -> Result<Vec<u32>, Wrong> {
    let wrong = || {
        (
            format!("{name}: `{text}` is no list of numbers up to {most}"),
            "write 0,1 or 0-3, the smaller first".to_owned(),
        )
    };
    let number = |part: &str| -> Result<u32, Wrong> {
        let is_plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|number| is_plain && *number <= most).ok_or_else(wrong)
    };
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim) {
        match part.split_once('-') {
            None => all.push(number(part)?),
            Some((first, last)) => {
                let (first, last) = (number(first.trim())?, number(last.trim())?);
                if first > last {
                    return Err(wrong());
                }
                all.extend(first..=last);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_wrks_and_more() {
        let check = |text: &str, ms: Option<u64>| {
            assert_eq!(duration("-d", text).ok(), ms.map(Duration::from_millis), "{text}");
        };
        check("30", Some(30_000));
        check("30s", Some(30_000));
        check("0.5", Some(500));
        check("500ms", Some(500));
        check("5m", Some(300_000));
        check("1h", Some(3_600_000));
        check("1m30s", Some(90_000));
        for wrong in ["", "s", "-1", "1x", "1 s", "1e9", "nan", "inf", "1.2.3", "99999999999999999999999h", "s1"] {
            check(wrong, None);
        }
    }

    #[test]
    fn rates_are_constant_or_ramps_or_steps() {
        assert_eq!(rates("4000"), Ok(Rates::Constant(4_000.0)));
        assert_eq!(rates("1.5k"), Ok(Rates::Constant(1_500.0)));
        assert_eq!(rates("0.5"), Ok(Rates::Constant(0.5)));
        assert_eq!(rates("1000..5k"), Ok(Rates::Ramp(1_000.0, 5_000.0)));
        assert_eq!(rates("0..10"), Ok(Rates::Ramp(0.0, 10.0)));
        assert_eq!(rates("1,2, 4"), Ok(Rates::Steps(vec![1.0, 2.0, 4.0])));
        for wrong in ["", "0", "0..0", "0,0", "-1", "x", "1..", "..", "1,,2", "1e12", "1G", "inf", "1..2..3"] {
            assert!(rates(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_have_ranges() {
        assert_eq!(list("--cpus", "0,2-4", 9), Ok(vec![0, 2, 3, 4]));
        for wrong in ["", "a", "1-", "3-1", "10", "1,,2", "-1", "+1"] {
            assert!(list("--cpus", wrong, 9).is_err(), "{wrong}");
        }
    }
}
