//! Was the rate reached that was asked for?

use crate::metric::{count, rate};
use crate::referee::rules::Case;
use crate::referee::rules::case::{percent, ratio};
use crate::referee::verdict::{Gives, Rule};

/// The least share of the rate asked for.
const AT_LEAST: f64 = 0.98;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "rate-not-reached",
    gives: Gives::Suspect,
    text: "An open loop reached less than 98 % of the rate asked for. Latency then grows with the debt, and so with the duration: it tells how much was missed, not how long a user waits.",
};

/// Applies when an open loop fell behind.
pub fn check(case: &Case<'_>) -> Option<String> {
    let asked = case.rate_asked()?;
    let reached = case.figures.requests_per_second();
    let share = ratio(reached, asked as f64)?;
    (share < AT_LEAST).then(|| {
        format!(
            "{} of {} requests/s reached ({}): latency counts from when a request was due, so it tells the debt and not what a user waits",
            rate(reached),
            count(asked),
            percent(share)
        )
    })
}
