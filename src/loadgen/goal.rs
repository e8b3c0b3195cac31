//! What a rate has to hold, to be one that the server can bear: `p99<50ms,errors<0.1%`.

use std::fmt;

use crate::loadgen::times_line::{of_line, us};
use crate::metric::{LoadResult, amount, duration_us};

/// Errors that a goal allows which says nothing of them: times are those of right answers, and errors are quick.
const ERRORS: f64 = 0.01;

/// What has to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    times: Vec<(Figure, f64)>,
    /// The part of requests that may fail.
    errors: f64,
    /// That part, as it was written.
    errors_text: String,
}

/// A figure of latency.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figure {
    name: &'static str,
    quantile: f64,
}

const FIGURES: [Figure; 8] = [
    Figure { name: "p50", quantile: 0.5 },
    Figure { name: "p75", quantile: 0.75 },
    Figure { name: "p90", quantile: 0.9 },
    Figure { name: "p95", quantile: 0.95 },
    Figure { name: "p99", quantile: 0.99 },
    Figure { name: "p99.9", quantile: 0.999 },
    Figure { name: "p99.99", quantile: 0.9999 },
    Figure { name: "max", quantile: 1.0 },
];

impl Goal {
    /// Reads a goal: terms with commas between them, each a figure, `<` and a value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut goal = Self { times: Vec::new(), errors: ERRORS, errors_text: "1%".to_owned() };
        for term in text.split(',').map(str::trim) {
            let Some((name, value)) = term.split_once('<') else { return Err(format!("`{term}` is no goal")) };
            let (name, value) = (name.trim(), value.trim());
            if name == "errors" {
                goal.errors =
                    share(value).ok_or_else(|| format!("`{value}` is no part of all requests, such as 0.1%"))?;
                goal.errors_text = value.to_owned();
                continue;
            }
            let figure = FIGURES.iter().find(|figure| figure.name == name);
            let figure = figure.ok_or_else(|| format!("`{name}` is no figure that a goal can have"))?;
            let has_unit = value.ends_with(|c: char| c.is_ascii_alphabetic());
            let value = amount(&value.replace('µ', "u"), Some("s")).filter(|us| has_unit && *us > 0.0);
            goal.times
                .push((*figure, value.ok_or_else(|| format!("`{term}` needs a time with its unit, such as 50ms"))?));
        }
        if goal.times.is_empty() { Err("a goal needs a time".to_owned()) } else { Ok(goal) }
    }

    /// What a result misses, each in words. A percentile beyond which no sample stands is the largest sample.
    pub fn missed_by(&self, result: &LoadResult) -> Vec<String> {
        let mut missed = Vec::new();
        let Ok(times) = of_line(&result.latency) else { return vec!["its histogram can't be read".to_owned()] };
        for (figure, bound) in &self.times {
            let found = us(times.value_at_quantile(figure.quantile));
            if times.is_empty() {
                missed.push(format!("{} is not known: nothing was timed", figure.name));
            } else if found >= *bound {
                missed.push(format!("{} is {}", figure.name, duration_us(found)));
            }
        }
        let failed: u64 = result.errors.iter().map(|line| line.errors_count).sum();
        let part = failed as f64 / (failed + result.requests.succeeded_count).max(1) as f64;
        if failed > 0 && part >= self.errors {
            missed.push(format!("{:.3} % failed", part * 100.0));
        }
        missed
    }

    /// What a result has of the figures in the goal: `p99 12.0 ms`.
    pub fn figures(&self, result: &LoadResult) -> String {
        let times = of_line(&result.latency).ok().filter(|times| !times.is_empty());
        let figures = self.times.iter().map(|(figure, _)| match &times {
            Some(times) => format!("{} {}", figure.name, duration_us(us(times.value_at_quantile(figure.quantile)))),
            None => format!("{} unknown", figure.name),
        });
        figures.collect::<Vec<_>>().join(", ")
    }
}

/// `0.1%`, `0.001`.
fn share(text: &str) -> Option<f64> {
    let (digits, per) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits.trim(), 100.0));
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let part = digits.parse::<f64>().ok().filter(|_| is_plain)? / per;
    (part > 0.0 && part <= 1.0).then_some(part)
}

impl fmt::Display for Goal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (figure, bound) in &self.times {
            write!(formatter, "{}<{},", figure.name, duration_us(*bound).replace(' ', ""))?;
        }
        write!(formatter, "errors<{}", self.errors_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_read() {
        let check = |text: &str, expected: &str| {
            let goal = Goal::parse(text).map_or_else(|error| error, |goal| goal.to_string());
            assert_eq!(goal, expected, "{text}");
        };
        check("p99<50ms", "p99<50.0ms,errors<1%");
        check("p99.9 < 1s, errors < 0.1%", "p99.9<1.00s,errors<0.1%");
        check("max<900us,p50<100µs,errors<0.001", "max<900µs,p50<100µs,errors<0.001");
        check("errors<1%", "a goal needs a time");
        check("p98<1s", "`p98` is no figure that a goal can have");
        check("p99<50", "`p99<50` needs a time with its unit, such as 50ms");
        check("p99<0s", "`p99<0s` needs a time with its unit, such as 50ms");
        check("p99>50ms", "`p99>50ms` is no goal");
        check("p99<1s,errors<0", "`0` is no part of all requests, such as 0.1%");
        check("p99<1s,errors<200%", "`200%` is no part of all requests, such as 0.1%");
        check("", "`` is no goal");
    }
}
