//! Scenario and daemon files, each by itself.

mod model;

pub use model::{
    Authentication, Daemon, DatabaseUse, Endpoint, Load, Postgres, Process, Round, Scenario, SslMode, Traits, Wait,
    WorkersAt,
};
