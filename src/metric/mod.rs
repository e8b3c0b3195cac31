//! What a load generator measured: names, units, and plain arithmetic on them. Pure.

mod figures;
mod format;

pub use figures::{ErrorCounts, Latency, LoadFigures, Percentile};
pub use format::{count, counted, duration_us, rate, short_bytes};
