//! What controller and agent say to each other: requests, replies, facts; framing and versions.

pub mod bytes;
pub mod digest;
mod facts;
pub mod frame;
mod message;
mod tuning;

pub use facts::Facts;
pub use message::{
    Answer, BuildRequest, DatabaseRequest, DatabaseSetting, Failure, FromAgent, HEARTBEAT, Kept, Listener, MAGIC,
    Member, Notice, PROTOCOL, Reply, Request, SILENCE, StartRequest, ToAgent, WorkFile,
};
pub use tuning::{
    Change, ClusterAsked, ClusterLook, Compared, DATABASE, GOVERNOR, Left, Look, Namespaces, Outcome, PutBack, Setting,
    Standing, TURBO, Tuned, Undone, database_setting,
};
