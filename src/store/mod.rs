//! The results store: appends events, keeps raw output, reads a run back.

mod read;

pub use read::{RunState, Seen, StoredRun, StoredTrial};
