//! Were the machines tuned in the same way all the time?

use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "tuning-changed",
    gives: Gives::Suspect,
    text: "A setting of a machine of this trial was set and read back before the first trial, and was another one after the last, or when a run that ended early put the machine back: somebody changed it meanwhile, and nobody knows which of the two this trial had.",
};

/// Applies when a setting of one of the trial's machines drifted.
pub fn check(case: &Case<'_>) -> Option<String> {
    let (machine, first) = case.drifted.first()?;
    let more = match case.drifted.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more changed"),
    };
    let now = first.found.as_deref().unwrap_or("gone");
    Some(format!(
        "{} of {machine} was set to {} and was {now} {}{more}: somebody changed it meanwhile",
        first.name, first.set, first.when
    ))
}
