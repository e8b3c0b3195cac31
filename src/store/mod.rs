//! The results store: appends events, keeps raw output, reads a run back.

mod machines;
mod network;
mod open;
mod read;
mod tuning;
mod write;

pub use network::SeenCheck;
pub use open::{StoreError, damage, list, locate, open};
pub use read::{RunState, Seen, StoredRun, StoredTrial};
pub use write::{Manifest, RunWriter, run_id};
