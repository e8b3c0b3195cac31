//! Were the connections alive until the end?

use crate::metric::rate;
use crate::referee::rules::Case;
use crate::referee::rules::case::ratio;
use crate::referee::verdict::{Gives, Rule};

/// More than half of what should have been under way was not. Kept connections have no such pauses of their own: what a
/// daemon or a load generator needs between two requests of a connection was never seen to come near its answer's time.
const IDLE: f64 = 2.0;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "connections-lost",
    gives: Gives::Invalid,
    text: "The daemon keeps connections open, the load is a closed loop, and rate × mean latency is less than half of the requests that should be under way: connections died and were not opened again, so the rate is that of a load that stopped early. A daemon that closes a connection after a number of requests looks like this under a load generator that opens no new ones.",
};

/// Applies when most of a closed loop's connections did nothing.
pub fn check(case: &Case<'_>) -> Option<String> {
    let figures = case.figures;
    if case.rate_asked().is_some() || case.stored.seen.keep_alive != Some(true) {
        return None;
    }
    let expected = figures.requests_under_way() as f64;
    let under_way = figures.under_way()?;
    (ratio(expected, under_way)? > IDLE).then(|| {
        format!(
            "{} requests were under way at once and {} should have been: connections died and were not opened again, and the rate \
             counts the time after that",
            rate(under_way),
            rate(expected)
        )
    })
}
