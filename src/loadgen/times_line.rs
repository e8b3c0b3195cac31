//! A histogram as figures and as text, and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};

use crate::loadgen::tally::{Times, times};
use crate::metric::TimesLine;

/// Longer texts are no histogram of anything that was measured: ours has a few kilobytes.
const LONGEST_TEXT: usize = 16 << 20;

/// Why a text is no histogram that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHistogram {
    /// It is no Base64, or what it encodes is no histogram.
    #[error("it is no HdrHistogram in its V2 encoding: {0}")]
    Unreadable(String),
    /// Its buckets are not ours, so that it could not be added exactly.
    #[error(
        "it has {digits} significant digits and a lowest value of {low}, where others have {our_digits} and {our_low}: \
         its buckets are not theirs, and the sum would not be exact"
    )]
    OtherShape {
        /// Its significant digits.
        digits: u8,
        /// The smallest value that it tells apart.
        low: u64,
        /// Those of the others.
        our_digits: u8,
        /// The same of the others.
        our_low: u64,
    },
    /// Times were counted, and the histogram is left out.
    #[error("it has samples and no histogram")]
    Missing,
}

/// The figures of a histogram, of which so many times are lower bounds. Percentiles beyond which no sample stands are left
/// out: the 99.9th of 100 samples is its largest under another name.
pub fn line(times: &Times, lower_bounds: u64) -> TimesLine {
    let histogram = if times.is_empty() { None } else { encoded(times) };
    TimesLine { histogram, ..figures(times, lower_bounds) }
}

/// The same without the histogram itself: for whoever only shows them.
pub fn figures(times: &Times, lower_bounds: u64) -> TimesLine {
    let samples = times.len();
    if samples == 0 {
        return TimesLine::default();
    }
    let percentile = |rank: f64| {
        // A rank like 99.9 is no round number for a computer, so exactly one sample may seem to be a bit less.
        let is_founded = samples as f64 * (100.0 - rank) / 100.0 >= 1.0 - 1e-6;
        is_founded.then(|| us(times.value_at_quantile(rank / 100.0)))
    };
    TimesLine {
        samples_count: samples,
        lower_bounds_count: lower_bounds,
        min_us: Some(us(times.min())),
        mean_us: Some(times.mean() / 1e3),
        stdev_us: Some(times.stdev() / 1e3),
        p50_us: percentile(50.0),
        p75_us: percentile(75.0),
        p90_us: percentile(90.0),
        p95_us: percentile(95.0),
        p99_us: percentile(99.0),
        p99_9_us: percentile(99.9),
        p99_99_us: percentile(99.99),
        max_us: Some(us(times.max())),
        histogram: None,
    }
}

