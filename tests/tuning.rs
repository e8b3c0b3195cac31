//! Tuning of this very machine by a real agent, spoken to over its pipes: what it makes is put back, whatever ends it.
//! All of it needs root and changes settings of the machine that nothing depends on; `--include-ignored` runs it.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "an agent as a controller starts it; what fails ends the test"
)]

mod tuning {
    mod apart;
    mod ends;
    mod full;
    mod limits;
    mod locked;
    pub mod machine;
    pub mod talk;
}
