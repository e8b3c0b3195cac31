//! The messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command::{Command, Exit};
use crate::wire::{ClusterAsked, Compared, Facts, Left, Look, Setting, Tuned, Undone};

/// The version of the protocol. Controller and agent are the same binary, so there is only ever one; it is compared
/// so that an agent started by hand from another build says so instead of misunderstanding.
pub const PROTOCOL: u32 = 1;

/// What an agent writes first, on a line of its own: what a login shell printed before it is skipped.
pub const MAGIC: &str = "timetrial-agent/1";

/// How often each side says that it is there.
pub const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(2);

/// After this long without a word from the other side, it is taken for dead.
pub const SILENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// From the controller.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "to-agent", rename_all = "kebab-case")]
pub enum ToAgent {
    /// Do something, answer under this id.
    Request {
        /// Chosen by the controller.
        id: u64,
        /// What to do.
        request: Request,
    },
    /// I am here.
    Heartbeat,
}

/// From the agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "from-agent", rename_all = "kebab-case")]
pub enum FromAgent {
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// The answer, or why there is none.
        reply: Result<Reply, Failure>,
    },
    /// Something happened by itself.
    Notice(Notice),
    /// I am here.
    Heartbeat,
}

/// What a controller may ask of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields say themselves what they hold; units stand in their names")]
pub enum Request {
    /// Say which machine this is, before anything is touched: two names may lead to one.
    Identify,
    /// The first that touches something: who calls, for which run; certificates and a proxy for downloads.
    Hello { protocol: u32, run: String, owner: String, ca_bundle: Option<String>, proxy: Option<String> },
    /// Read what tuning and its sums need to know: these settings and a few more. Changes nothing, and needs no hello.
    Look {
        settings: Vec<String>,
        /// The machine's own PostgreSQL, if the campaign is to use it.
        #[serde(default)]
        cluster: Option<ClusterAsked>,
    },
    /// Read the machine.
    ReadFacts,
    /// Who listens on a TCP port.
    Listeners { port: u16 },
    /// Have Debian packages in the cache, unpacked.
    PackageRoot { name: String, suite: String, packages: Vec<String> },
    /// Have Debian packages in the cache, unpacked with a C library of their own, to build with.
    BuildRoot { name: String, suite: String, packages: Vec<String> },
    /// Have a Python virtual environment in the cache.
    Venv { name: String, root: String, interpreter: String, requirements: String, build: Option<BuildRequest> },
    /// Make a directory under the run's work directory, and write files into it.
    PutFiles { directory: String, files: Vec<WorkFile> },
    /// Make and start the private cluster, or prepare the machine's own one.
    StartDatabase(Box<DatabaseRequest>),
    /// How daemons on another machine get in.
    DatabaseAccess,
    /// What daemons that use the database are given, where it runs on another machine.
    UseDatabase { access: Access },
    /// The last messages of its server.
    DatabaseLog,
    /// Stop it and remove its data.
    StopDatabase,
    /// Start a process in a session of its own.
    Start(StartRequest),
    /// The processes of a started one: itself, its children, its session.
    Tree { process: u64 },
    /// Wait until its tree uses less CPU than this for this long.
    Calm { process: u64, below_percent: f64, for_ms: u64, limit_ms: u64 },
    /// End it: TERM, wait, KILL whatever is left of its session.
    Stop { process: u64, grace_ms: u64, kill_now: bool },
    /// The last bytes it printed.
    LogTail { process: u64, bytes: u64 },
    /// Ask for a document once, in the protocol that the daemon says it speaks.
    Probe { address: String, port: u16, path: String, protocol: String, timeout_ms: u64 },
    /// Make these settings, having written down what they were; and have all that is started from now on have as many
    /// files open as this.
    Tune { settings: Vec<Setting>, nofile: Option<u64> },
    /// Read again what was set.
    VerifyTuning,
    /// Undo what a dead agent left. Needs no hello, and takes the machine's lock while it works.
    Restore { owner: String },
    /// End the agent that holds this machine's lock, if it is the one with this id; it undoes what it did. No hello.
    Unlock { id: String },
    /// What outlives runs here.
    Kept,
    /// Remove it.
    RemoveKept,
    /// What time it is, by the machine's own clock.
    Clock,
    /// Stop everything, remove the work directory, answer, and exit.
    Goodbye,
}

