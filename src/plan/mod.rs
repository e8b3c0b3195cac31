//! From what people wrote to an ordered, immutable, printable plan; and the checks that need several files.

mod build;
pub mod check;
pub mod document;
mod model;
mod template;
mod text;

pub use build::{PlanError, build, input_name};
pub use model::{
    Build, Daemon, Database, DatabaseUse, Document, FORMAT, Load, Machine, Plan, Process, Provision, ProvisionKind,
    Transport, Trial, Wait, WorkersAt,
};
pub use text::text;

/// The folder of the run directory that the input files are copied into.
pub const INPUTS: &str = "inputs";
