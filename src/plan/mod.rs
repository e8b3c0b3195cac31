//! From what people wrote to an ordered, immutable, printable plan; and the checks that need several files.

mod build;
pub mod check;
pub mod document;
mod model;
mod network;
mod port_ranges;
mod roles;
mod share;
mod template;
mod text;
mod text_tuning;
mod tuning;
mod tuning_build;
mod wanted;

pub use build::{PlanError, build, input_name};
pub use model::{
    Build, Daemon, Database, DatabaseUse, Docker, Document, FORMAT, Load, Machine, NetworkCheck, NetworkPair,
    NetworkTool, Plan, Process, Provision, ProvisionKind, Ssh, Transport, Trial, Wait, WorkersAt,
};
pub use port_ranges::port_ranges;
pub use roles::lone_machine;
pub use share::Share;
pub use text::text;
pub use tuning::{ConfSetting, NoFile, PostgresConf, TunedSetting, Tuning};

/// The folder of the run directory that the input files are copied into.
pub const INPUTS: &str = "inputs";
