//! The bar of a load on a terminal: how far it is, and what its last second was.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::metric::{count, duration_us, rate};

/// A bar for one load.
#[derive(Debug)]
pub struct LoadBar {
    bar: ProgressBar,
    seconds: u64,
}

/// What is told of a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadMoment {
    /// Seconds since the start.
    pub elapsed_s: u64,
    /// Answers in it.
    pub answers: u64,
    /// Errors so far.
    pub errors: u64,
    /// Median latency in it.
    pub p50_us: Option<f64>,
    /// 99 % of its latencies.
    pub p99_us: Option<f64>,
}

impl LoadBar {
    /// A bar on standard error, or none.
    pub fn new(is_shown: bool, seconds: u64) -> Self {
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(seconds.max(1)), target);
        // A template of ours can't be wrong at run time; the default bar would do as well.
        if let Ok(template) = ProgressStyle::with_template("[{bar:20}] {wide_msg}") {
            bar.set_style(template.progress_chars("=> "));
        }
        Self { bar, seconds }
    }

    /// Shows a second.
    pub fn show(&self, moment: &LoadMoment) {
        self.bar.set_position(moment.elapsed_s.min(self.seconds));
        self.bar.set_message(words(moment, self.seconds));
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn words(moment: &LoadMoment, seconds: u64) -> String {
    let [p50, p99] = [moment.p50_us, moment.p99_us].map(|us| us.map_or("-".to_owned(), duration_us));
    let elapsed = moment.elapsed_s;
    let errors = if moment.errors == 0 { "no".to_owned() } else { count(moment.errors) };
    let plural = if moment.errors == 1 { "" } else { "s" };
    let rate = rate(moment.answers as f64);
    if elapsed > seconds {
        return format!("waiting for the last answers  {errors} error{plural}");
    }
    format!("{elapsed} of {seconds} s  {rate}/s  p50 {p50}  p99 {p99}  {errors} error{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_one_line() {
        let moment =
            LoadMoment { elapsed_s: 12, answers: 4_000, errors: 0, p50_us: Some(1_200.0), p99_us: Some(3_100.0) };
        assert_eq!(words(&moment, 30), "12 of 30 s  4,000/s  p50 1.20 ms  p99 3.10 ms  no errors");
        let moment = LoadMoment { elapsed_s: 1, answers: 0, errors: 1, p50_us: None, p99_us: None };
        assert_eq!(words(&moment, 30), "1 of 30 s  0.00/s  p50 -  p99 -  1 error");
        let moment = LoadMoment { elapsed_s: 31, errors: 2, ..moment };
        assert_eq!(words(&moment, 30), "waiting for the last answers  2 errors");
    }
}
