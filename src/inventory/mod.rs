//! `hosts.toml`: machines, roles, how to reach them.

mod foreign;
mod forms;
mod keys;
mod keys_docker;
mod keys_postgresql;
mod keys_ssh;
mod model;
mod read;
mod schema;

pub use keys::INVENTORY;
pub use model::{Docker, Inventory, Machine, Postgresql, ROLES, Source, Ssh, Transport};
pub use read::{parse_inventory, read_inventory};
pub use schema::schema;
