//! `hosts.toml`: machines, roles, how to reach them.

mod model;

pub use model::{Inventory, Machine, ROLES, Transport};
