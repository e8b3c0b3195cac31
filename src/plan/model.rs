//! The plan: everything a campaign will do, in order, decided before any machine is contacted. Immutable and printable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::plan::{PostgresConf, Tuning};

/// The version of the plan's format, in `plan.json`.
pub const FORMAT: u32 = 1;

/// A whole campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The scenario's name: its file's stem.
    pub scenario: String,
    /// One line for people.
    pub title: String,
    /// The machines that take part.
    pub machines: Vec<Machine>,
    /// The daemons, in order.
    pub daemons: Vec<Daemon>,
    /// The database, if there is one.
    pub database: Option<Database>,
    /// The network check, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkCheck>,
    /// What is changed on machines for the campaign, and undone after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuning: Vec<Tuning>,
    /// The documents that endpoints must answer, by name.
    pub documents: BTreeMap<String, Document>,
    /// What is put into each machine's cache.
    pub provisions: Vec<Provision>,
    /// The trials, in order.
    pub trials: Vec<Trial>,
    /// Bounds for waiting.
    pub wait: Wait,
    /// The input files, by the path under `inputs/`, with the SHA-256 of each.
    pub inputs: BTreeMap<String, String>,
}

impl Plan {
    /// The daemon with this name. Plans are made whole: a name in a trial is in the list.
    pub fn daemon(&self, name: &str) -> Option<&Daemon> {
        self.daemons.iter().find(|daemon| daemon.name == name)
    }

    /// The machine with this name.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.name == name)
    }

    /// Seconds of load and of planned waiting: what the campaign takes at least once everything is provisioned.
    pub fn estimate_s(&self) -> f64 {
        let network = self.network.as_ref().map_or(0.0, |network| 2.0 * network.estimate_s());
        self.trials.iter().map(Trial::estimate_s).sum::<f64>() + self.database.as_ref().map_or(0.0, |_| 3.0) + network
    }
}

/// A machine that takes part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name in the inventory.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// The roles it plays here.
    pub roles: Vec<String>,
    /// Its address for benchmark traffic.
    pub address: String,
    /// Where its agent keeps its cache; the agent's own choice if not said.
    pub state_dir: Option<String>,
    /// A CA bundle for package downloads: a file of the controller.
    pub ca_bundle: Option<String>,
    /// A proxy for package downloads.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Whether its settings may be changed for a campaign.
    #[serde(default)]
    pub may_tune: bool,
    /// A `timetrial` for its processor, where that is another than the controller's: a file of the controller.
    #[serde(default)]
    pub binary: Option<String>,
    /// Programs that no package provides, by tool name.
    pub tools: BTreeMap<String, String>,
}

/// How a machine is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// This machine.
    Local,
    /// Another machine, by the user's own `ssh`.
    Ssh(Ssh),
    /// A container that lives as long as the campaign.
    Docker(Docker),
}

impl Transport {
    /// `local`, `ssh`, `docker`
    pub fn word(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ssh(_) => "ssh",
            Self::Docker(_) => "docker",
        }
    }
}

/// A machine behind `ssh`. What is not said comes from the user's own ssh configuration; files are the controller's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// Its name or address, or a `Host` of the ssh configuration.
    pub host: String,
    /// The user there.
    pub user: Option<String>,
    /// The port of sshd.
    pub port: Option<u16>,
    /// A file with a private key.
    pub key: Option<String>,
    /// A jump host, as `ssh -J` takes it.
    pub jump: Option<String>,
    /// The file of known hosts.
    pub known_hosts: Option<String>,
    /// A configuration file in place of the user's own.
    pub config: Option<String>,
    /// Whether the agent is root there, by `sudo -n`.
    pub become_root: bool,
}

