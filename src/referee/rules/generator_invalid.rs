//! Does the load generator believe itself?

use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "generator-invalid",
    gives: Gives::Invalid,
    text: "The load generator says itself that its figures do not mean what they say, and why: it was late with its own requests, did not send what was due, was disturbed. Only one that watches itself can say so.",
};

/// Applies when the generator gives any reason.
pub fn check(case: &Case<'_>) -> Option<String> {
    let reasons = &case.figures.account.as_ref()?.invalid_because;
    (!reasons.is_empty()).then(|| format!("the load generator says of its own figures: {}", reasons.join("; ")))
}
