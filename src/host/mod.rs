//! Reaches a machine, starts the agent there, and speaks with it. What is then asked of the agent is `run`'s affair.

mod fake;
mod link;
mod local;

pub use fake::{HANG_UP, Script, fake};
pub use link::{Link, LinkError, ProcessNotices};
pub use local::{LocalHost, start_local};
