//! What `hosts.toml` says, once read.

use std::collections::BTreeMap;

use crate::diagnostic::{Place, Placed};

/// The machines.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The file's first line: for what concerns the whole of it.
    pub place: Place,
    /// In the file's order.
    pub machines: Vec<Machine>,
}

/// An entry of the inventory.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its name.
    pub name: Placed<String>,
    /// How it is reached.
    pub transport: Placed<Transport>,
    /// What it does in a scenario.
    pub roles: Vec<Placed<String>>,
    /// Where the agent keeps its cache and its work; the agent's own choice if not said.
    pub state_dir: Option<Placed<String>>,
    /// Its address on the benchmark network; 127.0.0.1 when all roles share one machine.
    pub bench_address: Option<Placed<String>>,
    /// A CA bundle for package downloads.
    pub ca_bundle: Option<Placed<String>>,
    /// Programs that no package provides, by tool name: `wrk2 = "/opt/wrk2/wrk"`.
    pub tools: BTreeMap<String, Placed<String>>,
}

/// How a machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// This machine.
    Local,
}

/// The roles that a scenario may name.
pub const ROLES: [&str; 3] = ["server", "client", "database"];
