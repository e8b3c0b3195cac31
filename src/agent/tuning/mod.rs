//! Tuning a machine for a campaign, and putting it back whatever ends the campaign: at the goodbye, when the controller
//! is silent, at the next contact after a `kill -9`, or by hand.

mod apply;
mod journal;
mod kernel;
mod look;
mod namespaces;
pub mod nofile;
mod permission;
mod session;
mod snapshot;
mod undo;
mod unlock;
mod untold;

pub use journal::{Maker, make_place, sync_directory};
pub use kernel::Kernel;
pub use session::{Session, enter, in_words, leave, put_back_now, put_cluster_back, restore, tune, verify, was_heard};
pub use unlock::unlock;

use std::path::Path;

use crate::agent::database;
use crate::agent::surroundings::Agent;
use crate::wire::{ClusterAsked, Failure, Reply};

/// Where the journal is: on the machine, of root alone, and where it outlives a boot.
pub const PLACE: &str = "/var/lib/timetrial";

/// Answers a look.
pub fn look(agent: &Agent, asked: &[String], cluster: Option<&ClusterAsked>) -> Result<Reply, Failure> {
    let mut looked = look::look(&kernel::Kernel::default(), Path::new(&agent.tuning_place), asked)?;
    looked.cluster = cluster.map(|asked| database::look(&agent.processes, &asked.name, asked.port));
    Ok(Reply::Look(Box::new(looked)))
}
