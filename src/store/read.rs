//! A run directory, read back: what everything that judges or shows works on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::event::{Event, Outcome};
use crate::metric::LoadFigures;
use crate::plan::{Plan, Trial};

/// A run, as its directory tells it.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// The directory's name.
    pub id: String,
    /// The directory.
    pub directory: PathBuf,
    /// The plan.
    pub plan: Plan,
    /// The events, in order.
    pub events: Vec<Event>,
    /// The trials that were begun, in order.
    pub trials: Vec<StoredTrial>,
    /// Facts of machines, by machine, then `before` and `after`.
    pub facts: BTreeMap<String, BTreeMap<String, crate::wire::Facts>>,
    /// How it ended.
    pub state: RunState,
}

/// A trial, as its run tells it.
#[derive(Debug, Clone)]
pub struct StoredTrial {
    /// As planned.
    pub trial: Trial,
    /// How it ended; `None` when the run was cut off in it.
    pub outcome: Option<Outcome>,
    /// Its figures.
    pub figures: Option<LoadFigures>,
    /// What was seen of it.
    pub seen: Seen,
}

/// What was seen of a trial, from its events.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Size of the answered document.
    pub body_bytes: Option<u64>,
    /// Whether the daemon kept the probe's connection open.
    pub keep_alive: Option<bool>,
    /// The protocol that it answered the probe in.
    pub protocol: Option<String>,
    /// Worker processes counted.
    pub workers: Option<u32>,
    /// Whether the document was right after the load, and if not, how.
    pub document_after: Option<(bool, Option<String>)>,
    /// Whether the process tree was calm before the load.
    pub calm: Option<bool>,
    /// The daemon's commands, as run.
    pub daemon_commands: Vec<Vec<String>>,
    /// The load generator's command, as run; that of each machine, where the load came from several.
    pub load_commands: Vec<Vec<String>>,
    /// Processes that outlived the daemon.
    pub leftovers: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// By itself, with everything in the manifest.
    Complete(Outcome),
    /// It is cut off: the controller died, or it still runs.
    Incomplete,
}
