//! What a run tells of its tuning.

use crate::event::Happening;
use crate::store::StoredRun;
use crate::wire::Tuned;

impl StoredRun {
    /// Settings of a machine that were no longer as they had been set when they were read again after the last trial.
    pub fn drifted(&self, machine: &str) -> Vec<&Tuned> {
        let mut all = Vec::new();
        for event in &self.events {
            if let Happening::TuningVerified { machine: of, changed, .. } = &event.event
                && of == machine
            {
                all.extend(changed);
            }
        }
        all
    }
}
