//! What controller and agent say to each other: requests, replies, facts; framing and versions.

mod facts;

pub use facts::Facts;
