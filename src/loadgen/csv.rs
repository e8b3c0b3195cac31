//! The seconds of a load as CSV. Each column ends in its unit; a cell without a figure is empty.

use crate::loadgen::lines::SecondLine;

/// The first line.
pub const HEAD: &str = "from_s,sent_count,answers_count,successes_count,errors_count,received_bytes,\
                        connections_open_count,latency_samples_count,latency_min_us,latency_mean_us,latency_p50_us,\
                        latency_p90_us,latency_p99_us,latency_p99_9_us,latency_max_us\n";

/// The line of a second.
pub fn row(second: &SecondLine) -> String {
    let counts = [
        second.from_s,
        second.sent_count,
        second.answers_count,
        second.successes_count,
        second.errors_count,
        second.received_bytes,
        second.connections_open_count,
        second.latency.samples_count,
    ];
    let latency = &second.latency;
    let times = [
        latency.min_us,
        latency.mean_us,
        latency.p50_us,
        latency.p90_us,
        latency.p99_us,
        latency.p99_9_us,
        latency.max_us,
    ];
    let counts = counts.iter().map(u64::to_string);
    let times = times.iter().map(|us| us.map(|us| format!("{us:.3}")).unwrap_or_default());
    counts.chain(times).collect::<Vec<_>>().join(",") + "\n"
}