/// A container as a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Docker {
    /// The engine, if not that of the environment.
    pub engine: Option<String>,
    /// The image, or what the image that is built is called.
    pub image: String,
    /// The files of the folder it is built from: names under `inputs/`. None where the image is used as it is.
    pub build: Vec<String>,
    /// An existing network to join; one of the campaign's own if not said.
    pub network: Option<String>,
    /// Its fixed address there; none where it needs no other machine.
    pub address: Option<String>,
    /// The CPUs that it may use.
    pub cpus: Option<String>,
    /// The memory that it may use.
    pub memory_bytes: Option<u64>,
    /// How many files a process may have open.
    pub nofile: Option<u64>,
    /// Settings of its own namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// More of them, of the campaign's profiles: they come and go with the container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tuned: BTreeMap<String, String>,
    /// Those of the profiles that it does without where the engine refuses them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
}

/// A daemon as the plan knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Daemon {
    /// Its folder's name.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The package root and venv it runs from, by provision name; none for a `system` daemon.
    pub provisions: Vec<String>,
    /// Its processes, in order of starting.
    pub processes: Vec<Process>,
    /// Whether it says that it keeps connections open.
    pub keep_alive: bool,
    /// The protocol it speaks.
    pub protocol: String,
    /// Worker processes asked for.
    pub workers: u32,
    /// Its sources: names under `inputs/`, in [`Plan::inputs`].
    pub files: Vec<String>,
    /// Those of them whose placeholders are filled in on the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<String>,
    /// What the placeholders of templates stand for. `{work}` in a value is the run's work directory.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// A process of a daemon, with placeholders filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// What is run.
    pub command: Command,
    /// Where the stated number of workers is counted.
    pub workers: WorkersAt,
    /// Children whose command line holds one of these are no workers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<String>,
}

/// Where the stated number of workers is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkersAt {
    /// The direct children of the process.
    Children,
    /// The process itself is one worker.
    Itself,
    /// Not counted.
    Nowhere,
}

/// The campaign's PostgreSQL: a private cluster, or the machine's own one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// The machine it runs on.
    pub machine: String,
    /// The package root that a private cluster runs from, by provision name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provision: Option<String>,
    /// The machine's own cluster, such as `15/main`, where the inventory says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Major version.
    pub version: u32,
    /// The address it listens on.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// `pg_hba.conf`'s word.
    pub authentication: String,
    /// libpq's word.
    pub sslmode: String,
    /// `max_connections`.
    pub max_connections: u32,
    /// The profile that it runs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conf: Option<PostgresConf>,
    /// Machines whose addresses may connect.
    pub clients: Vec<String>,
    /// The data set.
    pub data: String,
    /// Tables and the rows that the data set has for each.
    pub tables: BTreeMap<String, u64>,
    /// The data set's files: names under `inputs/`.
    pub files: Vec<String>,
}

/// A check of the network, made before the first trial and after the last, while nothing else runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkCheck {
    /// The tools, in order.
    pub tools: Vec<NetworkTool>,
    /// Seconds that each sends.
    pub duration_s: f64,
    /// The port that the waiting side listens on.
    pub port: u16,
    /// The ways that load takes: from load generators to daemons, and from daemons to a database on another machine.
    pub pairs: Vec<NetworkPair>,
}

impl NetworkCheck {
    /// Seconds that it takes once: each tool on each pair, and a little for its start and stop.
    pub fn estimate_s(&self) -> f64 {
        (self.tools.len() * self.pairs.len()) as f64 * (self.duration_s + 0.5)
    }
}

/// A network tool, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkTool {
    /// Its name.
    pub name: String,
    /// The package root it runs from, by provision name, for each machine; none where the inventory names a binary.
    pub provisions: BTreeMap<String, String>,
}

/// A way that load takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPair {
    /// The machine that asks.
    pub client: String,
    /// The machine that answers. The same one, where both are: then the loopback is checked.
    pub server: String,
}

/// A document that endpoints must answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// SHA-256 of its canonical form (see [`crate::plan::document`]).
    pub sha256: String,
    /// The document itself, for showing differences.
    pub content: serde_json::Value,
}

/// Something put into a machine's cache before the first trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provision {
    /// Its name, unique in the plan.
    pub name: String,
    /// The machine.
    pub machine: String,
    /// What it is.
    pub what: ProvisionKind,
}

