//! Everything that the files of a campaign show to be wrong, found before any machine is contacted.
//!
//! [`load_project`] reads the scenario, the inventory, the daemons and the data set, and then applies the rules that
//! need several files; all problems in all files come at once. [`apply_rules`] is the pure half: it looks at what was
//! read and at nothing else.

mod addresses;
mod bases;
mod clients;
mod cluster;
mod data;
mod endpoints;
mod fitness;
mod folder;
mod load;
mod loads;
mod machines;
mod network;
mod outgoing;
mod ports;
mod postgres_conf;
mod profiles;
mod project;
mod rules;
mod tuning;

pub use bases::read_bases;
pub use load::load_project;
pub(super) use postgres_conf::max_connections;
pub use profiles::{Profile, Profiles};
pub use project::{DataSet, ExpectedDocument, InputFile, Project, TableRows};
pub use rules::{Written, apply_rules};
