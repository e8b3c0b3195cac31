//! Did the load last as long as planned?

use crate::metric::duration_us;
use crate::referee::rules::Case;
use crate::referee::verdict::{Gives, Rule};

/// How far they may be apart: generators stop at the next tick of their own clock.
const TOLERANCE: f64 = 0.05;
/// The same in seconds, for short loads.
const TOLERANCE_S: f64 = 0.3;

/// The rule, for reading.
pub const RULE: Rule = Rule {
    id: "load-duration",
    gives: Gives::Suspect,
    text: "The load lasted more than 5 % (and more than 0.3 s) longer or shorter than planned: it is not the load that the table's heading states.",
};

/// Applies when planned and measured duration differ.
pub fn check(case: &Case<'_>) -> Option<String> {
    let planned = case.stored.trial.load.duration_s;
    let measured = case.figures.duration_us as f64 / 1e6;
    let apart = (measured - planned).abs();
    (apart > TOLERANCE_S && apart > planned * TOLERANCE).then(|| {
        format!(
            "the load lasted {}, {} were planned: it is not the load that was asked for",
            duration_us(measured * 1e6),
            duration_us(planned * 1e6)
        )
    })
}
