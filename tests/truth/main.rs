//! The load generator against a server that knows the truth: what the one says of a load is what the other has counted, kind
//! by kind, whatever the server does to it. Both are the real binary, on the loopback.
#![expect(clippy::disallowed_methods, reason = "the command is run as a person would run it")]
#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod bad_days;
mod counts;
mod encrypted;
mod forms;
mod protocols;
mod rates;
mod requested;
mod support;
