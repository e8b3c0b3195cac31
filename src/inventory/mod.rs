//! `hosts.toml`: machines, roles, how to reach them.

mod keys;
mod model;
mod read;
mod schema;

pub use keys::INVENTORY;
pub use model::{Inventory, Machine, ROLES, Transport};
pub use read::{parse_inventory, read_inventory};
pub use schema::schema;
