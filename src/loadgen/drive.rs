//! Runs a load: threads, their common start and end, and what they counted.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::loadgen::settings::Settings;
use crate::loadgen::tally::{Second, Tally};
use crate::metric::Surroundings;

/// What came of a load.
#[derive(Debug, Clone)]
pub struct Load {
    /// What was counted and timed, over all threads.
    pub tally: Tally,
    /// What was spoken, as answers said it. `None` where nothing was answered.
    pub protocol: Option<&'static str>,
    /// `epoll`, `io_uring` or `tokio`.
    pub engine: &'static str,
    /// `SCHED_FIFO` or `SCHED_OTHER`.
    pub scheduler: &'static str,
    /// Why it is that one, where somebody may wonder.
    pub scheduler_because: Option<String>,
    /// `kernel` or `user`.
    pub receive_times: &'static str,
    /// When requests began, in Unix time.
    pub started_unix_us: u64,
    /// How long requests were sent, in nanoseconds.
    pub duration_ns: u64,
    /// Whether it was stopped before its time.
    pub is_interrupted: bool,
    /// What it cost and what disturbed it.
    pub surroundings: Surroundings,
}

/// Why a load never began. Nothing was measured then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No connection could be made at all.
    #[error("no connection to {url} could be made: {why}")]
    NoConnection {
        /// Where it should have gone.
        url: String,
        /// What became of them, the most frequent first.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The machine does not let us do what was asked for.
    #[error("{what}: {why}")]
    Machine {
        /// What could not be had.
        what: String,
        /// Why.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// A wish to stop, given from anywhere, also from within a signal handler.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Nobody wants to stop yet.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Asks for it.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs a load to its end, or until somebody wants it to stop. `each_second` is told what happened, second by second, in order.
pub fn run(settings: &Settings, stop: &Stop, each_second: &mut dyn FnMut(&Second)) -> Result<Load, StartError> {
    let _ = (settings, stop, each_second);
    Err(StartError::Machine { what: "the engine".to_owned(), why: "it is being built".to_owned(), hint: None })
}
