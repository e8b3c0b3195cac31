//! What is said about tuning: what a machine lets itself be set to, what was set, and what was put back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::Failure;

/// The name of a PostgreSQL setting among those of its machine; of the machine's own cluster, or of a private one.
pub fn database_setting(cluster: Option<&str>, name: &str) -> String {
    match cluster {
        Some(cluster) => format!("{DATABASE} {cluster}: {name}"),
        None => format!("{DATABASE}: {name}"),
    }
}

/// How the names of PostgreSQL's settings begin among those of a machine.
pub const DATABASE: &str = "PostgreSQL";

/// A setting of a machine, to be made for a campaign and undone after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// `net.core.somaxconn`; [`GOVERNOR`] and [`TURBO`] are the two that are no sysctl.
    pub name: String,
    /// What it shall be, as it would be written: fields apart by one space.
    pub value: String,
    /// Whether the campaign goes on without it.
    #[serde(default)]
    pub optional: bool,
    /// Whether less is enough, and how much: for settings that are one whole number.
    #[serde(default)]
    pub at_least: Option<u64>,
}

/// The frequency governor of all processors: `performance`.
pub const GOVERNOR: &str = "cpu.governor";

/// Whether processors may run faster than they can for ever: `on`, `off`.
pub const TURBO: &str = "cpu.turbo";

/// A setting as it stands on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its value; none where this kernel has no such setting, or hides it.
    pub value: Option<String>,
    /// Why it can't be set here, in words; none where it can.
    pub refused: Option<String>,
}

/// Which namespaces an agent lives in: what it sets reaches no further.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// Inodes of `/proc/self/ns/*`: `net`, `ipc`, `uts`, `pid`, `user`, `mnt`, `cgroup`.
    pub inodes: BTreeMap<String, u64>,
    /// Whether this is the machine itself and no container: all namespaces are the kernel's first.
    pub whole_machine: bool,
    /// Namespaces that are this machine's own, and whose settings therefore are its own too: of `host`, `net`, `ipc`, `uts`.
    pub own: Vec<String>,
}

/// What tuning and its sums need to know of a machine, read without changing anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The settings that were asked for, and those that sums need.
    pub settings: BTreeMap<String, Standing>,
    /// The agent's namespaces.
    pub namespaces: Namespaces,
    /// Whether the agent is root.
    pub root: bool,
    /// Soft and hard limit of open files, for what the agent starts.
    pub nofile: Option<(u64, u64)>,
    /// Whether the agent may raise that hard limit, up to `fs.nr_open`.
    pub may_raise_nofile: bool,
    /// Sockets in TIME_WAIT.
    pub time_wait: Option<u64>,
    /// Local TCP ports that somebody listens on.
    pub listening: Vec<u16>,
    /// What a dead agent left to be undone.
    pub left: Option<Left>,
    /// The machine's own PostgreSQL, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterLook>,
}

/// The machine's own PostgreSQL, as the inventory names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterAsked {
    /// `15/main`
    pub name: String,
    /// The port that it is said to listen on.
    pub port: u16,
}

/// The machine's own PostgreSQL as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterLook {
    /// `15/main`
    pub name: String,
    /// Why no campaign can use it; none where one can.
    pub refused: Option<Failure>,
    /// Its settings, as a person would write them.
    pub settings: BTreeMap<String, String>,
}

/// A journal of changes that nobody has undone yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The run that made them.
    pub run: String,
    /// Its owner, as in the lock.
    pub owner: String,
    /// Since when, UTC.
    pub since: String,
    /// The boot that they were made in.
    pub boot_id: String,
    /// What was changed: name, what it is now, what it was before.
    pub entries: Vec<Change>,
    /// Of these, what would be left as it is: somebody else set it since, it is so already, or a boot has undone it.
    #[serde(default)]
    pub stays: Vec<String>,
}

/// A value before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The setting, or the file.
    pub name: String,
    /// Before; none where there was nothing.
    pub from: Option<String>,
    /// After; none where there is nothing.
    pub to: Option<String>,
}

/// What became of a setting that was to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuned {
    /// Its name.
    pub name: String,
    /// What was asked for.
    pub wanted: String,
    /// What it was.
    pub before: Option<String>,
    /// What was read back.
    pub after: Option<String>,
    /// Whether it took: what was read back is what was asked for.
    pub took: bool,
    /// Where it did not: why.
    #[serde(default)]
    pub why: Option<String>,
    /// Where PostgreSQL says that its value comes from: `configuration file timetrial.conf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What became of one entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBack {
    /// The setting, or the file.
    pub name: String,
    /// What it was found to be.
    pub found: Option<String>,
    /// What it shall be again.
    pub before: Option<String>,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done about one entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is again what it was, read back.
    Restored,
    /// It was so already.
    AlreadySo,
    /// Somebody else changed it meanwhile, and it was left as it is.
    LeftAlone,
    /// The machine was started anew since, which undid it.
    UndoneByBoot,
    /// It could not be put back.
    Failed {
        /// Why.
        why: String,
    },
}

/// A whole journal, undone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The run that had made the changes.
    pub run: String,
    /// Every entry.
    pub entries: Vec<PutBack>,
    /// How long it took.
    pub took_ms: u64,
}

/// The machine held against what it was when the agent came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// How many values.
    pub values: usize,
    /// Those that differ.
    pub differences: Vec<Change>,
}