/// Nanoseconds in microseconds.
pub fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// A histogram in its V2 encoding, compressed and in Base64.
pub fn encoded(times: &Times) -> Option<String> {
    let mut bytes = Vec::new();
    // Memory can be written to, and no count is larger than the encoding's; whoever needs a histogram that is missing says so.
    V2DeflateSerializer::new().serialize(times, &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

/// A histogram out of its text.
pub fn decoded(text: &str) -> Result<Times, NoHistogram> {
    let unreadable = |why: String| NoHistogram::Unreadable(why);
    if text.len() > LONGEST_TEXT {
        return Err(unreadable("it is too long".to_owned()));
    }
    let bytes = STANDARD.decode(text.trim()).map_err(|error| unreadable(error.to_string()))?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| unreadable(error.to_string()))
}

/// The histogram of a line; an empty one where the line has no samples.
pub fn of_line(line: &TimesLine) -> Result<Times, NoHistogram> {
    match &line.histogram {
        Some(text) => decoded(text),
        None if line.samples_count == 0 => Ok(times()),
        None => Err(NoHistogram::Missing),
    }
}

/// The sum of histograms: exact, or not at all.
pub fn sum(all: &[Times]) -> Result<Times, NoHistogram> {
    // An empty one of ours stands for "no samples" and may have another shape than those that have some.
    let mut filled = all.iter().filter(|times| !times.is_empty());
    let Some(first) = filled.next() else { return Ok(all.first().cloned().unwrap_or_else(self::times)) };
    let mut sum = first.clone();
    // Beyond the largest value, the buckets only go on: a wider one is exact, too.
    sum.auto(true);
    for other in filled {
        let shape = |times: &Times| (times.sigfig(), times.low().ilog2());
        if shape(other) != shape(&sum) {
            return Err(NoHistogram::OtherShape {
                digits: other.sigfig(),
                low: other.low(),
                our_digits: sum.sigfig(),
                our_low: sum.low(),
            });
        }
        sum.add(other).map_err(|error| NoHistogram::Unreadable(error.to_string()))?;
    }
    Ok(sum)
}

/// The sum of lines, through their histograms; their percentiles are not looked at.
pub fn sum_of_lines<'a>(lines: impl Iterator<Item = &'a TimesLine>) -> Result<TimesLine, NoHistogram> {
    let mut lower_bounds = 0;
    let mut all = Vec::new();
    for line in lines {
        lower_bounds += line.lower_bounds_count;
        all.push(of_line(line)?);
    }
    Ok(self::line(&sum(&all)?, lower_bounds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::loadgen::tally::add;

    fn filled(values: &[u64]) -> Times {
        let mut all = times();
        values.iter().for_each(|ns| add(&mut all, *ns));
        all
    }

    #[test]
    fn a_percentile_needs_a_sample_beyond_it() {
        let check = |samples: u64, expected: [bool; 4]| {
            let line = line(&filled(&(1..=samples).map(|n| n * 1_000).collect::<Vec<_>>()), 0);
            let found = [line.p50_us, line.p99_us, line.p99_9_us, line.p99_99_us].map(|value| value.is_some());
            assert_eq!(found, expected, "{samples}");
            assert!(line.max_us.is_some() == (samples > 0));
        };
        check(0, [false; 4]);
        check(1, [false; 4]);
        check(2, [true, false, false, false]);
        check(100, [true, true, false, false]);
        check(999, [true, true, false, false]);
        check(1_000, [true, true, true, false]);
        check(10_000, [true; 4]);
    }

    #[test]
    fn times_are_told_in_microseconds() {
        let line = line(&filled(&[1_000_000, 1_000_000, 3_000_000]), 1);
        assert!((line.mean_us.unwrap() - 1_666.6).abs() < 2.0);
        assert!((line.p50_us.unwrap() - 1_000.0).abs() < 1.0);
        assert!((line.max_us.unwrap() - 3_000.0).abs() < 3.0);
        assert_eq!((line.samples_count, line.lower_bounds_count), (3, 1));
    }

    #[test]
    fn what_others_encode_is_read() {
        // From the data that HdrHistogram's ports are tested with: an interval whose largest value was 2.769 ms.
        let text =
            "HISTFAAAAEV42pNpmSzMwMCgyAABTBDKT4GBgdnNYMcCBvsPEBEJISEuATEZMQ4uASkhIR4nrxg9v2lMaxhvMekILGZkKmcCAEf2CsI=";
        let theirs = decoded(text).unwrap();
        assert_eq!((theirs.max() as f64 / 1e6 * 1e3).round(), 2_769.0);
        let mixed = sum(&[filled(&[5_000]), theirs]);
        assert!(matches!(mixed, Err(NoHistogram::OtherShape { .. })), "{mixed:?}");
    }

    #[test]
    fn what_is_no_histogram_is_an_error() {
        for text in ["", "x", "AAAA", "HISTFAAAACl4nJNpmSzMwMDAxQABzFCaEU==", "HISTFAAAACl4nJNpmSzMwMDAxQABzFCaEUzO"] {
            assert!(matches!(decoded(text), Err(NoHistogram::Unreadable(_))), "{text}");
        }
        let hollow = TimesLine { samples_count: 3, ..TimesLine::default() };
        assert_eq!(of_line(&hollow), Err(NoHistogram::Missing));
    }

    proptest! {
        #[test]
        fn the_sum_of_parts_is_the_whole(values in prop::collection::vec(0u64..7_200_000_000_000, 0..300), parts in 1usize..6) {
            let whole = line(&filled(&values), 7);
            let mut cut: Vec<Vec<u64>> = vec![Vec::new(); parts];
            values.iter().enumerate().for_each(|(place, value)| cut[place % parts].push(*value));
            let mut lines: Vec<TimesLine> = cut.iter().map(|part| line(&filled(part), 0)).collect();
            if let Some(first) = lines.first_mut() {
                first.lower_bounds_count = if values.is_empty() { 0 } else { 7 };
            }
            prop_assert_eq!(sum_of_lines(lines.iter()).unwrap(), whole);
        }

        #[test]
        fn a_text_never_panics(text in ".{0,200}") {
            let _ = decoded(&text);
        }
    }
}
