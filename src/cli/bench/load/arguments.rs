//! What `bench load` may be told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How load generators are measured.
#[derive(Debug, Args)]
pub struct LoadBenchArguments {
    /// Rounds; each runs every generator once, in turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// How long each load lasts; wrk2's at a rate take 13 s, and those with freezes 30 s, or 40 s for wrk2
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(3..=600))]
    pub seconds: u64,
    /// The program wrk2, if it is not on the PATH
    #[arg(long, value_name = "PATH")]
    pub wrk2: Option<PathBuf>,
    /// The program oha, if it is not on the PATH
    #[arg(long, value_name = "PATH")]
    pub oha: Option<PathBuf>,
    /// Only these
    #[arg(long, value_name = "NAME", value_enum, num_args = 1..)]
    pub only: Vec<Part>,
    /// How often a load is made at most until nobody else takes more than 8 % of either processor
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub tries: u32,
    /// Another build of ours to measure in the place of this one
    #[arg(long, value_name = "PATH", hide = true)]
    pub timetrial: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Requests per CPU-second against nginx, as fast as answers come
    Closed,
    /// The same against a server that is faster than the client
    Fast,
    /// 5,000 a second: the rate kept, the schedule, what is added to a server of 1 ms
    Steady5000,
    /// 20,000 a second: the same, and CPU time in economy mode
    Steady20000,
    /// A server that is frozen 1 s in every 10
    Freeze,
    /// Memory of a short and of a long load
    Memory,
}
