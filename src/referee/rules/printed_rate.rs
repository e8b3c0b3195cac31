//! Is the printed rate a rate?

use crate::metric::{duration_us, rate};
use crate::referee::rules::Case;
use crate::referee::rules::case::ratio;
use crate::referee::verdict::{Gives, Rule};

/// How far they may be apart: tools round what they print.
const TOLERANCE: f64 = 0.01;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "printed-rate",
    gives: Gives::Suspect,
    text: "The rate that the load generator printed differs by more than 1 % from its answers divided by its duration. A total that is taken for a rate shows here.",
};

/// Applies when total / duration and the printed rate differ.
pub fn check(case: &Case<'_>) -> Option<String> {
    let figures = case.figures;
    let computed = figures.requests_per_second();
    let printed = figures.printed_requests_per_second;
    let factor = ratio(printed, computed)?;
    ((factor - 1.0).abs() > TOLERANCE).then(|| {
        format!(
            "the tool printed {}/s, but its answers over {} make {}/s ({factor:.2} times that): one of the two is not a rate of this load",
            rate(printed),
            duration_us(figures.duration_us as f64),
            rate(computed)
        )
    })
}
