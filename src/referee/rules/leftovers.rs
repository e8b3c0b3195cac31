//! Did processes outlive the daemon?

use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// How many are named.
const NAMED: usize = 3;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "leftovers",
    gives: Gives::Suspect,
    text: "Processes of the daemon outlived its stop and had to be killed: it is not the daemon that was thought to run, and its next trial may have begun beside them.",
};

/// Applies when something was left.
pub fn check(case: &Case<'_>) -> Option<String> {
    let left = &case.stored.seen.leftovers;
    let more = match left.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named: Vec<&str> = left.iter().take(NAMED).map(String::as_str).collect();
    (!left.is_empty()).then(|| {
        format!(
            "processes outlived the daemon and were killed ({}{more}): it does not stop as it should",
            named.join("; ")
        )
    })
}
