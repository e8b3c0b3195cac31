//! Did anything succeed?

use crate::metric::count;
use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "no-success",
    gives: Gives::Invalid,
    text: "Not one request was answered with success, so rate and latency describe nothing but failures.",
};

/// Applies when no request succeeded.
pub fn check(case: &Case<'_>) -> Option<String> {
    let figures = case.figures;
    (figures.successes() == 0).then(|| {
        format!(
            "not one of {} answers was a success: whatever rate and latency are printed, they describe failures only",
            count(figures.requests)
        )
    })
}
