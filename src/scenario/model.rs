//! What a scenario and a daemon file say, once read: values with their places, nothing decided yet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::diagnostic::{Place, Placed};

/// A scenario: what is compared, and how.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file's stem.
    pub name: String,
    /// The file, as given.
    pub path: PathBuf,
    /// The file's first line: for what concerns the whole of it.
    pub place: Place,
    /// One line for people.
    pub title: Placed<String>,
    /// The daemons' names, in the order of running.
    pub daemons: Vec<Placed<String>>,
    /// Worker processes, the same for each daemon.
    pub workers: Placed<u32>,
    /// Database connections for each worker, for endpoints that keep a pool; the same for each daemon.
    pub pool: Placed<u32>,
    /// The port that each daemon listens on; only one lives at a time.
    pub port: Placed<u16>,
    /// The data set: documents, and rows for a database.
    pub data: Option<Placed<String>>,
    /// The database, if the daemons need one.
    pub postgres: Option<Postgres>,
    /// The network check, if there is one.
    pub network: Option<Network>,
    /// What is changed on machines for the campaign, by their roles.
    pub tunes: Vec<Tune>,
    /// Bounds for waiting.
    pub wait: Wait,
    /// The rounds, in order.
    pub rounds: Vec<Round>,
}

/// A check of the network, before the first trial and after the last.
#[derive(Debug, Clone)]
pub struct Network {
    /// Where the table stands.
    pub place: Place,
    /// The network tools, one after the other.
    pub tools: Vec<Placed<String>>,
    /// How long each sends.
    pub duration: Placed<Duration>,
    /// The TCP port that its server listens on.
    pub port: Placed<u16>,
}

/// Bounds for waiting on a daemon.
#[derive(Debug, Clone)]
pub struct Wait {
    /// From start until the right document is answered.
    pub ready: Duration,
    /// Until its process tree is calm.
    pub calm: Duration,
    /// From TERM until KILL.
    pub stop: Duration,
}

/// A private PostgreSQL cluster, made new for the campaign.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// Where the table stands.
    pub place: Place,
    /// The role of the machine it runs on.
    pub role: Placed<String>,
    /// Major version.
    pub version: Placed<u32>,
    /// TCP port.
    pub port: Placed<u16>,
    /// How daemons prove who they are.
    pub authentication: Placed<Authentication>,
    /// Whether connections are encrypted.
    pub sslmode: Placed<SslMode>,
    /// `max_connections`.
    pub max_connections: Placed<u32>,
    /// The profile of settings that it runs with.
    pub conf: Option<Placed<String>>,
    /// Dangerous settings of the profile that are meant.
    pub accept: Vec<Placed<String>>,
}

/// What is changed for the campaign on the machine with a role, and put back after it.
#[derive(Debug, Clone)]
pub struct Tune {
    /// Where the table stands.
    pub place: Place,
    /// The role.
    pub role: Placed<String>,
    /// Profiles of kernel settings, in order.
    pub sysctl: Vec<Placed<String>>,
    /// The limit of open files for what the campaign starts there.
    pub nofile: Option<NoFile>,
    /// The frequency governor of all processors.
    pub governor: Option<Placed<String>>,
    /// Whether processors may run faster than they can for ever.
    pub turbo: Option<Placed<bool>>,
    /// Settings that the campaign goes on without.
    pub optional: Vec<Placed<String>>,
    /// Settings of which less is enough, and how much.
    pub at_least: Vec<(Placed<String>, Placed<u64>)>,
    /// Dangerous settings that are meant.
    pub accept: Vec<Placed<String>>,
}

/// A limit of open files.
#[derive(Debug, Clone)]
pub struct NoFile {
    /// What is asked for.
    pub want: Placed<u64>,
    /// What is enough.
    pub at_least: Placed<u64>,
}

/// How a client proves who it is. It costs CPU at each connection, so it is said and is the same for all daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// PostgreSQL's default since 14.
    ScramSha256,
    /// As in 2015.
    Md5,
    /// No password.
    Trust,
}

impl Authentication {
    /// The word in `pg_hba.conf` and in scenarios.
    pub fn word(self) -> &'static str {
        match self {
            Self::ScramSha256 => "scram-sha-256",
            Self::Md5 => "md5",
            Self::Trust => "trust",
        }
    }
}

/// Whether database connections are encrypted. The private cluster has no certificate, so there is one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
}

