//! One file for each outside tool: how it is called, what it prints. Pure.
//!
//! `load.rs` says what a load generator must offer, `registry.rs` names them all, and each tool has a file of its own
//! (`timetrial.rs`, our own; `wrk.rs`, `wrk2.rs`, `h2load.rs`; for network checks, by `network.rs`: `iperf.rs`, `iperf3.rs`). wrk and wrk2 print nearly the same: what they share stands in `text.rs` (their text),
//! `exact.rs` (the line of JSON that our Lua hook adds) and `agree.rs` (the one held against the other). h2load's text is
//! read in `h2load_text.rs`, and whether our own result adds up is held in `timetrial_sums.rs`.

mod agree;
mod error;
mod exact;
pub mod h2load;
mod h2load_text;
pub mod iperf;
pub mod iperf3;
mod load;
mod network;
mod printed;
mod registry;
pub mod text;
pub mod timetrial;
mod timetrial_sums;
pub mod wrk;
pub mod wrk2;

#[cfg(test)]
mod fixtures;

pub use error::{FirstLine, ParseError, RequestError};
pub use load::{Invocation, LoadRequest, LoadTool, MULTIPLEXED, Pace, Shared, SideFile, check};
pub use network::{NetworkRequest, NetworkTool, Sides};
pub use printed::Printed;
pub use registry::{find, find_network, names, network_names};
