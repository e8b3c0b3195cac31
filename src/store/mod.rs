//! The results store: appends events, keeps raw output, reads a run back.

mod attempts;
mod controller;
mod machines;
mod network;
mod open;
mod read;
mod resume;
#[cfg(test)]
mod resume_tests;
mod session;
mod tuning;
mod write;

pub use attempts::finished;
pub use controller::Controller;
pub use network::SeenCheck;
pub use open::{StoreError, damage, list, locate, open};
pub use read::{RunState, Seen, StoredRun, StoredTrial};
pub use resume::{ResumeError, Resumption};
pub use tuning::Drift;
pub use write::{Manifest, RunWriter, run_id};
