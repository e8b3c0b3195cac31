//! What a plan asks of machines, held against what they are: sums and differences, before anything is changed. Pure.

mod differences;

pub use differences::{Difference, differences, made_with};

use std::collections::BTreeMap;

use crate::event::Sum;
use crate::plan::Plan;
use crate::wire::{Facts, Look};

/// What was read of a machine.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// For tuning and its sums.
    pub look: Look,
    /// The rest.
    pub facts: Facts,
}

/// stub
pub fn sums(_plan: &Plan, _machines: &BTreeMap<String, Seen>) -> Vec<Sum> {
    Vec::new()
}

/// stub
pub fn text(_sums: &[Sum]) -> Vec<String> {
    Vec::new()
}
