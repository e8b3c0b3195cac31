//! Kinds of values that count: whole numbers, durations, yes or no.

use std::time::Duration;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::diagnostic::{Code, Kind, Node, Place, Table};

/// A whole number within bounds.
pub struct Whole<N> {
    /// The smallest.
    pub min: N,
    /// The largest.
    pub max: N,
}

impl<N> Kind for Whole<N>
where
    N: Copy + Sync + Into<i128> + TryFrom<i128> + Into<Value>,
{
    type Value = N;

    fn read(&self, node: &Node<'_>) -> Option<N> {
        let DeValue::Integer(written) = node.value() else {
            node.wrong_type("an integer", integer_hint(node));
            return None;
        };
        let (min, max): (i128, i128) = (self.min.into(), self.max.into());
        let number = i128::from_str_radix(written.as_str(), written.radix()).ok();
        match number.filter(|number| (min..=max).contains(number)).and_then(|number| N::try_from(number).ok()) {
            Some(number) => Some(number),
            None => {
                report_out_of_range(node, number, min, max);
                None
            }
        }
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> N {
        self.min
    }

    fn schema(&self) -> Value {
        let (min, max): (Value, Value) = (self.min.into(), self.max.into());
        json!({ "type": "integer", "minimum": min, "maximum": max })
    }

    fn written(&self, value: &N) -> Option<Value> {
        Some((*value).into())
    }
}

fn report_out_of_range(node: &Node<'_>, number: Option<i128>, min: i128, max: i128) {
    let label = if number.is_some_and(|number| number < min) { "too small" } else { "too large" };
    if min == max {
        let message = format!("{} must be {min} in this version", node.what());
        return node.error(Code::OutOfRange, message, label, format!("write {min}"));
    }
    let message = format!("{} must be between {min} and {max}", node.what());
    node.error(Code::OutOfRange, message, label, format!("write a number from {min} to {max}"));
}

fn integer_hint(node: &Node<'_>) -> String {
    match node.value() {
        DeValue::String(text) if text.trim().parse::<u64>().is_ok() => {
            format!("write it without quotes: {}", text.trim())
        }
        DeValue::Float(_) => "write a whole number, without a point".to_owned(),
        _ => "write a whole number, without quotes".to_owned(),
    }
}

/// `true` or `false`.
pub struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, node: &Node<'_>) -> Option<bool> {
        if let DeValue::Boolean(value) = node.value() {
            return Some(*value);
        }
        node.wrong_type("a boolean", "write `true` or `false`, without quotes");
        None
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> bool {
        false
    }

    fn schema(&self) -> Value {
        json!({ "type": "boolean" })
    }

    fn written(&self, value: &bool) -> Option<Value> {
        Some(json!(value))
    }
}

/// A duration within bounds, written as `"15s"`, `"500ms"`, `"5m"`, `"1m30s"`.
pub struct Span {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
    /// Whether only whole seconds will do: load generators take no others.
    pub whole_seconds: bool,
}

impl Kind for Span {
    type Value = Duration;

    fn read(&self, node: &Node<'_>) -> Option<Duration> {
        let duration = parsed_duration(node)?;
        let example =
            format!("write a duration from \"{}\" to \"{}\"", duration_words(self.min), duration_words(self.max));
        if duration < self.min || duration > self.max {
            let (min, max) = (duration_words(self.min), duration_words(self.max));
            let message = format!("{} must be between {min} and {max}", node.what());
            let label = if duration < self.min { "too short" } else { "too long" };
            node.error(Code::OutOfRange, message, label, example);
            return None;
        }
        if self.whole_seconds && duration.subsec_nanos() != 0 {
            let message = format!("{} must be whole seconds", node.what());
            let hint = format!("load generators take no others: write \"{}s\"", duration.as_secs() + 1);
            node.error(Code::OutOfRange, message, "not whole seconds", hint);
            return None;
        }
        Some(duration)
    }

    fn stand_in(&self, _table: &Table<'_>, _place: &Place) -> Duration {
        self.min
    }

    fn schema(&self) -> Value {
        let pattern = "^(?=.)([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
        let example = duration_words(self.min.max(Duration::from_secs(15)).min(self.max));
        json!({ "type": "string", "pattern": pattern, "examples": [example] })
    }

    fn written(&self, value: &Duration) -> Option<Value> {
        Some(json!(duration_words(*value)))
    }
}

/// Reads a duration and reports what is wrong with the way it is written.
fn parsed_duration(node: &Node<'_>) -> Option<Duration> {
    let text = match node.value() {
        DeValue::String(text) => text,
        DeValue::Integer(number) => {
            let message = format!("{} has no unit", node.what());
            let hint = format!("write \"{}s\" for seconds; other units are ms, m and h", number.as_str());
            node.error(Code::BadDuration, message, "a number without a unit", hint);
            return None;
        }
        _ => {
            node.wrong_type("a duration", "write a number and a unit in double quotes: \"15s\", \"500ms\", \"1m30s\"");
            return None;
        }
    };
    let duration = parse_duration(text);
    if duration.is_none() {
        let message = format!("{} is not a duration", node.what());
        let hint = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("write \"{text}s\" for seconds; other units are ms, m and h")
        } else {
            "write whole numbers with the units h, m, s, ms in this order: \"15s\", \"500ms\", \"1m30s\"".to_owned()
        };
        node.error(Code::BadDuration, message, "not a number and a unit", hint);
    }
    duration
}

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Numbers with units, the larger unit first, each unit once.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut milliseconds: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = rest.get(..letters)?;
        rest = rest.get(letters..)?;
        let (_, factor) = units.find(|(name, _)| *name == unit)?;
        milliseconds = milliseconds.checked_add(number.checked_mul(*factor)?)?;
    }
    (!text.is_empty()).then(|| Duration::from_millis(milliseconds))
}

/// A duration as it is written in files: `1m30s`.
pub fn duration_words(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut words = String::new();
    for (unit, factor) in UNITS {
        let number = rest / factor;
        rest %= factor;
        if number > 0 {
            words.push_str(&format!("{number}{unit}"));
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_duration(text), expected.map(Duration::from_millis), "{text}");
        };
        check("15s", Some(15_000));
        check("500ms", Some(500));
        check("5m", Some(300_000));
        check("1m30s", Some(90_000));
        check("1h1ms", Some(3_600_001));
        check("", None);
        check("15", None);
        check("s", None);
        check("1.5s", None);
        check("-1s", None);
        check("30s1m", None);
        check("1s1s", None);
        check("15 s", None);
        check("15S", None);
        check("99999999999999999999s", None);
        check("9999999999999999999h", None);
        check("é", None);
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["15s", "500ms", "5m", "1m30s", "1h", "1h1ms"] {
            assert_eq!(parse_duration(text).map(duration_words).as_deref(), Some(text));
        }
        assert_eq!(duration_words(Duration::ZERO), "0s");
    }
}
