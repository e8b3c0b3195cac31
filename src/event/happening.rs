//! The events, as they stand in `events.jsonl`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::command::Exit;
use crate::event::{Clock, Sum};
use crate::metric::{LoadFigures, NetworkFigures};
use crate::wire::{Change, Compared, Tuned, Undone};

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 1, 2, 3, ... without gaps.
    pub sequence: u64,
    /// Wall clock, UTC: for people. Durations never come from it.
    pub time: Timestamp,
    /// Monotonic milliseconds since the campaign's start.
    pub elapsed_ms: u64,
    /// What happened.
    pub event: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the fields say themselves what they hold; units stand in their names")]
pub enum Happening {
    /// The first event of every run.
    CampaignStarted { run: String, scenario: String, timetrial: String, trials: usize, estimate_s: f64 },
    /// A machine's agent answered.
    MachineConnected {
        machine: String,
        transport: String,
        agent_pid: u32,
        agent_version: String,
        boot_id: String,
        /// How much of our program had to be sent there: nothing, where it was. None where nothing ever is sent.
        #[serde(default)]
        sent_bytes: Option<u64>,
        swept: Vec<String>,
    },
    /// A name of a machine that another name led to before: they share its agent.
    MachineShared { machine: String, other: String },
    /// A run that was cut off or stopped goes on: how many of its trials were finished.
    CampaignResumed { timetrial: String, finished: usize, left: usize },
    /// What was reckoned before anything was changed.
    Reckoned { sums: Vec<Sum> },
    /// What a dead agent had changed on a machine was undone at the contact.
    LeftUndone { machine: String, undone: Undone },
    /// A machine was tuned: every setting, as read back.
    MachineTuned {
        machine: String,
        settings: Vec<Tuned>,
        /// Soft and hard limit of open files for what is started.
        nofile: Option<(u64, u64)>,
        took_ms: u64,
    },
    /// What was set is still so after the last trial, but for these.
    TuningVerified { machine: String, settings: usize, changed: Vec<Tuned> },
    /// A machine was put back as it was.
    TuningUndone { machine: String, undone: Undone },
    /// A machine was held against what it was at the first contact.
    MachineCompared {
        machine: String,
        compared: Compared,
        /** Of the differences, those of settings that were tuned. */
        ours: Vec<Change>,
    },
    /// Something is being put into a cache.
    ProvisionStarted { machine: String, name: String, what: String },
    /// A line of progress; not stored.
    ProvisionProgress { machine: String, name: String, line: String },
    /// It is there.
    ProvisionFinished {
        machine: String,
        name: String,
        digest: String,
        reused: bool,
        bytes: u64,
        took_ms: u64,
        /// Package or distribution and its version.
        versions: BTreeMap<String, String>,
    },
    /// The network between two machines is being checked.
    NetworkCheckStarted { when: Moment, client: String, server: String, tool: String },
    /// It was.
    NetworkChecked {
        when: Moment,
        /// The machine that asks in trials, and where the check began.
        client: String,
        server: String,
        tool: String,
        figures: NetworkFigures,
        /// Whether both are one machine, perhaps by two names, so that no network was between them.
        #[serde(default)]
        loopback: bool,
        client_command: Vec<String>,
        server_command: Vec<String>,
        took_ms: u64,
    },
    /// PostgreSQL runs and holds the data set.
    DatabaseStarted {
        machine: String,
        version: String,
        pid: u32,
        port: u16,
        took_ms: u64,
        rows: BTreeMap<String, u64>,
        /// Settings that differ from the server's defaults, as read back from `pg_settings`.
        settings: BTreeMap<String, String>,
        /// Those of the profile: asked for, and read back.
        #[serde(default)]
        profile: Vec<Tuned>,
    },
    /// A trial begins.
    TrialStarted {
        trial: String,
        daemon: String,
        endpoint: String,
        round: String,
        repeat: u32,
        load_s: f64,
        left_s: f64,
    },
    /// A process of the daemon was started: a new pid and start time are the proof of freshness.
    DaemonStarted { trial: String, process: usize, pid: u32, start_ticks: Option<u64>, command: Vec<String> },
    /// It answers the right document and has its workers.
    DaemonReady {
        trial: String,
        took_ms: u64,
        status: u16,
        body_bytes: u64,
        document_sha256: String,
        keep_alive_seen: bool,
        workers_seen: u32,
        /// As the answer's first line has it: `HTTP/1.1`.
        #[serde(default)]
        protocol_seen: Option<String>,
    },
    /// Its process tree is calm, or the limit was reached.
    DaemonCalm { trial: String, took_ms: u64, calm: bool, cpu_percent: f64 },
    /// The unmeasured load before is over.
    WarmUpFinished { trial: String, took_ms: u64 },
    /// The clocks of the machines that a load comes from together, held against ours: they begin at one time.
    ClocksCompared { trial: String, clocks: Vec<Clock> },
    /// The load generator was started.
    LoadStarted {
        trial: String,
        pid: u32,
        command: Vec<String>,
        /// The machine, where the load comes from several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<String>,
    },
    /// How far it is; not stored.
    LoadProgress { trial: String, elapsed_ms: u64, total_ms: u64 },
    /// The load generator ended.
    LoadFinished {
        trial: String,
        exit: Exit,
        took_ms: u64,
        /// The machine, where the load comes from several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<String>,
    },
    /// Its output was read.
    TrialMeasured { trial: String, figures: Box<LoadFigures> },
    /// The same document was asked for again after the load.
    DocumentChecked { trial: String, right: bool, detail: Option<String> },
    /// The daemon is gone.
    DaemonStopped {
        trial: String,
        process: usize,
        exit: Option<Exit>,
        took_ms: u64,
        /// Whether TERM was not enough.
        killed: bool,
        /// Processes of it that outlived it and were killed, as `pid command`.
        leftovers: Vec<String>,
    },
    /// Nobody listens on the port, no process is left.
    PortFree { trial: String, port: u16, took_ms: u64 },
    /// A trial ended.
    TrialFinished { trial: String, outcome: Outcome, took_ms: u64 },
    /// The private cluster is gone; or the machine's own one was put back.
    DatabaseStopped {
        machine: String,
        /// The machine's own cluster.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster: Option<String>,
        exit: Option<Exit>,
        took_ms: u64,
    },
    /// A machine's agent has left; what it still had to stop or remove.
    MachineReleased { machine: String, stopped: Vec<String>, removed_work_dir: bool },
    /// The user asked to stop.
    Interrupted { signal: String },
    /// Something worth knowing that stopped nothing.
    Warning { message: String },
    /// The last event of every run that ended by itself.
    CampaignFinished { outcome: Outcome, measured: usize, failed: usize, not_run: usize },
}

