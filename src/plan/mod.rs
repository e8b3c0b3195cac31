//! From what people wrote to an ordered, immutable, printable plan; and the checks that need several files.

pub mod check;
pub mod document;
mod model;

pub use model::{
    Daemon, Database, DatabaseUse, Document, FORMAT, Load, Machine, Plan, Process, Provision, ProvisionKind, Transport,
    Trial, Wait, WorkersAt,
};
