//! Did anything succeed?

use crate::metric::counted;
use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "no-success",
    gives: Gives::Invalid,
    text: "Not one request was answered with success: connections were dropped, answers were refused by their status, or all came too late. Rate and latency, where there are any, describe nothing but failures.",
};

/// Applies when no request succeeded.
pub fn check(case: &Case<'_>) -> Option<String> {
    let figures = case.figures;
    if figures.successes() > 0 {
        return None;
    }
    let latency = match figures.waiting() {
        Some(_) => "whatever rate and latency are printed, they describe failures only",
        None => "no latency was measured, and the rate describes failures only",
    };
    Some(match (figures.requests, figures.late_answers) {
        (0, _) => format!("no request was answered: {latency}"),
        (requests, Some(late)) if late >= requests => {
            format!("not one of {} came in time: {latency}", counted(requests, "answer"))
        }
        // Refused and late answers may be partly the same ones.
        (requests, Some(1..)) => {
            format!("not one of {} is known to be a success: {latency}", counted(requests, "answer"))
        }
        (requests, _) => format!("not one of {} was a success: {latency}", counted(requests, "answer")),
    })
}
