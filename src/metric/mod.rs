//! What a load generator or a network check measured: names, units, and plain arithmetic on them. Pure.

mod account;
mod amount;
mod figures;
mod format;
mod load_result;
mod network;

pub use account::Account;
pub use amount::amount;
pub use figures::{ErrorCounts, Latency, LoadFigures, Percentile};
pub use format::{bit_rate, count, counted, duration_ms, duration_us, rate, short_bytes};
pub use load_result::{
    Connections, ErrorLine, LOAD_RESULT_FORMAT, LoadResult, RequestCounts, StatusCount, Surroundings, TimesLine,
};
pub use network::{Flow, NetworkFigures, apart};
