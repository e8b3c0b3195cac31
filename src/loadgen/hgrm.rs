//! HdrHistogram's text of percentiles (`.hgrm`), as wrk2 prints it and as HdrHistogram's plotter reads it: values in
//! milliseconds.

use std::fmt::Write as _;

use crate::loadgen::tally::Times;

/// Steps within each half of the distance to 100 %: wrk2's.
const TICKS: u32 = 5;

/// The whole text.
pub fn of(times: &Times) -> String {
    let mut text = String::from("       Value   Percentile   TotalCount 1/(1-Percentile)\n\n");
    let mut total = 0;
    for step in times.iter_quantiles(TICKS) {
        total += step.count_since_last_iteration();
        let rank = step.quantile_iterated_to();
        let (value, beyond) = (step.value_iterated_to() as f64 / 1e6, 1.0 / (1.0 - rank));
        // Rust writes infinity as `inf`, as C does. Writing to a `String` can't fail.
        let _ = writeln!(text, "{value:12.3} {rank:12.6} {total:12} {beyond:12.2}");
    }
    let (mean, stdev, max) = (times.mean() / 1e6, times.stdev() / 1e6, times.max() as f64 / 1e6);
    let sub_buckets = 2 * 10_u64.pow(u32::from(times.sigfig()));
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {stdev:12.3}]");
    let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {:12}]", times.len());
    let _ =
        writeln!(text, "#[Buckets = {:12}, SubBuckets     = {:12}]", times.buckets(), sub_buckets.next_power_of_two());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadgen::tally::{add, times};

    #[test]
    fn it_looks_as_wrk2_prints_it() {
        let mut all = times();
        (1..=1_000).for_each(|n| add(&mut all, n * 10_000));
        let text = of(&all);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value   Percentile   TotalCount 1/(1-Percentile)");
        assert_eq!(lines[2], "       0.010     0.000000            1         1.00");
        assert_eq!(lines[3], "       1.000     0.100000          100         1.11");
        assert_eq!(lines[lines.len() - 4], "      10.002     1.000000         1000          inf");
        assert_eq!(lines[lines.len() - 3], "#[Mean    =        5.005, StdDeviation   =        2.887]");
        assert_eq!(lines[lines.len() - 2], "#[Max     =       10.002, Total count    =         1000]");
        assert_eq!(lines[lines.len() - 1], "#[Buckets =           26, SubBuckets     =         2048]");
    }

    #[test]
    fn nothing_has_no_rows() {
        assert_eq!(of(&times()).lines().count(), 5);
    }
}
