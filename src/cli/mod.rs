//! Arguments, wiring, errors to hints and exit codes.

mod agent;
mod arguments;
mod bench;
mod campaign;
mod clean;
mod connect;
mod consent;
mod doctor;
mod dry_run;
mod error;
pub mod exit;
mod files;
mod generated;
mod hist;
mod load;
mod main;
mod restore;
mod resume;
mod signals;
mod stored;
mod truth;

pub use main::main;
