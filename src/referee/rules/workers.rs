//! Does the daemon have the workers that were asked for?

use crate::metric::counted;
use crate::plan::WorkersAt;
use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "workers-differ",
    gives: Gives::Suspect,
    text: "Another number of worker processes was counted than was asked for: the daemon had more, or less, than the others.",
};

/// Applies when workers are counted, and their number is another one.
pub fn check(case: &Case<'_>) -> Option<String> {
    let daemon = case.daemon?;
    let seen = case.stored.seen.workers?;
    let can_be_counted = daemon.processes.iter().any(|process| process.workers != WorkersAt::Nowhere);
    (can_be_counted && seen != daemon.workers).then(|| {
        let asked = counted(daemon.workers, "worker");
        format!("{asked} asked for, {seen} counted: the daemon had not the means that were stated")
    })
}
