//! The built-in load generator: what is sent when, over what, what came of it, and how long that took.
//!
//! `settings.rs` says what a load is, `schedule.rs` when requests are due. `drive.rs` runs it: a thread each with a
//! `worker.rs`, which knows connections, requests and answers but no system call, and an engine that does (`epoll.rs`,
//! `uring.rs`; HTTP/2 has one of its own). `tally.rs` is what is counted.
//!
//! `result.rs` makes the one line of it that is printed, kept and merged (`merged.rs`); `verdict.rs` says whether it can be
//! believed. `text.rs`, `lines.rs`, `hgrm.rs` and `csv.rs` are forms of it, `find.rs` searches for the highest rate.

mod answer;
mod class;
mod clock;
pub mod csv;
pub mod drive;
mod due;
mod epoll;
pub mod fault;
pub mod find;
pub mod goal;
pub mod hgrm;
mod http2;
mod http2_wire;
pub mod lines;
pub mod merged;
pub mod request;
mod request_wheel;
pub mod response;
mod response_chunks;
mod response_head;
pub mod result;
mod ring;
pub mod schedule;
mod scheduler;
pub mod schema;
pub mod settings;
mod sleep;
mod slots;
mod socket;
pub mod stored;
mod surroundings;
pub mod tally;
pub mod template;
pub mod text;
mod thread;
pub mod times_line;
pub mod tls;
pub mod units;
mod uring;
pub mod verdict;
mod worker;
mod worker_end;
