//! Is the latency the daemon's, or the load generator's own?

use crate::metric::duration_us;
use crate::referee::rules::Case;
use crate::referee::rules::case::{percent, ratio};
use crate::referee::verdict::{Gives, Rule};

/// A request that is sent late waits as long before anybody could answer it. Less than this is little beside what the
/// daemon took.
const SHARE: f64 = 0.2;

/// The ranks that are looked at: what most users wait, and what the unlucky ones do.
const RANKS: [f64; 2] = [50.0, 99.0];

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "generator-late",
    gives: Gives::Suspect,
    text: "The load generator sent its requests later than it could have, although a connection was free. In an open loop, by more than a fifth of the latency at the same rank (50 % or 99 %): so much of the latency is its own and not the daemon's. In a closed loop, by more than a fifth of what a request and its answer take on average: the rate is limited by the generator. On one machine daemon and load generator take each other's CPU.",
};

/// Applies when the generator's own lateness is a good part of what it measured.
pub fn check(case: &Case<'_>) -> Option<String> {
    let account = case.figures.account.as_ref().filter(|account| account.invalid_because.is_empty())?;
    let (lateness, latency) = account.send_lateness.as_ref().zip(case.figures.waiting())?;
    if case.rate_asked().is_none() {
        let share = ratio(lateness.mean_us, lateness.mean_us + latency.mean_us).filter(|share| *share > SHARE)?;
        return Some(format!(
            "each connection waited {} for the load generator before each request, {} of its time: the rate is its own and not the \
             daemon's",
            duration_us(lateness.mean_us),
            percent(share)
        ));
    }
    RANKS.into_iter().find_map(|rank| {
        let (own, whole) = lateness.percentile(rank).zip(latency.percentile(rank))?;
        let share = ratio(own, whole).filter(|share| *share > SHARE)?;
        Some(format!(
            "at {rank} % the load generator sent {} late, {} of the latency of {}: so much is its own and not the daemon's",
            duration_us(own),
            percent(share),
            duration_us(whole)
        ))
    })
}
