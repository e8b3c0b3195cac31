//! `bench`: our own speed and cost, as ratios beside peers in one run. Speed is measured here and asserted nowhere.

mod load;
mod machines;
mod trials;
mod tuning;

pub use load::LoadBenchArguments;

use crate::cli::arguments::{Bench, BenchArguments, Format};
use crate::cli::error::Problem;
use crate::cli::exit;

/// `bench`
pub fn bench(arguments: &BenchArguments, format: Format) -> Result<u8, Problem> {
    match &arguments.what {
        None => trials::trials(&arguments.trials, format),
        Some(Bench::Trials(wanted)) => trials::trials(wanted, format),
        Some(Bench::Load(wanted)) => load::load(wanted, format),
        Some(Bench::Machines(wanted)) => machines::machines(wanted, format),
        Some(Bench::Tuning(wanted)) => tuning::tuning(wanted, format),
    }
}

fn failed(message: impl Into<String>) -> Problem {
    Problem::new(exit::FAILED, anyhow::anyhow!(message.into()))
}

/// Progress goes to standard error; whoever closed it does not want it.
fn say(line: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), format!("{line}\n").as_bytes());
}

/// A folder that goes when it is let go of, whatever happens.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Median and range.
#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(samples.len() / 2), least: at(0), most: at(samples.len().saturating_sub(1)) }
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({"median_ms": self.median, "min_ms": self.least, "max_ms": self.most})
    }
}
