//! What a rule sees.

use crate::metric::LoadFigures;
use crate::plan::Daemon;
use crate::store::{Drift, SeenCheck, StoredTrial};

/// A measured trial, and what the run says about it.
pub struct Case<'a> {
    /// The trial.
    pub stored: &'a StoredTrial,
    /// Its figures.
    pub figures: &'a LoadFigures,
    /// Its daemon, as planned.
    pub daemon: Option<&'a Daemon>,
    /// CPU use of the daemon just before the load.
    pub cpu_percent: Option<f64>,
    /// The network checks between its machines.
    pub checks: &'a [SeenCheck<'a>],
    /// Whether they are one machine, without a network.
    pub one_machine: bool,
    /// Settings of its machines that drifted, each with its machine.
    pub drifted: &'a [(&'a str, Drift)],
    /// The lowest rate of answers that they saw, in bits per second; none on one machine.
    pub answer_rate: Option<f64>,
}

impl Case<'_> {
    /// Requests per second asked for: there is one only in an open loop.
    pub fn rate_asked(&self) -> Option<u64> {
        self.figures.rate_asked.or(self.stored.trial.load.rate)
    }

    /// Bits per second in which the answers came.
    pub fn answers_rate(&self) -> f64 {
        self.figures.bytes_received as f64 * 8.0 / (self.figures.duration_us as f64 / 1e6)
    }
}

/// `part / whole` where that is a number.
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    let ratio = part / whole;
    (ratio.is_finite() && whole.is_finite() && whole > 0.0).then_some(ratio)
}

/// A share for people: `6.4 %`. A share that is not zero never reads as zero.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.01 => "under 0.01 %".to_owned(),
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}