/// Kinds of things put into a cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ProvisionKind {
    /// Debian packages, unpacked.
    PackageRoot {
        /// The suite they come from.
        suite: String,
        /// Package names; the resolver adds what they need.
        packages: Vec<String>,
    },
    /// Debian packages that something is built with, unpacked with a C library of their own. No daemon uses it.
    BuildRoot {
        /// The suite they come from.
        suite: String,
        /// Package names; the resolver adds what they need.
        packages: Vec<String>,
    },
    /// A Python virtual environment.
    Venv {
        /// The package root its interpreter comes from, by provision name.
        root: String,
        /// `python3.11`
        interpreter: String,
        /// The requirements file: a name under `inputs/`.
        requirements: String,
        /// SHA-256 of the requirements.
        sha256: String,
        /// What of them is built from sources, if anything is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<Build>,
    },
}

/// What of a virtual environment is built from sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The build root, by provision name.
    pub root: String,
    /// The distributions.
    pub sources: Vec<String>,
}

/// One measured load on one endpoint of one freshly started daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// `0001`, `0002`, ... in order.
    pub id: String,
    /// The round.
    pub round: String,
    /// The daemon.
    pub daemon: String,
    /// The path.
    pub endpoint: String,
    /// 1, 2, ... of the round's repeats.
    pub repeat: u32,
    /// The document it must answer, by name.
    pub document: String,
    /// How the endpoint uses database connections.
    pub database_use: DatabaseUse,
    /// The machine the daemon runs on.
    pub server: String,
    /// The machine the load comes from; the first one, where it comes from several.
    pub client: String,
    /// The others that it comes from at the same time, each with its share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_clients: Vec<String>,
    /// Where the daemon listens.
    pub address: String,
    /// The port it listens on.
    pub port: u16,
    /// The load.
    pub load: Load,
}

impl Trial {
    /// `http://127.0.0.1:8016/index`
    pub fn url(&self) -> String {
        format!("http://{}:{}{}", self.address, self.port, self.endpoint)
    }

    /// Seconds it takes: load, warm-up, and about two for start, calm and stop.
    pub fn estimate_s(&self) -> f64 {
        self.load.duration_s + self.load.warm_up_s.unwrap_or(0.0) + 2.5
    }
}

/// How an endpoint uses database connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "use", rename_all = "kebab-case")]
pub enum DatabaseUse {
    /// It does not.
    None,
    /// A new connection for each request.
    ConnectionPerRequest,
    /// A pool in each worker.
    Pool {
        /// Connections of each worker's pool.
        per_worker: u32,
    },
}

impl std::fmt::Display for DatabaseUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::ConnectionPerRequest => write!(f, "one per request"),
            Self::Pool { per_worker } => write!(f, "pool of {per_worker} per worker"),
        }
    }
}

/// A load, decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The load generator.
    pub tool: String,
    /// The package root it runs from, by provision name; none when the inventory names a binary.
    pub provision: Option<String>,
    /// Threads.
    pub threads: u32,
    /// Connections.
    pub connections: u32,
    /// Requests under way at once on each connection, for a tool that can have several.
    #[serde(default)]
    pub streams: Option<u32>,
    /// Seconds measured.
    pub duration_s: f64,
    /// Seconds of the same load before, unmeasured.
    pub warm_up_s: Option<f64>,
    /// Requests per second, for an open-loop tool.
    pub rate: Option<u64>,
    /// After this many seconds an answer counts as late; nothing for a tool without a time limit.
    pub timeout_s: Option<f64>,
}

impl Load {
    /// ` with 10 requests at once`; nothing where each connection has one.
    pub fn streams_words(&self) -> String {
        match self.streams {
            Some(streams) if streams > 1 => format!(" with {streams} requests at once on each"),
            _ => String::new(),
        }
    }
}

/// Bounds for waiting, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// From start until the right document is answered.
    pub ready_s: f64,
    /// Until the process tree is calm.
    pub calm_s: f64,
    /// From TERM until KILL.
    pub stop_s: f64,
}
