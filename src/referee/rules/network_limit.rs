//! Was it the network that was measured?

use crate::metric::bit_rate;
use crate::referee::rules::Case;
use crate::referee::rules::case::{percent, ratio};
use crate::referee::verdict::{Gives, Rule};

/// A check sends long streams and nothing else. Answers to many small requests share the way with headers, and with the
/// acknowledgements of the requests, so a network is full before they reach what a check carried.
const FULL: f64 = 0.8;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "network-limit",
    gives: Gives::Suspect,
    text: "The answers took more than 80 % of what the network check saw the network carry to the load generator: then the network may be what was measured, and not the daemon.",
};

/// Applies when the answers nearly filled the network. One machine has no rate to fill.
pub fn check(case: &Case<'_>) -> Option<String> {
    let carried = case.answers_rate();
    let share = ratio(carried, case.answer_rate?)?;
    (share > FULL).then(|| {
        format!(
            "the answers came at {}, {} of the {} that the network check saw: the network was the limit, or close to it",
            bit_rate(carried),
            percent(share),
            bit_rate(case.answer_rate.unwrap_or_default()),
        )
    })
}
