//! Were answers refused?

use crate::metric::{count, counted};
use crate::referee::rules::Case;
use crate::referee::rules::case::{percent, ratio};
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "status-errors",
    gives: Gives::Suspect,
    text: "Some answers had a status other than 2xx or 3xx. Refusing is quicker than answering, so a latency that counts refusals flatters the daemon.",
};

/// Applies when any answer was refused by its status.
pub fn check(case: &Case<'_>) -> Option<String> {
    let figures = case.figures;
    let refused = figures.errors.status;
    if refused == 0 {
        return None;
    }
    let share = ratio(refused as f64, figures.answered() as f64).map(|share| format!(" ({})", percent(share)));
    Some(format!(
        "{} of {}{} had a status other than 2xx or 3xx, {} succeeded: the latencies are {}",
        count(refused),
        counted(figures.answered(), "answer"),
        share.unwrap_or_default(),
        count(figures.successes()),
        // A tool that tells of itself times them apart.
        if figures.account.is_some() { "those of the others alone" } else { "those of refusals, too" }
    ))
}
