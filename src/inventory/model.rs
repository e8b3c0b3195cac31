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
    /// What `ssh` needs to know, for that transport.
    pub ssh: Option<Ssh>,
    /// What a Docker engine needs to know, for that transport.
    pub docker: Option<Docker>,
    /// What it does in a scenario.
    pub roles: Vec<Placed<String>>,
    /// Where the agent keeps its cache and its work; the agent's own choice if not said.
    pub state_dir: Option<Placed<String>>,
    /// Its address on the benchmark network; 127.0.0.1 when all roles share one machine.
    pub bench_address: Option<Placed<String>>,
    /// A CA bundle for package downloads: a file of the controller.
    pub ca_bundle: Option<Placed<String>>,
    /// A proxy for package downloads.
    pub proxy: Option<Placed<String>>,
    /// Whether its settings may be changed for a campaign.
    pub may_tune: bool,
    /// A PostgreSQL of the machine's own that campaigns use, in place of a private one.
    pub postgresql: Option<Placed<Postgresql>>,
    /// A `timetrial` for its processor, where that is another than the controller's: a file of the controller.
    pub binary: Option<Placed<String>>,
    /// Programs that no package provides, by tool name: `wrk2 = "/opt/wrk2/wrk"`.
    pub tools: BTreeMap<String, Placed<String>>,
}

/// A PostgreSQL cluster of the machine's own, as Debian keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgresql {
    /// Major version and name: `15/main`.
    pub cluster: Placed<String>,
    /// The port that it listens on.
    pub port: Placed<u16>,
    /// Settings that can lose data, and may be made here all the same.
    pub accept: Vec<Placed<String>>,
}

impl Postgresql {
    /// Its major version.
    pub fn version(&self) -> u32 {
        self.cluster.value.split('/').next().and_then(|version| version.parse().ok()).unwrap_or_default()
    }
}

/// How a machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// This machine.
    Local,
    /// Another machine, by the user's own `ssh`.
    Ssh,
    /// A container that lives as long as the campaign.
    Docker,
}

impl Transport {
    /// The word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ssh => "ssh",
            Self::Docker => "docker",
        }
    }
}

/// A machine behind `ssh`. What is not said comes from the user's own ssh configuration.
#[derive(Debug, Clone)]
pub struct Ssh {
    /// Its name or address, or a `Host` of the ssh configuration.
    pub host: Placed<String>,
    /// The user there.
    pub user: Option<String>,
    /// The port of sshd.
    pub port: Option<u16>,
    /// A private key: a file of the controller.
    pub key: Option<String>,
    /// A jump host, as `ssh -J` takes it.
    pub jump: Option<String>,
    /// The known hosts: a file of the controller.
    pub known_hosts: Option<String>,
    /// An ssh configuration in place of the user's own: a file of the controller.
    pub config: Option<String>,
    /// Whether the agent is started by `sudo -n` where the machine may be tuned.
    pub become_root: bool,
}

/// A container as a machine.
#[derive(Debug, Clone)]
pub struct Docker {
    /// The engine; the one of the environment, else this machine's, if not said.
    pub engine: Option<Placed<String>>,
    /// What it is made from.
    pub source: Placed<Source>,
    /// An existing network; one of the campaign's own if not said.
    pub network: Option<Placed<String>>,
    /// The CPUs that it may use: `0-3`.
    pub cpus: Option<String>,
    /// The memory that it may use.
    pub memory_bytes: Option<u64>,
    /// How many files a process may have open.
    pub nofile: Option<u64>,
    /// Settings of its own namespaces, from its first moment.
    pub sysctls: BTreeMap<String, String>,
}

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An image.
    Image(String),
    /// A folder in `docker/` with a Dockerfile.
    Build(String),
}

/// The roles that a scenario may name.
pub const ROLES: [&str; 3] = ["server", "client", "database"];