impl SslMode {
    /// libpq's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
        }
    }
}

/// A phase of a scenario with one load shape.
#[derive(Debug, Clone)]
pub struct Round {
    /// Its name, unique in the scenario.
    pub name: Placed<String>,
    /// The role that the load comes from.
    pub from: Placed<String>,
    /// The daemons that run in it, where not all of the scenario do.
    pub daemons: Option<Vec<Placed<String>>>,
    /// Paths; each daemon runs those that it has.
    pub endpoints: Vec<Placed<String>>,
    /// How often each trial is done.
    pub repeats: Placed<u32>,
    /// The load.
    pub load: Load,
}

impl Round {
    /// Whether this daemon of the scenario runs in it.
    pub fn takes(&self, daemon: &str) -> bool {
        self.daemons.as_ref().is_none_or(|named| named.iter().any(|name| name.value == daemon))
    }
}

/// A load shape.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where the table stands.
    pub place: Place,
    /// The load generator.
    pub tool: Placed<String>,
    /// Its threads.
    pub threads: Placed<u32>,
    /// Its connections.
    pub connections: Placed<u32>,
    /// Requests under way at once on each connection, where it is said.
    pub streams: Option<Placed<u32>>,
    /// How long it measures.
    pub duration: Placed<Duration>,
    /// The same load before, unmeasured.
    pub warm_up: Option<Placed<Duration>>,
    /// Requests per second, for an open-loop tool.
    pub rate: Option<Placed<u64>>,
    /// After this long an answer counts as late.
    pub timeout: Placed<Duration>,
}

/// A daemon: what it needs, how it is started, what it answers.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// Where the file begins: for what concerns the whole of it.
    pub place: Place,
    /// One line for people.
    pub title: Placed<String>,
    /// A Python of a package root, like `python3.11`.
    pub interpreter: Option<Placed<String>>,
    /// Debian packages for its package root.
    pub packages: Vec<Placed<String>>,
    /// A pip requirements file with hashes, in its folder.
    pub requirements: Option<Placed<String>>,
    /// What is built from sources on the machine.
    pub build: Option<Build>,
    /// Files in its folder whose placeholders are filled when they are put on the machine.
    pub templates: Vec<Placed<String>>,
    /// Use what is on the machine's PATH; nothing is provisioned.
    pub system: bool,
    /// Started in order, stopped in reverse.
    pub processes: Vec<Process>,
    /// What must be alike between daemons, or said.
    pub traits: Traits,
    /// What it answers.
    pub endpoints: Vec<Endpoint>,
}

/// What of the requirements comes as sources, and what they are built with.
#[derive(Debug, Clone)]
pub struct Build {
    /// Where it stands.
    pub place: Place,
    /// Distributions of the requirements.
    pub sources: Vec<Placed<String>>,
    /// Debian packages for a root of their own, which is used while building and never by a daemon.
    pub packages: Vec<Placed<String>>,
}

/// A process of a daemon.
#[derive(Debug, Clone)]
pub struct Process {
    /// Program and arguments, with placeholders.
    pub command: Vec<Placed<String>>,
    /// Added to its environment; same placeholders.
    pub environment: BTreeMap<String, Placed<String>>,
    /// Where the stated number of workers is counted.
    pub workers: Placed<WorkersAt>,
    /// Children whose command line holds one of these are no workers.
    pub helpers: Vec<Placed<String>>,
}

/// Where the stated number of workers is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkersAt {
    /// The direct children of this process (gunicorn, uWSGI, nginx).
    Children,
    /// This process counts as one worker.
    Itself,
    /// Not counted: a helper or a front.
    Nowhere,
}

/// What must be alike between daemons, or said in words by the report.
#[derive(Debug, Clone)]
pub struct Traits {
    /// Whether it keeps connections open between requests. Held against what it really does.
    pub keep_alive: Placed<bool>,
    /// The protocol spoken.
    pub protocol: Placed<String>,
}

/// An endpoint of a daemon.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The path.
    pub path: Placed<String>,
    /// The document it must answer, of the scenario's data set.
    pub document: Placed<String>,
    /// How it uses database connections.
    pub database: Placed<DatabaseUse>,
}

/// How an endpoint uses database connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseUse {
    /// It does not.
    None,
    /// A new connection for each request.
    ConnectionPerRequest,
    /// A pool in each worker.
    Pool,
}
