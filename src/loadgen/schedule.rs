//! When requests are due in an open loop: an exact function of their number, so that neither lateness nor a slow server
//! ever moves a later one.

use std::time::Duration;

/// Rates over the time of a load: pieces one after the other, each linear in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pieces: Vec<Piece>,
}

/// One piece of a schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    /// When it begins, in seconds.
    from_s: f64,
    /// How long it lasts.
    length_s: f64,
    /// Requests a second at its beginning and end.
    first: f64,
    last: f64,
    /// Requests due before it.
    before: f64,
}

impl Schedule {
    /// The same rate all the time.
    pub fn constant(rate: f64, duration: Duration) -> Self {
        Self::of(&[(rate, rate)], duration)
    }

    /// A rate that grows or falls evenly.
    pub fn ramp(first: f64, last: f64, duration: Duration) -> Self {
        Self::of(&[(first, last)], duration)
    }

    /// Several rates, each for an equal part of the time.
    pub fn steps(rates: &[f64], duration: Duration) -> Self {
        let pieces: Vec<_> = rates.iter().map(|rate| (*rate, *rate)).collect();
        Self::of(&pieces, duration)
    }

    fn of(rates: &[(f64, f64)], duration: Duration) -> Self {
        let length_s = duration.as_secs_f64() / rates.len().max(1) as f64;
        let mut before = 0.0;
        let pieces = rates.iter().enumerate().map(|(index, &(first, last))| {
            let piece = Piece { from_s: index as f64 * length_s, length_s, first, last, before };
            before += (first + last) / 2.0 * length_s;
            piece
        });
        Self { pieces: pieces.collect() }
    }

    /// Requests due over the whole time.
    pub fn total(&self) -> u64 {
        self.pieces.last().map_or(0.0, |piece| piece.before + piece.requests()).round() as u64
    }

    /// The mean rate.
    pub fn mean_rate(&self) -> f64 {
        let Some(last) = self.pieces.last() else { return 0.0 };
        (last.before + last.requests()) / (last.from_s + last.length_s)
    }

    /// As `-R` says it, where it is not one rate.
    pub fn words(&self) -> Option<String> {
        let plain = |rate: f64| format!("{rate:.3}").trim_end_matches('0').trim_end_matches('.').to_owned();
        match &self.pieces[..] {
            [one] if one.first == one.last => None,
            [one] => Some(format!("{}..{}", plain(one.first), plain(one.last))),
            several => Some(several.iter().map(|piece| plain(piece.first)).collect::<Vec<_>>().join(",")),
        }
    }

    /// The largest rate of all.
    pub fn largest_rate(&self) -> f64 {
        self.pieces.iter().flat_map(|piece| [piece.first, piece.last]).fold(0.0, f64::max)
    }

    /// When the request with this number (from 0) is due, in nanoseconds from the start.
    pub fn due_ns(&self, number: u64) -> u64 {
        let wanted = number as f64;
        let after = self.pieces.partition_point(|piece| piece.before <= wanted);
        let Some(piece) = self.pieces.get(after.saturating_sub(1)) else { return u64::MAX };
        let seconds = piece.from_s + piece.time_of(wanted - piece.before);
        (seconds * 1e9) as u64
    }
}

impl Piece {
    fn requests(&self) -> f64 {
        (self.first + self.last) / 2.0 * self.length_s
    }

    /// When so many requests of this piece were due: the root of `first·t + slope·t²/2 = requests`, in the form that
    /// loses no digits where the slope is small.
    fn time_of(&self, requests: f64) -> f64 {
        let slope = (self.last - self.first) / self.length_s;
        let root = (self.first * self.first + 2.0 * slope * requests).max(0.0).sqrt();
        let sum = self.first + root;
        if sum <= 0.0 { 0.0 } else { 2.0 * requests / sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: Duration = Duration::from_secs(10);

    #[test]
    fn a_constant_rate_is_uniform_and_never_drifts() {
        let schedule = Schedule::constant(20_000.0, Duration::from_secs(86_400));
        assert_eq!(schedule.due_ns(0), 0);
        assert_eq!(schedule.due_ns(1), 50_000);
        assert_eq!(schedule.due_ns(20_000 * 86_400 - 1) / 1_000, 86_399_999_950);
        assert_eq!(schedule.total(), 20_000 * 86_400);
    }

    #[test]
    fn a_ramp_has_its_mean_rate_and_is_densest_where_it_is_fastest() {
        let schedule = Schedule::ramp(0.0, 1_000.0, SECONDS);
        assert_eq!(schedule.total(), 5_000);
        assert_eq!(schedule.mean_rate(), 500.0);
        // Half of the time has a quarter of the requests.
        assert!(schedule.due_ns(1_250).abs_diff(5_000_000_000) < 10);
        assert!(schedule.due_ns(4_999) < 10_000_000_000);
        let down = Schedule::ramp(1_000.0, 0.0, SECONDS);
        assert!(down.due_ns(3_750).abs_diff(5_000_000_000) < 10);
        assert!(down.due_ns(4_999) < 10_000_000_000);
    }

    #[test]
    fn steps_follow_one_another() {
        let schedule = Schedule::steps(&[100.0, 200.0], SECONDS);
        assert_eq!(schedule.total(), 1_500);
        assert_eq!(schedule.due_ns(500), 5_000_000_000);
        assert_eq!(schedule.due_ns(501), 5_005_000_000);
        assert_eq!(schedule.largest_rate(), 200.0);
        assert_eq!(schedule.words().as_deref(), Some("100,200"));
        assert_eq!(Schedule::ramp(0.5, 300.0, SECONDS).words().as_deref(), Some("0.5..300"));
        assert_eq!(Schedule::constant(7.0, SECONDS).words(), None);
    }

    #[test]
    fn what_is_due_never_goes_back() {
        for schedule in [Schedule::steps(&[7.0, 3.0, 1_000.0], SECONDS), Schedule::ramp(3.0, 999.0, SECONDS)] {
            let due: Vec<u64> = (0..schedule.total()).map(|number| schedule.due_ns(number)).collect();
            assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }
}