impl Happening {
    /// Whether it is only of use while it happens: shown, not stored.
    pub fn is_progress(&self) -> bool {
        matches!(self, Self::ProvisionProgress { .. } | Self::LoadProgress { .. })
    }

    /// The trial that it is about.
    pub fn trial(&self) -> Option<&str> {
        match self {
            Self::TrialStarted { trial, .. }
            | Self::DaemonStarted { trial, .. }
            | Self::DaemonReady { trial, .. }
            | Self::DaemonCalm { trial, .. }
            | Self::WarmUpFinished { trial, .. }
            | Self::ClocksCompared { trial, .. }
            | Self::LoadStarted { trial, .. }
            | Self::LoadProgress { trial, .. }
            | Self::LoadFinished { trial, .. }
            | Self::TrialMeasured { trial, .. }
            | Self::DocumentChecked { trial, .. }
            | Self::DaemonStopped { trial, .. }
            | Self::PortFree { trial, .. }
            | Self::TrialFinished { trial, .. } => Some(trial),
            _ => None,
        }
    }
}

/// Before or after all trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the first trial.
    Before,
    /// After the last trial.
    After,
}

impl Moment {
    /// The word in paths and for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// How a trial or a campaign ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, with figures.
    Measured,
    /// Not done.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// Stopped by the user.
    Interrupted,
}

/// Why something failed: for people, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A stable word: `daemon-died`, `not-ready`, `wrong-document`, ...
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Log lines, differences, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
