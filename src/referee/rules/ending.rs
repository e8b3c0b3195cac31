//! Did the trial end as it should after its load?

use crate::event::Outcome;
use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "bad-ending",
    gives: Gives::Suspect,
    text: "There are figures, but the trial then failed, was interrupted, or was cut off: checks that come after the load may be missing.",
};

/// Applies when a measured trial did not end well.
pub fn check(case: &Case<'_>) -> Option<String> {
    let how = match &case.stored.outcome {
        Some(Outcome::Measured) => return None,
        Some(Outcome::Failed { reason }) => format!("it then failed ({})", reason.message),
        Some(Outcome::Interrupted) => "the user then stopped the run".to_owned(),
        None => "the run was then cut off".to_owned(),
    };
    Some(format!("the load was measured, but {how}: checks that come after the load may be missing"))
}
