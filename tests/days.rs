//! Good and bad days of whole campaigns, run as a user runs them: what is said, what is kept, and that nothing is left
//! on the machine. A test that is slow, or needs root, is ignored with that reason; `--include-ignored` runs it.
//! The stubs are examples: plain `cargo test` builds them, `cargo test --test days` does not build them again.

#![expect(clippy::unwrap_used, reason = "what fails here ends the test")]

mod support;

mod days {
    mod bytes;
    mod daemons;
    mod death;
    mod generators;
    mod good;
    pub mod interruption;
    mod neighbours;
    mod own_generator;
    mod packages;
    mod resume;
    mod store;
}
