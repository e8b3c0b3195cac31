//! A server that knows the truth: how long it took to answer, what it did to whom, and when each request came. What a load
//! generator says is held against it. It does on purpose what servers do on bad days, and counts all of it.
//!
//! `settings.rs` says what it does to which request, `server.rs` is its one loop over epoll, `act.rs` what becomes of a
//! request, `connection.rs` what is read and written, `request.rs` and `answers.rs` are the bytes.

mod act;
mod answers;
mod arrivals;
mod clock;
mod connection;
mod connections;
mod counts;
mod receive;
mod request;
mod server;
mod settings;
mod socket;
#[cfg(test)]
mod tests;

pub use arrivals::Arrivals;
pub use counts::Counts;
pub use server::{Outcome, Server};
pub use settings::{Fate, Form, Freeze, Mischief, Place, Settings};
