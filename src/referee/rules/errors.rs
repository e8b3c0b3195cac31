//! Did requests fail otherwise?

use crate::metric::{count, counted};
use crate::referee::rules::Case;
use crate::referee::rules::case::{percent, ratio};
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "errors",
    gives: Gives::Suspect,
    text: "Connections or requests failed (connect, send, receive, timeout, document). Each kind is counted by itself, because load generators count other things under the same name; what failed is missing from the latencies, but for what a load generator gave up and tells so.",
};

/// Applies when there is any error other than by status.
pub fn check(case: &Case<'_>) -> Option<String> {
    let figures = case.figures;
    // What was sent, where the tool tells it: an answer that never came is no share of those that did.
    let (base, what) = match &figures.account {
        Some(account) => (account.sent, "request"),
        None => (figures.requests, "answer"),
    };
    let kinds: Vec<String> = figures
        .errors
        .by_kind()
        .into_iter()
        .filter(|(kind, number)| *kind != "status" && *number > 0)
        .map(|(kind, number)| match ratio(number as f64, base as f64) {
            Some(share) => format!("{kind} {} ({})", count(number), percent(share)),
            None => format!("{kind} {}", count(number)),
        })
        .collect();
    (!kinds.is_empty()).then(|| {
        format!(
            "errors against {}: {}; what failed is missing from the latencies{}",
            counted(base, what),
            kinds.join(", "),
            if figures.lower_bounds() > 0 {
                ", but for what was given up: that is in them as long as it was waited for"
            } else {
                ""
            }
        )
    })
}
