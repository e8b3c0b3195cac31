//! The built-in load generator: what is sent when, over what, what came of it, and how long that took.
//!
//! `settings.rs` says what a load is, `schedule.rs` when requests are due. `drive.rs` runs it: a thread each with a
//! `worker.rs`, which knows connections, requests and answers but no system call, and an engine that does (`epoll.rs`,
//! `uring.rs`; HTTP/2 has one of its own). `tally.rs` is what is counted.
//!
//! `result.rs` makes the one line of it that is printed, kept and merged (`merged.rs`); `verdict.rs` says whether it can be
//! believed. `text.rs`, `lines.rs`, `hgrm.rs` and `csv.rs` are forms of it, `find.rs` searches for the highest rate.

pub mod csv;
pub mod drive;
pub mod fault;
pub mod find;
pub mod goal;
pub mod hgrm;
pub mod lines;
pub mod merged;
pub mod request;
pub mod response;
pub mod result;
pub mod schedule;
pub mod schema;
pub mod settings;
pub mod stored;
pub mod tally;
pub mod text;
pub mod times_line;
pub mod units;
pub mod verdict;
