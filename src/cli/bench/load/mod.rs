//! `bench load`: our load generator beside wrk, wrk2, oha, h2load and ab, in turns in one run, against servers whose
//! behaviour is known. `docs/bench-load.md` says what each figure means. Speed is measured here and asserted nowhere.
//!
//! `parts.rs` says what is measured and what must be reached, `rounds.rs` how often, `generator.rs` how each generator is
//! called, `server.rs` what it meets, `cpus.rs` who disturbed it, `schedule.rs` how uniform it was.

mod arguments;
mod cpus;
mod generator;
mod goal;
mod parts;
mod peers;
mod printed;
mod rounds;
mod run;
mod schedule;
mod section;
mod server;
mod table;

pub use arguments::LoadBenchArguments;
pub use run::load;
