//! Is there anything to judge?

use crate::event::Outcome;
use crate::referee::verdict::{Gives, Rule};

/// The rule's stable word.
pub const ID: &str = "not-measured";

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: ID,
    gives: Gives::Unjudged,
    text: "The trial has no figures: it failed, was interrupted, was cut off, or was never begun. A missing number is shown as missing, never as 0.",
};

/// Why there are no figures.
pub fn why(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "the run was cut off in this trial".to_owned(),
        Some(Outcome::Interrupted) => "the user stopped the run in this trial".to_owned(),
        Some(Outcome::Measured) => "the trial ended well, but its figures are not in the run directory".to_owned(),
        Some(Outcome::Failed { reason }) => reason.message.clone(),
    }
}
