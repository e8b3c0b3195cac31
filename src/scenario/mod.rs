//! Scenario and daemon files, each by itself.

mod daemon;
mod daemon_keys;
mod model;
mod read;
mod requirements;
mod scenario_keys;
mod schema;
mod template;
mod tune;

pub use daemon::{parse_daemon, read_daemon};
pub use daemon_keys::{DAEMON, PLACEHOLDERS};
pub use model::{
    Authentication, Build, Daemon, DatabaseUse, Endpoint, Load, Network, NoFile, Postgres, Process, Round, Scenario,
    SslMode, Traits, Tune, Wait, WorkersAt,
};
pub use read::{parse_scenario, read_scenario};
pub use requirements::check_requirements;
pub use scenario_keys::SCENARIO;
pub use schema::schemas;
pub use template::{fill_template, placeholders_of};
