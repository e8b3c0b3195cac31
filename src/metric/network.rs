//! The figures of one network check, in one shape for every tool.

use serde::{Deserialize, Serialize};

/// What was carried between two machines, both ways at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkFigures {
    /// From the machine that the load comes from: requests go this way.
    pub to_server: Flow,
    /// To the machine that the load comes from: answers go this way.
    pub to_client: Flow,
    /// CPU that the tool used on the client's machine, in per cent of one CPU. `None` where it does not tell.
    #[serde(default)]
    pub client_cpu_percent: Option<f64>,
    /// The same on the server's machine.
    #[serde(default)]
    pub server_cpu_percent: Option<f64>,
    /// The tool and its version, as it says itself or as its package is named.
    pub tool: String,
}

/// What was carried one way. The receiver's figures count: what was sent may still lie in a buffer, or be lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Bytes that arrived, without the headers of TCP and below.
    pub bytes_received: u64,
    /// How long the receiver measured.
    pub duration_us: u64,
    /// Bytes that the sender has sent.
    pub bytes_sent: u64,
    /// Segments that had to be sent again. `None` where the tool does not tell.
    #[serde(default)]
    pub retransmits: Option<u64>,
}

impl Flow {
    /// Bits that arrived in a second.
    pub fn bits_per_second(&self) -> f64 {
        self.bytes_received as f64 * 8.0 / (self.duration_us as f64 / 1e6)
    }
}

/// How far two rates are apart, as a share of the larger one. Nothing where one of them is no rate.
pub fn apart(one: f64, other: f64) -> Option<f64> {
    let (small, large) = (one.min(other), one.max(other));
    // `min` and `max` pass over what is no number.
    (one.is_finite() && other.is_finite() && small >= 0.0 && large > 0.0).then(|| 1.0 - small / large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receivers_bytes_over_the_receivers_time() {
        let flow =
            Flow { bytes_received: 125_000_000, duration_us: 2_000_000, bytes_sent: 126_000_000, retransmits: None };
        assert!((flow.bits_per_second() - 500e6).abs() < 1e-3);
    }

    #[test]
    fn how_far_rates_are_apart() {
        assert_eq!(apart(900.0, 1_000.0).map(|share| (share * 100.0).round()), Some(10.0));
        assert_eq!(apart(1_000.0, 900.0).map(|share| (share * 100.0).round()), Some(10.0));
        assert_eq!(apart(5.0, 5.0), Some(0.0));
        assert_eq!(apart(0.0, 0.0), None);
        assert_eq!(apart(f64::NAN, 1.0), None);
    }
}
