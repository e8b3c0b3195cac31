//! How the clock of a machine stands to ours.

use serde::{Deserialize, Serialize};

/// A machine's clock held against the controller's, by the quickest of several questions and answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The machine.
    pub machine: String,
    /// How far it is ahead of the controller's, in microseconds; less than 0 where it is behind.
    pub ahead_us: i64,
    /// How far off that may be: half of the time that question and answer took.
    pub within_us: u64,
}
