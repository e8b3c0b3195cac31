//! Carries out the plan's steps through agents, and emits events. It decides nothing that the plan decided.

mod campaign;
mod clocks;
mod contact;
mod dry;
mod emitter;
mod error;
mod generators;
mod load;
mod network;
mod prepare;
mod provision;
mod ready;
mod release;
mod resume;
mod stop;
mod trial;
mod tuning;

pub use campaign::{Campaign, Summary, run};
pub use dry::{Looked, dry_run};
pub use error::RunError;
pub use provision::provision_request;
pub use resume::Resumed;
pub use stop::{StopHandle, StopSignal, stop_channel};
pub use tuning::{Confirm, refusal};
