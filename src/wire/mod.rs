//! What controller and agent say to each other: requests, replies, facts; framing and versions.

pub mod bytes;
pub mod digest;
mod facts;
pub mod frame;
mod message;

pub use facts::Facts;
pub use message::{
    Answer, BuildRequest, DatabaseRequest, Failure, FromAgent, HEARTBEAT, Kept, Listener, MAGIC, Member, Notice,
    PROTOCOL, Reply, Request, SILENCE, StartRequest, ToAgent, WorkFile,
};
