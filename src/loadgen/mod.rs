//! The built-in load generator: what is sent when, over what, what came of it, and how long that took.
//!
//! `settings.rs` says what a load is, `schedule.rs` when requests are due. `drive.rs` runs it: a thread each with a
//! `worker.rs`, which knows connections, requests and answers but no system call, and an engine that does (`epoll.rs`,
//! `uring.rs`; HTTP/2 has one of its own). `tally.rs` is what is counted.

mod answer;
mod class;
mod clock;
pub mod drive;
mod due;
mod epoll;
pub mod fault;
mod http2;
mod http2_wire;
pub mod request;
mod request_wheel;
pub mod response;
mod response_chunks;
mod response_head;
mod ring;
pub mod schedule;
mod scheduler;
pub mod settings;
mod sleep;
mod slots;
mod socket;
mod surroundings;
pub mod tally;
pub mod template;
mod thread;
pub mod tls;
mod uring;
mod worker;
mod worker_end;
