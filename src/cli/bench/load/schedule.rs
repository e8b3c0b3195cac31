//! How uniform arrivals are, by the server's clock. Pure.

/// Arrivals before this are of the beginning, in which some tools open their connections one after the other.
const BEGINNING_NS: u64 = 1_000_000_000;

/// When requests came, ascending, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrivals(Vec<u64>);

impl Arrivals {
    /// From the truth server's record: eight bytes each. It is in the order of service, which is nearly that of arrival.
    pub fn read(bytes: &[u8]) -> Self {
        let mut all: Vec<u64> = bytes.as_chunks().0.iter().map(|eight| u64::from_le_bytes(*eight)).collect();
        all.sort_unstable();
        Self(all)
    }

    /// Those after the beginning.
    fn settled(&self) -> &[u64] {
        let Some(first) = self.0.first() else { return &[] };
        let begins = self.0.partition_point(|arrival| *arrival < first + BEGINNING_NS);
        &self.0[begins..]
    }

    /// Requests a second that came, once they came regularly.
    pub fn rate(&self) -> Option<f64> {
        let [first, .., last] = self.settled() else { return None };
        let seconds = (last - first) as f64 / 1e9;
        Some((self.settled().len() - 1) as f64 / seconds)
    }

    /// How far arrivals were from a uniform schedule, at 99 %: the k-th belongs at `t0 + k / rate`, with the `t0` that the
    /// median of all arrivals has.
    pub fn deviation_p99_us(&self, rate: f64) -> Option<f64> {
        let settled = self.settled();
        let first = *settled.first()?;
        let offset = |(place, arrival): (usize, &u64)| (arrival - first) as f64 / 1e3 - place as f64 / rate * 1e6;
        let offsets: Vec<f64> = settled.iter().enumerate().map(offset).collect();
        let middle = quantile(offsets.clone(), 0.5)?;
        quantile(offsets.iter().map(|offset| (offset - middle).abs()).collect(), 0.99)
    }

    /// Variance over mean of the arrivals in a millisecond: 0 for a uniform schedule, 1 for a Poisson process, more for
    /// bursts.
    pub fn index_of_dispersion(&self) -> Option<f64> {
        let settled = self.settled();
        let (first, last) = (settled.first()?, settled.last()?);
        let mut counts = vec![0_u64; ((last - first) / 1_000_000) as usize];
        for arrival in settled {
            // The last millisecond is not whole.
            if let Some(count) = counts.get_mut(((arrival - first) / 1_000_000) as usize) {
                *count += 1;
            }
        }
        let number = counts.len() as f64;
        let mean = counts.iter().sum::<u64>() as f64 / number;
        let variance = counts.iter().map(|count| (*count as f64 - mean).powi(2)).sum::<f64>() / number;
        (mean > 0.0).then_some(variance / mean)
    }
}

/// The value at this rank, by the nearest one.
fn quantile(mut values: Vec<f64>, rank: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = ((values.len() as f64 * rank).ceil() as usize).saturating_sub(1);
    values.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many a second for three seconds, each moved by so much.
    fn arrivals(rate: u64, moved_ns: impl Fn(u64) -> u64) -> Arrivals {
        let bytes: Vec<u8> = (0..rate * 3)
            .map(|place| 5_000_000_000 + place * 1_000_000_000 / rate + moved_ns(place))
            .flat_map(u64::to_le_bytes)
            .collect();
        Arrivals::read(&bytes)
    }

    fn near(value: Option<f64>, expected: f64, within: f64) {
        assert!(value.is_some_and(|value| (value - expected).abs() <= within), "{value:?}, not {expected}");
    }

    #[test]
    fn a_uniform_schedule_has_no_deviation() {
        let uniform = arrivals(5_000, |_| 0);
        near(uniform.rate(), 5_000.0, 1e-6);
        near(uniform.deviation_p99_us(5_000.0), 0.0, 1e-6);
        near(uniform.index_of_dispersion(), 0.0, 1e-9);
    }

    #[test]
    fn all_late_by_the_same_is_uniform() {
        near(arrivals(5_000, |_| 700_000).deviation_p99_us(5_000.0), 0.0, 1e-6);
    }

    #[test]
    fn a_few_late_ones_are_the_deviation() {
        let late = arrivals(1_000, |place| if place % 50 == 0 { 300_000 } else { 0 });
        near(late.deviation_p99_us(1_000.0), 300.0, 1e-6);
        near(late.rate(), 1_000.0, 0.2);
    }

    #[test]
    fn bursts_are_dispersed() {
        // All of ten milliseconds at once: mean 5, and 50 in one of ten.
        let bursts = arrivals(5_000, |place| 10_000_000 - place % 50 * 200_000);
        near(bursts.index_of_dispersion(), 45.0, 0.5);
    }

    #[test]
    fn another_rate_drifts_away() {
        let deviation = arrivals(5_000, |_| 0).deviation_p99_us(5_010.0);
        assert!(deviation.is_some_and(|us| us > 1_000.0), "{deviation:?}");
    }

    #[test]
    fn the_beginning_does_not_count() {
        let staggered = arrivals(1_000, |place| if place < 900 { 50_000_000 } else { 0 });
        near(staggered.deviation_p99_us(1_000.0), 0.0, 1e-6);
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let none = Arrivals::default();
        assert_eq!((none.rate(), none.deviation_p99_us(1.0), none.index_of_dispersion()), (None, None, None));
    }
}