/// libpq's variables, the password among them: it goes from one agent to another by the controller's memory alone, and is
/// never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access(pub BTreeMap<String, String>);

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access(not shown)")
    }
}

/// What of a virtual environment is built from sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRequest {
    /// Digest of the build root.
    pub root: String,
    /// The distributions.
    pub sources: Vec<String>,
}

/// A file for the work directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkFile {
    /// Relative to the directory asked for.
    pub path: String,
    /// Its bytes.
    #[serde(with = "crate::wire::bytes")]
    pub bytes: Vec<u8>,
}

/// The database that a campaign asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DatabaseRequest {
    /// The machine's own cluster to use, such as `15/main`; else a private one is made.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Digest of the package root that a private one runs from.
    pub root: String,
    /// Major version.
    pub version: u32,
    /// The address it listens on.
    pub address: String,
    /// The port.
    pub port: u16,
    /// `pg_hba.conf`'s word.
    pub authentication: String,
    /// libpq's word, passed on to daemons.
    pub sslmode: String,
    /// `max_connections`.
    pub max_connections: u32,
    /// Settings of a profile, in its order, with where each stands in the user's file.
    #[serde(default)]
    pub settings: Vec<DatabaseSetting>,
    /// Addresses that may connect.
    pub client_addresses: Vec<String>,
    /// The data set's SQL.
    #[serde(with = "crate::wire::bytes")]
    pub schema: Vec<u8>,
    /// Table and CSV rows with a header.
    pub rows: Vec<WorkFile>,
}

/// A setting of PostgreSQL that a profile asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSetting {
    /// Its name.
    pub name: String,
    /// Its value as it stands in the profile, without quotes.
    pub value: String,
    /// `postgres-conf/today.conf:7`
    pub from: String,
}

/// A process to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartRequest {
    /// What it is, for logs and for `ps`: `daemon`, `load`.
    pub label: String,
    /// What is run. `{work}` in arguments stands for the run's work directory.
    pub command: Command,
    /// Digests of package roots and venvs whose programs and libraries it uses.
    pub uses: Vec<String>,
    /// Its current directory, under the work directory.
    pub directory: Option<String>,
    /// Whether it gets the database's coordinates and password in its environment.
    pub database: bool,
    /// Whether what it prints is sent on (a load generator) or only kept for [`Request::LogTail`] (a daemon).
    pub stream: bool,
    /// Whether it is the agent's own program, wherever that lies, and not the one that the command names.
    #[serde(default)]
    pub own: bool,
}

/// Answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields say themselves what they hold; units stand in their names")]
pub enum Reply {
    /// Two agents that say the same are on one machine and would share one state directory.
    Identity {
        identity: String,
        /// The machine alone, whatever the state directory.
        #[serde(default)]
        machine: String,
    },
    /// To `Hello`; `swept` tells what a dead agent had left and was removed.
    Welcome {
        protocol: u32,
        version: String,
        pid: u32,
        boot_id: String,
        state_dir: String,
        work_dir: String,
        swept: Vec<String>,
        /// What a dead agent had changed here and was undone now.
        #[serde(default)]
        undone: Option<Undone>,
    },
    Look(Box<Look>),
    /// To `Tune` and `VerifyTuning`: every setting.
    Tuned {
        settings: Vec<Tuned>,
        /// The limit of open files that what is started gets from now on, soft and hard.
        nofile: Option<(u64, u64)>,
    },
    /// To `Restore`: nothing where there was nothing to undo.
    Restored {
        left: Option<Left>,
        undone: Option<Undone>,
        compared: Option<Compared>,
    },
    /// To `Unlock`: whose lock it was; it is free now.
    Unlocked {
        owner: String,
        /// Whether what that one had changed is still not put back.
        #[serde(default)]
        left_tuned: bool,
    },
    Facts(Box<Facts>),
    Listeners {
        listeners: Vec<Listener>,
    },
    Provisioned {
        digest: String,
        path: String,
        reused: bool,
        bytes: u64,
        versions: BTreeMap<String, String>,
    },
    DatabaseStarted {
        version: String,
        pid: u32,
        rows: BTreeMap<String, u64>,
        settings: BTreeMap<String, String>,
        /// The profile's settings, as read back.
        #[serde(default)]
        profile: Vec<Tuned>,
    },
    /// To `DatabaseAccess`.
    Access(Access),
    Started {
        process: u64,
        pid: u32,
        start_ticks: Option<u64>,
        command: Vec<String>,
    },
    Tree {
        members: Vec<Member>,
    },
    Calm {
        calm: bool,
        took_ms: u64,
        cpu_percent: f64,
    },
    Stopped {
        exit: Option<Exit>,
        killed: bool,
        leftovers: Vec<String>,
        still_alive: Vec<String>,
        took_ms: u64,
    },
    Log {
        #[serde(with = "crate::wire::bytes")]
        stdout: Vec<u8>,
        #[serde(with = "crate::wire::bytes")]
        stderr: Vec<u8>,
    },
    Answer(Answer),
    /// What outlives runs, or did until now.
    Kept {
        kept: Vec<Kept>,
    },
    /// To `Clock`: microseconds of Unix time.
    Clock {
        unix_us: u64,
    },
    Done,
    Goodbye {
        stopped: Vec<String>,
        removed_work_dir: bool,
        /// What was tuned and is put back.
        #[serde(default)]
        undone: Option<Undone>,
        /// The machine held against what it was at the hello.
        #[serde(default)]
        compared: Option<Compared>,
    },
}

/// Something that outlives runs on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Where it lies.
    pub name: String,
    /// How many of what.
    pub what: String,
    /// Its size.
    pub bytes: u64,
    /// Why it is never removed, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<String>,
}

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `127.0.0.1`, `::`, ...
    pub address: String,
    /// The process, where it can be seen.
    pub pid: Option<u32>,
    /// Its command line, where it can be seen.
    pub command: Option<String>,
    /// The user id it runs as.
    pub uid: u32,
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.pid, &self.command) {
            (Some(pid), Some(command)) => write!(f, "pid {pid}, `{command}`, on {}", self.address),
            _ => write!(f, "a process of user id {} on {}", self.uid, self.address),
        }
    }
}

/// A process of a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its short name.
    pub name: String,
    /// Its command line; its short name where that is all there is.
    pub command: String,
    /// Whether it is dead and only waits to be reaped.
    pub zombie: bool,
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// A whole HTTP answer.
    Http {
        /// The status code.
        status: u16,
        /// Whether the connection stayed open.
        keep_alive: bool,
        /// `HTTP/1.1`, `HTTP/2`
        protocol: String,
        /// The body.
        #[serde(with = "crate::wire::bytes")]
        body: Vec<u8>,
    },
    /// Something answers, but in another protocol than it was asked in.
    OtherProtocol {
        /// `HTTP/1.1`, `HTTP/2`
        spoken: String,
    },
    /// Nobody listens, or it closed, or it was too slow, or it speaks no HTTP.
    Nothing {
        /// In words.
        why: String,
    },
}

/// What happens by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields say themselves what they hold; units stand in their names")]
pub enum Notice {
    /// A streamed process printed this.
    Output {
        process: u64,
        stderr: bool,
        #[serde(with = "crate::wire::bytes")]
        bytes: Vec<u8>,
    },
    /// A process ended, and all that it printed was sent before.
    Exited { process: u64, exit: Exit, elapsed_us: u64 },
    /// A line of progress of a long request.
    Progress { name: String, line: String },
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A stable word: `no-apt`, `port-taken`, `busy`, ...
    pub code: String,
    /// One sentence: what, where, why.
    pub message: String,
    /// Log lines and the like.
    #[serde(default)]
    pub detail: Vec<String>,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without details.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), detail: Vec::new(), hint: None }
    }

    /// With lines that show it.
    pub fn detail(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.detail.extend(lines.into_iter().map(Into::into));
        self
    }

    /// With what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
