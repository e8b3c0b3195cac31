//! Is the latency one that was measured?

use crate::metric::duration_us;
use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "latency-corrected",
    gives: Gives::Suspect,
    text: "The service times of a closed loop could not be read, so the latency is the load generator's own. wrk adds invented answers to it for pauses that it assumes, which can make it a hundred times longer; it can't be compared with service times of other rows.",
};

/// Applies when a closed loop has a latency and no service time.
pub fn check(case: &Case<'_>) -> Option<String> {
    // A tool that tells of itself has no service times only where nothing succeeded.
    if case.rate_asked().is_some() || case.figures.waits_are_service_times() || case.figures.account.is_some() {
        return None;
    }
    let mean_us = case.figures.waiting()?.mean_us;
    Some(format!(
        "no service times were read: the mean of {} and all percentiles are the load generator's own latency, which it corrects by an assumption; rate and counts are exact",
        duration_us(mean_us)
    ))
}
