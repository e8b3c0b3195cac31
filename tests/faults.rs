//! The faults of `docs/faults.md` on a machine that is tuned: whatever dies, the machine is as it was.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod faults {
    mod consent;
    mod kills;
    mod locked;
    mod postgresql;
    mod refused;
    pub mod tuned;
}
#[expect(dead_code, reason = "shared with `days`, which uses all of it")]
mod support;
